// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_MODEL_CONTEXT_HPP
#define SLUICE_TEST_MODEL_CONTEXT_HPP

// An execution context for models. What is posted to it is done, one after the other, by the
// threads that run() it; several of them make it a pool. Outstanding work is counted: where it is
// never completed nor destroyed, the schedule fails.

#include "work_queue.hpp"

#include <boost/asio/execution.hpp>
#include <boost/asio/execution_context.hpp>

#include <memory>
#include <utility>

namespace model {

namespace asio = boost::asio;

class executor;

class context : public asio::execution_context {
 public:
  using executor_type = executor;

  context() = default;

  ~context() {
    shutdown();
    queue_.clear();
    *is_alive_ = false;
    destroy();
  }

  inline executor get_executor() noexcept;

  void run() { queue_.run(); }

  /// Does what there is to do now.
  void poll() { queue_.poll(); }

 private:
  friend class executor;

  work_queue queue_;
  const std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

class executor {
 public:
  explicit executor(context& c) noexcept : executor(&c, c.is_alive_, false) {}
  executor(const executor& other) noexcept
      : executor(other.context_, other.is_alive_, other.counts_) {}
  executor& operator=(const executor& other) noexcept {
    executor copy(other);
    std::swap(context_, copy.context_);
    std::swap(is_alive_, copy.is_alive_);
    std::swap(counts_, copy.counts_);
    return *this;
  }
  ~executor() {
    if (!counts_) return;
    if (!*is_alive_) scheduler::get().fail("work ends on a context that is gone");
    scheduler::get().end_work();
  }

  template <class Function>
  void execute(Function&& f) const {
    if (!*is_alive_) scheduler::get().fail("something is posted to a context that is gone");
    context_->queue_.post(std::forward<Function>(f));
  }

  context& query(asio::execution::context_t) const noexcept { return *context_; }
  static constexpr asio::execution::blocking_t query(asio::execution::blocking_t) noexcept {
    return asio::execution::blocking.never;
  }
  executor require(asio::execution::blocking_t::never_t) const noexcept { return *this; }
  executor require(asio::execution::outstanding_work_t::tracked_t) const noexcept {
    return executor(context_, is_alive_, true);
  }
  executor require(asio::execution::outstanding_work_t::untracked_t) const noexcept {
    return executor(context_, is_alive_, false);
  }

  friend bool operator==(const executor& a, const executor& b) noexcept {
    return a.context_ == b.context_;
  }
  friend bool operator!=(const executor& a, const executor& b) noexcept { return !(a == b); }

 private:
  executor(context* c, const std::shared_ptr<bool>& is_alive, bool counts) noexcept
      : context_(c), is_alive_(is_alive), counts_(counts) {
    if (counts_) scheduler::get().begin_work();
  }

  context* context_;
  std::shared_ptr<bool> is_alive_;
  bool counts_;
};

inline executor context::get_executor() noexcept {
  return executor(*this);
}

}  // namespace model

#endif  // SLUICE_TEST_MODEL_CONTEXT_HPP
