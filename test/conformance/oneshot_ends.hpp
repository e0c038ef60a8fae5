// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_CONFORMANCE_ONESHOT_ENDS_HPP
#define SLUICE_TEST_CONFORMANCE_ONESHOT_ENDS_HPP

// The ends of oneshots; see ends.hpp.

#include "conformance/ends.hpp"
#include "support/message.hpp"
#include "support/recorder.hpp"

#include <sluice/oneshot.hpp>

#include <cstddef>
#include <tuple>
#include <utility>

namespace conformance {

/// Waits for the value, or has it.
template <class Executor, class Threading>
class oneshot_receiving_end {
 public:
  oneshot_receiving_end(const Executor& ex, course way) {
    std::tie(other, handle) = sluice::make_oneshot<message, Executor, Threading>(ex);
    if (way == course::at_once) static_cast<void>(other.send(message(0)));
    if (way == course::closed_before) handle.close();
    if (way == course::on_empty_handle) moved_to = std::move(handle);
  }

  void steer(course way) {
    if (way == course::after_waiting) static_cast<void>(other.send(message(0)));
    if (way == course::cancelled) handle.cancel();
    if (way == course::closed_while_waiting) other = {};
  }

  static result expected(course way) {
    if (way == course::at_once || way == course::after_waiting) return success_with_something;
    if (way == course::cancelled) return aborted;
    return way == course::on_empty_handle ? closed : success;
  }

  void drop_handle() { handle = {}; }
  void after_drop_steer() {}
  inline static const result after_drop = aborted;
  inline static const result lazy_after_drop = aborted;
  static constexpr std::size_t lazy_senders = 0;

  bool is_left() { return handle.try_receive().has_value(); }

  sluice::oneshot_receiver<message, Executor, Threading> handle;
  sluice::oneshot_receiver<message, Executor, Threading> moved_to;
  sluice::oneshot_sender<message, Executor, Threading> other;
  message value{1};
};

/// A sender that waits until nobody wants its value, or it is so already.
template <class Executor, class Threading>
class oneshot_closing_end {
 public:
  oneshot_closing_end(const Executor& ex, course way) {
    std::tie(handle, other) = sluice::make_oneshot<message, Executor, Threading>(ex);
    if (way == course::at_once) other = {};
    if (way == course::closed_before) other.close();
    if (way == course::on_empty_handle) moved_to = std::move(handle);
  }

  void steer(course way) {
    if (way == course::after_waiting) other = {};
    if (way == course::cancelled) handle.cancel();
    if (way == course::closed_while_waiting) other.close();
  }

  static result expected(course way) {
    if (way == course::cancelled) return aborted;
    return way == course::on_empty_handle ? closed : success;
  }

  void drop_handle() { handle = {}; }
  void after_drop_steer() {}
  inline static const result after_drop = aborted;
  inline static const result lazy_after_drop = aborted;
  static constexpr std::size_t lazy_senders = 0;

  sluice::oneshot_sender<message, Executor, Threading> handle;
  sluice::oneshot_sender<message, Executor, Threading> moved_to;
  sluice::oneshot_receiver<message, Executor, Threading> other;
  message value{1};
};

}  // namespace conformance

#endif  // SLUICE_TEST_CONFORMANCE_ONESHOT_ENDS_HPP
