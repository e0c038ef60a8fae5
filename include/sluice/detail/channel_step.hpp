// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_CHANNEL_STEP_HPP
#define SLUICE_DETAIL_CHANNEL_STEP_HPP

// What the operations of a channel do with its state. See operation.hpp for who calls what when.

#include <sluice/detail/core/channel_state.hpp>
#include <sluice/detail/step.hpp>
#include <sluice/error.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>

namespace sluice::detail {

template <class T, class State>
class receive_step : public step<State, core::waiter> {
 public:
  using result_type = std::tuple<error_code, std::optional<T>>;
  static constexpr bool may_wait_again = true;
  static constexpr const char* name = "async_receive";

  using step<State, core::waiter>::step;

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
class send_step : public step<State, core::send_waiter<T>> {
  using base = step<State, core::send_waiter<T>>;

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
class wait_closed_step : public step<State, core::waiter> {
 public:
  using result_type = std::tuple<error_code>;
  static constexpr bool may_wait_again = false;
  static constexpr const char* name = "async_wait_closed";

  using step<State, core::waiter>::step;

  core::started start() noexcept {
    return this->state() ? this->state()->start_wait_closed(*this) : this->empty_handle();
  }

  void finish(result_type& result, bool& linked) noexcept { this->finish_decided(result, linked); }
};

}  // namespace sluice::detail

#endif  // SLUICE_DETAIL_CHANNEL_STEP_HPP
