// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_CORE_SHORT_MUTEX_HPP
#define SLUICE_DETAIL_CORE_SHORT_MUTEX_HPP

// A mutex of one byte for critical sections of a few dozen instructions. To take it and to give it
// back is one atomic instruction each. Whoever finds it held looks again for some hundred
// nanoseconds and then sleeps: the one who holds it may have lost its processor, and needs ours.
//
// Sleepers stand in a table that all such mutexes of the process share, found by the address of the
// mutex. It is used only when somebody sleeps; two mutexes that share a row wake each other's
// sleepers, who look and sleep again.
//
// The word is `contended` while somebody may be asleep. A sleeper looks at it under the lock of its
// row, and who gives back a contended mutex takes that lock before it wakes, so no wake-up is lost.
// The mutex may be gone as soon as it has been given back; after that only its address is used.

#include <sluice/detail/core/spin.hpp>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <new>

namespace sluice::detail::core {

class short_mutex {
 public:
  short_mutex() = default;
  short_mutex(const short_mutex&) = delete;
  short_mutex& operator=(const short_mutex&) = delete;

  void lock() noexcept {
    if (!take_free()) lock_slowly();
  }

  void unlock() noexcept {
    // Release: pairs with the acquire of whoever takes it next.
    if (word_.exchange(is_free, std::memory_order_release) == is_contended) wake(this);
  }

 private:
  enum : unsigned char { is_free, is_held, is_contended };

  struct row {
    std::mutex mutex;
    std::condition_variable given_back;
  };

  struct table {
    row entries[64];
  };

  bool take_free() noexcept {
    unsigned char expected = is_free;
    return word_.compare_exchange_strong(expected, is_held, std::memory_order_acquire,
                                         std::memory_order_relaxed);
  }

  void lock_slowly() noexcept {
    const bool taken = spin_until(
        [this] { return word_.load(std::memory_order_relaxed) == is_free && take_free(); });
    if (taken) return;
    // Whoever has slept takes it as contended: it does not know whether it was the only one.
    while (word_.exchange(is_contended, std::memory_order_acquire) != is_free) sleep();
  }

  void sleep() noexcept {
    row& r = row_of(this);
    std::unique_lock<std::mutex> lock(r.mutex);
    if (word_.load(std::memory_order_relaxed) == is_contended) r.given_back.wait(lock);
  }

  static void wake(const void* address) noexcept {
    row& r = row_of(address);
    std::lock_guard<std::mutex> lock(r.mutex);
    r.given_back.notify_all();
  }

  static row& row_of(const void* address) noexcept {
    // In storage of its own and never destroyed: threads may outlive the static objects.
    alignas(table) static unsigned char storage[sizeof(table)];
    static table* const rows = ::new (static_cast<void*>(storage)) table;
    // Fibonacci hashing, by the upper bits of the product; allocated addresses differ above bit 4.
    const std::uint64_t mixed =
        (reinterpret_cast<std::uintptr_t>(address) >> 4) * std::uint64_t{0x9e3779b97f4a7c15};
    return rows->entries[mixed >> 58];
  }

  std::atomic<unsigned char> word_{is_free};
};

}  // namespace sluice::detail::core

#endif  // SLUICE_DETAIL_CORE_SHORT_MUTEX_HPP
