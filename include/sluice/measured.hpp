// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_MEASURED_HPP
#define SLUICE_MEASURED_HPP

#include <sluice/threading.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace sluice {

/// How long values were in a channel before they were received.
/**
 * A value that a batch has claimed is in the channel until it is passed on. What a batch has passed
 * on is added when the batch is over, which is after 64 values at the latest; all else at once. A
 * value that a receive takes from a pending send, because the buffer is empty, was in the channel
 * for no time.
 */
struct time_in_channel {
  /// The sum of all times.
  std::chrono::duration<double> total{};

  /// The longest of all times.
  std::chrono::nanoseconds longest{};

  /// How many of them were how long: `counts[i]` took less than 2^i microseconds, and not less than
  /// half of that. The last number is that of all that took longer.
  std::array<std::uint64_t, 32> counts{};
};

/// What a channel has done since it was made, and what it is doing; see `measured`.
/**
 * All of it is seen at one instant: `accepted` is always the sum of `received`, `displaced`,
 * `destroyed` and `buffered`.
 */
struct channel_metrics {
  /// How many values the channel has accepted.
  std::uint64_t accepted = 0;

  /// How many values were received.
  std::uint64_t received = 0;

  /// How many values a later one has displaced: `force_send` has handed them back.
  std::uint64_t displaced = 0;

  /// How many values were destroyed because the last receiver had gone.
  std::uint64_t destroyed = 0;

  /// How many values are there to be received, as `size()` says it.
  std::size_t buffered = 0;

  /// The most that `buffered` has ever been.
  std::size_t most_buffered = 0;

  /// How many sends wait for a place, or for a receive that takes their value.
  std::size_t waiting_sends = 0;

  /// How many reservations wait for a place; a select that sends makes one.
  std::size_t waiting_reservations = 0;

  /// How many receives wait for a value.
  std::size_t waiting_receives = 0;

  /// How many receives have been woken for a value, and have not run yet. If these do not get
  /// fewer, their executors are not running, or are busy.
  std::size_t woken_receives = 0;

  /// How long the received values were in the channel.
  time_in_channel times;
};

/// The threading policy of channels that are measured; otherwise it is the one that it is made of.
/**
 * Both ends of such a channel have `metrics()`. It works as any other channel, can be used together
 * with others in a select, and costs a little more: a few instructions for each value, a look at
 * the clock when it enters, and another one when it leaves. A channel with another policy costs
 * nothing more.
 *
 * `Clock` is what times are measured with. It is asked under the lock of the channel, so `now()`
 * must not throw, nor use a channel.
 *
 * @code
 * auto [tx, rx] =
 *     sluice::make_channel<job, boost::asio::any_io_executor, sluice::measured<>>(context, 64);
 * std::cout << rx.metrics().received << " received\n";
 * @endcode
 */
template <class Threading = multi_threaded, class Clock = std::chrono::steady_clock>
struct measured : Threading {};

}  // namespace sluice

#endif  // SLUICE_MEASURED_HPP
