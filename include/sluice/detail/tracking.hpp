// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_TRACKING_HPP
#define SLUICE_DETAIL_TRACKING_HPP

// What is told to Asio's handler tracking, if it is on. An operation shows as `sluice`, at the
// address of its state, with the name of its function. One that is ready, and completes without a
// handler of its own, is something that the running handler does.

#include <boost/asio/detail/handler_tracking.hpp>

#include <utility>

#if defined(BOOST_ASIO_ENABLE_HANDLER_TRACKING)

#include <boost/asio/execution_context.hpp>

namespace sluice::detail {

/// Asio asks for a context, which not every executor has.
inline boost::asio::execution_context& tracked_context(boost::asio::execution_context* context) {
  static boost::asio::execution_context nowhere;
  return context != nullptr ? *context : nowhere;
}

/// The state that an operation is at; a subscription leads to it.
template <class State>
auto tracked_object(State* subscription, int) -> decltype(subscription->state().get()) {
  return subscription != nullptr ? subscription->state().get() : nullptr;
}
template <class State>
State* tracked_object(State* state, long) {
  return state;
}

/// Wraps the handler of an operation that is only tried, and is called if it is ready.
template <class Handler, class State>
auto telling(Handler&& handler, const char* name, State* state) {
  return [&handler, name, state](auto&&... values) {
    BOOST_ASIO_HANDLER_OPERATION(
        (tracked_context(nullptr), "sluice", detail::tracked_object(state, 0), 0, name));
    std::forward<Handler>(handler)(std::forward<decltype(values)>(values)...);
  };
}

}  // namespace sluice::detail

#else

namespace sluice::detail {

template <class Handler, class State>
Handler&& telling(Handler&& handler, const char*, State*) noexcept {
  return std::forward<Handler>(handler);
}

}  // namespace sluice::detail

#endif

#endif  // SLUICE_DETAIL_TRACKING_HPP
