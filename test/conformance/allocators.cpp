// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE conformance_allocators

// Where the memory comes from, for each asynchronous function and each course of its operation:
// from the handler's associated allocator, the submission included, and it is back before the
// handler runs (K3). What happens when there is none.

#include "conformance/functions.hpp"
#include "support/recorder.hpp"
#include "support/tracked_allocator.hpp"
#include "support/unit_test.hpp"
#include "support/user_executors.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>

#include <new>

using namespace conformance;
using namespace support;

using io_executor = asio::io_context::executor_type;

namespace {

/// A handler with a tracked allocator, and how many of its blocks there are when it is called.
struct tracked_memory {
  tracked_memory() {
    seen.at_call([this] { blocks_at_call = log.blocks; });
  }

  auto get_handler() {
    return asio::bind_allocator(tracked_allocator<void>(log), seen.get_handler());
  }

  allocator_log log;
  recorder seen;
  int blocks_at_call = -1;
};

/// The memory of an operation on `ex`; the handler's executor is the same. `submission`: how many
/// blocks this executor takes from the allocator.
template <class Executor, class Function, class Finish>
void check_memory(const Function& function, course way, const Executor& ex, int submission,
                  Finish finish) {
  tracked_memory memory;
  typename Function::template end<Executor, sluice::multi_threaded> end(ex, way);
  function.call(end, memory.get_handler());
  const bool looks = waits(way) && looks_first<decltype(end)>::value;
  if (waits(way) && !looks) {
    BOOST_TEST(memory.log.total == 1);
    BOOST_TEST(memory.log.blocks == 1);
  }
  end.steer(way);
  finish(memory.seen);
  BOOST_TEST(memory.seen.last() == end.expected(way));
  BOOST_TEST(memory.blocks_at_call == 0);
  // One that looks first has been submitted twice if it looked before it was steered.
  if (!looks || memory.log.total != 1 + 2 * submission)
    BOOST_TEST(memory.log.total == 1 + submission);
  BOOST_TEST(memory.log.blocks == 0);
  BOOST_TEST(memory.log.wrong == 0);
}

/// A handler that owns the memory of its operation.
struct memory_owner {
  using allocator_type = tracked_allocator<void>;
  allocator_type get_allocator() const noexcept { return allocator_type(*log); }
  template <class... Results>
  void operator()(sluice::error_code, Results&&...) {}
  std::shared_ptr<allocator_log> log = std::make_shared<allocator_log>();
};

}  // namespace

FOR_EACH_FUNCTION(K3_operation_and_submission_use_the_associated_allocator) {
  for_each_flavour([&](auto threading) {
    asio::io_context context;
    tracked_memory memory;
    typename Function::template end<io_executor, decltype(threading)> end(context.get_executor(),
                                                                          way);
    const int looks = waits(way) && looks_first<decltype(end)>::value ? 1 : 0;
    function.call(end, memory.get_handler());
    // The operation; if it does not wait, or looks first, it is submitted already.
    BOOST_TEST(memory.log.blocks == (waits(way) ? 1 + looks : 2));
    if (waits(way)) let_wait(end, context);
    BOOST_TEST(memory.log.blocks == (waits(way) ? 1 : 2));
    in_library([&] { end.steer(way); });
    BOOST_TEST(memory.log.blocks == 2);
    BOOST_TEST(memory.log.total == 2 + looks);
    context.run();
    BOOST_TEST(memory.seen.last() == end.expected(way));
    BOOST_TEST(memory.blocks_at_call == 0);
    BOOST_TEST(memory.log.blocks == 0);
    BOOST_TEST(memory.log.total == 2 + looks);
    BOOST_TEST(memory.log.wrong == 0);
  });
}

FOR_EACH_FUNCTION(K3_an_any_io_executor_is_looked_into) {
  asio::io_context context;
  auto run = [&](const recorder&) {
    context.restart();
    context.run();
  };
  check_memory<asio::any_io_executor>(function, way, context.get_executor(), 1, run);
  // A strand takes two blocks: one for the function and one to get going.
  check_memory<asio::any_io_executor>(function, way, asio::make_strand(context), 2, run);
  // One that is made of an any_io_executor cannot be given an allocator.
  check_memory<asio::any_io_executor>(
      function, way, asio::make_strand(asio::any_io_executor(context.get_executor())), 0, run);
}

FOR_EACH_FUNCTION(K3_of_an_executor_inside_any_io_executor_that_is_not_known_Asio_takes_care) {
  task_context context;
  check_memory<asio::any_io_executor>(function, way, posting_executor{&context}, 0,
                                      [&](const recorder&) { context.queue.run(); });
}

FOR_EACH_FUNCTION(K3_other_executors_are_given_the_allocator_too) {
  asio::io_context context;
  check_memory(function, way, asio::make_strand(context), 2, [&](const recorder&) {
    context.restart();
    context.run();
  });
  asio::thread_pool pool(2);
  auto wait = [&](const recorder& seen) { seen.wait(); };
  check_memory(function, way, pool.get_executor(), 1, wait);
  check_memory(function, way, asio::make_strand(pool), 2, wait);
  check_memory<asio::any_io_executor>(function, way, pool.get_executor(), 1, wait);
  check_memory<asio::any_io_executor>(function, way, asio::make_strand(pool), 2, wait);
}

