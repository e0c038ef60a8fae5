// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE conformance_refusals

// Each asynchronous function, in each course of its operation, on executors whose execute() throws
// an exception: the first time that it is called, the second time, and so on. Then
//
// - the function that begins the operation throws, if it is there that the executor refuses; or
//   run() of the other executor, if it is on the way from there; and nobody else: a send that wakes
//   a receive does not hear of it;
// - the handler is destroyed uncalled;
// - what aftermath.hpp says (D6).

#include "conformance/aftermath.hpp"
#include "conformance/functions.hpp"
#include "support/impatient_executor.hpp"
#include "support/recorder.hpp"
#include "support/unit_test.hpp"
#include "support/user_executors.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/version.hpp>
#if BOOST_ASIO_VERSION >= 102700
#include <boost/asio/bind_immediate_executor.hpp>
#endif

#include <string>
#include <type_traits>
#include <utility>

using namespace conformance;
using namespace support;

namespace {

/// Where an operation and its handler run, and how patient that is.
struct place {
  task_context context;
  task_context own_context;
  patience handles;   // that of the handle's executor
  patience handlers;  // that of the handler's

  void be_patient() noexcept { handles.left = handlers.left = -1; }

  bool refused() const noexcept { return handles.refused || handlers.refused; }

  /// Runs everything; how often that was refused.
  int run() {
    int refusals = 0;
    for (;;) {
      try {
        if (context.queue.run() + own_context.queue.run() == 0) return refusals;
      } catch (const refusal&) {
        ++refusals;
      }
    }
  }
};

/// One run. `executor(on)` is the handle's, `bind(on, handler)` the handler. What goes from one
/// executor to another may be refused on the way.
template <class Function, class MakeExecutor, class Bind>
void run_once(const Function& function, course way, place& on, MakeExecutor executor, Bind bind,
              complaints& wrong) {
  const auto ex = executor(on);
  ledger values;
  {
    recorder seen;
    typename Function::template end<std::decay_t<decltype(ex)>, sluice::multi_threaded> end(ex,
                                                                                            way);
    end.value = message(1, values);
    bool threw = false;
    try {
      function.call(end, bind(on, seen.get_handler()));
    } catch (const refusal&) {
      threw = true;
    }
    bool heard_of_it = false;
    try {
      end.steer(way);
    } catch (const refusal&) {
      heard_of_it = true;
    }
    const int later = on.run();
    wrong.expect(!heard_of_it, "somebody else hears of it");
    wrong.expect(seen.done() != seen.dropped(), "neither completed nor destroyed");
    wrong.expect(seen.done() == !on.refused(), "it completes, though it was refused");
    wrong.expect(!seen.done() || seen.last() == end.expected(way), "it completes in another way");
    wrong.expect(!threw || !seen.done(), "it has thrown, and completed");
    wrong.expect(waits(way) || !on.refused() || threw || later != 0,
                 "the caller does not hear of it");
    on.be_patient();
    check_values(function, end, way, seen, wrong);
    check_others(function, end, [&] { on.run(); }, values, wrong);
  }
  forget_kept();
  wrong.expect(values.alive() == 0, "a value is never destroyed");
}

/// Lets one of the two executors refuse when it is called for the first time, for the second time
/// and so on; each operation calls it so often, at least.
template <class Function, class MakeExecutor, class Bind>
void check_refusals(const Function& function, course way, patience place::* whose, int least,
                    MakeExecutor executor, Bind bind) {
  for (int times = 0;; ++times) {
    place on;
    (on.*whose).left = times;
    complaints wrong;
    run_once(function, way, on, executor, bind, wrong);
    if (wrong.any())
      BOOST_ERROR(std::string(wrong.first()) + ", when refused after " + std::to_string(times));
    if (on.refused()) continue;
    BOOST_TEST(times >= least);
    return;
  }
}

using posting = impatient_executor<true>;
using blocking = impatient_executor<false>;

posting own_of_handle(place& on) {
  return posting{&on.context, &on.handles};
}

recorder::handler unbound(place&, recorder::handler h) {
  return h;
}

}  // namespace

FOR_EACH_FUNCTION(D6_the_executor_of_the_handle_refuses) {
  check_refusals(function, way, &place::handles, 1, &own_of_handle, &unbound);
}

FOR_EACH_FUNCTION(D6_an_executor_inside_any_io_executor_refuses) {
  check_refusals(
      function, way, &place::handles, 1,
      [](place& on) { return asio::any_io_executor(posting{&on.context, &on.handles}); }, &unbound);
}

// It cannot be told not to block: what comes there is posted, and then dispatched.
FOR_EACH_FUNCTION(D6_an_executor_that_knows_no_properties_refuses) {
  check_refusals(
      function, way, &place::handles, 2,
      [](place& on) { return blocking{&on.context, &on.handles}; }, &unbound);
}

FOR_EACH_FUNCTION(D6_the_executor_of_the_handler_refuses) {
  check_refusals(function, way, &place::handlers, 1, &own_of_handle,
                 [](place& on, recorder::handler h) {
                   return asio::bind_executor(posting{&on.own_context, &on.handlers}, std::move(h));
                 });
}

// The way to that one leads through the executor of the handle, and either may refuse.
FOR_EACH_FUNCTION(D6_an_executor_on_the_way_refuses) {
  for (patience place::* whose : {&place::handles, &place::handlers})
    check_refusals(function, way, whose, 1, &own_of_handle, [](place& on, recorder::handler h) {
      return asio::bind_executor(blocking{&on.own_context, &on.handlers}, std::move(h));
    });
}

#if BOOST_ASIO_VERSION >= 102700
FOR_EACH_FUNCTION(D6_an_immediate_executor_refuses) {
  check_refusals(function, way, &place::handlers, waits(way) ? 0 : 1, &own_of_handle,
                 [](place& on, recorder::handler h) {
                   return asio::bind_immediate_executor(posting{&on.own_context, &on.handlers},
                                                        std::move(h));
                 });
}
#endif
