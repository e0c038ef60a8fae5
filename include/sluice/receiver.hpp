// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_RECEIVER_HPP
#define SLUICE_RECEIVER_HPP

#include <sluice/detail/batch_step.hpp>
#include <sluice/detail/channel_end.hpp>
#include <sluice/detail/channel_step.hpp>
#include <sluice/detail/default_token.hpp>
#include <sluice/detail/for_each_awaiting.hpp>
#include <sluice/detail/operation.hpp>
#include <sluice/error.hpp>
#include <sluice/threading.hpp>
#include <sluice/use_awaitable.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

namespace sluice {

/// The receiving end of a channel.
/**
 * Copyable: a copy is another consumer, and each message goes to exactly one of them. When the last
 * receiver is gone the channel closes, and what it still held is destroyed at once.
 *
 * Thread safety (`multi_threaded`): distinct handles: safe. One shared handle: safe, except while
 * it is assigned to, moved from or destroyed. (`single_threaded`): everything in one implicit
 * strand.
 *
 * @code
 * while (auto message = co_await rx.async_receive())
 *   use(*message);
 * @endcode
 */
template <class T, class Executor = boost::asio::any_io_executor, class Threading = multi_threaded>
class receiver : public detail::channel_end<detail::receiver_role, T, Executor, Threading> {
  using base = detail::channel_end<detail::receiver_role, T, Executor, Threading>;
  using typename base::state_type;

 public:
  /// The same handle type with another executor.
  template <class Executor1>
  struct rebind_executor {
    using other = receiver<T, Executor1, Threading>;
  };

  /// Constructs an empty handle: everything that is begun on it says `closed`.
  receiver() = default;

  receiver(const receiver&) = default;
  receiver(receiver&&) noexcept = default;
  receiver& operator=(const receiver&) = default;
  receiver& operator=(receiver&&) noexcept = default;

  /// Converts from a handle with another executor.
  template <class Executor1,
            class = std::enable_if_t<!std::is_same_v<Executor1, Executor> &&
                                     std::is_constructible_v<Executor, const Executor1&>>>
  receiver(const receiver<T, Executor1, Threading>& other) : base(other) {}

  template <class Executor1,
            class = std::enable_if_t<!std::is_same_v<Executor1, Executor> &&
                                     std::is_constructible_v<Executor, const Executor1&>>>
  receiver(receiver<T, Executor1, Threading>&& other) : base(std::move(other)) {}

  friend void swap(receiver& a, receiver& b) noexcept { a.swap_ends(b); }
  void swap(receiver& other) noexcept { this->swap_ends(other); }

  /// Another receiver of this channel whose completions run on `ex` by default. Pending operations
  /// keep the executor they were begun with.
  template <class Executor1>
  [[nodiscard]] receiver<T, Executor1, Threading> with_executor(const Executor1& ex) const {
    return detail::channel_access::make<receiver<T, Executor1, Threading>>(
        this->state_, base::add(this->state_), ex);
  }

  /// Receives without waiting. Empty if there is nothing that is not promised to somebody else.
  [[nodiscard]] std::optional<T> try_receive() noexcept {
    std::optional<T> value;
    if (this->state_) this->state_->try_receive(value);
    return value;
  }

  /// Receives without waiting.
  /**
   * If nothing is received, `ec` is set to `error::empty`, or, at the end of the stream, to
   * `error::closed` or the reason that the channel was closed with.
   *
   * A value that a waiting receive has been promised is not there for this function, not even
   * after closing. Never blocks. Complexity: constant.
   */
  [[nodiscard]] std::optional<T> try_receive(error_code& ec) noexcept {
    using detail::core::outcome;
    std::optional<T> value;
    const outcome seen = this->state_ ? this->state_->try_receive(value) : outcome::closed;
    if (seen == outcome::success) {
      ec = error_code();
    } else if (seen == outcome::closed) {
      ec = end_of(this->state_.get());
      if (!ec) ec = error::closed;
    } else {
      ec = error::empty;
    }
    return value;
  }

