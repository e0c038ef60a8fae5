// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_BROADCAST_RECEIVER_HPP
#define SLUICE_BROADCAST_RECEIVER_HPP

#include <sluice/detail/broadcast_end.hpp>
#include <sluice/detail/broadcast_step.hpp>
#include <sluice/detail/default_token.hpp>
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

namespace sluice {

/// A subscriber of a broadcast.
/**
 * It receives a copy of each message that is sent while it exists, in order. It is made by
 * `broadcast_sender::subscribe` or by `resubscribe`. It can be moved, also while receives are
 * pending, but not copied: two receivers are two subscriptions.
 *
 * A broadcast holds a message until all its subscribers have received it. When it is full, then
 * with `overflow::lag` the oldest message is given up, and a subscriber that has not received it
 * hears of that by `error::lagged`; with `overflow::wait` the senders wait for the slowest
 * subscriber.
 *
 * Thread safety (`multi_threaded`): distinct handles: safe. One shared handle: safe, except while
 * it is assigned to, moved from or destroyed. (`single_threaded`): everything in one implicit
 * strand.
 *
 * @code
 * while (auto event = co_await rx.async_receive())
 *   use(*event);
 * @endcode
 */
template <class T, class Executor = boost::asio::any_io_executor, class Threading = multi_threaded>
class broadcast_receiver : private detail::requires_broadcast_type<T>,
                           public detail::handle<detail::core::subscription<T, Threading>,
                                                 detail::subscriber_role, Executor> {
  using base =
      detail::handle<detail::core::subscription<T, Threading>, detail::subscriber_role, Executor>;
  using subscription = detail::core::subscription<T, Threading>;

 public:
  using value_type = T;
  using threading_type = Threading;

  /// The same handle type with another executor.
  template <class Executor1>
  struct rebind_executor {
    using other = broadcast_receiver<T, Executor1, Threading>;
  };

  /// Constructs an empty handle: everything that is begun on it says `closed`.
  broadcast_receiver() = default;

  broadcast_receiver(broadcast_receiver&&) noexcept = default;
  broadcast_receiver& operator=(broadcast_receiver&&) noexcept = default;

  /// Converts from a handle with another executor, which is left empty.
  template <class Executor1,
            class = std::enable_if_t<!std::is_same_v<Executor1, Executor> &&
                                     std::is_constructible_v<Executor, const Executor1&>>>
  broadcast_receiver(broadcast_receiver<T, Executor1, Threading>&& other)
      : base(std::move(other)) {}

  friend void swap(broadcast_receiver& a, broadcast_receiver& b) noexcept { a.swap_ends(b); }
  void swap(broadcast_receiver& other) noexcept { this->swap_ends(other); }

  /// This subscription with completions that run on `ex` by default. Pending operations keep the
  /// executor they were begun with. A subscription has one handle, so it must be moved:
  /// `std::move(rx).with_executor(ex)`.
  template <class Executor1>
  [[nodiscard]] broadcast_receiver<T, Executor1, Threading> with_executor(const Executor1& ex) && {
    const std::uint64_t owner = std::exchange(this->owner_, 0);
    return detail::channel_access::make<broadcast_receiver<T, Executor1, Threading>>(
        std::move(this->state_), owner, ex);
  }

  /// Another subscriber of the same broadcast, which receives what is sent from now on.
  /**
   * It does not get what this one has still to receive. After closing it sees the end at once; of
   * an empty handle it is empty. Throws `std::bad_alloc`.
   */
  [[nodiscard]] broadcast_receiver resubscribe() const {
    if (!this->state_) return {};
    return detail::subscribe_to<broadcast_receiver>(this->state_->state(), *this->executor_.get());
  }

  // What there is to see ------------------------------------------------------------------------

  /// How many messages the last `error::lagged` stands for; 0 if there was none.
  /**
   * The messages received and those missed are together what was sent since the subscription.
   */
  [[nodiscard]] std::uint64_t missed() const noexcept {
    return this->state_ ? state().missed_by(*this->state_) : 0;
  }

  /// How many messages are held that this subscriber has still to receive.
  [[nodiscard]] std::size_t size() const noexcept {
    return this->state_ ? state().backlog_of(*this->state_) : 0;
  }

  /// Whether none is held that this subscriber has still to receive.
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }

  /// How many messages the broadcast holds at most.
  [[nodiscard]] std::size_t capacity() const noexcept {
    return this->state_ ? state().capacity() : 0;
  }

  /// Whether nothing will be sent any more. What is held can still be received.
  [[nodiscard]] bool is_closed() const noexcept { return !this->state_ || state().look().closed; }

  /// How many sender handles there are. 0 for an empty handle.
  [[nodiscard]] std::size_t sender_count() const noexcept {
    return this->state_ ? state().look().senders : 0;
  }

  /// How many subscribers there are, this one included. 0 for an empty handle.
  [[nodiscard]] std::size_t receiver_count() const noexcept {
    return this->state_ ? state().look().receivers : 0;
  }

