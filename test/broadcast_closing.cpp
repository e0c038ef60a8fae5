// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE broadcast_closing

// How a broadcast ends: for its subscribers, for its senders, and for those who come too late.

#include "support/broadcasts.hpp"
#include "support/probe.hpp"
#include "support/unit_test.hpp"

#include <sluice/broadcast.hpp>

#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>

#include <memory>
#include <string>
#include <type_traits>
#include <utility>

using namespace support;
using sluice::error;

FLAVOUR_TEST_CASE(BR3_closing_takes_no_place, broadcasts) {
  asio::io_context context;
  auto tx = open_broadcast(flavour, context);
  auto rx = tx.subscribe();
  const int capacity = static_cast<int>(flavour.capacity);
  send_some(tx, 0, capacity);
  tx.close();
  BOOST_TEST(rx.size() == flavour.capacity);
  BOOST_TEST(all_of(rx) == ids(0, capacity) + "closed");
}

FLAVOUR_TEST_CASE(BR3_after_closing_a_subscriber_still_hears_what_it_missed, broadcasts) {
  asio::io_context context;
  auto tx = open_broadcast(flavour, context);
  auto rx = tx.subscribe();
  const int capacity = static_cast<int>(flavour.capacity);
  send_some(tx, 0, capacity + 3);
  tx = {};
  BOOST_TEST(rx.is_closed());
  BOOST_TEST(all_of(rx) == "lagged(3) " + ids(3, capacity) + "closed");
}

FLAVOUR_TEST_CASE(BR3_a_subscriber_that_comes_after_closing_sees_the_end, one_broadcast) {
  asio::io_context context;
  auto tx = open_broadcast(flavour, context);
  auto early = tx.subscribe();
  tx.send(letter(1));
  tx.close();
  auto late = tx.subscribe();
  auto later = early.resubscribe();
  auto received = begin_receive(late);
  run_ready(context);
  BOOST_TEST(received.ended());
  BOOST_TEST(next_of(later) == "closed");
  BOOST_TEST(all_of(early) == "1 closed");
  tx = {};
  auto last = early.resubscribe();
  BOOST_TEST(next_of(last) == "closed");
}

FLAVOUR_TEST_CASE(BR3_the_end_wakes_all_who_wait_and_is_sticky, one_broadcast) {
  asio::io_context context;
  auto tx = open_broadcast(flavour, context);
  auto a = tx.subscribe();
  auto b = tx.subscribe();
  auto of_a = begin_receives(a, 3);
  auto of_b = begin_receives(b, 2);
  tx.close();
  run_ready(context);
  BOOST_TEST(words_of(of_a) == "end end end");
  BOOST_TEST(words_of(of_b) == "end end");
  auto again = begin_receive(a);
  run_ready(context);
  BOOST_TEST(again.ended());
  BOOST_TEST(next_of(b) == "closed");
}

FLAVOUR_TEST_CASE(C1_it_closes_with_its_last_sender, one_broadcast) {
  asio::io_context context;
  auto tx = open_broadcast(flavour, context);
  auto rx = tx.subscribe();
  auto received = begin_receive(rx);
  {
    auto copy = tx;
    auto moved = std::move(tx);
    BOOST_TEST(rx.sender_count() == 2u);
    moved = {};
    run_ready(context);
    BOOST_TEST(!received.done());
    BOOST_TEST(!rx.is_closed());
  }
  run_ready(context);
  BOOST_TEST(received.ended());
  BOOST_TEST(rx.is_closed());
}

FLAVOUR_TEST_CASE(C2_after_closing_nobody_sees_what_is_sent, one_broadcast) {
  asio::io_context context;
  auto tx = open_broadcast(flavour, context);
  auto rx = tx.subscribe();
  BOOST_TEST(!tx.is_closed());
  tx.close();
  tx.close();
  BOOST_TEST(tx.is_closed());
  letter::office office;
  BOOST_TEST(tx.send(letter(1, office)) == 0u);
  BOOST_TEST(office.alive == 0);
  BOOST_TEST(next_of(rx) == "closed");
}

