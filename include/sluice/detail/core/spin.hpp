// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_CORE_SPIN_HPP
#define SLUICE_DETAIL_CORE_SPIN_HPP

// A look or two before a thread goes to sleep. To sleep and to be woken costs both sides microseconds,
// so a few hundred nanoseconds are worth a try; more is not, since other threads may need the core.
//
// The instruction that tells a processor that it is being waited in a loop is a matter of the system.
// Without it the loop is shorter, and otherwise the same. SLUICE_NO_PAUSE leaves it out.

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

/// Looks a few times, for at most some hundred nanoseconds. Whether it has seen what it looked for.
template <class Predicate>
bool spin_until(Predicate seen) {
  constexpr int looks = 8;
  for (int i = 0; i != looks; ++i) {
    if (seen()) return true;
    spin_pause();
  }
  return false;
}

}  // namespace sluice::detail::core

#endif  // SLUICE_DETAIL_CORE_SPIN_HPP
