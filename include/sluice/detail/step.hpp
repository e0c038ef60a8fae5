// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_STEP_HPP
#define SLUICE_DETAIL_STEP_HPP

// What the steps of all primitives share: a reference to their state, and how they end. See
// operation.hpp for who calls what when. A step without a state belongs to an empty handle: it
// completes with `closed`.

#include <sluice/detail/core/wait_state.hpp>
#include <sluice/error.hpp>

#include <boost/asio/error.hpp>

#include <cstdint>
#include <tuple>
#include <utility>

namespace sluice::detail {

/// The error of an outcome that is not success.
[[gnu::noinline]] inline error_code error_of(core::outcome result) noexcept {
  switch (result) {
    case core::outcome::closed:
      return error::closed;
    case core::outcome::aborted:
      return boost::asio::error::operation_aborted;
    case core::outcome::no_memory:
      return boost::asio::error::no_memory;
    case core::outcome::unsupported:
      return boost::asio::error::operation_not_supported;
    case core::outcome::invalid:
      return boost::asio::error::invalid_argument;
    case core::outcome::none:
    case core::outcome::again:
    case core::outcome::orphaned:
    case core::outcome::success:
      break;
  }
  return error_code();
}

inline error_code to_error_code(core::outcome result) noexcept {
  return result == core::outcome::success ? error_code() : error_of(result);
}

/// What all steps share. `Waiter` is core::waiter, or derived from it.
template <class State, class Waiter>
class step : public Waiter {
 public:
  using state_type = State;

  State* state() const noexcept { return state_.get(); }

  /// True if it was waiting: then nobody has woken it, and nobody will.
  bool abandon() noexcept { return state_ && state_->abandon(*this); }

 protected:
  template <class... Arguments>
  step(core::waiter::function on_wake, core::waiter::function on_drop,
       core::state_ref<State> counted, std::uint64_t owner_id, Arguments... arguments) noexcept
      : Waiter(on_wake, on_drop, owner_id, arguments...), state_(std::move(counted)) {}

  ~step() = default;

  core::started empty_handle() noexcept {
    this->decide(core::outcome::closed);
    return core::started::ready;
  }

  /// The outcome that was decided.
  core::outcome decided(bool& linked) noexcept {
    return state_ ? state_->finish(*this, linked) : core::outcome::closed;
  }

 private:
  const core::state_ref<State> state_;
};

}  // namespace sluice::detail

#endif  // SLUICE_DETAIL_STEP_HPP
