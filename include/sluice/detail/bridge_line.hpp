// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_BRIDGE_LINE_HPP
#define SLUICE_DETAIL_BRIDGE_LINE_HPP

// The line of functions that wait at a bridge to be run on its executor, one after the other.
//
// While there are any, exactly one `bridge_runner` is with the executor, or is running. It takes
// the first, runs it, and so on. A runner that is destroyed instead of being run tells that the
// context is gone: then the whole line is refused.
//
// A job is, in turn, in the line; with the runner, which runs it; over. Or it is taken out of the
// line, and refused, by whoever has taken it out. `mutex_` protects the line, its size and the two
// flags. Jobs are run, refused and destroyed without it.

#include <sluice/detail/core/deadline.hpp>
#include <sluice/detail/core/parker.hpp>
#include <sluice/error.hpp>
#include <sluice/threading.hpp>

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>

#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>

namespace sluice::detail {

namespace asio = boost::asio;

/// Something to be run on the executor of a bridge: run() or refuse(), once, which ends its life.
class bridge_job {
 public:
  bridge_job(const bridge_job&) = delete;
  bridge_job& operator=(const bridge_job&) = delete;

  virtual void run() = 0;
  virtual void refuse(error_code why) noexcept = 0;

 protected:
  explicit bridge_job(bool is_waited_for) noexcept : is_waited_for_(is_waited_for) {}
  ~bridge_job() = default;

 private:
  friend class bridge_line;

  bridge_job* previous_ = nullptr;
  bridge_job* next_ = nullptr;
  bool waits_ = false;
  const bool is_waited_for_;
};

class bridge_line {
 public:
  enum class joined { closed, waits, needs_runner };

  joined join(bridge_job& job) noexcept {
    std::lock_guard<std::mutex> lock(mutex_);
    if (closed_) return joined::closed;
    job.previous_ = last_;
    (last_ ? last_->next_ : first_) = &job;
    last_ = &job;
    job.waits_ = true;
    ++size_;
    return std::exchange(has_runner_, true) ? joined::waits : joined::needs_runner;
  }

  /// For the runner: the next job. If there is none, it is the runner no more.
  bridge_job* next() noexcept {
    std::lock_guard<std::mutex> lock(mutex_);
    bridge_job* job = first_;
    if (job != nullptr)
      unlink(*job);
    else
      has_runner_ = false;
    return job;
  }

  /// Takes a job out of the line. False if it is with the runner, or over.
  bool withdraw(bridge_job& job) noexcept {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!job.waits_) return false;
    unlink(job);
    return true;
  }

  void close() noexcept {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      closed_ = true;
    }
    refuse_all(error::closed);
  }

  bool is_closed() noexcept {
    std::lock_guard<std::mutex> lock(mutex_);
    return closed_;
  }

  std::size_t size() noexcept {
    std::lock_guard<std::mutex> lock(mutex_);
    return size_;
  }

  /// The runner is gone. What joins from now on gets another one.
  void give_up() noexcept {
    bridge_job* refused;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      has_runner_ = false;
      refused = unlink_all();
    }
    refuse(refused, asio::error::operation_aborted);
  }

 private:
  void refuse_all(error_code why) noexcept {
    bridge_job* refused;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      refused = unlink_all();
    }
    refuse(refused, why);
  }

  /// Threads that wait go first: the others are destroyed, which may be to wait for those threads.
  static void refuse(bridge_job* job, error_code why) noexcept {
    bridge_job* posted = nullptr;
    bridge_job** last = &posted;
    while (job != nullptr) {
      bridge_job* const refused = std::exchange(job, job->next_);
      if (refused->is_waited_for_) {
        refused->refuse(why);
      } else {
        *last = refused;
        last = &refused->next_;
      }
    }
    *last = nullptr;
    while (posted != nullptr) std::exchange(posted, posted->next_)->refuse(why);
  }

  void unlink(bridge_job& job) noexcept {
    (job.previous_ ? job.previous_->next_ : first_) = job.next_;
    (job.next_ ? job.next_->previous_ : last_) = job.previous_;
    job.waits_ = false;
    --size_;
  }

  /// Takes all jobs out; they are linked still, for whoever refuses them.
  bridge_job* unlink_all() noexcept {
    for (bridge_job* job = first_; job != nullptr; job = job->next_) job->waits_ = false;
    last_ = nullptr;
    size_ = 0;
    return std::exchange(first_, nullptr);
  }

  std::mutex mutex_;
  bridge_job* first_ = nullptr;
  bridge_job* last_ = nullptr;
  std::size_t size_ = 0;
  bool has_runner_ = false;
  bool closed_ = false;
};

/// Which lines this thread runs: the innermost, and those that it runs inside of. Executors that
/// cannot tell where they run need it; it belongs to the thread.
class running_line {
 public:
  explicit running_line(const bridge_line& line) noexcept
      : line_(&line), outer_(std::exchange(innermost(), this)) {}
  running_line(const running_line&) = delete;
  running_line& operator=(const running_line&) = delete;
  ~running_line() { innermost() = outer_; }

