// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE channel_send_all

// Sends of several values: they keep the head of the line until they are done (D2), and say the
// truth about how many were sent, whatever ended them (D4).

#include "support/flavours.hpp"
#include "support/heap.hpp"
#include "support/message.hpp"
#include "support/permits.hpp"
#include "support/probe.hpp"
#include "support/user_executors.hpp"

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/test/unit_test.hpp>

#include <array>
#include <functional>
#include <memory>
#include <optional>
#if __cplusplus >= 202002L
#include <span>
#endif
#include <string>
#include <utility>
#include <vector>

using namespace support;

namespace {

constexpr any_threading many_places{1, {bounded_many}};

/// "1 2 3" for 1 and 3, "" if there are none.
std::string ids(int first, int last) {
  return ids_of(messages(first, last - first + 1));
}

/// What remains of borrowed messages of which the first `sent` were sent.
std::string rest(int first, int last, std::size_t sent) {
  std::string text;
  for (int i = first; i <= last; ++i) {
    const bool gone = static_cast<std::size_t>(i - first) < sent;
    text += (text.empty() ? "" : " ") + std::to_string(gone ? message::none : i);
  }
  return text;
}

}  // namespace

// What completes it -------------------------------------------------------------------------------

FLAVOUR_TEST_CASE(D1_all_values_are_received_in_their_order, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto sent = begin_send_all(tx, messages(1, 10));
  BOOST_TEST(!sent.done());
  run_ready(context);
  BOOST_TEST(sent.done() == flavour.is_unbounded());
  BOOST_TEST(tx.size() == flavour.accepts(10));
  BOOST_TEST(drain(rx) == ids(1, 10));
  run_ready(context);
  BOOST_TEST(word_of(sent) == "10 sent");
}

FLAVOUR_TEST_CASE(D1_waiting_receives_get_them_all, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto received = begin_receives(rx, 6);
  auto sent = begin_send_all(tx, messages(1, 5));
  run_ready(context);
  BOOST_TEST(words_of(received) == "1 2 3 4 5 waits");
  BOOST_TEST(word_of(sent) == "5 sent");
}

FLAVOUR_TEST_CASE(D4_it_is_done_when_the_last_value_is_accepted, bounded_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  const int capacity = static_cast<int>(flavour.capacity);
  auto sent = begin_send_all(tx, messages(1, capacity + 2));
  for (int i = 1; i <= 2; ++i) {
    run_ready(context);
    BOOST_TEST(word_of(sent) == "waits");
    BOOST_TEST(tx.size() == flavour.capacity);
    BOOST_TEST(take(rx).id == i);
  }
  BOOST_TEST(tx.size() == flavour.capacity);
  run_ready(context);
  BOOST_TEST(word_of(sent) == std::to_string(capacity + 2) + " sent");
}

FLAVOUR_TEST_CASE(D4_at_a_rendezvous_it_is_done_when_the_last_value_is_taken, rendezvous_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto sent = begin_send_all(tx, messages(1, 3));
  for (int i = 1; i <= 3; ++i) {
    run_ready(context);
    BOOST_TEST(word_of(sent) == "waits");
    BOOST_TEST(tx.size() == 0u);
    BOOST_TEST(take(rx).id == i);
  }
  BOOST_TEST(take(rx).error == sluice::error::empty);
  run_ready(context);
  BOOST_TEST(word_of(sent) == "3 sent");
}

FLAVOUR_TEST_CASE(D4_one_that_has_a_place_for_each_is_done_at_once, buffered_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  const int capacity = static_cast<int>(flavour.accepts(5));
  auto sent = begin_send_all(tx, messages(1, capacity));
  BOOST_TEST(tx.size() == flavour.accepts(5));
  sent.cancel();
  tx.cancel();
  tx.close();
  run_ready(context);
  BOOST_TEST(word_of(sent) == std::to_string(capacity) + " sent");
  BOOST_TEST(drain(rx) == ids(1, capacity));
}

FLAVOUR_TEST_CASE(D4_no_values_are_sent_at_once, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  // Also where others wait.
  auto pending = begin_sends(tx, 1, 5);
  auto sent = begin_send_all(tx, std::vector<message>());
  std::vector<message> none;
  auto lent = begin_send_all(tx, std::ref(none));
  run_ready(context);
  BOOST_TEST(word_of(sent) == "0 sent");
  BOOST_TEST(word_of(lent) == "0 sent");
  BOOST_TEST(drain(rx) == "1 2 3 4 5");
}

