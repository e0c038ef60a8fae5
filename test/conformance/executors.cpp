// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE conformance_executors
#define CONFORMANCE_ONE_FORM_EACH

// Where handlers run, for each asynchronous function and each course of its operation: never inside
// another function of the library (K1), through the associated executor, by default the handle's,
// and with work counted on both until then (K2).

#include "conformance/functions.hpp"
#include "support/recorder.hpp"
#include "support/tracked_executor.hpp"
#include "support/unit_test.hpp"
#include "support/user_executors.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/system_executor.hpp>
#include <boost/asio/thread_pool.hpp>

#include <optional>
#include <thread>

using namespace conformance;
using namespace support;

using io_executor = asio::io_context::executor_type;
using tracked_io = tracked_executor<io_executor>;

// K1: never inside a call -------------------------------------------------------------------------

// All of it happens on a thread that runs the executor, where dispatching would call the handler.
FOR_EACH_FUNCTION(K1_no_handler_runs_inside_a_call) {
  for_each_flavour([&](auto threading) {
    asio::io_context context;
    typename Function::template end<io_executor, decltype(threading)> end(context.get_executor(),
                                                                          way);
    recorder seen;
    asio::post(context, [&] {
      function.call(end, seen.get_handler());
      in_library([&] { end.steer(way); });
      BOOST_TEST(!seen.done());
    });
    context.run();
    BOOST_TEST(seen.calls() == 1);
    BOOST_TEST(!seen.inside_a_call());
    BOOST_TEST(seen.last() == end.expected(way));
  });
}

FOR_EACH_FUNCTION(K1_no_handler_with_its_own_executor_runs_inside_a_call) {
  asio::io_context context;
  const auto strand = asio::make_strand(context);
  typename Function::template end<asio::any_io_executor, sluice::multi_threaded> end(
      context.get_executor(), way);
  recorder seen;
  asio::post(strand, [&] {
    function.call(end, asio::bind_executor(strand, seen.get_handler()));
    in_library([&] { end.steer(way); });
    BOOST_TEST(!seen.done());
  });
  context.run();
  BOOST_TEST(seen.calls() == 1);
  BOOST_TEST(!seen.inside_a_call());
  BOOST_TEST(seen.last() == end.expected(way));
}

// K2: through which executor ----------------------------------------------------------------------

FOR_EACH_FUNCTION(K2_without_an_executor_of_its_own_a_handler_is_posted_to_the_handles) {
  for_each_flavour([&](auto threading) {
    asio::io_context context;
    executor_log log;
    typename Function::template end<tracked_io, decltype(threading)> end(
        tracked_io(context.get_executor(), log), way);
    recorder seen;
    function.call(end, seen.get_handler());
    in_library([&] { end.steer(way); });
    context.run();
    BOOST_TEST(seen.last() == end.expected(way));
    BOOST_TEST(seen.ran_on() == &log);
    BOOST_TEST(log.executed == 1);
    BOOST_TEST(log.may_block == 0);
  });
}

// The handle's context does not run meanwhile, and need not.
FOR_EACH_FUNCTION(K2_a_handler_is_posted_to_its_own_executor_and_to_no_other) {
  for_each_flavour([&](auto threading) {
    asio::io_context context;
    asio::io_context own_context;
    executor_log log;
    executor_log own_log;
    typename Function::template end<tracked_io, decltype(threading)> end(
        tracked_io(context.get_executor(), log), way);
    recorder seen;
    function.call(end, asio::bind_executor(tracked_io(own_context.get_executor(), own_log),
                                           seen.get_handler()));
    in_library([&] { end.steer(way); });
    own_context.run();
    BOOST_TEST(seen.calls() == 1);
    BOOST_TEST(seen.last() == end.expected(way));
    BOOST_TEST(seen.ran_on() == &own_log);
    BOOST_TEST(own_log.executed == 1);
    BOOST_TEST(own_log.may_block == 0);
    BOOST_TEST(log.executed == 0);
  });
}

