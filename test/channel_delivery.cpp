// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE channel_delivery

// What becomes of a value: every accepted one is received once (D1), in order (D2), and a send that
// waits owns its value until then (D4).

#include "support/flavours.hpp"
#include "support/message.hpp"
#include "support/probe.hpp"

#include <boost/test/unit_test.hpp>

using namespace support;

// D1: once, and never both, neither or twice ------------------------------------------------------

FLAVOUR_TEST_CASE(D1_each_value_is_received_once_when_sends_come_first, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto sent = begin_sends(tx, 1, 5);
  auto received = begin_receives(rx, 6);
  run_ready(context);
  BOOST_TEST(words_of(sent) == "sent sent sent sent sent");
  BOOST_TEST(words_of(received) == "1 2 3 4 5 waits");
  BOOST_TEST(rx.size() == 0u);
}

FLAVOUR_TEST_CASE(D1_each_value_is_received_once_when_receives_come_first, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto received = begin_receives(rx, 6);
  auto sent = begin_sends(tx, 1, 5);
  run_ready(context);
  BOOST_TEST(words_of(sent) == "sent sent sent sent sent");
  BOOST_TEST(words_of(received) == "1 2 3 4 5 waits");
  BOOST_TEST(rx.size() == 0u);
}

FLAVOUR_TEST_CASE(D1_each_value_is_received_once_by_one_of_several_receivers, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto other_rx = rx;
  auto sent = begin_sends(tx, 1, 6);
  std::vector<receive_probe<message>> received;
  for (int i = 0; i != 3; ++i) {
    received.push_back(begin_receive(rx));
    received.push_back(begin_receive(other_rx));
  }
  run_ready(context);
  BOOST_TEST(words_of(received) == "1 2 3 4 5 6");
}

FLAVOUR_TEST_CASE(D1_what_try_send_accepts_is_received, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  // In a rendezvous try_send needs somebody who waits.
  auto received = begin_receive(rx);
  BOOST_TEST(!tx.try_send(message(1)));
  run_ready(context);
  BOOST_TEST(received.id() == 1);
}

FLAVOUR_TEST_CASE(D1_a_rejected_value_is_left_untouched, limited_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  while (!tx.full()) BOOST_TEST_REQUIRE(!tx.try_send(message(0)));

  message kept(7);
  BOOST_TEST(tx.try_send(std::move(kept)) == sluice::error::full);
  BOOST_TEST(kept.id() == 7);
}

FLAVOUR_TEST_CASE(D1_a_value_that_comes_too_late_is_left_untouched, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  tx.close();

  message kept(7);
  BOOST_TEST(tx.try_send(std::move(kept)) == sluice::error::closed);
  BOOST_TEST(kept.id() == 7);
  error_code ec;
  BOOST_TEST(!tx.force_send(std::move(kept), ec));
  BOOST_TEST(ec == sluice::error::closed);
  BOOST_TEST(kept.id() == 7);
  send_probe sent;
  tx.async_send(std::ref(kept), sent.get_handler());
  run_ready(context);
  BOOST_TEST(sent.error() == sluice::error::closed);
  BOOST_TEST(kept.id() == 7);
}

FLAVOUR_TEST_CASE(D1_a_value_sent_by_reference_stays_with_its_caller_until_accepted,
                  limited_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  while (!tx.full()) BOOST_TEST_REQUIRE(!tx.try_send(message(0)));

  message lent(7);
  send_probe sent;
  tx.async_send(std::ref(lent), sent.get_handler());
  run_ready(context);
  BOOST_TEST(!sent.done());
  BOOST_TEST(lent.id() == 7);

  // The last of these takes it, from the buffer or from the send.
  auto received = begin_receives(rx, static_cast<int>(flavour.capacity) + 1);
  run_ready(context);
  BOOST_TEST(sent.succeeded());
  BOOST_TEST(lent.id() == message::none);
  BOOST_TEST(received.back().id() == 7);
}

FLAVOUR_TEST_CASE(D1_a_value_sent_by_reference_is_the_callers_when_the_send_fails,
                  limited_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  while (!tx.full()) BOOST_TEST_REQUIRE(!tx.try_send(message(0)));

  message cancelled(7);
  message refused(8);
  send_probe first;
  send_probe second;
  tx.async_send(std::ref(cancelled), first.get_handler());
  tx.async_send(std::ref(refused), second.get_handler());
  first.cancel();
  tx.close();
  run_ready(context);
  BOOST_TEST(first.aborted());
  BOOST_TEST(cancelled.id() == 7);
  BOOST_TEST(second.error() == sluice::error::closed);
  BOOST_TEST(refused.id() == 8);
}

