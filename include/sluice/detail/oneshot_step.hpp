// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_ONESHOT_STEP_HPP
#define SLUICE_DETAIL_ONESHOT_STEP_HPP

// What the receive of a oneshot does with its state. See operation.hpp for who calls what when.

#include <sluice/detail/core/oneshot_state.hpp>
#include <sluice/detail/initiation.hpp>
#include <sluice/detail/operation.hpp>
#include <sluice/detail/step.hpp>
#include <sluice/error.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <tuple>
#include <utility>

namespace sluice::detail {

template <class T, class State>
class oneshot_receive_step : public step<State, core::waiter> {
 public:
  using result_type = std::tuple<error_code, std::optional<T>>;
  static constexpr bool may_wait_again = false;
  static constexpr const char* name = "async_receive";

  using step<State, core::waiter>::step;

  core::started start() noexcept {
    return this->state() ? this->state()->start_receive(*this) : this->empty_handle();
  }

  void finish(result_type& result, bool& linked) noexcept {
    if (!this->state()) {
      std::get<0>(result) = error::closed;
      return;
    }
    core::outcome seen = this->state()->finish_receive(*this, std::get<1>(result), linked);
    // That no value will come is no error.
    if (seen != core::outcome::closed) std::get<0>(result) = to_error_code(seen);
  }
};

/// How such an operation begins, for an initiation.
template <class T>
struct start_oneshot_receive {
  static constexpr const char* name = "async_receive";
  static constexpr std::size_t argument_count = 0;

  template <class Handler, class IoExecutor, class State, class Owner>
  static void begin(Handler&& handler, const IoExecutor& ex, core::state_ref<State> state,
                    Owner owner) {
    operation<oneshot_receive_step<T, State>, Handler, IoExecutor>::begin(std::move(handler), ex,
                                                                          std::move(state), owner);
  }

  template <class State, class Handler>
  static void try_now(State* state, Handler&& handler) {
    using core::outcome;
    if (state != nullptr && !state->seems_receivable()) return;
    std::optional<T> value;
    const outcome seen = state ? state->try_receive(value) : outcome::closed;
    if (seen != outcome::none)
      std::move(handler)(state ? error_code() : error_code(error::closed), std::move(value));
  }
};

}  // namespace sluice::detail

#endif  // SLUICE_DETAIL_ONESHOT_STEP_HPP
