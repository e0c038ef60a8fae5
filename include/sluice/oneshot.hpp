// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_ONESHOT_HPP
#define SLUICE_ONESHOT_HPP

#include <sluice/detail/closing_step.hpp>
#include <sluice/detail/core/oneshot_state.hpp>
#include <sluice/detail/default_token.hpp>
#include <sluice/detail/handle.hpp>
#include <sluice/detail/initiation.hpp>
#include <sluice/detail/message_type.hpp>
#include <sluice/detail/oneshot_step.hpp>
#include <sluice/detail/source.hpp>
#include <sluice/error.hpp>
#include <sluice/threading.hpp>
#include <sluice/use_awaitable.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>

#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>

namespace sluice {

namespace detail {

struct oneshot_sender_role {
  template <class State>
  static void remove(State& state) noexcept {
    state.remove_sender();
  }
};

struct oneshot_receiver_role {
  template <class State>
  static void remove(State& state) noexcept {
    state.remove_receiver();
  }
};

}  // namespace detail

/// The sending end of a oneshot.
/**
 * It sends one value, once. Can be moved, and not copied. If it goes without having sent anything,
 * the receiver sees the end.
 *
 * Thread safety (`multi_threaded`): the two ends: safe. One shared handle: safe, except while it is
 * assigned to, moved from or destroyed. (`single_threaded`): everything in one implicit strand.
 */
template <class T, class Executor = boost::asio::any_io_executor, class Threading = multi_threaded>
class oneshot_sender : private detail::requires_message_type<T>,
                       public detail::handle<detail::core::oneshot_state<T, Threading>,
                                             detail::oneshot_sender_role, Executor> {
  using base = detail::handle<detail::core::oneshot_state<T, Threading>,
                              detail::oneshot_sender_role, Executor>;
  using typename base::state_type;

 public:
  using value_type = T;
  using threading_type = Threading;

  /// The same handle type with another executor.
  template <class Executor1>
  struct rebind_executor {
    using other = oneshot_sender<T, Executor1, Threading>;
  };

  /// Constructs an empty handle: everything that is sent through it fails with `closed`.
  oneshot_sender() = default;

  oneshot_sender(const oneshot_sender&) = delete;
  oneshot_sender(oneshot_sender&&) noexcept = default;
  oneshot_sender& operator=(const oneshot_sender&) = delete;
  oneshot_sender& operator=(oneshot_sender&&) noexcept = default;

  /// Converts from a handle with another executor.
  template <class Executor1,
            class = std::enable_if_t<!std::is_same_v<Executor1, Executor> &&
                                     std::is_constructible_v<Executor, const Executor1&>>>
  oneshot_sender(oneshot_sender<T, Executor1, Threading>&& other) : base(std::move(other)) {}

  friend void swap(oneshot_sender& a, oneshot_sender& b) noexcept { a.swap_ends(b); }
  void swap(oneshot_sender& other) noexcept { this->swap_ends(other); }

  /// This sender, with completions that run on `ex` by default. Pending operations keep the
  /// executor they were begun with. This handle is empty afterwards.
  template <class Executor1>
  [[nodiscard]] oneshot_sender<T, Executor1, Threading> with_executor(const Executor1& ex) && {
    return detail::channel_access::make<oneshot_sender<T, Executor1, Threading>>(
        std::move(this->state_), this->owner_, ex);
  }

  /// Sends the value.
  /**
   * @returns No error if the value is sent; `error::closed` if one was sent before, or if the
   * receiver has gone or closed. Then `value` is left untouched.
   *
   * May be called from any thread. Never blocks. Complexity: constant; allocates nothing.
   */
  [[nodiscard]] error_code send(T&& value) noexcept {
    if (!this->state_) return error::closed;
    return detail::to_error_code(this->state_->send(value));
  }

  /// Sends a copy, which is made in any case.
  [[nodiscard]] error_code send(const T& value) { return send(T(value)); }

  /// Whether the receiver has gone or closed, so that nobody wants a value any more. True for an
  /// empty handle. That a value has been sent does not count.
  [[nodiscard]] bool is_closed() const noexcept {
    return !this->state_ || this->state_->is_deserted();
  }

  /// Waits until nobody wants the value any more.
  /**
   * Completes when the receiver has gone or closed, whether or not a value was sent before. Who
   * works for an answer can give up then.
   *
   * Completion signature: `void(error_code)`
   *
   * Errors: `asio::error::operation_aborted` if it was cancelled, or if this sender has gone. On an
   * empty handle: `error::closed`.
   *
   * Executor: the handler's associated executor, by default that of this handle. The handler is
   * never called from within this function, unless through its own immediate executor.
   *
   * Per-operation cancellation: `terminal`, `partial` and `total`. Complexity: constant. The memory
   * comes from the handler's associated allocator.
   */
  template <BOOST_ASIO_COMPLETION_TOKEN_FOR(void(error_code))
                CompletionToken = detail::default_token_t<Executor>>
  [[nodiscard]] auto async_wait_closed(CompletionToken&& token = CompletionToken()) & {
    return initiate_wait_closed<CompletionToken>(*this, token);
  }

  /// As above, for a temporary handle: a coroutine takes it along.
  template <BOOST_ASIO_COMPLETION_TOKEN_FOR(void(error_code))
                CompletionToken = detail::default_token_t<Executor>>
  [[nodiscard]] auto async_wait_closed(CompletionToken&& token = CompletionToken()) && {
    return initiate_wait_closed<CompletionToken>(std::move(*this), token);
  }

 private:
  friend struct detail::channel_access;

  oneshot_sender(detail::core::state_ref<state_type> counted, std::uint64_t owner,
                 const Executor& ex) noexcept
      : base(std::move(counted), owner, ex) {}

  template <class CompletionToken, class Handle>
  static auto initiate_wait_closed(Handle&& handle,
                                   std::remove_reference_t<CompletionToken>& token) {
    return boost::asio::async_initiate<CompletionToken, void(error_code)>(
        detail::initiate_from<CompletionToken, detail::start_closing, detail::channel_share>(
            std::forward<Handle>(handle)),
        token);
  }
};

/// The receiving end of a oneshot.
/**
 * It receives one value, once, or the end if none will come. Can be moved, and not copied. When it
 * goes, a value that it has not received is destroyed at once.
 *
 * Thread safety: as for oneshot_sender.
 */
template <class T, class Executor = boost::asio::any_io_executor, class Threading = multi_threaded>
class oneshot_receiver : private detail::requires_message_type<T>,
                         public detail::handle<detail::core::oneshot_state<T, Threading>,
                                               detail::oneshot_receiver_role, Executor> {
  using base = detail::handle<detail::core::oneshot_state<T, Threading>,
                              detail::oneshot_receiver_role, Executor>;
  using typename base::state_type;

 public:
  using value_type = T;
  using threading_type = Threading;

  /// The same handle type with another executor.
  template <class Executor1>
  struct rebind_executor {
    using other = oneshot_receiver<T, Executor1, Threading>;
  };

  /// Constructs an empty handle: everything that is begun on it says `closed`.
  oneshot_receiver() = default;

  oneshot_receiver(const oneshot_receiver&) = delete;
  oneshot_receiver(oneshot_receiver&&) noexcept = default;
  oneshot_receiver& operator=(const oneshot_receiver&) = delete;
  oneshot_receiver& operator=(oneshot_receiver&&) noexcept = default;

  /// Converts from a handle with another executor.
  template <class Executor1,
            class = std::enable_if_t<!std::is_same_v<Executor1, Executor> &&
                                     std::is_constructible_v<Executor, const Executor1&>>>
  oneshot_receiver(oneshot_receiver<T, Executor1, Threading>&& other) : base(std::move(other)) {}

  friend void swap(oneshot_receiver& a, oneshot_receiver& b) noexcept { a.swap_ends(b); }
  void swap(oneshot_receiver& other) noexcept { this->swap_ends(other); }

  /// This receiver, with completions that run on `ex` by default. Pending operations keep the
  /// executor they were begun with. This handle is empty afterwards.
  template <class Executor1>
  [[nodiscard]] oneshot_receiver<T, Executor1, Threading> with_executor(const Executor1& ex) && {
    return detail::channel_access::make<oneshot_receiver<T, Executor1, Threading>>(
        std::move(this->state_), this->owner_, ex);
  }

  /// Does without the value: a send fails from now on, and whoever waits for that is told. A value
  /// that was sent before can still be received. Closing twice is harmless.
  void close() noexcept {
    if (this->state_) this->state_->close();
  }

  /// Receives without waiting. Empty if there is nothing that is not promised to somebody else.
  [[nodiscard]] std::optional<T> try_receive() noexcept {
    error_code ec;
    return try_receive(ec);
  }

  /// Receives without waiting.
  /**
   * If nothing is received, `ec` is set to `error::closed` if nothing will come any more, because
   * the value was received already, the sender has gone without sending, or this end was closed;
   * else to `error::empty`. A value that a waiting receive has been promised is not there for this
   * function.
   *
   * Never blocks. Complexity: constant.
   */
  [[nodiscard]] std::optional<T> try_receive(error_code& ec) noexcept {
    using detail::core::outcome;
    std::optional<T> value;
    outcome seen = this->state_ ? this->state_->try_receive(value) : outcome::closed;
    ec = seen == outcome::none ? error_code(error::empty) : detail::to_error_code(seen);
    return value;
  }

  /// Receives, and waits for the value if it is not there yet.
  /**
   * Completes when the value is there for it, when it is certain that none will come, or when it is
   * cancelled.
   *
   * Completion signature: `void(error_code, std::optional<T>)`
   *
   * Errors, all of them with an empty optional:
   * - none: the end. The sender has gone without sending, the value was received already, or this
   *   end was closed before one was sent.
   * - `asio::error::operation_aborted`: it was cancelled, or the receiver has gone.
   * - `error::closed`: begun on an empty handle.
   *
   * Executor: the handler's associated executor, by default that of this handle. The handler is
   * never called from within this function, unless through its own immediate executor.
   *
   * Per-operation cancellation: `terminal`, `partial` and `total`. The value is taken as the last
   * step before the handler is called, on its executor. Until then a cancellation leaves it for the
   * next receive: a cancelled receive never loses it.
   *
   * Complexity: constant. The memory comes from the handler's associated allocator.
   *
   * @code
   * if (auto answer = co_await rx.async_receive()) use(*answer);
   * @endcode
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

 private:
  friend struct detail::channel_access;

  oneshot_receiver(detail::core::state_ref<state_type> counted, std::uint64_t owner,
                   const Executor& ex) noexcept
      : base(std::move(counted), owner, ex) {}

  template <class CompletionToken, class Handle>
  static auto initiate_receive(Handle&& handle, std::remove_reference_t<CompletionToken>& token) {
    return boost::asio::async_initiate<CompletionToken, void(error_code, std::optional<T>)>(
        detail::initiate_from<CompletionToken, detail::start_oneshot_receive<T>,
                              detail::channel_share>(std::forward<Handle>(handle)),
        token);
  }
};

namespace detail {

template <class T, class Executor, class Threading>
std::pair<oneshot_sender<T, Executor, Threading>, oneshot_receiver<T, Executor, Threading>>
open_oneshot(const Executor& ex) {
  using state_type = core::oneshot_state<T, Threading>;
  return channel_access::make_pair<oneshot_sender<T, Executor, Threading>,
                                   oneshot_receiver<T, Executor, Threading>>(
      core::state_ref<state_type>(new state_type), ex);
}

}  // namespace detail

/// Makes a oneshot: one value, once. The reply slot of a request, for example.
/**
 * @param source The executor on which completions run by default, or a context that has one.
 * @returns The sending and the receiving end, a `std::pair`.
 * Throws `std::bad_alloc`. It makes one allocation, and sending and receiving make none.
 *
 * The ends have the type-erased `any_io_executor`; name another one, and the threading policy, as
 * template arguments.
 *
 * @code
 * auto [tx, rx] = sluice::make_oneshot<answer>(context);
 * @endcode
 */
template <class T, class Executor = boost::asio::any_io_executor, class Threading = multi_threaded,
          class Source, class = detail::enable_for_executor<Executor, Source>>
[[nodiscard]] std::pair<oneshot_sender<T, Executor, Threading>,
                        oneshot_receiver<T, Executor, Threading>>
make_oneshot(const Source& source) {
  return detail::open_oneshot<T, Executor, Threading>(Executor(source));
}

template <class T, class Executor = boost::asio::any_io_executor, class Threading = multi_threaded,
          class ExecutionContext, class = detail::enable_for_context<ExecutionContext>>
[[nodiscard]] std::pair<oneshot_sender<T, Executor, Threading>,
                        oneshot_receiver<T, Executor, Threading>>
make_oneshot(ExecutionContext& context) {
  return detail::open_oneshot<T, Executor, Threading>(Executor(context.get_executor()));
}

}  // namespace sluice

#endif  // SLUICE_ONESHOT_HPP
