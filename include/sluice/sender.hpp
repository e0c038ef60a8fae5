// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_SENDER_HPP
#define SLUICE_SENDER_HPP

#include <sluice/detail/channel_end.hpp>
#include <sluice/detail/channel_step.hpp>
#include <sluice/detail/closing_step.hpp>
#include <sluice/detail/default_token.hpp>
#include <sluice/detail/operation.hpp>
#include <sluice/error.hpp>
#include <sluice/measured.hpp>
#include <sluice/permit.hpp>
#include <sluice/threading.hpp>
#include <sluice/use_awaitable.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#if __cplusplus >= 202002L
#include <span>
#endif
#include <type_traits>
#include <utility>
#include <vector>

namespace sluice {

/// The sending end of a channel.
/**
 * Copyable: a copy is another producer. The channel closes by itself when the last sender is gone
 * and no send is pending. Values of one producer are received in the order in which its sends were
 * begun, also when several are outstanding.
 *
 * Thread safety (`multi_threaded`): distinct handles: safe. One shared handle: safe, except while
 * it is assigned to, moved from or destroyed. (`single_threaded`): everything in one implicit
 * strand.
 */
template <class T, class Executor = boost::asio::any_io_executor, class Threading = multi_threaded>
class sender : public detail::channel_end<detail::sender_role, T, Executor, Threading> {
  using base = detail::channel_end<detail::sender_role, T, Executor, Threading>;
  using typename base::state_type;

 public:
  /// The same handle type with another executor.
  template <class Executor1>
  struct rebind_executor {
    using other = sender<T, Executor1, Threading>;
  };

  /// Constructs an empty handle: everything that is sent through it fails with `closed`.
  sender() = default;

  sender(const sender&) = default;
  sender(sender&&) noexcept = default;
  sender& operator=(const sender&) = default;
  sender& operator=(sender&&) noexcept = default;

  /// Converts from a handle with another executor.
  template <class Executor1,
            class = std::enable_if_t<!std::is_same_v<Executor1, Executor> &&
                                     std::is_constructible_v<Executor, const Executor1&>>>
  sender(const sender<T, Executor1, Threading>& other) : base(other) {}

  template <class Executor1,
            class = std::enable_if_t<!std::is_same_v<Executor1, Executor> &&
                                     std::is_constructible_v<Executor, const Executor1&>>>
  sender(sender<T, Executor1, Threading>&& other) : base(std::move(other)) {}

  friend void swap(sender& a, sender& b) noexcept { a.swap_ends(b); }
  void swap(sender& other) noexcept { this->swap_ends(other); }

  /// Another sender of this channel whose completions run on `ex` by default. Pending operations
  /// keep the executor they were begun with.
  template <class Executor1>
  [[nodiscard]] sender<T, Executor1, Threading> with_executor(const Executor1& ex) const {
    return detail::channel_access::make<sender<T, Executor1, Threading>>(
        this->state_, base::add(this->state_), ex);
  }

  /// Sends without waiting.
  /**
   * @returns No error if the channel accepted the value; `error::full` if it has no place now, or,
   * with capacity 0, if no receive waits that has been promised nothing; `error::closed` if nobody
   * can receive any more; `asio::error::no_memory` if the buffer could not grow.
   *
   * A value that is not accepted is left untouched. Never blocks. Complexity: constant.
   */
  [[nodiscard]] error_code try_send(T&& value) noexcept {
    if (!this->state_) return error::closed;
    return try_result(this->state_->try_send(value));
  }

  /// Sends a copy without waiting. The copy is made in any case.
  [[nodiscard]] error_code try_send(const T& value) { return try_send(T(value)); }

