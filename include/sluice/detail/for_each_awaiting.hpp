// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_FOR_EACH_AWAITING_HPP
#define SLUICE_DETAIL_FOR_EACH_AWAITING_HPP

#include <boost/asio/detail/config.hpp>

#include <cstdint>
#include <type_traits>

namespace sluice::detail {

/// Begins the loop of async_for_each whose function is a coroutine.
template <class StartReceive, class T, class Handler, class IoExecutor, class State, class Function>
void spawn_for_each(Handler&& handler, const IoExecutor& ex, State state, std::uint64_t owner,
                    Function&& f);

}  // namespace sluice::detail

#if defined(BOOST_ASIO_HAS_CO_AWAIT)

// The form of async_for_each whose function is a coroutine: a loop in a coroutine of its own, which
// takes one message at a time, since what it had in its hands would wait for the function
// meanwhile.
//
// While the function runs nothing waits at the channel. A waiter that is busy all the time stands
// for the loop there, so that cancel() reaches it.

#include <sluice/detail/core/channel_core.hpp>
#include <sluice/detail/default_token.hpp>
#include <sluice/detail/executor_holder.hpp>
#include <sluice/detail/initiation.hpp>
#include <sluice/detail/tracking.hpp>
#include <sluice/error.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/associator.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detail/handler_tracking.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>

#include <atomic>
#include <exception>
#include <functional>
#include <optional>
#include <utility>

namespace sluice::detail {

template <class Executor, class Signature, class Initiation, class... Arguments>
class awaitable_operation;

/// The asio::awaitable that a result is or becomes; void if it is nothing to await.
template <class>
struct awaitable_of {
  using type = void;
};

template <class T, class Executor>
struct awaitable_of<boost::asio::awaitable<T, Executor>> {
  using type = boost::asio::awaitable<T, Executor>;
};

template <class Executor, class Signature, class Initiation, class... Arguments>
struct awaitable_of<awaitable_operation<Executor, Signature, Initiation, Arguments...>> {
  using type =
      typename awaitable_operation<Executor, Signature, Initiation, Arguments...>::awaitable_type;
};

template <class Function, class T>
using awaitable_of_t = typename awaitable_of<std::invoke_result_t<Function&, T>>::type;

/// The receiving side of a channel that a loop holds: it counts as no receiver.
template <class State, class Executor>
class loop_end {
 public:
  using executor_type = Executor;

  loop_end(core::state_ref<State> state, std::uint64_t owner, const Executor& ex)
      : state_(std::move(state)), owner_(owner), mark_(owner) {
    executor_.assign(&ex);
    if (state_) state_->stand_by(mark_);
  }

  ~loop_end() {
    if (state_) state_->abandon(mark_);
  }

  executor_type get_executor() const noexcept { return *executor_.get(); }

  /// Whether the loop was cancelled while nothing of it waited.
  bool stopped() const noexcept { return mark_.stop.load(std::memory_order_relaxed); }

 private:
  friend struct channel_access;

  class mark final : public core::batch_waiter {
   public:
    // It is never woken, and never evicted, because it never waits.
    explicit mark(std::uint64_t owner_id)
        : core::batch_waiter([](core::waiter&) noexcept {}, [](core::waiter&) noexcept {},
                             owner_id) {}
  };

  core::state_ref<State> state_;
  std::uint64_t owner_;
  executor_holder<Executor> executor_;
  mark mark_;
};

/// The completion handler of the loop's coroutine.
template <class Handler>
class loop_handler BOOST_ASIO_INHERIT_TRACKED_HANDLER {
 public:
  explicit loop_handler(Handler&& handler) : handler_(std::move(handler)) {}

  void operator()(std::exception_ptr thrown, error_code ec) {
    BOOST_ASIO_HANDLER_COMPLETION((*this));
    if (thrown) std::rethrow_exception(thrown);
    BOOST_ASIO_HANDLER_INVOCATION_BEGIN((ec));
    std::move(handler_)(ec);
    BOOST_ASIO_HANDLER_INVOCATION_END;
  }

  const Handler& handler() const noexcept { return handler_; }

