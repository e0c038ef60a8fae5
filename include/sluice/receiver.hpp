// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_RECEIVER_HPP
#define SLUICE_RECEIVER_HPP

#include <sluice/detail/channel_end.hpp>
#include <sluice/detail/channel_step.hpp>
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

/// The receiving end of a channel.
/**
 * Copyable: a copy is another consumer, and each message goes to exactly one of them. When the last
 * receiver is gone the channel closes, and what it still held is destroyed at once.
 *
 * Thread safety (`multi_threaded`): distinct handles: safe. One shared handle: safe, except while it
 * is assigned to, moved from or destroyed. (`single_threaded`): everything in one implicit strand.
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
    error_code ec;
    return try_receive(ec);
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
    outcome seen = this->state_ ? this->state_->try_receive(1, into(value)) : outcome::closed;
    if (seen == outcome::closed) {
      ec = end_of(this->state_.get());
      if (!ec) ec = error::closed;
    } else {
      ec = seen == outcome::none ? error_code(error::empty) : error_code();
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
   * - none: the end of the stream. The channel is closed, and nothing is left that could be received.
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

  static auto into(std::optional<T>& out) noexcept {
    return [&out](T&& value) { out.emplace(std::move(value)); };
  }

  /// What a receive is told at the end of the stream.
  static error_code end_of(const state_type* state) noexcept {
    return state ? state->reason() : error_code(error::closed);
  }

  struct start_receive {
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
      std::optional<T> value;
      outcome seen = state ? state->try_receive(1, into(value)) : outcome::closed;
      if (seen != outcome::none)
        std::move(handler)(seen == outcome::closed ? end_of(state) : error_code(),
                           std::move(value));
    }
  };
};

}  // namespace sluice

#endif  // SLUICE_RECEIVER_HPP