  /// Sends without waiting, at the price of the oldest value.
  /**
   * Where `try_send` would say `full`, a buffer gives up its oldest value, which is returned. The
   * value enters the buffer at once, ahead of pending sends.
   *
   * `ec` is set to `error::closed` if nobody can receive any more; to `error::full` if there is
   * nothing to displace, since all places are reserved or in the hands of batches, or, with
   * capacity 0, if no receive waits that has been promised nothing; to `asio::error::no_memory` if
   * the buffer could not grow. Then the value is left untouched. Never blocks. Complexity:
   * constant.
   */
  [[nodiscard]] std::optional<T> force_send(T&& value, error_code& ec) noexcept {
    std::optional<T> displaced;
    ec = this->state_ ? try_result(this->state_->force_send(value, displaced))
                      : error_code(error::closed);
    return displaced;
  }

  /// Sends, and waits for a place if there is none.
  /**
   * Completes when the channel has accepted the value (with capacity 0: when a receive has taken
   * it), when the channel is closed, or when the operation is cancelled.
   *
   * Completion signature: `void(error_code)`
   *
   * Errors:
   * - `error::closed`: nobody can receive any more. Not sent.
   * - `asio::error::operation_aborted`: cancelled before it was accepted. Not sent.
   * - `asio::error::no_memory`: the buffer could not grow. Not sent.
   *
   * Executor: the handler's associated executor, by default that of this handle. The handler is
   * never called from within this function, unless through its own immediate executor.
   *
   * Per-operation cancellation: `terminal`, `partial` and `total`, until the value is accepted.
   * After that the operation completes without error, whatever was requested since. So a deadline
   * belongs into `asio::cancel_after`, which reports what has happened; `operator||` may throw it
   * away.
   *
   * Value on failure: it is destroyed with the operation. To keep it, pass `std::ref(value)`.
   *
   * Ordering: pending sends are accepted in the order in which they were begun.
   *
   * A pending send keeps the channel open, like a sender does, also after its handle is gone. Begun
   * on an empty handle it completes with `error::closed`.
   *
   * Complexity: constant. The memory comes from the handler's associated allocator.
   *
   * @code
   * co_await tx.async_send(std::move(request));
   * @endcode
   */
  template <BOOST_ASIO_COMPLETION_TOKEN_FOR(void(error_code))
                CompletionToken = detail::default_token_t<Executor>>
  [[nodiscard]] auto async_send(T value, CompletionToken&& token = CompletionToken()) & {
    return initiate<CompletionToken, start_send, detail::sender_share>(*this, token,
                                                                       std::move(value));
  }

  /// As above, for a temporary handle: a coroutine takes it along.
  template <BOOST_ASIO_COMPLETION_TOKEN_FOR(void(error_code))
                CompletionToken = detail::default_token_t<Executor>>
  [[nodiscard]] auto async_send(T value, CompletionToken&& token = CompletionToken()) && {
    return initiate<CompletionToken, start_send, detail::sender_share>(std::move(*this), token,
                                                                       std::move(value));
  }

  /// Sends a value that stays with the caller until it is accepted.
  /**
   * As the form above, but the value is moved from only if, and when, the channel accepts it. If
   * the operation fails it is untouched. It must stay where it is until the operation completes.
   */
  template <BOOST_ASIO_COMPLETION_TOKEN_FOR(void(error_code))
                CompletionToken = detail::default_token_t<Executor>>
  [[nodiscard]] auto async_send(std::reference_wrapper<T> value,
                                CompletionToken&& token = CompletionToken()) & {
    return initiate<CompletionToken, start_send_reference, detail::sender_share>(*this, token,
                                                                                 value);
  }

  /// As above, for a temporary handle: a coroutine takes it along.
  template <BOOST_ASIO_COMPLETION_TOKEN_FOR(void(error_code))
                CompletionToken = detail::default_token_t<Executor>>
  [[nodiscard]] auto async_send(std::reference_wrapper<T> value,
                                CompletionToken&& token = CompletionToken()) && {
    return initiate<CompletionToken, start_send_reference, detail::sender_share>(std::move(*this),
                                                                                 token, value);
  }

