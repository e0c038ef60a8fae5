// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_WORK_HPP
#define SLUICE_DETAIL_WORK_HPP

// Outstanding work on an executor, as long as an operation waits.

#include <sluice/detail/executor.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/execution.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/thread_pool.hpp>

#include <optional>
#include <type_traits>
#include <utility>

namespace sluice::detail {

/// The executor that counts as outstanding work on another one as long as it exists.
template <class Executor>
using work_type = std::decay_t<decltype(asio::prefer(std::declval<const Executor&>(),
                                                     asio::execution::outstanding_work.tracked))>;

template <class Executor>
class work {
 public:
  work() = default;
  work(work&& other) noexcept : counted_(std::move(other.counted_)) { other.reset(); }
  work& operator=(work&&) = delete;

  /// Counts, unless it counts already.
  void start(const Executor& ex) {
    if (!counted_) counted_.emplace(asio::prefer(ex, asio::execution::outstanding_work.tracked));
  }

  void reset() noexcept { counted_.reset(); }

 private:
  std::optional<work_type<Executor>> counted_;
};

/// What is in a type-erased executor counts by itself where it is known: that is cheaper by several
/// indirect calls.
template <>
class work<asio::any_io_executor> {
  using io = asio::io_context::executor_type;
  using pool = asio::thread_pool::executor_type;

 public:
  work() = default;
  work(work&&) noexcept = default;
  work& operator=(work&&) = delete;

  void start(const asio::any_io_executor& ex) {
    if (const io* known = ex.target<io>())
      io_.start(*known);
    else if (const pool* other = ex.target<pool>())
      pool_.start(*other);
    else if (ex && !counted_)
      counted_ = asio::prefer(ex, asio::execution::outstanding_work.tracked);
  }

  void reset() noexcept {
    io_.reset();
    pool_.reset();
    counted_ = asio::any_io_executor();
  }

 private:
  work<io> io_;
  work<pool> pool_;
  asio::any_io_executor counted_;
};

/// In the place of work that somebody else counts.
struct counted_elsewhere {
  void reset() noexcept {}
};

}  // namespace sluice::detail

#endif  // SLUICE_DETAIL_WORK_HPP
