// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_CLOSING_STEP_HPP
#define SLUICE_DETAIL_CLOSING_STEP_HPP

// What a sender does that waits until nobody wants what it sends. See operation.hpp for who calls
// what when.

#include <sluice/detail/core/waiter.hpp>
#include <sluice/detail/initiation.hpp>
#include <sluice/detail/operation.hpp>
#include <sluice/detail/step.hpp>
#include <sluice/error.hpp>

#include <cstddef>
#include <cstdint>
#include <tuple>
#include <utility>

namespace sluice::detail {

template <class State>
class closing_step : public step<State, core::waiter> {
 public:
  using result_type = std::tuple<error_code>;
  static constexpr bool may_wait_again = false;
  static constexpr const char* name = "async_wait_closed";

  using step<State, core::waiter>::step;

  core::started start() noexcept {
    return this->state() ? this->state()->start_wait_closed(*this) : this->empty_handle();
  }

  void finish(result_type& result, bool& linked) noexcept {
    std::get<0>(result) = to_error_code(this->decided(linked));
  }
};

/// How such an operation begins, for an initiation.
struct start_closing {
  static constexpr const char* name = "async_wait_closed";
  static constexpr std::size_t argument_count = 0;
  static constexpr bool takes_effect_at_start = true;

  template <class Handler, class IoExecutor, class State, class Owner>
  static void begin(Handler&& handler, const IoExecutor& ex, core::state_ref<State> state,
                    Owner owner) {
    operation<closing_step<State>, Handler, IoExecutor>::begin(std::move(handler), ex,
                                                               std::move(state), owner);
  }

  template <class State, class Handler>
  static void try_now(State* state, Handler&& handler) {
    if (state == nullptr)
      std::move(handler)(error_code(error::closed));
    else if (state->is_deserted())
      std::move(handler)(error_code());
  }
};

}  // namespace sluice::detail

#endif  // SLUICE_DETAIL_CLOSING_STEP_HPP