  /// Sends several values, in order, and waits for places as often as it has to.
  /**
   * Completes when the channel has accepted all of them, when it is closed, or when the operation
   * is cancelled. Values of other senders do not come between them, except for those of
   * `force_send` and of permits.
   *
   * Completion signature: `void(error_code, std::size_t accepted)`
   *
   * `accepted` says how many of them were sent, always, errors or not: `error::closed`,
   * `asio::error::operation_aborted` and `asio::error::no_memory`, as for `async_send`.
   *
   * Per-operation cancellation: `terminal` and `partial` at any time, `total` only until the first
   * value is accepted. Once all are, it completes without error.
   *
   * Values on failure: what was not sent is destroyed with the operation. To keep it, pass
   * `std::ref(values)`, or a `std::span`: then the first `accepted` values are moved from, the
   * others are untouched, and all must stay where they are until the operation completes.
   *
   * Executor, memory and the life of the channel as for `async_send`. Complexity: linear; the lock
   * is taken once for as many values as there are places.
   *
   * @code
   * std::size_t sent = co_await tx.async_send_all(std::move(rows));
   * @endcode
   */
  template <BOOST_ASIO_COMPLETION_TOKEN_FOR(void(error_code, std::size_t))
                CompletionToken = detail::default_token_t<Executor>>
  [[nodiscard]] auto async_send_all(std::vector<T> values,
                                    CompletionToken&& token = CompletionToken()) & {
    return initiate_all<CompletionToken>(*this, token, own(std::move(values)));
  }

  /// As above, for a temporary handle: a coroutine takes it along.
  template <BOOST_ASIO_COMPLETION_TOKEN_FOR(void(error_code, std::size_t))
                CompletionToken = detail::default_token_t<Executor>>
  [[nodiscard]] auto async_send_all(std::vector<T> values,
                                    CompletionToken&& token = CompletionToken()) && {
    return initiate_all<CompletionToken>(std::move(*this), token, own(std::move(values)));
  }

  /// Sends several values that stay with the caller until they are accepted; see above.
  template <BOOST_ASIO_COMPLETION_TOKEN_FOR(void(error_code, std::size_t))
                CompletionToken = detail::default_token_t<Executor>>
  [[nodiscard]] auto async_send_all(std::reference_wrapper<std::vector<T>> values,
                                    CompletionToken&& token = CompletionToken()) & {
    return initiate_all<CompletionToken>(*this, token, borrow(values.get()));
  }

  /// As above, for a temporary handle: a coroutine takes it along.
  template <BOOST_ASIO_COMPLETION_TOKEN_FOR(void(error_code, std::size_t))
                CompletionToken = detail::default_token_t<Executor>>
  [[nodiscard]] auto async_send_all(std::reference_wrapper<std::vector<T>> values,
                                    CompletionToken&& token = CompletionToken()) && {
    return initiate_all<CompletionToken>(std::move(*this), token, borrow(values.get()));
  }

#if __cplusplus >= 202002L
  /// Sends several values that stay with the caller until they are accepted; see above.
  template <BOOST_ASIO_COMPLETION_TOKEN_FOR(void(error_code, std::size_t))
                CompletionToken = detail::default_token_t<Executor>>
  [[nodiscard]] auto async_send_all(std::span<T> values,
                                    CompletionToken&& token = CompletionToken()) & {
    return initiate_all<CompletionToken>(*this, token, borrow(values));
  }

  /// As above, for a temporary handle: a coroutine takes it along.
  template <BOOST_ASIO_COMPLETION_TOKEN_FOR(void(error_code, std::size_t))
                CompletionToken = detail::default_token_t<Executor>>
  [[nodiscard]] auto async_send_all(std::span<T> values,
                                    CompletionToken&& token = CompletionToken()) && {
    return initiate_all<CompletionToken>(std::move(*this), token, borrow(values));
  }
#endif

  /// Reserves a place without waiting.
  /**
   * If it returns nothing, `ec` is set to `error::full` if no place is free now, or others wait for
   * one; to `error::closed`; or, with capacity 0, to `asio::error::operation_not_supported`, since
   * a rendezvous has no places. Complexity: constant.
   */
  [[nodiscard]] std::optional<permit<T, Threading>> try_reserve(error_code& ec) noexcept {
    return try_reserve_many(1, ec);
  }

