// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE conformance_cancellation

// Cancellation of each asynchronous function (K4): by a slot, with each type; by the handle, and
// what belongs to a handle; and by letting go of the last handle. A slot is as free as before when
// the operation is over, and a signal that comes too late does nothing.

#include "conformance/functions.hpp"
#include "support/recorder.hpp"
#include "support/tracked_slot.hpp"
#include "support/unit_test.hpp"
#include "support/user_executors.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/io_context.hpp>

#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

using namespace conformance;
using namespace support;

using asio::cancellation_type;
using io_executor = asio::io_context::executor_type;

namespace {

constexpr cancellation_type types[] = {cancellation_type::terminal, cancellation_type::partial,
                                       cancellation_type::total, cancellation_type::all,
                                       cancellation_type::partial | cancellation_type::total};

template <class Function, class Threading = sluice::multi_threaded>
using end_of = typename Function::template end<io_executor, Threading>;

/// A signal whose slot is watched.
struct tracked_signal {
  tracked_slot slot() { return tracked_slot(signal.slot(), log); }
  void emit(cancellation_type type) {
    in_library([&] { signal.emit(type); });
  }

  asio::cancellation_signal signal;
  slot_log log;
};

void run(asio::io_context& context) {
  context.restart();
  context.run();
}

}  // namespace

// By a slot ---------------------------------------------------------------------------------------

FOR_EACH_FUNCTION(K4_each_type_cancels_what_waits) {
  if (!waits(way)) return;
  for_each_flavour([&](auto threading) {
    for (cancellation_type type : types) {
      asio::io_context context;
      end_of<Function, decltype(threading)> end(context.get_executor(), way);
      tracked_signal signal;
      recorder seen;
      function.call(end, asio::bind_cancellation_slot(signal.slot(), seen.get_handler()));
      BOOST_TEST(signal.slot().has_handler());
      signal.emit(type);
      BOOST_TEST(!seen.done());
      run(context);
      BOOST_TEST(seen.calls() == 1);
      BOOST_TEST(!seen.inside_a_call());
      BOOST_TEST(seen.last() == aborted);
      BOOST_TEST(!signal.slot().has_handler());
      BOOST_TEST(signal.log.alive == 0);
      BOOST_TEST(!is_closed(end.handle, false));
    }
  });
}

FOR_EACH_FUNCTION(K4_a_signal_without_a_type_cancels_nothing) {
  asio::io_context context;
  end_of<Function> end(context.get_executor(), way);
  tracked_signal signal;
  recorder seen;
  function.call(end, asio::bind_cancellation_slot(signal.slot(), seen.get_handler()));
  signal.emit(cancellation_type::none);
  end.steer(way);
  run(context);
  BOOST_TEST(seen.last() == end.expected(way));
}

FOR_EACH_FUNCTION(K4_a_second_signal_changes_nothing) {
  if (!waits(way)) return;
  asio::io_context context;
  end_of<Function> end(context.get_executor(), way);
  tracked_signal signal;
  recorder seen;
  function.call(end, asio::bind_cancellation_slot(signal.slot(), seen.get_handler()));
  signal.emit(cancellation_type::total);
  signal.emit(cancellation_type::terminal);
  end.steer(way);
  run(context);
  BOOST_TEST(seen.calls() == 1);
  BOOST_TEST(seen.last() == aborted);
}

FOR_EACH_FUNCTION(K4_the_slot_is_empty_before_the_handler_runs) {
  for_each_flavour([&](auto threading) {
    asio::io_context context;
    end_of<Function, decltype(threading)> end(context.get_executor(), way);
    tracked_signal signal;
    recorder seen;
    bool empty = false;
    seen.at_call([&] { empty = !signal.slot().has_handler() && signal.log.alive == 0; });
    function.call(end, asio::bind_cancellation_slot(signal.slot(), seen.get_handler()));
    end.steer(way);
    run(context);
    BOOST_TEST(seen.last() == end.expected(way));
    BOOST_TEST(empty);
  });
}

// The slot of an operation may be filled by somebody else once the handler runs; that must stay.
FOR_EACH_FUNCTION(K4_a_slot_can_be_used_again_by_the_handler) {
  asio::io_context context;
  end_of<Function> end(context.get_executor(), way);
  end_of<Function> again(context.get_executor(), course::cancelled);
  asio::cancellation_signal signal;
  recorder seen;
  recorder seen_again;
  seen.at_call([&] {
    function.call(again, asio::bind_cancellation_slot(signal.slot(), seen_again.get_handler()));
  });
  function.call(end, asio::bind_cancellation_slot(signal.slot(), seen.get_handler()));
  end.steer(way);
  context.restart();
  context.poll();
  BOOST_TEST(seen.last() == end.expected(way));
  BOOST_TEST(!seen_again.done());
  signal.emit(cancellation_type::terminal);
  run(context);
  BOOST_TEST(seen_again.last() == aborted);
}