FLAVOUR_TEST_CASE(D1_a_value_sent_by_reference_is_moved_from_at_once_where_there_is_room,
                  buffered_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  message lent(7);
  send_probe sent;
  tx.async_send(std::ref(lent), sent.get_handler());
  BOOST_TEST(lent.id() == message::none);
  BOOST_TEST(take(rx).id == 7);
  run_ready(context);
  BOOST_TEST(sent.succeeded());
}

FLAVOUR_TEST_CASE(D1_a_value_that_was_displaced_is_handed_back_and_not_received, bounded_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  while (!tx.full()) BOOST_TEST_REQUIRE(!tx.try_send(message(static_cast<int>(tx.size()))));

  error_code ec = asio::error::would_block;
  auto displaced = tx.force_send(message(9), ec);
  BOOST_TEST(!ec);
  BOOST_TEST_REQUIRE(displaced.has_value());
  BOOST_TEST(displaced->id() == 0);
  BOOST_TEST(rx.size() == flavour.capacity);
  BOOST_TEST(drain(rx) == (flavour.capacity == 1 ? "9" : "1 2 9"));
}

FLAVOUR_TEST_CASE(D1_force_send_displaces_nothing_while_there_is_room, buffered_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  error_code ec = asio::error::would_block;
  BOOST_TEST(!tx.force_send(message(1), ec));
  BOOST_TEST(!ec);
  BOOST_TEST(drain(rx) == "1");
}

FLAVOUR_TEST_CASE(D1_a_promised_value_may_be_displaced_and_the_next_is_received_instead,
                  bounded_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto received = begin_receive(rx);
  // The receive was promised one value, not this one.
  while (!tx.full()) BOOST_TEST_REQUIRE(!tx.try_send(message(static_cast<int>(tx.size()))));
  error_code ec;
  auto displaced = tx.force_send(message(9), ec);
  BOOST_TEST_REQUIRE(displaced.has_value());
  BOOST_TEST(displaced->id() == 0);
  run_ready(context);
  BOOST_TEST(received.id() == (flavour.capacity == 1 ? 9 : 1));
}

FLAVOUR_TEST_CASE(D1_every_message_ends_somewhere, flavours) {
  ledger counted;
  {
    asio::io_context context;
    auto [tx, rx] = flavour.open(context);
    std::vector<send_probe> sent;
    for (int i = 0; i != 8; ++i) sent.push_back(begin_send(tx, message(i, counted)));
    BOOST_TEST(counted.alive() == 8);
    BOOST_TEST(take(rx).id == 0);
    {
      auto received = begin_receive(rx);
      run_ready(context);
      BOOST_TEST(received.id() == 1);
      BOOST_TEST(counted.alive() == 7);
    }
    sent.back().cancel();
    run_ready(context);
    // One was received by try_receive, one by a receive that is forgotten, and one was not sent,
    // unless it had been accepted before it was cancelled.
    BOOST_TEST(counted.alive() == (sent.back().aborted() ? 5 : 6));
    BOOST_TEST(sent.back().aborted() == !flavour.is_unbounded());
  }
  BOOST_TEST(counted.alive() == 0);
}

// D2: first in, first out -------------------------------------------------------------------------

FLAVOUR_TEST_CASE(D2_outstanding_sends_are_received_in_the_order_they_were_begun, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto other_tx = tx;
  for (int i = 0; i != 6; i += 2) {
    begin_send(tx, i);
    begin_send(other_tx, i + 1);
  }
  run_ready(context);
  BOOST_TEST(drain(rx) == "0 1 2 3 4 5");
}

FLAVOUR_TEST_CASE(D2_sends_complete_in_the_order_they_were_begun, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  std::string order;
  for (char name : {'a', 'b', 'c', 'd', 'e'})
    tx.async_send(message(0), [name, &order](error_code ec) {
      BOOST_TEST(!ec);
      order += name;
    });
  begin_receives(rx, 5);
  run_ready(context);
  BOOST_TEST(order == "abcde");
}

FLAVOUR_TEST_CASE(D2_a_free_place_goes_to_the_oldest_pending_send, bounded_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto sent = begin_sends(tx, 0, static_cast<int>(flavour.capacity) + 2);
  BOOST_TEST(take(rx).id == 0);
  run_ready(context);
  BOOST_TEST(sent[flavour.capacity].succeeded());
  BOOST_TEST(!sent[flavour.capacity + 1].done());
  BOOST_TEST(rx.size() == flavour.capacity);
}

FLAVOUR_TEST_CASE(D2_nobody_overtakes_a_pending_send, limited_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  const int places = static_cast<int>(flavour.capacity);
  auto sent = begin_sends(tx, 0, places + 1);
  // The place that this frees, if it does, belongs to the pending send already.
  BOOST_TEST(take(rx).id == 0);
  if (!flavour.is_rendezvous()) BOOST_TEST(tx.try_send(message(100)) == sluice::error::full);
  begin_send(tx, 101);
  auto received = begin_receives(rx, places + 2);
  run_ready(context);
  const char* expected = flavour.capacity == 0   ? "101 waits"
                         : flavour.capacity == 1 ? "1 101 waits"
                                                 : "1 2 3 101 waits";
  BOOST_TEST(words_of(received) == expected);
}

