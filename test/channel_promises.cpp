// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE channel_promises

// A receive that is woken is promised a value and takes it when its completion runs (D3); who has a
// promise is not overtaken (D5), and who goes away passes it on (D6).

#include "support/flavours.hpp"
#include "support/message.hpp"
#include "support/probe.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/post.hpp>
#include <boost/test/unit_test.hpp>

#include <memory>
#include <stdexcept>

using namespace support;

// D3: taken when the completion runs, and not before ----------------------------------------------

FLAVOUR_TEST_CASE(D3_a_receive_takes_nothing_before_its_completion_runs, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto received = begin_receive(rx);
  BOOST_TEST(!tx.try_send(message(1)));
  BOOST_TEST(rx.size() == 1u);
  run_ready(context);
  BOOST_TEST(received.id() == 1);
  BOOST_TEST(rx.size() == 0u);
}

FLAVOUR_TEST_CASE(D3_a_receive_that_is_ready_at_once_takes_nothing_before_either, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto sent = begin_send(tx, 1);
  auto received = begin_receive(rx);
  BOOST_TEST(rx.size() == flavour.accepts(1));
  run_ready(context);
  BOOST_TEST(received.id() == 1);
  BOOST_TEST(rx.size() == 0u);
}

FLAVOUR_TEST_CASE(D3_the_handler_finds_its_value_taken, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  std::size_t size = 99;
  rx.async_receive([&size, r = &rx](error_code, std::optional<message>) { size = r->size(); });
  begin_send(tx, 1);
  run_ready(context);
  BOOST_TEST(size == 0u);
}

FLAVOUR_TEST_CASE(D3_a_cancelled_receive_leaves_the_value_at_its_place, flavours) {
  for (auto type : {asio::cancellation_type::terminal, asio::cancellation_type::partial,
                    asio::cancellation_type::total}) {
    asio::io_context context;
    auto [tx, rx] = flavour.open(context);
    auto received = begin_receive(rx);
    begin_sends(tx, 1, 3);
    received.cancel(type);
    run_ready(context);
    BOOST_TEST(received.aborted());
    BOOST_TEST(drain(rx) == "1 2 3");
  }
}

FLAVOUR_TEST_CASE(D3_a_receive_that_was_ready_at_once_leaves_it_at_its_place_too, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  begin_sends(tx, 1, 3);
  auto received = begin_receive(rx);
  received.cancel();
  run_ready(context);
  BOOST_TEST(received.aborted());
  BOOST_TEST(drain(rx) == "1 2 3");
}

FLAVOUR_TEST_CASE(D3_a_receive_that_its_handle_cancels_leaves_it_at_its_place_too, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto waited = begin_receive(rx);
  begin_sends(tx, 1, 3);
  auto ready = begin_receive(rx);
  rx.cancel();
  run_ready(context);
  BOOST_TEST(waited.aborted());
  BOOST_TEST(ready.aborted());
  BOOST_TEST(drain(rx) == "1 2 3");
}

FLAVOUR_TEST_CASE(D3_a_cancellation_wins_if_it_runs_before_the_completion, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto received = begin_receive(rx);
  asio::post(context, [received] { received.cancel(); });
  begin_send(tx, 1);
  run_ready(context);
  BOOST_TEST(received.aborted());
  BOOST_TEST(drain(rx) == "1");
}

FLAVOUR_TEST_CASE(D3_a_cancellation_is_too_late_after_the_completion, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto received = begin_receive(rx);
  begin_send(tx, 1);
  asio::post(context, [received] { received.cancel(); });
  run_ready(context);
  BOOST_TEST(received.id() == 1);
  BOOST_TEST(drain(rx) == "");
}

