// SPDX-License-Identifier: BSL-1.0
// requires: c++20
#define BOOST_TEST_MODULE doc_channel
#include "doc/run.hpp"

#include <sluice.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/system/system_error.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace asio = boost::asio;

namespace {

BOOST_AUTO_TEST_CASE(channels_are_made_in_pairs) {
  // tag::make[]
  asio::io_context context;

  auto [tx, rx] = sluice::make_channel<std::string>(context, 64);     // up to 64 values
  auto [give, take] = sluice::make_channel<std::string>(context, 0);  // a rendezvous
  auto [put, get] = sluice::make_unbounded_channel<std::string>(context);

  // Instead of a context, any executor. Completions run on it by default.
  auto [ask, hear] = sluice::make_channel<int>(asio::make_strand(context), 1);

  // With a concrete executor type, where every nanosecond counts.
  using executor = asio::io_context::executor_type;
  auto [in, out] = sluice::make_channel<int, executor>(context, 16);
  // end::make[]
  BOOST_TEST(tx.capacity() == 64u);
  BOOST_TEST(take.capacity() == 0u);
  BOOST_TEST(get.capacity() == SIZE_MAX);
  BOOST_TEST(hear.capacity() == 1u);
  BOOST_TEST(out.capacity() == 16u);
  BOOST_TEST(tx.same_channel(rx));
  BOOST_TEST(!tx.same_channel(take));
  BOOST_TEST(give.same_channel(take));
  BOOST_TEST(put.same_channel(get));
  BOOST_TEST(ask.same_channel(hear));
  BOOST_TEST(in.same_channel(out));
}

struct task {
  int number = 0;
  std::unique_ptr<std::string> text;
};

struct figures {
  int taken = 0;
  int busy = 0;
  int stopped = 0;
};

void offer(sluice::sender<task>& tx, task& next, figures& count) {
  // tag::try_send[]
  sluice::error_code ec = tx.try_send(std::move(next));
  if (!ec)
    ++count.taken;
  else if (ec == sluice::error::full)
    ++count.busy;  // `next` still has its value
  else
    ++count.stopped;  // closed; `next` still has its value
  // end::try_send[]
}

BOOST_AUTO_TEST_CASE(a_value_that_is_not_accepted_is_untouched) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<task>(context, 1);
  figures count;
  task first{1, std::make_unique<std::string>("one")};
  offer(tx, first, count);
  BOOST_TEST(first.text.get() == nullptr);
  task second{2, std::make_unique<std::string>("two")};
  offer(tx, second, count);
  BOOST_TEST_REQUIRE(second.text.get() != nullptr);
  rx.close();
  offer(tx, second, count);
  BOOST_TEST_REQUIRE(second.text.get() != nullptr);
  BOOST_TEST(*second.text == "two");
  BOOST_TEST(count.taken == 1);
  BOOST_TEST(count.busy == 1);
  BOOST_TEST(count.stopped == 1);
}

// tag::force_send[]
/// Returns the value that had to make room, if there was one.
std::optional<int> send_newest(sluice::sender<int>& tx, int value) {
  sluice::error_code ec;
  std::optional<int> displaced = tx.force_send(std::move(value), ec);
  if (ec) throw boost::system::system_error(ec);  // nobody receives any more
  return displaced;
}
// end::force_send[]

BOOST_AUTO_TEST_CASE(force_send_returns_what_it_displaces) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 2);
  BOOST_TEST((send_newest(tx, 1) == std::nullopt));
  BOOST_TEST((send_newest(tx, 2) == std::nullopt));
  BOOST_TEST((send_newest(tx, 3) == 1));
  BOOST_TEST(rx.try_receive().value() == 2);
  BOOST_TEST(rx.try_receive().value() == 3);
  rx.close();
  BOOST_CHECK_THROW(send_newest(tx, 4), boost::system::system_error);
}

// tag::send[]
asio::awaitable<void> produce(sluice::sender<int> tx) {
  for (int number = 1; number <= 100; ++number) co_await tx.async_send(number);
}  // the last sender goes, and with it the channel closes
// end::send[]

// tag::receive[]
asio::awaitable<int> sum(sluice::receiver<int> rx) {
  int result = 0;
  while (auto number = co_await rx.async_receive()) result += *number;
  co_return result;  // closed, and everything has been received
}
// end::receive[]

