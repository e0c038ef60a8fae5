// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_BROADCAST_SENDER_HPP
#define SLUICE_BROADCAST_SENDER_HPP

#include <sluice/broadcast_receiver.hpp>
#include <sluice/detail/broadcast_end.hpp>
#include <sluice/detail/broadcast_step.hpp>
#include <sluice/detail/closing_step.hpp>
#include <sluice/detail/default_token.hpp>
#include <sluice/detail/operation.hpp>
#include <sluice/detail/source.hpp>
#include <sluice/error.hpp>
#include <sluice/overflow.hpp>
#include <sluice/threading.hpp>
#include <sluice/use_awaitable.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <new>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace sluice {

/// The sending end of a broadcast: every subscriber gets every message.
/**
 * Copyable: a copy is another sender. subscribe() makes the receivers. The broadcast closes by
 * itself when the last sender is gone and no send is pending; what it holds can be received after
 * that.
 *
 * It holds up to `capacity` messages, and each of them until all subscribers have received it. What
 * happens when it is full is part of the type:
 * - `overflow::lag`: send() never waits. The oldest message is given up, and a subscriber that has
 *   not received it is told how many it missed.
 * - `overflow::wait` (`lossless_broadcast_sender`): async_send() waits for the slowest subscriber,
 *   and try_send() fails. Nothing is missed.
 *
 * `T` has to be copyable, and need not be default-constructible. Copies are made for the
 * subscribers, one by one, when they receive. If `T` is expensive to copy, send a
 * `std::shared_ptr<const T>`.
 *
 * Thread safety (`multi_threaded`): distinct handles: safe. One shared handle: safe, except while
 * it is assigned to, moved from or destroyed. (`single_threaded`): everything in one implicit
 * strand.
 *
 * @code
 * sluice::broadcast_sender<event> tx(context, 64);
 * co_spawn(context, watch(tx.subscribe()), detached);
 * tx.send(event{"started"});
 * @endcode
 */
template <class T, class Executor = boost::asio::any_io_executor, class Threading = multi_threaded,
          overflow Overflow = overflow::lag>