 private:
  Handler handler_;
};

template <class StartReceive, class T, class State, class Executor, class LoopExecutor,
          class Function>
boost::asio::awaitable<error_code, LoopExecutor> for_each_awaiting(core::state_ref<State> state,
                                                                   std::uint64_t owner, Executor ex,
                                                                   Function f) {
  namespace asio = boost::asio;
  using result = typename awaitable_of_t<Function, T>::value_type;
  using end = loop_end<State, Executor>;
  using token = asio::as_tuple_t<use_awaitable_t<LoopExecutor>>;

  co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
  const end from(std::move(state), owner, ex);
  bool begun = false;
  std::exception_ptr aborted;
  try {
    while (!from.stopped()) {
      auto [ec, message] =
          co_await asio::async_initiate<const token, void(error_code, std::optional<T>)>(
              handle_initiation<StartReceive, end, const end*>(&from), token());
      if (!message) co_return ec;
      if (!std::exchange(begun, true))
        co_await asio::this_coro::reset_cancellation_state(asio::enable_partial_cancellation());
      if constexpr (std::is_void_v<result>) {
        co_await std::invoke(f, std::move(*message));
      } else {
        const bool goes_on = co_await std::invoke(f, std::move(*message));
        if (!goes_on) co_return error_code();
      }
      // The function may have switched off that a coroutine hears of its cancellation.
      const auto cancellation = co_await asio::this_coro::cancellation_state;
      if (cancellation.cancelled() != asio::cancellation_type::none) break;
    }
  } catch (const boost::system::system_error& thrown) {
    if (thrown.code() != asio::error::operation_aborted) throw;
    aborted = std::current_exception();
  }
  if (aborted) {
    // The function is told of a cancellation by an exception too; but it may have its own reasons.
    const auto cancellation = co_await asio::this_coro::cancellation_state;
    if (cancellation.cancelled() == asio::cancellation_type::none) std::rethrow_exception(aborted);
  }
  co_return asio::error::operation_aborted;
}

/// Where the loop runs: where its handler does, if coroutines can. A thread that is blocked has no
/// context; then it is where the handle says, and only the completion comes to the thread.
template <bool CanBeOwn, class Handler, class IoExecutor>
auto pick_loop_executor(const Handler& handler, const IoExecutor& ex) noexcept {
  if constexpr (CanBeOwn)
    return boost::asio::get_associated_executor(handler, ex);
  else
    return ex;
}

/// Whether a function of a message returns something to await.
template <class Function, class T>
inline constexpr bool is_awaiting = !std::is_void_v<awaitable_of_t<Function, T>>;

template <class StartReceive, class T, class Handler, class IoExecutor, class State, class Function>
void spawn_for_each(Handler&& handler, const IoExecutor& ex, State state, std::uint64_t owner,
                    Function&& f) {
  using function = std::decay_t<Function>;
  using loop_executor = typename awaitable_of_t<function, T>::executor_type;
  using own_executor = boost::asio::associated_executor_t<std::decay_t<Handler>, IoExecutor>;
  // Before the handler is moved away: arguments are evaluated in any order.
  const auto own =
      pick_loop_executor<std::is_convertible_v<own_executor, loop_executor>>(handler, ex);
  loop_handler<std::decay_t<Handler>> at_end(std::move(handler));
  BOOST_ASIO_HANDLER_CREATION(
      (tracked_context(nullptr), at_end, "sluice", state.get(), 0, "async_for_each"));
  boost::asio::co_spawn(
      own,
      for_each_awaiting<StartReceive, T, typename State::element_type, IoExecutor, loop_executor>(
          std::move(state), owner, ex, function(std::forward<Function>(f))),
      std::move(at_end));
}

}  // namespace sluice::detail

namespace boost::asio {

template <template <class, class> class Associator, class Handler, class Default>
struct associator<Associator, sluice::detail::loop_handler<Handler>, Default>
    : Associator<Handler, Default> {
  static typename Associator<Handler, Default>::type get(
      const sluice::detail::loop_handler<Handler>& h) noexcept {
    return Associator<Handler, Default>::get(h.handler());
  }
  static auto get(const sluice::detail::loop_handler<Handler>& h, const Default& d) noexcept
      -> decltype(Associator<Handler, Default>::get(h.handler(), d)) {
    return Associator<Handler, Default>::get(h.handler(), d);
  }
};

}  // namespace boost::asio

#else

namespace sluice::detail {

template <class Function, class T>
inline constexpr bool is_awaiting = false;

}  // namespace sluice::detail

#endif  // defined(BOOST_ASIO_HAS_CO_AWAIT)

namespace sluice::detail {

template <class Result>
struct awaited_result {
  using type = Result;
};

#if defined(BOOST_ASIO_HAS_CO_AWAIT)
template <class Result, class Executor>
struct awaited_result<boost::asio::awaitable<Result, Executor>> {
  using type = Result;
};

template <class Executor, class Signature, class Initiation, class... Arguments>
struct awaited_result<awaitable_operation<Executor, Signature, Initiation, Arguments...>>
    : awaited_result<typename awaitable_operation<Executor, Signature, Initiation,
                                                  Arguments...>::awaitable_type> {};
#endif

/// Whether a function of a message returns what says how a loop goes on.
template <class Function, class T,
          class Result = typename awaited_result<std::invoke_result_t<Function&, T>>::type>
inline constexpr bool is_loop_result =
    std::is_void_v<Result> || std::is_same_v<std::decay_t<Result>, bool>;

}  // namespace sluice::detail

#endif  // SLUICE_DETAIL_FOR_EACH_AWAITING_HPP