BOOST_AUTO_TEST_CASE(a_stream_ends_with_its_last_sender) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 4);
  int result = 0;
  spawn(context, produce(std::move(tx)));
  run(context, [](sluice::receiver<int> numbers, int& total) -> asio::awaitable<void> {
    total = co_await sum(std::move(numbers));
  }(std::move(rx), result));
  BOOST_TEST(result == 5050);
}

// tag::send_reference[]
asio::awaitable<bool> send_to_either(sluice::sender<task>& first, sluice::sender<task>& second,
                                     task& next) {
  auto [ec] = co_await first.async_send(std::ref(next), asio::as_tuple(sluice::use_awaitable));
  if (!ec) co_return true;
  // Not sent, so `next` still has its value.
  auto [ec2] = co_await second.async_send(std::ref(next), asio::as_tuple(sluice::use_awaitable));
  co_return !ec2;
}
// end::send_reference[]

BOOST_AUTO_TEST_CASE(a_referenced_value_survives_a_failed_send) {
  asio::io_context context;
  auto [tx1, rx1] = sluice::make_channel<task>(context, 1);
  auto [tx2, rx2] = sluice::make_channel<task>(context, 1);
  rx1.close();
  bool sent = false;
  run(context,
      [](sluice::sender<task>& first, sluice::sender<task>& second,
         bool& over) -> asio::awaitable<void> {
        task next{7, std::make_unique<std::string>("seven")};
        over = co_await send_to_either(first, second, next);
        BOOST_TEST(next.text.get() == nullptr);
      }(tx1, tx2, sent));
  BOOST_TEST(sent);
  BOOST_TEST(*rx2.try_receive().value().text == "seven");
}

struct parcel {
  std::string address;
  std::unique_ptr<std::string> content;
};

// tag::aggregate[]
asio::awaitable<void> send_parcel(sluice::sender<parcel> tx, std::unique_ptr<std::string> book) {
  parcel next{"here", std::move(book)};
  co_await tx.async_send(std::move(next));  // not: async_send(parcel{...})
}
// end::aggregate[]

BOOST_AUTO_TEST_CASE(an_aggregate_is_named_before_it_is_sent) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<parcel>(context, 1);
  run(context, send_parcel(std::move(tx), std::make_unique<std::string>("a book")));
  BOOST_TEST(*rx.try_receive().value().content == "a book");
}

struct reading {
  std::vector<int> values;
  sluice::error_code why;
};

// tag::reason[]
asio::awaitable<reading> read_all(sluice::receiver<int> rx) {
  reading result;
  for (;;) {
    auto [ec, value] = co_await rx.async_receive(asio::as_tuple(sluice::use_awaitable));
    if (!value) {
      result.why = ec;  // no error: the plain end of the stream
      co_return result;
    }
    result.values.push_back(*value);
  }
}

void fail(sluice::sender<int>& tx) {
  tx.close(asio::error::connection_reset);
}
// end::reason[]

BOOST_AUTO_TEST_CASE(a_reason_comes_after_the_values) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 4);
  BOOST_TEST(!tx.try_send(1));
  BOOST_TEST(!tx.try_send(2));
  fail(tx);
  BOOST_TEST((tx.try_send(3) == sluice::error::closed));
  run(context, [](sluice::receiver<int>& numbers) -> asio::awaitable<void> {
    reading result = co_await read_all(numbers);
    BOOST_TEST((result.values == std::vector<int>{1, 2}));
    BOOST_TEST((result.why == asio::error::connection_reset));
  }(rx));
  sluice::error_code ec;
  BOOST_TEST(!rx.try_receive(ec).has_value());
  BOOST_TEST((ec == asio::error::connection_reset));
}

// tag::try_receive[]
std::vector<int> take_what_is_there(sluice::receiver<int>& rx, bool& ended) {
  std::vector<int> values;
  sluice::error_code ec;
  while (auto value = rx.try_receive(ec)) values.push_back(*value);
  ended = ec != sluice::error::empty;  // closed, or the reason that it was closed with
  return values;
}
// end::try_receive[]

BOOST_AUTO_TEST_CASE(try_receive_tells_empty_from_ended) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 4);
  bool ended = true;
  BOOST_TEST(!tx.try_send(5));
  BOOST_TEST((take_what_is_there(rx, ended) == std::vector<int>{5}));
  BOOST_TEST(!ended);
  BOOST_TEST(!tx.try_send(6));
  tx.close();
  BOOST_TEST((take_what_is_there(rx, ended) == std::vector<int>{6}));
  BOOST_TEST(ended);
}

