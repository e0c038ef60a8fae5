// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_MODEL_SCENARIO_HPP
#define SLUICE_TEST_MODEL_SCENARIO_HPP

// How to add a scenario
// ---------------------
// A scenario is a function that makes what it is about, adds threads, runs them, and looks what has
// come of it:
//
//   MODEL_SCENARIO(D4_a_cancelled_send_tells_the_truth, every_schedule()) {
//     context c;                       // what operations complete on
//     channel<int> ch(c, 0);           // see asio_operations.hpp, and core_operations.hpp
//     completed sent;
//     w.worker("worker", c);           // a thread that runs it
//     w.thread("sends", [&] { ch.tx.async_send(1, sent.handler()); });
//     w.thread("cancels", [&] { ch.tx.cancel(); ch.rx.close(); });
//     w.run();
//     MODEL_EXPECT(sent.is(aborted) || sent.is(closed));
//   }
//
// It is run once for each schedule, so it must do the same each time: no real clock, no random
// numbers, nothing that depends on addresses, nothing left over. What happens before run() has no
// schedule; after it all threads are at their ends, and no work is left. Where nobody can go on, or
// an operation is never completed, the schedule fails by itself. Keep it small: two or three
// threads, each with two or three operations; the test prints how many schedules that makes.
// MODEL_EXPECT holds in threads and handlers, too.
//
// The second argument says how far it is explored: every_schedule(), preempted(n) or
// at_random_with(schedules, n); see explore.hpp. MODEL_SCENARIO_OF passes an argument on, and so
// makes one scenario for each.
//
// With SLUICE_MODEL_PLAIN defined the program has nothing of Boost.Test: it ends with 1 when it has
// found something. So are those compiled that have to find a mutation.

#include "explore.hpp"

#if defined(SLUICE_MODEL_PLAIN)

#include <string>
#include <vector>

namespace model {

struct registered {
  registered(const char* n, bounds b, void (*f)(world&)) : name(n), how(b), run(f) {
    all().push_back(this);
  }

  static std::vector<registered*>& all() {
    static std::vector<registered*> each;
    return each;
  }

  const char* const name;
  const bounds how;
  void (*const run)(world&);
};

}  // namespace model

#define MODEL_TEST_CASE(name, bounds, ...) \
  static const ::model::registered name##_registered(#name, bounds, __VA_ARGS__);

/// All scenarios, or those whose names contain the argument.
int main(int count, char** arguments) {
  for (const auto* each : model::registered::all()) {
    if (count > 1 && std::string(each->name).find(arguments[1]) == std::string::npos) continue;
    if (!model::explore(each->name, each->how, each->run).empty()) return 1;
  }
}

#else

#include "support/unit_test.hpp"

#define MODEL_TEST_CASE(name, bounds, ...)                                     \
  BOOST_AUTO_TEST_CASE(name) {                                                 \
    BOOST_TEST(::model::explore(#name, bounds, __VA_ARGS__) == std::string()); \
  }

#endif

#define MODEL_SCENARIO(name, bounds)             \
  static void name##_scenario(::model::world&);  \
  MODEL_TEST_CASE(name, bounds, name##_scenario) \
  static void name##_scenario([[maybe_unused]] ::model::world& w)

/// One of several scenarios with the same body, `body(world&, argument)`.
#define MODEL_SCENARIO_OF(name, bounds, body, argument) \
  MODEL_TEST_CASE(name, bounds, [](::model::world& w) { body(w, argument); })

#endif  // SLUICE_TEST_MODEL_SCENARIO_HPP
