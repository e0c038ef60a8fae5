// SPDX-License-Identifier: BSL-1.0
// requires: c++20
#define BOOST_TEST_MODULE doc_completion
#include "doc/run.hpp"

#include <sluice.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/test/unit_test.hpp>
#include <boost/version.hpp>
#if BOOST_VERSION >= 108600
#include <boost/asio/cancel_after.hpp>
#endif

#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <variant>

namespace asio = boost::asio;

namespace {

using namespace std::chrono_literals;

// tag::errors[]
asio::awaitable<std::string> send_all(sluice::sender<int> tx, int count) {
  for (int number = 0; number < count; ++number) {
    sluice::error_code ec;
    co_await tx.async_send(number, asio::redirect_error(sluice::use_awaitable, ec));
    if (ec) co_return ec.message();
  }
  co_return "all sent";
}
// end::errors[]

BOOST_AUTO_TEST_CASE(redirect_error_replaces_the_exception) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 1);
  std::string result;
  asio::co_spawn(context, send_all(tx, 2), [&](std::exception_ptr problem, std::string text) {
    BOOST_TEST(!problem);
    result = std::move(text);
  });
  while (context.poll_one() != 0) continue;
  rx.close();
  context.restart();
  context.run();
  BOOST_TEST(result == make_error_code(sluice::error::closed).message());
}

// tag::default_token[]
using tuple_token = asio::as_tuple_t<sluice::use_awaitable_t<>>;
using tuple_receiver = tuple_token::as_default_on_t<sluice::receiver<int>>;

asio::awaitable<int> count_messages(tuple_receiver rx) {
  for (int count = 0;; ++count) {
    auto [ec, message] = co_await rx.async_receive();
    if (!message) co_return count;
  }
}
// end::default_token[]

BOOST_AUTO_TEST_CASE(a_handle_type_can_carry_its_token) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 4);
  for (int i = 0; i < 3; ++i) BOOST_TEST(!tx.try_send(i));
  tx.close(asio::error::connection_reset);
  int count = 0;
  asio::co_spawn(context, count_messages(rx), [&](std::exception_ptr problem, int result) {
    BOOST_TEST(!problem);
    count = result;
  });
  context.run();
  BOOST_TEST(count == 3);
}

// tag::chain[]
asio::awaitable<void> session(sluice::receiver<std::string> inbox, sluice::sender<int> results) {
  while (auto message = co_await inbox.async_receive())
    co_await results.async_send(static_cast<int>(message->size()));
}

void start_session(asio::thread_pool& pool, sluice::receiver<std::string> inbox,
                   sluice::sender<int> results) {
  // A strand for this one chain. Other sessions have theirs and run beside it.
  asio::co_spawn(asio::make_strand(pool), session(std::move(inbox), std::move(results)),
                 asio::detached);
}
// end::chain[]

BOOST_AUTO_TEST_CASE(each_chain_has_a_strand) {
  asio::thread_pool pool(2);
  auto [text_in, text_out] = sluice::make_channel<std::string>(pool, 4);
  auto [size_in, size_out] = sluice::make_channel<int>(pool, 4);
  start_session(pool, std::move(text_out), std::move(size_in));
  for (const char* text : {"a", "bb", "ccc"}) BOOST_TEST(!text_in.try_send(text));
  text_in = {};
  pool.join();
  for (int expected = 1; expected <= 3; ++expected)
    BOOST_TEST((size_out.try_receive() == expected));
  BOOST_TEST(size_out.is_closed());
}

// tag::receive_or_timer[]
using namespace asio::experimental::awaitable_operators;

/// Sets `expired` and returns nothing if no message came in time. No message is lost.
asio::awaitable<std::optional<std::string>> receive_within(sluice::receiver<std::string>& rx,
                                                           std::chrono::milliseconds time,
                                                           bool& expired) {
  asio::steady_timer timer(co_await asio::this_coro::executor, time);
  auto result = co_await (rx.async_receive() || timer.async_wait(asio::use_awaitable));
  expired = result.index() == 1;
  if (expired) co_return std::nullopt;
  co_return std::move(std::get<0>(result));  // empty at the end of the stream
}
// end::receive_or_timer[]