// tag::weak[]
/// Adds to a channel as long as somebody else keeps it open.
class heartbeat {
 public:
  explicit heartbeat(const sluice::sender<std::string>& tx) : tx_(tx) {}

  bool beat() {
    auto tx = tx_.lock();
    return tx && !tx.try_send("still here");
  }

 private:
  sluice::weak_sender<std::string> tx_;
};
// end::weak[]

BOOST_AUTO_TEST_CASE(a_weak_sender_keeps_nothing_open) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<std::string>(context, 4);
  heartbeat heart(tx);
  BOOST_TEST(heart.beat());
  BOOST_TEST(rx.size() == 1u);
  tx = {};
  BOOST_TEST(rx.is_closed());
  BOOST_TEST(!heart.beat());
}

// tag::wait_closed[]
asio::awaitable<void> stop_when_unheard(sluice::sender<int> tx, asio::steady_timer& poll) {
  co_await tx.async_wait_closed();  // nobody can receive any more
  poll.cancel();
}
// end::wait_closed[]

BOOST_AUTO_TEST_CASE(a_sender_hears_that_nobody_listens) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 4);
  asio::steady_timer poll(context, std::chrono::steady_clock::time_point::max());
  sluice::error_code seen;
  poll.async_wait([&](sluice::error_code ec) { seen = ec; });
  spawn(context, stop_when_unheard(tx, poll));
  while (context.poll_one() != 0) continue;
  BOOST_TEST(!seen);
  rx = {};
  context.restart();
  context.run();
  BOOST_TEST((seen == asio::error::operation_aborted));
}

BOOST_AUTO_TEST_CASE(the_ends_may_live_in_two_contexts) {
  // tag::two_contexts[]
  asio::io_context network;
  asio::thread_pool workers(2);

  auto [tx, made_for_network] = sluice::make_channel<int>(network, 16);
  auto rx = made_for_network.with_executor(workers.get_executor());
  made_for_network = {};  // otherwise this receiver would count, too
  // end::two_contexts[]
  BOOST_TEST(rx.receiver_count() == 1u);
  std::thread::id where;
  std::optional<int> received;
  rx.async_receive([&](sluice::error_code, std::optional<int> value) {
    where = std::this_thread::get_id();
    received = value;
  });
  BOOST_TEST(!tx.try_send(9));
  workers.join();
  BOOST_TEST((received == 9));
  BOOST_TEST((where != std::this_thread::get_id()));
}

BOOST_AUTO_TEST_CASE(cancel_ends_what_one_handle_began) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 1);
  std::vector<sluice::error_code> seen;
  // tag::cancel[]
  auto other = rx;  // another receiver of the same channel
  rx.async_receive([&](sluice::error_code ec, std::optional<int>) { seen.push_back(ec); });
  other.async_receive([&](sluice::error_code ec, std::optional<int>) { seen.push_back(ec); });
  rx.cancel();  // the first one ends with operation_aborted, the second one goes on
  // end::cancel[]
  while (context.poll_one() != 0) continue;
  BOOST_TEST_REQUIRE(seen.size() == 1u);
  BOOST_TEST((seen[0] == asio::error::operation_aborted));
  BOOST_TEST(!tx.try_send(1));
  context.restart();
  context.run();
  BOOST_TEST_REQUIRE(seen.size() == 2u);
  BOOST_TEST(!seen[1]);
}

// tag::conditions[]
namespace errc = boost::system::errc;

// For error codes of any kind: is it worth trying again? Is it over?
bool later(const boost::system::error_code& ec) {
  return ec == errc::resource_unavailable_try_again;
}

bool over(const boost::system::error_code& ec) {
  return ec == errc::broken_pipe;
}
// end::conditions[]

BOOST_AUTO_TEST_CASE(generic_code_can_test_for_conditions) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 1);
  BOOST_TEST(!later(tx.try_send(1)));
  BOOST_TEST(later(tx.try_send(2)));
  BOOST_TEST(!over(tx.try_send(2)));
  tx.close();
  BOOST_TEST(over(tx.try_send(3)));
  BOOST_TEST(!later(tx.try_send(3)));
  BOOST_TEST(rx.size() == 1u);
}

}  // namespace