  /// Receives, and waits for a message if there is none.
  /**
   * Completes when there is a message for it, at the end of the stream, or when it is cancelled.
   *
   * Completion signature: `void(error_code, std::optional<T>)`
   *
   * Errors, all of them with an empty optional:
   * - none: the end of the stream. The channel is closed, and nothing is left that could be
   *   received.
   * - the reason, if the channel was closed with one. Both are sticky.
   * - `asio::error::operation_aborted`: it was cancelled, or the last receiver has gone.
   * - `error::closed`: begun on an empty handle.
   *
   * Executor: the handler's associated executor, by default that of this handle. The handler is
   * never called from within this function, unless through its own immediate executor.
   *
   * Per-operation cancellation: `terminal`, `partial` and `total`. The message is taken as the last
   * step before the handler is called, on its executor. Until then a cancellation leaves it in the
   * channel, at its place, for the next receiver: a cancelled receive never loses a message.
   *
   * Ordering and fairness: waiting receives are woken in the order of their arrival; those that
   * have been woken take messages in the order in which their completions run.
   *
   * Complexity: constant. The memory comes from the handler's associated allocator.
   */
  template <BOOST_ASIO_COMPLETION_TOKEN_FOR(void(error_code, std::optional<T>))
                CompletionToken = detail::default_token_t<Executor>>
  [[nodiscard]] auto async_receive(CompletionToken&& token = CompletionToken()) & {
    return initiate_receive<CompletionToken>(*this, token);
  }

  /// As above, for a temporary handle: a coroutine takes it along.
  template <BOOST_ASIO_COMPLETION_TOKEN_FOR(void(error_code, std::optional<T>))
                CompletionToken = detail::default_token_t<Executor>>
  [[nodiscard]] auto async_receive(CompletionToken&& token = CompletionToken()) && {
    return initiate_receive<CompletionToken>(std::move(*this), token);
  }

  /// Receives several messages without waiting: appends up to `max` of what is there to `out`.
  /**
   * @returns How many. If 0, `ec` is set as by `try_receive`, or to `asio::error::invalid_argument`
   * if `max` is 0, or to `asio::error::no_memory` if `out` could not grow; then nothing is taken.
   *
   * The lock is taken once for all of them, a few times if `out` had to grow. With an allocator of
   * your own it takes up to a kilobyte of messages at a time. Never blocks. Complexity: linear.
   */
  template <class Allocator>
  std::size_t try_receive_some(std::vector<T, Allocator>& out, std::size_t max, error_code& ec) {
    using detail::core::outcome;
    std::size_t taken = 0;
    outcome seen = outcome::closed;
    if (this->state_)
      seen = detail::batch_receiver<T, Allocator, state_type>(out, max).try_receive(*this->state_,
                                                                                    taken);
    ec = detail::to_error_code(seen);
    if (seen == outcome::none) ec = error::empty;
    if (seen == outcome::closed && end_of(this->state_.get())) ec = end_of(this->state_.get());
    return taken;
  }

  /// Receives several messages, and waits for the first if there is none.
  /**
   * Waits for one, and appends what is there to `out`, up to `max` messages.
   *
   * Completion signature: `void(error_code, std::size_t)`; the number of messages is 0 at the end
   * of the stream, which is no error, and with an error.
   *
   * Errors: those of `async_receive`, and
   * - `asio::error::invalid_argument`: `max` is 0.
   * - `asio::error::no_memory`: `out` could not grow. Nothing is taken.
   *
   * Cancellation, executor, ordering and memory as for `async_receive`: the messages are taken all
   * at once, as the last step before the handler is called. `out` must live until then.
   *
   * Complexity: linear; the lock is taken once for the whole batch, a few times if `out` had to
   * grow. With an allocator of your own a batch has at most a kilobyte of messages; an exception of
   * it leaves in the channel what has not been appended.
   *
   * @code
   * std::vector<row> rows;
   * while (co_await rx.async_receive_some(rows, 1'000)) {
   *   insert(rows);
   *   rows.clear();
   * }
   * @endcode
   */
  template <class Allocator, BOOST_ASIO_COMPLETION_TOKEN_FOR(void(error_code, std::size_t))
                                 CompletionToken = detail::default_token_t<Executor>>
  [[nodiscard]] auto async_receive_some(std::vector<T, Allocator>& out, std::size_t max,
                                        CompletionToken&& token = CompletionToken()) & {
    return initiate_some<CompletionToken>(*this, token, out, max);
  }

