// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE broadcast

// Every subscriber gets every message, or is told what it missed: sending, subscribing, receiving,
// cancelling, handles.

#include "support/broadcasts.hpp"
#include "support/probe.hpp"
#include "support/recorder.hpp"
#include "support/tracked_executor.hpp"
#include "support/unit_test.hpp"

#include <sluice/broadcast.hpp>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>

#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

using namespace support;
using sluice::error;

// BR1: exact capacity, and everything since the subscription -------------------------------------

FLAVOUR_TEST_CASE(BR1_every_subscriber_gets_every_message_in_order, one_broadcast) {
  asio::io_context context;
  auto tx = open_broadcast(flavour, context);
  auto first = tx.subscribe();
  auto second = tx.subscribe();
  BOOST_TEST(tx.send(letter(1)) == 2u);
  BOOST_TEST(tx.send(letter(2)) == 2u);
  BOOST_TEST(all_of(first) == "1 2 empty");
  BOOST_TEST(tx.send(letter(3)) == 2u);
  BOOST_TEST(all_of(first) == "3 empty");
  BOOST_TEST(all_of(second) == "1 2 3 empty");
}

FLAVOUR_TEST_CASE(BR1_a_subscriber_sees_what_is_sent_after_it_came, one_broadcast) {
  asio::io_context context;
  auto tx = open_broadcast(flavour, context);
  BOOST_TEST(tx.send(letter(1)) == 0u);
  auto first = tx.subscribe();
  BOOST_TEST(tx.send(letter(2)) == 1u);
  auto second = tx.subscribe();
  auto third = first.resubscribe();
  BOOST_TEST(tx.send(letter(3)) == 3u);
  BOOST_TEST(all_of(first) == "2 3 empty");
  BOOST_TEST(all_of(second) == "3 empty");
  BOOST_TEST(all_of(third) == "3 empty");
}

FLAVOUR_TEST_CASE(BR1_as_many_are_held_as_the_capacity_says, broadcasts) {
  asio::io_context context;
  auto tx = open_broadcast(flavour, context);
  auto rx = tx.subscribe();
  const int capacity = static_cast<int>(flavour.capacity);
  BOOST_TEST(tx.capacity() == flavour.capacity);
  BOOST_TEST(rx.capacity() == flavour.capacity);
  send_some(tx, 0, capacity);
  BOOST_TEST(tx.size() == flavour.capacity);
  BOOST_TEST(all_of(rx) == ids(0, capacity) + "empty");
  BOOST_TEST(tx.size() == 0u);
  send_some(tx, 0, capacity + 1);
  BOOST_TEST(tx.size() == flavour.capacity);
  BOOST_TEST(all_of(rx) == "lagged(1) " + ids(1, capacity) + "empty");
}

FLAVOUR_TEST_CASE(BR1_as_many_are_held_as_a_larger_capacity_says, larger_broadcasts) {
  asio::io_context context;
  auto tx = open_broadcast(flavour, context);
  auto rx = tx.subscribe();
  const int capacity = static_cast<int>(flavour.capacity);
  for (int missed = 0; missed != 70; ++missed) {
    const std::string lagged = missed == 0 ? "" : "lagged(" + std::to_string(missed) + ") ";
    send_some(tx, 0, capacity + missed);
    BOOST_TEST(rx.size() == flavour.capacity);
    BOOST_TEST(all_of(rx) == lagged + ids(missed, capacity) + "empty");
  }
}

BOOST_AUTO_TEST_CASE(BR1_a_broadcast_that_could_hold_nothing_is_refused) {
  asio::io_context context;
  auto explains = [](const std::invalid_argument& e) {
    return std::string(e.what()).find("at least 1") != std::string::npos;
  };
  BOOST_CHECK_EXCEPTION(sluice::broadcast_sender<int>(context, 0), std::invalid_argument, explains);
  BOOST_CHECK_EXCEPTION(sluice::lossless_broadcast_sender<int>(context, 0), std::invalid_argument,
                        explains);
}