BOOST_AUTO_TEST_CASE(D3_a_receive_that_lost_to_a_timer_took_nothing) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<std::string>(context, 4);
  run(context,
      [](sluice::sender<std::string>& from,
         sluice::receiver<std::string>& to) -> asio::awaitable<void> {
        bool expired = false;
        BOOST_TEST(!(co_await receive_within(to, 0ms, expired)).has_value());
        BOOST_TEST(expired);

        // The message and the deadline come at the same time: whoever wins, there is one message.
        int received = 0;
        for (int round = 0; round < 500; ++round) {
          BOOST_TEST(!from.try_send("a message"));
          auto message = co_await receive_within(to, 0ms, expired);
          BOOST_TEST(message.has_value() == !expired);
          if (message) ++received;
          BOOST_TEST(to.size() == (message ? 0u : 1u));
          if (!message && to.try_receive()) ++received;
        }
        BOOST_TEST(received == 500);

        from.close();
        BOOST_TEST(!(co_await receive_within(to, 1h, expired)).has_value());
        BOOST_TEST(!expired);
      }(tx, rx));
}

// tag::held_back[]
asio::awaitable<std::optional<int>> receive_and_note(sluice::receiver<int>& rx,
                                                     sluice::sender<std::string>& journal) {
  auto message = co_await rx.async_receive();
  co_await journal.async_send("received");  // the message waits in this coroutine
  co_return message;
}

asio::awaitable<bool> wrong(sluice::receiver<int>& rx, sluice::sender<std::string>& journal,
                            sluice::receiver<int>& stop) {
  auto result = co_await (receive_and_note(rx, journal) || stop.async_receive());
  co_return result.index() == 0;  // if not, a message may have been received and is gone
}
// end::held_back[]

// tag::not_held_back[]
asio::awaitable<bool> right(sluice::receiver<int>& rx, sluice::sender<std::string>& journal,
                            sluice::receiver<int>& stop) {
  auto result = co_await (rx.async_receive() || stop.async_receive());
  if (result.index() == 0) co_await journal.async_send("received");
  co_return result.index() == 0;  // if not, no message has been received
}
// end::not_held_back[]

/// Sends `stop` as soon as a journal entry waits, or, if there is no message, at once.
asio::awaitable<void> stop_in_between(sluice::receiver<int>& rx, sluice::sender<int>& stop) {
  while (!rx.empty()) co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
  BOOST_TEST(!stop.try_send(0));
}

BOOST_AUTO_TEST_CASE(a_result_that_is_held_back_inside_or_is_lost) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 1);
  auto [stop, stopped] = sluice::make_channel<int>(context, 1);
  auto [journal, entries] = sluice::make_channel<std::string>(context, 0);
  BOOST_TEST(!tx.try_send(1));
  bool received = true;
  asio::co_spawn(context, wrong(rx, journal, stopped),
                 [&](std::exception_ptr, bool result) { received = result; });
  spawn(context, stop_in_between(rx, stop));
  context.run();
  BOOST_TEST(!received);
  BOOST_TEST(rx.empty());
}

BOOST_AUTO_TEST_CASE(a_result_that_is_not_held_back_is_not_lost) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 1);
  auto [stop, stopped] = sluice::make_channel<int>(context, 1);
  auto [journal, entries] = sluice::make_channel<std::string>(context, 1);
  BOOST_TEST(!tx.try_send(1));
  bool received = false;
  asio::co_spawn(context, right(rx, journal, stopped),
                 [&](std::exception_ptr, bool result) { received = result; });
  spawn(context, stop_in_between(rx, stop));
  context.run();
  BOOST_TEST(received);
  BOOST_TEST(rx.empty());
}

BOOST_AUTO_TEST_CASE(a_result_inside_an_inner_or_is_held_back) {
  asio::io_context context;
  auto [tx1, rx1] = sluice::make_channel<int>(context, 1);
  auto [tx2, rx2] = sluice::make_channel<int>(context, 1);
  auto [tx3, rx3] = sluice::make_channel<int>(context, 1);
  std::size_t which = 0;
  spawn(context,
        [](sluice::receiver<int>& a, sluice::receiver<int>& b, sluice::receiver<int>& c,
           std::size_t& first) -> asio::awaitable<void> {
          // The first `||` is an operand of the second.
          auto result = co_await (a.async_receive() || b.async_receive() || c.async_receive());
          first = result.index();
        }(rx1, rx2, rx3, which));
  while (context.poll_one() != 0) continue;
  BOOST_TEST(!tx1.try_send(1));
  BOOST_TEST(!tx3.try_send(3));
  context.restart();
  context.run();
  BOOST_TEST(which == 2u);
  BOOST_TEST(rx1.empty());
}

// tag::group[]
struct news {
  std::optional<int> a, b, c;
};

