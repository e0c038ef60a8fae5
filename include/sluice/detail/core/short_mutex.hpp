// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_CORE_SHORT_MUTEX_HPP
#define SLUICE_DETAIL_CORE_SHORT_MUTEX_HPP

// A mutex of two bytes for critical sections of a few dozen instructions. To take it is one atomic
// instruction, to give it back a plain store.
//
// Whoever finds it held looks again for some hundred nanoseconds. If it is still held then, the one
// who holds it has lost its processor, for as long as the system likes. So the others sleep, which
// leaves the processor to that one whatever the priorities are, and look again now and then. Nobody
// is woken: who gives back would have to ask whether somebody sleeps, after it has given back, and
// that costs each time as much as to take it.
//
// To sleep early costs nothing where each thread has enough to do without the others, as those have
// that run the coroutines of both ends: what one of them does alone it does fastest. Where a thread
// blocks at one end it is soon all of them that wait for the one who sleeps. There one gives up its
// turn a few times first (without that W9, W10 and W11b took about twice as long; with it W6 and W7
// would take 1.6 to 2 times as long).
//
// The mutex may be gone as soon as it has been given back.

#include <sluice/detail/core/spin.hpp>

#include <atomic>
#include <chrono>
#include <thread>

namespace sluice::detail::core {

class short_mutex {
 public:
  short_mutex() = default;
  short_mutex(const short_mutex&) = delete;
  short_mutex& operator=(const short_mutex&) = delete;

  void lock() noexcept {
    if (!take()) lock_slowly();
  }

  // Release: pairs with the acquire of whoever takes it next.
  void unlock() noexcept { held_.store(false, std::memory_order_release); }

  /// Says that threads block for what the mutex protects. To be said with the mutex alive.
  void threads_block() noexcept { threads_block_.store(true, std::memory_order_relaxed); }

 private:
  bool take() noexcept { return !held_.exchange(true, std::memory_order_acquire); }

  [[gnu::noinline, gnu::cold]] void lock_slowly() noexcept {
    // To look first does not take the cache line away from the one who holds it.
    auto try_to_take = [this] { return !held_.load(std::memory_order_relaxed) && take(); };
    if (spin_until(try_to_take)) return;
    if (threads_block_.load(std::memory_order_relaxed)) {
      for (int looks = 0; looks != 4; ++looks) {
        std::this_thread::yield();
        if (try_to_take()) return;
      }
    }
    constexpr std::chrono::microseconds longest(1'000);
    for (std::chrono::microseconds pause(20);; pause = pause * 2 < longest ? pause * 2 : longest) {
      std::this_thread::sleep_for(pause);
      if (try_to_take()) return;
    }
  }

  std::atomic<bool> held_{false};
  std::atomic<bool> threads_block_{false};  // relaxed: whoever hears of it later sleeps earlier
};

}  // namespace sluice::detail::core

#endif  // SLUICE_DETAIL_CORE_SHORT_MUTEX_HPP