FOR_EACH_FUNCTION(K2_with_executor_changes_the_default_for_what_begins_later) {
  asio::io_context context;
  asio::io_context other_context;
  executor_log log;
  executor_log other_log;
  typename Function::template end<tracked_io, sluice::multi_threaded> end(
      tracked_io(context.get_executor(), log), way);
  // An operation of the first handle keeps its executor, whatever is made of the handle.
  recorder seen;
  function.call(end, seen.get_handler());
  auto other = with_executor(end.handle, tracked_io(other_context.get_executor(), other_log));
  recorder seen_other;
  message value(2);
  if (way == course::cancelled && !end.handle) {
    other.cancel();
  } else if (way == course::closed_before || way == course::closed_while_waiting) {
    function.call_on(other, value, seen_other.get_handler());
    in_library([&] { end.steer(way); });
    other_context.run();
    BOOST_TEST(seen_other.last() == end.expected(way));
    BOOST_TEST(seen_other.ran_on() == &other_log);
  } else {
    in_library([&] { end.steer(way); });
  }
  context.run();
  BOOST_TEST(seen.last() == end.expected(way));
  BOOST_TEST(seen.ran_on() == &log);
}

// K2: outstanding work ----------------------------------------------------------------------------

FOR_EACH_FUNCTION(K2_a_waiting_operation_is_work_for_the_handles_executor) {
  for_each_flavour([&](auto threading) {
    asio::io_context context;
    executor_log log;
    typename Function::template end<tracked_io, decltype(threading)> end(
        tracked_io(context.get_executor(), log), way);
    BOOST_TEST(log.work == 0);
    recorder seen;
    function.call(end, seen.get_handler());
    let_wait(end, context);
    if (waits(way)) {
      BOOST_TEST(log.work == 1);
      context.poll();
      BOOST_TEST(!context.stopped());
      BOOST_TEST(!seen.done());
    }
    in_library([&] { end.steer(way); });
    context.run();
    BOOST_TEST(seen.calls() == 1);
    BOOST_TEST(log.work == 0);
    BOOST_TEST(context.stopped());
  });
}

FOR_EACH_FUNCTION(K2_a_waiting_operation_is_work_for_both_executors) {
  for_each_flavour([&](auto threading) {
    asio::io_context context;
    asio::io_context own_context;
    executor_log log;
    executor_log own_log;
    typename Function::template end<tracked_io, decltype(threading)> end(
        tracked_io(context.get_executor(), log), way);
    recorder seen;
    function.call(end, asio::bind_executor(tracked_io(own_context.get_executor(), own_log),
                                           seen.get_handler()));
    if (waits(way)) {
      let_wait(end, own_context);
      // What has run once before it waits may have let go of the handle's executor, which may be
      // one that must not outlive its context.
      if (!looks_first<decltype(end)>::value) {
        BOOST_TEST(log.work == 1);
        context.poll();
        BOOST_TEST(!context.stopped());
      }
      BOOST_TEST(own_log.work == 1);
      own_context.poll();
      BOOST_TEST(!own_context.stopped());
    }
    in_library([&] { end.steer(way); });
    // Nothing is left to be done for the one, so it does not wait for the other.
    BOOST_TEST(log.work == 0);
    context.run();
    BOOST_TEST(!seen.done());
    own_context.run();
    BOOST_TEST(seen.calls() == 1);
    BOOST_TEST(own_log.work == 0);
  });
}

FOR_EACH_FUNCTION(K2_work_is_counted_once_if_both_executors_are_the_same) {
  asio::io_context context;
  executor_log log;
  const tracked_io ex(context.get_executor(), log);
  typename Function::template end<tracked_io, sluice::multi_threaded> end(ex, way);
  recorder seen;
  function.call(end, asio::bind_executor(ex, seen.get_handler()));
  let_wait(end, context);
  if (waits(way)) BOOST_TEST(log.work == 1);
  in_library([&] { end.steer(way); });
  context.run();
  BOOST_TEST(seen.calls() == 1);
  BOOST_TEST(log.work == 0);
}