// BR2: received plus missed equals sent -----------------------------------------------------------

FLAVOUR_TEST_CASE(BR2_a_gap_is_reported_once_with_its_size, broadcasts) {
  asio::io_context context;
  auto tx = open_broadcast(flavour, context);
  auto slow = tx.subscribe();
  auto quick = tx.subscribe();
  const int capacity = static_cast<int>(flavour.capacity);
  BOOST_TEST(slow.missed() == 0u);
  for (int i = 0; i != capacity + 5; ++i) {
    tx.send(letter(i));
    BOOST_TEST(all_of(quick) == std::to_string(i) + " empty");
  }
  BOOST_TEST(slow.missed() == 0u);
  BOOST_TEST(next_of(slow) == "lagged(5)");
  BOOST_TEST(all_of(slow) == ids(5, capacity) + "empty");
  BOOST_TEST(slow.missed() == 5u);
  BOOST_TEST(quick.missed() == 0u);
}

FLAVOUR_TEST_CASE(BR2_who_is_overtaken_again_is_told_again, broadcasts) {
  asio::io_context context;
  auto tx = open_broadcast(flavour, context);
  auto rx = tx.subscribe();
  const int capacity = static_cast<int>(flavour.capacity);
  send_some(tx, 0, capacity + 2);
  BOOST_TEST(next_of(rx) == "lagged(2)");
  send_some(tx, 0, 3);
  BOOST_TEST(next_of(rx) == "lagged(3)");
  BOOST_TEST(rx.size() == flavour.capacity);
  tx.send(letter(0));
  BOOST_TEST(next_of(rx) == "lagged(1)");
  // Being overtaken several times before it looks is one gap.
  send_some(tx, 0, capacity);
  send_some(tx, 1, capacity);
  BOOST_TEST(all_of(rx) ==
             "lagged(" + std::to_string(2 * capacity) + ") " + ids(1, capacity) + "empty");
}

FLAVOUR_TEST_CASE(BR2_a_receive_that_waits_is_told_when_it_is_overtaken, broadcasts) {
  asio::io_context context;
  auto tx = open_broadcast(flavour, context);
  auto rx = tx.subscribe();
  auto received = begin_receives(rx, 3);
  const int capacity = static_cast<int>(flavour.capacity);
  send_some(tx, 0, capacity + 4);
  run_ready(context);
  BOOST_TEST(word_of(received[0]) == "lagged");
  BOOST_TEST(rx.missed() == 4u);
  BOOST_TEST(word_of(received[1]) == "4");
  if (capacity == 1) {
    BOOST_TEST(word_of(received[2]) == "waits");
    tx.send(letter(5));
    run_ready(context);
  }
  BOOST_TEST(word_of(received[2]) == "5");
}

FLAVOUR_TEST_CASE(BR2_the_news_of_a_gap_survives_a_cancellation, broadcasts) {
  asio::io_context context;
  auto tx = open_broadcast(flavour, context);
  auto rx = tx.subscribe();
  send_some(tx, 0, static_cast<int>(flavour.capacity) + 2);
  auto received = begin_receive(rx);
  received.cancel();
  run_ready(context);
  BOOST_TEST(received.aborted());
  BOOST_TEST(rx.missed() == 0u);
  BOOST_TEST(next_of(rx) == "lagged(2)");
  BOOST_TEST(next_of(rx) == "2");
}

// BR4: nobody waits for a slow subscriber ---------------------------------------------------------

FLAVOUR_TEST_CASE(BR4_a_slow_subscriber_delays_nobody, broadcasts) {
  asio::io_context context;
  auto tx = open_broadcast(flavour, context);
  auto slow = tx.subscribe();
  auto quick = tx.subscribe();
  for (int i = 0; i != 100; ++i) {
    auto received = begin_receive(quick);
    BOOST_TEST(tx.send(letter(i)) == 2u);
    run_ready(context);
    BOOST_TEST(received.id() == i);
  }
  BOOST_TEST(slow.size() == flavour.capacity);
  BOOST_TEST(!tx.full());
}