FLAVOUR_TEST_CASE(D1_values_are_sent_from_where_their_caller_keeps_them, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto values = messages(1, 5);
  auto sent = begin_send_all(tx, std::ref(values));
  BOOST_TEST(ids_of(values) == rest(1, 5, flavour.accepts(5)));
  BOOST_TEST(take(rx).id == 1);
  BOOST_TEST(ids_of(values) == rest(1, 5, flavour.accepts(5) == 5 ? 5 : flavour.capacity + 1));
  BOOST_TEST(drain(rx) == "2 3 4 5");
  run_ready(context);
  BOOST_TEST(word_of(sent) == "5 sent");
  BOOST_TEST(ids_of(values) == rest(1, 5, 5));
  BOOST_TEST(values.size() == 5u);
}

#if __cplusplus >= 202002L

FLAVOUR_TEST_CASE(D1_values_of_any_array_can_be_sent, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  std::array<message, 3> array{message(1), message(2), message(3)};
  message plain[2] = {message(4), message(5)};
  auto vector = messages(6, 4);
  auto first = begin_send_all(tx, std::span<message>(array));
  auto second = begin_send_all(tx, std::span<message, 2>(plain));
  auto third = begin_send_all(tx, std::span(vector).subspan(1, 2));
  auto fourth = begin_send_all(tx, std::span<message>());
  BOOST_TEST(drain(rx) == "1 2 3 4 5 7 8");
  run_ready(context);
  BOOST_TEST(word_of(first) == "3 sent");
  BOOST_TEST(word_of(second) == "2 sent");
  BOOST_TEST(word_of(third) == "2 sent");
  BOOST_TEST(word_of(fourth) == "0 sent");
  BOOST_TEST(ids_of(vector) == "6 -1 -1 9");
}

FLAVOUR_TEST_CASE(D4_what_was_not_sent_of_an_array_is_untouched, bounded_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto values = messages(1, 7);
  auto sent = begin_send_all(tx, std::span<message>(values));
  take(rx);
  sent.cancel();
  run_ready(context);
  BOOST_TEST(sent.aborted());
  BOOST_TEST(sent.accepted() == flavour.capacity + 1);
  BOOST_TEST(ids_of(values) == rest(1, 7, sent.accepted()));
}

#endif

BOOST_AUTO_TEST_CASE(D1_a_vector_is_copied_if_it_is_not_given_away) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<std::string>(context, 2);
  const std::vector<std::string> values{"one", "two"};
  std::size_t accepted = 0;
  tx.async_send_all(values, [&accepted](error_code, std::size_t n) { accepted = n; });
  context.run();
  BOOST_TEST(accepted == 2u);
  BOOST_TEST(values[0] == "one");
  BOOST_TEST(rx.try_receive().value() == "one");
  BOOST_TEST(rx.try_receive().value() == "two");
}

// D2: the head of the line ------------------------------------------------------------------------

FLAVOUR_TEST_CASE(D2_other_sends_wait_until_it_is_done, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto other_tx = tx;
  auto first = begin_send_all(tx, messages(1, 5));
  auto second = begin_send_all(other_tx, messages(11, 5));
  auto third = begin_sends(tx, 21, 2);
  BOOST_TEST(!flavour.is_unbounded() == (tx.try_send(message(31)) == sluice::error::full));
  BOOST_TEST(drain(rx) ==
             "1 2 3 4 5 11 12 13 14 15 21 22" + std::string(flavour.is_unbounded() ? " 31" : ""));
  run_ready(context);
  BOOST_TEST(word_of(first) == "5 sent");
  BOOST_TEST(word_of(second) == "5 sent");
  BOOST_TEST(words_of(third) == "sent sent");
}

