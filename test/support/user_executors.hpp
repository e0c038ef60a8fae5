// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_SUPPORT_USER_EXECUTORS_HPP
#define SLUICE_TEST_SUPPORT_USER_EXECUTORS_HPP

// Executors as users write them, from the least that Asio takes for an executor to one that fits
// into any_io_executor. Their functions wait in a queue until the test runs it, on one thread.

#include <boost/asio/execution.hpp>
#include <boost/asio/execution_context.hpp>

#include <cstddef>
#include <deque>
#include <memory>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace support {

namespace asio = boost::asio;

class task_queue {
  struct task {
    virtual ~task() = default;
    virtual void run() = 0;
  };

  template <class F>
  struct task_of final : task {
    explicit task_of(F&& function) : f(std::move(function)) {}
    void run() override { std::move(f)(); }
    F f;
  };

 public:
  template <class F>
  void push(F f) {
    tasks_.push_back(std::make_unique<task_of<F>>(std::move(f)));
  }

  /// Runs everything, also what comes in the meantime.
  std::size_t run() {
    std::size_t count = 0;
    while (!tasks_.empty()) {
      auto next = std::move(tasks_.front());
      tasks_.pop_front();
      next->run();
      ++count;
    }
    return count;
  }

  std::size_t size() const noexcept { return tasks_.size(); }

  /// Destroys what has not run, and what comes by that.
  void clear() {
    while (!tasks_.empty()) tasks_.pop_front();
  }

 private:
  std::deque<std::unique_ptr<task>> tasks_;
};

/// The least: it executes and it compares.
struct minimal_executor {
  task_queue* queue;

  template <class F>
  void execute(F&& f) const {
    queue->push(std::decay_t<F>(std::forward<F>(f)));
  }

  friend bool operator==(minimal_executor a, minimal_executor b) noexcept {
    return a.queue == b.queue;
  }
  friend bool operator!=(minimal_executor a, minimal_executor b) noexcept { return !(a == b); }
};

/// A context whose functions are run by hand.
class task_context : public asio::execution_context {
 public:
  ~task_context() {
    shutdown();
    queue.clear();
  }

  task_queue queue;
};

/// As minimal_executor, but it tells its context.
struct context_executor {
  task_context* context;

  template <class F>
  void execute(F&& f) const {
    context->queue.push(std::decay_t<F>(std::forward<F>(f)));
  }

  asio::execution_context& query(asio::execution::context_t) const noexcept { return *context; }

  friend bool operator==(context_executor a, context_executor b) noexcept {
    return a.context == b.context;
  }
  friend bool operator!=(context_executor a, context_executor b) noexcept { return !(a == b); }
};

/// As context_executor, and it says that it never blocks: an any_io_executor can hold it.
struct posting_executor {
  task_context* context;

  template <class F>
  void execute(F&& f) const {
    context->queue.push(std::decay_t<F>(std::forward<F>(f)));
  }

  asio::execution_context& query(asio::execution::context_t) const noexcept { return *context; }

  static constexpr asio::execution::blocking_t query(asio::execution::blocking_t) noexcept {
    return asio::execution::blocking.never;
  }

  posting_executor require(asio::execution::blocking_t::never_t) const noexcept { return *this; }

  friend bool operator==(posting_executor a, posting_executor b) noexcept {
    return a.context == b.context;
  }
  friend bool operator!=(posting_executor a, posting_executor b) noexcept { return !(a == b); }
};

/// As posting_executor, until it is told to refuse: then execute() throws.
struct refusing_executor {
  task_context* context;
  const bool* refuses;

  template <class F>
  void execute(F&& f) const {
    if (*refuses) throw std::runtime_error("refused");
    context->queue.push(std::decay_t<F>(std::forward<F>(f)));
  }

  asio::execution_context& query(asio::execution::context_t) const noexcept { return *context; }

  static constexpr asio::execution::blocking_t query(asio::execution::blocking_t) noexcept {
    return asio::execution::blocking.never;
  }

  refusing_executor require(asio::execution::blocking_t::never_t) const noexcept { return *this; }

  friend bool operator==(refusing_executor a, refusing_executor b) noexcept {
    return a.context == b.context && a.refuses == b.refuses;
  }
  friend bool operator!=(refusing_executor a, refusing_executor b) noexcept { return !(a == b); }
};

/// Runs everything at once, inside execute().
struct inline_executor {
  template <class F>
  void execute(F&& f) const {
    std::decay_t<F> function(std::forward<F>(f));
    std::move(function)();
  }

  friend bool operator==(inline_executor, inline_executor) noexcept { return true; }
  friend bool operator!=(inline_executor, inline_executor) noexcept { return false; }
};

}  // namespace support

#endif  // SLUICE_TEST_SUPPORT_USER_EXECUTORS_HPP
