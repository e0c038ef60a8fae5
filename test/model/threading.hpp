// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_MODEL_THREADING_HPP
#define SLUICE_TEST_MODEL_THREADING_HPP

// The threading policy under which a channel is explored: its locks, its atomic variables, how its
// threads sleep and give up their turns are steps of the scheduler. And a clock whose time passes
// once, in a step like any other, so that a deadline may expire anywhere.
//
// Memory is sequentially consistent here: a weak memory order that is too weak is not found. Nor is
// a condition variable ever woken without a reason.

#include "scheduler.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>
#include <vector>

namespace model {

/// The clock of deadlines.
struct clock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<clock>;
  static constexpr bool is_steady = true;

  static time_point now() noexcept {
    stop_at("look at the clock", scheduler::time_object, access::reads);
    return time_point(std::chrono::hours(is_late ? 2 : 0));
  }

  /// What a blocked thread waits for until it gives up.
  static time_point deadline() noexcept { return time_point(std::chrono::hours(1)); }

  /// The deadline passes.
  static void expire() {
    stop_at("let the time pass", scheduler::time_object, access::writes);
    is_late = true;
    since = scheduler::get().now();
  }

  static void reset() noexcept { is_late = false; }

  inline static bool is_late = false;
  inline static int since = never;
};

/// The number of an object that threads share. It knows when it is used after its end; that finds
/// much of what is otherwise for AddressSanitizer to find.
class object {
 public:
  object() = default;
  object(const object&) = delete;
  object& operator=(const object&) = delete;
  ~object() { life_ = 0; }

  unsigned number() const {
    check();
    return number_;
  }

  void check() const {
    if (life_ != alive) scheduler::get().fail("something is used after its end");
  }

  /// Others may come in between, before it is used.
  void stop(const char* name, access how) const {
    stop_at(name, number(), how);
    check();
  }

 private:
  static constexpr unsigned alive = 0x11f3a11e;

  const unsigned number_ = scheduler::get().new_object();
  volatile unsigned life_ = alive;
};

class mutex {
 public:
  mutex() = default;
  mutex(const mutex&) = delete;
  mutex& operator=(const mutex&) = delete;

  void lock() noexcept {
    auto& s = scheduler::get();
    if (s.is_running()) {
      locking p(*this);
      s.pass(p);
      object_.check();
    } else if (held_) {
      s.fail("a thread waits for a lock that it has itself");
    }
    held_ = true;
  }

  void unlock() noexcept {
    held_ = false;
    released_ = scheduler::get().now();
    // From here on it may be gone.
    if (stops_behind) stop_behind("has unlocked", object_.number());
  }

  /// Whether threads stop behind an unlocking, too. What they do there belongs to themselves, if
  /// everything else is locked that has to be.
  inline static bool stops_behind = false;

 private:
  friend class condition_variable;

  struct locking final : point {
    explicit locking(mutex& m)
        : point({"lock", {{{m.object_.number(), access::writes}}}}), mine(m) {}
    bool ready() const override { return !mine.held_; }
    causes caused_by() const override { return {never, mine.released_}; }
    mutex& mine;
  };

  object object_;
  bool held_ = false;
  int released_ = never;
};

class condition_variable {
 public:
  condition_variable() = default;
  condition_variable(const condition_variable&) = delete;
  condition_variable& operator=(const condition_variable&) = delete;

  void wait(std::unique_lock<mutex>& lock) noexcept { sleep(*lock.mutex(), false); }

  template <class TimePoint>
  std::cv_status wait_until(std::unique_lock<mutex>& lock, const TimePoint&) noexcept {
    return sleep(*lock.mutex(), true) ? std::cv_status::no_timeout : std::cv_status::timeout;
  }

  void notify_one() noexcept {
    object_.stop("notify", access::writes);
    for (sleeping* s : sleepers_) {
      if (s->told != never) continue;
      s->told = scheduler::get().now();
      return;
    }
  }

 private:
  struct sleeping final : point {
    sleeping(condition_variable& c, mutex& m, bool until_deadline)
        : point({"wake up",
                 {{{m.object_.number(), access::writes},
                   {c.object_.number(), access::writes},
                   {scheduler::time_object, until_deadline ? access::reads : access::none}}}}),
          lock(m),
          is_timed(until_deadline) {}
    bool is_told() const { return told != never || (is_timed && clock::is_late); }
    bool ready() const override { return is_told() && !lock.held_; }
    bool is_sleep() const override { return true; }
    causes caused_by() const override {
      // Either of the two would have been enough, so it is the first that wakes.
      const int late = is_timed && clock::is_late ? clock::since : never;
      const int first = told == never || (late != never && late < told) ? late : told;
      return {first, lock.released_};
    }
    mutex& lock;
    const bool is_timed;
    int told = never;
  };

