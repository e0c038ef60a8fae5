// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_SYNC_BRIDGE_HPP
#define SLUICE_SYNC_BRIDGE_HPP

#include <sluice/detail/bridge_line.hpp>
#include <sluice/detail/core/deadline.hpp>
#include <sluice/detail/executor_holder.hpp>
#include <sluice/detail/running_here.hpp>
#include <sluice/error.hpp>
#include <sluice/sync_receiver.hpp>
#include <sluice/sync_sender.hpp>
#include <sluice/sync_wait.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/system/system_error.hpp>

#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <type_traits>
#include <utility>

namespace sluice {

/// The way from plain threads into a strand, a context or a thread pool, and back with the result.
/**
 * What goes through one bridge runs on its executor, one function after the other, in the order in
 * which it was brought: also on a thread pool. For functions that shall run side by side take
 * several bridges. Between functions others have their turn on the executor, at the latest after
 * 16.
 *
 * Copies are the same bridge. Destroying one closes nothing: what was posted still runs.
 *
 * The errors:
 * - `error::closed`: the bridge is closed, or empty.
 * - `error::would_deadlock`, of functions that block: this thread runs the executor, or a function
 *   of this bridge. See `sync_wait`.
 * - `asio::error::operation_aborted`: the context was destroyed.
 * - `asio::error::timed_out`, of call_for: the time is over.
 *
 * In each of these cases the function has not been begun and never will be.
 *
 * A bridge is no work: somebody has to see to it that the context goes on running while threads may
 * call, for example by `asio::make_work_guard`.
 *
 * Thread safety: safe, except while a bridge is assigned to, moved from or destroyed. A bridge
 * whose executor is a strand has to go before its context, as strands themselves.
 *
 * @code
 * sluice::sync_bridge bridge(strand);
 * int balance = bridge.call([&] { return account.balance(); });  // on a plain thread
 * @endcode
 */
template <class Executor = boost::asio::any_io_executor>
class sync_bridge {
 public:
  using executor_type = Executor;

  /// The same type with another executor.
  template <class Executor1>
  struct rebind_executor {
    using other = sync_bridge<Executor1>;
  };

  /// Constructs an empty bridge: everything says `closed`.
  sync_bridge() = default;

  /// Makes a bridge to an executor, or to that of a context. Throws `std::bad_alloc`.
  explicit sync_bridge(const Executor& ex) : line_(std::make_shared<detail::bridge_line>()) {
    executor_.assign(&ex);
  }

  template <class ExecutionContext, class = std::enable_if_t<std::is_convertible_v<
                                        ExecutionContext&, boost::asio::execution_context&>>>
  explicit sync_bridge(ExecutionContext& context) : sync_bridge(Executor(context.get_executor())) {}

  friend void swap(sync_bridge& a, sync_bridge& b) noexcept { std::swap(a, b); }

  /// Where functions run. Must not be called on an empty bridge.
  executor_type get_executor() const noexcept { return *executor_.get(); }

  /// Runs `f()` on the executor, later; never inside this function. Never blocks.
  /**
   * @returns No error if it has been put into the line. It is destroyed after it has run, or when
   * the bridge is closed or the context destroyed before; what it returns is dropped, and an
   * exception leaves through the executor, like that of a handler. Throws what copying `f` throws,
   * and `std::bad_alloc`; then `f` has been destroyed and does not run.
   */
  template <class Function>
  [[nodiscard]] error_code post(Function&& f) {
    if (is_closed()) return error::closed;
    using job_type = detail::posted_job<std::decay_t<Function>>;
    auto job = std::make_unique<job_type>(std::forward<Function>(f));
    const joined seen = line_->join(*job);
    if (seen == joined::closed) return error::closed;
    // From here on the line owns it.
    job.release();
    if (seen == joined::needs_runner) start_runner();
    return error_code();
  }