FLAVOUR_TEST_CASE(D3_of_two_ready_receives_that_cancel_each_other_one_takes, flavours) {
  asio::io_context context;
  auto [tx1, rx1] = flavour.open(context);
  auto [tx2, rx2] = flavour.open(context);
  begin_send(tx1, 1);
  begin_send(tx2, 2);

  asio::cancellation_signal signals[2];
  int taken_values = 0;
  auto handler_of = [&](int self) {
    return asio::bind_cancellation_slot(
        signals[self].slot(),
        [&signals, &taken_values, self](error_code ec, std::optional<message> received) {
          taken_values += received ? 1 : 0;
          if (!ec) signals[1 - self].emit(asio::cancellation_type::terminal);
        });
  };
  rx1.async_receive(handler_of(0));
  rx2.async_receive(handler_of(1));
  run_ready(context);
  BOOST_TEST(taken_values == 1);
  BOOST_TEST(drain(rx1) == "");
  BOOST_TEST(drain(rx2) == "2");
}

FLAVOUR_TEST_CASE(D3_a_receive_whose_cancellation_comes_first_of_all_still_waits, flavours) {
  // A signal that was emitted before the operation began is none of its business.
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  receive_probe<message> received;
  received.cancel();
  rx.async_receive(received.get_handler());
  run_ready(context);
  BOOST_TEST(!received.done());
}

// D5: nobody is overtaken -------------------------------------------------------------------------

FLAVOUR_TEST_CASE(D5_waiting_receives_are_woken_in_their_order, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto received = begin_receives(rx, 3);
  begin_send(tx, 1);
  run_ready(context);
  BOOST_TEST(words_of(received) == "1 waits waits");
  begin_send(tx, 2);
  run_ready(context);
  BOOST_TEST(words_of(received) == "1 2 waits");
  begin_send(tx, 3);
  run_ready(context);
  BOOST_TEST(words_of(received) == "1 2 3");
}

FLAVOUR_TEST_CASE(D5_woken_receives_take_values_in_the_order_in_which_they_run, flavours) {
  asio::io_context first_context;
  asio::io_context second_context;
  auto [tx, rx] = flavour.open(first_context);
  auto other_rx = rx.with_executor(second_context.get_executor());
  auto first = begin_receive(rx);
  auto second = begin_receive(other_rx);
  begin_sends(tx, 1, 2);
  run_ready(second_context);
  BOOST_TEST(second.id() == 1);
  run_ready(first_context);
  BOOST_TEST(first.id() == 2);
}

FLAVOUR_TEST_CASE(D5_try_receive_does_not_overtake_a_woken_receive, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto received = begin_receive(rx);
  begin_send(tx, 1);
  BOOST_TEST(take(rx).error == sluice::error::empty);
  run_ready(context);
  BOOST_TEST(received.id() == 1);
}

FLAVOUR_TEST_CASE(D5_try_receive_does_not_overtake_after_closing_either, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto received = begin_receive(rx);
  BOOST_TEST(!tx.try_send(message(1)));
  tx.close();
  BOOST_TEST(take(rx).error == sluice::error::empty);
  run_ready(context);
  BOOST_TEST(received.id() == 1);
  BOOST_TEST(take(rx).error == sluice::error::closed);
}

FLAVOUR_TEST_CASE(D5_a_later_receive_does_not_overtake_a_woken_one, flavours) {
  asio::io_context first_context;
  asio::io_context second_context;
  auto [tx, rx] = flavour.open(first_context);
  auto other_rx = rx.with_executor(second_context.get_executor());
  auto first = begin_receive(rx);
  begin_send(tx, 1);
  auto second = begin_receive(other_rx);
  run_ready(second_context);
  BOOST_TEST(!second.done());
  run_ready(first_context);
  BOOST_TEST(first.id() == 1);
  run_ready(second_context);
  BOOST_TEST(!second.done());
}

FLAVOUR_TEST_CASE(D5_what_is_not_promised_is_there_for_a_newcomer, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto received = begin_receive(rx);
  begin_sends(tx, 1, 2);
  // Two values and one promise; which value is promised was not said.
  BOOST_TEST(take(rx).id == 1);
  BOOST_TEST(take(rx).error == sluice::error::empty);
  run_ready(context);
  BOOST_TEST(received.id() == 2);
}