FLAVOUR_TEST_CASE(D2_a_cancelled_pending_send_leaves_the_others_in_order, limited_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto sent = begin_sends(tx, 0, 8);
  for (std::size_t i : {3u, 7u, 5u}) sent[i].cancel();
  run_ready(context);
  BOOST_TEST(drain(rx) == "0 1 2 4 6");
}

FLAVOUR_TEST_CASE(D2_force_send_enters_ahead_of_pending_sends, bounded_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  begin_sends(tx, 0, static_cast<int>(flavour.capacity) + 2);
  error_code ec;
  auto displaced = tx.force_send(message(9), ec);
  BOOST_TEST(!ec);
  BOOST_TEST_REQUIRE(displaced.has_value());
  BOOST_TEST(displaced->id() == 0);
  BOOST_TEST(drain(rx) == (flavour.capacity == 1 ? "9 1 2" : "1 2 9 3 4"));
}

// D4: who owns a value that waits -----------------------------------------------------------------

FLAVOUR_TEST_CASE(D4_a_pending_send_is_not_part_of_the_channel, limited_flavours) {
  ledger counted;
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  while (!tx.full()) BOOST_TEST_REQUIRE(!tx.try_send(message(0)));
  auto pending = begin_send(tx, message(7, counted));
  BOOST_TEST(rx.size() == flavour.capacity);
  BOOST_TEST(counted.alive() == 1);
  run_ready(context);
  BOOST_TEST(!pending.done());
}

FLAVOUR_TEST_CASE(D4_a_send_that_is_cancelled_while_it_waits_is_not_sent, limited_flavours) {
  for (auto type : {asio::cancellation_type::terminal, asio::cancellation_type::partial,
                    asio::cancellation_type::total}) {
    asio::io_context context;
    auto [tx, rx] = flavour.open(context);
    ledger counted;
    while (!tx.full()) BOOST_TEST_REQUIRE(!tx.try_send(message(0)));
    auto sent = begin_send(tx, message(7, counted));
    sent.cancel(type);
    BOOST_TEST(!sent.done());
    run_ready(context);
    BOOST_TEST(sent.aborted());
    BOOST_TEST(counted.alive() == 0);
    while (auto received = rx.try_receive()) BOOST_TEST(received->id() == 0);
  }
}

FLAVOUR_TEST_CASE(D4_a_send_that_was_accepted_at_once_succeeds_though_it_is_cancelled,
                  buffered_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto sent = begin_send(tx, 1);
  sent.cancel();
  tx.cancel();
  run_ready(context);
  BOOST_TEST(sent.succeeded());
  BOOST_TEST(drain(rx) == "1");
}

FLAVOUR_TEST_CASE(D4_a_send_that_waited_and_was_taken_succeeds_though_it_is_cancelled,
                  limited_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  const int places = static_cast<int>(flavour.capacity);
  auto sent = begin_sends(tx, 0, places + 1);
  run_ready(context);
  BOOST_TEST(!sent.back().done());
  BOOST_TEST(take(rx).id == 0);
  // Accepted, but its completion has not run.
  sent.back().cancel();
  tx.cancel();
  run_ready(context);
  BOOST_TEST(sent.back().succeeded());
}

FLAVOUR_TEST_CASE(D4_a_send_that_was_accepted_succeeds_though_the_channel_is_closed,
                  buffered_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto sent = begin_send(tx, 1);
  rx.close();
  run_ready(context);
  BOOST_TEST(sent.succeeded());
  BOOST_TEST(drain(rx) == "1");
}

FLAVOUR_TEST_CASE(D4_a_send_that_woke_a_receive_can_be_cancelled_until_it_is_taken,
                  rendezvous_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto received = begin_receive(rx);
  auto sent = begin_send(tx, 1);
  sent.cancel();
  run_ready(context);
  BOOST_TEST(sent.aborted());
  BOOST_TEST(!received.done());
}

FLAVOUR_TEST_CASE(D4_a_pending_send_outlives_its_handle, limited_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  std::vector<send_probe> sent;
  {
    auto other_tx = std::move(tx);
    sent = begin_sends(other_tx, 0, static_cast<int>(flavour.capacity) + 2);
  }
  auto received = begin_receives(rx, static_cast<int>(flavour.capacity) + 3);
  run_ready(context);
  BOOST_TEST(sent.back().succeeded());
  BOOST_TEST(received[received.size() - 2].id() == static_cast<int>(flavour.capacity) + 1);
  BOOST_TEST(received.back().ended());
}