  /// As above, for a temporary handle: a coroutine takes it along.
  template <class Allocator, BOOST_ASIO_COMPLETION_TOKEN_FOR(void(error_code, std::size_t))
                                 CompletionToken = detail::default_token_t<Executor>>
  [[nodiscard]] auto async_receive_some(std::vector<T, Allocator>& out, std::size_t max,
                                        CompletionToken&& token = CompletionToken()) && {
    return initiate_some<CompletionToken>(std::move(*this), token, out, max);
  }

  /// Calls `f` with each message until the channel closes.
  /**
   * `f` is called as `f(T)`, on the handler's executor. It returns nothing, or `false` to stop, or,
   * in C++20, an `asio::awaitable` of one of them, which is awaited before the next message.
   *
   * Completes at the end of the stream, when `f` says so, or when it is cancelled.
   *
   * Completion signature: `void(error_code)`
   *
   * Errors: those of `async_receive`. None if it ended with the stream, or was stopped by `f`.
   *
   * An exception of `f` leaves through the executor, as a handler's would; the operation is over
   * then, and its handler is destroyed without being called, and with it a coroutine that awaits
   * the loop. To catch it there, catch it in `f`, and return `false`.
   *
   * Per-operation cancellation: `terminal` and `partial` at any time, `total` only until the first
   * message. No message is lost: one counts as taken when `f` is called with it (also if `f` is a
   * coroutine and there is no memory for its frame), until then it keeps its place, and what is
   * left when the loop stops is first for the next receiver.
   *
   * Several messages are taken at a time (up to a kilobyte of them; by an awaitable `f` one), a
   * fair share if there are several receivers. After 128 it goes through the executor once.
   *
   * An awaitable `f` runs to its end when `cancel()` is called or the last receiver goes; a
   * cancellation of the operation itself reaches what `f` awaits.
   *
   * Ordering and fairness: it waits in line like a receive, at its end once it has had a message.
   * What others have been promised it leaves to them.
   *
   * Executor as for `async_receive`. Memory: as there, and one block for the messages at hand, or
   * the frames of coroutines if `f` is awaited.
   *
   * @code
   * co_await rx.async_for_each([&](job work) { total += work.run(); });
   * @endcode
   */
  template <class Function, BOOST_ASIO_COMPLETION_TOKEN_FOR(void(error_code))
                                CompletionToken = detail::default_token_t<Executor>>
  [[nodiscard]] auto async_for_each(Function f, CompletionToken&& token = CompletionToken()) & {
    return initiate_for_each<CompletionToken>(*this, token, std::move(f));
  }

  /// As above, for a temporary handle: a coroutine takes it along.
  template <class Function, BOOST_ASIO_COMPLETION_TOKEN_FOR(void(error_code))
                                CompletionToken = detail::default_token_t<Executor>>
  [[nodiscard]] auto async_for_each(Function f, CompletionToken&& token = CompletionToken()) && {
    return initiate_for_each<CompletionToken>(std::move(*this), token, std::move(f));
  }

 private:
  friend struct detail::channel_access;

  receiver(detail::core::state_ref<state_type> counted, std::uint64_t owner,
           const Executor& ex) noexcept
      : base(std::move(counted), owner, ex) {}

  template <class CompletionToken, class Handle>
  static auto initiate_receive(Handle&& handle, std::remove_reference_t<CompletionToken>& token) {
    return boost::asio::async_initiate<CompletionToken, void(error_code, std::optional<T>)>(
        detail::initiate_from<CompletionToken, start_receive, detail::channel_share>(
            std::forward<Handle>(handle)),
        token);
  }

  template <class CompletionToken, class Handle, class Allocator>
  static auto initiate_some(Handle&& handle, std::remove_reference_t<CompletionToken>& token,
                            std::vector<T, Allocator>& out, std::size_t max) {
    return boost::asio::async_initiate<CompletionToken, void(error_code, std::size_t)>(
        detail::initiate_from<CompletionToken, start_receive_some, detail::channel_share>(
            std::forward<Handle>(handle)),
        token, detail::batch_receiver<T, Allocator, state_type>(out, max));
  }