  /// Reserves several places at once, without waiting.
  /**
   * As `try_reserve`. `ec` is set to `asio::error::invalid_argument` if `places` is 0 or more than
   * the capacity.
   */
  [[nodiscard]] std::optional<permit<T, Threading>> try_reserve_many(std::size_t places,
                                                                     error_code& ec) noexcept {
    ec = this->state_ ? try_result(this->state_->try_reserve(places)) : error_code(error::closed);
    if (ec) return std::nullopt;
    return detail::channel_access::make_permit<permit<T, Threading>>(this->state_, places);
  }

  /// Reserves a place, and waits for it if there is none.
  /**
   * Completes when a place is reserved, when the channel is closed, or when the operation is
   * cancelled. Reservations and sends wait in one line.
   *
   * Completion signature: `void(error_code, sluice::permit<T, Threading>)`
   *
   * Errors:
   * - `error::closed`: nobody can receive any more.
   * - `asio::error::operation_aborted`: it was cancelled, or the last sender has gone; unlike a
   *   send, a reservation does not keep the channel open.
   * - `asio::error::operation_not_supported`: the capacity is 0, there are no places to reserve.
   *
   * With an error the permit is empty.
   *
   * Per-operation cancellation: `terminal`, `partial` and `total`, until the place is reserved.
   * After that it completes without error; a permit that nobody takes gives its place back.
   *
   * Executor and memory as for `async_send`. Complexity: constant.
   */
  template <BOOST_ASIO_COMPLETION_TOKEN_FOR(void(error_code, permit<T, Threading>))
                CompletionToken = detail::default_token_t<Executor>>
  [[nodiscard]] auto async_reserve(CompletionToken&& token = CompletionToken()) & {
    return initiate_reserve<CompletionToken>(*this, token, 1);
  }

  /// As above, for a temporary handle: a coroutine takes it along.
  template <BOOST_ASIO_COMPLETION_TOKEN_FOR(void(error_code, permit<T, Threading>))
                CompletionToken = detail::default_token_t<Executor>>
  [[nodiscard]] auto async_reserve(CompletionToken&& token = CompletionToken()) && {
    return initiate_reserve<CompletionToken>(std::move(*this), token, 1);
  }

  /// Reserves several places, all at once, and waits until so many are free.
  /**
   * As `async_reserve`; `asio::error::invalid_argument` if `places` is 0 or more than the capacity.
   */
  template <BOOST_ASIO_COMPLETION_TOKEN_FOR(void(error_code, permit<T, Threading>))
                CompletionToken = detail::default_token_t<Executor>>
  [[nodiscard]] auto async_reserve_many(std::size_t places,
                                        CompletionToken&& token = CompletionToken()) & {
    return initiate_reserve<CompletionToken>(*this, token, places);
  }

  /// As above, for a temporary handle: a coroutine takes it along.
  template <BOOST_ASIO_COMPLETION_TOKEN_FOR(void(error_code, permit<T, Threading>))
                CompletionToken = detail::default_token_t<Executor>>
  [[nodiscard]] auto async_reserve_many(std::size_t places,
                                        CompletionToken&& token = CompletionToken()) && {
    return initiate_reserve<CompletionToken>(std::move(*this), token, places);
  }

