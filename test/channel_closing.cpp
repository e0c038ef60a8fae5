// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE channel_closing

// When a channel closes (C1), and what that means for both ends (C2, C4).

#include "support/flavours.hpp"
#include "support/message.hpp"
#include "support/probe.hpp"

#include <boost/test/unit_test.hpp>

#include <memory>

using namespace support;

// C1: when it closes ------------------------------------------------------------------------------

FLAVOUR_TEST_CASE(C1_the_last_sender_closes_the_channel, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto other_tx = tx;
  auto received = begin_receives(rx, 2);
  tx = {};
  run_ready(context);
  BOOST_TEST(!rx.is_closed());
  BOOST_TEST(words_of(received) == "waits waits");
  other_tx = {};
  BOOST_TEST(rx.is_closed());
  run_ready(context);
  BOOST_TEST(words_of(received) == "end end");
}

FLAVOUR_TEST_CASE(C1_a_pending_send_counts_as_a_sender_until_it_is_taken, limited_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto sent = begin_sends(tx, 0, static_cast<int>(flavour.capacity) + 2);
  tx = {};
  BOOST_TEST(rx.sender_count() == 0u);
  BOOST_TEST(!rx.is_closed());
  BOOST_TEST(take(rx).id == 0);
  BOOST_TEST(!rx.is_closed());
  BOOST_TEST(take(rx).id == 1);
  // Now the last of them is accepted, though with a buffer it has not been received.
  BOOST_TEST(rx.is_closed());
  BOOST_TEST(rx.size() == flavour.capacity);
  run_ready(context);
  BOOST_TEST(sent.back().succeeded());
}

FLAVOUR_TEST_CASE(C1_a_pending_send_counts_as_a_sender_until_it_is_cancelled, limited_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto sent = begin_sends(tx, 0, static_cast<int>(flavour.capacity) + 1);
  tx = {};
  BOOST_TEST(!rx.is_closed());
  sent.back().cancel();
  BOOST_TEST(rx.is_closed());
  run_ready(context);
  BOOST_TEST(sent.back().aborted());
}

FLAVOUR_TEST_CASE(C1_a_pending_send_counts_as_a_sender_until_it_is_destroyed, limited_flavours) {
  asio::io_context context;
  auto doomed = std::make_unique<asio::io_context>();
  auto [tx, rx] = flavour.open(context);
  {
    auto doomed_tx = tx.with_executor(doomed->get_executor());
    begin_sends(doomed_tx, 0, static_cast<int>(flavour.capacity) + 1);
  }
  tx = {};
  BOOST_TEST(!rx.is_closed());
  auto received = begin_receives(rx, static_cast<int>(flavour.capacity) + 2);
  doomed.reset();
  BOOST_TEST(rx.is_closed());
  run_ready(context);
  BOOST_TEST(received.back().ended());
  BOOST_TEST(received[received.size() - 2].ended());
}

FLAVOUR_TEST_CASE(C1_the_end_is_seen_by_a_receive_whose_pending_send_was_cancelled,
                  rendezvous_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto received = begin_receives(rx, 2);
  auto sent = begin_send(tx, 1);
  tx = {};
  sent.cancel();
  run_ready(context);
  BOOST_TEST(words_of(received) == "end end");
}

FLAVOUR_TEST_CASE(C1_either_end_can_close, flavours) {
  asio::io_context context;
  {
    auto [tx, rx] = flavour.open(context);
    tx.close();
    BOOST_TEST(tx.is_closed());
    BOOST_TEST(rx.is_closed());
  }
  {
    auto [tx, rx] = flavour.open(context);
    rx.close();
    BOOST_TEST(tx.is_closed());
    BOOST_TEST(rx.is_closed());
  }
}

FLAVOUR_TEST_CASE(C1_closing_twice_is_harmless_and_the_first_reason_stays, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  tx.close(asio::error::connection_reset);
  rx.close(asio::error::timed_out);
  tx.close();
  auto received = begin_receive(rx);
  run_ready(context);
  BOOST_TEST(received.error() == asio::error::connection_reset);
  BOOST_TEST(take(rx).error == asio::error::connection_reset);
  tx = {};
  BOOST_TEST(take(rx).error == asio::error::connection_reset);
}

