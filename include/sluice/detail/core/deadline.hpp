// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_CORE_DEADLINE_HPP
#define SLUICE_DETAIL_CORE_DEADLINE_HPP

// When a blocked thread gives up. No duration and no time point is too large: what a clock cannot
// represent is never, and so is its last moment.
//
// A thread sleeps by the steady clock, whatever clock the deadline belongs to. When the sleep is
// over the deadline's own clock decides whether it has passed, or how long to sleep again.

#include <chrono>
#include <ratio>
#include <type_traits>

namespace sluice::detail::core {

using steady_time = std::chrono::steady_clock::time_point;

/// Converts a duration; what is too large becomes the largest, and what is too small the smallest.
template <class To, class Rep, class Period>
constexpr To saturated(std::chrono::duration<Rep, Period> d) noexcept {
  if constexpr (std::is_same_v<To, std::chrono::duration<Rep, Period>>) {
    return d;
  } else {
    // Wide enough for every period. What it rounds away is a moment in some hundred years.
    using wide = std::chrono::duration<long double, typename To::period>;
    const wide exact = std::chrono::duration<long double, Period>(d);
    if (!(exact < wide(To::max()))) return To::max();
    if (!(exact > wide(To::min()))) return To::min();
    // A cast multiplies before it divides, which may be too much in between, and floating-point
    // numbers may be rounded up to what is too much.
    using factor = std::ratio_divide<Period, typename To::period>;
    constexpr bool is_safe =
        !std::chrono::treat_as_floating_point_v<Rep> && (factor::num == 1 || factor::den == 1);
    if constexpr (is_safe)
      return std::chrono::duration_cast<To>(d);
    else
      return To(static_cast<typename To::rep>(exact.count()));
  }
}

/// The moment `d` after `start`. Never, if the clock does not reach so far.
template <class TimePoint, class Rep, class Period>
constexpr TimePoint later(TimePoint start, std::chrono::duration<Rep, Period> d) noexcept {
  const auto wanted = saturated<typename TimePoint::duration>(d);
  if (wanted <= TimePoint::duration::zero()) return start;
  return start < TimePoint::max() - wanted ? start + wanted : TimePoint::max();
}

struct no_deadline {
  static constexpr bool has_passed() noexcept { return false; }
  static constexpr bool is_far() noexcept { return true; }
  static constexpr steady_time limit() noexcept { return steady_time::max(); }
};

template <class Clock>
class deadline {
  using time_point = typename Clock::time_point;

 public:
  constexpr explicit deadline(time_point t) noexcept : time_(t) {}

  template <class Duration>
  static constexpr deadline at(std::chrono::time_point<Clock, Duration> t) noexcept {
    return deadline(time_point(saturated<typename Clock::duration>(t.time_since_epoch())));
  }

  template <class Rep, class Period>
  static deadline after(std::chrono::duration<Rep, Period> d) noexcept {
    return deadline(later(time_point(Clock::now()), d));
  }

  bool has_passed() const noexcept { return time_ != time_point::max() && Clock::now() >= time_; }

  /// Whether it is certain that there is time for more than a short look. Other people's clocks are
  /// not asked for that.
  bool is_far() const noexcept {
    if constexpr (std::is_same_v<Clock, std::chrono::steady_clock>)
      return time_ > later(Clock::now(), std::chrono::milliseconds(1));
    else
      return false;
  }

  /// How long to sleep before it is worth while to ask again.
  steady_time limit() const noexcept {
    if constexpr (std::is_same_v<Clock, std::chrono::steady_clock>) {
      return time_;
    } else {
      if (time_ == time_point::max()) return steady_time::max();
      const auto now = std::chrono::steady_clock::now();
      // The difference may be larger than what the clock can count.
      using wide = std::chrono::duration<long double, typename Clock::period>;
      const time_point here(Clock::now());
      return later(now, wide(time_.time_since_epoch()) - wide(here.time_since_epoch()));
    }
  }

 private:
  time_point time_;
};

}  // namespace sluice::detail::core

#endif  // SLUICE_DETAIL_CORE_DEADLINE_HPP
