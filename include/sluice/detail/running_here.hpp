// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_RUNNING_HERE_HPP
#define SLUICE_DETAIL_RUNNING_HERE_HPP

// Whether this thread runs an executor, so that to block it may be to wait for itself.
//
// Of a strand the context below counts, too. A thread of the context that blocks for a strand of it
// is one that the strand may need: with one thread the program would hang, with more it would hang
// on the day when all of them block. An executor that answers neither for itself nor for an inner
// one, like the system executor, is never said to run here.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/execution.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/require.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>

#include <type_traits>
#include <utility>

namespace sluice::detail {

namespace asio = boost::asio;

template <bool ContextCounts, class Executor>
bool runs_here(const Executor& ex) noexcept;

template <class Executor, class = void>
struct says_if_running : std::false_type {};
template <class Executor>
struct says_if_running<
    Executor, std::void_t<decltype(std::declval<const Executor&>().running_in_this_thread())>>
    : std::true_type {};

template <class Executor, class = void>
struct has_inner_executor : std::false_type {};
template <class Executor>
struct has_inner_executor<
    Executor, std::void_t<decltype(std::declval<const Executor&>().get_inner_executor())>>
    : std::true_type {};

template <class Executor, class = void>
struct is_type_erased : std::false_type {};
template <class Executor>
struct is_type_erased<
    Executor,
    std::void_t<decltype(std::declval<const Executor&>().template target<asio::any_io_executor>())>>
    : std::true_type {};

template <class... Executor>
struct executor_list {};

// The properties that make executors of another type of them, alone and together.
template <class Executor>
using tracked_t = std::decay_t<decltype(asio::require(std::declval<const Executor&>(),
                                                      asio::execution::outstanding_work.tracked))>;
template <class Executor>
using never_blocking_t = std::decay_t<decltype(asio::require(std::declval<const Executor&>(),
                                                             asio::execution::blocking.never))>;
template <class Executor>
using continuing_t = std::decay_t<decltype(asio::require(
    std::declval<const Executor&>(), asio::execution::relationship.continuation))>;

template <class Executor>
using with_properties =
    executor_list<tracked_t<Executor>, never_blocking_t<Executor>,
                  never_blocking_t<tracked_t<Executor>>, continuing_t<Executor>,
                  continuing_t<tracked_t<Executor>>, continuing_t<never_blocking_t<Executor>>,
                  continuing_t<never_blocking_t<tracked_t<Executor>>>>;

/// Finds out what a type-erased executor holds. The usual ones come first.
template <bool ContextCounts>
struct held_executor {
  using io = asio::io_context::executor_type;
  using pool = asio::thread_pool::executor_type;
  using any = asio::any_io_executor;

  template <class Executor>
  static bool runs_here(const Executor& ex) noexcept {
    bool running = false;
    static_cast<void>(
        look(executor_list<io, asio::strand<any>, asio::strand<io>, pool, asio::strand<pool>>(), ex,
             running) ||
        look(with_properties<io>(), ex, running) || look(with_properties<pool>(), ex, running) ||
        look(executor_list<asio::strand<tracked_t<io>>, asio::strand<tracked_t<pool>>, any>(), ex,
             running));
    return running;
  }

 private:
  template <class... Known, class Executor>
  static bool look(executor_list<Known...>, const Executor& ex, bool& running) noexcept {
    return (look_for<Known>(ex, running) || ...);
  }

  template <class Known, class Executor>
  static bool look_for(const Executor& ex, bool& running) noexcept {
    const Known* known = ex.template target<Known>();
    if (known == nullptr) return false;
    running = detail::runs_here<ContextCounts>(*known);
    return true;
  }
};

template <bool ContextCounts, class Executor>
bool runs_here(const Executor& ex) noexcept {
  if constexpr (is_type_erased<Executor>::value) {
    return ex && held_executor<ContextCounts>::runs_here(ex);
  } else if constexpr (says_if_running<Executor>::value) {
    if (ex.running_in_this_thread()) return true;
    if constexpr (ContextCounts && has_inner_executor<Executor>::value)
      return detail::runs_here<ContextCounts>(ex.get_inner_executor());
    else
      return false;
  } else {
    static_cast<void>(ex);
    return false;
  }
}

/// Whether this thread runs the executor, or, if that is a strand, the context below.
template <class Executor>
bool is_running_here(const Executor& ex) noexcept {
  return detail::runs_here<true>(ex);
}

/// Whether this thread runs the executor itself, so that it need not wait for its turn.
template <class Executor>
bool is_running_inside(const Executor& ex) noexcept {
  return detail::runs_here<false>(ex);
}

// Which executor an initiation would wait for -----------------------------------------------------

template <class Initiation, class = void>
struct has_optional_executor : std::false_type {};
template <class Initiation>
struct has_optional_executor<
    Initiation, std::void_t<decltype(std::declval<const Initiation&>().executor_if_any())>>
    : std::true_type {};

template <class Initiation, class = void>
struct has_executor : std::false_type {};
template <class Initiation>
struct has_executor<Initiation,
                    std::void_t<decltype(std::declval<const Initiation&>().get_executor())>>
    : std::true_type {};

// Before Boost 1.84 Asio's adapters do not pass on what an initiation says of its executor.
template <class Initiation, class = void>
struct wraps_initiation : std::false_type {};
template <class Initiation>
struct wraps_initiation<Initiation,
                        std::void_t<decltype(std::declval<const Initiation&>().initiation_)>>
    : std::true_type {};

/// Calls `f` with the executor of the I/O object that an initiation belongs to, if that is known.
template <class Initiation, class Function>
void with_executor_of(const Initiation& initiation, Function&& f) {
  if constexpr (has_optional_executor<Initiation>::value) {
    if (const auto* ex = initiation.executor_if_any()) f(*ex);
  } else if constexpr (has_executor<Initiation>::value) {
    f(initiation.get_executor());
  } else if constexpr (wraps_initiation<Initiation>::value) {
    with_executor_of(initiation.initiation_, f);
  } else {
    static_cast<void>(initiation);
    static_cast<void>(f);
  }
}

/// Whether this thread runs that executor.
template <class Initiation>
bool waits_for_this_thread(const Initiation& initiation) noexcept {
  bool running = false;
  with_executor_of(initiation, [&](const auto& ex) { running = is_running_here(ex); });
  return running;
}

}  // namespace sluice::detail

#endif  // SLUICE_DETAIL_RUNNING_HERE_HPP