FOR_EACH_FUNCTION(K4_a_signal_after_the_end_does_nothing) {
  asio::cancellation_signal signal;
  recorder seen;
  {
    asio::io_context context;
    {
      end_of<Function> end(context.get_executor(), way);
      function.call(end, asio::bind_cancellation_slot(signal.slot(), seen.get_handler()));
      end.steer(way);
      run(context);
      signal.emit(cancellation_type::all);
      BOOST_TEST(context.poll() == 0u);
      BOOST_TEST(seen.last() == end.expected(way));
    }
    signal.emit(cancellation_type::all);
    BOOST_TEST(context.poll() == 0u);
  }
  signal.emit(cancellation_type::all);
  BOOST_TEST(seen.calls() == 1);
  BOOST_TEST(!signal.slot().has_handler());
}

FOR_EACH_FUNCTION(K4_a_signal_after_the_context_is_gone_does_nothing) {
  asio::cancellation_signal signal;
  recorder seen;
  {
    auto context = std::make_unique<asio::io_context>();
    end_of<Function> end(context->get_executor(), way);
    function.call(end, asio::bind_cancellation_slot(signal.slot(), seen.get_handler()));
    context.reset();
    BOOST_TEST(seen.dropped());
    signal.emit(cancellation_type::terminal);
  }
  signal.emit(cancellation_type::terminal);
  BOOST_TEST(seen.calls() == 0);
}

FOR_EACH_FUNCTION(K4_the_signal_may_go_before_the_operation) {
  asio::io_context context;
  end_of<Function> end(context.get_executor(), way);
  std::optional<asio::cancellation_signal> signal(std::in_place);
  recorder seen;
  function.call(end, asio::bind_cancellation_slot(signal->slot(), seen.get_handler()));
  signal.reset();
  end.steer(way);
  run(context);
  BOOST_TEST(seen.calls() == 1);
  BOOST_TEST(seen.last() == end.expected(way));
}

FOR_EACH_FUNCTION(K4_one_signal_serves_one_operation_after_the_other) {
  asio::io_context context;
  tracked_signal signal;
  for (int round = 0; round != 3; ++round) {
    end_of<Function> end(context.get_executor(), way);
    recorder seen;
    function.call(end, asio::bind_cancellation_slot(signal.slot(), seen.get_handler()));
    if (way == course::cancelled)
      signal.emit(cancellation_type::terminal);
    else
      end.steer(way);
    run(context);
    BOOST_TEST(seen.last() == end.expected(way));
    BOOST_TEST(signal.log.alive == 0);
  }
}

// An operation whose slot was taken by another one goes on without; the other one is cancelled.
FOR_EACH_FUNCTION(K4_a_slot_that_is_filled_anew_leaves_the_operation_alone) {
  if (!waits(way)) return;
  asio::io_context context;
  end_of<Function> first(context.get_executor(), way);
  end_of<Function> second(context.get_executor(), way);
  asio::cancellation_signal signal;
  recorder seen_first;
  recorder seen_second;
  function.call(first, asio::bind_cancellation_slot(signal.slot(), seen_first.get_handler()));
  function.call(second, asio::bind_cancellation_slot(signal.slot(), seen_second.get_handler()));
  first.steer(way);
  context.poll();
  BOOST_TEST(seen_first.last() == first.expected(way));
  BOOST_TEST(signal.slot().has_handler());
  signal.emit(cancellation_type::terminal);
  run(context);
  BOOST_TEST(seen_second.last() == aborted);
}

FOR_EACH_FUNCTION(K4_a_slot_without_a_signal_is_no_slot) {
  asio::io_context context;
  end_of<Function> end(context.get_executor(), way);
  recorder seen;
  function.call(end, asio::bind_cancellation_slot(asio::cancellation_slot(), seen.get_handler()));
  end.steer(way);
  run(context);
  BOOST_TEST(seen.last() == end.expected(way));
}

FOR_EACH_FUNCTION(K4_a_slot_cancels_its_own_operation_and_no_other) {
  if (!waits(way)) return;
  asio::io_context context;
  end_of<Function> end(context.get_executor(), way);
  asio::cancellation_signal signal;
  recorder before;
  recorder cancelled;
  recorder after;
  message values[2] = {message(2), message(3)};
  function.call(end, before.get_handler());
  function.call_on(end.handle, values[0],
                   asio::bind_cancellation_slot(signal.slot(), cancelled.get_handler()));
  function.call_on(end.handle, values[1], after.get_handler());
  signal.emit(cancellation_type::partial);
  context.poll();
  BOOST_TEST(cancelled.last() == aborted);
  BOOST_TEST(!before.done());
  BOOST_TEST(!after.done());
  end.handle.cancel();
  run(context);
  BOOST_TEST(before.last() == aborted);
  BOOST_TEST(after.last() == aborted);
}

