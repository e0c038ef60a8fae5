// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_CONFORMANCE_AFTERMATH_HPP
#define SLUICE_TEST_CONFORMANCE_AFTERMATH_HPP

// What must hold after something has failed, whatever it was: memory, an executor, a handler.
//
// - What was to be received has been received, or is left for the next one.
// - What was to be sent has been sent if the operation says so, and has not been if it says that.
// - Another operation takes its course as if nothing had been, and another one after closing.

#include "conformance/functions.hpp"
#include "support/complaints.hpp"
#include "support/message.hpp"
#include "support/recorder.hpp"

#include <boost/system/errc.hpp>

#include <string>
#include <utility>
#include <vector>

namespace conformance {

using support::complaints;
using support::recorder;

/// Whether a message of that id is among those that wait at the other side.
template <class Receiver>
auto takes_id(Receiver& rx, int id) -> decltype(rx.try_receive()->id() == id) {
  bool found = false;
  while (auto received = rx.try_receive())
    if (received->id() == id) found = true;
  return found;
}

/// Stands for std::bad_alloc where errors are thrown.
inline const result found_none{make_error_code(boost::system::errc::not_enough_memory), false};

/// Looks at the messages that there are at an end when its operation is over.
template <class Function, class End>
void check_values(const Function& function, End& end, course way, const recorder& seen,
                  complaints& wrong) {
  const bool succeeded = seen.done() && !seen.last().error;
  if constexpr (can_be_left<End>::value) {
    const bool left = end.is_left();
    if (way == course::at_once || way == course::after_waiting)
      wrong.expect(succeeded != left, "what it was to receive is lost, or there twice");
  }
  const std::string name = function.name;
  if (name.compare(0, 10, "async_send") != 0) return;
  const bool sent = conformance::ask(
      end.other, [](auto& h) -> decltype(takes_id(h, 1)) { return takes_id(h, 1); }, false);
  if (seen.done() && seen.last() != found_none)
    wrong.expect(sent == succeeded, "what was sent is not what it says");
  const bool is_lent =
      std::string(function.form) == "by_reference" || std::string(function.form) == "by_span";
  // A value of other types stays elsewhere.
  if (is_lent && std::string(function.type) == "sender" && end.value.id() == 1)
    wrong.expect(!sent, "the value is there twice");
  if (is_lent && std::string(function.type) == "sender" && name == "async_send")
    wrong.expect(sent == (end.value.id() != 1), "the value is lost, or there twice");
}

/// Begins two operations that nothing is wrong with, the second one after closing. `run` runs what
/// there is to run.
template <class Function, class End, class Run>
void check_others(const Function& function, End& end, Run run, support::ledger& values,
                  complaints& wrong) {
  recorder next;
  message value(2, values);
  function.call_on(end.handle, value, next.get_handler());
  if constexpr (looks_first<End>::value) run();
  end.steer(course::after_waiting);
  run();
  wrong.expect(next.calls() == 1, "the next operation is stuck");
  if constexpr (can_close<decltype(end.handle)>::value || can_close<decltype(end.other)>::value)
    conformance::close(end);
  recorder last;
  function.call_on(end.handle, value, last.get_handler());
  run();
  end.handle.cancel();
  run();
  wrong.expect(last.calls() == 1, "an operation after closing is stuck");
}

/// Whether an operation may say that there was no memory, not only throw.
template <class Function>
bool may_say_no_memory(const Function& function) {
  const std::string name = function.name;
  const bool copies = std::string(function.type) == "broadcast_receiver";
  return copies || name == "async_receive_some" || name.compare(0, 10, "async_send") == 0;
}

/// For when no operation is left.
inline void forget_kept() {
  keeper<std::vector<message>>::forget();
  keeper<letter>::forget();
}

}  // namespace conformance

#endif  // SLUICE_TEST_CONFORMANCE_AFTERMATH_HPP
