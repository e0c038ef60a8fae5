// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_CONFORMANCE_FAULTS_HPP
#define SLUICE_TEST_CONFORMANCE_FAULTS_HPP

// One asynchronous operation, of any function, in any course and with any token, while memory is
// scarce; and what must hold whichever allocation fails:
//
// - It completes as it would have, or with `no_memory` where the function is known to, or its
//   handler is destroyed uncalled.
// - A function that throws has not begun anything that completes.
// - All values are destroyed in the end, all memory is given back, no work is left.
// - What aftermath.hpp says.

#include "conformance/aftermath.hpp"
#include "conformance/functions.hpp"
#include "support/faults.hpp"
#include "support/message.hpp"
#include "support/recorder.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <boost/system/system_error.hpp>
#include <boost/test/unit_test_log.hpp>

#include <cstddef>
#include <new>
#include <string>
#include <tuple>
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

/// Runs what there is to run, also after exceptions.
inline void run_all(asio::io_context& context, faults& memory) {
  for (bool done = false; !done;) {
    context.restart();
    done = memory.attempt([&] { context.poll(); });
  }
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

/// That of an operation whose error is stored beside what it gives: a value, or several.
template <class Value>
result result_beside(const error_code& error, const Value& value) {
  return support::result_of(error, value);
}
template <class... Values>
result result_beside(const error_code& error, const std::tuple<Values...>& values) {
  return std::apply([&](const auto&... each) { return support::result_of(error, each...); },
                    values);
}

/// What `call` returns, with an error that is stored beside it.
template <class Call>
result result_with(const error_code& error, Call call) {
  if constexpr (std::is_void_v<decltype(call())>) {
    call();
    return {error, false};
  } else {
    return result_beside(error, call());
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
    support::make_services(context);
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
      check_values(function, end, way, seen, memory);
    }
    check_others(function, end, [&] { run_all(context, memory); }, values, memory);
    memory.expect(context.stopped(), "work is counted that nobody has begun");
  }
  forget_kept();
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
