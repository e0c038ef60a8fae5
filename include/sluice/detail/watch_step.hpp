// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_WATCH_STEP_HPP
#define SLUICE_DETAIL_WATCH_STEP_HPP

// What the operations of a watch receiver do with its state. See operation.hpp for who calls what
// when. Each brings the cursor of the receiver along, since the handle may move on.

#include <sluice/detail/core/watch_state.hpp>
#include <sluice/detail/initiation.hpp>
#include <sluice/detail/operation.hpp>
#include <sluice/detail/step.hpp>
#include <sluice/error.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

namespace sluice::detail {

template <class State>
using watch_cursor_ref = core::state_ref<typename State::cursor_type>;

template <class State>
class watch_changed_step : public step<State, typename State::waiter_type> {
 public:
  using result_type = std::tuple<error_code, bool>;
  static constexpr bool may_wait_again = true;
  static constexpr const char* name = "async_changed";

  using step<State, typename State::waiter_type>::step;

  core::started start() noexcept {
    return this->state() ? this->state()->start_changed(*this) : this->empty_handle();
  }

  core::outcome finish(result_type& result, bool& linked, unsigned& phase) noexcept {
    if (!this->state()) {
      std::get<0>(result) = error::closed;
      return core::outcome::closed;
    }
    const core::outcome seen = this->state()->finish_changed(*this, linked, phase);
    std::get<1>(result) = seen == core::outcome::success;
    // That there will be no other value is no error.
    if (seen != core::outcome::closed) std::get<0>(result) = to_error_code(seen);
    return seen;
  }

  core::started wait_again() noexcept { return this->state()->wait_again(*this); }
};

template <class T, class State, class Predicate>
class watch_wait_for_step : public step<State, typename State::waiter_type> {
  using base = step<State, typename State::waiter_type>;

 public:
  using result_type = std::tuple<error_code, std::shared_ptr<const T>>;
  static constexpr bool may_wait_again = true;
  static constexpr const char* name = "async_wait_for";

  template <class Predicate1>
  watch_wait_for_step(core::waiter::function on_wake, core::waiter::function on_drop,
                      core::state_ref<State> counted, std::uint64_t owner_id,
                      watch_cursor_ref<State> shared, Predicate1&& predicate)
      : base(on_wake, on_drop, std::move(counted), owner_id, std::move(shared)),
        predicate_(std::forward<Predicate1>(predicate)) {}

  core::started start() noexcept {
    return this->state() ? this->state()->start_wait_for(*this) : this->empty_handle();
  }

  /// Calls the predicate, without the lock and before anything is decided. If it throws, this
  /// operation is over.
  core::outcome finish(result_type& result, bool& linked, unsigned& phase) {
    using core::outcome;
    if (!this->state()) {
      std::get<0>(result) = error::closed;
      return outcome::closed;
    }
    typename State::snapshot latest;
    outcome seen = outcome::none;
    while (seen == outcome::none) {
      seen = this->state()->look_at_value(*this, latest, linked, phase);
      if (!latest.value) break;
      if (!predicate_(*latest.value)) {
        seen = this->state()->refuse(*this, latest, linked, phase);
        break;
      }
      seen = this->state()->accept(*this, latest, linked);
    }
    if (seen == outcome::success) std::get<1>(result) = std::move(latest.value);
    if (seen != outcome::closed) std::get<0>(result) = to_error_code(seen);
    return seen;
  }

  core::started wait_again() noexcept { return this->state()->wait_again(*this); }

 private:
  Predicate predicate_;
};

/// How such an operation begins, for an initiation.
struct start_watch_changed {
  static constexpr const char* name = "async_changed";
  static constexpr std::size_t argument_count = 1;

  template <class Handler, class IoExecutor, class State, class Owner>
  static void begin(Handler&& handler, const IoExecutor& ex, core::state_ref<State> state,
                    Owner owner, watch_cursor_ref<State> cursor) {
    operation<watch_changed_step<State>, Handler, IoExecutor>::begin(
        std::move(handler), ex, std::move(state), owner, std::move(cursor));
  }

  template <class State, class Handler>
  static void try_now(State* state, Handler&& handler, const watch_cursor_ref<State>& cursor) {
    using core::outcome;
    if (state == nullptr) return std::move(handler)(error_code(error::closed), false);
    if (!state->seems_changed(*cursor)) return;
    const outcome seen = state->try_changed(*cursor);
    if (seen != outcome::none) std::move(handler)(error_code(), seen == outcome::success);
  }
};

template <class T>
struct start_watch_wait_for {
  static constexpr const char* name = "async_wait_for";
  static constexpr std::size_t argument_count = 2;
  static constexpr bool calls_back_when_tried = true;

  template <class Handler, class IoExecutor, class State, class Owner, class Predicate>
  static void begin(Handler&& handler, const IoExecutor& ex, core::state_ref<State> state,
                    Owner owner, watch_cursor_ref<State> cursor, Predicate&& predicate) {
    using step = watch_wait_for_step<T, State, std::decay_t<Predicate>>;
    operation<step, Handler, IoExecutor>::begin(std::move(handler), ex, std::move(state), owner,
                                                std::move(cursor),
                                                std::forward<Predicate>(predicate));
  }

  template <class State, class Handler, class Predicate>
  static void try_now(State* state, Handler&& handler, const watch_cursor_ref<State>& cursor,
                      Predicate&& predicate) {
    using core::outcome;
    using value_type = std::shared_ptr<const T>;
    if (state == nullptr) return std::move(handler)(error_code(error::closed), value_type());
    for (outcome seen = outcome::none; seen == outcome::none;) {
      auto latest = state->look_at_value();
      if (!predicate(*latest.value)) {
        if (latest.last) std::move(handler)(error_code(), value_type());
        return;
      }
      seen = state->accept(*cursor, latest);
      if (seen == outcome::none) continue;
      if (seen != outcome::success) latest.value.reset();
      std::move(handler)(to_error_code(seen), std::move(latest.value));
    }
  }
};

}  // namespace sluice::detail

#endif  // SLUICE_DETAIL_WATCH_STEP_HPP