  /// False if the time is up.
  bool sleep(mutex& m, bool is_timed) noexcept {
    auto& s = scheduler::get();
    if (!s.is_running()) s.fail("there is nobody who could wake this thread");
    object_.stop("go to sleep", access::writes);
    sleeping mine(*this, m, is_timed);
    sleepers_.push_back(&mine);
    m.held_ = false;
    m.released_ = s.now();
    s.pass(mine);
    m.held_ = true;
    sleepers_.erase(std::find(sleepers_.begin(), sleepers_.end(), &mine));
    return mine.told != never;
  }

  object object_;
  std::vector<sleeping*> sleepers_;
};

template <class U>
class atomic {
 public:
  atomic() noexcept = default;
  atomic(U value) noexcept : value_(value) {}
  atomic(const atomic&) = delete;
  atomic& operator=(const atomic&) = delete;

  U load(std::memory_order = std::memory_order_seq_cst) const noexcept {
    object_.stop("load", access::reads);
    return value_;
  }

  void store(U value, std::memory_order = std::memory_order_seq_cst) noexcept {
    object_.stop("store", access::writes);
    value_ = value;
  }

  U exchange(U value, std::memory_order = std::memory_order_seq_cst) noexcept {
    object_.stop("exchange", access::writes);
    return std::exchange(value_, value);
  }

  U fetch_add(U value, std::memory_order = std::memory_order_seq_cst) noexcept {
    object_.stop("add", access::counts);
    return std::exchange(value_, static_cast<U>(value_ + value));
  }

  U fetch_sub(U value, std::memory_order = std::memory_order_seq_cst) noexcept {
    object_.stop("subtract", access::counts);
    return std::exchange(value_, static_cast<U>(value_ - value));
  }

  bool compare_exchange_weak(U& expected, U desired, std::memory_order = std::memory_order_seq_cst,
                             std::memory_order = std::memory_order_seq_cst) noexcept {
    object_.stop("compare and exchange", access::writes);
    if (value_ != expected) {
      expected = value_;
      return false;
    }
    value_ = desired;
    return true;
  }

  bool compare_exchange_strong(U& expected, U desired,
                               std::memory_order = std::memory_order_seq_cst,
                               std::memory_order = std::memory_order_seq_cst) noexcept {
    return compare_exchange_weak(expected, desired);
  }

 private:
  object object_;
  U value_{};
};

/// The threading policy.
struct threading {
  using mutex = model::mutex;
  using parking_mutex = model::mutex;
  using condition_variable = model::condition_variable;
  using context_mutex = model::mutex;

  template <class U>
  using atomic = model::atomic<U>;

  template <class U>
  static U& of_this_thread() noexcept {
    static std::array<U, most_threads> each;
    return each[static_cast<std::size_t>(scheduler::get().this_thread())];
  }

  /// A thread that asks again would see the same, so it goes on when something has changed.
  static void yield() noexcept {
    auto& s = scheduler::get();
    if (!s.is_running()) s.fail("a thread waits for others, of which there are none");
    yielding p(s.take_looks());
    s.pass(p);
  }

  /// To look more than once makes no difference: others may come before any look.
  template <class Predicate>
  static bool spin_until(Predicate seen) {
    return seen();
  }

  template <class Predicate>
  static bool linger_until(Predicate seen) {
    return seen();
  }

 private:
  struct yielding final : point {
    explicit yielding(const scheduler::looks& seen)
        : point({"yield", touches_of(seen)}), looks(seen), thread(scheduler::get().this_thread()) {}

    static std::array<touch, 4> touches_of(const scheduler::looks& seen) {
      std::array<touch, 4> touches{};
      std::size_t count = 0;
      for (const scheduler::look& l : seen)
        if (l.step != never) touches[count++] = {l.object, access::reads};
      return touches;
    }

    // Asked after each step, so it sees the first change.
    bool ready() const override {
      for (const scheduler::look& l : looks)
        if (change == never) change = scheduler::get().changed_since(l, thread);
      return change != never;
    }
    causes caused_by() const override { return {change, never}; }

    const scheduler::looks looks;
    const int thread;
    mutable int change = never;
  };
};

}  // namespace model

#endif  // SLUICE_TEST_MODEL_THREADING_HPP
