// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_USE_AWAITABLE_HPP
#define SLUICE_USE_AWAITABLE_HPP

#include <boost/asio/detail/config.hpp>

#if defined(BOOST_ASIO_HAS_CO_AWAIT)

#include <sluice/detail/awaitable_operation.hpp>
#include <sluice/detail/handler_request.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <cstddef>
#include <type_traits>
#include <utility>

namespace sluice {

/// A completion token for coroutines that does not visit the scheduler when it need not.
/**
 * As `asio::use_awaitable`, but an operation of this library that is ready completes at once, and
 * its coroutine goes on without being suspended. It is the default token of all operations in
 * C++20. Other operations are handed to `asio::use_awaitable`. What `co_await` gives, the
 * exceptions and the meaning of the coroutine's cancellation state are the same.
 *
 * An initiating function returns an operation, to be awaited at once or later, once. To await it
 * takes no frame of its own. Where an `asio::awaitable` is wanted it becomes one: it can be
 * converted, spawned by `asio::co_spawn`, and combined by Asio's `||` and `&&`. A function template
 * that wants to deduce the arguments of an `asio::awaitable` does not see that; call the operation
 * without arguments, and it returns one. Called with another completion token it begins with that.
 *
 * A receive that is ready completes at once unless the coroutine can be cancelled and is still
 * being spawned, as a branch of `operator||` is at first, or has gone to another executor than its
 * own: there an operation that took its message at once could lose the race afterwards, and the
 * message with it. Then it behaves as with `asio::use_awaitable`, and takes the message as the last
 * step before the coroutine goes on. (With releases of Asio in which a coroutine cannot tell whether
 * it has been suspended, one that can be cancelled must have waited for an operation of this library
 * last.) Sends, which are accepted when they are begun if they can be, go on at once everywhere.
 *
 * After 128 operations in a row that were ready, a thread goes through the executor once, so that a
 * busy channel cannot starve a timer.
 *
 * Until it is awaited, the operation borrows the handle it was made from, which must stay where it
 * is (as with Asio's I/O objects and their coroutines).
 *
 * It can be adapted, `asio::as_tuple(sluice::use_awaitable)` and
 * `asio::redirect_error(sluice::use_awaitable, ec)`, without losing any of this (but for Boost 1.83,
 * whose `redirect_error` hides what it adapts: there it is always suspended). Bound to an executor,
 * `asio::bind_executor(ex, sluice::use_awaitable)`, a coroutine is always suspended, and goes there.
 *
 * @code
 * while (auto message = co_await rx.async_receive(sluice::use_awaitable))
 *   use(*message);
 * @endcode
 */
template <class Executor = boost::asio::any_io_executor>
struct use_awaitable_t {
  /// Constructs the token; `use_awaitable` is one.
  constexpr use_awaitable_t() noexcept = default;

  /// An executor type that carries this token as its default.
  template <class InnerExecutor>
  struct executor_with_default : InnerExecutor {
    using default_completion_token_type = use_awaitable_t;

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
};

/// The token for `asio::awaitable<T>`; for `asio::awaitable<T, Executor>` use `use_awaitable_t`.
inline constexpr use_awaitable_t<> use_awaitable{};

}  // namespace sluice

namespace boost::asio {

template <class Executor, class R, class... Args>
class async_result<sluice::use_awaitable_t<Executor>, R(Args...)> {
  using plain_token = use_awaitable_t<Executor>;

 public:
  using return_type = typename async_result<plain_token, R(Args...)>::return_type;

 private:
  template <class Initiation, class... InitArgs>
  static constexpr bool can_be_tried = sluice::detail::can_be_asked<
      typename sluice::detail::inner_initiation<std::decay_t<Initiation>>::type,
      std::decay_t<InitArgs>...>();

  template <class Initiation, class... InitArgs>
  using result = std::conditional_t<
      can_be_tried<Initiation, InitArgs...>,
      sluice::detail::awaitable_operation<Executor, void(Args...), std::decay_t<Initiation>,
                                          std::decay_t<InitArgs>...>,
      return_type>;

 public:
  // Not deduced: Asio asks what this would return for initiations that cannot be begun.
  template <class Initiation, class... InitArgs>
  static result<Initiation, InitArgs...> initiate(Initiation&& initiation,
                                                  sluice::use_awaitable_t<Executor>,
                                                  InitArgs&&... args) {
    if constexpr (can_be_tried<Initiation, InitArgs...>)
      return result<Initiation, InitArgs...>(std::forward<Initiation>(initiation),
                                             std::forward<InitArgs>(args)...);
    else
      return async_initiate<plain_token, R(Args...)>(std::forward<Initiation>(initiation), token(),
                                                     std::forward<InitArgs>(args)...);
  }

 private:
  static plain_token& token() {
    static plain_token plain;
    return plain;
  }
};

}  // namespace boost::asio

#endif  // defined(BOOST_ASIO_HAS_CO_AWAIT)

#endif  // SLUICE_USE_AWAITABLE_HPP
