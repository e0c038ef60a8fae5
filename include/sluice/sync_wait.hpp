// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_SYNC_WAIT_HPP
#define SLUICE_SYNC_WAIT_HPP

#include <sluice/detail/completion_result.hpp>
#include <sluice/detail/core/deadline.hpp>
#include <sluice/detail/default_token.hpp>
#include <sluice/detail/sync_call.hpp>
#include <sluice/error.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/redirect_error.hpp>

#include <chrono>
#include <tuple>
#include <type_traits>
#include <utility>

namespace sluice {

/// A completion token that blocks this thread until the operation completes, and returns its
/// result.
/**
 * For plain threads, beside an Asio program. It can be given to every operation of this library,
 * and to any other Asio operation whose context is run by other threads.
 *
 * The result is what `asio::use_future` would give: nothing, a value or a `std::tuple`; an error is
 * thrown, as `boost::system::system_error`. Adapted by `asio::as_tuple` or `asio::redirect_error`
 * it reports errors without an exception; except those that the operation has not reported itself,
 * if its result cannot be made without it, as with the socket of `async_accept`.
 *
 * Errors, besides those of the operation:
 * - `error::would_deadlock`: this thread runs the executor of the I/O object. It is asked first,
 *   every time, whether the operation is ready or not, and nothing has been begun. It is recognised
 *   for `io_context`, `thread_pool`, strands of them, and type-erased executors that hold one of
 *   these. Of a strand the context below counts, too. A thread that runs another context may block.
 * - `asio::error::operation_aborted`: the operation was given up because its context is destroyed.
 *
 * Executor: completions run on the blocked thread itself. So an operation of this library needs no
 * context that is being run, and a receive takes its message on the thread that wants it.
 * Operations of others, composed ones too, run there what they submit to their handler's executor.
 * A loop whose function is a coroutine runs on the executor of its handle, which others have to
 * run.
 *
 * An operation of this library that is ready completes without a detour; one that waits allocates
 * nothing, unless it carries more than this can know. For some hundred nanoseconds the thread looks
 * again and again before it goes to sleep.
 *
 * `single_threaded` handles do not compile with it. The handle is borrowed while the thread waits.
 *
 * @code
 * std::optional<job> next = jobs.async_receive(sluice::sync_wait);
 * auto [ec, reply] = answer.async_receive(asio::as_tuple(sluice::sync_wait));
 * @endcode
 */
struct sync_wait_t {
  /// Constructs the token; `sync_wait` is one.
  constexpr sync_wait_t() noexcept = default;

  /// An executor type that carries this token as its default.
  template <class InnerExecutor>
  struct executor_with_default : InnerExecutor {
    using default_completion_token_type = sync_wait_t;

    template <class InnerExecutor1,
              class = std::enable_if_t<!std::is_same_v<InnerExecutor1, executor_with_default> &&
                                       std::is_convertible_v<InnerExecutor1, InnerExecutor>>>
    executor_with_default(const InnerExecutor1& ex) noexcept : InnerExecutor(ex) {}
  };

  /// An I/O object type with this token as its default.
  template <class T>
  using as_default_on_t =
      typename T::template rebind_executor<executor_with_default<typename T::executor_type>>::other;

  /// Converts an I/O object to one with this token as its default.
  template <class T>
  static as_default_on_t<std::decay_t<T>> as_default_on(T&& object) {
    return as_default_on_t<std::decay_t<T>>(std::forward<T>(object));
  }

  /// When the thread gives up: never.
  static constexpr detail::core::no_deadline deadline() noexcept { return {}; }
};

/// The token that blocks this thread for as long as it takes; see `sync_wait_t`.
inline constexpr sync_wait_t sync_wait{};

/// As `sync_wait_t`, until a moment of a clock; see `sync_wait_until`.
template <class Clock>
class sync_wait_until_t {
 public:
  constexpr explicit sync_wait_until_t(detail::core::deadline<Clock> d) noexcept : deadline_(d) {}

  const detail::core::deadline<Clock>& deadline() const noexcept { return deadline_; }

