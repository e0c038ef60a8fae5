// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_MODEL_WORK_QUEUE_HPP
#define SLUICE_TEST_MODEL_WORK_QUEUE_HPP

// What threads give each other to do. To give something is a step, and so is to begin with it.

#include "scheduler.hpp"

#include <deque>
#include <memory>
#include <type_traits>
#include <utility>

namespace model {

class work_queue {
 public:
  work_queue() = default;
  work_queue(const work_queue&) = delete;
  work_queue& operator=(const work_queue&) = delete;

  template <class Function>
  void post(Function&& f) {
    stop_at("post", object_, access::writes);
    auto added = std::make_unique<task_of<std::decay_t<Function>>>(std::forward<Function>(f));
    added->posted = scheduler::get().now();
    tasks_.push_back(std::move(added));
    // Before this returns to its caller it may have been done.
    if (stops_behind) stop_behind("has posted", object_);
  }

  /// Does what there is to do, until all threads are at their ends, or wait here like this one.
  void run() {
    auto& s = scheduler::get();
    for (;;) {
      if (s.is_running()) {
        beginning_work p(*this);
        s.pass(p);
      }
      if (tasks_.empty()) return;
      do_one();
    }
  }

  /// Does what there is to do now.
  void poll() {
    stop_at("look for work", object_, access::writes);
    while (!tasks_.empty()) {
      do_one();
      stop_at("look for work", object_, access::writes);
    }
  }

  /// Destroys what nobody will do any more.
  void clear() {
    while (!tasks_.empty()) pop();
  }

  bool empty() const { return tasks_.empty(); }

  /// Whether threads stop behind a post, too.
  inline static bool stops_behind = false;

 private:
  struct task {
    virtual ~task() = default;
    virtual void run() = 0;
    int posted = never;
  };

  template <class Function>
  struct task_of final : task {
    template <class F>
    explicit task_of(F&& f) : function(std::forward<F>(f)) {}
    void run() override { std::move(function)(); }
    Function function;
  };

  struct beginning_work final : point {
    explicit beginning_work(work_queue& q)
        : point({"take up work", {{{q.object_, access::writes}}}}), mine(q) {}
    bool ready() const override { return !mine.tasks_.empty() || scheduler::get().is_draining(); }
    causes caused_by() const override {
      return {mine.tasks_.empty() ? never : mine.tasks_.front()->posted, never};
    }
    bool may_end() const override { return mine.tasks_.empty(); }
    work_queue& mine;
  };

  std::unique_ptr<task> pop() {
    std::unique_ptr<task> first = std::move(tasks_.front());
    tasks_.pop_front();
    return first;
  }

  void do_one() {
    const std::unique_ptr<task> first = pop();
    first->run();
  }

  const unsigned object_ = scheduler::get().new_object();
  std::deque<std::unique_ptr<task>> tasks_;
};

}  // namespace model

#endif  // SLUICE_TEST_MODEL_WORK_QUEUE_HPP
