// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE conformance_lazy

// Operations that are made now and begun later, or never (K9): what they hold on to meanwhile, and
// what becomes of them when the handle is moved, or gone, by the time that they begin.

#include "conformance/functions.hpp"
#include "support/recorder.hpp"
#include "support/unit_test.hpp"

#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>

#include <memory>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>

using namespace conformance;
using namespace support;

using io_executor = asio::io_context::executor_type;

namespace {

template <class Function, class Threading = sluice::multi_threaded>
using end_of = typename Function::template end<io_executor, Threading>;

/// Begins an operation, as a function of the library.
template <class Operation, class Handler>
void start(Operation&& operation, Handler&& handler) {
  in_library([&] { std::forward<Operation>(operation)(std::forward<Handler>(handler)); });
}

/// Runs `body(function)` for each function of the table.
template <class Body>
void for_each(Body body) {
  for_each_function([&](const auto& f) {
    BOOST_TEST_CONTEXT(name_of(f)) {
      body(f);
    }
  });
}

}  // namespace

FOR_EACH_FUNCTION(K9_it_begins_when_it_is_started) {
  for_each_flavour([&](auto threading) {
    asio::io_context context;
    end_of<Function, decltype(threading)> end(context.get_executor(), way);
    recorder seen;
    auto operation = function.call(end, asio::deferred);
    // Nothing has begun, so there is nothing to be done and nothing to be cancelled.
    BOOST_TEST(context.poll() == 0u);
    BOOST_TEST(context.stopped());
    end.handle.cancel();
    start(std::move(operation), seen.get_handler());
    end.steer(way);
    context.restart();
    context.run();
    BOOST_TEST(seen.calls() == 1);
    BOOST_TEST(!seen.inside_a_call());
    BOOST_TEST(seen.last() == end.expected(way));
  });
}

FOR_EACH_FUNCTION(K9_the_handle_may_be_moved_before) {
  asio::io_context context;
  end_of<Function> end(context.get_executor(), way);
  recorder seen;
  auto operation = function.call(end, asio::deferred);
  auto moved = std::move(end.handle);
  start(std::move(operation), seen.get_handler());
  end.handle = std::move(moved);
  end.steer(way);
  context.run();
  BOOST_TEST(seen.last() == end.expected(way));
}

FOR_EACH_FUNCTION(K9_it_may_be_started_by_another_thread) {
  asio::io_context context;
  end_of<Function> end(context.get_executor(), way);
  recorder seen;
  auto operation = function.call(end, asio::deferred);
  std::thread([&] { start(std::move(operation), seen.get_handler()); }).join();
  end.steer(way);
  context.run();
  BOOST_TEST(seen.last() == end.expected(way));
  BOOST_TEST((seen.thread() == std::this_thread::get_id()));
}

FOR_EACH_FUNCTION(K9_it_may_be_started_more_than_once) {
  if (way == course::at_once || way == course::after_waiting) return;
  asio::io_context context;
  end_of<Function> end(context.get_executor(), way);
  auto operation = function.call(end, asio::deferred);
  // A value that cannot be copied is sent once.
  if constexpr (std::is_copy_constructible_v<decltype(operation)>) {
    recorder seen[3];
    auto copy = operation;
    start(copy, seen[0].get_handler());
    start(std::move(copy), seen[1].get_handler());
    start(std::move(operation), seen[2].get_handler());
    end.steer(way);
    context.run();
    for (const recorder& each : seen) BOOST_TEST(each.last() == end.expected(way));
  }
}

FOR_EACH_FUNCTION(K9_one_that_is_never_started_leaves_nothing_behind) {
  {
    asio::io_context context;
    end_of<Function> end(context.get_executor(), way);
    const std::size_t senders = senders_of(end.other);
    const std::size_t receivers = receivers_of(end.other);
    const std::size_t size = size_of(end.other);
    {
      auto operation = function.call(end, asio::deferred);
      auto moved = std::move(operation);
    }
    BOOST_TEST(senders_of(end.other) == senders);
    BOOST_TEST(receivers_of(end.other) == receivers);
    BOOST_TEST(size_of(end.other) == size);
    BOOST_TEST(context.poll() == 0u);
  }
}

