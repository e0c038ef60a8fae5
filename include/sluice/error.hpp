// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_ERROR_HPP
#define SLUICE_ERROR_HPP

#include <boost/system/error_category.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/error_condition.hpp>

#include <string>
#include <type_traits>

namespace sluice {

using boost::system::error_code;

/// What the functions of this library report, besides Asio's `operation_aborted` and `timed_out`.
/**
 * Each has an equivalent generic condition, so that code which does not know this library can test
 * for it: `ec == boost::system::errc::broken_pipe`, for example.
 */
enum class error {
  /// Nothing can be sent or received here any more. Condition: `broken_pipe`.
  closed = 1,
  /// No place is free now. Condition: `resource_unavailable_try_again`.
  full,
  /// Nothing is there to be received now. Condition: `resource_unavailable_try_again`.
  empty,
  /// A subscriber was overtaken; `missed()` says by how many messages.
  lagged,
  /// Blocking here would wait for this very thread. Condition: `resource_deadlock_would_occur`.
  would_deadlock,
  /// Copying a broadcast message for this subscriber threw an exception.
  copy_failed
};

namespace detail {

class error_category final : public boost::system::error_category {
 public:
  constexpr error_category() noexcept : boost::system::error_category(0x736c756963650001ULL) {}

  const char* name() const noexcept override { return "sluice"; }

  std::string message(int value) const override {
    switch (static_cast<error>(value)) {
      case error::closed:
        return "the channel is closed: stop sending, or end the receiving loop";
      case error::full:
        return "the channel is full: wait with async_send, or drop or redirect the value";
      case error::empty:
        return "the channel is empty: wait with async_receive, or come back later";
      case error::lagged:
        return "this subscriber was overtaken: missed() tells by how many messages; the next "
               "receive returns the oldest one still held";
      case error::would_deadlock:
        return "blocking this thread would deadlock, since it runs the executor it would wait for: "
               "use the async_ form here, or block on another thread";
      case error::copy_failed:
        return "copying the message for this subscriber threw an exception: it was skipped here";
    }
    return "unknown sluice error";
  }

  boost::system::error_condition default_error_condition(int value) const noexcept override {
    namespace errc = boost::system::errc;
    switch (static_cast<error>(value)) {
      case error::closed:
        return errc::make_error_condition(errc::broken_pipe);
      case error::full:
      case error::empty:
        return errc::make_error_condition(errc::resource_unavailable_try_again);
      case error::would_deadlock:
        return errc::make_error_condition(errc::resource_deadlock_would_occur);
      case error::lagged:
      case error::copy_failed:
        break;
    }
    return boost::system::error_condition(value, *this);
  }
};

}  // namespace detail

/// The category of `sluice::error`.
inline const boost::system::error_category& error_category() noexcept {
  static constexpr detail::error_category instance;
  return instance;
}

/// Makes an `error_code` of an `error`; found by its arguments, where one is compared or assigned.
inline error_code make_error_code(error e) noexcept {
  return error_code(static_cast<int>(e), error_category());
}

}  // namespace sluice

template <>
struct boost::system::is_error_code_enum<sluice::error> : std::true_type {};

#endif  // SLUICE_ERROR_HPP