// D3 and D4: between the moment that an operation can go on and its handler. What has happened
// stays so, and what has not is left to the next one.
FOR_EACH_FUNCTION(K4_a_signal_just_before_the_handler_is_answered_truthfully) {
  if (way != course::after_waiting && way != course::at_once) return;
  for_each_flavour([&](auto threading) {
    asio::io_context context;
    end_of<Function, decltype(threading)> end(context.get_executor(), way);
    asio::cancellation_signal signal;
    recorder seen;
    function.call(end, asio::bind_cancellation_slot(signal.slot(), seen.get_handler()));
    end.steer(way);
    signal.emit(cancellation_type::total);
    context.poll();
    // An end that takes something at the last moment can tell that it is still there.
    if constexpr (can_be_left<decltype(end)>::value) {
      BOOST_TEST(seen.last() == aborted);
      BOOST_TEST(end.is_left());
    } else {
      BOOST_TEST(seen.last() == end.expected(way));
    }
  });
}

// By the handle -----------------------------------------------------------------------------------

namespace {

/// Begins through `end`, does something with its handle, and then cancels through `canceller(end)`.
template <class Function, class Cancel>
result cancelled_by(const Function& function, Cancel cancel) {
  asio::io_context context;
  end_of<Function> end(context.get_executor(), course::cancelled);
  recorder seen;
  function.call(end, seen.get_handler());
  in_library([&] { cancel(end.handle); });
  context.poll();
  BOOST_TEST(seen.done());
  return seen.last();
}

/// As above, but nothing may be cancelled.
template <class Function, class Cancel>
bool stays_after(const Function& function, Cancel cancel) {
  asio::io_context context;
  end_of<Function> end(context.get_executor(), course::cancelled);
  recorder seen;
  function.call(end, seen.get_handler());
  in_library([&] { cancel(end.handle); });
  context.poll();
  return !seen.done() && !seen.dropped();
}

template <class Body>
void for_each_function_of_copyable_handles(Body body) {
  for_each_function([&](const auto& f) {
    using function_type = std::decay_t<decltype(f)>;
    if constexpr (can_be_copied<decltype(end_of<function_type>::handle)>) body(f);
  });
}

}  // namespace

BOOST_AUTO_TEST_CASE(K4_moving_a_handle_takes_its_operations_along) {
  for_each_function([](const auto& f) {
    BOOST_TEST_CONTEXT(name_of(f)) {
      BOOST_TEST(cancelled_by(f, [](auto& handle) {
                   auto moved = std::move(handle);
                   moved.cancel();
                   handle = std::move(moved);
                 }) == aborted);
      BOOST_TEST(cancelled_by(f, [](auto& handle) {
                   std::decay_t<decltype(handle)> assigned;
                   assigned = std::move(handle);
                   assigned.cancel();
                   handle = std::move(assigned);
                 }) == aborted);
      BOOST_TEST(cancelled_by(f, [](auto& handle) {
                   std::decay_t<decltype(handle)> other;
                   swap(handle, other);
                   other.cancel();
                 }) == aborted);
      BOOST_TEST(cancelled_by(f, [](auto& handle) {
                   std::decay_t<decltype(handle)> other;
                   other.swap(handle);
                   other.cancel();
                 }) == aborted);
      BOOST_TEST(cancelled_by(f, [](auto& handle) {
                   using handle_type = std::decay_t<decltype(handle)>;
                   using any_handle =
                       typename handle_type::template rebind_executor<asio::any_io_executor>::other;
                   any_handle converted(std::move(handle));
                   converted.cancel();
                 }) == aborted);
    }
  });
}

BOOST_AUTO_TEST_CASE(K4_what_a_handle_leaves_behind_does_not_cancel_its_operations) {
  for_each_function([](const auto& f) {
    BOOST_TEST_CONTEXT(name_of(f)) {
      BOOST_TEST(stays_after(f, [](auto& handle) {
        auto moved = std::move(handle);
        handle.cancel();
        handle = std::move(moved);
      }));
    }
  });
}