  static bool includes(const bridge_line& line) noexcept {
    for (const running_line* r = innermost(); r != nullptr; r = r->outer_)
      if (r->line_ == &line) return true;
    return false;
  }

 private:
  static const running_line*& innermost() noexcept {
    static thread_local const running_line* innermost_of_this_thread = nullptr;
    return innermost_of_this_thread;
  }

  const bridge_line* const line_;
  const running_line* const outer_;
};

/// Goes to the executor, and runs what waits in the line.
template <class Executor>
class bridge_runner {
 public:
  /// The line has to know that it has a runner. If this throws, it has none any more.
  static void start(const std::shared_ptr<bridge_line>& line, const Executor& ex) {
    asio::post(ex, bridge_runner(line, ex));
  }

  bridge_runner(bridge_runner&&) noexcept = default;
  bridge_runner& operator=(bridge_runner&&) = delete;

  ~bridge_runner() {
    if (line_) line_->give_up();
  }

  void operator()() {
    successor next(std::move(line_), executor_);
    const running_line running(*next.line);
    // After some of them others shall have their turn on the executor.
    for (int i = 0; i != in_a_row; ++i) {
      bridge_job* job = next.line->next();
      if (job == nullptr) {
        next.line = nullptr;
        return;
      }
      job->run();
    }
  }

 private:
  static constexpr int in_a_row = 16;

  /// Sends another runner, also if a function has thrown an exception.
  struct successor {
    successor(std::shared_ptr<bridge_line> l, const Executor& ex) noexcept
        : line(std::move(l)), executor(ex) {}
    successor(const successor&) = delete;
    successor& operator=(const successor&) = delete;

    ~successor() {
      if (!line) return;
      try {
        start(line, executor);
      } catch (...) {
        // The executor refused; whoever waits has been told.
      }
    }

    std::shared_ptr<bridge_line> line;
    const Executor& executor;
  };

  bridge_runner(const std::shared_ptr<bridge_line>& line, const Executor& ex)
      : executor_(ex), line_(line) {}

  Executor executor_;
  std::shared_ptr<bridge_line> line_;
};

/// A function that nobody waits for.
template <class Function>
class posted_job final : public bridge_job {
 public:
  template <class F>
  explicit posted_job(F&& f) : bridge_job(false), function_(std::forward<F>(f)) {}

  void run() override {
    std::unique_ptr<posted_job> self(this);
    Function f(std::move(function_));
    self.reset();
    std::invoke(std::move(f));
  }

  void refuse(error_code) noexcept override { delete this; }

 private:
  Function function_;
};

/// What a function has returned: `void` as nothing, references as pointers.
template <class R>
class returned {
  using value_type = std::remove_cv_t<R>;

 public:
  template <class Call>
  void take_from(Call&& call) {
    value_.emplace(std::forward<Call>(call)());
  }
  R get() { return std::move(*value_); }
  std::optional<value_type> get_if_any() { return std::move(value_); }

 private:
  std::optional<value_type> value_;
};

template <class R>
class returned_reference {
 public:
  template <class Call>
  void take_from(Call&& call) {
    auto&& referred = std::forward<Call>(call)();
    value_ = std::addressof(referred);
  }
  R get() { return static_cast<R>(*value_); }
  std::remove_reference_t<R>* get_if_any() { return value_; }

 private:
  std::remove_reference_t<R>* value_ = nullptr;
};

template <class R>
class returned<R&> : public returned_reference<R&> {};

template <class R>
class returned<R&&> : public returned_reference<R&&> {};

template <>
class returned<void> {
 public:
  template <class Call>
  void take_from(Call&& call) {
    std::forward<Call>(call)();
  }
  void get() {}
  void get_if_any() {}
};

/// A function that a thread waits for. It lies on the stack of that thread, and refers to the
/// function.
template <class Function>
class called_job final : public bridge_job {
 public:
  using result_type = std::invoke_result_t<Function>;

  explicit called_job(Function&& f) noexcept
      : bridge_job(true), function_(std::forward<Function>(f)) {}

  void run() override {
    try {
      result.take_from(
          [&]() -> result_type { return std::invoke(std::forward<Function>(function_)); });
    } catch (...) {
      problem = std::current_exception();
    }
    parker_.finish();
  }

  void refuse(error_code why) noexcept override {
    refused = why;
    parker_.finish();
  }

  /// Waits until it is over. If the deadline passes before, and it has not begun, it never does.
  template <class Deadline>
  void wait(bridge_line& line, const Deadline& deadline) {
    core::task* none = nullptr;
    if (parker_.next(none, deadline) == core::event::over) return;
    if (line.withdraw(*this))
      refused = asio::error::timed_out;
    else
      parker_.next(none, core::no_deadline());
  }

  // For the thread that waits, when it is over.
  returned<result_type> result;
  std::exception_ptr problem;
  error_code refused;

 private:
  Function&& function_;
  core::parker<multi_threaded> parker_;
};

}  // namespace sluice::detail

#endif  // SLUICE_DETAIL_BRIDGE_LINE_HPP