// Several receives of one subscriber --------------------------------------------------------------

FLAVOUR_TEST_CASE(D2_receives_that_wait_get_the_messages_in_their_order, one_broadcast) {
  asio::io_context context;
  auto tx = open_broadcast(flavour, context);
  auto rx = tx.subscribe();
  auto received = begin_receives(rx, 4);
  send_some(tx, 1, 2);
  run_ready(context);
  BOOST_TEST(words_of(received) == "1 2 waits waits");
  send_some(tx, 3, 2);
  run_ready(context);
  BOOST_TEST(words_of(received) == "1 2 3 4");
}

FLAVOUR_TEST_CASE(D5_a_newcomer_cannot_take_what_is_promised, one_broadcast) {
  asio::io_context context;
  auto tx = open_broadcast(flavour, context);
  auto rx = tx.subscribe();
  auto other = tx.subscribe();
  auto received = begin_receive(rx);
  tx.send(letter(1));
  BOOST_TEST(next_of(rx) == "empty");
  tx.close();
  BOOST_TEST(next_of(rx) == "empty");
  BOOST_TEST(all_of(other) == "1 closed");
  run_ready(context);
  BOOST_TEST(received.id() == 1);
  BOOST_TEST(next_of(rx) == "closed");
}

FLAVOUR_TEST_CASE(D3_a_cancelled_receive_takes_nothing, one_broadcast) {
  asio::io_context context;
  auto tx = open_broadcast(flavour, context);
  auto rx = tx.subscribe();
  for (int i = 1; i != 4; ++i) {
    auto received = begin_receive(rx);
    tx.send(letter(i));
    received.cancel();
    run_ready(context);
    BOOST_TEST(received.aborted());
  }
  BOOST_TEST(rx.size() == 3u);
  BOOST_TEST(all_of(rx) == "1 2 3 empty");
}

FLAVOUR_TEST_CASE(D6_what_a_cancelled_receive_was_promised_goes_to_the_next_one, one_broadcast) {
  asio::io_context context;
  auto tx = open_broadcast(flavour, context);
  auto rx = tx.subscribe();
  auto received = begin_receives(rx, 3);
  tx.send(letter(1));
  received[0].cancel();
  run_ready(context);
  BOOST_TEST(words_of(received) == "aborted 1 waits");
  tx.send(letter(2));
  tx.close();
  received[2].cancel();
  auto last = begin_receive(rx);
  run_ready(context);
  BOOST_TEST(words_of(received) == "aborted 1 aborted");
  BOOST_TEST(word_of(last) == "2");
}

FLAVOUR_TEST_CASE(P2_whoever_takes_the_last_message_of_a_closed_broadcast_ends_the_rest,
                  one_broadcast) {
  asio::io_context context;
  auto tx = open_broadcast(flavour, context);
  auto rx = tx.subscribe();
  auto received = begin_receives(rx, 3);
  tx.send(letter(1));
  tx.close();
  run_ready(context);
  BOOST_TEST(words_of(received) == "1 end end");
}

// Cancelled receives are not kept until the next message, and wake nobody.
FLAVOUR_TEST_CASE(K4_cancelled_receives_complete_at_once, one_broadcast) {
  asio::io_context context;
  auto tx = open_broadcast(flavour, context);
  auto rx = tx.subscribe();
  auto other = tx.subscribe();
  auto waits = begin_receive(other);
  auto received = begin_receives(rx, 3);
  received[1].cancel();
  BOOST_TEST(run_ready(context) == 1u);
  BOOST_TEST(words_of(received) == "waits aborted waits");
  rx.cancel();
  BOOST_TEST(run_ready(context) == 2u);
  BOOST_TEST(words_of(received) == "aborted aborted aborted");
  BOOST_TEST(word_of(waits) == "waits");
}

