// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE broadcast_memory

// What a broadcast allocates, what it gives back, and what happens when there is no memory.

#include "support/broadcasts.hpp"
#include "support/heap.hpp"
#include "support/probe.hpp"
#include "support/unit_test.hpp"

#include <sluice/broadcast.hpp>

#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>

#include <cstddef>
#include <functional>
#include <new>
#include <optional>
#include <utility>

using namespace support;

FLAVOUR_TEST_CASE(K3_in_the_steady_state_messages_allocate_nothing, broadcasts) {
  asio::io_context context;
  auto check = [&](auto tx) {
    using type = typename decltype(tx)::value_type;
    auto a = tx.subscribe();
    auto b = tx.subscribe();
    auto use = [&] {
      for (int i = 0; i != 20; ++i) {
        tx.send(type(i));
        static_cast<void>(a.try_receive());
        if (i % 3 == 0) static_cast<void>(b.try_receive());
      }
    };
    use();
    const std::size_t before = heap::allocations;
    for (int round = 0; round != 10; ++round) use();
    BOOST_TEST(heap::allocations == before);
  };
  check(open_broadcast<int>(flavour, context));
  check(open_broadcast<letter>(flavour, context));
}

// Also if it is overtaken in the middle of a copy, over and over again.
FLAVOUR_TEST_CASE(K3_messages_that_are_given_up_while_they_are_copied_are_used_again, broadcasts) {
  asio::io_context context;
  letter::office office;
  auto tx = open_broadcast(flavour, context);
  auto rx = tx.subscribe();
  auto other = tx.subscribe();
  bool sends = false;
  office.at_copy = [&tx, &sends] {
    if (std::exchange(sends, false))
      for (int i = 0; i != 5; ++i) tx.send(letter(i));
  };
  auto use = [&] {
    tx.send(letter(1, office));
    while (rx.size() > 1) static_cast<void>(rx.try_receive());
    sends = true;
    static_cast<void>(rx.try_receive());
  };
  for (int i = 0; i != 5; ++i) use();
  const std::size_t before = heap::blocks;
  for (int i = 0; i != 50; ++i) use();
  BOOST_TEST(heap::blocks == before);
}

FLAVOUR_TEST_CASE(memory_is_taken_as_messages_come_and_goes_with_the_broadcast, one_broadcast) {
  asio::io_context context;
  const std::size_t before = heap::blocks;
  const std::size_t bytes = heap::bytes;
  {
    sluice::broadcast_sender<int, asio::any_io_executor, typename decltype(flavour)::threading> tx(
        context, 1000000);
    BOOST_TEST(heap::blocks - before <= 2u);
    BOOST_TEST(heap::bytes - bytes <= 256u);
    auto rx = tx.subscribe();
    BOOST_TEST(heap::blocks - before <= 3u);
    for (int i = 0; i != 100; ++i) tx.send(i);
    BOOST_TEST(heap::blocks - before <= 103u);
  }
  BOOST_TEST(heap::blocks == before);
}

FLAVOUR_TEST_CASE(making_a_broadcast_or_a_subscriber_may_fail, one_broadcast) {
  asio::io_context context;
  const std::size_t before = heap::blocks;
  for (long n = 0;; ++n) {
    failing_heap failing(n);
    try {
      auto tx = open_broadcast(flavour, context);
      auto rx = tx.subscribe();
      auto other = rx.resubscribe();
      BOOST_TEST(tx.receiver_count() == 2u);
      break;
    } catch (const std::bad_alloc&) {
      BOOST_TEST_REQUIRE(n < 10);
    }
  }
  BOOST_TEST(heap::blocks == before);
}

FLAVOUR_TEST_CASE(a_send_that_finds_no_memory_has_done_nothing, broadcasts) {
  asio::io_context context;
  letter::office office;
  auto tx = open_broadcast(flavour, context);
  auto rx = tx.subscribe();
  auto received = begin_receive(rx);
  {
    failing_heap failing;
    BOOST_CHECK_THROW(tx.send(letter(1, office)), std::bad_alloc);
  }
  BOOST_TEST(office.alive == 0);
  BOOST_TEST(tx.size() == 0u);
  run_ready(context);
  BOOST_TEST(!received.done());
  tx.send(letter(2, office));
  run_ready(context);
  BOOST_TEST(received.id() == 2);
}

// The oldest message is given up only if there is a place for the new one.
FLAVOUR_TEST_CASE(a_send_without_memory_gives_up_no_message, broadcasts) {
  asio::io_context context;
  letter::office office;
  auto tx = open_broadcast(flavour, context);
  auto rx = tx.subscribe();
  auto slow = tx.subscribe();
  const int capacity = static_cast<int>(flavour.capacity);
  for (int i = 0; i != capacity; ++i) tx.send(letter(i, office));
  bool failed = false;
  office.at_copy = [&] {
    office.at_copy = nullptr;
    failing_heap failing;
    try {
      tx.send(letter(99));
    } catch (const std::bad_alloc&) {
      failed = true;
    }
  };
  BOOST_TEST(next_of(rx) == "0");
  BOOST_TEST(failed);
  BOOST_TEST(all_of(rx) == ids(1, capacity - 1) + "empty");
  BOOST_TEST(all_of(slow) == ids(0, capacity) + "empty");
}

FLAVOUR_TEST_CASE(a_lossless_send_without_memory_says_so, broadcasts) {
  asio::io_context context;
  auto tx = open_lossless_broadcast(flavour, context);
  auto rx = tx.subscribe();
  letter mine(1);
  {
    failing_heap failing;
    BOOST_TEST((tx.try_send(std::move(mine)) == asio::error::no_memory));
  }
  BOOST_TEST(mine.id() == 1);
  BOOST_TEST(next_of(rx) == "empty");
  BOOST_TEST(!tx.try_send(std::move(mine)));
  BOOST_TEST(next_of(rx) == "1");
}

// A pending send gets a place, but no memory, since the message before it is still being copied.
FLAVOUR_TEST_CASE(a_pending_send_without_memory_says_so, broadcasts) {
  asio::io_context context;
  letter::office office;
  auto tx = open_lossless_broadcast(flavour, context);
  auto rx = tx.subscribe();
  auto other = tx.subscribe();
  for (int i = 0; !tx.full(); ++i) BOOST_TEST(!tx.try_send(letter(i, office)));
  letter mine(50);
  probe<std::size_t> sent;
  tx.async_send(std::ref(mine), sent.get_handler());
  std::optional<letter> got;
  office.at_copy = [&] {
    office.at_copy = nullptr;
    failing_heap failing;
    got = other.try_receive();
  };
  BOOST_TEST(next_of(rx) == "0");
  BOOST_TEST(got.value().id() == 0);
  run_ready(context);
  BOOST_TEST((sent.error() == asio::error::no_memory));
  BOOST_TEST(mine.id() == 50);
  // The place is free for the next one.
  BOOST_TEST(!tx.try_send(letter(51)));
  BOOST_TEST(all_of(rx) == ids(1, static_cast<int>(flavour.capacity) - 1) + "51 empty");
}
