// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE broadcast_lossless

// A broadcast whose senders wait for the slowest subscriber.

#include "support/broadcasts.hpp"
#include "support/probe.hpp"
#include "support/unit_test.hpp"

#include <sluice/broadcast.hpp>

#include <boost/asio/deferred.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>

#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

using namespace support;
using sluice::error;

namespace {

/// A send that is watched; it also tells how many subscribers the message went to.
class counted_probe : public probe<std::size_t> {
 public:
  std::size_t reached() const { return std::get<1>(results()); }
};

template <class Sender, class Value>
counted_probe begin_counted(Sender& tx, Value&& value) {
  counted_probe p;
  tx.async_send(std::forward<Value>(value), p.get_handler());
  return p;
}

std::string word_of_send(const counted_probe& sent) {
  if (!sent.done()) return sent.dropped() ? "dropped" : "waits";
  return sent.error() ? word_of(sent.error()) : "sent to " + std::to_string(sent.reached());
}

template <class Sender>
void fill(Sender& tx, int first = 0) {
  for (int i = first; !tx.full(); ++i) BOOST_TEST(!tx.try_send(letter(i)));
}

}  // namespace

FLAVOUR_TEST_CASE(BR4_a_full_broadcast_refuses_and_leaves_the_message, broadcasts) {
  asio::io_context context;
  auto tx = open_lossless_broadcast(flavour, context);
  auto quick = tx.subscribe();
  auto slow = tx.subscribe();
  const int capacity = static_cast<int>(flavour.capacity);
  std::size_t reached = 7;
  for (int i = 0; i != capacity; ++i) {
    BOOST_TEST(!tx.full());
    BOOST_TEST(!tx.try_send(letter(i), reached));
    BOOST_TEST(reached == 2u);
  }
  BOOST_TEST(tx.full());
  letter late(99);
  BOOST_TEST((tx.try_send(std::move(late), reached) == error::full));
  BOOST_TEST(reached == 0u);
  BOOST_TEST(late.id() == 99);
  BOOST_TEST(all_of(quick) == ids(0, capacity) + "empty");
  BOOST_TEST((tx.try_send(late) == error::full));
  BOOST_TEST(next_of(slow) == "0");
  BOOST_TEST(!tx.try_send(late));
  BOOST_TEST(late.id() == 99);
  BOOST_TEST((tx.try_send(std::move(late)) == error::full));
  BOOST_TEST(all_of(quick) == "99 empty");
  BOOST_TEST(all_of(slow) == ids(1, capacity - 1) + "99 empty");
  BOOST_TEST(slow.missed() == 0u);
}

FLAVOUR_TEST_CASE(BR4_a_send_waits_for_the_slowest_subscriber, broadcasts) {
  asio::io_context context;
  auto tx = open_lossless_broadcast(flavour, context);
  auto quick = tx.subscribe();
  auto slow = tx.subscribe();
  fill(tx);
  auto sent = begin_counted(tx, letter(50));
  auto next = begin_counted(tx, letter(51));
  while (quick.try_receive()) continue;
  run_ready(context);
  BOOST_TEST(word_of_send(sent) == "waits");
  BOOST_TEST(next_of(slow) == "0");
  run_ready(context);
  BOOST_TEST(word_of_send(sent) == "sent to 2");
  BOOST_TEST(word_of_send(next) == "waits");
  BOOST_TEST(all_of(quick) == "50 empty");
  auto received = begin_receive(slow);
  run_ready(context);
  BOOST_TEST(received.succeeded());
  BOOST_TEST(word_of_send(next) == "sent to 2");
  BOOST_TEST(all_of(quick) == "51 empty");
}

