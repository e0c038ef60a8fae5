// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_CORE_SPIN_HPP
#define SLUICE_DETAIL_CORE_SPIN_HPP

// A few looks before a thread goes to sleep. To sleep and to be woken costs both sides
// microseconds, so a few hundred nanoseconds are worth a try; more is not, since other threads may
// need the core. The distance between the looks grows, because each of them may disturb the one
// that is waited for.
//
// Looking once instead, messages between two threads took 1.5 to 2 times as long (W9, W10).
//
// The instruction that tells a processor that it is being waited in a loop is a matter of the
// system. Without it the loop is shorter, and otherwise the same. SLUICE_NO_PAUSE leaves it out.

#include <chrono>
#include <thread>
#if !defined(SLUICE_NO_PAUSE) && (defined(_MSC_VER) && (defined(_M_X64) || defined(_M_IX86)))
#include <intrin.h>
#endif

namespace sluice::detail::core {

/// Leaves the processor to somebody else for a moment: 10 to 50 ns where it knows how.
inline void spin_pause() noexcept {
#if defined(SLUICE_NO_PAUSE)
#elif defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(_MSC_VER) && (defined(_M_X64) || defined(_M_IX86))
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("isb");
#endif
}

/// Looks again and again, at growing distances, for half a microsecond. Whether it has seen what it
/// looked for.
template <class Predicate>
bool spin_until(Predicate seen) {
  if (seen()) return true;
  const auto end = std::chrono::steady_clock::now() + std::chrono::nanoseconds(500);
  for (int pauses = 4;; pauses *= 2) {
    for (int i = 0; i != pauses; ++i) spin_pause();
    if (seen()) return true;
    if (std::chrono::steady_clock::now() >= end) return false;
  }
}

/// As above, and then for twenty microseconds more, in which it leaves the processor to others
/// between the looks. That is less than it takes to sleep and to be woken.
template <class Predicate>
bool linger_until(Predicate seen) {
  if (spin_until(seen)) return true;
  const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(20);
  do {
    std::this_thread::yield();
    if (seen()) return true;
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

}  // namespace sluice::detail::core

#endif  // SLUICE_DETAIL_CORE_SPIN_HPP