class broadcast_sender : private detail::requires_broadcast_type<T>,
                         public detail::handle<detail::core::broadcast_state<T, Threading>,
                                               detail::sender_role, Executor> {
  using base =
      detail::handle<detail::core::broadcast_state<T, Threading>, detail::sender_role, Executor>;
  using typename base::state_type;
  static constexpr bool lossless = Overflow == overflow::wait;

 public:
  using value_type = T;
  using threading_type = Threading;
  using receiver_type = broadcast_receiver<T, Executor, Threading>;

  /// The same handle type with another executor.
  template <class Executor1>
  struct rebind_executor {
    using other = broadcast_sender<T, Executor1, Threading, Overflow>;
  };

  /// Constructs an empty handle: nobody sees what is sent through it.
  broadcast_sender() = default;

  /// Makes a broadcast that holds up to `capacity` messages, exactly.
  /**
   * @param source The executor on which completions run by default, or a context that has one.
   * Throws `std::invalid_argument` if `capacity` is 0, `std::bad_alloc`. Memory for messages is
   * taken as they come, and used again.
   */
  template <class Source, class = detail::enable_for_executor<Executor, Source>>
  broadcast_sender(const Source& source, std::size_t capacity)
      : broadcast_sender(make_state(capacity), Executor(source)) {}

  template <class ExecutionContext, class = detail::enable_for_context<ExecutionContext>>
  broadcast_sender(ExecutionContext& context, std::size_t capacity)
      : broadcast_sender(make_state(capacity), Executor(context.get_executor())) {}

  broadcast_sender(const broadcast_sender&) = default;
  broadcast_sender(broadcast_sender&&) noexcept = default;
  broadcast_sender& operator=(const broadcast_sender&) = default;
  broadcast_sender& operator=(broadcast_sender&&) noexcept = default;

  /// Converts from a handle with another executor.
  template <class Executor1,
            class = std::enable_if_t<!std::is_same_v<Executor1, Executor> &&
                                     std::is_constructible_v<Executor, const Executor1&>>>
  broadcast_sender(const broadcast_sender<T, Executor1, Threading, Overflow>& other)
      : base(other) {}

  template <class Executor1,
            class = std::enable_if_t<!std::is_same_v<Executor1, Executor> &&
                                     std::is_constructible_v<Executor, const Executor1&>>>
  broadcast_sender(broadcast_sender<T, Executor1, Threading, Overflow>&& other)
      : base(std::move(other)) {}

  friend void swap(broadcast_sender& a, broadcast_sender& b) noexcept { a.swap_ends(b); }
  void swap(broadcast_sender& other) noexcept { this->swap_ends(other); }

  /// Another sender of this broadcast whose completions run on `ex` by default. Pending operations
  /// keep the executor they were begun with.
  template <class Executor1>
  [[nodiscard]] broadcast_sender<T, Executor1, Threading, Overflow> with_executor(
      const Executor1& ex) const {
    return detail::channel_access::make<broadcast_sender<T, Executor1, Threading, Overflow>>(
        this->state_, base::add(this->state_), ex);
  }

  // Subscribing ---------------------------------------------------------------------------------

  /// Makes a receiver of everything that is sent from now on.
  /**
   * Its completions run by default on the executor of this handle. After closing it sees the end at
   * once; of an empty handle it is empty. Throws `std::bad_alloc`. Complexity: constant.
   */
  [[nodiscard]] receiver_type subscribe() const {
    if (!this->state_) return {};
    return detail::subscribe_to<receiver_type>(this->state_, *this->executor_.get());
  }

  // What there is to see ------------------------------------------------------------------------

  /// Whether nothing can be sent any more. True for an empty handle.
  [[nodiscard]] bool is_closed() const noexcept { return look().closed; }

  /// How many messages the broadcast holds at most.
  [[nodiscard]] std::size_t capacity() const noexcept {
    return this->state_ ? this->state_->capacity() : 0;
  }

  /// How many messages it holds: those that a subscriber has still to receive.
  [[nodiscard]] std::size_t size() const noexcept { return look().held; }

  /// Whether it holds no message.
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }

  /// Whether `try_send` would say `error::full` now. Never with `overflow::lag`.
  [[nodiscard]] bool full() const noexcept { return look().full; }

  /// How many sender handles there are. 0 for an empty handle.
  [[nodiscard]] std::size_t sender_count() const noexcept { return look().senders; }

  /// How many subscribers there are. 0 for an empty handle.
  [[nodiscard]] std::size_t receiver_count() const noexcept { return look().receivers; }

  /// Whether the other handle, a sender or a receiver, belongs to the same broadcast. Empty handles
  /// belong to none.
  template <class Handle>
  [[nodiscard]] bool same_channel(const Handle& other) const noexcept {
    return detail::is_same_broadcast(*this, other);
  }

  // Closing -------------------------------------------------------------------------------------

  /// Closes the broadcast. What it holds can still be received. Closing twice is harmless.
  void close() noexcept { close(error_code()); }

  /// Closes the broadcast, and receivers see `reason` where they would see the end of the stream.
  /// The first reason stays; no error and `error::closed` mean none. Senders see `error::closed`
  /// always.
  void close(error_code reason) noexcept {
    if (this->state_)
      this->state_->close(reason == error_code(error::closed) ? error_code() : reason);
  }

  // Sending -------------------------------------------------------------------------------------

  /// Sends to all who subscribe now, without waiting. With `overflow::lag` only.
  /**
   * @returns How many subscribers the message was sent to; 0 if there are none, or if the broadcast
   * is closed. Then the message is destroyed.
   *
   * If the broadcast is full its oldest message is given up; who has not received that is told so
   * by `error::lagged`. Throws `std::bad_alloc` if there is no memory; then nothing has happened.
   * Never blocks. Any thread may send. Complexity: constant, and the receives that it wakes.
   */
  std::size_t send(T value) {
    static_assert(!lossless,
                  "sluice: with overflow::wait a send may have to wait: use async_send, which "
                  "waits, or try_send, which says error::full");
    std::size_t reached = 0;
    if (this->state_ && this->state_->send(value, reached) == detail::core::outcome::no_memory)
      throw std::bad_alloc();
    return reached;
  }

  /// Sends without waiting. With `overflow::wait` only.
  /**
   * @param reached is set to how many subscribers the message was sent to; it may be 0.
   * @returns No error if the broadcast accepted the message; `error::full` if it has no place now,
   * or sends are pending that come first; `error::closed` if it is closed;
   * `asio::error::no_memory`.
   *
   * A message that is not accepted is left untouched, and `reached` is 0. Never blocks.
   */
  [[nodiscard]] error_code try_send(T&& value, std::size_t& reached) noexcept {
    static_assert(lossless,
                  "sluice: with overflow::lag a send never fails for want of a place: use send");
    using detail::core::outcome;
    reached = 0;
    if (!this->state_) return error::closed;
    const outcome seen = this->state_->send(value, reached);
    return seen == outcome::none ? error_code(error::full) : detail::to_error_code(seen);
  }

  [[nodiscard]] error_code try_send(T&& value) noexcept {
    std::size_t reached = 0;
    return try_send(std::move(value), reached);
  }

  /// Sends a copy without waiting. The copy is made in any case.
  [[nodiscard]] error_code try_send(const T& value, std::size_t& reached) {
    return try_send(T(value), reached);
  }
  [[nodiscard]] error_code try_send(const T& value) { return try_send(T(value)); }

  /// Sends, and waits for a place if there is none. With `overflow::wait` only.
  /**
   * Completes when the broadcast has accepted the message, when it is closed, or when the operation
   * is cancelled. A place becomes free when all subscribers that a message was sent to have
   * received it, or have gone.
   *
   * Completion signature: `void(error_code, std::size_t)`. The number is how many subscribers the
   * message was sent to: those there were when it was accepted. It may be 0.
   *
   * Errors:
   * - `error::closed`: the broadcast is closed. Not sent.
   * - `asio::error::operation_aborted`: cancelled before it was accepted. Not sent.
   * - `asio::error::no_memory`: there was no memory for another message. Not sent.
   *
   * Executor: the handler's associated executor, by default that of this handle. The handler is
   * never called from within this function, unless through its own immediate executor.
   *
   * Per-operation cancellation: `terminal`, `partial` and `total`, until the message is accepted.
   * After that the operation completes without error, whatever was requested since.
   *
   * Value on failure: it is destroyed with the operation. To keep it, pass `std::ref(value)`.
   *
   * Ordering: pending sends are accepted in the order in which they were begun.
   *
   * A pending send keeps the broadcast open, like a sender does, also after its handle is gone.
   * Begun on an empty handle it completes with `error::closed`.
   *
   * Complexity: constant. The memory comes from the handler's associated allocator.
   */
  template <BOOST_ASIO_COMPLETION_TOKEN_FOR(void(error_code, std::size_t))
                CompletionToken = detail::default_token_t<Executor>>
  [[nodiscard]] auto async_send(T value, CompletionToken&& token = CompletionToken()) & {
    return initiate_send<CompletionToken, start_send>(*this, token, std::move(value));
  }

  /// As above, for a temporary handle: a coroutine takes it along.
  template <BOOST_ASIO_COMPLETION_TOKEN_FOR(void(error_code, std::size_t))
                CompletionToken = detail::default_token_t<Executor>>
  [[nodiscard]] auto async_send(T value, CompletionToken&& token = CompletionToken()) && {
    return initiate_send<CompletionToken, start_send>(std::move(*this), token, std::move(value));
  }

  /// Sends a message that stays with the caller until it is accepted.
  /**
   * As the form above, but the message is moved from only if the broadcast accepts it. If the
   * operation fails it is untouched. It must stay where it is until the operation completes.
   */
  template <BOOST_ASIO_COMPLETION_TOKEN_FOR(void(error_code, std::size_t))
                CompletionToken = detail::default_token_t<Executor>>
  [[nodiscard]] auto async_send(std::reference_wrapper<T> value,
                                CompletionToken&& token = CompletionToken()) & {
    return initiate_send<CompletionToken, start_send_reference>(*this, token, value);
  }

  /// As above, for a temporary handle: a coroutine takes it along.
  template <BOOST_ASIO_COMPLETION_TOKEN_FOR(void(error_code, std::size_t))
                CompletionToken = detail::default_token_t<Executor>>
  [[nodiscard]] auto async_send(std::reference_wrapper<T> value,
                                CompletionToken&& token = CompletionToken()) && {
    return initiate_send<CompletionToken, start_send_reference>(std::move(*this), token, value);
  }

  /// Waits until sending is no use any more.
  /**
   * Completes when there is no subscriber, or when the broadcast is closed. Sends nothing, and does
   * not keep the broadcast open. Subscribers may come again later, unless it is closed.
   *
   * Completion signature: `void(error_code)`
   *
   * Errors: `asio::error::operation_aborted` if it was cancelled, or if the last sender has gone.
   * On an empty handle: `error::closed`.
   *
   * Per-operation cancellation: `terminal`, `partial` and `total`. Executor and memory as for
   * `async_send`. Complexity: constant.
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

  broadcast_sender(detail::core::state_ref<state_type> counted, std::uint64_t owner,
                   const Executor& ex) noexcept
      : base(std::move(counted), owner, ex) {}

  // What is constructed already when this throws has been counted, and goes as any handle does.
  broadcast_sender(detail::core::state_ref<state_type> fresh, const Executor& ex)
      : base(fresh, state_type::first_owner, ex) {}

  static detail::core::state_ref<state_type> make_state(std::size_t capacity) {
    if (capacity == 0)
      throw std::invalid_argument(
          "sluice: a broadcast of capacity 0 could not hold the message that it is sent: give "
          "it a capacity of at least 1, as many messages as a subscriber may be behind");
    return detail::core::state_ref<state_type>(new state_type(capacity, lossless));
  }

  typename state_type::counts look() const noexcept {
    return this->state_ ? this->state_->look() : typename state_type::counts{0, 0, 0, false, true};
  }

  template <class CompletionToken, class Start, class Handle, class Value>
  static auto initiate_send(Handle&& handle, std::remove_reference_t<CompletionToken>& token,
                            Value&& value) {
    static_assert(
        lossless,
        "sluice: with overflow::lag a send never waits: use send, or make the broadcast a "
        "lossless_broadcast_sender, whose sends wait for the slowest subscriber");
    return boost::asio::async_initiate<CompletionToken, void(error_code, std::size_t)>(
        detail::initiate_from<CompletionToken, Start, detail::sender_share>(
            std::forward<Handle>(handle)),
        token, std::forward<Value>(value));
  }

  template <class CompletionToken, class Handle>
  static auto initiate_wait_closed(Handle&& handle,
                                   std::remove_reference_t<CompletionToken>& token) {
    return boost::asio::async_initiate<CompletionToken, void(error_code)>(
        detail::initiate_from<CompletionToken, detail::start_closing, detail::channel_share>(
            std::forward<Handle>(handle)),
        token);
  }

  struct start_send {
    static constexpr const char* name = "async_send";
    static constexpr std::size_t argument_count = 1;
    static constexpr bool takes_effect_at_start = true;

    template <class Handler, class IoExecutor, class... Arguments>
    static void begin(Handler&& handler, const IoExecutor& ex, Arguments&&... arguments) {
      using step = detail::broadcast_send_step<T, T, state_type>;
      detail::operation<step, Handler, IoExecutor>::begin(std::move(handler), ex,
                                                          std::forward<Arguments>(arguments)...);
    }

    template <class Handler>
    static void try_now(state_type* state, Handler&& handler, T&& value) {
      using detail::core::outcome;
      std::size_t reached = 0;
      const outcome seen = state ? state->send(value, reached) : outcome::closed;
      if (seen != outcome::none) std::move(handler)(detail::to_error_code(seen), reached);
    }
  };

  struct start_send_reference {
    static constexpr const char* name = "async_send";
    static constexpr std::size_t argument_count = 1;
    static constexpr bool takes_effect_at_start = true;

    template <class Handler, class IoExecutor>
    static void begin(Handler&& handler, const IoExecutor& ex,
                      detail::core::state_ref<state_type> state, std::uint64_t owner,
                      std::reference_wrapper<T> value) {
      using step = detail::broadcast_send_step<T, T&, state_type>;
      detail::operation<step, Handler, IoExecutor>::begin(std::move(handler), ex, std::move(state),
                                                          owner, value.get());
    }

    template <class Handler>
    static void try_now(state_type* state, Handler&& handler, std::reference_wrapper<T> value) {
      start_send::try_now(state, std::forward<Handler>(handler), std::move(value.get()));
    }
  };
};

/// A broadcast whose senders wait for the slowest subscriber, and in which nothing is missed.
template <class T, class Executor = boost::asio::any_io_executor, class Threading = multi_threaded>
using lossless_broadcast_sender = broadcast_sender<T, Executor, Threading, overflow::wait>;

/// Knows a broadcast without keeping it open; lock() makes a sender of it while it is open.
/**
 * A broadcast is open while a sender or a pending send exists and nobody has closed it.
 */