FLAVOUR_TEST_CASE(BR4_a_subscriber_that_leaves_makes_place, broadcasts) {
  asio::io_context context;
  auto tx = open_lossless_broadcast(flavour, context);
  auto slow = tx.subscribe();
  auto quick = tx.subscribe();
  fill(tx);
  while (quick.try_receive()) continue;
  std::vector<counted_probe> sent;
  for (int i = 0; i != 5; ++i) sent.push_back(begin_counted(tx, letter(50 + i)));
  slow = {};
  run_ready(context);
  for (int i = 0; i != 5; ++i)
    BOOST_TEST(word_of_send(sent[static_cast<std::size_t>(i)]) ==
               (i < static_cast<int>(flavour.capacity) ? "sent to 1" : "waits"));
  // When nobody subscribes any more there is nobody to be waited for.
  letter::office office;
  letter mine(60, office);
  auto by_reference = begin_counted(tx, std::ref(mine));
  quick = {};
  run_ready(context);
  BOOST_TEST(word_of_send(sent.back()) == "sent to 0");
  BOOST_TEST(word_of_send(by_reference) == "sent to 0");
  BOOST_TEST(office.alive == 0);
  BOOST_TEST(tx.size() == 0u);
}

FLAVOUR_TEST_CASE(BR4_without_subscribers_a_message_is_sent_to_nobody, one_broadcast) {
  asio::io_context context;
  letter::office office;
  auto tx = open_lossless_broadcast(flavour, context);
  std::size_t reached = 7;
  letter mine(1, office);
  for (int i = 0; i != 10; ++i) {
    BOOST_TEST(!tx.try_send(letter(i, office), reached));
    BOOST_TEST(reached == 0u);
  }
  BOOST_TEST(!tx.try_send(std::move(mine)));
  BOOST_TEST(office.alive == 0);
  auto sent = begin_counted(tx, letter(1, office));
  letter another(2, office);
  auto by_reference = begin_counted(tx, std::ref(another));
  run_ready(context);
  BOOST_TEST(word_of_send(sent) == "sent to 0");
  BOOST_TEST(word_of_send(by_reference) == "sent to 0");
  BOOST_TEST(office.alive == 0);
  auto rx = tx.subscribe();
  BOOST_TEST(next_of(rx) == "empty");
}

FLAVOUR_TEST_CASE(BR1_a_pending_send_goes_to_those_who_subscribe_when_it_is_accepted,
                  one_broadcast) {
  asio::io_context context;
  auto tx = open_lossless_broadcast(flavour, context);
  auto slow = tx.subscribe();
  fill(tx);
  auto sent = begin_counted(tx, letter(50));
  auto newcomer = tx.subscribe();
  BOOST_TEST(next_of(slow) == "0");
  run_ready(context);
  BOOST_TEST(word_of_send(sent) == "sent to 2");
  BOOST_TEST(all_of(newcomer) == "50 empty");
}

FLAVOUR_TEST_CASE(D4_a_cancelled_send_is_not_sent_and_an_accepted_one_is, broadcasts) {
  asio::io_context context;
  auto tx = open_lossless_broadcast(flavour, context);
  auto rx = tx.subscribe();
  fill(tx);
  letter mine(50);
  auto cancelled = begin_counted(tx, std::ref(mine));
  auto accepted = begin_counted(tx, letter(51));
  cancelled.cancel();
  BOOST_TEST(next_of(rx) == "0");
  accepted.cancel();
  tx.cancel();
  run_ready(context);
  BOOST_TEST(word_of_send(cancelled) == "aborted");
  BOOST_TEST(mine.id() == 50);
  BOOST_TEST(word_of_send(accepted) == "sent to 1");
  BOOST_TEST(all_of(rx) == ids(1, static_cast<int>(flavour.capacity) - 1) + "51 empty");
}

