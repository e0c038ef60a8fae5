// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_HANDLE_HPP
#define SLUICE_DETAIL_HANDLE_HPP

// What all handles have in common: a counted share of a state, an executor, and a number by which
// cancel() knows the operations that were begun through this handle. Moving a handle moves the
// number along; copying one gives the copy a number of its own.
//
// `Role` says how the handles of one end are counted: add(state) counts one and returns its number,
// remove(state) ends it.
//
// A moved-from handle is empty but keeps its executor, so that an operation that is begun on it can
// still say `closed`. An operation on a default-constructed handle completes on the system
// executor.

#include <sluice/detail/executor_holder.hpp>
#include <sluice/detail/initiation.hpp>

#include <cstdint>
#include <type_traits>
#include <utility>

namespace sluice::detail {

/// How the handles of one end are counted.
struct sender_role {
  template <class State>
  static std::uint64_t add(State& state) noexcept {
    return state.add_sender();
  }
  template <class State>
  static void remove(State& state) noexcept {
    state.remove_sender();
  }
};

struct receiver_role {
  template <class State>
  static std::uint64_t add(State& state) noexcept {
    return state.add_receiver();
  }
  template <class State>
  static void remove(State& state) noexcept {
    state.remove_receiver();
  }
};

template <class State, class Role, class Executor>
class handle {
 public:
  /// The type of the executor on which completions run by default.
  using executor_type = Executor;

  /// The executor on which completions run by default. A default-constructed handle has none: an
  /// empty `any_io_executor` stands for the system executor; with an executor type that cannot be
  /// made from one, this must not be called.
  executor_type get_executor() const noexcept { return *executor_.get(); }

  /// Cancels everything that was begun through this handle and has not happened yet; it completes
  /// with `operation_aborted`. Complexity: linear in the operations that wait at the same state.
  void cancel() noexcept {
    if (state_) state_->cancel_owner(owner_);
  }

  /// Whether this handle is an end of something: not default-constructed and not moved from.
  explicit operator bool() const noexcept { return static_cast<bool>(state_); }

 protected:
  using state_type = State;

  handle() = default;

  handle(core::state_ref<State> counted, std::uint64_t owner, const Executor& ex) noexcept
      : state_(std::move(counted)), owner_(owner) {
    executor_.assign(&ex);
  }

  // The executor comes first: if it cannot be copied or converted, nothing has been counted yet.
  handle(const handle& other)
      : executor_(other.executor_), state_(other.state_), owner_(add(state_)) {}

  handle(handle&& other) noexcept
      : executor_(other.executor_), state_(std::move(other.state_)), owner_(other.owner_) {}

  template <class Executor2>
  explicit handle(const handle<State, Role, Executor2>& other) {
    adopt_executor(other);
    state_ = other.state_;
    owner_ = add(state_);
  }

  template <class Executor2>
  explicit handle(handle<State, Role, Executor2>&& other) : owner_(other.owner_) {
    adopt_executor(other);
    state_ = std::move(other.state_);
  }

  ~handle() {
    if (state_ && !is_last_of_all()) Role::remove(*state_);
  }

  handle& operator=(const handle& other) {
    handle copy(other);
    swap_ends(copy);
    return *this;
  }

  handle& operator=(handle&& other) noexcept {
    // What this end was goes at once, not with `other`, and `other` is left empty.
    handle taken(std::move(other));
    swap_ends(taken);
    return *this;
  }

  void swap_ends(handle& other) noexcept {
    std::swap(state_, other.state_);
    std::swap(owner_, other.owner_);
    const executor_holder<Executor> mine(executor_);
    executor_.assign(other.executor_.get());
    other.executor_.assign(mine.get());
  }

  static std::uint64_t add(const core::state_ref<State>& state) noexcept {
    return state ? Role::add(*state) : 0;
  }

  executor_holder<Executor> executor_;
  core::state_ref<State> state_;
  std::uint64_t owner_ = 0;

 private:
  template <class, class, class>
  friend class handle;
  friend struct channel_access;

  /// Whether nobody is left who could notice that this handle goes: no other handle, no operation.
  bool is_last_of_all() const noexcept {
    if constexpr (std::is_base_of_v<core::evictable, State>)
      return state_->is_held_once();
    else
      return false;
  }

  template <class Other>
  void adopt_executor(const Other& other) {
    if (auto* ex = other.executor_.get()) {
      const Executor converted = convert_executor<Executor>(*ex);
      executor_.assign(&converted);
    }
  }
};

}  // namespace sluice::detail

#endif  // SLUICE_DETAIL_HANDLE_HPP
