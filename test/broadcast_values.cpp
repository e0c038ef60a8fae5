// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE broadcast_values

// What becomes of messages: when they are copied, moved and destroyed, by whom, and what happens
// when that fails or calls back.

#include "support/broadcasts.hpp"
#include "support/probe.hpp"
#include "support/unit_test.hpp"

#include <sluice/broadcast.hpp>

#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>

#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace support;
using sluice::error;

FLAVOUR_TEST_CASE(BR4_the_last_to_receive_a_message_is_given_the_message_itself, one_broadcast) {
  asio::io_context context;
  letter::office office;
  auto tx = open_broadcast(flavour, context);
  auto a = tx.subscribe();
  auto b = tx.subscribe();
  auto c = tx.subscribe();
  tx.send(letter(1, office));
  BOOST_TEST(office.alive == 1);
  auto first = a.try_receive();
  BOOST_TEST(office.copies == 1);
  c = {};
  auto last = b.try_receive();
  BOOST_TEST(office.copies == 1);
  BOOST_TEST(office.alive == 2);
  BOOST_TEST(tx.size() == 0u);
}

FLAVOUR_TEST_CASE(C3_a_message_goes_with_the_last_who_wants_it, one_broadcast) {
  asio::io_context context;
  letter::office office;
  auto tx = open_broadcast(flavour, context);
  auto slow = tx.subscribe();
  auto slower = tx.subscribe();
  auto quick = tx.subscribe();
  for (int i = 0; i != 3; ++i) tx.send(letter(i, office));
  while (quick.try_receive()) continue;
  BOOST_TEST(next_of(slow) == "0");
  BOOST_TEST(office.alive == 3);
  slower = {};  // only this one had still to receive the first
  BOOST_TEST(office.alive == 2);
  BOOST_TEST(tx.size() == 2u);
  slow = {};
  BOOST_TEST(office.alive == 0);
  BOOST_TEST(tx.size() == 0u);
  BOOST_TEST(tx.receiver_count() == 1u);
  tx.send(letter(7, office));
  BOOST_TEST(all_of(quick) == "7 empty");
}

// Also one that was overtaken holds nothing but what is left.
FLAVOUR_TEST_CASE(C3_an_overtaken_subscriber_releases_what_only_it_held, broadcasts) {
  asio::io_context context;
  letter::office office;
  auto tx = open_broadcast(flavour, context);
  auto lost = tx.subscribe();
  auto rx = tx.subscribe();
  for (int i = 0; i != 10; ++i) {
    tx.send(letter(i, office));
    BOOST_TEST(next_of(rx) == std::to_string(i));
  }
  BOOST_TEST(office.alive == static_cast<int>(flavour.capacity));
  lost = {};
  BOOST_TEST(office.alive == 0);
  tx.send(letter(10, office));
  BOOST_TEST(office.alive == 1);
  BOOST_TEST(all_of(rx) == "10 empty");
}

FLAVOUR_TEST_CASE(C3_messages_go_with_the_broadcast, one_broadcast) {
  asio::io_context context;
  letter::office office;
  {
    auto tx = open_broadcast(flavour, context);
    auto rx = tx.subscribe();
    for (int i = 0; i != 5; ++i) tx.send(letter(i, office));
    BOOST_TEST(office.alive == 3);
    BOOST_TEST(next_of(rx) == "lagged(2)");
    BOOST_TEST(next_of(rx) == "2");
  }
  BOOST_TEST(office.alive == 0);
  {
    // A reply slot in a message fails when nobody can receive it any more, though a sender is left.
    auto tx = open_broadcast<std::shared_ptr<int>>(flavour, context);
    auto slot = std::make_shared<int>(1);
    std::weak_ptr<int> held = slot;
    auto rx = tx.subscribe();
    tx.send(std::move(slot));
    BOOST_TEST(!held.expired());
    rx = {};
    BOOST_TEST(held.expired());
  }
}

FLAVOUR_TEST_CASE(K6_copies_and_destructors_may_use_the_broadcast, broadcasts) {
  asio::io_context context;
  letter::office office;
  auto tx = open_broadcast(flavour, context);
  auto rx = tx.subscribe();
  auto slow = tx.subscribe();
  int calls = 0;
  auto use = [&] {
    ++calls;
    BOOST_TEST(tx.receiver_count() >= 1u);
    static_cast<void>(tx.subscribe().try_receive());
    static_cast<void>(rx.size());
  };
  office.at_copy = use;
  office.at_destruction = use;
  for (int i = 0; i != 6; ++i) {
    tx.send(letter(i, office));  // gives up the oldest one, which is destroyed
    static_cast<void>(rx.try_receive());
  }
  const int before = calls;
  BOOST_TEST(before >= 6);
  slow = {};
  BOOST_TEST(calls > before);
  office.at_copy = nullptr;
  office.at_destruction = nullptr;
  BOOST_TEST(office.alive == 0);
}