// A message wakes one receive of each subscriber, and no more than that.
FLAVOUR_TEST_CASE(BR4_a_message_wakes_no_more_receives_than_can_take_it, one_broadcast) {
  asio::io_context context;
  auto tx = open_broadcast(flavour, context);
  constexpr int subscribers = 20;
  constexpr int messages = 15;
  std::vector<decltype(tx.subscribe())> all;
  std::vector<receive_probe<letter>> received;
  for (int i = 0; i != subscribers; ++i) {
    all.push_back(tx.subscribe());
    for (int k = 0; k != messages; ++k) received.push_back(begin_receive(all.back()));
  }
  for (int i = 0; i != messages; ++i) {
    tx.send(letter(i));
    BOOST_TEST(run_ready(context) == static_cast<std::size_t>(subscribers));
  }
  for (const auto& each : received) BOOST_TEST(each.succeeded());
}

// Handles -----------------------------------------------------------------------------------------

FLAVOUR_TEST_CASE(K4_a_subscription_survives_the_move_of_its_handle, one_broadcast) {
  asio::io_context context;
  auto tx = open_broadcast(flavour, context);
  auto rx = tx.subscribe();
  send_some(tx, 0, 5);
  BOOST_TEST(next_of(rx) == "lagged(2)");
  BOOST_TEST(next_of(rx) == "2");
  auto pending = begin_receives(rx, 3);
  auto moved = std::move(rx);
  BOOST_TEST(moved.missed() == 2u);
  BOOST_TEST(rx.missed() == 0u);
  BOOST_TEST(next_of(rx) == "closed");
  run_ready(context);
  BOOST_TEST(words_of(pending) == "3 4 waits");
  BOOST_TEST(tx.receiver_count() == 1u);
  tx.send(letter(5));
  run_ready(context);
  BOOST_TEST(words_of(pending) == "3 4 5");
}

FLAVOUR_TEST_CASE(K4_receives_end_with_their_subscriber, one_broadcast) {
  asio::io_context context;
  auto tx = open_broadcast(flavour, context);
  auto rx = tx.subscribe();
  auto other = tx.subscribe();
  auto received = begin_receives(rx, 2);
  auto others = begin_receive(other);
  tx.send(letter(1));  // the first receive of each is woken
  rx = {};
  run_ready(context);
  BOOST_TEST(words_of(received) == "aborted aborted");
  BOOST_TEST(word_of(others) == "1");
  BOOST_TEST(tx.receiver_count() == 1u);
}

FLAVOUR_TEST_CASE(K4_assigning_to_a_handle_ends_what_it_was, one_broadcast) {
  asio::io_context context;
  auto tx = open_broadcast(flavour, context);
  auto rx = tx.subscribe();
  auto received = begin_receive(rx);
  rx = tx.subscribe();
  BOOST_TEST(tx.receiver_count() == 1u);
  run_ready(context);
  BOOST_TEST(received.aborted());
  auto a = tx.subscribe();
  tx.send(letter(1));
  BOOST_TEST(next_of(a) == "1");
  swap(a, rx);
  BOOST_TEST(next_of(a) == "1");
  BOOST_TEST(next_of(rx) == "empty");
}

FLAVOUR_TEST_CASE(K4_a_handle_cancels_its_own_operations, one_broadcast) {
  asio::io_context context;
  auto tx = open_broadcast(flavour, context);
  auto copy = tx;
  auto rx = tx.subscribe();
  auto mine = begin_wait_closed(tx);
  auto others = begin_wait_closed(copy);
  auto received = begin_receive(rx);
  tx.cancel();
  run_ready(context);
  BOOST_TEST(mine.aborted());
  BOOST_TEST(!others.done());
  BOOST_TEST(!received.done());
  copy.cancel();
  run_ready(context);
  BOOST_TEST(others.aborted());
}