FLAVOUR_TEST_CASE(D5_a_woken_receive_that_finds_nothing_waits_on, rendezvous_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto received = begin_receives(rx, 2);
  begin_send(tx, 1).cancel();
  run_ready(context);
  BOOST_TEST(words_of(received) == "waits waits");
  // At its old place, in front of the one that was never woken.
  begin_send(tx, 2);
  run_ready(context);
  BOOST_TEST(words_of(received) == "2 waits");
  begin_send(tx, 3);
  run_ready(context);
  BOOST_TEST(words_of(received) == "2 3");
}

FLAVOUR_TEST_CASE(D5_receives_that_find_nothing_keep_their_order, limited_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  const int places = static_cast<int>(flavour.capacity);
  auto sent = begin_sends(tx, 0, places + 3);
  auto early = begin_receives(rx, places);
  // These are promised the pending sends, which then come to nothing.
  auto received = begin_receives(rx, 3);
  for (std::size_t i = flavour.capacity; i != sent.size(); ++i) sent[i].cancel();
  run_ready(context);
  BOOST_TEST(words_of(received) == "waits waits waits");
  for (int id : {10, 11, 12}) {
    begin_send(tx, id);
    run_ready(context);
  }
  BOOST_TEST(words_of(received) == "10 11 12");
}

FLAVOUR_TEST_CASE(D5_a_receive_that_finds_nothing_waits_for_the_first_time_in_its_context,
                  limited_flavours) {
  asio::io_context context;
  asio::io_context sending;
  auto [tx, rx] = flavour.open(sending);
  auto own_rx = rx.with_executor(context.get_executor());
  const int places = static_cast<int>(flavour.capacity);
  auto sent = begin_sends(tx, 0, places + 1);
  auto received = begin_receives(own_rx, places + 1);
  sent.back().cancel();
  run_ready(context);
  BOOST_TEST(word_of(received.back()) == "waits");
  begin_send(tx, 10);
  run_ready(context);
  BOOST_TEST(received.back().id() == 10);
}

FLAVOUR_TEST_CASE(D5_a_receive_that_waited_comes_back_before_later_ones_that_did_not,
                  rendezvous_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto waited = begin_receive(rx);
  auto sent = begin_sends(tx, 0, 2);
  auto ready = begin_receive(rx);
  for (auto& s : sent) s.cancel();
  run_ready(context);
  begin_send(tx, 1);
  run_ready(context);
  BOOST_TEST(waited.id() == 1);
  BOOST_TEST(!ready.done());
}

FLAVOUR_TEST_CASE(D5_a_receive_that_finds_nothing_is_served_whatever_comes_later,
                  rendezvous_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  {
    // Another send took the place of the one that was promised before the receive ran.
    auto received = begin_receive(rx);
    begin_send(tx, 1).cancel();
    begin_send(tx, 2);
    run_ready(context);
    BOOST_TEST(received.id() == 2);
  }
  {
    auto received = begin_receive(rx);
    begin_send(tx, 1).cancel();
    run_ready(context);
    received.cancel();
    run_ready(context);
    BOOST_TEST(received.aborted());
  }
  {
    auto received = begin_receive(rx);
    begin_send(tx, 1).cancel();
    run_ready(context);
    BOOST_TEST(!received.done());
    tx.close();
    run_ready(context);
    BOOST_TEST(received.ended());
  }
}

FLAVOUR_TEST_CASE(D5_a_receive_whose_promise_was_closed_away_sees_the_end, rendezvous_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto received = begin_receives(rx, 2);
  auto sent = begin_send(tx, 1);
  tx.close();
  run_ready(context);
  BOOST_TEST(sent.error() == sluice::error::closed);
  BOOST_TEST(words_of(received) == "end end");
}

// D6: what was promised goes on -------------------------------------------------------------------

