// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_MODEL_SCHEDULER_HPP
#define SLUICE_TEST_MODEL_SCHEDULER_HPP

// Runs the threads of a model one step at a time, each on a fiber, in the order that a search
// chooses. Everything happens on one thread of the system, so it can be repeated exactly.
//
// A thread stops before each step that others may notice, at a `point`, which says what it is about
// to do, and whether that can be done now. If nobody can go on before all are at their ends, that
// is a deadlock or a lost wake-up, and the schedule has failed.
//
// Nothing is unwound when a schedule fails: what it has on the heap is lost, and its stacks are
// used again as if nothing had been on them.

#include "search.hpp"

#include <boost/context/fiber.hpp>
#include <boost/context/preallocated.hpp>
#include <boost/context/protected_fixedsize_stack.hpp>

#include <array>
#include <cstddef>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <cxxabi.h>

#if defined(__SANITIZE_ADDRESS__)
#define SLUICE_TEST_MODEL_ASAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLUICE_TEST_MODEL_ASAN
#endif
#endif
#if defined(SLUICE_TEST_MODEL_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace model {

/// Where a thread stops before it takes a step.
class point {
 public:
  explicit point(const action& a) : what(a) {}
  point(const point&) = delete;
  point& operator=(const point&) = delete;

  /// Whether the step can be taken now. Asked again and again.
  virtual bool ready() const { return true; }

  /// Asked when it is taken.
  virtual causes caused_by() const { return {}; }

  /// Whether the thread only waits for work that others may have for it, and may end without.
  virtual bool may_end() const { return false; }

  /// Whether the thread has taken its step already, and only lets others come in between.
  virtual bool is_behind() const { return false; }

  /// Whether the thread sleeps until somebody wakes it.
  virtual bool is_sleep() const { return false; }

  const action what;

 protected:
  ~point() = default;
};

class scheduler {
 public:
  static scheduler& get() {
    // Never destroyed: fibers that have done their work would have to be unwound.
    static scheduler& only_one = *new scheduler;
    return only_one;
  }

  /// Runs a program once: it adds threads, runs them, and looks what has become of it. False if it
  /// failed, see failure().
  bool run_program(search& order, const std::function<void()>& program) {
    order_ = &order;
    failed_ = running_ = draining_ = false;
    threads_ = 1;
    steps_.clear();
    choices_.clear();
    writes_.clear();
    work_ = 0;
    objects_ = first_object;
    begin_fiber(0, "the scenario", program);
    next_ = 0;
    while (!failed_ && !fibers_[0].finished) resume(next_);
    if (failed_) abandon_fibers();
    return !failed_;
  }

  // For programs ----------------------------------------------------------------------------------

  int add_thread(const char* name, std::function<void()> body) {
    if (threads_ == most_threads) fail("there are too many threads");
    begin_fiber(threads_, name, std::move(body));
    return threads_++;
  }

  /// Runs all threads to their ends. Then no work is left, unless it may be.
  void run_threads(bool may_leave_work) {
    may_leave_work_ = may_leave_work;
    running_ = true;
    choose();
    suspend();
    running_ = false;
  }

  /// The schedule has failed. It is not continued.
  [[noreturn]] void fail(const std::string& what) {
    if (!failed_) failure_ = what;
    failed_ = true;
    for (;;) suspend();
  }

  // For what threads share ------------------------------------------------------------------------

  /// Whether the caller is one of several threads. Before and after there is only the program.
  bool is_running() const { return running_ && !failed_; }

  /// Each object that threads share has a number; these are the same whenever the schedule is.
  unsigned new_object() { return objects_++; }
  static constexpr unsigned time_object = 0;

  /// Waits until it is the turn of this thread to take that step.
  void pass(point& p) {
    fiber_slot& mine = fibers_[index(current_)];
    mine.next = &p;
    choose();
    if (next_ != current_) suspend();
    mine.next = nullptr;
  }

  /// The number of the step that is being taken.
  int now() const { return is_running() ? static_cast<int>(steps_.size()) - 1 : never; }

  int this_thread() const { return current_; }

  /// Whether a thread has gone to sleep, or has come to its end.
  bool is_at_rest(int thread) const {
    const fiber_slot& slot = fibers_[index(thread)];
    return slot.finished || slot.next->is_sleep();
  }

  /// An object that a thread has touched, and when it did so the last time.
  struct look {
    unsigned object = 0;
    int step = never;
  };
  using looks = std::array<look, 4>;

  /// What this thread has touched since it asked the last time; the latest, if these are many.
  looks take_looks() { return std::exchange(fibers_[index(current_)].touched, looks()); }

