// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_AWAITABLE_OPERATION_HPP
#define SLUICE_DETAIL_AWAITABLE_OPERATION_HPP

// What an initiating function returns for sluice::use_awaitable: an operation that a coroutine can
// await without a frame in between.
//
// The frame of an asio::awaitable costs more than a message that is ready. So this is not an
// awaitable but an asynchronous operation in Asio's sense, as what asio::deferred makes is, and a
// coroutine awaits it in its own frame. It becomes an asio::awaitable where one is wanted.
//
// Asio suspends a coroutine before it begins an operation. To go on at once, if there is nothing to
// wait for, takes an awaiter of our own, and Asio has no public place for it; nor for the question
// whether a coroutine has been suspended since it was spawned. Here, and nowhere else, we name what
// is private to Asio, and declare it ourselves, so that a release that has no such thing compiles,
// too. There all operations suspend their coroutine, and nothing else changes.

#include <boost/asio/detail/config.hpp>

#if defined(BOOST_ASIO_HAS_CO_AWAIT)

#include <sluice/detail/handler_request.hpp>
#include <sluice/detail/running_here.hpp>
#include <sluice/error.hpp>

#include <boost/asio/associator.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

#include <exception>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace boost::asio::detail {

template <typename Executor>
class awaitable_frame_base;

template <typename Signature, typename Operation, typename Executor>
class awaitable_async_op;

// Only older releases have it.
struct awaitable_thread_has_context_switched;

}  // namespace boost::asio::detail

namespace sluice::detail {

namespace asio = boost::asio;

/// Takes the result of an operation that is ready; asks for it to be ready.
template <class... Args>
class ready_handler {
 public:
  using request_type = ready_path_in_place;
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

/// The coroutine that this thread runs because an operation of ours has resumed it, as long as that
/// lasts.
inline const void*& resumed_here() noexcept {
  static thread_local const void* coroutine = nullptr;
  return coroutine;
}

template <class Frame, class Question = asio::detail::awaitable_thread_has_context_switched>
concept knows_whether_it_was_suspended =
    requires(Frame& frame) { frame.await_transform(Question()).await_resume(); };

template <class Frame>
concept knows_whether_it_is_launched =
    requires(Frame& frame) { frame.detach_thread()->entry_point()->is_launching(); };

/// Something that a coroutine has for itself as long as it lives, whichever function of it runs.
/// Null if there is no way to find it, and for one that cannot have been resumed yet: it may lie
/// where another one was.
template <class Frame, class Question = asio::detail::awaitable_thread_has_context_switched>
const void* identity_of(Frame& frame) noexcept {
  if constexpr (knows_whether_it_was_suspended<Frame>) {
    const bool& was_suspended = frame.await_transform(Question()).await_resume();
    return was_suspended ? std::addressof(was_suspended) : nullptr;
  } else if constexpr (knows_whether_it_is_launched<Frame>) {
    auto* thread = frame.detach_thread();
    frame.attach_thread(thread);
    auto* bottom = thread->entry_point();
    return bottom->is_launching() ? nullptr : bottom;
  } else {
    return nullptr;
  }
}

/// Whether a coroutine runs on its own executor, and not on one that it has gone to by an operation
/// that was bound to that.
template <class Frame>
bool is_at_home(Frame& frame) noexcept {
  return detail::is_running_inside(frame.await_transform(asio::this_coro::executor).await_resume());
}

/// Whether a coroutine that ends now hands its result on at once.
/**
 * One that is still being spawned does not, but posts its end, and so does one that runs on another
 * executor than its own. A message that it takes may be overtaken meanwhile: by the other branch of
 * an `operator||`, which takes one as well, so that one of the two is dropped.
 *
 * One that an operation of ours has just resumed is neither. Of others older releases believe that
 * they have been suspended if they have awaited anything, also what completed at once, so there
 * nothing can be said.
 */
template <class Frame>
bool ends_at_once(Frame& frame) noexcept {
  const void* const self = detail::identity_of(frame);
  if (self != nullptr && resumed_here() == self) return true;
  if constexpr (knows_whether_it_is_launched<Frame>) {
    auto* thread = frame.detach_thread();
    frame.attach_thread(thread);
    return !thread->entry_point()->is_launching() && detail::is_at_home(frame);
  } else {
    return false;
  }
}

/// Whether somebody can cancel what a coroutine does.
template <class Frame>
bool is_cancellable(Frame& frame) noexcept {
  return frame.await_transform(asio::this_coro::cancellation_state)
      .await_resume()
      .slot()
      .is_connected();
}

/// Resumes a coroutine, and says afterwards that the thread does not run it any more.
template <class Handler>
class resuming_handler {
 public:
  explicit resuming_handler(Handler&& handler) noexcept : handler_(std::move(handler)) {}

  template <class... Values>
  void operator()(Values&&... values) {
    struct turn {
      ~turn() { resumed_here() = nullptr; }
    } ends;
    std::move(handler_)(std::forward<Values>(values)...);
  }