  /// Waits until nobody can receive any more.
  /**
   * Completes when a send would fail with `closed`: the channel was closed, or the last receiver
   * has gone. Sends and receives nothing, and does not keep the channel open.
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
    return initiate<CompletionToken, detail::start_closing, detail::channel_share>(*this, token);
  }

  /// As above, for a temporary handle: a coroutine takes it along.
  template <BOOST_ASIO_COMPLETION_TOKEN_FOR(void(error_code))
                CompletionToken = detail::default_token_t<Executor>>
  [[nodiscard]] auto async_wait_closed(CompletionToken&& token = CompletionToken()) && {
    return initiate<CompletionToken, detail::start_closing, detail::channel_share>(std::move(*this),
                                                                                   token);
  }

 private:
  friend struct detail::channel_access;

  sender(detail::core::state_ref<state_type> counted, std::uint64_t owner,
         const Executor& ex) noexcept
      : base(std::move(counted), owner, ex) {}

  static error_code try_result(detail::core::outcome result) noexcept {
    return result == detail::core::outcome::none ? error_code(error::full)
                                                 : detail::to_error_code(result);
  }

  template <class CompletionToken, class Start, class Count, class Handle, class... Arguments>
  static auto initiate(Handle&& handle, std::remove_reference_t<CompletionToken>& token,
                       Arguments&&... arguments) {
    return boost::asio::async_initiate<CompletionToken, void(error_code)>(
        detail::initiate_from<CompletionToken, Start, Count>(std::forward<Handle>(handle)), token,
        std::forward<Arguments>(arguments)...);
  }

  template <class CompletionToken, class Handle, class Values>
  static auto initiate_all(Handle&& handle, std::remove_reference_t<CompletionToken>& token,
                           Values values) {
    return boost::asio::async_initiate<CompletionToken, void(error_code, std::size_t)>(
        detail::initiate_from<CompletionToken, start_send_all, detail::sender_share>(
            std::forward<Handle>(handle)),
        token, std::move(values));
  }

  template <class CompletionToken, class Handle>
  static auto initiate_reserve(Handle&& handle, std::remove_reference_t<CompletionToken>& token,
                               std::size_t places) {
    return boost::asio::async_initiate<CompletionToken, void(error_code, permit<T, Threading>)>(
        detail::initiate_from<CompletionToken, start_reserve, detail::channel_share>(
            std::forward<Handle>(handle)),
        token, places);
  }

  static detail::owned_values<T> own(std::vector<T> values) noexcept {
    static_assert(!std::is_same_v<T, bool>,
                  "sluice: a vector<bool> holds no bool that could be sent: use another "
                  "container, and pass a std::span of it");
    return detail::owned_values<T>(std::move(values));
  }

  template <class Range>
  static detail::borrowed_values<T> borrow(Range& values) noexcept {
    return {values.data(), values.size()};
  }

  struct start_send {
    static constexpr const char* name = "async_send";
    static constexpr std::size_t argument_count = 1;
    static constexpr bool takes_effect_at_start = true;

    template <class Handler, class IoExecutor, class... Arguments>
    static void begin(Handler&& handler, const IoExecutor& ex, Arguments&&... arguments) {
      using step = detail::send_step<T, T, state_type>;
      detail::operation<step, Handler, IoExecutor>::begin(std::move(handler), ex,
                                                          std::forward<Arguments>(arguments)...);
    }

    template <class Handler>
    static void try_now(state_type* state, Handler&& handler, T&& value) {
      using detail::core::outcome;
      if (state != nullptr && !state->seems_sendable()) return;
      const outcome seen = state ? state->try_begin_send(value) : outcome::closed;
      if (seen != outcome::none) std::move(handler)(detail::to_error_code(seen));
    }
  };

  struct start_send_reference {
    static constexpr const char* name = "async_send";
    static constexpr std::size_t argument_count = 1;
    static constexpr bool takes_effect_at_start = true;

    template <class Handler, class IoExecutor, class Owner>
    static void begin(Handler&& handler, const IoExecutor& ex,
                      detail::core::state_ref<state_type> state, Owner owner,
                      std::reference_wrapper<T> value) {
      using step = detail::send_step<T, T&, state_type>;
      detail::operation<step, Handler, IoExecutor>::begin(std::move(handler), ex, std::move(state),
                                                          owner, value.get());
    }

    template <class Handler>
    static void try_now(state_type* state, Handler&& handler, std::reference_wrapper<T> value) {
      start_send::try_now(state, std::forward<Handler>(handler), std::move(value.get()));
    }
  };

  struct start_send_all {
    static constexpr const char* name = "async_send_all";
    static constexpr std::size_t argument_count = 1;
    static constexpr bool takes_effect_at_start = true;

    template <class Handler, class IoExecutor, class Owner, class Values>
    static void begin(Handler&& handler, const IoExecutor& ex,
                      detail::core::state_ref<state_type> state, Owner owner, Values&& values) {
      using kept = std::decay_t<Values>;
      using step = detail::send_all_step<T, kept, state_type>;
      detail::operation<step, Handler, IoExecutor>::begin(
          std::move(handler), ex, std::move(state), owner, kept(std::forward<Values>(values)));
    }

    template <class Handler, class Values>
    static void try_now(state_type* state, Handler&& handler, Values&& values) {
      using detail::core::outcome;
      std::size_t accepted = 0;
      outcome seen =
          state ? state->try_begin_send(values.data(), values.size(), accepted) : outcome::closed;
      if (seen != outcome::none) std::move(handler)(detail::to_error_code(seen), accepted);
    }
  };

  struct start_reserve {
    static constexpr const char* name = "async_reserve";
    static constexpr std::size_t argument_count = 1;
    static constexpr bool takes_effect_at_start = true;

    template <class Handler, class IoExecutor, class Owner>
    static void begin(Handler&& handler, const IoExecutor& ex,
                      detail::core::state_ref<state_type> state, Owner owner, std::size_t places) {
      using step = detail::reserve_step<permit<T, Threading>, state_type>;
      detail::operation<step, Handler, IoExecutor>::begin(std::move(handler), ex, std::move(state),
                                                          owner, places);
    }

    template <class Handler>
    static void try_now(state_type* state, Handler&& handler, std::size_t places) {
      using detail::core::outcome;
      outcome seen = state ? state->try_reserve(places) : outcome::closed;
      if (seen == outcome::none) return;
      permit<T, Threading> given;
      if (seen == outcome::success)
        given = detail::channel_access::make_permit<permit<T, Threading>>(
            detail::core::state_ref<state_type>::share(state), places);
      std::move(handler)(detail::to_error_code(seen), std::move(given));
    }
  };
};

/// Knows a channel without keeping it open; lock() makes a sender of it while the channel is open.
/**
 * A channel is open while a sender or a pending send exists and nobody has closed it.
 */
template <class T, class Executor = boost::asio::any_io_executor, class Threading = multi_threaded>
class weak_sender {
 public:
  using value_type = T;
  using executor_type = Executor;