 private:
  detail::core::deadline<Clock> deadline_;
};

/// As `sync_wait`, but no longer than until a moment of any clock.
/**
 * When the deadline passes the operation is cancelled (`terminal`) from this thread. The deadline
 * is exact: either the operation has happened, and its result is returned; or it has not, and the
 * error is `asio::error::timed_out`. A receive takes one last look before that. A deadline that
 * lies in the past still takes what is there. The last moment that a clock can represent is never.
 *
 * For an operation that is not one of this library the thread waits, after cancelling it, until its
 * context has completed it; and its I/O object must allow that another thread cancels it.
 *
 * @code
 * error_code ec;
 * auto next = jobs.async_receive(asio::redirect_error(sluice::sync_wait_until(midnight), ec));
 * if (ec == asio::error::timed_out) ...
 * @endcode
 */
template <class Clock, class Duration>
[[nodiscard]] constexpr sync_wait_until_t<Clock> sync_wait_until(
    std::chrono::time_point<Clock, Duration> t) noexcept {
  return sync_wait_until_t<Clock>(detail::core::deadline<Clock>::at(t));
}

/// As `sync_wait`, but no longer than this, counted from now. `duration::max()` is never.
/**
 * The token is for one operation, or for several that share the time. See `sync_wait_until`.
 */
template <class Rep, class Period>
[[nodiscard]] sync_wait_until_t<std::chrono::steady_clock> sync_wait_for(
    std::chrono::duration<Rep, Period> d) noexcept {
  using clock = std::chrono::steady_clock;
  return sync_wait_until_t<clock>(detail::core::deadline<clock>::after(d));
}

namespace detail {

// They begin at once, and the handle lives as long as its thread is blocked.
template <>
struct borrows_handle<sync_wait_t> : std::true_type {};
template <class Clock>
struct borrows_handle<sync_wait_until_t<Clock>> : std::true_type {};

/// The async_result of all forms. `Token` is one of the tokens above.
template <class Token, class... Args>
class sync_result {
 public:
  using return_type = decltype(detail::returned_result(std::declval<std::tuple<Args...>>()));

  template <class Initiation, class... InitArgs>
  static return_type initiate(Initiation&& initiation, const Token& token, InitArgs&&... args) {
    return detail::returned_result(detail::perform<Args...>(
        token.deadline(), std::forward<Initiation>(initiation), std::forward<InitArgs>(args)...));
  }
};

/// The same under as_tuple. Asio's own would hide from the token what it stands for.
template <class Token, class... Args>
class sync_tuple_result {
 public:
  using return_type = std::tuple<Args...>;

  template <class Initiation, class... InitArgs>
  static return_type initiate(Initiation&& initiation,
                              const boost::asio::as_tuple_t<Token>& adapted, InitArgs&&... args) {
    return detail::perform<Args...>(adapted.token_.deadline(), std::forward<Initiation>(initiation),
                                    std::forward<InitArgs>(args)...);
  }
};

/// The same under redirect_error: the thread may have to report errors of its own.
template <class Token, class... Args>
class sync_redirected_result : public sync_result<Token, Args...> {
  using plain = sync_result<Token, Args...>;

 public:
  template <class Initiation, class... InitArgs>
  static typename plain::return_type initiate(Initiation&& initiation,
                                              const boost::asio::redirect_error_t<Token>& adapted,
                                              InitArgs&&... args) {
    return plain::initiate(std::forward<Initiation>(initiation), adapted.token_,
                           std::forward<InitArgs>(args)...);
  }
};

template <class Token, class... Rest>
class sync_redirected_result<Token, error_code, Rest...> {
 public:
  using return_type = decltype(detail::plain_result(std::declval<std::tuple<Rest...>>()));

  template <class Initiation, class... InitArgs>
  static return_type initiate(Initiation&& initiation,
                              const boost::asio::redirect_error_t<Token>& adapted,
                              InitArgs&&... args) {
    auto result = detail::perform<error_code, Rest...>(adapted.token_.deadline(),
                                                       std::forward<Initiation>(initiation),
                                                       std::forward<InitArgs>(args)...);
    adapted.ec_ = std::get<0>(result);
    return detail::plain_result(detail::without_first(std::move(result)));
  }
};

}  // namespace detail
}  // namespace sluice

namespace boost::asio {

template <class R, class... Args>
class async_result<sluice::sync_wait_t, R(Args...)>
    : public sluice::detail::sync_result<sluice::sync_wait_t, std::decay_t<Args>...> {};

template <class R, class... Args>
struct async_result<as_tuple_t<sluice::sync_wait_t>, R(Args...)>
    : sluice::detail::sync_tuple_result<sluice::sync_wait_t, std::decay_t<Args>...> {};

template <class R, class... Args>
struct async_result<redirect_error_t<sluice::sync_wait_t>, R(Args...)>
    : sluice::detail::sync_redirected_result<sluice::sync_wait_t, std::decay_t<Args>...> {};

template <class Clock, class R, class... Args>
class async_result<sluice::sync_wait_until_t<Clock>, R(Args...)>
    : public sluice::detail::sync_result<sluice::sync_wait_until_t<Clock>, std::decay_t<Args>...> {
};

template <class Clock, class R, class... Args>
struct async_result<as_tuple_t<sluice::sync_wait_until_t<Clock>>, R(Args...)>
    : sluice::detail::sync_tuple_result<sluice::sync_wait_until_t<Clock>, std::decay_t<Args>...> {};

template <class Clock, class R, class... Args>
struct async_result<redirect_error_t<sluice::sync_wait_until_t<Clock>>, R(Args...)>
    : sluice::detail::sync_redirected_result<sluice::sync_wait_until_t<Clock>,
                                             std::decay_t<Args>...> {};

}  // namespace boost::asio

#endif  // SLUICE_SYNC_WAIT_HPP
