// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_THREADING_HPP
#define SLUICE_THREADING_HPP

#include <sluice/detail/core/short_mutex.hpp>
#include <sluice/detail/core/spin.hpp>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

namespace sluice {

/// The threading policy of channels whose handles may be used from any threads at once.
/**
 * A policy names the lock and the atomic variables a channel is built from, what each thread has
 * for itself, and how a thread gives up its turn while it waits for another one to finish a few
 * instructions; a policy that has a parking mutex and its condition variable as well lets threads
 * block. Distinct handles of one channel: safe. One shared handle: safe, except while it is
 * assigned to, moved from or destroyed.
 */
struct multi_threaded {
  using mutex = detail::core::short_mutex;
  using parking_mutex = std::mutex;
  using condition_variable = std::condition_variable;

  /// The lock of what an execution context knows of its channels.
  using context_mutex = std::mutex;

  template <class U>
  using atomic = std::atomic<U>;

  /// The one U of this thread.
  template <class U>
  static U& of_this_thread() noexcept {
    static thread_local U mine;
    return mine;
  }

  /// Gives up the turn of this thread.
  static void yield() noexcept { std::this_thread::yield(); }

  /// Looks again for a moment before the thread goes to sleep. Whether it has seen what it looked
  /// for.
  template <class Predicate>
  static bool spin_until(Predicate seen) {
    return detail::core::spin_until(std::move(seen));
  }

  /// The same for longer, in which the thread leaves its processor to others.
  template <class Predicate>
  static bool linger_until(Predicate seen) {
    return detail::core::linger_until(std::move(seen));
  }
};

/// The threading policy of channels that live in one implicit strand; nothing is synchronised.
/**
 * All handles of such a channel, its completions, cancellations and destructions have to be
 * confined to one thread, or to one strand. It is to `multi_threaded` what Asio's
 * `experimental::channel` is to its `experimental::concurrent_channel`.
 */
struct single_threaded {
  /// A lock that locks nothing.
  struct mutex {
    void lock() noexcept {}
    void unlock() noexcept {}
  };

  // One context may run channels that live in different strands.
  using context_mutex = multi_threaded::context_mutex;

  /// The one U of this thread.
  template <class U>
  static U& of_this_thread() noexcept {
    return multi_threaded::of_this_thread<U>();
  }

  /// What the library uses of `std::atomic`, with a plain variable.
  template <class U>
  class atomic {
   public:
    constexpr atomic() noexcept = default;
    constexpr atomic(U value) noexcept : value_(value) {}
    atomic(const atomic&) = delete;
    atomic& operator=(const atomic&) = delete;

    U load(std::memory_order = std::memory_order_seq_cst) const noexcept { return value_; }
    void store(U value, std::memory_order = std::memory_order_seq_cst) noexcept { value_ = value; }

    U fetch_add(U value, std::memory_order = std::memory_order_seq_cst) noexcept {
      U before = value_;
      value_ = static_cast<U>(value_ + value);
      return before;
    }

    U fetch_sub(U value, std::memory_order = std::memory_order_seq_cst) noexcept {
      U before = value_;
      value_ = static_cast<U>(value_ - value);
      return before;
    }

    bool compare_exchange_weak(U& expected, U desired,
                               std::memory_order = std::memory_order_seq_cst,
                               std::memory_order = std::memory_order_seq_cst) noexcept {
      if (value_ != expected) {
        expected = value_;
        return false;
      }
      value_ = desired;
      return true;
    }

   private:
    U value_{};
  };

  /// Does nothing: there is no other thread.
  static void yield() noexcept {}
};

}  // namespace sluice

#endif  // SLUICE_THREADING_HPP