  template <class Executor1>
  struct rebind_executor {
    using other = weak_sender<T, Executor1, Threading>;
  };

  /// Constructs a handle that knows no channel.
  weak_sender() = default;

  /// Knows the channel that `tx` belongs to.
  weak_sender(const sender<T, Executor, Threading>& tx)
      : state_(detail::channel_access::state(tx)) {
    executor_.assign(detail::channel_access::executor(tx).get());
  }

  /// A sender if the channel is open, else an empty one.
  [[nodiscard]] sender<T, Executor, Threading> lock() const {
    std::uint64_t owner = state_ ? state_->add_sender_if_open() : 0;
    if (owner == 0) return {};
    return detail::channel_access::make<sender<T, Executor, Threading>>(state_, owner,
                                                                        *executor_.get());
  }

  /// What a channel that is `measured` has done, and is doing; as of a sender, and so a way to
  /// look at a channel without keeping it open.
  template <class Measured = Threading, class = detail::core::enable_if_measured<Measured>>
  [[nodiscard]] channel_metrics metrics() const noexcept {
    return state_ ? state_->metrics() : channel_metrics();
  }

  /// The executor of the senders that lock() makes. Must not be called if it knows no channel.
  executor_type get_executor() const noexcept { return *executor_.get(); }

  friend void swap(weak_sender& a, weak_sender& b) noexcept { std::swap(a, b); }

 private:
  detail::core::state_ref<detail::core::channel_state<T, Threading>> state_;
  detail::executor_holder<Executor> executor_;
};

}  // namespace sluice

#endif  // SLUICE_SENDER_HPP
