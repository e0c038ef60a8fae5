// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_CONFORMANCE_WATCH_ENDS_HPP
#define SLUICE_TEST_CONFORMANCE_WATCH_ENDS_HPP

// The ends of watches; see ends.hpp.

#include "conformance/ends.hpp"
#include "support/message.hpp"
#include "support/recorder.hpp"

#include <sluice/watch.hpp>

#include <cstddef>
#include <utility>

namespace conformance {

/// Waits for another value than 0, or has one that it has not seen.
template <class Executor, class Threading>
class watch_receiving_end {
 public:
  watch_receiving_end(const Executor& ex, course way) : other(ex, 0) {
    handle = other.subscribe();
    if (way == course::at_once) other.send(1);
    if (way == course::closed_before) other.close();
    if (way == course::on_empty_handle) moved_to = std::move(handle);
  }

  void steer(course way) {
    if (way == course::after_waiting) say_if_no_memory(other.send(1));
    if (way == course::cancelled) handle.cancel();
    if (way == course::closed_while_waiting) other.close();
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
  static constexpr bool stays_open = true;

  bool is_left() const { return handle.has_changed(); }

  sluice::watch_receiver<int, Executor, Threading> handle;
  sluice::watch_receiver<int, Executor, Threading> moved_to;
  sluice::watch_sender<int, Executor, Threading> other;
  message value{1};
};

/// The same for one that tests the values, and looks at the first one before it waits.
template <class Executor, class Threading>
class watch_testing_end : public watch_receiving_end<Executor, Threading> {
 public:
  using watch_receiving_end<Executor, Threading>::watch_receiving_end;

  static constexpr bool looks_first = true;
};

/// A sender that waits until nobody watches, or it is so already.
template <class Executor, class Threading>
class watch_closing_end {
 public:
  watch_closing_end(const Executor& ex, course way) : handle(ex, 0), known(handle) {
    if (way != course::at_once) other = handle.subscribe();
    if (way == course::closed_before) handle.close();
    if (way == course::on_empty_handle) moved_to = std::move(handle);
  }

  void steer(course way) {
    if (way == course::after_waiting) other = {};
    if (way == course::cancelled) handle.cancel();
    // The handle may be somewhere else by now.
    if (way == course::closed_while_waiting) known.lock().close();
  }

  static result expected(course way) {
    if (way == course::cancelled) return aborted;
    return way == course::on_empty_handle ? closed : success;
  }

  void drop_handle() { handle = {}; }
  void after_drop_steer() {}
  inline static const result after_drop = aborted;
  inline static const result lazy_after_drop = success;
  static constexpr std::size_t lazy_senders = 0;

  sluice::watch_sender<int, Executor, Threading> handle;
  sluice::weak_watch_sender<int, Executor, Threading> known;
  sluice::watch_sender<int, Executor, Threading> moved_to;
  sluice::watch_receiver<int, Executor, Threading> other;
  message value{1};
};

}  // namespace conformance

#endif  // SLUICE_TEST_CONFORMANCE_WATCH_ENDS_HPP
