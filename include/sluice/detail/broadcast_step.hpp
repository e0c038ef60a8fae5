// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_BROADCAST_STEP_HPP
#define SLUICE_DETAIL_BROADCAST_STEP_HPP

// What the operations of a broadcast do with its state. See operation.hpp for who calls what when.
//
// A receive that has been promised something always finds something, so no step here waits again.

#include <sluice/detail/core/broadcast_state.hpp>
#include <sluice/detail/step.hpp>
#include <sluice/error.hpp>

#include <boost/asio/error.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>

namespace sluice::detail {

/// Who has seen the end may read the reason for it, and nobody else: the handle, and the
/// subscription with it, may be gone after a message was copied. No subscription: an empty handle.
template <class Subscription>
error_code to_error_code(core::received seen, const Subscription* sub) noexcept {
  switch (seen) {
    case core::received::nothing:
      return error::empty;
    case core::received::lagged:
      return error::lagged;
    case core::received::no_memory:
      return boost::asio::error::no_memory;
    case core::received::copy_failed:
      return error::copy_failed;
    case core::received::end:
      return sub != nullptr ? sub->state()->reason() : error_code(error::closed);
    case core::received::aborted:
      return boost::asio::error::operation_aborted;
    case core::received::message:
      break;
  }
  return error_code();
}

/// A receive shares its subscription, which shares the state.
template <class T, class Subscription>
class broadcast_receive_step
    : public step<typename Subscription::state_type, core::subscriber_waiter> {
  using base = step<typename Subscription::state_type, core::subscriber_waiter>;

 public:
  using result_type = std::tuple<error_code, std::optional<T>>;
  static constexpr bool may_wait_again = false;
  static constexpr const char* name = "async_receive";

  broadcast_receive_step(core::waiter::function on_wake, core::waiter::function on_drop,
                         core::state_ref<Subscription> counted, std::uint64_t owner_id) noexcept
      : base(on_wake, on_drop, state_of(counted), owner_id), subscription_(std::move(counted)) {
    this->source = subscription_.get();
  }

  core::started start() noexcept {
    return this->state() ? this->state()->start_receive(*this) : this->empty_handle();
  }

  void finish(result_type& result, bool& linked) noexcept {
    const core::received seen =
        this->state() ? this->state()->finish_receive(*this, std::get<1>(result), linked)
                      : core::received::end;
    std::get<0>(result) = to_error_code(seen, subscription_.get());
  }

 private:
  static auto state_of(const core::state_ref<Subscription>& s) noexcept {
    return s ? s->state() : core::state_ref<typename Subscription::state_type>();
  }

  const core::state_ref<Subscription> subscription_;
};

/// `Source` is T for a send that owns its message, or T& for one whose message stays with the
/// caller.
template <class T, class Source, class State>
class broadcast_send_step : public step<State, core::broadcast_send_waiter<T>> {
  using base = step<State, core::broadcast_send_waiter<T>>;

 public:
  using result_type = std::tuple<error_code, std::size_t>;
  static constexpr bool may_wait_again = false;
  static constexpr const char* name = "async_send";

  broadcast_send_step(core::waiter::function on_wake, core::waiter::function on_drop,
                      core::state_ref<State> counted, std::uint64_t owner_id,
                      Source source) noexcept
      : base(on_wake, on_drop, std::move(counted), owner_id),
        source_(std::forward<Source>(source)) {
    this->value = std::addressof(source_);
  }

  core::started start() noexcept {
    return this->state() ? this->state()->start_send(*this) : this->empty_handle();
  }

  void finish(result_type& result, bool& linked) noexcept {
    const core::outcome seen = this->decided(linked);
    std::get<0>(result) = to_error_code(seen);
    std::get<1>(result) = this->reached;
    // A message that is sent to nobody is gone all the same.
    if (seen == core::outcome::success && this->reached == 0) {
      [[maybe_unused]] const T gone(std::move(*this->value));
    }
  }

 private:
  Source source_;
};

}  // namespace sluice::detail

#endif  // SLUICE_DETAIL_BROADCAST_STEP_HPP