// Here run() really waits, on a thread of its own, and returns because the operation is over.
FOR_EACH_FUNCTION(K2_run_returns_when_the_operation_is_over_and_not_before) {
  asio::io_context context;
  asio::io_context own_context;
  typename Function::template end<io_executor, sluice::multi_threaded> end(context.get_executor(),
                                                                           way);
  recorder seen;
  function.call(end, asio::bind_executor(own_context, seen.get_handler()));
  std::thread own_thread([&] { own_context.run(); });
  std::thread thread([&] { context.run(); });
  end.steer(way);
  own_thread.join();
  thread.join();
  BOOST_TEST(seen.calls() == 1);
  BOOST_TEST(seen.last() == end.expected(way));
}

// K2: executors that cannot promise not to block --------------------------------------------------

// The handler's executor is reached by way of the handle's, and what the operation does is decided
// in the last step. Both contexts get work done in their turn.
FOR_EACH_FUNCTION(K2_an_executor_that_may_block_is_reached_through_the_handles) {
  for_each_flavour([&](auto threading) {
    asio::io_context context;
    executor_log log;
    task_context own_context;
    typename Function::template end<tracked_io, decltype(threading)> end(
        tracked_io(context.get_executor(), log), way);
    recorder seen;
    function.call(end, asio::bind_executor(context_executor{&own_context}, seen.get_handler()));
    in_library([&] { end.steer(way); });
    BOOST_TEST(own_context.queue.size() == 0u);
    context.run();
    BOOST_TEST(!seen.done());
    BOOST_TEST(log.executed == 1);
    BOOST_TEST(log.may_block == 0);
    BOOST_TEST(log.work == 0);
    BOOST_TEST(own_context.queue.size() == 1u);
    own_context.queue.run();
    BOOST_TEST(seen.calls() == 1);
    BOOST_TEST(seen.ran_on() == nullptr);
    BOOST_TEST(seen.last() == end.expected(way));
  });
}

// An inline executor runs its functions where it is given them: on the handle's executor.
FOR_EACH_FUNCTION(K2_a_handler_with_an_inline_executor_runs_on_the_handles) {
  asio::io_context context;
  executor_log log;
  typename Function::template end<tracked_io, sluice::multi_threaded> end(
      tracked_io(context.get_executor(), log), way);
  recorder seen;
  asio::post(context, [&] {
    function.call(end, asio::bind_executor(inline_executor(), seen.get_handler()));
    in_library([&] { end.steer(way); });
    BOOST_TEST(!seen.done());
  });
  context.run();
  BOOST_TEST(seen.calls() == 1);
  BOOST_TEST(!seen.inside_a_call());
  BOOST_TEST(seen.ran_on() == &log);
  BOOST_TEST(seen.last() == end.expected(way));
}

// D3: also on this way a receive takes its value at the end, and a cancellation in between leaves
// it.
BOOST_AUTO_TEST_CASE(K2_on_the_way_between_two_executors_nothing_is_committed) {
  asio::io_context context;
  task_context own_context;
  auto [tx, rx] = sluice::make_channel<message>(context, 1);
  asio::cancellation_signal signal;
  recorder seen;
  rx.async_receive(asio::bind_cancellation_slot(
      signal.slot(), asio::bind_executor(context_executor{&own_context}, seen.get_handler())));
  BOOST_TEST(!tx.try_send(message(1)));
  context.run();
  BOOST_TEST(own_context.queue.size() == 1u);
  BOOST_TEST(rx.size() == 1u);
  signal.emit(asio::cancellation_type::total);
  own_context.queue.run();
  BOOST_TEST(seen.last() == aborted);
  BOOST_TEST_REQUIRE(rx.size() == 1u);
  BOOST_TEST(rx.try_receive().value().id() == 1);
}
