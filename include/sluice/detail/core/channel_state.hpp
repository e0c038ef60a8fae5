// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_CORE_CHANNEL_STATE_HPP
#define SLUICE_DETAIL_CORE_CHANNEL_STATE_HPP

// The typed half of a channel: the buffer, and everything that moves a value. Who waits, who was
// promised what and when the channel ends is decided in channel_core, which knows no values.
//
// A value has one owner at any time: its sender (the caller, or a pending send), the buffer, or
// the receiver that commits. Moving it on is the only user code that runs under the lock, and it
// cannot throw. Values are destroyed after unlocking.

#include <sluice/detail/core/channel_core.hpp>
#include <sluice/detail/core/value_queue.hpp>

#include <cstddef>
#include <new>
#include <optional>
#include <utility>

namespace sluice::detail::core {

/// A pending send. It owns the value, or knows where its caller keeps it.
template <class T>
class send_waiter : public waiter {
 public:
  using waiter::waiter;

  T* value = nullptr;
};

template <class T, class Threading>
class channel_state final : public channel_core<Threading> {
  using base = channel_core<Threading>;
  using section = typename base::section;

 public:
  explicit channel_state(std::size_t capacity) noexcept
      : base(capacity), values_(capacity, spare_limit(capacity)) {}

  /// Sends without waiting. `value` is moved from only if the outcome is success.
  outcome try_send(T& value) noexcept {
    section s(*this);
    if (base::closed_) return outcome::closed;
    if (!base::has_place()) return outcome::none;
    return accept(value, s);
  }

  /// What a send that begins now would be told at once. `none` if it would have to wait; at a
  /// rendezvous it always has to, since it completes when its value is taken.
  outcome try_begin_send(T& value) noexcept {
    section s(*this);
    if (base::closed_) return outcome::closed;
    if (!base::has_free_slot() || !base::senders_.empty()) return outcome::none;
    return accept(value, s);
  }

  /// As try_send, but a full buffer gives up its oldest value to `displaced`.
  outcome force_send(T& value, std::optional<T>& displaced) noexcept {
    section s(*this);
    if (base::closed_) return outcome::closed;
    if (base::capacity_ == 0 && !base::has_place()) return outcome::none;
    bool full = base::capacity_ != 0 && !base::has_free_slot();
    if (full && base::buffered_ == 0) return outcome::none;
    // The new value is stored first: if that fails, nothing has happened.
    if (!store(value)) return outcome::no_memory;
    if (full) {
      values_.pop(displaced);
      --base::buffered_;
    }
    base::wake_receivers(s.wakes);
    return outcome::success;
  }

  started start_send(send_waiter<T>& w) noexcept {
    section s(*this);
    if (base::closed_) {
      w.decide(outcome::closed);
      return started::ready;
    }
    if (base::has_free_slot() && base::senders_.empty()) {
      w.decide(accept(*w.value, s));
      return started::ready;
    }
    started seen = base::wait_in(base::senders_, w);
    if (seen == started::waiting) base::wake_receivers(s.wakes);
    return seen;
  }

  /// Receives without waiting. `none` if there is nothing that is not promised to somebody.
  outcome try_receive(std::optional<T>& out) noexcept {
    section s(*this);
    if (base::receivable() > base::promised()) {
      take(out, s);
      return outcome::success;
    }
    return base::ended() ? outcome::closed : outcome::none;
  }

  /// The commit of a woken receive, the moment at which it takes its value. `none`: nothing is left
  /// for it, and it has to wait_again(). Until leave_gate(phase) its contexts cannot go away.
  /// `orphaned`: nothing is left, and one of its contexts is gone, or was never registered.
  outcome finish_receive(waiter& w, std::optional<T>& out, bool& linked, unsigned& phase) noexcept {
    section s(*this);
    outcome result = w.fate;
    if (w.current == stage::woken) {
      if (base::receiver_count_ == 0) {
        result = outcome::aborted;
      } else if (base::receivable() != 0) {
        result = outcome::success;
      } else if (base::ended()) {
        result = outcome::closed;
      } else {
        if (!base::knows_homes_of(w)) return outcome::orphaned;
        phase = base::enter_gate();
        return outcome::none;
      }
      base::woken_.erase(w);
      if (result == outcome::success) take(out, s);
    }
    w.current = stage::idle;
    linked = w.forget_link();
    return result;
  }

  /// The last receiver goes: what is buffered is destroyed now, not with the last handle.
  void remove_receiver() noexcept {
    value_queue<T> remains(0, 0);
    section s(*this);
    if (--base::receiver_count_ != 0) return;
    base::abandon_receiving(s.wakes);
    values_.swap(remains);
  }

 private:
  static constexpr std::size_t spare_limit(std::size_t capacity) noexcept {
    return capacity == base::unlimited ? 2 : base::unlimited;
  }

  outcome accept(T& value, section& s) noexcept {
    if (!store(value)) return outcome::no_memory;
    base::wake_receivers(s.wakes);
    return outcome::success;
  }

  bool store(T& value) noexcept {
    try {
      values_.push(std::move(value));
    } catch (const std::bad_alloc&) {
      return false;
    }
    ++base::buffered_;
    return true;
  }

  // The buffer comes first, then the pending sends in their order.
  void take(std::optional<T>& out, section& s) noexcept {
    if (base::buffered_ != 0) {
      values_.pop(out);
      --base::buffered_;
      admit(s.wakes);
    } else {
      auto& sender = static_cast<send_waiter<T>&>(base::senders_.pop_front());
      out.emplace(std::move(*sender.value));
      base::settle(sender, outcome::success, s.wakes);
    }
    base::after_senders_left(s.wakes);
    base::wake_at_end(s.wakes);
  }

  // Free places go to pending sends at once, so whoever comes later cannot overtake them. Should the
  // buffer be unable to grow, they stay in line, where receivers find them too.
  void admit(wake_list& wakes) noexcept override {
    while (!base::senders_.empty() && base::has_free_slot()) {
      auto& sender = static_cast<send_waiter<T>&>(*base::senders_.front());
      if (!store(*sender.value)) return;
      base::senders_.erase(sender);
      base::settle(sender, outcome::success, wakes);
    }
  }

  value_queue<T> values_;
};

}  // namespace sluice::detail::core

#endif  // SLUICE_DETAIL_CORE_CHANNEL_STATE_HPP