FLAVOUR_TEST_CASE(C2_a_reason_takes_the_place_of_the_end, one_broadcast) {
  asio::io_context context;
  auto tx = open_broadcast(flavour, context);
  auto rx = tx.subscribe();
  auto other = tx.subscribe();
  tx.send(letter(1));
  auto received = begin_receives(rx, 2);
  tx.close(asio::error::connection_reset);
  tx.close(asio::error::eof);
  run_ready(context);
  BOOST_TEST(received[0].id() == 1);
  BOOST_TEST((received[1].error() == asio::error::connection_reset));
  error_code ec;
  BOOST_TEST(other.try_receive(ec).value().id() == 1);
  BOOST_TEST(!other.try_receive(ec));
  BOOST_TEST((ec == asio::error::connection_reset));
  BOOST_TEST(!tx.subscribe().try_receive(ec));
  BOOST_TEST((ec == asio::error::connection_reset));
  auto closed = begin_wait_closed(tx);
  run_ready(context);
  BOOST_TEST(closed.succeeded());
}

FLAVOUR_TEST_CASE(C2_closing_without_a_reason_is_plain, one_broadcast) {
  asio::io_context context;
  for (const error_code reason : {error_code(), error_code(error::closed)}) {
    auto tx = open_broadcast(flavour, context);
    auto rx = tx.subscribe();
    tx.close(reason);
    auto received = begin_receive(rx);
    run_ready(context);
    BOOST_TEST(received.ended());
    BOOST_TEST(next_of(rx) == "closed");
  }
}

// Who waits for the end ---------------------------------------------------------------------------

FLAVOUR_TEST_CASE(C5_async_wait_closed_completes_when_nobody_subscribes_any_more, one_broadcast) {
  asio::io_context context;
  auto tx = open_broadcast(flavour, context);
  auto rx = tx.subscribe();
  auto other = tx.subscribe();
  auto closed = begin_wait_closed(tx);
  rx = {};
  run_ready(context);
  BOOST_TEST(!closed.done());
  other = {};
  run_ready(context);
  BOOST_TEST(closed.succeeded());
  // It is open for those who come later.
  BOOST_TEST(!tx.is_closed());
  auto later = tx.subscribe();
  BOOST_TEST(tx.send(letter(1)) == 1u);
  BOOST_TEST(next_of(later) == "1");
}

FLAVOUR_TEST_CASE(C5_async_wait_closed_is_ready_without_subscribers, one_broadcast) {
  asio::io_context context;
  auto tx = open_broadcast(flavour, context);
  auto closed = begin_wait_closed(tx);
  BOOST_TEST(!closed.done());
  run_ready(context);
  BOOST_TEST(closed.succeeded());
}

FLAVOUR_TEST_CASE(K4_async_wait_closed_ends_with_the_last_sender, one_broadcast) {
  asio::io_context context;
  auto tx = open_broadcast(flavour, context);
  auto rx = tx.subscribe();
  auto waits = begin_wait_closed(tx);
  auto cancelled = begin_wait_closed(tx);
  cancelled.cancel();
  tx = {};
  run_ready(context);
  BOOST_TEST(waits.aborted());
  BOOST_TEST(cancelled.aborted());
}

FLAVOUR_TEST_CASE(C5_a_weak_sender_keeps_nothing_open, one_broadcast) {
  asio::io_context context;
  auto tx = open_broadcast(flavour, context);
  auto rx = tx.subscribe();
  sluice::weak_broadcast_sender<letter, asio::any_io_executor,
                                typename decltype(tx)::threading_type>
      weak = tx;
  decltype(weak) knows_nothing;
  BOOST_TEST(tx.sender_count() == 1u);
  {
    auto locked = weak.lock();
    BOOST_TEST(tx.sender_count() == 2u);
    BOOST_TEST(locked.same_channel(tx));
    BOOST_TEST((weak.get_executor() == tx.get_executor()));
  }
  BOOST_TEST(!knows_nothing.lock());
  swap(weak, knows_nothing);
  BOOST_TEST(!weak.lock());
  tx = {};
  BOOST_TEST(rx.is_closed());
  BOOST_TEST(!knows_nothing.lock());
  auto other = open_broadcast(flavour, context);
  weak = other;
  other.close();
  BOOST_TEST(!weak.lock());
}
