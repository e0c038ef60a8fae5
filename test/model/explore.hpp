// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_MODEL_EXPLORE_HPP
#define SLUICE_TEST_MODEL_EXPLORE_HPP

// Runs a scenario in many schedules, and tells how many, or what was wrong in which. How to write a
// scenario is said in scenario.hpp.
//
//   SLUICE_MODEL_SCHEDULE  repeats the schedule that a failure has printed, and shows each step
//   SLUICE_MODEL_SEED      repeats schedules at random
//   SLUICE_MODEL_DEEP=1    looks further: one preemption more, twenty times as many at random

#include "scheduler.hpp"
#include "threading.hpp"
#include "work_queue.hpp"

#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <memory>
#include <random>
#include <string>

#include <unistd.h>

namespace model {

/// How far a scenario is explored.
struct bounds {
  enum kind { all_interleavings, few_preemptions, random_schedules } how;
  std::size_t schedules;  // at random: how many; otherwise it must not be more
  unsigned preemptions;
  bool counts_commute;
};

/// Every interleaving that makes a difference. Two threads that count references commute, unless
/// `counts_too`; who is the last then makes a difference.
constexpr bounds every_schedule(bool counts_too = false) {
  return {bounds::all_interleavings, 3000000, 0, !counts_too};
}

/// All schedules with at most so many preemptions.
constexpr bounds preempted(unsigned times, bool counts_too = false) {
  return {bounds::few_preemptions, 3000000, times, !counts_too};
}

/// So many schedules at random, each with at most so many preemptions.
constexpr bounds at_random_with(std::size_t schedules, unsigned preemptions) {
  return {bounds::random_schedules, schedules, preemptions, false};
}

/// What a scenario makes its threads with.
class world {
 public:
  world() = default;
  world(const world&) = delete;
  world& operator=(const world&) = delete;

  /// Another thread, and its number. It begins with run().
  int thread(const char* name, std::function<void()> body) {
    return scheduler::get().add_thread(name, std::move(body));
  }

  /// For a thread: waits until another one has blocked, or has come to its end. What it has done
  /// until then is not among the choices of every_schedule().
  void wait_until_blocked(int thread) {
    struct waiting final : point {
      explicit waiting(int t) : point({"see somebody at rest", {}}), other(t) {}
      bool ready() const override { return scheduler::get().is_at_rest(other); }
      const int other;
    } p(thread);
    scheduler::get().pass(p);
  }

  /// A thread that does what is posted there, until there is nothing left to be done.
  template <class Queue>
  void worker(const char* name, Queue& queue) {
    thread(name, [&queue] { queue.run(); });
  }

  /// A thread that lets the deadline pass, whenever it likes.
  void deadline_passes() {
    thread("time", [] { clock::expire(); });
  }

  /// Runs all threads, until all are at their ends and all operations are over.
  void run() { scheduler::get().run_threads(false); }

  /// The same where operations may be left that wait for something that has not happened.
  void run_until_quiet() { scheduler::get().run_threads(true); }
};

/// Tells where a program was when it crashed.
class crash_reporter {
 public:
  explicit crash_reporter(const std::string& name) {
    name_ = name;
    for (int signal : signals) std::signal(signal, &crash_reporter::report);
  }
  crash_reporter(const crash_reporter&) = delete;
  crash_reporter& operator=(const crash_reporter&) = delete;
  ~crash_reporter() {
    for (int signal : signals) std::signal(signal, SIG_DFL);
  }

 private:
  static constexpr int signals[] = {SIGSEGV, SIGABRT, SIGBUS, SIGILL, SIGFPE};

  static void report(int signal) {
    const auto& s = scheduler::get();
    const std::string text = "model: " + name_ + " FAILED: signal " + std::to_string(signal) +
                             "\n" + s.story() +
                             "repeat it by SLUICE_MODEL_SCHEDULE=" + s.schedule() + "\n";
    if (::write(STDOUT_FILENO, text.data(), text.size()) < 0) ::_exit(3);
    ::_exit(2);
  }

  inline static std::string name_;
};

/// Explores a scenario. What was wrong, or nothing.
inline std::string explore(const std::string& name, bounds b,
                           const std::function<void(world&)>& scenario) {
  auto& s = scheduler::get();
  const char* given = std::getenv("SLUICE_MODEL_SCHEDULE");
  const char* deep = std::getenv("SLUICE_MODEL_DEEP");
  const bool is_deep = deep != nullptr && *deep == '1';
  if (is_deep && b.how == bounds::few_preemptions) ++b.preemptions;
  if (is_deep && b.how == bounds::random_schedules) b.schedules *= 20;

  const bool stops_behind = is_deep || b.how == bounds::random_schedules;
  mutex::stops_behind = stops_behind && b.how != bounds::all_interleavings;
  work_queue::stops_behind = b.how != bounds::all_interleavings;

  std::unique_ptr<search> order;
  std::string described;
  if (given != nullptr) {
    order = std::make_unique<given_schedule>(given);
    described = "the given one";
  } else if (b.how == bounds::all_interleavings) {
    order = std::make_unique<every_interleaving>(b.counts_commute);
    described = "all that differ";
  } else if (b.how == bounds::few_preemptions) {
    order = std::make_unique<bounded_preemption>(b.preemptions, b.counts_commute);
    described = "all with " + std::to_string(b.preemptions) + " preemptions";
  } else {
    const char* chosen = std::getenv("SLUICE_MODEL_SEED");
    const std::uint64_t seed =
        chosen != nullptr ? std::strtoull(chosen, nullptr, 10) : std::random_device()();
    order = std::make_unique<at_random>(b.schedules, b.preemptions, seed);
    described = "at random, SLUICE_MODEL_SEED=" + std::to_string(seed);
  }

  const crash_reporter reporter(name);
  std::size_t schedules = 0;
  std::size_t longest = 0;
  while (order->begin()) {
    ++schedules;
    const bool passed = s.run_program(*order, [&scenario] {
      clock::reset();
      world w;
      scenario(w);
    });
    if (s.step_count() > longest) longest = s.step_count();
    if (!passed) {
      const std::string text =
          s.failure() + "\n" + s.story() + "repeat it by SLUICE_MODEL_SCHEDULE=" + s.schedule();
      std::cout << "model: " << name << " FAILED in schedule " << schedules << ": " << text
                << std::endl;
      return text;
    }
    if (given != nullptr) std::cout << s.story();
    if (schedules > b.schedules) {
      std::cout << "model: " << name << " FAILED: it has too many schedules" << std::endl;
      return "more than " + std::to_string(b.schedules) + " schedules";
    }
  }
  std::cout << "model: " << name << ": " << schedules - order->redundant() << " schedules, "
            << described;
  if (order->redundant() != 0) std::cout << " (and " << order->redundant() << " again)";
  std::cout << ", of up to " << longest << " steps" << std::endl;
  return std::string();
}

/// Something is wrong in this schedule.
inline void expect(bool holds, const char* what, const char* file, int line) {
  if (!holds) scheduler::get().fail(std::string(file) + ":" + std::to_string(line) + ": " + what);
}

}  // namespace model

#define MODEL_EXPECT(...) \
  ::model::expect(static_cast<bool>(__VA_ARGS__), #__VA_ARGS__, __FILE__, __LINE__)

#endif  // SLUICE_TEST_MODEL_EXPLORE_HPP