FLAVOUR_TEST_CASE(D2_it_waits_for_those_before_it, limited_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto before = begin_sends(tx, 1, static_cast<int>(flavour.capacity) + 2);
  auto sent = begin_send_all(tx, messages(11, 2));
  take(rx);
  take(rx);
  run_ready(context);
  BOOST_TEST(word_of(before.back()) == "sent");
  BOOST_TEST(word_of(sent) == "waits");
  take(rx);
  BOOST_TEST(drain(rx) == (flavour.capacity == 3   ? "4 5 11 12"
                           : flavour.capacity == 1 ? "11 12"
                                                   : "12"));
}

FLAVOUR_TEST_CASE(D2_only_force_send_and_permits_come_between, many_places) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto permit = reserve_now(tx);
  auto sent = begin_send_all(tx, messages(1, 5));
  BOOST_TEST(!permit.send(message(11)));
  BOOST_TEST(drain(rx) == "1 2 11 3 4 5");

  auto other = begin_send_all(tx, messages(1, 5));
  error_code ec;
  auto displaced = tx.force_send(message(12), ec);
  BOOST_TEST_REQUIRE(displaced.has_value());
  BOOST_TEST(displaced->id() == 1);
  run_ready(context);
  BOOST_TEST(word_of(other) == "waits");
  BOOST_TEST(drain(rx) == "2 3 12 4 5");
  run_ready(context);
  // What was displaced had been accepted.
  BOOST_TEST(word_of(other) == "5 sent");
}

FLAVOUR_TEST_CASE(D2_it_takes_its_places_as_they_become_free, many_places) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto permit = reserve_now(tx, 2);
  auto sent = begin_send_all(tx, messages(1, 3));
  auto reserved = begin_reserve(tx);
  BOOST_TEST(tx.size() == 1u);
  permit = {};
  BOOST_TEST(tx.size() == 3u);
  run_ready(context);
  BOOST_TEST(word_of(sent) == "3 sent");
  BOOST_TEST(word_of(reserved) == "waits");
  take(rx);
  run_ready(context);
  BOOST_TEST(word_of(reserved) == "1");
}

FLAVOUR_TEST_CASE(D2_a_reservation_behind_it_waits_for_the_last_value, bounded_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  const int capacity = static_cast<int>(flavour.capacity);
  auto sent = begin_send_all(tx, messages(1, capacity + 2));
  auto reserved = begin_reserve(tx, flavour.capacity);
  for (int i = 1; i != capacity + 2; ++i) {
    BOOST_TEST(take(rx).id == i);
    run_ready(context);
    BOOST_TEST(word_of(reserved) == "waits");
  }
  BOOST_TEST(take(rx).id == capacity + 2);
  run_ready(context);
  BOOST_TEST(reserved.places() == flavour.capacity);
}

FLAVOUR_TEST_CASE(D6_when_it_is_cancelled_the_next_ones_have_their_turn, limited_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  const int capacity = static_cast<int>(flavour.capacity);
  auto sent = begin_send_all(tx, messages(1, capacity + 2));
  auto next = begin_send(tx, 11);
  sent.cancel();
  BOOST_TEST(drain(rx) == (capacity == 0 ? "11" : ids(1, capacity) + " 11"));
  run_ready(context);
  BOOST_TEST(word_of(sent) == std::to_string(capacity) + " aborted");
  BOOST_TEST(word_of(next) == "sent");
}

// K4, D4: what ends it early ----------------------------------------------------------------------

namespace {

/// Begins to send seven values of which one more is accepted than there are places, ends that by
/// `end`, and checks what is left.
template <class Flavour, class End>
void check_early_end(Flavour flavour, End end, error_code error, bool received_after = true) {
  for (bool lends : {false, true}) {
    ledger counted;
    asio::io_context context;
    auto [tx, rx] = flavour.open(context);
    auto values = messages(1, 7, counted);
    auto sent =
        lends ? begin_send_all(tx, std::ref(values)) : begin_send_all(tx, std::move(values));
    BOOST_TEST(take(rx).id == 1);
    const std::size_t accepted = flavour.capacity + 1;
    end(tx, rx, sent);
    run_ready(context);
    BOOST_TEST(sent.error() == error);
    BOOST_TEST(sent.accepted() == accepted);
    if (lends) BOOST_TEST(ids_of(values) == rest(1, 7, accepted));
    values.clear();
    if (received_after)
      BOOST_TEST(drain(rx) == (accepted == 1 ? "" : ids(2, static_cast<int>(accepted))));
    BOOST_TEST(counted.alive() == 0);
  }
}

}  // namespace

