// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_CONFORMANCE_ENDS_HPP
#define SLUICE_TEST_CONFORMANCE_ENDS_HPP

// Situations in which an asynchronous function can be called, and how its operation goes on.
//
// An end owns a handle, and whatever is needed on the other side to bring its operation to the end
// that the course names. There is one end for each thing that can be waited for; functions that
// wait for the same thing share it. Every end has
//
// - end(ex, course): an end whose handle has `ex`, prepared for the course
// - handle, value: what the function is called on, and what it may send
// - steer(course): makes an operation that waits take its course. It throws std::bad_alloc if it
//   could not, and then has done nothing
// - expected(course): what the operation then ends with
// - drop_handle(): lets go of the only handle of this side
// - after_drop: what an operation ends with that began before, with after_drop_steer()
// - lazy_after_drop: the same, if it was made before and is started after that
// - lazy_senders: how many senders an operation counts as that is not started yet
//
// and may have
//
// - is_left(): what it would have taken, had it not been cancelled, is there
// - stays_open: the other side is not closed when this one has gone
// - looks_first: what waits has to run once before it does; see let_wait()

#include "support/message.hpp"
#include "support/recorder.hpp"

#include <sluice/channel.hpp>

#include <boost/asio/error.hpp>

#include <cstddef>
#include <new>
#include <ostream>
#include <tuple>
#include <utility>

namespace conformance {

namespace asio = boost::asio;
using support::message;
using support::result;

/// How an operation goes on.
enum class course {
  at_once,               // it is ready when it is begun
  after_waiting,         // it waits, and then succeeds
  cancelled,             // it waits, and then its handle cancels it
  closed_while_waiting,  // it waits, and then the channel is closed
  closed_before,         // it is begun after closing
  on_empty_handle,       // it is begun on a handle that was moved from
};

inline constexpr course courses[] = {course::at_once,       course::after_waiting,
                                     course::cancelled,     course::closed_while_waiting,
                                     course::closed_before, course::on_empty_handle};

constexpr const char* name_of(course way) {
  switch (way) {
    case course::at_once:
      return "at_once";
    case course::after_waiting:
      return "after_waiting";
    case course::cancelled:
      return "cancelled";
    case course::closed_while_waiting:
      return "closed_while_waiting";
    case course::closed_before:
      return "closed_before";
    case course::on_empty_handle:
      break;
  }
  return "on_empty_handle";
}

inline std::ostream& operator<<(std::ostream& out, course way) {
  return out << name_of(way);
}

constexpr bool waits(course way) {
  return way == course::after_waiting || way == course::cancelled ||
         way == course::closed_while_waiting;
}

/// For what is done to the other side.
inline void say_if_no_memory(sluice::error_code ec) {
  if (ec == asio::error::no_memory) throw std::bad_alloc();
}

inline const result success{};
inline const result success_with_something{{}, true};
inline const result aborted{asio::error::operation_aborted, false};
inline const result closed{sluice::error::closed, false};

/// Waits for a place in a channel of capacity 1, or has one.
template <class Executor, class Threading>
class sending_end {
 public:
  sending_end(const Executor& ex, course way) {
    std::tie(handle, other) = sluice::make_channel<message, Executor, Threading>(ex, 1);
    if (waits(way)) static_cast<void>(handle.try_send(message(0)));
    if (way == course::closed_before) other.close();
    if (way == course::on_empty_handle) moved_to = std::move(handle);
  }

  void steer(course way) {
    if (way == course::after_waiting) static_cast<void>(other.try_receive());
    if (way == course::cancelled) handle.cancel();
    if (way == course::closed_while_waiting) other.close();
  }

  static result expected(course way) {
    if (way == course::at_once || way == course::after_waiting) return success;
    return way == course::cancelled ? aborted : closed;
  }

  // A pending send stays, and so does one that has not begun; what they wait for is a receive.
  void drop_handle() { handle = {}; }
  void after_drop_steer() { static_cast<void>(other.try_receive()); }
  inline static const result after_drop = success;
  inline static const result lazy_after_drop = success;
  static constexpr std::size_t lazy_senders = 1;

  sluice::sender<message, Executor, Threading> handle;
  sluice::sender<message, Executor, Threading> moved_to;
  sluice::receiver<message, Executor, Threading> other;
  message value{1};
};

/// Waits for a message, or has one.
template <class Executor, class Threading>
class receiving_end {
 public:
  receiving_end(const Executor& ex, course way) {
    std::tie(other, handle) = sluice::make_channel<message, Executor, Threading>(ex, 1);
    if (way == course::at_once) static_cast<void>(other.try_send(message(0)));
    if (way == course::closed_before) other.close();
    if (way == course::on_empty_handle) moved_to = std::move(handle);
  }

  void steer(course way) {
    if (way == course::after_waiting) say_if_no_memory(other.try_send(message(0)));
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

  sluice::receiver<message, Executor, Threading> handle;
  sluice::receiver<message, Executor, Threading> moved_to;
  sluice::sender<message, Executor, Threading> other;
  message value{1};
};

/// A sender that waits until the channel is closed, or for which it is closed already.
template <class Executor, class Threading>
class closing_end {
 public:
  closing_end(const Executor& ex, course way) {
    std::tie(handle, other) = sluice::make_channel<message, Executor, Threading>(ex, 1);
    if (way == course::at_once) other = {};
    if (way == course::closed_before) handle.close();
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
  inline static const result lazy_after_drop = success;
  static constexpr std::size_t lazy_senders = 0;

  sluice::sender<message, Executor, Threading> handle;
  sluice::sender<message, Executor, Threading> moved_to;
  sluice::receiver<message, Executor, Threading> other;
  message value{1};
};

}  // namespace conformance

#endif  // SLUICE_TEST_CONFORMANCE_ENDS_HPP