/// Waits for a message of any of the three. There may be more than one.
asio::awaitable<news> first_of(sluice::receiver<int>& a, sluice::receiver<int>& b,
                               sluice::receiver<int>& c) {
  auto [order, ec1, from_a, ec2, from_b, ec3, from_c] =
      co_await asio::experimental::make_parallel_group(a.async_receive(asio::deferred),
                                                       b.async_receive(asio::deferred),
                                                       c.async_receive(asio::deferred))
          .async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
  co_return news{from_a, from_b, from_c};
}
// end::group[]

BOOST_AUTO_TEST_CASE(a_group_gives_all_its_results) {
  asio::io_context context;
  auto [tx1, rx1] = sluice::make_channel<int>(context, 1);
  auto [tx2, rx2] = sluice::make_channel<int>(context, 1);
  auto [tx3, rx3] = sluice::make_channel<int>(context, 1);
  std::optional<news> result;
  asio::co_spawn(context, first_of(rx1, rx2, rx3), [&](std::exception_ptr problem, news seen) {
    BOOST_TEST(!problem);
    result = seen;
  });
  while (context.poll_one() != 0) continue;
  BOOST_TEST(!tx1.try_send(1));
  BOOST_TEST(!tx3.try_send(3));
  context.restart();
  context.run();
  BOOST_TEST_REQUIRE(result.has_value());
  BOOST_TEST((result->a == 1));
  BOOST_TEST(!result->b.has_value());
  BOOST_TEST(rx3.size() + (result->c ? 1u : 0u) == 1u);
}

BOOST_AUTO_TEST_CASE(an_error_of_one_branch_does_not_end_an_or) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 1);
  auto [stop, stopped] = sluice::make_channel<int>(context, 1);
  tx.close(asio::error::connection_reset);
  std::size_t which = 9;
  spawn(context,
        [](sluice::receiver<int>& numbers, sluice::receiver<int>& end,
           std::size_t& first) -> asio::awaitable<void> {
          auto result = co_await (numbers.async_receive() || end.async_receive());
          first = result.index();
        }(rx, stopped, which));
  while (context.poll_one() != 0) continue;
  BOOST_TEST(which == 9u);
  BOOST_TEST(!stop.try_send(0));
  context.restart();
  context.run();
  BOOST_TEST(which == 1u);

  // As a tuple the error is a result, and wins.
  which = 9;
  run(context,
      [](sluice::receiver<int>& numbers, sluice::receiver<int>& end,
         std::size_t& first) -> asio::awaitable<void> {
        auto result = co_await (numbers.async_receive(asio::as_tuple(sluice::use_awaitable)) ||
                                end.async_receive());
        first = result.index();
        BOOST_TEST((std::get<0>(std::get<0>(result)) == asio::error::connection_reset));
      }(rx, stopped, which));
  BOOST_TEST(which == 0u);
}

// tag::both_results[]
/// Sends unless the timer is first. What it returns is what happened to the value.
asio::awaitable<sluice::error_code> send_within(sluice::sender<int>& tx, int value,
                                                std::chrono::milliseconds time) {
  asio::steady_timer timer(co_await asio::this_coro::executor, time);
  auto [order, sent, waited] =
      co_await asio::experimental::make_parallel_group(tx.async_send(value, asio::deferred),
                                                       timer.async_wait(asio::deferred))
          .async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
  co_return sent;  // not `order`, which only says who was first
}
// end::both_results[]

BOOST_AUTO_TEST_CASE(D4_the_result_of_a_send_is_always_true) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 1);
  run(context, [](sluice::sender<int>& from, sluice::receiver<int>& to) -> asio::awaitable<void> {
    BOOST_TEST(!(co_await send_within(from, 1, 1h)));
    BOOST_TEST((co_await send_within(from, 2, 1ms) == asio::error::operation_aborted));
    BOOST_TEST((to.try_receive() == 1));
    for (int round = 0; round < 500; ++round) {
      sluice::error_code ec = co_await send_within(from, round, 0ms);
      BOOST_TEST(to.size() == (ec ? 0u : 1u));
      while (to.try_receive()) continue;
    }
  }(tx, rx));
}

#if BOOST_VERSION >= 108600
// tag::cancel_after[]
asio::awaitable<void> forward(sluice::receiver<int>& rx, sluice::sender<int>& tx) {
  auto [ec, message] =
      co_await rx.async_receive(asio::cancel_after(100ms, asio::as_tuple(sluice::use_awaitable)));
  if (ec == asio::error::operation_aborted) co_return;  // too late; nothing was taken
  if (!message) co_return;                              // the end of the stream

  auto [ec2] = co_await tx.async_send(
      *message, asio::cancel_after(100ms, asio::as_tuple(sluice::use_awaitable)));
  if (ec2) tx.close();  // not sent
}
// end::cancel_after[]