FLAVOUR_TEST_CASE(K4_a_signal_ends_it_at_any_time, limited_flavours) {
  for (auto type : {asio::cancellation_type::terminal, asio::cancellation_type::partial})
    check_early_end(
        flavour, [type](auto&, auto&, auto& sent) { sent.cancel(type); },
        asio::error::operation_aborted);
}

FLAVOUR_TEST_CASE(K4_its_handle_ends_it_at_any_time, limited_flavours) {
  check_early_end(
      flavour, [](auto& tx, auto&, auto&) { tx.cancel(); }, asio::error::operation_aborted);
}

FLAVOUR_TEST_CASE(C2_closing_ends_it, limited_flavours) {
  check_early_end(flavour, [](auto& tx, auto&, auto&) { tx.close(); }, sluice::error::closed);
  check_early_end(
      flavour, [](auto&, auto& rx, auto&) { rx.close(asio::error::connection_reset); },
      sluice::error::closed);
}

FLAVOUR_TEST_CASE(C3_the_last_receiver_ends_it, limited_flavours) {
  check_early_end(flavour, [](auto&, auto& rx, auto&) { rx = {}; }, sluice::error::closed, false);
}

FLAVOUR_TEST_CASE(K4_total_ends_it_only_before_its_first_value, limited_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  const auto total = asio::cancellation_type::total;
  {
    auto sent = begin_send_all(tx, messages(1, 7));
    if (flavour.is_rendezvous()) BOOST_TEST(take(rx).id == 1);
    sent.cancel(total);
    run_ready(context);
    BOOST_TEST(word_of(sent) == "waits");
    BOOST_TEST(drain(rx) == (flavour.is_rendezvous() ? ids(2, 7) : ids(1, 7)));
    run_ready(context);
    BOOST_TEST(word_of(sent) == "7 sent");
  }
  {
    auto before = begin_sends(tx, 1, static_cast<int>(flavour.capacity));
    auto values = messages(11, 2);
    auto sent = begin_send_all(tx, std::ref(values));
    sent.cancel(total);
    run_ready(context);
    BOOST_TEST(word_of(sent) == "0 aborted");
    BOOST_TEST(ids_of(values) == "11 12");
  }
}

FLAVOUR_TEST_CASE(K4_a_signal_comes_too_late_for_one_that_is_done, limited_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  const int count = static_cast<int>(flavour.capacity) + 1;
  auto sent = begin_send_all(tx, messages(1, count));
  BOOST_TEST(take(rx).id == 1);
  sent.cancel();
  tx.cancel();
  rx.close();
  run_ready(context);
  BOOST_TEST(word_of(sent) == std::to_string(count) + " sent");
}

FLAVOUR_TEST_CASE(C2_none_is_sent_after_closing, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  tx.close();
  auto values = messages(1, 3);
  auto sent = begin_send_all(tx, std::ref(values));
  BOOST_TEST(!sent.done());
  run_ready(context);
  BOOST_TEST(word_of(sent) == "0 closed");
  BOOST_TEST(ids_of(values) == "1 2 3");
}

FLAVOUR_TEST_CASE(K4_an_empty_handle_sends_none, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto other_tx = std::move(tx);
  auto values = messages(1, 3);
  auto sent = begin_send_all(tx, std::ref(values));
  run_ready(context);
  BOOST_TEST(word_of(sent) == "0 closed");
  BOOST_TEST(ids_of(values) == "1 2 3");
}

// C1: it keeps the channel open -------------------------------------------------------------------

FLAVOUR_TEST_CASE(C1_it_counts_as_a_sender_until_its_last_value_is_accepted, limited_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  const int count = static_cast<int>(flavour.capacity) + 3;
  sluice::weak_sender weak = tx;
  auto sent = begin_send_all(tx, messages(1, count));
  tx = {};
  for (int i = 1; i != 3; ++i) {
    BOOST_TEST(!rx.is_closed());
    BOOST_TEST(static_cast<bool>(weak.lock()));
    BOOST_TEST(take(rx).id == i);
  }
  BOOST_TEST(!rx.is_closed());
  auto received = begin_receives(rx, count - 1);
  run_ready(context);
  BOOST_TEST(rx.is_closed());
  BOOST_TEST(word_of(sent) == std::to_string(count) + " sent");
  BOOST_TEST(received[received.size() - 2].id() == count);
  BOOST_TEST(received.back().ended());
}

