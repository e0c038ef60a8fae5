// SPDX-License-Identifier: BSL-1.0
// requires: c++20
#define BOOST_TEST_MODULE channel_coroutines

// Channels in coroutines, most of all a receive that races something else under `||`: whoever wins,
// no message is lost (D3).

#include "support/flavours.hpp"
#include "support/message.hpp"
#include "support/probe.hpp"
#include "support/seed.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <exception>
#include <numeric>
#include <utility>
#include <variant>
#include <vector>

using namespace support;
using namespace asio::experimental::awaitable_operators;

namespace {

/// Starts a coroutine whose exceptions leave through its context.
template <class Executor, class T>
void start(const Executor& ex, asio::awaitable<T> coroutine) {
  asio::co_spawn(ex, std::move(coroutine), [](std::exception_ptr thrown, auto&&...) {
    if (thrown) std::rethrow_exception(thrown);
  });
}

std::vector<int> numbers(int count) {
  std::vector<int> result(static_cast<std::size_t>(count));
  std::iota(result.begin(), result.end(), 0);
  return result;
}

}  // namespace

// Plain loops -------------------------------------------------------------------------------------

namespace {

template <class Sender>
asio::awaitable<void> send_numbers(Sender tx, int count) {
  for (int i = 0; i != count; ++i) co_await tx.async_send(message(i));
}

template <class Receiver>
asio::awaitable<void> receive_until_end(Receiver rx, std::vector<int>& ids, bool& ended) {
  while (auto received = co_await rx.async_receive()) ids.push_back(received->id());
  ended = true;
}

}  // namespace

FLAVOUR_TEST_CASE(C2_a_receiving_loop_gets_everything_and_ends, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  std::vector<int> ids;
  bool ended = false;
  start(context.get_executor(), send_numbers(std::move(tx), 500));
  start(context.get_executor(), receive_until_end(std::move(rx), ids, ended));
  context.run();
  BOOST_TEST(ids == numbers(500), boost::test_tools::per_element());
  BOOST_TEST(ended);
}

FLAVOUR_TEST_CASE(C2_a_reason_is_thrown_after_the_values, buffered_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  std::vector<int> ids;
  bool ended = false;
  BOOST_TEST(!tx.try_send(message(0)));
  tx.close(asio::error::connection_reset);
  start(context.get_executor(), receive_until_end(std::move(rx), ids, ended));
  try {
    context.run();
    BOOST_ERROR("nothing was thrown");
  } catch (const boost::system::system_error& thrown) {
    BOOST_TEST(thrown.code() == asio::error::connection_reset);
  }
  BOOST_TEST(ids == numbers(1), boost::test_tools::per_element());
  BOOST_TEST(!ended);
}

FLAVOUR_TEST_CASE(C2_a_send_throws_when_the_channel_is_closed, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  start(context.get_executor(), send_numbers(tx, 10'000'000));
  asio::post(context, [r = std::move(rx)]() mutable { r = {}; });
  try {
    context.run();
    BOOST_ERROR("nothing was thrown");
  } catch (const boost::system::system_error& thrown) {
    BOOST_TEST(thrown.code() == sluice::error::closed);
  }
}

// A receive or a timer ----------------------------------------------------------------------------

namespace {

struct race_result {
  std::vector<int> ids;
  int timeouts = 0;
};

/// Receives until the end, each time with a timer beside that is over before, after, or by then.
template <class Receiver>
asio::awaitable<void> receive_or_time_out(Receiver rx, asio::steady_timer timer,
                                          random_source random, race_result& result) {
  for (;;) {
    timer.expires_after(std::chrono::microseconds(static_cast<int>(random.below(16)) - 4));
    std::optional<message> received;
    bool timed_out = false;
    if (random.coin()) {
      auto first = co_await (rx.async_receive() || timer.async_wait(asio::use_awaitable));
      timed_out = first.index() == 1;
      if (!timed_out) received = std::get<0>(std::move(first));
    } else {
      auto first = co_await (timer.async_wait(asio::use_awaitable) || rx.async_receive());
      timed_out = first.index() == 0;
      if (!timed_out) received = std::get<1>(std::move(first));
    }
    if (timed_out)
      ++result.timeouts;
    else if (received)
      result.ids.push_back(received->id());
    else
      co_return;
  }
}

/// Sends each message some random number of turns after the one before.
template <class Sender>
asio::awaitable<void> send_now_and_then(Sender tx, int count, random_source random) {
  auto ex = co_await asio::this_coro::executor;
  for (int i = 0; i != count; ++i) {
    for (unsigned turns = random.below(8); turns != 0; --turns)
      co_await asio::post(ex, asio::use_awaitable);
    co_await tx.async_send(message(i));
  }
}

}  // namespace