FLAVOUR_TEST_CASE(C1_a_reason_does_not_come_after_a_plain_close, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  tx.close();
  tx.close(asio::error::connection_reset);
  auto received = begin_receive(rx);
  run_ready(context);
  BOOST_TEST(received.ended());
  BOOST_TEST(take(rx).error == sluice::error::closed);
}

FLAVOUR_TEST_CASE(C1_a_reason_does_not_come_after_the_last_sender_has_gone, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  tx = {};
  rx.close(asio::error::connection_reset);
  BOOST_TEST(take(rx).error == sluice::error::closed);
}

FLAVOUR_TEST_CASE(C1_a_moved_from_handle_counts_as_nothing, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto other_tx = std::move(tx);
  BOOST_TEST(rx.sender_count() == 1u);
  other_tx = {};
  BOOST_TEST(rx.is_closed());
}

// C2: what it means -------------------------------------------------------------------------------

FLAVOUR_TEST_CASE(C2_new_sends_fail, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  // A receive that waits would lend a place if the channel were open.
  auto received = begin_receive(rx);
  tx.close();
  BOOST_TEST(tx.try_send(message(1)) == sluice::error::closed);
  error_code ec;
  BOOST_TEST(!tx.force_send(message(1), ec));
  BOOST_TEST(ec == sluice::error::closed);
  auto sent = begin_send(tx, 1);
  BOOST_TEST(!sent.done());
  run_ready(context);
  BOOST_TEST(sent.error() == sluice::error::closed);
  BOOST_TEST(!tx.full());
  BOOST_TEST(received.ended());
}

FLAVOUR_TEST_CASE(C2_pending_sends_fail_and_are_not_sent, limited_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  ledger counted;
  while (!tx.full()) BOOST_TEST_REQUIRE(!tx.try_send(message(0)));
  std::vector<send_probe> sent;
  for (int i = 1; i != 4; ++i) sent.push_back(begin_send(tx, message(i, counted)));
  rx.close();
  run_ready(context);
  BOOST_TEST(words_of(sent) == "closed closed closed");
  BOOST_TEST(counted.alive() == 0);
  while (auto received = rx.try_receive()) BOOST_TEST(received->id() == 0);
}

FLAVOUR_TEST_CASE(C2_what_was_accepted_can_be_received_and_then_comes_the_end, buffered_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  const int accepted = static_cast<int>(flavour.accepts(3));
  begin_sends(tx, 1, accepted);
  tx.close();
  auto received = begin_receives(rx, accepted + 2);
  run_ready(context);
  BOOST_TEST(words_of(received) == (accepted == 1 ? "1 end end" : "1 2 3 end end"));
}

FLAVOUR_TEST_CASE(C2_the_end_stays, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  tx.close();
  for (int i = 0; i != 3; ++i) {
    auto received = begin_receive(rx);
    run_ready(context);
    BOOST_TEST(received.ended());
    BOOST_TEST(take(rx).error == sluice::error::closed);
    auto other_rx = rx;
    BOOST_TEST(take(other_rx).error == sluice::error::closed);
  }
}

FLAVOUR_TEST_CASE(C2_a_reason_stays_and_comes_after_the_values, buffered_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  begin_send(tx, 1);
  tx.close(asio::error::connection_reset);
  BOOST_TEST(take(rx).id == 1);
  for (int i = 0; i != 3; ++i) {
    auto received = begin_receive(rx);
    run_ready(context);
    BOOST_TEST(received.error() == asio::error::connection_reset);
    BOOST_TEST(take(rx).error == asio::error::connection_reset);
    BOOST_TEST(!rx.try_receive().has_value());
  }
}

FLAVOUR_TEST_CASE(C2_a_reason_reaches_receives_that_wait, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto received = begin_receives(rx, 2);
  tx.close(asio::error::connection_reset);
  run_ready(context);
  for (auto& r : received) BOOST_TEST(r.error() == asio::error::connection_reset);
}

