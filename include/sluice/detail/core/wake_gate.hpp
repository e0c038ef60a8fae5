// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_CORE_WAKE_GATE_HPP
#define SLUICE_DETAIL_CORE_WAKE_GATE_HPP

// Who keeps the memory of a state: references, and wake-ups that are under way.
//
// Between unlocking and the end of a wake-up a waiter is in no queue, yet its executor is about to
// be used. A context that is being destroyed has to wait for such wake-ups, and only for those that
// began before it took its own waiters away; others may go on for ever.
//
// So wake-ups are counted in two phases. Who destroys a context turns the gate to the other phase
// and waits until everybody of the old one has left. Until it has seen that, nobody else turns the
// gate, so a phase is entered again only when it is empty.
//
// One word counts all of them, so that a wake-up costs one atomic instruction at each end. `phase_`
// and `turned_` are protected by the lock of the state.

#include <atomic>
#include <cstdint>

namespace sluice::detail::core {

template <class Threading>
class wake_gate {
 public:
  void add_reference() noexcept { count_.fetch_add(1, std::memory_order_relaxed); }

  /// As add_reference(), while nobody else can know of the state.
  void add_reference_unshared() noexcept {
    count_.store(count_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }

  /// For somebody who has a reference: whether nobody else has, and no wake-up is under way.
  bool is_held_once() const noexcept {
    // Acquire: pairs with release() and leave(), so that it also sees what they did before.
    return count_.load(std::memory_order_acquire) == 1;
  }

  /// True if that was the last of all.
  bool release() noexcept {
    // Acquire and release: everything done through any reference happens before the destruction.
    return count_.fetch_sub(1, std::memory_order_acq_rel) == 1;
  }

  /// False if nobody is left; then another thread may be destroying the state right now.
  bool add_reference_if_alive() noexcept {
    std::uint64_t count = count_.load(std::memory_order_relaxed);
    while (count != 0) {
      if (count_.compare_exchange_weak(count, count + 1, std::memory_order_relaxed,
                                       std::memory_order_relaxed))
        return true;
    }
    return false;
  }

  /// Begins a wake-up, which keeps the state as a reference does; the lock is held. Returns what
  /// leave() has to be given.
  unsigned enter() noexcept {
    count_.fetch_add(one_in(phase_), std::memory_order_relaxed);
    return phase_;
  }

  /// Ends a wake-up; no lock is needed. True if that was the last of all.
  bool leave(unsigned phase) noexcept {
    // Release: what the wake-up did happens before the destruction that waits in passed(). Acquire
    // as in release().
    return count_.fetch_sub(one_in(phase), std::memory_order_acq_rel) == one_in(phase);
  }

  /// Turns the gate; the lock is held. False while somebody who has turned it still waits.
  bool turn() noexcept {
    if (turned_) return false;
    turned_ = true;
    phase_ = static_cast<unsigned char>(1 - phase_);
    return true;
  }

  /// For the one who has turned it: true when everybody who was inside then has left. Needs no
  /// lock, since nobody else turns the gate meanwhile.
  bool passed() const noexcept {
    // Acquire: pairs with leave().
    return in(1u - phase_, count_.load(std::memory_order_acquire)) == 0;
  }

  /// Lets others turn it, after it has been passed; the lock is held.
  void end_turn() noexcept { turned_ = false; }

 private:
  // References are counted in the lower half. Of wake-ups there is one on each thread, and as many
  // more as executors that run inline have nested: far less than 65,536.
  static constexpr unsigned shift_of(unsigned phase) noexcept { return 32 + 16 * phase; }
  static constexpr std::uint64_t one_in(unsigned phase) noexcept {
    return std::uint64_t{1} << shift_of(phase);
  }
  static constexpr std::uint64_t in(unsigned phase, std::uint64_t count) noexcept {
    return (count >> shift_of(phase)) & 0xffff;
  }

  typename Threading::template atomic<std::uint64_t> count_{std::uint64_t{1}};
  unsigned char phase_ = 0;
  bool turned_ = false;
};

}  // namespace sluice::detail::core

#endif  // SLUICE_DETAIL_CORE_WAKE_GATE_HPP
