// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_SUPPORT_TELLING_CLOCK_HPP
#define SLUICE_TEST_SUPPORT_TELLING_CLOCK_HPP

// A clock that tells the test when a thread that blocks until a moment of it begins to wait: what
// it waits for has been begun, and then the clock is asked. The time is what the test says.

#include <atomic>
#include <chrono>
#include <thread>
#include <utility>

namespace support {

struct telling_clock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<telling_clock>;
  static constexpr bool is_steady = false;

  static time_point now() noexcept {
    const time_point time{duration(time_.load())};
    static thread_local unsigned last_round = 0;
    ++asked_;
    if (std::exchange(last_round, round_.load()) != round_) ++threads_;
    return time;
  }

  static time_point start() noexcept { return time_point(duration(0)); }

  /// A moment that does not come by itself.
  static time_point deadline() noexcept { return start() + std::chrono::hours(1); }

  /// It is the start, and nobody has asked. There must be no thread that could.
  static void reset() noexcept {
    ++round_;
    time_ = 0;
    asked_ = 0;
    threads_ = 0;
  }

  /// Blocks until so many threads wait.
  static void wait_for_waiting(unsigned threads = 1) {
    while (threads_ < threads) std::this_thread::yield();
  }

  /// Blocks until the clock has been asked so often.
  static void wait_for_questions(unsigned count) {
    while (asked_ < count) std::this_thread::yield();
  }

  static void set(time_point t) noexcept { time_ = t.time_since_epoch().count(); }

 private:
  static inline std::atomic<rep> time_{0};
  static inline std::atomic<unsigned> asked_{0};
  static inline std::atomic<unsigned> threads_{0};
  static inline std::atomic<unsigned> round_{1};
};

}  // namespace support

#endif  // SLUICE_TEST_SUPPORT_TELLING_CLOCK_HPP
