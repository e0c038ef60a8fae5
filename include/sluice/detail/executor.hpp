// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_EXECUTOR_HPP
#define SLUICE_DETAIL_EXECUTOR_HPP

// How a completion reaches an executor.
//
// An operation in flight is handed to executors as one small function object, `posted`, that owns
// it: run, it completes the operation; destroyed without having run, it drops it. Its type does not
// depend on the operation, so every executor's machinery is instantiated once and not per handler.
//
// An any_io_executor is unwrapped to the executors known here. It could neither honour an allocator
// nor pass on a function without allocating twice.

#include <sluice/detail/block_cache.hpp>
#include <sluice/detail/core/waiter.hpp>
#include <sluice/detail/submission.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/execution.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/require.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/system_executor.hpp>
#include <boost/asio/thread_pool.hpp>

#include <cstdint>
#include <type_traits>
#include <utility>

namespace sluice::detail {

namespace asio = boost::asio;

/// An operation on its way through an executor.
class posted {
 public:
  using function = void (*)(core::waiter&);

  posted(core::waiter& w, function run) noexcept : waiter_(&w), run_(run) {}
  posted(posted&& other) noexcept
      : waiter_(std::exchange(other.waiter_, nullptr)), run_(other.run_) {}
  posted& operator=(posted&&) = delete;

  ~posted() {
    if (waiter_ != nullptr) waiter_->drop();
  }

  /// Changes what running it means.
  void become(function run) noexcept { run_ = run; }

  void operator()() { run_(*std::exchange(waiter_, nullptr)); }

 private:
  core::waiter* waiter_;
  function run_;
};

template <class Executor, class = void>
struct names_context : std::false_type {};

template <class Executor>
struct names_context<Executor, std::void_t<decltype(asio::query(std::declval<const Executor&>(),
                                                                asio::execution::context))>>
    : std::is_convertible<decltype(asio::query(std::declval<const Executor&>(),
                                               asio::execution::context)),
                          asio::execution_context&> {};

/// The executor that Asio associates with std::future handlers.
/**
 * It does its work anywhere if it is dispatched to, but to post to it, or only to ask for its
 * context, starts the system's thread pool; a future must not cost a process its first threads.
 * There is no public name for it. What gives it away is its second template argument, a blocking
 * property.
 */
template <class Executor>
struct is_future_executor : std::false_type {};

template <template <class, class> class Executor, class Result>
struct is_future_executor<Executor<Result, asio::execution::blocking_t::possibly_t>>
    : std::true_type {};

/// The context an executor belongs to, or null if it does not tell.
template <class Executor>
asio::execution_context* context_of(const Executor& ex) {
  if constexpr (std::is_same_v<Executor, asio::any_io_executor>) {
    return ex ? &asio::query(ex, asio::execution::context) : nullptr;
  } else if constexpr (names_context<Executor>::value && !is_future_executor<Executor>::value) {
    return &static_cast<asio::execution_context&>(asio::query(ex, asio::execution::context));
  } else {
    static_cast<void>(ex);
    return nullptr;
  }
}

/// Whether completions may be posted to an executor itself.
template <class Executor>
inline constexpr bool can_be_posted_to =
    asio::can_require<Executor, asio::execution::blocking_t::never_t>::value &&
    !is_future_executor<Executor>::value;

/// Whether a copy of the executor may be kept, and destroyed, after its context is gone. A strand's
/// may not.
template <class Executor>
bool may_outlive_context(const Executor& ex) noexcept {
  using io = asio::io_context::executor_type;
  using pool = asio::thread_pool::executor_type;
  if constexpr (std::is_same_v<Executor, asio::any_io_executor>)
    return ex.template target<io>() != nullptr || ex.template target<pool>() != nullptr;
  else
    return std::is_same_v<Executor, io> || std::is_same_v<Executor, pool>;
}

/// Whether an executor gives back the memory of a submission before it runs or destroys what was
/// submitted. A strand may use its allocator even later.
template <class Executor>
inline constexpr bool gives_back_first = false;

template <class Allocator, std::uintptr_t Bits>
inline constexpr bool gives_back_first<asio::io_context::basic_executor_type<Allocator, Bits>> =
    true;

template <class Allocator, unsigned Bits>
inline constexpr bool gives_back_first<asio::thread_pool::basic_executor_type<Allocator, Bits>> =
    true;

/// Runs `f` through exactly this executor, with its memory from `allocator` where it honours that.
template <class Executor, class Allocator>
void execute_on(const Executor& ex, const Allocator& allocator, posted&& f) {
  constexpr bool is_default = std::is_same_v<Allocator, recycling_allocator<void>>;
  constexpr bool is_buffer = std::is_same_v<Allocator, submission_allocator<void>>;
  if constexpr (is_default || (is_buffer && !gives_back_first<Executor>)) {
    // Executors recycle by themselves.
    static_cast<void>(allocator);
    ex.execute(std::move(f));
  } else {
    asio::prefer(ex, asio::execution::allocator(allocator)).execute(std::move(f));
  }
}

/// Posts `f`: it runs later, never inside this call, unless the executor knows no other way.
template <class Executor, class Allocator>
void post_to(const Executor& ex, const Allocator& allocator, posted&& f) {
  if constexpr (asio::can_require<Executor, asio::execution::blocking_t::never_t>::value)
    execute_on(asio::require(ex, asio::execution::blocking.never), allocator, std::move(f));
  else
    execute_on(ex, allocator, std::move(f));
}

template <class Known, class Allocator>
bool post_to_known(const asio::any_io_executor& ex, const Allocator& allocator, posted& f) {
  const Known* known = ex.target<Known>();
  if (known == nullptr) return false;
  post_to(*known, allocator, std::move(f));
  return true;
}

/// An empty executor is that of a handle that was not given any.
template <class Allocator>
void post_to(const asio::any_io_executor& ex, const Allocator& allocator, posted&& f) {
  if (!ex) return post_to(asio::system_executor(), allocator, std::move(f));
  using io = asio::io_context::executor_type;
  using pool = asio::thread_pool::executor_type;
  if (post_to_known<io>(ex, allocator, f) || post_to_known<pool>(ex, allocator, f) ||
      post_to_known<asio::strand<asio::any_io_executor>>(ex, allocator, f) ||
      post_to_known<asio::strand<io>>(ex, allocator, f) ||
      post_to_known<asio::strand<pool>>(ex, allocator, f))
    return;
  execute_on(asio::require(ex, asio::execution::blocking.never), allocator, std::move(f));
}

}  // namespace sluice::detail

#endif  // SLUICE_DETAIL_EXECUTOR_HPP