FOR_EACH_FUNCTION(K9_one_that_is_never_started_may_outlive_everything) {
  auto context = std::make_unique<asio::io_context>();
  auto end = std::make_unique<end_of<Function>>(context->get_executor(), way);
  auto operation = function.call(*end, asio::deferred);
  end.reset();
  context.reset();
  auto moved = std::move(operation);
  static_cast<void>(moved);
}

BOOST_AUTO_TEST_CASE(K9_an_unstarted_send_is_a_sender_and_a_receive_is_no_receiver) {
  for_each([](const auto& f) {
    asio::io_context context;
    end_of<std::decay_t<decltype(f)>> end(context.get_executor(), course::at_once);
    const std::size_t senders = senders_of(end.handle);
    const std::size_t receivers = receivers_of(end.handle);
    recorder seen;
    std::optional operation(f.call(end, asio::deferred));
    BOOST_TEST(senders_of(end.handle) == senders + end.lazy_senders);
    BOOST_TEST(receivers_of(end.handle) == receivers);
    // Once it is started it stands for itself, and it may be over at once.
    start(std::move(*operation), seen.get_handler());
    BOOST_TEST(senders_of(end.handle) == senders);
    BOOST_TEST(receivers_of(end.handle) == receivers);
    operation.reset();
    BOOST_TEST(senders_of(end.handle) == senders);
    context.run();
    BOOST_TEST(seen.last() == end.expected(course::at_once));
  });
}

BOOST_AUTO_TEST_CASE(K9_an_unstarted_send_keeps_the_channel_open_and_nothing_else_does) {
  for_each([](const auto& f) {
    asio::io_context context;
    end_of<std::decay_t<decltype(f)>> end(context.get_executor(), course::after_waiting);
    constexpr bool closes = !stays_open<decltype(end)>::value;
    {
      auto operation = f.call(end, asio::deferred);
      end.drop_handle();
      BOOST_TEST(is_closed(end.other, closes) == (closes && end.lazy_senders == 0));
    }
    BOOST_TEST(is_closed(end.other, closes) == closes);
  });
}

BOOST_AUTO_TEST_CASE(K9_the_last_handle_may_be_gone_when_it_is_started) {
  for_each([](const auto& f) {
    asio::io_context context;
    end_of<std::decay_t<decltype(f)>> end(context.get_executor(), course::after_waiting);
    recorder seen;
    auto operation = f.call(end, asio::deferred);
    end.drop_handle();
    start(std::move(operation), seen.get_handler());
    end.after_drop_steer();
    BOOST_TEST(!seen.done());
    context.run();
    BOOST_TEST(seen.last() == end.lazy_after_drop);
  });
}

// What has happened to the channel meanwhile counts, not what it was when the operation was made.
BOOST_AUTO_TEST_CASE(K9_the_channel_may_be_closed_when_it_is_started) {
  for_each([](const auto& f) {
    asio::io_context context;
    end_of<std::decay_t<decltype(f)>> end(context.get_executor(), course::after_waiting);
    recorder seen;
    auto operation = f.call(end, asio::deferred);
    close(end);
    start(std::move(operation), seen.get_handler());
    context.run();
    BOOST_TEST(seen.last() == end.expected(course::closed_before));
  });
}

// The operation remembers whose it is, also if that handle has another place by now.
BOOST_AUTO_TEST_CASE(K9_the_handle_it_was_made_from_cancels_it) {
  for_each([](const auto& f) {
    asio::io_context context;
    end_of<std::decay_t<decltype(f)>> end(context.get_executor(), course::cancelled);
    recorder seen;
    auto operation = f.call(end, asio::deferred);
    auto moved = std::move(end.handle);
    start(std::move(operation), seen.get_handler());
    come_and_go(moved);
    context.poll();
    BOOST_TEST(!seen.done());
    moved.cancel();
    context.restart();
    context.run();
    BOOST_TEST(seen.last() == aborted);
  });
}
