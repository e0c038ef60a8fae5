// SPDX-License-Identifier: BSL-1.0
#ifndef BENCH_FRAME_MACHINE_HPP
#define BENCH_FRAME_MACHINE_HPP

// What a benchmark asks of the machine: a place for each thread, priority, and a process that is
// like a real one. Places and priority are asked for where the system knows them, and not insisted
// on.

#include <condition_variable>
#include <fstream>
#include <mutex>
#include <thread>

#if defined(__linux__)
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#endif

namespace bench {

/// Where a workload of one thread runs, and the second thread of a workload of two.
constexpr unsigned second_core = 1;

#if defined(__linux__)

/// Keeps the calling thread on one core as long as this exists.
class pinned {
 public:
  explicit pinned(unsigned core) {
    changed_ = pthread_getaffinity_np(pthread_self(), sizeof before_, &before_) == 0;
    cpu_set_t only;
    CPU_ZERO(&only);
    CPU_SET(core % std::thread::hardware_concurrency(), &only);
    changed_ = changed_ && pthread_setaffinity_np(pthread_self(), sizeof only, &only) == 0;
  }
  pinned(const pinned&) = delete;
  pinned& operator=(const pinned&) = delete;

  ~pinned() {
    if (changed_) pthread_setaffinity_np(pthread_self(), sizeof before_, &before_);
  }

 private:
  cpu_set_t before_;
  bool changed_;
};

/// Goes before other work of the machine, where this user may.
/**
 * Linux shares the processor among sessions first and only then, by their priority, among the
 * processes of each. So the whole session is raised, and lowered again.
 */
class raised_priority {
 public:
  raised_priority() {
    setpriority(PRIO_PROCESS, 0, -10);
    set_session("-10");
  }
  raised_priority(const raised_priority&) = delete;
  raised_priority& operator=(const raised_priority&) = delete;
  ~raised_priority() { set_session("0"); }

 private:
  static void set_session(const char* priority) {
    std::ofstream("/proc/self/autogroup") << priority;
  }
};

#else

class pinned {
 public:
  explicit pinned(unsigned) {}
  pinned(const pinned&) = delete;
  pinned& operator=(const pinned&) = delete;
  ~pinned() {}
};

class raised_priority {
 public:
  raised_priority() {}
  ~raised_priority() {}
};

#endif

/// A second thread that does nothing.
/**
 * As long as a process has one thread only, some standard libraries leave the atomic instructions
 * out of mutexes and shared pointers. No program that needs a channel enjoys that, so no figure
 * may.
 */
class idle_thread {
 public:
  idle_thread() : thread_([this] { sleep(); }) {}

  ~idle_thread() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      over_ = true;
    }
    condition_.notify_one();
    thread_.join();
  }

 private:
  void sleep() {
    std::unique_lock<std::mutex> lock(mutex_);
    condition_.wait(lock, [this] { return over_; });
  }

  std::mutex mutex_;
  std::condition_variable condition_;
  bool over_ = false;
  std::thread thread_;
};

}  // namespace bench

#endif  // BENCH_FRAME_MACHINE_HPP