FLAVOUR_TEST_CASE(C1_the_end_comes_when_it_is_cancelled, limited_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto sent = begin_send_all(tx, messages(1, 7));
  tx = {};
  BOOST_TEST(take(rx).id == 1);
  sent.cancel();
  const int left = static_cast<int>(flavour.capacity);
  BOOST_TEST(drain(rx) == (left == 0 ? "" : ids(2, left + 1)));
  BOOST_TEST(take(rx).error == sluice::error::closed);
}

FLAVOUR_TEST_CASE(K9_one_that_has_not_begun_keeps_the_channel_open, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  {
    auto lazy = tx.async_send_all(messages(1, 2), asio::deferred);
    tx = {};
    BOOST_TEST(!rx.is_closed());
    BOOST_TEST(rx.sender_count() == 1u);
    send_all_probe sent;
    std::move(lazy)(sent.get_handler());
    BOOST_TEST(drain(rx) == "1 2");
    BOOST_TEST(rx.is_closed());
    run_ready(context);
    BOOST_TEST(word_of(sent) == "2 sent");
  }
}

// K5, D6: contexts and executors ------------------------------------------------------------------

FLAVOUR_TEST_CASE(K5_its_context_takes_along_what_was_not_sent, limited_flavours) {
  ledger counted;
  asio::io_context context;
  auto doomed = std::make_unique<asio::io_context>();
  auto [tx, rx] = flavour.open(context);
  auto doomed_tx = tx.with_executor(doomed->get_executor());
  auto sent = begin_send_all(doomed_tx, messages(1, 7, counted));
  auto next = begin_send(tx, 11);
  BOOST_TEST(take(rx).id == 1);
  const int accepted = static_cast<int>(flavour.capacity) + 1;
  doomed.reset();
  BOOST_TEST(word_of(sent) == "dropped");
  BOOST_TEST(counted.alive() == accepted - 1);
  BOOST_TEST(drain(rx) == (accepted == 1 ? "11" : ids(2, accepted) + " 11"));
  run_ready(context);
  BOOST_TEST(next.succeeded());
}

FLAVOUR_TEST_CASE(K5_what_was_sent_stays_when_its_completion_is_lost, flavours) {
  asio::io_context context;
  auto doomed = std::make_unique<asio::io_context>();
  auto [tx, rx] = flavour.open(context);
  auto doomed_tx = tx.with_executor(doomed->get_executor());
  auto sent = begin_send_all(doomed_tx, messages(1, 3));
  auto received = begin_receives(rx, 3);
  run_ready(context);
  doomed.reset();
  BOOST_TEST(word_of(sent) == "dropped");
  BOOST_TEST(words_of(received) == "1 2 3");
}

FLAVOUR_TEST_CASE(D6_an_executor_that_refuses_loses_nothing_that_was_sent, limited_flavours) {
  asio::io_context context;
  task_context own_context;
  bool refuses = false;
  auto [tx, rx] = flavour.open(context);
  send_all_probe sent;
  tx.async_send_all(messages(1, 5), asio::bind_executor(refusing_executor{&own_context, &refuses},
                                                        sent.get_handler()));
  auto next = begin_send(tx, 6);
  refuses = true;
  BOOST_TEST(drain(rx) == "1 2 3 4 5 6");
  BOOST_TEST(word_of(sent) == "dropped");
  run_ready(context);
  BOOST_TEST(next.succeeded());
}

// Promises ----------------------------------------------------------------------------------------

FLAVOUR_TEST_CASE(D5_receives_that_were_promised_values_of_it_wait_on_when_it_is_cancelled,
                  limited_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  const int capacity = static_cast<int>(flavour.capacity);
  auto received = begin_receives(rx, capacity + 3);
  auto sent = begin_send_all(tx, messages(1, capacity + 2));
  sent.cancel();
  run_ready(context);
  // Those that had a place were sent.
  for (int i = 0; i != capacity + 3; ++i)
    BOOST_TEST(word_of(received[static_cast<std::size_t>(i)]) ==
               (i < capacity ? std::to_string(i + 1) : "waits"));
  BOOST_TEST(word_of(sent) == std::to_string(capacity) + " aborted");
  auto next = begin_send_all(tx, messages(11, 3));
  run_ready(context);
  BOOST_TEST(received[static_cast<std::size_t>(capacity)].id() == 11);
  BOOST_TEST(received[static_cast<std::size_t>(capacity) + 2].id() == 13);
  BOOST_TEST(word_of(next) == "3 sent");
}