BOOST_AUTO_TEST_CASE(K4_another_handle_does_not_cancel_its_operations) {
  for_each_function_of_copyable_handles([](const auto& f) {
    BOOST_TEST_CONTEXT(name_of(f)) {
      BOOST_TEST(stays_after(f, [](auto& handle) {
        auto copy = handle;
        copy.cancel();
      }));
      BOOST_TEST(stays_after(f, [](auto& handle) {
        auto copy = handle;
        swap(copy, handle);
        handle.cancel();
        swap(copy, handle);
      }));
      BOOST_TEST(stays_after(f, [](auto& handle) {
        handle.with_executor(asio::any_io_executor(handle.get_executor())).cancel();
      }));
      BOOST_TEST(stays_after(f, [](auto& handle) {
        using handle_type = std::decay_t<decltype(handle)>;
        typename handle_type::template rebind_executor<asio::any_io_executor>::other copy(handle);
        copy.cancel();
      }));
    }
  });
}

BOOST_AUTO_TEST_CASE(K4_destroying_a_handle_cancels_nothing_while_another_one_exists) {
  for_each_function_of_copyable_handles([](const auto& f) {
    BOOST_TEST_CONTEXT(name_of(f)) {
      BOOST_TEST(stays_after(f, [](auto& handle) {
        auto copy = handle;
        handle = {};
        handle = std::move(copy);
      }));
    }
  });
}

FOR_EACH_FUNCTION(K4_cancelling_an_operation_that_is_over_changes_nothing) {
  asio::io_context context;
  end_of<Function> end(context.get_executor(), way);
  recorder seen;
  function.call(end, seen.get_handler());
  end.steer(way);
  run(context);
  end.handle.cancel();
  context.restart();
  BOOST_TEST(context.poll() == 0u);
  BOOST_TEST(seen.calls() == 1);
  BOOST_TEST(seen.last() == end.expected(way));
}

FOR_EACH_FUNCTION(K4_a_cancelled_handle_can_be_used_again) {
  asio::io_context context;
  end_of<Function> end(context.get_executor(), way);
  end.handle.cancel();
  recorder seen;
  function.call(end, seen.get_handler());
  end.steer(way);
  run(context);
  BOOST_TEST(seen.last() == end.expected(way));
}

// A handler that is cancelled cancels in turn, by the handle and by the signals of others.
FOR_EACH_FUNCTION(K4_handlers_may_cancel) {
  if (!waits(way)) return;
  asio::io_context context;
  end_of<Function> end(context.get_executor(), way);
  asio::cancellation_signal signal;
  recorder first;
  recorder second;
  recorder third;
  message values[2] = {message(2), message(3)};
  first.at_call([&] { signal.emit(cancellation_type::terminal); });
  second.at_call([&] { end.handle.cancel(); });
  function.call(end, first.get_handler());
  function.call_on(end.handle, values[0],
                   asio::bind_cancellation_slot(signal.slot(), second.get_handler()));
  function.call_on(end.handle, values[1], third.get_handler());
  end.steer(way);
  run(context);
  BOOST_TEST(first.last() == end.expected(way));
  BOOST_TEST(second.done());
  BOOST_TEST(third.done());
}

// By letting go -----------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(K4_the_last_handle_of_an_end_ends_its_operations_but_not_its_sends) {
  for_each_function([](const auto& f) {
    using function_type = std::decay_t<decltype(f)>;
    BOOST_TEST_CONTEXT(name_of(f)) {
      asio::io_context context;
      end_of<function_type> end(context.get_executor(), course::after_waiting);
      recorder seen;
      f.call(end, seen.get_handler());
      if constexpr (can_be_copied<decltype(end.handle)>) {
        auto copy = end.handle;
        end.drop_handle();
        context.poll();
        BOOST_TEST(!seen.done());
        in_library([&] { copy = {}; });
      } else {
        in_library([&] { end.drop_handle(); });
      }
      in_library([&] { end.after_drop_steer(); });
      BOOST_TEST(!seen.done());
      run(context);
      BOOST_TEST(seen.last() == end.after_drop);
    }
  });
}

// Executors that can only be dispatched to --------------------------------------------------------

FOR_EACH_FUNCTION(K4_on_the_way_through_the_handles_executor_the_slot_stays_usable) {
  asio::io_context context;
  task_context own_context;
  end_of<Function> end(context.get_executor(), way);
  tracked_signal signal;
  recorder seen;
  function.call(end, asio::bind_cancellation_slot(
                         signal.slot(),
                         asio::bind_executor(context_executor{&own_context}, seen.get_handler())));
  end.steer(way);
  run(context);
  BOOST_TEST(own_context.queue.size() == 1u);
  own_context.queue.run();
  BOOST_TEST(seen.last() == end.expected(way));
  BOOST_TEST(!signal.slot().has_handler());
  BOOST_TEST(signal.log.alive == 0);
}
