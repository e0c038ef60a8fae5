// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_CORE_WAKE_GATE_HPP
#define SLUICE_DETAIL_CORE_WAKE_GATE_HPP

// Between unlocking and the end of a wake-up a waiter is in no queue, yet its executor is about to
// be used. A context that is being destroyed has to wait for such wake-ups, and only for those that
// began before it took its own waiters away; others may go on for ever.
//
// So wake-ups are counted in two phases. Who destroys a context turns the gate to the other phase
// and waits until everybody of the old one has left. A phase is entered again only when it is
// empty.
//
// `phase_` and `entered_` are protected by the lock of the state; `left_` counts without it.

#include <atomic>

namespace sluice::detail::core {

template <class Threading>
class wake_gate {
 public:
  /// Begins a wake-up; the lock is held. Returns what leave() has to be given.
  unsigned enter() noexcept {
    ++entered_[phase_];
    return phase_;
  }

  /// Ends a wake-up; no lock is needed.
  void leave(unsigned phase) noexcept {
    // Release: what the wake-up did happens before the destruction that waits in passed().
    left_[phase].fetch_add(1, std::memory_order_release);
  }

  /// Where a destroying thread waits: everything that entered `phase` before it turned the gate.
  struct turn_ticket {
    unsigned phase;
    unsigned entered;
  };

  /// Turns the gate; the lock is held. False while the other phase still has somebody inside.
  bool turn(turn_ticket& ticket) noexcept {
    unsigned other = 1 - phase_;
    if (left_[other].load(std::memory_order_acquire) != entered_[other]) return false;
    ticket = {phase_, entered_[phase_]};
    phase_ = other;
    return true;
  }

  /// True when everybody the ticket stands for has left; no lock is needed.
  bool passed(const turn_ticket& ticket) const noexcept {
    // Acquire: pairs with leave(). The difference survives a wrap-around of the counters.
    unsigned left = left_[ticket.phase].load(std::memory_order_acquire);
    return static_cast<int>(left - ticket.entered) >= 0;
  }

 private:
  using counter = typename Threading::template atomic<unsigned>;

  counter left_[2] = {0u, 0u};
  unsigned entered_[2] = {0u, 0u};
  unsigned phase_ = 0;
};

}  // namespace sluice::detail::core

#endif  // SLUICE_DETAIL_CORE_WAKE_GATE_HPP
