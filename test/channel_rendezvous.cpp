// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE channel_rendezvous

// A channel without a buffer: each send meets a receive (D7).

#include "support/flavours.hpp"
#include "support/message.hpp"
#include "support/probe.hpp"

#include <boost/test/unit_test.hpp>

using namespace support;

// Where try_send finds a place --------------------------------------------------------------------

FLAVOUR_TEST_CASE(D7_try_send_is_refused_while_nobody_receives, rendezvous_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  message kept(7);
  BOOST_TEST(tx.full());
  BOOST_TEST(tx.try_send(std::move(kept)) == sluice::error::full);
  BOOST_TEST(kept.id() == 7);
  BOOST_TEST(rx.size() == 0u);
}

FLAVOUR_TEST_CASE(D7_each_waiting_receive_lends_one_place, rendezvous_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto received = begin_receives(rx, 2);
  BOOST_TEST(!tx.full());
  BOOST_TEST(!tx.try_send(message(1)));
  BOOST_TEST(!tx.full());
  BOOST_TEST(!tx.try_send(message(2)));
  BOOST_TEST(tx.full());
  BOOST_TEST(tx.try_send(message(3)) == sluice::error::full);
  BOOST_TEST(rx.size() == 2u);
  run_ready(context);
  BOOST_TEST(words_of(received) == "1 2");
  BOOST_TEST(rx.size() == 0u);
}

FLAVOUR_TEST_CASE(D7_a_receive_that_was_promised_something_lends_nothing, rendezvous_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto received = begin_receive(rx);
  auto sent = begin_send(tx, 1);
  BOOST_TEST(tx.full());
  BOOST_TEST(tx.try_send(message(2)) == sluice::error::full);
  error_code ec;
  BOOST_TEST(!tx.force_send(message(2), ec));
  BOOST_TEST(ec == sluice::error::full);
  run_ready(context);
  BOOST_TEST(received.id() == 1);
  BOOST_TEST(sent.succeeded());
}

FLAVOUR_TEST_CASE(D7_a_receive_whose_promise_came_to_nothing_lends_again_once_it_waits,
                  rendezvous_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto received = begin_receive(rx);
  begin_send(tx, 1).cancel();
  BOOST_TEST(tx.full());
  BOOST_TEST(tx.try_send(message(2)) == sluice::error::full);
  run_ready(context);
  BOOST_TEST(!received.done());
  BOOST_TEST(!tx.full());
  BOOST_TEST(!tx.try_send(message(2)));
  run_ready(context);
  BOOST_TEST(received.id() == 2);
}

FLAVOUR_TEST_CASE(D7_try_send_is_refused_while_a_send_is_pending, rendezvous_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto sent = begin_sends(tx, 1, 2);
  auto received = begin_receive(rx);
  BOOST_TEST(tx.full());
  BOOST_TEST(tx.try_send(message(3)) == sluice::error::full);
  run_ready(context);
  BOOST_TEST(received.id() == 1);
  BOOST_TEST(words_of(sent) == "sent waits");
}

FLAVOUR_TEST_CASE(D7_a_place_that_is_lent_while_a_send_is_pending_is_for_nobody_else,
                  rendezvous_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto first = begin_receive(rx);
  auto sent = begin_send(tx, 1);
  // The first receive was promised what the send has, the second one nothing.
  auto second = begin_receive(rx);
  BOOST_TEST(tx.full());
  BOOST_TEST(tx.try_send(message(2)) == sluice::error::full);
  error_code ec;
  BOOST_TEST(!tx.force_send(message(2), ec));
  BOOST_TEST(ec == sluice::error::full);
  run_ready(context);
  BOOST_TEST(first.id() == 1);
  BOOST_TEST(!second.done());
  BOOST_TEST(!tx.full());
}

FLAVOUR_TEST_CASE(D7_a_receive_that_is_gone_lends_nothing, rendezvous_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto received = begin_receive(rx);
  received.cancel();
  BOOST_TEST(tx.full());
  BOOST_TEST(tx.try_send(message(1)) == sluice::error::full);
  run_ready(context);
  BOOST_TEST(received.aborted());
}

// When a send is done -----------------------------------------------------------------------------

FLAVOUR_TEST_CASE(D7_a_send_completes_only_when_its_value_is_taken, rendezvous_flavours) {
  asio::io_context sending;
  asio::io_context receiving;
  auto [tx, rx] = flavour.open(receiving);
  auto sending_tx = tx.with_executor(sending.get_executor());
  auto received = begin_receive(rx);
  auto sent = begin_send(sending_tx, 1);
  BOOST_TEST(rx.size() == 0u);
  run_ready(sending);
  BOOST_TEST(!sent.done());
  run_ready(receiving);
  BOOST_TEST(received.id() == 1);
  BOOST_TEST(!sent.done());
  run_ready(sending);
  BOOST_TEST(sent.succeeded());
}

FLAVOUR_TEST_CASE(D7_try_receive_takes_from_a_pending_send, rendezvous_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto sent = begin_sends(tx, 1, 2);
  BOOST_TEST(take(rx).id == 1);
  run_ready(context);
  BOOST_TEST(words_of(sent) == "sent waits");
  BOOST_TEST(take(rx).id == 2);
  BOOST_TEST(take(rx).error == sluice::error::empty);
}

