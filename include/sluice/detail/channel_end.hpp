// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_CHANNEL_END_HPP
#define SLUICE_DETAIL_CHANNEL_END_HPP

// What senders and receivers have in common: a counted share of the channel, an executor, and a
// number by which cancel() knows the operations that were begun through this handle. Moving a handle
// moves the number along; copying one gives the copy a number of its own.
//
// A moved-from handle is empty but keeps its executor, so that an operation that is begun on it can
// still say `closed`. An operation on a default-constructed handle completes on the system executor.

#include <sluice/detail/core/channel_state.hpp>
#include <sluice/detail/executor_holder.hpp>
#include <sluice/detail/initiation.hpp>
#include <sluice/error.hpp>
#include <sluice/threading.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
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

template <class Role, class T, class Executor, class Threading>
class channel_end {
  static_assert(std::is_object_v<T> && !std::is_const_v<T> && !std::is_array_v<T>,
                "sluice: a channel carries plain object types: wrap references in "
                "std::reference_wrapper or a pointer, arrays in std::array, and drop the const");
  // The destructor first: one that throws makes the move constructor look guilty.
  static_assert(std::is_nothrow_destructible_v<T>,
                "sluice: the destructor of the message type must not throw: declare it noexcept");
  static_assert(
      std::is_nothrow_move_constructible_v<T>,
      "sluice: the message type must not throw when it is moved, since a channel moves it "
      "under its lock: declare its move constructor noexcept, or send a "
      "std::unique_ptr to it");

 public:
  using value_type = T;
  using threading_type = Threading;

  /// The type of the executor on which completions run by default.
  using executor_type = Executor;

  /// The executor on which completions run by default. A default-constructed handle whose executor
  /// type is not made from a system_executor has none; then this must not be called.
  executor_type get_executor() const noexcept { return *executor_.get(); }

  /// Closes the channel for both ends; what was accepted can still be received. Closing twice is
  /// harmless.
  void close() noexcept { close(error_code()); }

  /// Closes the channel, and receivers see `reason` where they would see the end of the stream. The
  /// first reason stays; no error and `error::closed` mean none. Senders see `error::closed` always.
  void close(error_code reason) noexcept {
    if (state_) state_->close(reason == error_code(error::closed) ? error_code() : reason);
  }

  /// Cancels everything that was begun through this handle and has not happened yet; it completes
  /// with `operation_aborted`. Complexity: linear in the operations that wait at this channel.
  void cancel() noexcept {
    if (state_) state_->cancel_owner(owner_);
  }

  /// Whether a send would fail because the channel is closed. True for an empty handle.
  [[nodiscard]] bool is_closed() const noexcept { return look().closed; }

  /// How many accepted values the channel holds at most: 0 for a rendezvous, SIZE_MAX if unbounded.
  [[nodiscard]] std::size_t capacity() const noexcept { return state_ ? state_->capacity() : 0; }

  /// How many accepted values wait to be received. Pending sends are not among them.
  [[nodiscard]] std::size_t size() const noexcept { return look().buffered; }

  [[nodiscard]] bool empty() const noexcept { return size() == 0; }

  /// Whether `try_send` would say `error::full` now.
  [[nodiscard]] bool full() const noexcept { return look().full; }

  [[nodiscard]] std::size_t sender_count() const noexcept { return look().senders; }
  [[nodiscard]] std::size_t receiver_count() const noexcept { return look().receivers; }

  /// Whether both are ends of one channel. Empty handles belong to none.
  template <class Role2, class Executor2>
  [[nodiscard]] bool same_channel(
      const channel_end<Role2, T, Executor2, Threading>& other) const noexcept {
    return state_ && state_.get() == channel_access::state(other).get();
  }

  /// Whether this handle is an end of a channel: not default-constructed and not moved from.
  explicit operator bool() const noexcept { return static_cast<bool>(state_); }

 protected:
  using state_type = core::channel_state<T, Threading>;

  channel_end() = default;

  channel_end(core::state_ref<state_type> counted, std::uint64_t owner, const Executor& ex) noexcept
      : state_(std::move(counted)), owner_(owner) {
    executor_.assign(&ex);
  }

  // The executor comes first: if it cannot be copied or converted, nothing has been counted yet.
  channel_end(const channel_end& other)
      : executor_(other.executor_), state_(other.state_), owner_(add(state_)) {}

  channel_end(channel_end&& other) noexcept
      : executor_(other.executor_), state_(std::move(other.state_)), owner_(other.owner_) {}

  template <class Executor2>
  explicit channel_end(const channel_end<Role, T, Executor2, Threading>& other) {
    adopt_executor(other);
    state_ = other.state_;
    owner_ = add(state_);
  }

  template <class Executor2>
  explicit channel_end(channel_end<Role, T, Executor2, Threading>&& other) : owner_(other.owner_) {
    adopt_executor(other);
    state_ = std::move(other.state_);
  }

  ~channel_end() {
    if (state_) Role::remove(*state_);
  }

  channel_end& operator=(const channel_end& other) {
    channel_end copy(other);
    swap_ends(copy);
    return *this;
  }

  channel_end& operator=(channel_end&& other) noexcept {
    // What this end was goes at once, not with `other`, and `other` is left empty.
    channel_end taken(std::move(other));
    swap_ends(taken);
    return *this;
  }

  void swap_ends(channel_end& other) noexcept {
    std::swap(state_, other.state_);
    std::swap(owner_, other.owner_);
    const executor_holder<Executor> mine(executor_);
    executor_.assign(other.executor_.get());
    other.executor_.assign(mine.get());
  }

  static std::uint64_t add(const core::state_ref<state_type>& state) noexcept {
    return state ? Role::add(*state) : 0;
  }

  executor_holder<Executor> executor_;
  core::state_ref<state_type> state_;
  std::uint64_t owner_ = 0;

 private:
  template <class, class, class, class>
  friend class channel_end;
  friend struct channel_access;

  template <class Other>
  void adopt_executor(const Other& other) {
    if (auto* ex = other.executor_.get()) {
      const Executor converted(*ex);
      executor_.assign(&converted);
    }
  }

  typename state_type::counts look() const noexcept {
    return state_ ? state_->look() : typename state_type::counts{0, 0, 0, false, true};
  }
};

}  // namespace sluice::detail

#endif  // SLUICE_DETAIL_CHANNEL_END_HPP
