// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_SELECT_CASES_HPP
#define SLUICE_SELECT_CASES_HPP

#include <sluice/broadcast_receiver.hpp>
#include <sluice/detail/core/deadline.hpp>
#include <sluice/detail/initiation.hpp>
#include <sluice/detail/select_case.hpp>
#include <sluice/detail/select_foreign.hpp>
#include <sluice/detail/select_time.hpp>
#include <sluice/error.hpp>
#include <sluice/oneshot.hpp>
#include <sluice/permit.hpp>
#include <sluice/receiver.hpp>
#include <sluice/sender.hpp>
#include <sluice/watch_receiver.hpp>

#include <boost/asio/async_result.hpp>
#include <boost/asio/deferred.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <type_traits>
#include <utility>

namespace sluice {

/// A case of a select: to receive, from the receiver of a channel, a oneshot or a broadcast.
/**
 * It happens when there is a message, and at the end of the stream, as `async_receive` completes.
 * Its alternative in the result is `std::optional<T>`, empty at the end.
 *
 * The handle may be moved or go afterwards; a temporary one is kept.
 */
template <class Receiver>
[[nodiscard]] auto on_receive(Receiver&& rx) {
  using attempt = detail::receiving<std::decay_t<Receiver>>;
  static_assert(attempt::is_possible,
                "sluice: on_receive takes a receiver, a oneshot_receiver or a broadcast_receiver; "
                "of a watch_receiver it is on_changed that tells of a new value");
  if constexpr (attempt::is_possible)
    return detail::handle_case<attempt, Receiver>(std::forward<Receiver>(rx));
}

/// A case of a select: to wait for a value that a watch_receiver has not seen.
/**
 * It happens as `async_changed` completes. Its alternative in the result is `bool`: false at the
 * end. Look at the value with `rx.borrow()`.
 */
template <class Receiver>
[[nodiscard]] auto on_changed(Receiver&& rx) {
  using attempt = detail::changing<std::decay_t<Receiver>>;
  static_assert(attempt::is_possible,
                "sluice: on_changed takes a watch_receiver; other receivers have on_receive");
  if constexpr (attempt::is_possible) {
    auto cursor = detail::channel_access::cursor(rx);
    return detail::handle_case<attempt, Receiver, decltype(cursor)>(std::forward<Receiver>(rx),
                                                                    std::move(cursor));
  }
}

/// A case of a select: to wait until a send would be no use, with any handle that has
/// `async_wait_closed`. Its alternative in the result is `std::monostate`.
template <class Sender>
[[nodiscard]] auto on_closed(Sender&& tx) {
  using attempt = detail::closing<std::decay_t<Sender>>;
  static_assert(attempt::is_possible,
                "sluice: on_closed takes a handle that has async_wait_closed, such as a sender; a "
                "receiver sees the end by on_receive");
  if constexpr (attempt::is_possible)
    return detail::handle_case<attempt, Sender>(std::forward<Sender>(tx));
}

/// A case of a select: to reserve a place, as `async_reserve` does. Its alternative in the result
/// is `permit<T, Threading>`.
template <class Sender>
[[nodiscard]] auto on_reserve(Sender&& tx) {
  using attempt = detail::reserving<std::decay_t<Sender>>;
  static_assert(attempt::is_possible, "sluice: on_reserve takes the sender of a channel");
  if constexpr (attempt::is_possible)
    return detail::handle_case<attempt, Sender, std::size_t>(std::forward<Sender>(tx), 1);
}

/// A case of a select: to send a value. Its alternative in the result is `std::monostate`.
/**
 * It happens when the channel has a place for the value, or is closed: then with `error::closed`.
 * If another case happens, nothing is sent. The case owns the value, which goes with the select;
 * once it has been sent this case happens no more. Until then it keeps the channel open, as a
 * pending send does.
 *
 * The value enters the buffer as by a permit, when the select completes. With capacity 0 it is
 * handed to a receive that waits, as by `try_send`: should that receive be cancelled, or be a case
 * of a select that chooses another one, the value stays in the channel for the next. A select that
 * offers both ends of one rendezvous never meets itself, and one that has been sent something at a
 * rendezvous receives it before it sends. `try_receive` does not meet a select that waits; a
 * receive that waits does.
 */
template <class T, class Executor, class Threading, class Value,
          class = std::enable_if_t<std::is_constructible_v<T, Value&&>>>
[[nodiscard]] auto on_send(const sender<T, Executor, Threading>& tx, Value&& value) {
  return detail::send_case<T, T, Executor, Threading>(tx, T(std::forward<Value>(value)));
}

/// A case of a select: to send a value that stays with the caller unless this case happens.
/**
 * As above. The value must stay where it is while the select waits; it is moved from only if it is
 * sent.
 */
template <class T, class Executor, class Threading>
[[nodiscard]] auto on_send(const sender<T, Executor, Threading>& tx,
                           std::reference_wrapper<T> value) {
  return detail::send_case<T, T&, Executor, Threading>(tx, value.get());
}

/// A case of a select: so much time has passed since the wait began. Its alternative in the result
/// is `std::monostate`.
/**
 * The timer belongs to the context of the select's own executor, which must be running. No duration
 * is too long.
 */
template <class Rep, class Period>
[[nodiscard]] auto after(std::chrono::duration<Rep, Period> time) {
  using clock = std::chrono::steady_clock;
  return detail::time_case<clock, true>(detail::core::saturated<clock::duration>(time));
}

/// A case of a select: a time has come. As `after`; with any clock that an Asio timer can have.
template <class Clock, class Duration>
[[nodiscard]] auto at(std::chrono::time_point<Clock, Duration> time) {
  using time_point = typename Clock::time_point;
  return detail::time_case<Clock, false>(
      time_point(detail::core::saturated<typename Clock::duration>(time.time_since_epoch())));
}

/// A case of a select: an Asio operation with the signature `void(error_code)`, such as a deferred
/// one: `on(socket.async_wait(socket.wait_read, asio::deferred))`.
/**
 * Its alternative in the result is `std::monostate`, its error that of the operation.
 *
 * It is begun when no other case is ready, and it is cancelled (`terminal`) when another one may
 * be; the select completes only after it has ended, so nothing of it is left behind. If it has
 * happened by then, it is the case that happens. If it has not, and nothing is ready after all, it
 * is begun again; therefore it is copied. An operation that cannot be cancelled holds the select up
 * until it ends. So that it is heard of where another case is always ready, one wait in 64, at
 * random, begins it first.
 *
 * It completes on the executor of the select's handler, where it is cancelled, too: as always in
 * Asio the object must not be used on another thread at the same time.
 *
 * To drop a value: `signals.async_wait(asio::deferred([](error_code ec, int) { return
 * asio::deferred.values(ec); }))`.
 */
template <class Operation>
[[nodiscard]] auto on(Operation op) {
  constexpr bool is_operation = boost::asio::is_async_operation<Operation>::value;
  static_assert(is_operation,
                "sluice: on(op) takes an asynchronous operation that has not begun, such as "
                "timer.async_wait(asio::deferred)");
  if constexpr (is_operation) {
    using signature = boost::asio::completion_signature_of_t<Operation>;
    static_assert(std::is_same_v<signature, void(error_code)>,
                  "sluice: the operation of on(op) completes with an error_code and nothing else, "
                  "since a value would be lost with a case that does not happen: drop the value, "
                  "by asio::deferred, or use a case of a channel");
    static_assert(std::is_copy_constructible_v<Operation>,
                  "sluice: the operation of on(op) may have to be begun more than once: make it "
                  "one that can be copied");
    return detail::operation_case<Operation>(std::move(op));
  }
}

}  // namespace sluice

#endif  // SLUICE_SELECT_CASES_HPP
