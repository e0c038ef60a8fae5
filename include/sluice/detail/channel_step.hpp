// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_CHANNEL_STEP_HPP
#define SLUICE_DETAIL_CHANNEL_STEP_HPP

// What the operations of a channel do with its state. See operation.hpp for who calls what when.
// A step without a state belongs to an empty handle: it completes with `closed`.

#include <sluice/detail/core/channel_state.hpp>
#include <sluice/error.hpp>

#include <boost/asio/error.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>

namespace sluice::detail {

inline error_code to_error_code(core::outcome result) noexcept {
  switch (result) {
    case core::outcome::closed:
      return error::closed;
    case core::outcome::aborted:
      return boost::asio::error::operation_aborted;
    case core::outcome::no_memory:
      return boost::asio::error::no_memory;
    case core::outcome::none:
    case core::outcome::orphaned:
    case core::outcome::success:
      break;
  }
  return error_code();
}

/// What all of them share. `Waiter` is core::waiter, or derived from it.
template <class State, class Waiter>
class channel_step : public Waiter {
 public:
  using state_type = State;

  State* state() const noexcept { return state_.get(); }

  void abandon() noexcept {
    if (state_) state_->abandon(*this);
  }

 protected:
  channel_step(core::waiter::function on_wake, core::waiter::function on_drop,
               core::state_ref<State> counted, std::uint64_t owner_id) noexcept
      : Waiter(on_wake, on_drop, owner_id), state_(std::move(counted)) {}

  ~channel_step() = default;

  core::started empty_handle() noexcept {
    this->decide(core::outcome::closed);
    return core::started::ready;
  }

  void finish_decided(std::tuple<error_code>& result, bool& linked) noexcept {
    std::get<0>(result) =
        to_error_code(state_ ? state_->finish(*this, linked) : core::outcome::closed);
  }

 private:
  const core::state_ref<State> state_;
};

template <class T, class State>
class receive_step : public channel_step<State, core::waiter> {
 public:
  using result_type = std::tuple<error_code, std::optional<T>>;
  static constexpr bool may_wait_again = true;
  static constexpr const char* name = "async_receive";

  using channel_step<State, core::waiter>::channel_step;

  core::started start() noexcept {
    return this->state() ? this->state()->start_receive(*this) : this->empty_handle();
  }

  core::outcome finish(result_type& result, bool& linked, unsigned& phase) noexcept {
    if (!this->state()) {
      std::get<0>(result) = error::closed;
      return core::outcome::closed;
    }
    core::outcome seen = this->state()->finish_receive(*this, std::get<1>(result), linked, phase);
    // The end of the stream is no error, unless a reason was given for it.
    std::get<0>(result) =
        seen == core::outcome::closed ? this->state()->reason() : to_error_code(seen);
    return seen;
  }

  core::started wait_again() noexcept { return this->state()->wait_again(*this); }
};

/// `Source` is T for a send that owns its value, or T& for one whose value stays with the caller.
template <class T, class Source, class State>
class send_step : public channel_step<State, core::send_waiter<T>> {
  using base = channel_step<State, core::send_waiter<T>>;

 public:
  using result_type = std::tuple<error_code>;
  static constexpr bool may_wait_again = false;
  static constexpr const char* name = "async_send";

  send_step(core::waiter::function on_wake, core::waiter::function on_drop,
            core::state_ref<State> counted, std::uint64_t owner_id, Source&& source) noexcept
      : base(on_wake, on_drop, std::move(counted), owner_id),
        source_(std::forward<Source>(source)) {
    this->value = std::addressof(source_);
  }

  core::started start() noexcept {
    return this->state() ? this->state()->start_send(*this) : this->empty_handle();
  }

  void finish(result_type& result, bool& linked) noexcept { this->finish_decided(result, linked); }

 private:
  Source source_;
};

template <class State>
class wait_closed_step : public channel_step<State, core::waiter> {
 public:
  using result_type = std::tuple<error_code>;
  static constexpr bool may_wait_again = false;
  static constexpr const char* name = "async_wait_closed";

  using channel_step<State, core::waiter>::channel_step;

  core::started start() noexcept {
    return this->state() ? this->state()->start_wait_closed(*this) : this->empty_handle();
  }

  void finish(result_type& result, bool& linked) noexcept { this->finish_decided(result, linked); }
};

}  // namespace sluice::detail

#endif  // SLUICE_DETAIL_CHANNEL_STEP_HPP