FLAVOUR_TEST_CASE(D3_asio_issue_1041_receive_or_timer_loses_nothing, flavours) {
  constexpr int messages = 2'000;
  random_source random;
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  race_result result;
  start(context.get_executor(),
        receive_or_time_out(std::move(rx), asio::steady_timer(context), random.fork(), result));
  start(context.get_executor(), send_now_and_then(std::move(tx), messages, random.fork()));
  context.run();
  BOOST_TEST(result.ids == numbers(messages), boost::test_tools::per_element());
  BOOST_TEST(result.timeouts > 0);
}

FLAVOUR_TEST_CASE(D3_asio_issue_1041_receive_or_timer_on_a_strand_loses_nothing,
                  threaded_flavours) {
  constexpr int messages = 2'000;
  random_source random;
  asio::thread_pool pool(2);
  auto strand = asio::make_strand(pool);
  auto [tx, rx] = flavour.open(pool);
  race_result result;
  // The values come from another strand, and so at any moment.
  start(strand, receive_or_time_out(rx.with_executor(strand), asio::steady_timer(pool),
                                    random.fork(), result));
  start(asio::make_strand(pool), send_now_and_then(std::move(tx), messages, random.fork()));
  rx = {};
  pool.join();
  BOOST_TEST(result.ids == numbers(messages), boost::test_tools::per_element());
  BOOST_TEST(result.timeouts > 0);
}

// Branches that are ready -------------------------------------------------------------------------

namespace {

constexpr int rounds = 1'000;

/// Waits for the first of two receives.
template <class Receiver>
asio::awaitable<void> receive_either(Receiver& rx1, Receiver& rx2, int& received) {
  auto first = co_await (rx1.async_receive() || rx2.async_receive());
  received = std::visit([](auto& value) { return value ? value->id() : message::none; }, first);
}

/// Waits for the first of three receives.
template <class Receiver>
asio::awaitable<void> receive_any(Receiver& rx1, Receiver& rx2, Receiver& rx3, int& received) {
  auto first = co_await (rx1.async_receive() || rx2.async_receive() || rx3.async_receive());
  received = std::visit([](auto& value) { return value ? value->id() : message::none; }, first);
}

/// Waits for a receive beside a timer that is over.
template <class Receiver>
asio::awaitable<void> receive_beside_expired(Receiver& rx, asio::steady_timer& timer,
                                             int& received) {
  auto first = co_await (rx.async_receive() || timer.async_wait(asio::use_awaitable));
  received = message::none;
  if (first.index() == 0) received = std::get<0>(first)->id();
}

}  // namespace

FLAVOUR_TEST_CASE(D3_of_two_ready_receives_one_takes, flavours) {
  asio::io_context context;
  auto [tx1, rx1] = flavour.open(context);
  auto [tx2, rx2] = flavour.open(context);
  int wrong = 0;
  for (int round = 0; round != rounds; ++round) {
    auto sent1 = begin_send(tx1, 1);
    auto sent2 = begin_send(tx2, 2);
    int received = message::none;
    start(context.get_executor(), receive_either(rx1, rx2, received));
    run_ready(context);
    // The value of the one that lost is where it was.
    const taken left1 = take(rx1);
    const taken left2 = take(rx2);
    wrong += (received == 1 && left1.id == message::none && left2.id == 2) ||
                     (received == 2 && left1.id == 1 && left2.id == message::none)
                 ? 0
                 : 1;
    run_ready(context);
    wrong += sent1.succeeded() && sent2.succeeded() ? 0 : 1;
  }
  BOOST_TEST(wrong == 0);
}

FLAVOUR_TEST_CASE(D3_of_three_ready_receives_one_takes, flavours) {
  asio::io_context context;
  auto [tx1, rx1] = flavour.open(context);
  auto [tx2, rx2] = flavour.open(context);
  auto [tx3, rx3] = flavour.open(context);
  int wrong = 0;
  for (int round = 0; round != rounds; ++round) {
    begin_send(tx1, 1);
    begin_send(tx2, 2);
    begin_send(tx3, 4);
    int received = message::none;
    start(context.get_executor(), receive_any(rx1, rx2, rx3, received));
    run_ready(context);
    int left = 0;
    for (auto* rx : {&rx1, &rx2, &rx3})
      if (auto value = rx->try_receive()) left += value->id();
    wrong += received != message::none && received + left == 7 ? 0 : 1;
  }
  BOOST_TEST(wrong == 0);
}