// The sender overtakes a subscriber in the middle of its copy, which neither notices.
FLAVOUR_TEST_CASE(BR4_a_message_may_be_given_up_while_it_is_copied, broadcasts) {
  asio::io_context context;
  letter::office office;
  auto tx = open_broadcast(flavour, context);
  auto rx = tx.subscribe();
  auto slow = tx.subscribe();
  const int capacity = static_cast<int>(flavour.capacity);
  for (int round = 0; round != 3; ++round) {
    tx.send(letter(1, office));
    office.at_copy = [&] {
      office.at_copy = nullptr;
      for (int i = 0; i != capacity + 2; ++i) tx.send(letter(10 + i, office));
    };
    BOOST_TEST(next_of(rx) == "1");
    BOOST_TEST(next_of(rx) == "lagged(2)");
    BOOST_TEST(all_of(rx) == ids(12, capacity) + "empty");
    BOOST_TEST(office.alive == capacity);
    BOOST_TEST(all_of(slow) == "lagged(3) " + ids(12, capacity) + "empty");
    BOOST_TEST(office.alive == 0);
  }
}

// The last who wants a message leaves, or receives it, while another one copies it.
FLAVOUR_TEST_CASE(BR4_a_message_may_be_received_by_all_while_it_is_copied, one_broadcast) {
  asio::io_context context;
  letter::office office;
  auto tx = open_broadcast(flavour, context);
  auto rx = tx.subscribe();
  auto other = tx.subscribe();
  tx.send(letter(1, office));
  office.at_copy = [&] {
    office.at_copy = nullptr;
    BOOST_TEST(next_of(other) == "1");
    BOOST_TEST(tx.size() == 0u);
  };
  BOOST_TEST(next_of(rx) == "1");
  BOOST_TEST(office.copies == 2);
  BOOST_TEST(office.alive == 0);

  tx.send(letter(2, office));
  office.at_copy = [&] {
    office.at_copy = nullptr;
    other = {};
    BOOST_TEST(tx.size() == 0u);
  };
  BOOST_TEST(next_of(rx) == "2");
  BOOST_TEST(office.alive == 0);
  tx.send(letter(3, office));
  BOOST_TEST(next_of(rx) == "3");
  BOOST_TEST(office.alive == 0);
}

FLAVOUR_TEST_CASE(BR4_a_message_whose_copy_fails_is_skipped_for_that_subscriber, one_broadcast) {
  asio::io_context context;
  letter::office office;
  auto tx = open_broadcast(flavour, context);
  auto unlucky = tx.subscribe();
  auto rx = tx.subscribe();
  auto last = tx.subscribe();
  for (int i = 1; i != 4; ++i) tx.send(letter(i, office));

  office.at_copy = [&] {
    office.at_copy = nullptr;
    throw std::bad_alloc();
  };
  auto first = begin_receive(unlucky);
  run_ready(context);
  BOOST_TEST((first.error() == asio::error::no_memory));
  BOOST_TEST((first.error() == boost::system::errc::not_enough_memory));
  office.at_copy = [&] {
    office.at_copy = nullptr;
    throw std::runtime_error("not today");
  };
  auto second = begin_receive(unlucky);
  run_ready(context);
  BOOST_TEST((second.error() == error::copy_failed));
  BOOST_TEST(all_of(unlucky) == "3 empty");
  BOOST_TEST(unlucky.missed() == 0u);

  office.at_copy = [&] {
    office.at_copy = nullptr;
    throw 1;
  };
  BOOST_TEST(next_of(rx) == "copy_failed");
  BOOST_TEST(all_of(rx) == "2 3 empty");
  BOOST_TEST(all_of(last) == "1 2 3 empty");
  BOOST_TEST(office.alive == 0);
}

// A message of a few bytes that runs no code is copied in another way.
FLAVOUR_TEST_CASE(BR4_plain_messages_are_received_like_any_others, broadcasts) {
  struct plain {
    explicit plain(int number) : id_(number) {}
    int id() const { return id_; }
    int id_;
  };
  struct large : plain {
    using plain::plain;
    char rest[200] = {};
  };
  asio::io_context context;
  const int capacity = static_cast<int>(flavour.capacity);
  auto check = [&](auto tx) {
    using type = typename decltype(tx)::value_type;
    auto a = tx.subscribe();
    auto b = tx.subscribe();
    for (int round = 0; round != 5; ++round) {
      for (int i = 0; i != capacity + round; ++i) tx.send(type(i));
      const std::string lagged = round == 0 ? "" : "lagged(" + std::to_string(round) + ") ";
      BOOST_TEST(all_of(a) == lagged + ids(round, capacity) + "empty");
      BOOST_TEST(tx.size() == flavour.capacity);
      BOOST_TEST(all_of(b) == lagged + ids(round, capacity) + "empty");
      BOOST_TEST(tx.size() == 0u);
    }
    tx.send(type(1));
  };
  check(open_broadcast<plain>(flavour, context));
  check(open_broadcast<large>(flavour, context));
}

FLAVOUR_TEST_CASE(shared_messages_are_not_copied, one_broadcast) {
  asio::io_context context;
  auto tx = open_broadcast<std::shared_ptr<const std::string>>(flavour, context);
  auto a = tx.subscribe();
  auto b = tx.subscribe();
  auto text = std::make_shared<const std::string>("text");
  tx.send(text);
  BOOST_TEST((a.try_receive().value() == text));
  BOOST_TEST((b.try_receive().value() == text));
  BOOST_TEST(text.use_count() == 1);
}
