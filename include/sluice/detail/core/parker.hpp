// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_CORE_PARKER_HPP
#define SLUICE_DETAIL_CORE_PARKER_HPP

// Where a thread, the owner, sleeps until it is given something to do, or is told that nothing more
// will come. It lies on the stack of that thread.
//
// Other threads call give() and finish(). They wake the owner before they unlock, because once it
// runs the parker may be gone: to unlock is the last that they do to it.
//
// The mutex protects all fields but `worked_late_`, which is the owner's. `news_` may be read
// without it, and says no more than that it is worth while to lock.

#include <sluice/detail/core/deadline.hpp>

#include <atomic>
#include <condition_variable>
#include <mutex>

namespace sluice::detail::core {

/// Something for the owner of a parker to do: run() or drop(), once. It frees itself.
class task {
 public:
  task(const task&) = delete;
  task& operator=(const task&) = delete;

  void run() { perform_(*this, true); }
  void drop() { perform_(*this, false); }

 protected:
  using function = void (*)(task&, bool run);

  explicit task(function perform) noexcept : perform_(perform) {}
  ~task() = default;

 private:
  template <class>
  friend class parker;

  const function perform_;
  task* next_ = nullptr;
};

enum class event {
  task,  // there is something to do
  over,  // nothing more will come
  late,  // the deadline has passed, and what there was to do then has had its chance
};

template <class Threading>
class parker {
 public:
  parker() = default;
  parker(const parker&) = delete;
  parker& operator=(const parker&) = delete;

  /// What nobody has asked for is dropped on the owner's thread.
  ~parker() {
    while (task* t = pop()) t->drop();
  }

  void give(task& t) noexcept {
    mutex_.lock();
    (last_ ? last_->next_ : first_) = &t;
    last_ = &t;
    tell_and_unlock();
  }

  void finish() noexcept {
    mutex_.lock();
    over_ = true;
    tell_and_unlock();
  }

  /// For the owner: waits for the next event. What there is to do comes before the other two; but
  /// after the deadline only once, since it may bring the next with it, and so on for ever.
  template <class Deadline>
  event next(task*& to_do, const Deadline& deadline) noexcept {
    Threading::spin_until([this] { return news_.load(std::memory_order_relaxed); });
    for (;;) {
      // Other people's clocks are read without the lock: they may have locks of their own.
      const bool passed = deadline.has_passed();
      const steady_time limit = deadline.limit();
      std::unique_lock<mutex> lock(mutex_);
      do {
        if (passed && worked_late_ && !over_) return event::late;
        to_do = pop();
        if (to_do != nullptr) {
          worked_late_ = passed;
          return event::task;
        }
        if (over_) return event::over;
        if (passed) return event::late;
      } while (sleep(lock, limit));
    }
  }

 private:
  using mutex = typename Threading::parking_mutex;

  void tell_and_unlock() noexcept {
    news_.store(true, std::memory_order_relaxed);
    if (sleeps_) changed_.notify_one();
    mutex_.unlock();
  }

  /// False if the time is up.
  bool sleep(std::unique_lock<mutex>& lock, steady_time limit) noexcept {
    news_.store(false, std::memory_order_relaxed);
    sleeps_ = true;
    bool in_time = true;
    if (limit == steady_time::max())
      changed_.wait(lock);
    else
      in_time = changed_.wait_until(lock, limit) == std::cv_status::no_timeout;
    sleeps_ = false;
    return in_time;
  }

  task* pop() noexcept {
    task* t = first_;
    if (t != nullptr) {
      first_ = t->next_;
      if (first_ == nullptr) last_ = nullptr;
    }
    return t;
  }

  mutex mutex_;
  typename Threading::condition_variable changed_;
  typename Threading::template atomic<bool> news_{false};
  task* first_ = nullptr;
  task* last_ = nullptr;
  bool over_ = false;
  bool sleeps_ = false;
  bool worked_late_ = false;
};

}  // namespace sluice::detail::core

#endif  // SLUICE_DETAIL_CORE_PARKER_HPP
