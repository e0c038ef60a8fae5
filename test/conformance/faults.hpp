// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_CONFORMANCE_FAULTS_HPP
#define SLUICE_TEST_CONFORMANCE_FAULTS_HPP

// One asynchronous operation, of any function, in any course and with any token, while memory is
// scarce; and what must hold whichever allocation fails:
//
// - It completes as it would have, or with `no_memory` where the function is known to, or its
//   handler is destroyed uncalled.
// - A function that throws has not begun anything that is still there.
// - What it was to receive has been received, or is left for the next one.
// - What it was to send has been sent if it says so, and has not been sent if it says that.
// - Another operation, begun when there is memory again, takes its course as if nothing had been.
// - All values are destroyed in the end, and all memory is given back.

#include "conformance/functions.hpp"
#include "support/faults.hpp"
#include "support/message.hpp"
#include "support/recorder.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <boost/system/errc.hpp>
#include <boost/system/system_error.hpp>
#include <boost/test/unit_test_log.hpp>

#include <cstddef>
#include <cstring>
#include <new>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace conformance {

using support::faults;
using support::recorder;
using support::scarcity;

/// What an operation under scarcity has to do with; the token is given these.
template <class End>
struct situation {
  End& end;
  const course way;
  asio::io_context& context;
  faults& memory;
  const recorder& seen;
  bool steered;
};

/// The services of a context are made with its first operations; a strand of Asio's cannot be made
/// half.
inline void make_services(asio::io_context& context) {
  auto [tx, rx] = sluice::make_channel<message>(context, 1);
  rx.async_receive(asio::detached);
}

/// Runs what there is to run, also after exceptions.
inline void run_all(asio::io_context& context, faults& memory) {
  for (bool done = false; !done;) {
    context.restart();
    done = memory.attempt([&] { context.poll(); });
  }
}

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

template <class Function, class End>
void check_values(const Function& function, situation<End>& now) {
  End& end = now.end;
  faults& memory = now.memory;
  const bool succeeded = now.seen.done() && !now.seen.last().error;
  const bool goes_on = now.way == course::at_once || now.way == course::after_waiting;
  const bool is_sent_by_function = std::strncmp(function.name, "async_send", 10) == 0;
  if constexpr (can_be_left<End>::value) {
    const bool left = end.is_left();
    if (goes_on) memory.expect(succeeded != left, "what it was to receive is lost, or there twice");
  }
  const bool says = now.seen.done() && now.seen.last() != found_none;
  if (is_sent_by_function) {
    const bool sent = conformance::ask(
        end.other, [](auto& h) -> decltype(takes_id(h, 1)) { return takes_id(h, 1); }, false);
    if (says) memory.expect(sent == succeeded, "what was sent is not what it says");
    if (std::strcmp(function.form, "by_reference") == 0 &&
        std::strcmp(function.name, "async_send") == 0 && std::strcmp(function.type, "sender") == 0)
      memory.expect(sent == (end.value.id() != 1), "the value is lost, or there twice");
  }
}

/// Begins an operation that nothing is wrong with; it must take its course.
template <class Function, class End>
void check_another(const Function& function, situation<End>& now, support::ledger& values) {
  recorder again;
  message value(2, values);
  function.call_on(now.end.handle, value, again.get_handler());
  let_wait(now.end, now.context);
  now.end.steer(course::after_waiting);
  run_all(now.context, now.memory);
  now.memory.expect(again.calls() == 1, "the next operation is stuck");
  if constexpr (can_close<decltype(now.end.handle)>::value ||
                can_close<decltype(now.end.other)>::value)
    conformance::close(now.end);
  recorder last;
  function.call_on(now.end.handle, value, last.get_handler());
  run_all(now.context, now.memory);
  now.end.handle.cancel();
  run_all(now.context, now.memory);
  now.memory.expect(last.calls() == 1, "an operation after closing is stuck");
  now.memory.expect(now.context.stopped(), "work is counted that nobody has begun");
}

/// What `f` returns, or the error that it throws.
template <class F>
result result_or_error(F&& f) {
  try {
    return std::forward<F>(f)();
  } catch (const boost::system::system_error& e) {
    return {e.code(), false};
  } catch (const std::bad_alloc&) {
    return found_none;
  }
}

/// Whether an operation may say that there was no memory, not only throw.
template <class Function>
bool may_say_no_memory(const Function& function) {
  const std::string name = function.name;
  const bool copies = std::strcmp(function.type, "broadcast_receiver") == 0;
  return copies || name == "async_receive_some" || name.compare(0, 10, "async_send") == 0;
}

/// What `call` returns, with an error that is stored beside it.
template <class Call>
result result_with(const error_code& error, Call call) {
  if constexpr (std::is_void_v<decltype(call())>) {
    call();
    return {error, false};
  } else {
    const auto value = call();
    return {error, static_cast<bool>(value)};
  }
}

/// How an operation is begun with a token.
struct plain_use {
  static constexpr bool is_silent = false;     // it says nothing of what became of its operation
  static constexpr bool begins_later = false;  // only when the context runs
  static constexpr bool survives_for_good = true;

  /// For tokens that have to be asked for the result.
  void settle() {}
};

template <class Use, class Function>
void run_under_scarcity(const Function& function, course way, bool on_strand, faults& memory) {
  using end_type = typename Function::template end<asio::any_io_executor, sluice::multi_threaded>;
  support::ledger values;
  {
    recorder seen;
    asio::io_context context;
    make_services(context);
    asio::any_io_executor ex = context.get_executor();
    if (on_strand) {
      ex = asio::make_strand(context);
      memory.spare_recycled();
    }
    end_type end(ex, way);
    end.value = message(1, values);
    situation<end_type> now{end, way, context, memory, seen, !waits(way)};
    Use use;
    const bool threw = !memory.attempt([&] { use.begin(function, now); });
    if (Use::begins_later) run_all(context, memory);
    if (!now.steered)
      now.steered = memory.attempt([&] { support::in_library([&] { end.steer(way); }); });
    run_all(context, memory);
    memory.end();
    if (!now.steered) end.steer(way);
    run_all(context, memory);
    use.settle();

    if constexpr (!Use::is_silent) {
      const bool as_always = seen.done() && seen.last() == end.expected(way);
      // What throws may have done so before it was given a handler.
      memory.expect(threw || seen.done() != seen.dropped(), "neither completed nor destroyed");
      const bool says_so =
          may_say_no_memory(function) && seen.last().error == asio::error::no_memory;
      memory.expect(!seen.done() || as_always || says_so || seen.last() == found_none,
                    "it completed in another way than expected");
      if (!memory.any_failed()) memory.expect(as_always, "it fails although nothing has failed");
      if (threw) memory.expect(!seen.done(), "it has thrown, and completed");
      check_values(function, now);
    }
    check_another(function, now, values);
  }
  keeper<std::vector<message>>::forget();
  keeper<letter>::forget();
  memory.expect(values.alive() == 0, "a value is never destroyed");
}

/// Checks a function with a token; returns how many allocations could fail.
template <class Use, class Function>
int check_scarcity(const Function& function, course way) {
  int points = 0;
  for (const bool on_strand : {false, true})
    points += support::fail_each_allocation(
        [&](faults& memory) { run_under_scarcity<Use>(function, way, on_strand, memory); },
        Use::survives_for_good);
  BOOST_TEST_MESSAGE("points: " + std::to_string(points) + " " + function.type);
  return points;
}

}  // namespace conformance

#endif  // SLUICE_TEST_CONFORMANCE_FAULTS_HPP