FLAVOUR_TEST_CASE(C2_no_reason_and_closed_are_plain, flavours) {
  asio::io_context context;
  for (int way = 0; way != 3; ++way) {
    auto [tx, rx] = flavour.open(context);
    if (way == 0) tx.close({});
    if (way == 1) tx.close(sluice::error::closed);
    if (way == 2) tx.close(error_code(0, sluice::error_category()));
    auto received = begin_receive(rx);
    run_ready(context);
    BOOST_TEST(received.ended());
    BOOST_TEST(take(rx).error == sluice::error::closed);
  }
}

FLAVOUR_TEST_CASE(C2_senders_see_closed_whatever_the_reason, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto pending = begin_sends(tx, 0, 5);
  auto closed = begin_wait_closed(tx);
  rx.close(asio::error::connection_reset);
  auto late = begin_send(tx, 1);
  run_ready(context);
  for (std::size_t i = 0; i != 5; ++i) {
    if (i < flavour.accepts(5))
      BOOST_TEST(pending[i].succeeded());
    else
      BOOST_TEST(pending[i].error() == sluice::error::closed);
  }
  BOOST_TEST(late.error() == sluice::error::closed);
  BOOST_TEST(tx.try_send(message(1)) == sluice::error::closed);
  BOOST_TEST(closed.succeeded());
}

FLAVOUR_TEST_CASE(C2_dropping_the_handle_lets_pending_sends_be_received, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto sent = begin_sends(tx, 1, 5);
  tx = {};
  auto received = begin_receives(rx, 6);
  run_ready(context);
  BOOST_TEST(words_of(sent) == "sent sent sent sent sent");
  BOOST_TEST(words_of(received) == "1 2 3 4 5 end");
}

// C4: data comes before closed --------------------------------------------------------------------

FLAVOUR_TEST_CASE(C4_closed_is_not_reported_while_a_value_can_be_received, buffered_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  begin_send(tx, 1);
  tx = {};
  BOOST_TEST(rx.is_closed());
  BOOST_TEST(rx.size() == 1u);
  auto first = take(rx);
  BOOST_TEST(first.id == 1);
  BOOST_TEST(!first.error);
  BOOST_TEST(take(rx).error == sluice::error::closed);
}

FLAVOUR_TEST_CASE(C4_the_end_waits_for_a_promised_value, flavours) {
  asio::io_context context;
  asio::io_context other_context;
  auto [tx, rx] = flavour.open(context);
  auto other_rx = rx.with_executor(other_context.get_executor());
  auto first = begin_receive(rx);
  auto second = begin_receive(other_rx);
  BOOST_TEST(!tx.try_send(message(1)));
  tx.close();
  auto third = begin_receive(other_rx);
  run_ready(other_context);
  // The value may still come back to them.
  BOOST_TEST(!second.done());
  BOOST_TEST(!third.done());
  first.cancel();
  run_ready(other_context);
  BOOST_TEST(second.id() == 1);
  BOOST_TEST(third.ended());
  run_ready(context);
  BOOST_TEST(first.aborted());
}

FLAVOUR_TEST_CASE(C4_the_end_comes_as_soon_as_the_last_value_is_taken, flavours) {
  asio::io_context context;
  asio::io_context other_context;
  auto [tx, rx] = flavour.open(context);
  auto other_rx = rx.with_executor(other_context.get_executor());
  auto first = begin_receive(rx);
  auto second = begin_receives(other_rx, 2);
  BOOST_TEST(!tx.try_send(message(1)));
  tx.close();
  run_ready(context);
  BOOST_TEST(first.id() == 1);
  run_ready(other_context);
  BOOST_TEST(words_of(second) == "end end");
}

FLAVOUR_TEST_CASE(C4_the_end_comes_when_try_receive_takes_the_last_value, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto cancelled = begin_receive(rx);
  BOOST_TEST(!tx.try_send(message(1)));
  cancelled.cancel();
  tx.close();
  BOOST_TEST(take(rx).id == 1);
  auto received = begin_receive(rx);
  run_ready(context);
  BOOST_TEST(received.ended());
}