  /// The step in which another thread has changed that since.
  int changed_since(const look& seen, int thread) const {
    if (seen.step == never || seen.object >= writes_.size()) return never;
    const change last = writes_[seen.object];
    return last.step > seen.step && last.thread != thread ? last.step : never;
  }

  void begin_work() { ++work_; }
  void end_work() { --work_; }

  /// Whether those who wait for work are told that there will be none.
  bool is_draining() const { return draining_; }

  // What has been done ----------------------------------------------------------------------------

  const std::string& failure() const { return failure_; }
  std::size_t step_count() const { return steps_.size(); }
  std::string schedule() const { return text_of_schedule(choices_); }

  std::string story() const {
    std::string text;
    for (std::size_t i = 0; i != steps_.size(); ++i) {
      const step& s = steps_[i];
      text += "  " + std::to_string(i) + "  " + fibers_[index(s.thread)].name + ": " + s.what.name;
      for (const touch& t : s.what.touches)
        if (t.how != access::none) text += " #" + std::to_string(t.object);
      text += "\n";
    }
    return text;
  }

 private:
  static constexpr unsigned first_object = time_object + 1;
  static constexpr std::size_t most_steps = 50000;

  struct step {
    int thread;
    action what;
  };

  struct change {
    int step = never;
    int thread = nobody;
  };

  /// A fiber that runs one thread after the other.
  struct fiber_slot {
    boost::context::fiber fiber;
    std::string name;
    std::function<void()> body;
    point* next = nullptr;
    bool finished = true;
    looks touched;
    boost::context::stack_context stack;
  };

  struct beginning final : point {
    beginning() : point({"begins", {}}) {}
  };

  static std::size_t index(int thread) { return static_cast<std::size_t>(thread); }

  scheduler() = default;

  void begin_fiber(int thread, const char* name, std::function<void()> body) {
    fiber_slot& slot = fibers_[index(thread)];
    slot.name = name;
    slot.body = std::move(body);
    slot.next = &beginning_;
    slot.finished = false;
    slot.touched = looks();
    if (slot.fiber) return;
    boost::context::stack_context& stack = slot.stack;
    if (stack.sp == nullptr)
      stack = boost::context::protected_fixedsize_stack(stack_size).allocate();
#if defined(SLUICE_TEST_MODEL_ASAN)
    ASAN_UNPOISON_MEMORY_REGION(static_cast<char*>(stack.sp) - stack.size, stack.size);
#endif
    slot.fiber = boost::context::fiber(std::allocator_arg,
                                       boost::context::preallocated(stack.sp, stack.size, stack),
                                       stack_keeper(), [this, &slot](boost::context::fiber&& from) {
                                         arrive();
                                         back_ = std::move(from);
                                         for (;;) live(slot);
                                         return boost::context::fiber();
                                       });
  }

  void live(fiber_slot& slot) {
    slot.body();
    slot.body = nullptr;
    slot.finished = true;
    if (running_) choose();
    suspend();
  }

  /// Decides who takes the next step.
  void choose() {
    situation s = look_around();
    if (s.unfinished == 0) {
      next_ = 0;
      return;
    }
    if (s.ready == 0) {
      if ((work_ == 0 || may_leave_work_) && all_may_end()) draining_ = true;
      s = look_around();
      if (s.ready == 0) fail("nobody can go on:" + who_waits(s));
    }
    if (steps_.size() == most_steps) fail("it does not come to an end");
    next_ = order_->choose(s);
    if (next_ == nobody)
      fail("the program is not the same each time, or this schedule is not its own");
    choices_.push_back(next_);
    const fiber_slot& slot = fibers_[index(next_)];
    const action& what = s.next[index(next_)];
    order_->taken(slot.next->caused_by());
    steps_.push_back({next_, what});
    for (const touch& t : what.touches)
      if (t.how != access::none && !slot.next->is_behind()) note(t);
  }

  void note(const touch& t) {
    if (t.object >= writes_.size()) writes_.resize(t.object + 1);
    if (t.how != access::reads) writes_[t.object] = {now(), next_};
    looks& touched = fibers_[index(next_)].touched;
    std::size_t place = 0;
    while (place + 1 != touched.size() && touched[place].object != t.object) ++place;
    for (; place != 0; --place) touched[place] = touched[place - 1];
    touched[0] = {t.object, now()};
  }