template <class T, class Executor = boost::asio::any_io_executor, class Threading = multi_threaded,
          overflow Overflow = overflow::lag>
class weak_broadcast_sender {
  using sender_type = broadcast_sender<T, Executor, Threading, Overflow>;

 public:
  using value_type = T;
  using executor_type = Executor;

  template <class Executor1>
  struct rebind_executor {
    using other = weak_broadcast_sender<T, Executor1, Threading, Overflow>;
  };

  /// Constructs a handle that knows no broadcast.
  weak_broadcast_sender() = default;

  /// Knows the broadcast that `tx` belongs to.
  weak_broadcast_sender(const sender_type& tx) : state_(detail::channel_access::state(tx)) {
    executor_.assign(detail::channel_access::executor(tx).get());
  }

  /// A sender if the broadcast is open, else an empty one.
  [[nodiscard]] sender_type lock() const {
    std::uint64_t owner = state_ ? state_->add_sender_if_open() : 0;
    if (owner == 0) return {};
    return detail::channel_access::make<sender_type>(state_, owner, *executor_.get());
  }

  /// The executor of the senders that lock() makes. Must not be called if it knows no broadcast.
  executor_type get_executor() const noexcept { return *executor_.get(); }

  friend void swap(weak_broadcast_sender& a, weak_broadcast_sender& b) noexcept { std::swap(a, b); }

 private:
  detail::core::state_ref<detail::core::broadcast_state<T, Threading>> state_;
  detail::executor_holder<Executor> executor_;
};

}  // namespace sluice

#endif  // SLUICE_BROADCAST_SENDER_HPP