  /// Runs `f()` on the executor, blocks until it is done, and returns what it returns.
  /**
   * An exception of `f` is thrown here; so are errors, as `boost::system::system_error`. `f` is
   * used where it is, and neither copied nor moved.
   */
  template <class Function>
  std::invoke_result_t<Function> call(Function&& f) {
    return call_until<Function>(detail::core::no_deadline(), f);
  }

  /// The same with an error code. If there is one, it returns an empty optional (for a function
  /// that returns a reference a null pointer; for one that returns nothing, nothing).
  template <class Function>
  auto call(Function&& f, error_code& ec) {
    return call_until<Function>(detail::core::no_deadline(), f, ec);
  }

  /// As call(), but if `f` has not begun when the time is over, it never does. Once it has begun
  /// the thread waits for it, however long it takes. `duration::max()` is for ever.
  template <class Rep, class Period, class Function>
  std::invoke_result_t<Function> call_for(std::chrono::duration<Rep, Period> d, Function&& f) {
    return call_until<Function>(deadline::after(d), f);
  }

  template <class Rep, class Period, class Function>
  auto call_for(std::chrono::duration<Rep, Period> d, Function&& f, error_code& ec) {
    return call_until<Function>(deadline::after(d), f, ec);
  }

  /// Refuses what has not begun and what comes later, with `closed`. Does not wait for what is
  /// running. Closing twice is harmless.
  void close() noexcept {
    if (line_) line_->close();
  }

  /// How many functions wait: those that run or are over are not among them.
  [[nodiscard]] std::size_t size() const noexcept { return line_ ? line_->size() : 0; }

  /// Whether close() was called. True for an empty bridge.
  [[nodiscard]] bool is_closed() const noexcept { return !line_ || line_->is_closed(); }

 private:
  using deadline = detail::core::deadline<std::chrono::steady_clock>;

  using joined = detail::bridge_line::joined;

  void start_runner() { detail::bridge_runner<Executor>::start(line_, *executor_.get()); }

  template <class Deadline, class Function>
  void perform(detail::called_job<Function>& job, const Deadline& limit) {
    if (!line_) {
      job.refused = error::closed;
    } else if (detail::running_line::includes(*line_) ||
               detail::is_running_here(*executor_.get())) {
      job.refused = error::would_deadlock;
    } else {
      enter(job);
      job.wait(*line_, limit);
    }
    if (job.problem) std::rethrow_exception(job.problem);
  }

  template <class Function>
  void enter(detail::called_job<Function>& job) {
    switch (line_->join(job)) {
      case joined::closed:
        job.refuse(error::closed);
        break;
      case joined::needs_runner:
        try {
          start_runner();
        } catch (...) {
          // It has been refused, but whoever did so may be about to say it.
          job.wait(*line_, detail::core::no_deadline());
          throw;
        }
        break;
      case joined::waits:
        break;
    }
  }

  template <class Function, class Deadline>
  std::invoke_result_t<Function> call_until(const Deadline& limit,
                                            std::remove_reference_t<Function>& f) {
    detail::called_job<Function> job(static_cast<Function&&>(f));
    perform(job, limit);
    if (job.refused) throw boost::system::system_error(job.refused);
    return job.result.get();
  }

  template <class Function, class Deadline>
  auto call_until(const Deadline& limit, std::remove_reference_t<Function>& f, error_code& ec) {
    detail::called_job<Function> job(static_cast<Function&&>(f));
    perform(job, limit);
    ec = job.refused;
    return job.result.get_if_any();
  }

  detail::executor_holder<Executor> executor_;
  std::shared_ptr<detail::bridge_line> line_;
};

template <class ExecutionContext, class = std::enable_if_t<std::is_convertible_v<
                                      ExecutionContext&, boost::asio::execution_context&>>>
sync_bridge(ExecutionContext&) -> sync_bridge<typename ExecutionContext::executor_type>;

template <
    class Executor,
    class = std::enable_if_t<!std::is_convertible_v<Executor&, boost::asio::execution_context&>>,
    class = void>
sync_bridge(Executor) -> sync_bridge<Executor>;

}  // namespace sluice

#endif  // SLUICE_SYNC_BRIDGE_HPP