FLAVOUR_TEST_CASE(C2_closing_fails_the_pending_sends, one_broadcast) {
  asio::io_context context;
  auto tx = open_lossless_broadcast(flavour, context);
  auto rx = tx.subscribe();
  fill(tx);
  letter mine(50);
  auto sent = begin_counted(tx, std::ref(mine));
  tx.close();
  run_ready(context);
  BOOST_TEST(word_of_send(sent) == "closed");
  BOOST_TEST(mine.id() == 50);
  BOOST_TEST((tx.try_send(std::move(mine)) == error::closed));
  BOOST_TEST(mine.id() == 50);
  BOOST_TEST(!tx.full());
  auto after = begin_counted(tx, letter(51));
  run_ready(context);
  BOOST_TEST(word_of_send(after) == "closed");
  BOOST_TEST(all_of(rx) == "0 1 2 closed");
}

FLAVOUR_TEST_CASE(C1_a_pending_send_keeps_it_open, broadcasts) {
  asio::io_context context;
  auto tx = open_lossless_broadcast(flavour, context);
  auto rx = tx.subscribe();
  fill(tx);
  auto sent = begin_counted(tx, letter(50));
  tx = {};
  BOOST_TEST(!rx.is_closed());
  BOOST_TEST(next_of(rx) == "0");
  BOOST_TEST(rx.is_closed());
  run_ready(context);
  BOOST_TEST(word_of_send(sent) == "sent to 1");
  BOOST_TEST(all_of(rx) == ids(1, static_cast<int>(flavour.capacity) - 1) + "50 closed");
}

FLAVOUR_TEST_CASE(K9_who_begins_to_wait_for_the_end_when_only_a_send_is_left_is_aborted,
                  one_broadcast) {
  asio::io_context context;
  auto tx = open_lossless_broadcast(flavour, context);
  auto rx = tx.subscribe();
  fill(tx);
  auto later = tx.async_wait_closed(asio::deferred);
  auto sent = begin_counted(tx, letter(50));
  tx = {};
  send_probe waits;
  std::move(later)(waits.get_handler());
  run_ready(context);
  BOOST_TEST(waits.aborted());
  BOOST_TEST(!sent.done());
  BOOST_TEST(!rx.is_closed());
}

FLAVOUR_TEST_CASE(C1_a_cancelled_send_keeps_nothing_open, one_broadcast) {
  asio::io_context context;
  auto tx = open_lossless_broadcast(flavour, context);
  auto rx = tx.subscribe();
  fill(tx);
  auto sent = begin_counted(tx, letter(50));
  tx = {};
  sent.cancel();
  BOOST_TEST(rx.is_closed());
  run_ready(context);
  BOOST_TEST(word_of_send(sent) == "aborted");
  BOOST_TEST(all_of(rx) == "0 1 2 closed");
}

// A send that is accepted wakes the receives that wait for its message.
FLAVOUR_TEST_CASE(BR4_messages_of_pending_sends_wake_their_receivers, one_broadcast) {
  asio::io_context context;
  auto tx = open_lossless_broadcast(flavour, context);
  auto slow = tx.subscribe();
  auto quick = tx.subscribe();
  fill(tx);
  while (quick.try_receive()) continue;
  auto received = begin_receives(quick, 2);
  auto sent = begin_counted(tx, letter(50));
  run_ready(context);
  BOOST_TEST(words_of(received) == "waits waits");
  BOOST_TEST(next_of(slow) == "0");
  run_ready(context);
  BOOST_TEST(words_of(received) == "50 waits");
  BOOST_TEST(word_of_send(sent) == "sent to 2");
}

FLAVOUR_TEST_CASE(K4_an_empty_handle_says_closed, one_broadcast) {
  asio::io_context context;
  auto tx = open_lossless_broadcast(flavour, context);
  auto moved = std::move(tx);
  letter mine(1);
  BOOST_TEST((tx.try_send(std::move(mine)) == error::closed));
  BOOST_TEST(mine.id() == 1);
  auto sent = begin_counted(tx, std::ref(mine));
  run_ready(context);
  BOOST_TEST(word_of_send(sent) == "closed");
  BOOST_TEST(mine.id() == 1);
}