FLAVOUR_TEST_CASE(K4_empty_handles_say_closed, one_broadcast) {
  asio::io_context context;
  auto tx = open_broadcast(flavour, context);
  auto rx = tx.subscribe();
  auto tx2 = std::move(tx);
  auto rx2 = std::move(rx);
  BOOST_TEST(tx.send(letter(1)) == 0u);
  BOOST_TEST(next_of(rx) == "closed");
  BOOST_TEST(!rx.try_receive());
  BOOST_TEST(tx.is_closed());
  BOOST_TEST(rx.is_closed());
  BOOST_TEST(tx.sender_count() + tx.receiver_count() + tx.capacity() + tx.size() == 0u);
  BOOST_TEST(rx.sender_count() + rx.receiver_count() + rx.capacity() + rx.size() == 0u);
  BOOST_TEST(!tx);
  BOOST_TEST(!rx);
  BOOST_TEST(!tx.same_channel(tx));
  BOOST_TEST(!rx.same_channel(rx));
  BOOST_TEST(!tx.subscribe());
  BOOST_TEST(!rx.resubscribe());
  tx.close();
  tx.cancel();
  rx.cancel();
  auto received = begin_receive(rx);
  auto closed = begin_wait_closed(tx);
  run_ready(context);
  BOOST_TEST((received.error() == error::closed));
  BOOST_TEST((closed.error() == error::closed));
  BOOST_TEST(!tx2.is_closed());
  BOOST_TEST(!rx2.is_closed());
}

FLAVOUR_TEST_CASE(handles_are_counted_and_know_their_broadcast, one_broadcast) {
  asio::io_context context;
  auto tx = open_broadcast(flavour, context);
  auto other = open_broadcast(flavour, context);
  BOOST_TEST(tx.sender_count() == 1u);
  BOOST_TEST(tx.receiver_count() == 0u);
  {
    auto copy = tx;
    auto a = tx.subscribe();
    auto b = a.resubscribe();
    BOOST_TEST(a.sender_count() == 2u);
    BOOST_TEST(b.receiver_count() == 2u);
    BOOST_TEST(tx.same_channel(copy));
    BOOST_TEST(tx.same_channel(a));
    BOOST_TEST(a.same_channel(b));
    BOOST_TEST(a.same_channel(tx));
    BOOST_TEST(!other.same_channel(tx));
    BOOST_TEST(!other.same_channel(a));
  }
  BOOST_TEST(tx.sender_count() == 1u);
  BOOST_TEST(tx.receiver_count() == 0u);
}

FLAVOUR_TEST_CASE(handles_convert_to_another_executor, one_broadcast) {
  using io = asio::io_context::executor_type;
  asio::io_context context;
  auto tx = open_broadcast<letter, io>(flavour, context);
  using any_sender = typename decltype(tx)::template rebind_executor<asio::any_io_executor>::other;
  any_sender any_tx = tx;
  BOOST_TEST(tx.sender_count() == 2u);
  any_sender moved_tx = std::move(tx);
  BOOST_TEST(any_tx.sender_count() == 2u);

  auto rx = any_tx.subscribe().with_executor(context.get_executor());
  static_assert(std::is_same_v<typename decltype(rx)::executor_type, io>);
  any_tx.send(letter(1));
  typename decltype(rx)::template rebind_executor<asio::any_io_executor>::other any_rx =
      std::move(rx);
  BOOST_TEST(any_tx.receiver_count() == 1u);
  BOOST_TEST(all_of(any_rx) == "1 empty");
  static_assert(!std::is_copy_constructible_v<decltype(rx)>);
  static_assert(!std::is_copy_assignable_v<decltype(rx)>);
}

FLAVOUR_TEST_CASE(with_executor_changes_where_new_completions_run, one_broadcast) {
  asio::io_context context;
  asio::io_context another;
  auto tx = open_broadcast(flavour, context);
  auto rx = tx.subscribe();
  auto before = begin_receive(rx);
  auto elsewhere = std::move(rx).with_executor(another.get_executor());
  auto after = begin_receive(elsewhere);
  send_some(tx, 1, 2);
  run_ready(context);
  BOOST_TEST(word_of(before) == "1");
  BOOST_TEST(word_of(after) == "waits");
  run_ready(another);
  BOOST_TEST(word_of(after) == "2");
  elsewhere.cancel();
}
