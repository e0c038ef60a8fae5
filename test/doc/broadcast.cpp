// SPDX-License-Identifier: BSL-1.0
// requires: c++20
#define BOOST_TEST_MODULE doc_broadcast
#include "doc/run.hpp"

#include <sluice.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace asio = boost::asio;

namespace {

struct quote {
  std::string name;
  int price;
};

std::vector<int> shown;

void show(const quote& q) {
  shown.push_back(q.price);
}

// tag::subscriber[]
asio::awaitable<void> follow(sluice::broadcast_receiver<quote> rx) {
  while (auto latest = co_await rx.async_receive()) show(*latest);
}
// end::subscriber[]

BOOST_AUTO_TEST_CASE(every_subscriber_gets_every_message) {
  asio::io_context context;
  // tag::make[]
  sluice::broadcast_sender<quote> tx(context, 16);  // up to 16 messages are held
  spawn(context, follow(tx.subscribe()));
  spawn(context, follow(tx.subscribe()));
  std::size_t reached = tx.send({"ACME", 7});
  tx.send({"ACME", 8});
  tx.close();
  // end::make[]
  context.run();
  BOOST_TEST(reached == 2u);
  BOOST_TEST(shown == (std::vector<int>{7, 8, 7, 8}), boost::test_tools::per_element());
}

std::uint64_t lost = 0;

void warn(std::uint64_t missed) {
  lost += missed;
}

// tag::lagging[]
asio::awaitable<void> follow_and_count(sluice::broadcast_receiver<quote> rx) {
  constexpr auto token = asio::as_tuple(sluice::use_awaitable);
  for (;;) {
    auto [ec, latest] = co_await rx.async_receive(token);
    if (ec == sluice::error::lagged)
      warn(rx.missed());  // and go on with the oldest one that is held
    else if (latest)
      show(*latest);
    else
      co_return;  // the end, or another error
  }
}
// end::lagging[]

BOOST_AUTO_TEST_CASE(who_is_too_slow_is_told) {
  asio::io_context context;
  shown.clear();
  sluice::broadcast_sender<quote> tx(context, 2);
  spawn(context, follow_and_count(tx.subscribe()));
  for (int i = 0; i != 5; ++i) tx.send({"ACME", i});
  tx.close();
  context.run();
  BOOST_TEST(lost == 3u);
  BOOST_TEST(shown == (std::vector<int>{3, 4}), boost::test_tools::per_element());
}

// tag::lossless[]
asio::awaitable<void> publish(sluice::lossless_broadcast_sender<quote> tx) {
  for (int price = 0; price != 5; ++price) {
    quote latest{"ACME", price};
    co_await tx.async_send(std::move(latest));  // waits for the slowest subscriber
  }
}
// end::lossless[]

BOOST_AUTO_TEST_CASE(a_lossless_broadcast_waits) {
  asio::io_context context;
  shown.clear();
  sluice::lossless_broadcast_sender<quote> tx(context, 1);
  auto rx = tx.subscribe();
  spawn(context, publish(std::move(tx)));
  context.poll();
  BOOST_TEST(rx.size() == 1u);
  spawn(context, follow(std::move(rx)));
  context.restart();
  context.run();
  BOOST_TEST(shown == (std::vector<int>{0, 1, 2, 3, 4}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(large_messages_are_shared) {
  asio::io_context context;
  // tag::shared[]
  sluice::broadcast_sender<std::shared_ptr<const std::string>> tx(context, 16);
  auto rx = tx.subscribe();
  tx.send(std::make_shared<const std::string>("a long text"));
  // end::shared[]
  auto received = rx.try_receive();
  BOOST_TEST(**received == "a long text");
}

}  // namespace
