// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_CORE_ONESHOT_STATE_HPP
#define SLUICE_DETAIL_CORE_ONESHOT_STATE_HPP

// One value, once. The value lies in the state itself, so a oneshot is one allocation.
//
// Who waits: receives, for the value or for the certainty that none will come, and those who want
// to know that nobody wants the value any more (closers).
//
// Invariants, true whenever the lock is free
// - Receives wait only while there is no value, or while it is promised to one of them. It is
//   promised to one at most, which stands in `woken_`; so who comes back with a promise finds the
//   value, unless the receiver has gone.
// - If the oneshot has ended, or has no receiver, then receivers_ is empty.
// - closed_ implies that closers_ is empty. No receiver implies closed_, and no value.
//
// Everything is protected by the lock of the state. Moving the value is the only user code that
// runs under it, and cannot throw; a value that nobody will receive is destroyed after unlocking.

#include <sluice/detail/core/observable.hpp>
#include <sluice/detail/core/wait_state.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <utility>

namespace sluice::detail::core {

template <class T, class Threading>
class oneshot_state final : public wait_state<Threading> {
  using base = wait_state<Threading>;

 public:
  using typename base::section;

  oneshot_state() noexcept {}

  ~oneshot_state() override {
    if (full_) value_.~T();
  }

  // The sender ----------------------------------------------------------------------------------

  /// `value` is moved from only if the outcome is success.
  outcome send(T& value) noexcept {
    section s(*this);
    if (sent_ || closed_) return outcome::closed;
    ::new (static_cast<void*>(std::addressof(value_))) T(std::move(value));
    full_ = true;
    sent_ = true;
    rebalance(s.wakes);
    return outcome::success;
  }

  void remove_sender() noexcept {
    section s(*this);
    sender_here_ = false;
    base::settle_all(closers_, outcome::aborted, s.wakes);
    end_receives(s.wakes);
  }

  /// Whether the receiver has gone, or closed.
  bool is_deserted() noexcept {
    section s(*this);
    return is_deserted(s);
  }

  bool is_deserted(section&) const noexcept { return closed_; }

  started start_wait_closed(waiter& w) noexcept {
    section s(*this);
    if (closed_) {
      w.decide(outcome::success);
    } else if (!sender_here_) {
      w.decide(outcome::aborted);
    } else {
      return base::wait_in(closers_, w);
    }
    return started::ready;
  }

  // The receiver --------------------------------------------------------------------------------

  /// Whether it seems that a receive would find the value, or the end; asked without the lock.
  bool seems_receivable() const noexcept { return sent_ || closed_ || !sender_here_; }

  /// `none` if there is nothing yet, or if what there is has been promised to somebody.
  outcome try_receive(std::optional<T>& out) noexcept {
    section s(*this);
    return try_receive(out, s);
  }

  outcome try_receive(std::optional<T>& out, section& s) noexcept {
    if (is_free()) {
      take(out, s.wakes);
      return outcome::success;
    }
    return ended() ? outcome::closed : outcome::none;
  }

  started start_receive(waiter& w) noexcept {
    section s(*this);
    if (!receiver_here_) {
      w.decide(outcome::aborted);
    } else if (is_free()) {
      base::promise_first(w);
    } else if (ended()) {
      w.decide(outcome::closed);
    } else {
      return base::wait_in(receivers_, w);
    }
    return started::ready;
  }

  /// The commit of a receive, the moment at which it takes the value.
  outcome finish_receive(waiter& w, std::optional<T>& out, bool& linked) noexcept {
    section s(*this);
    outcome result = w.fate;
    if (w.current == stage::woken) {
      base::woken_.erase(w);
      result = receiver_here_ ? outcome::success : outcome::aborted;
      if (result == outcome::success) take(out, s.wakes);
    }
    w.current = stage::idle;
    linked = w.forget_link();
    return result;
  }

  void close() noexcept {
    section s(*this);
    close_now(s.wakes);
  }

  void remove_receiver() noexcept {
    std::optional<T> unwanted;
    section s(*this);
    receiver_here_ = false;
    base::settle_all(receivers_, outcome::aborted, s.wakes);
    if (full_) move_value_to(unwanted);
    close_now(s.wakes);
  }

 private:
  /// Whether there is a value that is promised to nobody.
  bool is_free() const noexcept { return full_ && base::woken_.empty(); }

  bool ended() const noexcept { return !full_ && (sent_ || closed_ || !sender_here_); }

  void move_value_to(std::optional<T>& out) noexcept {
    out.emplace(std::move(value_));
    value_.~T();
    full_ = false;
  }

  void take(std::optional<T>& out, wake_list& wakes) noexcept {
    move_value_to(out);
    end_receives(wakes);
  }

  void end_receives(wake_list& wakes) noexcept {
    if (ended()) base::settle_all(receivers_, outcome::closed, wakes);
  }

  void close_now(wake_list& wakes) noexcept {
    closed_ = true;
    base::settle_all(closers_, outcome::success, wakes);
    end_receives(wakes);
  }

  wait_queue* line(std::size_t i) noexcept override {
    wait_queue* const lines[] = {&receivers_, &closers_};
    return i < 2 ? lines[i] : nullptr;
  }

  void rebalance(wake_list& wakes) noexcept override {
    if (is_free() && !receivers_.empty()) base::promise_front(receivers_, wakes);
  }

  wait_queue receivers_;  // receives that have been promised nothing
  wait_queue closers_;    // those who wait for the receiver to go, or to close
  union {
    T value_;  // there is one if full_
  };
  observable<Threading, bool> full_ = false;
  observable<Threading, bool> sent_ = false;
  observable<Threading, bool> closed_ = false;  // by the receiver, or because it has gone
  observable<Threading, bool> sender_here_ = true;
  bool receiver_here_ = true;
};

}  // namespace sluice::detail::core

#endif  // SLUICE_DETAIL_CORE_ONESHOT_STATE_HPP
