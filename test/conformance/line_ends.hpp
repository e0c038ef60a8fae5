// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_CONFORMANCE_LINE_ENDS_HPP
#define SLUICE_TEST_CONFORMANCE_LINE_ENDS_HPP

// The ends for reservations and for sends of several values; see ends.hpp.

#include "conformance/ends.hpp"
#include "conformance/kept.hpp"
#include "support/message.hpp"
#include "support/recorder.hpp"

#include <sluice/channel.hpp>

#include <cstddef>
#include <tuple>
#include <utility>
#include <vector>

namespace conformance {

/// A vector of one message.
inline std::vector<message> only(message& value) {
  std::vector<message> values;
  values.push_back(std::move(value));
  return values;
}

/// One that stays where it is: nobody knows how long it is referred to.
inline std::vector<message>& kept(message& value) {
  return keep(only(value));
}

/// Waits for places for its messages, of which there is one, or has them.
template <class Executor, class Threading>
class sending_all_end : public sending_end<Executor, Threading> {
  using base = sending_end<Executor, Threading>;

 public:
  using base::base;

  static result expected(course way) {
    const result of_one = base::expected(way);
    return of_one == success ? success_with_something : of_one;
  }

  inline static const result after_drop = success_with_something;
  inline static const result lazy_after_drop = success_with_something;
};

/// Waits for the place of a channel of capacity 1, or has it.
template <class Executor, class Threading>
class reserving_end {
 public:
  using signature = void(sluice::error_code, sluice::permit<message, Threading>);

  reserving_end(const Executor& ex, course way) {
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
    if (way == course::at_once || way == course::after_waiting) return success_with_something;
    return way == course::cancelled ? aborted : closed;
  }

  // It does not keep the channel open.
  void drop_handle() { handle = {}; }
  void after_drop_steer() {}
  inline static const result after_drop = aborted;
  inline static const result lazy_after_drop = closed;
  static constexpr std::size_t lazy_senders = 0;

  sluice::sender<message, Executor, Threading> handle;
  sluice::sender<message, Executor, Threading> moved_to;
  sluice::receiver<message, Executor, Threading> other;
  message value{1};
};

}  // namespace conformance

#endif  // SLUICE_TEST_CONFORMANCE_LINE_ENDS_HPP