FLAVOUR_TEST_CASE(D6_a_cancelled_receive_passes_its_promise_to_the_next, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto received = begin_receives(rx, 3);
  begin_send(tx, 1);
  received[0].cancel();
  run_ready(context);
  BOOST_TEST(words_of(received) == "aborted 1 waits");
}

FLAVOUR_TEST_CASE(D6_a_promise_passes_through_many_hands, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto received = begin_receives(rx, 50);
  begin_send(tx, 1);
  for (std::size_t i = 0; i != 49; ++i) received[i].cancel();
  run_ready(context);
  for (std::size_t i = 0; i != 49; ++i) BOOST_TEST(received[i].aborted());
  BOOST_TEST(received.back().id() == 1);
}

FLAVOUR_TEST_CASE(D6_a_receive_that_leaves_before_it_is_woken_gets_no_promise, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto received = begin_receives(rx, 5);
  for (std::size_t i : {1u, 0u, 3u}) received[i].cancel();
  begin_sends(tx, 1, 2);
  run_ready(context);
  BOOST_TEST(words_of(received) == "aborted aborted 1 aborted 2");
}

FLAVOUR_TEST_CASE(D6_a_handle_that_cancels_passes_its_promises_to_other_handles, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto other_rx = rx;
  auto before = begin_receives(rx, 2);
  auto other = begin_receive(other_rx);
  auto after = begin_receives(rx, 2);
  begin_sends(tx, 1, 2);
  rx.cancel();
  run_ready(context);
  BOOST_TEST(words_of(before) == "aborted aborted");
  BOOST_TEST(words_of(after) == "aborted aborted");
  BOOST_TEST(other.id() == 1);
  BOOST_TEST(drain(rx) == "2");
}

FLAVOUR_TEST_CASE(D6_a_destroyed_context_passes_on_what_it_was_promised, flavours) {
  asio::io_context context;
  auto doomed = std::make_unique<asio::io_context>();
  auto [tx, rx] = flavour.open(context);
  auto doomed_rx = rx.with_executor(doomed->get_executor());
  auto lost = begin_receives(doomed_rx, 2);
  auto received = begin_receive(rx);
  begin_send(tx, 1);
  // One of the two was woken and never runs, the other one only waited.
  doomed.reset();
  BOOST_TEST(words_of(lost) == "dropped dropped");
  run_ready(context);
  BOOST_TEST(received.id() == 1);
}

FLAVOUR_TEST_CASE(D6_a_context_that_is_not_run_keeps_its_promise, flavours) {
  asio::io_context context;
  asio::io_context idle;
  auto [tx, rx] = flavour.open(context);
  auto idle_rx = rx.with_executor(idle.get_executor());
  auto late = begin_receive(idle_rx);
  auto received = begin_receive(rx);
  begin_sends(tx, 1, 2);
  run_ready(context);
  BOOST_TEST(received.id() == 1);
  BOOST_TEST(take(rx).error == sluice::error::empty);
  run_ready(idle);
  BOOST_TEST(late.id() == 2);
}

FLAVOUR_TEST_CASE(D6_a_promise_nobody_wants_is_there_for_try_receive, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto received = begin_receives(rx, 3);
  begin_sends(tx, 1, 3);
  for (auto& r : received) r.cancel();
  BOOST_TEST(drain(rx) == "1 2 3");
  run_ready(context);
  BOOST_TEST(words_of(received) == "aborted aborted aborted");
}

FLAVOUR_TEST_CASE(D6_a_handler_that_throws_has_taken_its_value_and_no_other, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  int thrown_for = message::none;
  rx.async_receive([&thrown_for](error_code, std::optional<message> received) {
    thrown_for = received->id();
    throw std::runtime_error("thrown by a handler");
  });
  auto received = begin_receive(rx);
  begin_sends(tx, 1, 2);
  context.restart();
  BOOST_CHECK_THROW(context.poll(), std::runtime_error);
  BOOST_TEST(thrown_for == 1);
  run_ready(context);
  BOOST_TEST(received.id() == 2);
}