  situation look_around() const {
    situation s;
    s.previous = steps_.empty() ? nobody : steps_.back().thread;
    for (int t = 1; t != threads_; ++t) {
      const fiber_slot& slot = fibers_[index(t)];
      if (slot.finished) continue;
      s.unfinished |= only(t);
      if (draining_ && slot.next->may_end())
        s.next[index(t)].name = "ends";
      else
        s.next[index(t)] = slot.next->what;
      if (slot.next->ready()) s.ready |= only(t);
    }
    return s;
  }

  bool all_may_end() const {
    for (int t = 1; t != threads_; ++t)
      if (!fibers_[index(t)].finished && !fibers_[index(t)].next->may_end()) return false;
    return true;
  }

  std::string who_waits(const situation& s) const {
    std::string text;
    for (int t = 1; t != threads_; ++t) {
      if (!has(s.unfinished, t)) continue;
      const action& a = s.next[index(t)];
      text += " " + fibers_[index(t)].name + " waits to " + a.name + " #" +
              std::to_string(a.touches[0].object) + ";";
    }
    return text + " operations under way: " + std::to_string(work_);
  }

  // Fibers ----------------------------------------------------------------------------------------

  static constexpr std::size_t stack_size = 256 * 1024;

  /// Stacks are kept for the next fiber.
  struct stack_keeper {
    void deallocate(boost::context::stack_context&) noexcept {}
  };

  // What the C++ runtime knows of the exceptions of a thread.
  struct exceptions {
    void* caught;
    unsigned uncaught;
  };
  static exceptions& exceptions_here() {
    return *reinterpret_cast<exceptions*>(abi::__cxa_get_globals());
  }

  /// For the thread of the system: lets a fiber run until it suspends itself.
  void resume(int thread) {
    current_ = thread;
    fiber_slot& slot = fibers_[index(thread)];
    const exceptions mine = exceptions_here();
#if defined(SLUICE_TEST_MODEL_ASAN)
    void* fake = nullptr;
    const boost::context::stack_context& stack = slot.stack;
    __sanitizer_start_switch_fiber(&fake, static_cast<char*>(stack.sp) - stack.size, stack.size);
#endif
    slot.fiber = std::move(slot.fiber).resume();
#if defined(SLUICE_TEST_MODEL_ASAN)
    __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#endif
    exceptions_here() = mine;
  }

  /// For a fiber: goes on when it is resumed.
  void suspend() {
    const exceptions mine = exceptions_here();
#if defined(SLUICE_TEST_MODEL_ASAN)
    void* fake = nullptr;
    __sanitizer_start_switch_fiber(&fake, main_bottom_, main_size_);
#endif
    back_ = std::move(back_).resume();
#if defined(SLUICE_TEST_MODEL_ASAN)
    __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#endif
    exceptions_here() = mine;
  }

  void arrive() {
    exceptions_here() = exceptions();
#if defined(SLUICE_TEST_MODEL_ASAN)
    __sanitizer_finish_switch_fiber(nullptr, &main_bottom_, &main_size_);
#endif
  }

  void abandon_fibers() {
    for (fiber_slot& slot : fibers_) {
      if (slot.fiber) static_cast<void>(new boost::context::fiber(std::move(slot.fiber)));
      // What it was to do may be in use, too.
      static_cast<void>(new std::function<void()>(std::move(slot.body)));
      slot.finished = true;
    }
  }

  beginning beginning_;
  std::array<fiber_slot, most_threads> fibers_;
  boost::context::fiber back_;
  search* order_ = nullptr;
  int threads_ = 1;
  int current_ = 0;
  int next_ = 0;
  bool running_ = false;
  bool draining_ = false;
  bool may_leave_work_ = false;
  bool failed_ = false;
  long work_ = 0;
  unsigned objects_ = first_object;
  std::vector<step> steps_;
  std::vector<int> choices_;
  std::vector<change> writes_;
  std::string failure_;
#if defined(SLUICE_TEST_MODEL_ASAN)
  const void* main_bottom_ = nullptr;
  std::size_t main_size_ = 0;
#endif
};

/// Nothing but a place at which others may come in between.
inline void stop_at(const char* name, unsigned object, access how) {
  auto& s = scheduler::get();
  if (!s.is_running()) return;
  struct here final : point {
    using point::point;
  } p({name, {{{object, how}}}});
  s.pass(p);
}

/// The same behind a step, for what a thread does with others' things that it should not.
inline void stop_behind(const char* name, unsigned object) {
  auto& s = scheduler::get();
  if (!s.is_running()) return;
  struct here final : point {
    using point::point;
    bool is_behind() const override { return true; }
  } p({name, {{{object, access::writes}}}});
  s.pass(p);
}

}  // namespace model

#endif  // SLUICE_TEST_MODEL_SCHEDULER_HPP