  const Handler& handler() const noexcept { return handler_; }

 private:
  Handler handler_;
};

/// A coroutine that was spawned counts as work on its executor by itself.
template <class Handler>
inline constexpr bool counts_as_work<resuming_handler<Handler>> = true;

template <class Executor, class Signature, class Initiation, class... Arguments>
class awaitable_operation;

/**
 * `Initiation` is one of ours, or adapters around one; `Arguments` are what it is given besides the
 * handler.
 */
template <class Executor, class... Args, class Initiation, class... Arguments>
class [[nodiscard]] awaitable_operation<Executor, void(Args...), Initiation, Arguments...> {
  using ours = typename inner_initiation<Initiation>::type;
  using token = asio::use_awaitable_t<Executor>;

 public:
  using signature = void(Args...);
  using ready_result = typename ready_handler<std::decay_t<Args>...>::result_type;
  using awaitable_type = typename asio::async_result<token, void(Args...)>::return_type;

  /// Whether adapters may have changed where its handler runs.
  static constexpr bool is_adapted = !std::is_same_v<Initiation, ours>;

  template <class... Given>
  explicit awaitable_operation(Initiation&& initiation, Given&&... given)
      : initiation_(std::move(initiation)), arguments_(std::forward<Given>(given)...) {}

  /// Begins the operation with another token, as what asio::deferred makes does.
  template <BOOST_ASIO_COMPLETION_TOKEN_FOR(void(Args...)) CompletionToken>
  auto operator()(CompletionToken&& other) && {
    return std::apply(
        [&](Arguments&... arguments) {
          return asio::async_initiate<CompletionToken, void(Args...)>(std::move(initiation_), other,
                                                                      std::move(arguments)...);
        },
        arguments_);
  }

  template <class Handler>
  static constexpr bool can_call = std::is_invocable_v<std::decay_t<Handler>, Args...>;

  /// Begins the operation for a coroutine that is suspended.
  template <class Handler>
  void begin(Handler&& handler) && {
    std::apply(
        [&](Arguments&... arguments) {
          std::move(initiation_)(resuming_handler<Handler>(std::move(handler)),
                                 std::move(arguments)...);
        },
        arguments_);
  }

  /// For asio::co_spawn, which calls what is no awaitable.
  awaitable_type operator()() { return in_a_frame(std::move(*this)); }

  operator awaitable_type() && { return in_a_frame(std::move(*this)); }

  /// Completes the operation if it is ready and the coroutine may go on at once.
  template <class Frame>
  void try_now(Frame& frame, ready_result& result) {
    if constexpr (!ours::takes_effect_at_start)
      if (is_cancellable(frame) && !ends_at_once(frame)) return;
    if (!ready_budget::take()) return;
    std::apply(
        [&](Arguments&... arguments) {
          initiation_(ready_handler<std::decay_t<Args>...>(result), std::move(arguments)...);
        },
        arguments_);
  }

 private:
  static awaitable_type in_a_frame(awaitable_operation operation) {
    co_return co_await std::move(operation);
  }

  Initiation initiation_;
  std::tuple<Arguments...> arguments_;
};

template <class>
inline constexpr bool is_awaitable_operation = false;

template <class Executor, class Signature, class Initiation, class... Arguments>
inline constexpr bool
    is_awaitable_operation<awaitable_operation<Executor, Signature, Initiation, Arguments...>> =
        true;

/// An operation that was not ready: Asio suspends the coroutine, and begins it.
template <class Operation>
class suspended_operation {
 public:
  explicit suspended_operation(Operation& operation) noexcept : operation_(&operation) {}

  template <BOOST_ASIO_COMPLETION_TOKEN_FOR(typename Operation::signature) CompletionToken>
  auto operator()(CompletionToken&& token) && {
    // Asio also asks what the operation would return for some token, and never calls that.
    if constexpr (Operation::template can_call<CompletionToken>)
      std::move(*operation_).begin(std::forward<CompletionToken>(token));
    else
      return std::move(*operation_)(std::forward<CompletionToken>(token));
  }

 private:
  Operation* operation_;
};

/// Awaits an operation in the frame of the coroutine.
/**
 * `Location` is where in the source that is, or nothing: newer releases of Asio want to know it if
 * handlers are tracked.
 */
template <class Operation, class Frame, class... Location>
class operation_awaiter {
  using inner = suspended_operation<Operation>;
  using inner_awaiter =
      std::decay_t<decltype(std::declval<Frame&>().await_transform(std::declval<inner>()))>;

 public:
  operation_awaiter(Operation& operation, Frame& frame, const Location&... location) noexcept
      : operation_(operation), frame_(frame), location_(location...) {}

  bool await_ready() {
    operation_.try_now(frame_, ready_);
    return ready_.has_value();
  }

  template <class Handle>
  void await_suspend(Handle handle) {
    suspended_.emplace(operation_);
    std::apply(
        [this](const Location&... location) {
          if constexpr (sizeof...(Location) == 0)
            awaiter_.emplace(frame_.await_transform(std::move(*suspended_)));
          else
            awaiter_.emplace(frame_.await_transform(std::move(*suspended_), 0, location...));
        },
        location_);
    awaiter_->await_suspend(handle);
  }