  /// Whether the other handle, a sender or a receiver, belongs to the same broadcast. Empty handles
  /// belong to none.
  template <class Handle>
  [[nodiscard]] bool same_channel(const Handle& other) const noexcept {
    return detail::is_same_broadcast(*this, other);
  }

  // Receiving -----------------------------------------------------------------------------------

  /// Receives without waiting. Empty if there is nothing for it, and if it was overtaken: only the
  /// form with an error_code can tell the two.
  [[nodiscard]] std::optional<T> try_receive() noexcept {
    error_code ec;
    return try_receive(ec);
  }

  /// Receives without waiting.
  /**
   * If nothing is received, `ec` is set to
   * - `error::empty`: there is nothing that has not been promised to a pending receive.
   * - `error::lagged`: this subscriber was overtaken; missed() says by how many messages. The next
   *   receive returns the oldest message that is still held.
   * - `asio::error::no_memory`, `error::copy_failed`: the message could not be copied. It counts as
   *   received.
   * - `error::closed`, or the reason that the broadcast was closed with: nothing more will come.
   *
   * Never blocks. Complexity: constant, and a copy of the message. The last subscriber to receive a
   * message is given the message itself.
   */
  [[nodiscard]] std::optional<T> try_receive(error_code& ec) noexcept {
    using detail::core::received;
    std::optional<T> value;
    subscription* const sub = this->state_.get();
    const received seen = sub != nullptr ? sub->try_receive(value) : received::end;
    ec = detail::to_error_code(seen, sub);
    if (seen == received::end && !ec) ec = error::closed;
    return value;
  }

  /// Receives, and waits for a message if there is none.
  /**
   * Completes when there is a message for it, when the subscriber was overtaken, at the end of the
   * stream, or when it is cancelled.
   *
   * Completion signature: `void(error_code, std::optional<T>)`
   *
   * Errors, all of them with an empty optional:
   * - none: the end of the stream. Nothing will be sent any more, and nothing is left.
   * - the reason, if the broadcast was closed with one. Both are sticky.
   * - `error::lagged`: this subscriber was overtaken; missed() says by how many messages. Once for
   *   each gap: the next receive returns the oldest message that is still held, unless that has
   *   been given up meanwhile, too. Never with `overflow::wait`.
   * - `asio::error::no_memory`, `error::copy_failed`: copying the message threw `std::bad_alloc`,
   *   or something else. The message counts as received; the next receive returns the one after it.
   * - `asio::error::operation_aborted`: it was cancelled, or the subscription has ended.
   * - `error::closed`: begun on an empty handle.
   *
   * Executor: the handler's associated executor, by default that of this handle. The handler is
   * never called from within this function, unless through its own immediate executor.
   *
   * Per-operation cancellation: `terminal`, `partial` and `total`. The message, or the news of a
   * gap, is taken as the last step before the handler is called, on its executor. Until then a
   * cancellation takes nothing: the next receive of this subscriber gets it.
   *
   * Ordering: several pending receives of one subscriber are woken in the order of their arrival;
   * those that have been woken take messages in the order in which their completions run.
   *
   * Complexity: constant, and a copy of the message, which is made without any lock. The last
   * subscriber to receive a message is given the message itself. The memory of the operation comes
   * from the handler's associated allocator.
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
  template <class, class, class>
  friend class broadcast_receiver;

  broadcast_receiver(detail::core::state_ref<subscription> counted, std::uint64_t owner,
                     const Executor& ex) noexcept
      : base(std::move(counted), owner, ex) {}

  auto& state() const noexcept { return *this->state_->state(); }

  template <class CompletionToken, class Handle>
  static auto initiate_receive(Handle&& handle, std::remove_reference_t<CompletionToken>& token) {
    return boost::asio::async_initiate<CompletionToken, void(error_code, std::optional<T>)>(
        detail::initiate_from<CompletionToken, start_receive, detail::channel_share>(
            std::forward<Handle>(handle)),
        token);
  }

  struct start_receive {
    static constexpr const char* name = "async_receive";
    static constexpr std::size_t argument_count = 0;

    template <class Handler, class IoExecutor, class... Arguments>
    static void begin(Handler&& handler, const IoExecutor& ex, Arguments&&... arguments) {
      using step = detail::broadcast_receive_step<T, subscription>;
      detail::operation<step, Handler, IoExecutor>::begin(std::move(handler), ex,
                                                          std::forward<Arguments>(arguments)...);
    }

    template <class Handler>
    static void try_now(subscription* sub, Handler&& handler) {
      using detail::core::received;
      std::optional<T> value;
      const received seen = sub ? sub->try_receive(value) : received::end;
      if (seen != received::nothing)
        std::move(handler)(detail::to_error_code(seen, sub), std::move(value));
    }
  };
};

}  // namespace sluice

#endif  // SLUICE_BROADCAST_RECEIVER_HPP
