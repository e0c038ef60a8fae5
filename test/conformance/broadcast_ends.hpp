// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_CONFORMANCE_BROADCAST_ENDS_HPP
#define SLUICE_TEST_CONFORMANCE_BROADCAST_ENDS_HPP

// The ends of broadcasts; see ends.hpp. Their messages have to be copyable: letters.

#include "conformance/ends.hpp"
#include "conformance/kept.hpp"
#include "support/broadcasts.hpp"
#include "support/message.hpp"
#include "support/recorder.hpp"

#include <sluice/broadcast.hpp>

#include <cstddef>
#include <utility>

namespace conformance {

using support::letter;

/// A letter with the id of a message. It stays where it is: nobody knows how long it is referred
/// to.
inline letter& letter_for(const message& value) {
  return keep(letter(value.id()));
}

/// Waits for a message, or has one.
template <class Executor, class Threading>
class broadcast_receiving_end {
 public:
  broadcast_receiving_end(const Executor& ex, course way) : other(ex, 1) {
    handle = other.subscribe();
    if (way == course::at_once) other.send(letter(0));
    if (way == course::closed_before) other.close();
    if (way == course::on_empty_handle) moved_to = std::move(handle);
  }

  void steer(course way) {
    if (way == course::after_waiting) other.send(letter(0));
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

  bool is_left() { return handle.try_receive().has_value(); }

  // Others may subscribe later.
  static constexpr bool stays_open = true;

  sluice::broadcast_sender<letter, Executor, Threading> other;
  sluice::broadcast_receiver<letter, Executor, Threading> handle;
  sluice::broadcast_receiver<letter, Executor, Threading> moved_to;
  message value{1};
};

/// Waits for a place in a lossless broadcast of capacity 1, or has one.
template <class Executor, class Threading>
class broadcast_sending_end {
 public:
  broadcast_sending_end(const Executor& ex, course way)
      : handle(ex, 1), known(handle), other(handle.subscribe()) {
    if (waits(way)) static_cast<void>(handle.try_send(letter(0)));
    if (way == course::closed_before) handle.close();
    if (way == course::on_empty_handle) moved_to = std::move(handle);
  }

  void steer(course way) {
    if (way == course::after_waiting) static_cast<void>(other.try_receive());
    if (way == course::cancelled) handle.cancel();
    // The handle may be somewhere else by now.
    if (way == course::closed_while_waiting) known.lock().close();
  }

  static result expected(course way) {
    if (way == course::at_once || way == course::after_waiting) return success_with_something;
    return way == course::cancelled ? aborted : closed;
  }

  // A pending send stays, and so does one that has not begun; what they wait for is a receive.
  void drop_handle() { handle = {}; }
  void after_drop_steer() { static_cast<void>(other.try_receive()); }
  inline static const result after_drop = success_with_something;
  inline static const result lazy_after_drop = success_with_something;
  static constexpr std::size_t lazy_senders = 1;

  sluice::lossless_broadcast_sender<letter, Executor, Threading> handle;
  sluice::lossless_broadcast_sender<letter, Executor, Threading> moved_to;
  sluice::weak_broadcast_sender<letter, Executor, Threading, sluice::overflow::wait> known;
  sluice::broadcast_receiver<letter, Executor, Threading> other;
  message value{1};
};

/// A sender that waits until nobody subscribes, or nobody does.
template <class Executor, class Threading>
class broadcast_closing_end {
 public:
  broadcast_closing_end(const Executor& ex, course way)
      : handle(ex, 1), known(handle), other(handle.subscribe()) {
    if (way == course::at_once) other = {};
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

  sluice::broadcast_sender<letter, Executor, Threading> handle;
  sluice::broadcast_sender<letter, Executor, Threading> moved_to;
  sluice::weak_broadcast_sender<letter, Executor, Threading> known;
  sluice::broadcast_receiver<letter, Executor, Threading> other;
  message value{1};
};

}  // namespace conformance

#endif  // SLUICE_TEST_CONFORMANCE_BROADCAST_ENDS_HPP
