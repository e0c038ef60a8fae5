// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_SUPPORT_TRACKED_EXECUTOR_HPP
#define SLUICE_TEST_SUPPORT_TRACKED_EXECUTOR_HPP

// An executor that passes everything on to another one and keeps a log of it: what it was given to
// execute and under which conditions, how many of its copies count as outstanding work, and, on
// each thread, that it is the one that runs.

#include <boost/asio/execution.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/require.hpp>

#include <atomic>
#include <type_traits>
#include <utility>

namespace support {

namespace asio = boost::asio;

struct executor_log {
  std::atomic<int> executed{0};   // functions that it was given
  std::atomic<int> may_block{0};  // of them, those that were not given with blocking.never
  std::atomic<int> work{0};       // executors that count as outstanding work now
};

namespace detail {

inline thread_local const executor_log* running = nullptr;

/// Counts in a log that its owner is outstanding work.
template <bool Counts>
class work_count {
 public:
  explicit work_count(executor_log& log) noexcept : log_(&log) { add(); }
  work_count(const work_count& other) noexcept : log_(other.log_) { add(); }
  work_count& operator=(const work_count&) = delete;

  ~work_count() {
    if constexpr (Counts) --log_->work;
  }

  executor_log& log() const noexcept { return *log_; }

 private:
  void add() noexcept {
    if constexpr (Counts) ++log_->work;
  }

  executor_log* log_;
};

/// What the inner executor is given instead of the function.
template <class F>
class logged_function {
 public:
  logged_function(F f, executor_log& log) : f_(std::move(f)), log_(&log) {}
  logged_function(logged_function&&) = default;
  logged_function& operator=(logged_function&&) = delete;

  void operator()() {
    struct scope {
      const executor_log* before;
      ~scope() { running = before; }
    } restore{std::exchange(running, log_)};
    std::move(f_)();
  }

 private:
  F f_;
  const executor_log* log_;
};

}  // namespace detail

/// The log of the innermost tracked executor that runs on this thread, or null.
inline const executor_log* running_on() noexcept {
  return detail::running;
}

template <class Inner, bool Work = false>
class tracked_executor {
 public:
  tracked_executor(const Inner& inner, executor_log& log, bool never_blocks = false) noexcept
      : inner_(inner), count_(log), never_blocks_(never_blocks) {}

  template <class F>
  void execute(F&& f) const {
    ++log().executed;
    if (!never_blocks_) ++log().may_block;
    inner_.execute(detail::logged_function<std::decay_t<F>>(std::forward<F>(f), log()));
  }

  template <class Property,
            std::enable_if_t<asio::can_require<const Inner&, Property>::value, int> = 0>
  auto require(const Property& property) const {
    using asio::execution::blocking_t;
    using asio::execution::outstanding_work_t;
    using required = std::decay_t<decltype(asio::require(inner_, property))>;
    constexpr bool work = std::is_same_v<Property, outstanding_work_t::tracked_t> ||
                          (Work && !std::is_same_v<Property, outstanding_work_t::untracked_t>);
    constexpr bool about_blocking = std::is_same_v<Property, blocking_t::never_t> ||
                                    std::is_same_v<Property, blocking_t::possibly_t> ||
                                    std::is_same_v<Property, blocking_t::always_t>;
    bool never_blocks =
        about_blocking ? std::is_same_v<Property, blocking_t::never_t> : never_blocks_;
    return tracked_executor<required, work>(asio::require(inner_, property), log(), never_blocks);
  }

  template <class Property,
            std::enable_if_t<asio::can_query<const Inner&, Property>::value, int> = 0>
  decltype(auto) query(const Property& property) const noexcept {
    return asio::query(inner_, property);
  }

  friend bool operator==(const tracked_executor& a, const tracked_executor& b) noexcept {
    return a.inner_ == b.inner_ && &a.log() == &b.log();
  }
  friend bool operator!=(const tracked_executor& a, const tracked_executor& b) noexcept {
    return !(a == b);
  }

 private:
  executor_log& log() const noexcept { return count_.log(); }

  Inner inner_;
  detail::work_count<Work> count_;
  bool never_blocks_;
};

}  // namespace support

#endif  // SLUICE_TEST_SUPPORT_TRACKED_EXECUTOR_HPP