FLAVOUR_TEST_CASE(C2_receives_that_were_promised_values_of_it_see_the_end_when_it_is_closed,
                  limited_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto received = begin_receives(rx, 5);
  auto sent = begin_send_all(tx, messages(1, 5));
  tx.close();
  run_ready(context);
  const std::size_t accepted = flavour.capacity;
  BOOST_TEST(sent.error() == sluice::error::closed);
  BOOST_TEST(sent.accepted() == accepted);
  for (std::size_t i = 0; i != 5; ++i)
    BOOST_TEST(word_of(received[i]) == (i < accepted ? std::to_string(i + 1) : "end"));
}

FLAVOUR_TEST_CASE(D7_a_waiting_receive_of_a_rendezvous_lends_no_place_to_it, rendezvous_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto received = begin_receive(rx);
  auto values = messages(1, 1);
  auto sent = begin_send_all(tx, std::ref(values));
  // It is done when it is taken, and not before.
  BOOST_TEST(ids_of(values) == "1");
  BOOST_TEST(tx.size() == 0u);
  sent.cancel();
  run_ready(context);
  BOOST_TEST(word_of(sent) == "0 aborted");
  BOOST_TEST(word_of(received) == "waits");
}

// No memory ---------------------------------------------------------------------------------------

namespace {

/// Counts the accepted values of sends that begin when there is memory for `allocations` more
/// blocks.
template <class Flavour>
void check_without_memory(Flavour flavour, long allocations) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto values = messages(1, 200);
  send_all_probe sent;
  auto handler = sent.get_handler();
  bool begun = true;
  heap::countdown = allocations;
  try {
    tx.async_send_all(std::ref(values), std::move(handler));
  } catch (const std::bad_alloc&) {
    begun = false;
  }
  const bool ran_out = heap::countdown < 0;
  heap::countdown = -1;
  run_ready(context);
  if (!begun) {
    BOOST_TEST(ids_of(values) == ids(1, 200));
    BOOST_TEST(tx.size() == 0u);
    return;
  }
  BOOST_TEST(sent.done());
  const std::size_t accepted = sent.accepted();
  BOOST_TEST(sent.error() == (ran_out ? error_code(asio::error::no_memory) : error_code()));
  BOOST_TEST((accepted == 200) == !ran_out);
  BOOST_TEST(ids_of(values) == rest(1, 200, accepted));
  BOOST_TEST(drain(rx) == (accepted == 0 ? "" : ids(1, static_cast<int>(accepted))));
  // It was only then.
  BOOST_TEST(!tx.try_send(message(7)));
}

}  // namespace

FLAVOUR_TEST_CASE(D4_it_says_how_many_were_sent_when_memory_runs_out,
                  (any_threading{1, {unbounded}})) {
  for (long allocations = 0; allocations != 20; ++allocations)
    check_without_memory(flavour, allocations);
}

FLAVOUR_TEST_CASE(P2_a_permit_that_finds_no_memory_keeps_its_place_and_the_value,
                  (any_threading{1, {unbounded}})) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto permit = reserve_now(tx, 300);
  int failures = 0;
  for (int i = 0; i != 200; ++i) {
    message value(i);
    heap::countdown = 0;
    const error_code ec = permit.send(std::move(value));
    heap::countdown = -1;
    if (!ec) continue;
    ++failures;
    BOOST_TEST(ec == asio::error::no_memory);
    BOOST_TEST(value.id() == i);
    BOOST_TEST(permit.size() == 300u - static_cast<std::size_t>(i));
    BOOST_TEST(!permit.send(std::move(value)));
  }
  BOOST_TEST(failures > 0);
  BOOST_TEST(permit.size() == 100u);
  BOOST_TEST(drain(rx) == ids(0, 199));
}