// A value whose receive was cancelled -------------------------------------------------------------

FLAVOUR_TEST_CASE(D7_a_value_stays_when_the_receive_it_was_sent_to_is_cancelled,
                  rendezvous_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto received = begin_receive(rx);
  BOOST_TEST(!tx.try_send(message(1)));
  received.cancel();
  run_ready(context);
  BOOST_TEST(received.aborted());
  BOOST_TEST(rx.size() == 1u);
  BOOST_TEST(!rx.empty());
  BOOST_TEST(tx.full());
  BOOST_TEST(tx.try_send(message(2)) == sluice::error::full);
  BOOST_TEST(take(rx).id == 1);
  BOOST_TEST(rx.size() == 0u);
}

FLAVOUR_TEST_CASE(D7_a_value_that_stayed_is_taken_before_any_pending_send, rendezvous_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto cancelled = begin_receive(rx);
  BOOST_TEST(!tx.try_send(message(1)));
  cancelled.cancel();
  auto sent = begin_send(tx, 2);
  run_ready(context);
  BOOST_TEST(!sent.done());
  auto received = begin_receives(rx, 2);
  run_ready(context);
  BOOST_TEST(words_of(received) == "1 2");
  BOOST_TEST(sent.succeeded());
}

FLAVOUR_TEST_CASE(D7_a_value_that_stayed_takes_the_place_the_next_receive_would_lend,
                  rendezvous_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto cancelled = begin_receive(rx);
  BOOST_TEST(!tx.try_send(message(1)));
  cancelled.cancel();

  auto first = begin_receive(rx);
  BOOST_TEST(tx.full());
  BOOST_TEST(tx.try_send(message(2)) == sluice::error::full);
  auto second = begin_receive(rx);
  BOOST_TEST(!tx.full());
  BOOST_TEST(!tx.try_send(message(3)));
  run_ready(context);
  BOOST_TEST(first.id() == 1);
  BOOST_TEST(second.id() == 3);
}

FLAVOUR_TEST_CASE(D7_a_value_that_stayed_can_be_received_after_closing, rendezvous_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto cancelled = begin_receive(rx);
  BOOST_TEST(!tx.try_send(message(1)));
  cancelled.cancel();
  tx.close();
  auto received = begin_receives(rx, 2);
  run_ready(context);
  BOOST_TEST(words_of(received) == "1 end");
}

FLAVOUR_TEST_CASE(C3_a_value_that_stayed_in_a_rendezvous_goes_with_the_last_receiver,
                  rendezvous_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  ledger counted;
  auto cancelled = begin_receive(rx);
  BOOST_TEST(!tx.try_send(message(1, counted)));
  cancelled.cancel();
  run_ready(context);
  BOOST_TEST(counted.alive() == 1);
  rx = {};
  BOOST_TEST(counted.alive() == 0);
  BOOST_TEST(tx.size() == 0u);
}

// force_send --------------------------------------------------------------------------------------

FLAVOUR_TEST_CASE(D7_force_send_is_refused_while_nobody_receives, rendezvous_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  message kept(7);
  error_code ec;
  BOOST_TEST(!tx.force_send(std::move(kept), ec));
  BOOST_TEST(ec == sluice::error::full);
  BOOST_TEST(kept.id() == 7);
  BOOST_TEST(rx.size() == 0u);
}

FLAVOUR_TEST_CASE(D7_force_send_enters_the_place_that_a_waiting_receive_lends,
                  rendezvous_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto received = begin_receives(rx, 2);
  error_code ec = asio::error::would_block;
  BOOST_TEST(!tx.force_send(message(1), ec));
  BOOST_TEST(!ec);
  BOOST_TEST(!tx.force_send(message(2), ec));
  BOOST_TEST(!ec);
  message kept(3);
  BOOST_TEST(!tx.force_send(std::move(kept), ec));
  BOOST_TEST(ec == sluice::error::full);
  BOOST_TEST(kept.id() == 3);
  run_ready(context);
  BOOST_TEST(words_of(received) == "1 2");
}

FLAVOUR_TEST_CASE(D7_force_send_does_not_displace_a_value_that_stayed, rendezvous_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto cancelled = begin_receive(rx);
  BOOST_TEST(!tx.try_send(message(1)));
  cancelled.cancel();
  message kept(2);
  error_code ec;
  BOOST_TEST(!tx.force_send(std::move(kept), ec));
  BOOST_TEST(ec == sluice::error::full);
  BOOST_TEST(kept.id() == 2);
  BOOST_TEST(drain(rx) == "1");
}

FLAVOUR_TEST_CASE(D7_force_send_is_refused_while_a_send_is_pending, rendezvous_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto sent = begin_send(tx, 1);
  error_code ec;
  BOOST_TEST(!tx.force_send(message(2), ec));
  BOOST_TEST(ec == sluice::error::full);
  BOOST_TEST(drain(rx) == "1");
}
