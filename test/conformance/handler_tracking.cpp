// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE conformance_handler_tracking
#define BOOST_ASIO_ENABLE_HANDLER_TRACKING

// Asio's handler tracking shows each asynchronous function by its name when its operation is begun,
// and when its handler is called, or destroyed instead.

#include "conformance/functions.hpp"
#include "support/recorder.hpp"
#include "support/trace.hpp"
#include "support/unit_test.hpp"
#include "support/user_executors.hpp"

#include <sluice/sync_receiver.hpp>
#include <sluice/sync_sender.hpp>

#include <boost/asio/io_context.hpp>

#include <optional>
#include <string>
#include <thread>

using namespace conformance;
using namespace support;

using io_executor = asio::io_context::executor_type;

namespace {

/// What tracking calls a function. A permit for several places is no other operation.
std::string tracked_name(const std::string& name) {
  return name == "async_reserve_many" ? "async_reserve" : name;
}

/// What was told of the one operation of this function.
std::string story_of(const trace& seen, const std::string& name) {
  const auto found = seen.of_function(tracked_name(name));
  return found.size() == 1 ? found.front().story : std::to_string(found.size()) + " of them";
}

}  // namespace

FOR_EACH_FUNCTION(a_handler_that_is_called_is_tracked) {
  recorder seen;
  const trace told = trace::of([&] {
    asio::io_context context;
    typename Function::template end<io_executor, sluice::multi_threaded> end(context.get_executor(),
                                                                             way);
    function.call(end, seen.get_handler());
    end.steer(way);
    context.run();
  });
  BOOST_TEST(seen.done());
  BOOST_TEST_CONTEXT(told.text()) {
    BOOST_TEST(told.complaint() == "");
    BOOST_TEST(story_of(told, function.name) == "created begun ended");
  }
}

FOR_EACH_FUNCTION(a_handler_that_is_destroyed_is_tracked) {
  if (way != course::after_waiting) return;
  const trace told = trace::of([&] {
    std::optional<asio::io_context> context(std::in_place);
    typename Function::template end<io_executor, sluice::multi_threaded> end(
        context->get_executor(), way);
    function.call(end, recorder().get_handler());
    context.reset();
  });
  BOOST_TEST_CONTEXT(told.text()) {
    BOOST_TEST(told.complaint() == "");
    BOOST_TEST(story_of(told, function.name) == "created destroyed");
  }
}

BOOST_AUTO_TEST_CASE(a_handler_whose_executor_has_no_context_is_tracked) {
  recorder seen;
  const trace told = trace::of([&] {
    task_queue queue;
    auto [tx, rx] = sluice::make_channel<int, minimal_executor>(minimal_executor{&queue}, 1);
    rx.async_receive(seen.get_handler());
    BOOST_TEST_REQUIRE(!tx.try_send(1));
    queue.run();
  });
  BOOST_TEST(seen.done());
  BOOST_TEST_CONTEXT(told.text()) {
    BOOST_TEST(told.complaint() == "");
    BOOST_TEST(story_of(told, "async_receive") == "created begun ended");
  }
}

BOOST_AUTO_TEST_CASE(a_handler_that_throws_is_tracked) {
  const trace told = trace::of([] {
    asio::io_context context;
    auto [tx, rx] = sluice::make_channel<int>(context, 1);
    BOOST_TEST_REQUIRE(!tx.try_send(1));
    rx.async_receive([](error_code, std::optional<int>) { throw 7; });
    BOOST_CHECK_THROW(context.run(), int);
  });
  BOOST_TEST_CONTEXT(told.text()) {
    BOOST_TEST(told.complaint() == "");
    BOOST_TEST(story_of(told, "async_receive") == "created begun thrown");
  }
}

BOOST_AUTO_TEST_CASE(a_thread_that_blocks_is_tracked) {
  const trace told = trace::of([] {
    asio::io_context context;
    auto [tx, rx] = sluice::make_channel<int>(context, 0);
    sluice::sync_receiver receives(std::move(rx));
    // At a rendezvous a send has to wait.
    std::thread sends([own = sluice::sync_sender(std::move(tx))]() mutable { own.send(1); });
    while (!receives.try_receive()) std::this_thread::yield();
    sends.join();
  });
  BOOST_TEST_CONTEXT(told.text()) {
    BOOST_TEST(told.complaint() == "");
    BOOST_TEST(story_of(told, "async_send") == "created begun ended");
  }
}

BOOST_AUTO_TEST_CASE(a_thread_that_need_not_block_is_tracked) {
  const trace told = trace::of([] {
    asio::io_context context;
    auto [tx, rx] = sluice::make_channel<int>(context, 1);
    sluice::sync_sender(std::move(tx)).send(1);
    BOOST_TEST(sluice::sync_receiver(std::move(rx)).receive().value() == 1);
  });
  BOOST_TEST_CONTEXT(told.text()) {
    BOOST_TEST(told.complaint() == "");
    BOOST_TEST(told.handlers() == 0u);
    BOOST_TEST(told.performed("async_send") == 1u);
    BOOST_TEST(told.performed("async_receive") == 1u);
  }
}