FOR_EACH_FUNCTION(K3_so_is_the_executor_of_the_handler) {
  asio::io_context context;
  asio::io_context own_context;
  tracked_memory memory;
  typename Function::template end<io_executor, sluice::multi_threaded> end(context.get_executor(),
                                                                           way);
  function.call(end, asio::bind_executor(own_context, memory.get_handler()));
  end.steer(way);
  BOOST_TEST(memory.log.total == 2);
  own_context.run();
  BOOST_TEST(memory.seen.last() == end.expected(way));
  BOOST_TEST(memory.blocks_at_call == 0);
  BOOST_TEST(memory.log.blocks == 0);
  BOOST_TEST(memory.log.wrong == 0);
}

FOR_EACH_FUNCTION(K3_also_on_the_way_through_the_handles_executor) {
  asio::io_context context;
  task_context own_context;
  tracked_memory memory;
  typename Function::template end<io_executor, sluice::multi_threaded> end(context.get_executor(),
                                                                           way);
  function.call(end, asio::bind_executor(context_executor{&own_context}, memory.get_handler()));
  end.steer(way);
  BOOST_TEST(memory.log.total == 2);
  context.run();
  // The submission is over, the operation is not.
  BOOST_TEST(memory.log.blocks == 1);
  own_context.queue.run();
  BOOST_TEST(memory.seen.last() == end.expected(way));
  BOOST_TEST(memory.blocks_at_call == 0);
  BOOST_TEST(memory.log.blocks == 0);
}

FOR_EACH_FUNCTION(K3_what_is_never_called_is_freed_too) {
  tracked_memory memory;
  {
    asio::io_context context;
    typename Function::template end<io_executor, sluice::multi_threaded> end(context.get_executor(),
                                                                             way);
    function.call(end, memory.get_handler());
    end.steer(way);
  }
  BOOST_TEST(memory.seen.dropped());
  BOOST_TEST(memory.seen.calls() == 0);
  BOOST_TEST(memory.log.blocks == 0);
  BOOST_TEST(memory.log.wrong == 0);
}

// The owner of the memory may be the handler itself, so that its last copy must go after the
// memory.
BOOST_AUTO_TEST_CASE(K3_a_handler_may_own_its_memory) {
  for (course way : courses) {
    for_each_function([&](const auto& function) {
      using function_type = std::decay_t<decltype(function)>;
      for (bool runs : {true, false}) {
        asio::io_context context;
        typename function_type::template end<io_executor, sluice::multi_threaded> end(
            context.get_executor(), way);
        memory_owner handler;
        std::weak_ptr<allocator_log> log = handler.log;
        function.call(end, std::move(handler));
        end.steer(way);
        BOOST_TEST(!log.expired());
        if (!runs) continue;
        context.run();
        BOOST_TEST(log.expired());
      }
    });
  }
}

// When there is no memory -------------------------------------------------------------------------

FOR_EACH_FUNCTION(K3_without_memory_for_the_operation_the_function_throws_and_nothing_has_begun) {
  asio::io_context context;
  tracked_memory memory;
  memory.log.left = 0;
  typename Function::template end<io_executor, sluice::multi_threaded> end(context.get_executor(),
                                                                           way);
  BOOST_CHECK_THROW(function.call(end, memory.get_handler()), std::bad_alloc);
  BOOST_TEST(memory.seen.dropped());
  BOOST_TEST(memory.log.blocks == 0);
  BOOST_TEST(context.run() == 0u);
  // Another one takes its course as if the first had never been tried.
  recorder seen;
  message value(2);
  function.call_on(end.handle, value, seen.get_handler());
  end.steer(way);
  context.restart();
  context.run();
  BOOST_TEST(seen.last() == end.expected(way));
}

FOR_EACH_FUNCTION(K3_without_memory_for_the_submission_the_operation_is_destroyed) {
  asio::io_context context;
  tracked_memory memory;
  typename Function::template end<io_executor, sluice::multi_threaded> end(context.get_executor(),
                                                                           way);
  memory.log.left = waits(way) && looks_first<decltype(end)>::value ? 2 : 1;
  if (waits(way)) {
    function.call(end, memory.get_handler());
    let_wait(end, context);
    in_library([&] { end.steer(way); });
  } else {
    BOOST_CHECK_THROW(function.call(end, memory.get_handler()), std::bad_alloc);
  }
  BOOST_TEST(memory.seen.dropped());
  BOOST_TEST(memory.log.blocks == 0);
  BOOST_TEST(context.run() == 0u);
  BOOST_TEST(context.stopped());
}

// D6: what it was promised goes to the next one.
BOOST_AUTO_TEST_CASE(D6_a_receive_that_cannot_be_submitted_passes_its_promise_on) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<message>(context, 1);
  tracked_memory memory;
  memory.log.left = 1;
  recorder next;
  rx.async_receive(memory.get_handler());
  rx.async_receive(next.get_handler());
  BOOST_TEST(!tx.try_send(message(1)));
  BOOST_TEST(memory.seen.dropped());
  context.run();
  BOOST_TEST(next.last() == success_with_something);
}

BOOST_AUTO_TEST_CASE(D6_a_ready_receive_that_cannot_be_submitted_leaves_its_value) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<message>(context, 1);
  BOOST_TEST(!tx.try_send(message(1)));
  tracked_memory memory;
  memory.log.left = 1;
  BOOST_CHECK_THROW(rx.async_receive(memory.get_handler()), std::bad_alloc);
  BOOST_TEST(memory.seen.dropped());
  BOOST_TEST_REQUIRE(rx.size() == 1u);
  BOOST_TEST(rx.try_receive().value().id() == 1);
}
