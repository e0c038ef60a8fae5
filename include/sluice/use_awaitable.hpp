// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_USE_AWAITABLE_HPP
#define SLUICE_USE_AWAITABLE_HPP

#include <boost/asio/detail/config.hpp>

#if defined(BOOST_ASIO_HAS_CO_AWAIT)

#include <sluice/detail/ready_path.hpp>
#include <sluice/error.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

#include <exception>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace sluice {

/// A completion token for coroutines that does not visit the scheduler when it need not.
/**
 * As `asio::use_awaitable`, but an operation of this library that is ready completes at once, and
 * its coroutine goes on without being suspended. It is the default token of all operations in
 * C++20. Other operations are handed to `asio::use_awaitable`. The type of the result, the
 * exceptions and the meaning of the coroutine's cancellation state are the same.
 *
 * A receive does so only where nobody can cancel the coroutine, that is, where its cancellation
 * state is not connected: not in a branch of `operator||`, for example. There an operation that
 * took its message at once could lose the race afterwards, and the message with it. In such a
 * coroutine it behaves as with `asio::use_awaitable`, and takes the message as the last step before
 * it goes on. Sends, which are accepted when they are begun if they can be, go on at once
 * everywhere.
 *
 * After 128 operations in a row that were ready, a thread goes through the executor once, so that a
 * busy channel cannot starve a timer.
 *
 * Until it is awaited, the operation borrows the handle it was made from, which must stay where it
 * is (as with Asio's I/O objects and their coroutines).
 *
 * It can be adapted, `asio::as_tuple(sluice::use_awaitable)` and
 * `asio::redirect_error(sluice::use_awaitable, ec)`, without losing any of this.
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

namespace detail {

/// Takes the result of an operation that is ready; asks for it to be ready.
template <class... Args>
class ready_handler {
 public:
  using ready_path_type = ready_path;
  using result_type = std::optional<std::tuple<Args...>>;

  explicit ready_handler(result_type& result) noexcept : result_(&result) {}

  template <class... Values>
  void operator()(Values&&... values) {
    result_->emplace(std::forward<Values>(values)...);
  }

 private:
  result_type* result_;
};

/// Turns completion arguments into what co_await gives: an exception, nothing, a value or a tuple.
inline void await_result(std::tuple<>&&) {}

template <class First, class... Rest>
auto await_result(std::tuple<First, Rest...>&& arguments) {
  return std::apply(
      [](First& first, Rest&... rest) {
        if constexpr (std::is_same_v<First, error_code>) {
          if (first) throw boost::system::system_error(first);
          return detail::await_result(std::tuple<Rest...>(std::move(rest)...));
        } else if constexpr (std::is_same_v<First, std::exception_ptr>) {
          if (first) std::rethrow_exception(first);
          return detail::await_result(std::tuple<Rest...>(std::move(rest)...));
        } else if constexpr (sizeof...(Rest) == 0) {
          return First(std::move(first));
        } else {
          return std::tuple<First, Rest...>(std::move(first), std::move(rest)...);
        }
      },
      arguments);
}

/// How many ready operations a thread completes before it goes through an executor again.
class ready_budget {
 public:
  static constexpr unsigned in_a_row = 128;

  /// Takes one; false once in a while.
  static bool take() noexcept {
    static thread_local unsigned left = in_a_row;
    if (left-- != 0) return true;
    left = in_a_row;
    return false;
  }
};

/// An initiation in the frame of the coroutine that awaits what it begins. Asio's tokens copy
/// initiations, and that one may hold a handle that cannot be copied.
template <class Initiation>
class framed_initiation {
 public:
  explicit framed_initiation(Initiation& initiation) noexcept : initiation_(&initiation) {}

  template <class Handler, class... Arguments>
  void operator()(Handler&& handler, Arguments&&... arguments) const {
    std::move (*initiation_)(std::forward<Handler>(handler), std::forward<Arguments>(arguments)...);
  }

 private:
  Initiation* initiation_;
};

}  // namespace detail
}  // namespace sluice

namespace boost::asio {

template <class Executor, class R, class... Args>
class async_result<sluice::use_awaitable_t<Executor>, R(Args...)> {
  using plain_token = use_awaitable_t<Executor>;

 public:
  using return_type = typename async_result<plain_token, R(Args...)>::return_type;

  template <class Initiation, class... InitArgs>
  static return_type initiate(Initiation&& initiation, sluice::use_awaitable_t<Executor>,
                              InitArgs&&... args) {
    using ours = typename sluice::detail::inner_initiation<std::decay_t<Initiation>>::type;
    if constexpr (tries_first<ours, sizeof...(InitArgs)>())
      return try_first<ours>(std::decay_t<Initiation>(std::forward<Initiation>(initiation)),
                             std::decay_t<InitArgs>(std::forward<InitArgs>(args))...);
    else
      return async_initiate<plain_token, R(Args...)>(std::forward<Initiation>(initiation), token(),
                                                     std::forward<InitArgs>(args)...);
  }

 private:
  // An adapter that adds arguments would lose them to an attempt that is not ready.
  template <class Ours, std::size_t Count>
  static constexpr bool tries_first() {
    if constexpr (std::is_void_v<Ours>)
      return false;
    else
      return Ours::argument_count == Count;
  }

  static plain_token& token() {
    static plain_token plain;
    return plain;
  }

  template <class Ours, class Initiation, class... InitArgs>
  static return_type try_first(Initiation initiation, InitArgs... args) {
    bool tries = Ours::takes_effect_at_start;
    if constexpr (!Ours::takes_effect_at_start) {
      const auto cancellation = co_await boost::asio::this_coro::cancellation_state;
      tries = !cancellation.slot().is_connected();
    }
    if (tries && sluice::detail::ready_budget::take()) {
      using handler = sluice::detail::ready_handler<std::decay_t<Args>...>;
      typename handler::result_type ready;
      std::move(initiation)(handler(ready), std::move(args)...);
      if (ready) co_return sluice::detail::await_result(std::move(*ready));
    }
    // To await a deferred operation suspends in this frame; use_awaitable would make another one.
    co_return co_await async_initiate<const deferred_t, R(Args...)>(
        sluice::detail::framed_initiation(initiation), deferred, std::move(args)...);
  }
};

}  // namespace boost::asio

#endif  // defined(BOOST_ASIO_HAS_CO_AWAIT)

#endif  // SLUICE_USE_AWAITABLE_HPP
