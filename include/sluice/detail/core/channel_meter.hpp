// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_CORE_CHANNEL_METER_HPP
#define SLUICE_DETAIL_CORE_CHANNEL_METER_HPP

// What a channel measures of itself if its threading policy is `measured`. With any other policy
// everything here is empty, does nothing, and costs neither an instruction nor a byte.
//
// A measured channel notes with each value when it was accepted, so what lies in its buffer, and in
// a batch, is not a T but a timed T. It counts what enters, and what leaves without being received;
// the rest is either still there or was received.
//
// A meter is protected by the lock of the channel. What a batch measures belongs to the batch until
// it is put back.

#include <sluice/measured.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace sluice::detail::core {

/// What of a threading policy is about threads.
template <class Threading>
struct synchronisation_of {
  using type = Threading;
};

template <class Threading, class Clock>
struct synchronisation_of<measured<Threading, Clock>> {
  using type = Threading;
};

template <class Threading>
using synchronisation = typename synchronisation_of<Threading>::type;

template <class Threading>
inline constexpr bool is_measured = !std::is_same_v<synchronisation<Threading>, Threading>;

template <class Threading>
using enable_if_measured = std::enable_if_t<is_measured<Threading>>;

/// A value, and when it was accepted.
template <class T, class Clock>
struct timed {
  explicit timed(T&& accepted) noexcept : value(std::move(accepted)) {}

  T value;
  typename Clock::time_point since = Clock::now();
};

/// The value in what lies in a buffer.
template <class T>
T& value_of(T& stored) noexcept {
  return stored;
}

template <class T, class Clock>
T& value_of(timed<T, Clock>& stored) noexcept {
  return stored.value;
}

/// Times that values have spent in a channel; `Stored` is what lies in its buffer.
template <class Stored>
class stopwatch {
 public:
  void stop(const Stored&) noexcept {}
  void take_over(stopwatch&) noexcept {}
};

template <class T, class Clock>
class stopwatch<timed<T, Clock>> {
 public:
  /// The value leaves the channel now.
  void stop(const timed<T, Clock>& stored) noexcept {
    using std::chrono::nanoseconds;
    add(std::chrono::duration_cast<nanoseconds>(Clock::now() - stored.since));
  }

  void add(std::chrono::nanoseconds time) noexcept {
    // A clock that is not steady may have been turned back.
    if (time < time.zero()) time = time.zero();
    seen_.total += time;
    if (seen_.longest < time) seen_.longest = time;
    std::size_t bits = 0;
    for (auto rest = time.count() / 1000; rest != 0 && bits + 1 != seen_.counts.size(); rest /= 2)
      ++bits;
    ++seen_.counts[bits];
  }

  /// Adds what another one has seen, which begins anew.
  void take_over(stopwatch& other) noexcept {
    seen_.total += other.seen_.total;
    if (seen_.longest < other.seen_.longest) seen_.longest = other.seen_.longest;
    for (std::size_t i = 0; i != seen_.counts.size(); ++i) seen_.counts[i] += other.seen_.counts[i];
    other.seen_ = {};
  }

  const time_in_channel& seen() const noexcept { return seen_; }

 private:
  time_in_channel seen_;
};

template <class T, class Threading>
class channel_meter {
 protected:
  using stored = T;

  void count_accepted() noexcept {}
  void count_displaced() noexcept {}
  void end_batch(stopwatch<T>&) noexcept {}

  /// Wraps the sink of a receive.
  template <class Sink>
  static Sink& receiving(Sink& sink) noexcept {
    return sink;
  }
};

template <class T, class Threading, class Clock>
class channel_meter<T, measured<Threading, Clock>> {
 protected:
  using stored = timed<T, Clock>;

  void count_accepted() noexcept { ++accepted_; }

  /// There are more values than before, at most so many; `held` knows how many.
  template <class Held>
  void note_more(std::size_t at_most, Held&& held) noexcept {
    most_before_ = most_buffered_;
    if (at_most <= most_before_) return;
    const std::size_t count = held();
    if (most_buffered_ < count) most_buffered_ = count;
  }

  /// The value that was accepted last has taken the place of another one.
  void count_displaced() noexcept {
    ++displaced_;
    most_buffered_ = most_before_;
  }

  void count_destroyed(std::size_t count) noexcept { destroyed_ += count; }

  /// Of values that were counted as destroyed, a batch has passed on so many meanwhile.
  void uncount_destroyed(std::size_t count) noexcept { destroyed_ -= count; }

  void end_batch(stopwatch<stored>& times) noexcept { times_.take_over(times); }

  /// Wraps the sink of a receive, which gets values from the buffer and from pending sends.
  template <class Sink>
  auto receiving(Sink& sink) noexcept {
    return [this, &sink](auto&& value) noexcept {
      if constexpr (std::is_same_v<std::decay_t<decltype(value)>, stored>)
        times_.stop(value);
      else
        times_.add(std::chrono::nanoseconds(0));
      sink(std::move(value_of(value)));
    };
  }

  /// What was measured; what is not measured is left for others to fill in.
  channel_metrics measured_so_far() const noexcept {
    channel_metrics seen;
    seen.accepted = accepted_;
    seen.displaced = displaced_;
    seen.destroyed = destroyed_;
    seen.most_buffered = most_buffered_;
    seen.times = times_.seen();
    return seen;
  }

 private:
  std::uint64_t accepted_ = 0;
  std::uint64_t displaced_ = 0;
  std::uint64_t destroyed_ = 0;
  std::size_t most_buffered_ = 0;
  std::size_t most_before_ = 0;  // the most before the last value came
  stopwatch<stored> times_;
};

}  // namespace sluice::detail::core

#endif  // SLUICE_DETAIL_CORE_CHANNEL_METER_HPP