  template <class CompletionToken, class Handle, class Function>
  static auto initiate_for_each(Handle&& handle, std::remove_reference_t<CompletionToken>& token,
                                Function f) {
    static_assert(std::is_invocable_v<Function&, T>,
                  "sluice: the function of async_for_each is called with a message: make it one "
                  "that takes a T");
    if constexpr (std::is_invocable_v<Function&, T>)
      static_assert(detail::is_loop_result<Function, T>,
                    "sluice: the function of async_for_each returns nothing, bool, or an awaitable "
                    "of one of them: make it one that returns false to stop");
    return boost::asio::async_initiate<CompletionToken, void(error_code)>(
        detail::initiate_from<CompletionToken, start_for_each, detail::channel_share>(
            std::forward<Handle>(handle)),
        token, std::move(f));
  }

  static auto into(std::optional<T>& out) noexcept {
    return [&out](T&& value) { out.emplace(std::move(value)); };
  }

  /// What a receive is told at the end of the stream.
  static error_code end_of(const state_type* state) noexcept {
    return state ? state->reason() : error_code(error::closed);
  }

  struct start_receive {
    static constexpr const char* name = "async_receive";
    static constexpr std::size_t argument_count = 0;

    template <class Handler, class IoExecutor, class... Arguments>
    static void begin(Handler&& handler, const IoExecutor& ex, Arguments&&... arguments) {
      using step = detail::receive_step<T, state_type>;
      detail::operation<step, Handler, IoExecutor>::begin(std::move(handler), ex,
                                                          std::forward<Arguments>(arguments)...);
    }

    template <class Handler>
    static void try_now(state_type* state, Handler&& handler) {
      using detail::core::outcome;
      if (state != nullptr && !state->seems_receivable()) return;
      std::optional<T> value;
      const outcome seen = state ? state->try_receive(value) : outcome::closed;
      if (seen == outcome::success)
        std::move(handler)(error_code(), std::move(value));
      else if (seen == outcome::closed)
        std::move(handler)(end_of(state), std::move(value));
    }
  };

  struct start_receive_some {
    static constexpr const char* name = "async_receive_some";
    static constexpr std::size_t argument_count = 1;

    template <class Handler, class IoExecutor, class Allocator>
    static void begin(Handler&& handler, const IoExecutor& ex,
                      detail::core::state_ref<state_type> state, std::uint64_t owner,
                      const detail::batch_receiver<T, Allocator, state_type>& target) {
      using step = detail::receive_some_step<T, Allocator, state_type>;
      detail::operation<step, Handler, IoExecutor>::begin(std::move(handler), ex, std::move(state),
                                                          owner, target);
    }

    template <class Handler, class Allocator>
    static void try_now(state_type* state, Handler&& handler,
                        detail::batch_receiver<T, Allocator, state_type> target) {
      using detail::core::outcome;
      std::size_t taken = 0;
      outcome seen = state ? target.try_receive(*state, taken) : outcome::closed;
      if (seen == outcome::none) return;
      std::move(handler)(seen == outcome::closed ? end_of(state) : detail::to_error_code(seen),
                         taken);
    }
  };

  struct start_for_each {
    static constexpr const char* name = "async_for_each";
    static constexpr std::size_t argument_count = 1;
    static constexpr bool may_spawn = true;

    template <class Handler, class IoExecutor, class Function>
    static void begin(Handler&& handler, const IoExecutor& ex,
                      detail::core::state_ref<state_type> state, std::uint64_t owner,
                      Function&& f) {
      using function = std::decay_t<Function>;
      if constexpr (detail::is_awaiting<function, T>) {
        detail::spawn_for_each<start_receive, T>(std::move(handler), ex, std::move(state), owner,
                                                 std::forward<Function>(f));
      } else {
        using step = detail::for_each_step<T, function, state_type>;
        detail::operation<step, Handler, IoExecutor>::begin(
            std::move(handler), ex, std::move(state), owner, function(std::forward<Function>(f)));
      }
    }

    // It is hardly ever over before it has begun.
    template <class Handler, class Function>
    static void try_now(state_type*, Handler&&, Function&&) {}
  };
};

}  // namespace sluice

#endif  // SLUICE_RECEIVER_HPP