  decltype(std::declval<inner_awaiter&>().await_resume()) await_resume() {
    if (ready_) return detail::await_result(std::move(*ready_));
    // An adapter may have bound it to another executor. Only who can be cancelled needs to know.
    if (!Operation::is_adapted || (detail::is_cancellable(frame_) && detail::is_at_home(frame_)))
      resumed_here() = detail::identity_of(frame_);
    return awaiter_->await_resume();
  }

 private:
  Operation& operation_;
  Frame& frame_;
  typename Operation::ready_result ready_;
  std::optional<inner> suspended_;
  std::optional<inner_awaiter> awaiter_;
  [[no_unique_address]] std::tuple<Location...> location_;
};

template <class Operation, class Frame>
struct awaiter_for {
  using type = operation_awaiter<Operation, Frame>;
};

#if defined(BOOST_ASIO_ENABLE_HANDLER_TRACKING) && defined(BOOST_ASIO_HAS_SOURCE_LOCATION)
template <class Operation, class Frame>
requires requires(Frame& frame, suspended_operation<Operation> inner,
                  asio::detail::source_location location) {
  frame.await_transform(std::move(inner), 0, location);
}
struct awaiter_for<Operation, Frame> {
  using type = operation_awaiter<Operation, Frame, asio::detail::source_location>;
};
#endif

}  // namespace sluice::detail

namespace boost::asio::experimental::awaitable_operators {

/// An awaitable for which Asio's operators are found wherever they have been included.
template <class T, class Executor>
class sluice_branch : public awaitable<T, Executor> {
 public:
  explicit sluice_branch(awaitable<T, Executor>&& branch)
      : awaitable<T, Executor>(std::move(branch)) {}
};

}  // namespace boost::asio::experimental::awaitable_operators

namespace sluice::detail {

template <class T, class Executor>
auto as_branch(asio::awaitable<T, Executor>&& branch) {
  return asio::experimental::awaitable_operators::sluice_branch<T, Executor>(std::move(branch));
}

template <class... Parameters>
auto as_branch(awaitable_operation<Parameters...>&& branch) {
  return detail::as_branch(branch());
}

template <class A, class B>
concept branches = is_awaitable_operation<A> || is_awaitable_operation<B>;

/// Asio's operators for awaitables, with operations of ours in place of one or both.
template <class A, class B>
requires branches<A, B>
auto operator||(A&& a, B&& b)
    -> decltype(detail::as_branch(std::move(a)) || detail::as_branch(std::move(b))) {
  return detail::as_branch(std::move(a)) || detail::as_branch(std::move(b));
}

template <class A, class B>
requires branches<A, B>
auto operator&&(A&& a, B&& b)
    -> decltype(detail::as_branch(std::move(a)) && detail::as_branch(std::move(b))) {
  return detail::as_branch(std::move(a)) && detail::as_branch(std::move(b));
}

}  // namespace sluice::detail

namespace boost::asio {

template <template <class, class> class Associator, class Handler, class Default>
struct associator<Associator, sluice::detail::resuming_handler<Handler>, Default>
    : Associator<Handler, Default> {
  // Not deduced: that would instantiate more than is asked for, and not everything can be.
  static typename Associator<Handler, Default>::type get(
      const sluice::detail::resuming_handler<Handler>& h) noexcept {
    return Associator<Handler, Default>::get(h.handler());
  }
  static auto get(const sluice::detail::resuming_handler<Handler>& h, const Default& d) noexcept
      -> decltype(Associator<Handler, Default>::get(h.handler(), d)) {
    return Associator<Handler, Default>::get(h.handler(), d);
  }
};

}  // namespace boost::asio

namespace boost::asio::detail {

template <typename Signature, typename OwnExecutor, typename OwnSignature, typename Initiation,
          typename... Arguments, typename Executor>
class awaitable_async_op<
    Signature,
    sluice::detail::awaitable_operation<OwnExecutor, OwnSignature, Initiation, Arguments...>,
    Executor>
    : public sluice::detail::awaiter_for<
          sluice::detail::awaitable_operation<OwnExecutor, OwnSignature, Initiation, Arguments...>,
          awaitable_frame_base<Executor>>::type {
  using operation =
      sluice::detail::awaitable_operation<OwnExecutor, OwnSignature, Initiation, Arguments...>;
  using frame = awaitable_frame_base<Executor>;
  using awaiter = typename sluice::detail::awaiter_for<operation, frame>::type;

 public:
  template <class... Location>
  awaitable_async_op(operation&& awaited, frame* awaiting, const Location&... location) noexcept
      : awaiter(awaited, *awaiting, location...) {}
};

}  // namespace boost::asio::detail

#endif  // defined(BOOST_ASIO_HAS_CO_AWAIT)

#endif  // SLUICE_DETAIL_AWAITABLE_OPERATION_HPP