FLAVOUR_TEST_CASE(D3_a_ready_receive_beside_an_expired_timer_loses_nothing, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  int wrong = 0;
  for (int round = 0; round != rounds; ++round) {
    asio::steady_timer timer(context, asio::steady_timer::time_point::min());
    begin_send(tx, 1);
    int received = message::none;
    start(context.get_executor(), receive_beside_expired(rx, timer, received));
    run_ready(context);
    wrong += (received == 1) != (take(rx).id == 1) ? 0 : 1;
  }
  BOOST_TEST(wrong == 0);
}

FLAVOUR_TEST_CASE(D3_a_receive_that_becomes_ready_in_the_same_turn_loses_nothing, flavours) {
  // The send comes some turns after the receive and the timer were begun: before, between and after
  // the steps in which their completions pass through the context.
  int seen[2] = {0, 0};
  int wrong = 0;
  for (int round = 0; round != rounds; ++round) {
    asio::io_context context;
    auto [tx, rx] = flavour.open(context);
    asio::steady_timer timer(context, asio::steady_timer::time_point::min());
    int received = message::none;
    start(context.get_executor(), receive_beside_expired(rx, timer, received));
    for (int turn = round % 12; turn != 0; --turn) context.poll_one();
    auto sent = begin_send(tx, 1);
    run_ready(context);
    const bool was_received = received == 1;
    const bool is_left = take(rx).id == 1;
    wrong += was_received != is_left ? 0 : 1;
    ++seen[was_received ? 1 : 0];
    run_ready(context);
    wrong += sent.succeeded() ? 0 : 1;
  }
  BOOST_TEST(wrong == 0);
  BOOST_TEST(seen[0] > 0);
}

FLAVOUR_TEST_CASE(D3_two_receives_that_become_ready_in_the_same_turn_lose_nothing, flavours) {
  int wrong = 0;
  for (int round = 0; round != rounds; ++round) {
    asio::io_context context;
    auto [tx1, rx1] = flavour.open(context);
    auto [tx2, rx2] = flavour.open(context);
    int received = message::none;
    start(context.get_executor(), receive_either(rx1, rx2, received));
    run_ready(context);
    // Now both wait. One is woken, and some turns later the other one.
    context.restart();
    begin_send(tx1, 1);
    for (int turn = round % 6; turn != 0; --turn) context.poll_one();
    begin_send(tx2, 2);
    run_ready(context);
    wrong += received == 1 && take(rx1).id == message::none && take(rx2).id == 2 ? 0 : 1;
  }
  BOOST_TEST(wrong == 0);
}

// Sends under `||` --------------------------------------------------------------------------------

namespace {

template <class Sender>
asio::awaitable<void> send_or_time_out(Sender& tx, message& value, asio::steady_timer& timer,
                                       bool& sent) {
  auto first = co_await (tx.async_send(std::ref(value)) || timer.async_wait(asio::use_awaitable));
  sent = first.index() == 0;
}

}  // namespace

FLAVOUR_TEST_CASE(D4_a_send_by_reference_that_lost_a_race_shows_whether_it_was_sent,
                  limited_flavours) {
  int wrong = 0;
  for (int round = 0; round != rounds; ++round) {
    asio::io_context context;
    auto [tx, rx] = flavour.open(context);
    while (!tx.full()) (void)tx.try_send(message(0));
    asio::steady_timer timer(context, asio::steady_timer::time_point::min());
    message lent(7);
    bool sent = false;
    start(context.get_executor(), send_or_time_out(tx, lent, timer, sent));
    for (int turn = round % 12; turn != 0; --turn) context.poll_one();
    // Makes room, or takes it.
    bool received = take(rx).id == 7;
    run_ready(context);
    while (auto value = rx.try_receive()) received = received || value->id() == 7;
    // `||` may say that the timer was first though it was sent; the value tells.
    wrong += received == (lent.id() == message::none) ? 0 : 1;
    wrong += sent && !received ? 1 : 0;
  }
  BOOST_TEST(wrong == 0);
}
