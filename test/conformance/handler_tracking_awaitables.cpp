// SPDX-License-Identifier: BSL-1.0
// requires: c++20
#define BOOST_TEST_MODULE conformance_handler_tracking_awaitables
#define BOOST_ASIO_ENABLE_HANDLER_TRACKING

// Asio's handler tracking and coroutines, which await operations in their own frames. One that
// waits is shown like any other. One that is ready has no handler: it is shown as something that the
// running handler does.

#include "conformance/awaitables.hpp"
#include "conformance/functions.hpp"
#include "support/trace.hpp"
#include "support/unit_test.hpp"

#include <sluice/use_awaitable.hpp>

#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/version.hpp>

#include <future>
#include <stdexcept>
#include <string>
#include <string_view>

using namespace conformance;
using namespace support;

using io_executor = asio::io_context::executor_type;

namespace {

/// Awaits an operation, and returns what was told of it: "at once", or its story.
template <class Function>
std::string story_of(const Function& function, course way) {
  const auto awaits = [&] {
    asio::io_context context;
    typename Function::template end<asio::any_io_executor, sluice::multi_threaded> end(
        context.get_executor(), way);
    run(context, asio::any_io_executor(context.get_executor()), end, way,
        outcome_of(function.call(end, sluice::use_awaitable)));
  };
  // On a thread of its own, which has not yet completed so many that the next one has to wait (K8).
  const trace told = trace::of([&] { std::async(std::launch::async, awaits).get(); });
  const std::string_view name =
      function.name == std::string_view("async_reserve_many") ? "async_reserve" : function.name;
  const auto found = told.of_function(std::string(name));
  const std::size_t performed = told.performed(std::string(name));
  BOOST_TEST_CONTEXT(told.text()) {
    BOOST_TEST(told.complaint() == "");
    BOOST_TEST(found.size() + performed == 1u);
    // Nothing else has a handler.
    BOOST_TEST(told.handlers() == found.size());
  }
  return found.empty() ? "at once" : found.front().story;
}

/// Whether an operation is ready when it is begun.
template <class Function>
bool is_ready(const Function& function, course way) {
  // A loop is hardly ever over before it has begun.
  if (function.name == std::string_view("async_for_each")) return false;
  return way == course::at_once || way == course::closed_before || way == course::on_empty_handle;
}

}  // namespace

FOR_EACH_FUNCTION(what_a_coroutine_awaits_is_tracked) {
  BOOST_TEST(story_of(function, way) ==
             (is_ready(function, way) ? "at once" : "created begun ended"));
}

namespace {

/// Runs a loop of two messages whose function is a coroutine.
template <class Function>
trace trace_of_loop(Function f) {
  return trace::of([&] {
    asio::io_context context;
    auto [tx, rx] = sluice::make_channel<int>(context, 2);
    BOOST_TEST_REQUIRE((!tx.try_send(1) && !tx.try_send(2)));
    tx = {};
    rx.async_for_each(f, asio::detached);
    try {
      context.run();
    } catch (const std::runtime_error&) {
    }
  });
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_loop_whose_function_is_a_coroutine_is_tracked) {
  const trace told = trace_of_loop([](int) -> asio::awaitable<void> { co_return; });
  BOOST_TEST_CONTEXT(told.text()) {
    BOOST_TEST(told.complaint() == "");
    const auto loops = told.of_function("async_for_each");
    BOOST_TEST_REQUIRE(loops.size() == 1u);
    BOOST_TEST(loops.front().story == "created begun ended");
    // Two messages and the end.
    const auto receives = told.of_function("async_receive");
    BOOST_TEST(receives.size() + told.performed("async_receive") == 3u);
  }
}

BOOST_AUTO_TEST_CASE(a_loop_whose_function_throws_is_tracked) {
  const trace told = trace_of_loop([](int) -> asio::awaitable<void> {
    throw std::runtime_error("the function");
    co_return;
  });
  BOOST_TEST_CONTEXT(told.text()) {
    BOOST_TEST(told.complaint() == "");
    const auto loops = told.of_function("async_for_each");
    BOOST_TEST_REQUIRE(loops.size() == 1u);
    BOOST_TEST(loops.front().story == "created destroyed");
  }
}

#if defined(BOOST_ASIO_HAS_SOURCE_LOCATION) && BOOST_ASIO_VERSION >= 102802

BOOST_AUTO_TEST_CASE(where_a_coroutine_awaits_is_told) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 1);
  const std::string text = written_by([&, &from = rx] {
    asio::co_spawn(
        context,
        [](sluice::receiver<int> own) -> asio::awaitable<void> {
          co_await own.async_receive();
        }(from),
        asio::detached);
    context.poll();
    tx = {};
    context.run();
  });
  BOOST_TEST_CONTEXT(text) {
    BOOST_TEST((text.find("handler_tracking_awaitables.cpp") != std::string::npos));
    BOOST_TEST((text.find("awaitable_operation.hpp") == std::string::npos));
  }
}

#endif