BOOST_AUTO_TEST_CASE(D4_cancel_after_reports_what_happened) {
  asio::io_context context;
  auto [tx1, rx1] = sluice::make_channel<int>(context, 1);
  auto [tx2, rx2] = sluice::make_channel<int>(context, 1);
  run(context, forward(rx1, tx2));
  BOOST_TEST(!tx2.is_closed());
  BOOST_TEST(!tx1.try_send(1));
  run(context, forward(rx1, tx2));
  BOOST_TEST(rx1.empty());
  BOOST_TEST(rx2.size() == 1u);
  BOOST_TEST(!tx1.try_send(2));
  run(context, forward(rx1, tx2));
  BOOST_TEST(rx1.empty());
  BOOST_TEST(rx2.size() == 1u);
  BOOST_TEST(tx2.is_closed());
}

BOOST_AUTO_TEST_CASE(cancel_after_inside_or_holds_the_result_back) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 1);
  auto [stop, stopped] = sluice::make_channel<int>(context, 1);
  std::size_t which = 0;
  spawn(context,
        [](sluice::receiver<int>& numbers, sluice::receiver<int>& end,
           std::size_t& first) -> asio::awaitable<void> {
          auto result =
              co_await (numbers.async_receive(asio::cancel_after(1h, sluice::use_awaitable)) ||
                        end.async_receive());
          first = result.index();
        }(rx, stopped, which));
  // Both wait. The message comes first, and still it is the other branch that wins.
  while (context.poll_one() != 0) continue;
  BOOST_TEST(!tx.try_send(1));
  BOOST_TEST(!stop.try_send(0));
  context.restart();
  context.run();
  BOOST_TEST(which == 1u);
  BOOST_TEST(rx.empty());
}
#endif

// tag::unstarted[]
asio::awaitable<void> say_goodbye(sluice::sender<std::string> tx) {
  auto goodbye = tx.async_send("goodbye", asio::use_awaitable);  // not begun yet
  tx = {};                                                       // nor is the channel closed
  co_await std::move(goodbye);  // begins and completes; then the last sender is gone
}
// end::unstarted[]

BOOST_AUTO_TEST_CASE(K9_an_unstarted_send_keeps_the_channel_open) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<std::string>(context, 1);
  run(context, say_goodbye(std::move(tx)));
  BOOST_TEST((rx.try_receive() == "goodbye"));
  BOOST_TEST(rx.is_closed());
}

BOOST_AUTO_TEST_CASE(K9_an_unstarted_receive_is_no_receiver) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 1);
  sluice::error_code result;
  auto receive = rx.async_receive(asio::deferred);
  BOOST_TEST(rx.receiver_count() == 1u);
  rx = {};
  BOOST_TEST(tx.is_closed());
  std::move(receive)([&](sluice::error_code ec, std::optional<int>) { result = ec; });
  context.run();
  BOOST_TEST((result == asio::error::operation_aborted));
}

BOOST_AUTO_TEST_CASE(K9_a_temporary_handle_is_moved_into_the_coroutine) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 1);
  auto receive = sluice::receiver<int>(rx).async_receive();
  rx = {};
  BOOST_TEST(tx.receiver_count() == 1u);
  BOOST_TEST(!tx.try_send(4));
  run(context, [](asio::awaitable<std::optional<int>> operation) -> asio::awaitable<void> {
    BOOST_TEST((co_await std::move(operation) == 4));
  }(std::move(receive)));
  BOOST_TEST(tx.is_closed());
}

BOOST_AUTO_TEST_CASE(K8_a_busy_channel_lets_others_run) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_unbounded_channel<int>(context);
  int others = 0;
  spawn(context, [](sluice::sender<int> numbers) -> asio::awaitable<void> {
    for (int number = 0; number < 1000; ++number) co_await numbers.async_send(number);
  }(std::move(tx)));
  spawn(context, [](int& count) -> asio::awaitable<void> {
    for (;;) {
      co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
      ++count;
    }
  }(others));
  while (!rx.is_closed()) context.run_one();
  // One visit to the scheduler for 128 messages would make it about seven.
  BOOST_TEST(others >= 3);
}

}  // namespace
