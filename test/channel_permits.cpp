// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE channel_permits

// Reserved places (P1), the one line in which reservations and sends wait (D2), and what keeps a
// channel open, or lets it end (C1, C5, K4). How a stream ends that has permits left is in
// channel_permits_closing.cpp.

#include "support/flavours.hpp"
#include "support/message.hpp"
#include "support/permits.hpp"
#include "support/probe.hpp"
#include "support/user_executors.hpp"

#include <boost/test/unit_test.hpp>

#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

using namespace support;

namespace {

constexpr any_threading many_places{1, {bounded_many}};

static_assert(!std::is_copy_constructible_v<sluice::permit<int>>);
static_assert(!std::is_copy_assignable_v<sluice::permit<int>>);
static_assert(std::is_nothrow_move_constructible_v<sluice::permit<int>>);
static_assert(std::is_nothrow_move_assignable_v<sluice::permit<int>>);
static_assert(std::is_nothrow_swappable_v<sluice::permit<int>>);

/// Reserves every place of a channel that has a number of them.
template <class Sender>
permit_of<Sender> reserve_all(Sender& tx) {
  return reserve_now(tx, tx.capacity() - tx.size());
}

}  // namespace

// P1: a permit holds a place ----------------------------------------------------------------------

FLAVOUR_TEST_CASE(P1_a_permit_holds_its_place_until_it_is_used_or_dropped, bounded_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  for (std::size_t i = 1; i != flavour.capacity; ++i)
    BOOST_TEST_REQUIRE(!tx.try_send(message(static_cast<int>(i))));
  {
    auto permit = reserve_now(tx);
    BOOST_TEST(tx.full());
    BOOST_TEST(tx.size() == flavour.capacity - 1);
    BOOST_TEST(tx.try_send(message(7)) == sluice::error::full);
    BOOST_TEST((refusal(tx) == sluice::error::full));
  }
  BOOST_TEST(!tx.full());
  auto permit = reserve_now(tx);
  BOOST_TEST(!permit.send(message(9)));
  BOOST_TEST(tx.full());
  BOOST_TEST(tx.size() == flavour.capacity);
  BOOST_TEST(drain(rx) == (flavour.capacity == 1 ? "9" : "1 2 9"));
  // What was used is not given back once more.
  permit = {};
  reserve_all(tx);
}

FLAVOUR_TEST_CASE(P1_reserved_places_are_no_values, buffered_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto permit = reserve_now(tx);
  BOOST_TEST(rx.size() == 0u);
  BOOST_TEST(rx.empty());
  BOOST_TEST(rx.capacity() == flavour.capacity);
  BOOST_TEST(take(rx).error == sluice::error::empty);
  BOOST_TEST(!permit.send(message(1)));
  BOOST_TEST(rx.size() == 1u);
}

FLAVOUR_TEST_CASE(P1_several_places_are_used_and_given_back_one_by_one, many_places) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto permit = reserve_now(tx, 3);
  BOOST_TEST(permit.size() == 3u);
  BOOST_TEST(!permit.send(message(1)));
  BOOST_TEST(permit.size() == 2u);
  BOOST_TEST(tx.full());
  BOOST_TEST(take(rx).id == 1);
  BOOST_TEST(!tx.full());
  BOOST_TEST(!permit.send(message(2)));
  BOOST_TEST(static_cast<bool>(permit));
  BOOST_TEST((refusal(tx, 2) == sluice::error::full));
  permit = {};
  reserve_now(tx, 2);
  BOOST_TEST((refusal(tx, 3) == sluice::error::full));
  BOOST_TEST(drain(rx) == "2");
  reserve_now(tx, 3);
}

FLAVOUR_TEST_CASE(P1_a_permit_without_places_says_full_and_leaves_the_value, buffered_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  message value(7);
  permit_of<decltype(tx)> empty;
  BOOST_TEST(!empty);
  BOOST_TEST(empty.size() == 0u);
  BOOST_TEST(empty.send(std::move(value)) == sluice::error::full);

  auto used = reserve_now(tx);
  BOOST_TEST(!used.send(message(1)));
  BOOST_TEST(!used);
  BOOST_TEST(used.send(std::move(value)) == sluice::error::full);
  BOOST_TEST(value.id() == 7);
  BOOST_TEST(drain(rx) == "1");
}

FLAVOUR_TEST_CASE(P1_a_place_moves_with_its_permit, bounded_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto [other_tx, other_rx] = flavour.open(context);
  auto permit = reserve_all(tx);
  auto moved = std::move(permit);
  BOOST_TEST(!permit);
  BOOST_TEST(moved.size() == flavour.capacity);
  permit = {};
  BOOST_TEST(tx.full());

  // What is assigned to gives back what it had.
  auto other = reserve_all(other_tx);
  BOOST_TEST(other_tx.full());
  other = std::move(moved);
  BOOST_TEST(!other_tx.full());
  BOOST_TEST(tx.full());
  BOOST_TEST(!moved);

  auto& same = other;
  other = std::move(same);
  BOOST_TEST(other.size() == flavour.capacity);

  swap(other, permit);
  BOOST_TEST(!other);
  other = {};
  BOOST_TEST(tx.full());
  BOOST_TEST(!permit.send(message(1)));
  BOOST_TEST(drain(other_rx) == "");
  BOOST_TEST(drain(rx) == "1");
  permit = {};
  reserve_all(tx);
}

BOOST_AUTO_TEST_CASE(P1_a_permit_sends_a_copy_if_it_is_given_no_value_of_its_own) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<std::string>(context, 1);
  error_code ec;
  auto permit = tx.try_reserve(ec);
  BOOST_TEST_REQUIRE(permit.has_value());
  const std::string text = "a text that is longer than what fits into the string itself";
  BOOST_TEST(!permit->send(text));
  BOOST_TEST(rx.try_receive().value() == text);
}

FLAVOUR_TEST_CASE(P1_a_rendezvous_has_no_places, rendezvous_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  // Not even if it could lend one.
  auto received = begin_receive(rx);
  for (std::size_t places : {0u, 1u, 2u}) {
    BOOST_TEST((refusal(tx, places) == asio::error::operation_not_supported));
    auto reserved = begin_reserve(tx, places);
    BOOST_TEST(!reserved.done());
    run_ready(context);
    BOOST_TEST(reserved.error() == asio::error::operation_not_supported);
    BOOST_TEST(!reserved.permit());
  }
  BOOST_TEST(!received.done());
}

FLAVOUR_TEST_CASE(P2_more_than_there_can_ever_be_is_refused_at_once, bounded_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  // Also where it would have to wait for others.
  auto permit = reserve_all(tx);
  auto sent = begin_send(tx, 1);
  for (std::size_t places :
       {std::size_t{0}, flavour.capacity + 1, std::numeric_limits<std::size_t>::max()}) {
    BOOST_TEST((refusal(tx, places) == asio::error::invalid_argument));
    auto reserved = begin_reserve(tx, places);
    run_ready(context);
    BOOST_TEST(reserved.error() == asio::error::invalid_argument);
    BOOST_TEST(!reserved.permit());
  }
  permit = {};
  run_ready(context);
  BOOST_TEST(sent.succeeded());
}

BOOST_AUTO_TEST_CASE(P1_an_unbounded_channel_has_as_many_places_as_can_be_counted) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_unbounded_channel<message>(context);
  constexpr std::size_t all = std::numeric_limits<std::size_t>::max();
  auto permit = reserve_now(tx, all);
  BOOST_TEST(tx.full());
  BOOST_TEST(tx.try_send(message(1)) == sluice::error::full);
  auto sent = begin_send(tx, 2);
  auto reserved = begin_reserve(tx, all);
  BOOST_TEST(!permit.send(message(3)));
  permit = {};
  run_ready(context);
  BOOST_TEST(sent.succeeded());
  BOOST_TEST(!reserved.done());
  BOOST_TEST(drain(rx) == "3 2");
  run_ready(context);
  BOOST_TEST(reserved.places() == all);
}

FLAVOUR_TEST_CASE(P1_force_send_does_not_take_a_reserved_place, bounded_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto permit = reserve_all(tx);
  message value(7);
  error_code ec;
  BOOST_TEST(!tx.force_send(std::move(value), ec));
  BOOST_TEST(ec == sluice::error::full);
  BOOST_TEST(value.id() == 7);

  // It displaces a value, not a reservation.
  BOOST_TEST(!permit.send(message(1)));
  auto displaced = tx.force_send(std::move(value), ec);
  BOOST_TEST(!ec);
  BOOST_TEST_REQUIRE(displaced.has_value());
  BOOST_TEST(displaced->id() == 1);
  for (int i = 2; permit; ++i) BOOST_TEST(!permit.send(message(i)));
  BOOST_TEST(drain(rx) == (flavour.capacity == 1 ? "7" : "7 2 3"));
}

// P1, D2: one line for sends and reservations -----------------------------------------------------

FLAVOUR_TEST_CASE(P1_a_dropped_permit_admits_the_next_pending_send, bounded_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto permit = reserve_all(tx);
  auto sent = begin_sends(tx, 1, static_cast<int>(flavour.capacity) + 1);
  auto received = begin_receive(rx);
  run_ready(context);
  // A receive takes from the first of them.
  BOOST_TEST(received.id() == 1);
  BOOST_TEST(sent[0].succeeded());
  BOOST_TEST(!sent[1].done());
  permit = {};
  run_ready(context);
  BOOST_TEST(sent.back().succeeded());
  BOOST_TEST(drain(rx) == (flavour.capacity == 1 ? "2" : "2 3 4"));
}

FLAVOUR_TEST_CASE(P1_a_dropped_permit_is_granted_to_the_next_reservation, bounded_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto permit = reserve_all(tx);
  auto first = begin_reserve(tx);
  auto second = begin_reserve(tx, flavour.capacity);
  run_ready(context);
  BOOST_TEST(!first.done());
  permit = {};
  // It is granted now, and is delivered later.
  BOOST_TEST((refusal(tx) == sluice::error::full));
  run_ready(context);
  BOOST_TEST(word_of(first) == "1");
  BOOST_TEST(!second.done());
  BOOST_TEST(!first.permit().send(message(1)));
  BOOST_TEST(take(rx).id == 1);
  run_ready(context);
  BOOST_TEST(second.places() == flavour.capacity);
}

FLAVOUR_TEST_CASE(P1_a_receive_makes_place_for_a_reservation, bounded_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  begin_sends(tx, 1, static_cast<int>(flavour.capacity));
  auto reserved = begin_reserve(tx);
  auto received = begin_receive(rx);
  BOOST_TEST(tx.full());
  run_ready(context);
  BOOST_TEST(received.id() == 1);
  BOOST_TEST(word_of(reserved) == "1");
  BOOST_TEST(tx.full());
}

FLAVOUR_TEST_CASE(D2_sends_and_reservations_are_served_in_their_order, bounded_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  begin_sends(tx, 100, static_cast<int>(flavour.capacity));
  auto first = begin_send(tx, 1);
  auto second = begin_reserve(tx);
  auto third = begin_send(tx, 3);
  auto fourth = begin_reserve(tx);
  auto fifth = begin_reserve(tx);
  auto words = [&] {
    run_ready(context);
    return word_of(first) + ' ' + word_of(second) + ' ' + word_of(third) + ' ' + word_of(fourth) +
           ' ' + word_of(fifth);
  };
  BOOST_TEST(words() == "waits waits waits waits waits");
  // Each value that is received makes one place, and so does each permit that is dropped.
  take(rx);
  BOOST_TEST(words() == "sent waits waits waits waits");
  take(rx);
  BOOST_TEST(words() == "sent 1 waits waits waits");
  second.permit() = {};
  BOOST_TEST(words() == "sent 0 sent waits waits");
  take(rx);
  BOOST_TEST(words() == "sent 0 sent 1 waits");
  fourth.permit() = {};
  BOOST_TEST(words() == "sent 0 sent 0 1");
  BOOST_TEST(drain(rx) == (flavour.capacity == 1 ? "" : "1 3"));
}

FLAVOUR_TEST_CASE(D2_a_reservation_of_many_places_keeps_its_turn, many_places) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  begin_sends(tx, 1, 3);
  auto reserved = begin_reserve(tx, 2);
  auto sent = begin_sends(tx, 4, 2);
  BOOST_TEST(take(rx).id == 1);
  run_ready(context);
  // There is one free place. It is not enough for the first in line, and not for anybody else.
  BOOST_TEST(tx.size() == 2u);
  BOOST_TEST(word_of(reserved) == "waits");
  BOOST_TEST(words_of(sent) == "waits waits");
  BOOST_TEST(tx.full());
  BOOST_TEST(tx.try_send(message(9)) == sluice::error::full);
  BOOST_TEST((refusal(tx) == sluice::error::full));
  BOOST_TEST(take(rx).id == 2);
  run_ready(context);
  BOOST_TEST(word_of(reserved) == "2");
  BOOST_TEST(words_of(sent) == "waits waits");
  BOOST_TEST(take(rx).id == 3);
  run_ready(context);
  BOOST_TEST(words_of(sent) == "sent waits");
  BOOST_TEST(!reserved.permit().send(message(8)));
  reserved.permit() = {};
  run_ready(context);
  BOOST_TEST(words_of(sent) == "sent sent");
  BOOST_TEST(drain(rx) == "4 8 5");
}

FLAVOUR_TEST_CASE(D2_a_receive_takes_from_a_send_behind_a_reservation_that_waits, many_places) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto permit = reserve_now(tx, 2);
  auto reserved = begin_reserve(tx, 2);
  auto sent = begin_send(tx, 1);
  // One that waits is woken for it, too.
  auto received = begin_receive(rx);
  run_ready(context);
  BOOST_TEST(received.id() == 1);
  BOOST_TEST(sent.succeeded());
  BOOST_TEST(!reserved.done());
  auto waiting = begin_receive(rx);
  auto later = begin_send(tx, 2);
  run_ready(context);
  BOOST_TEST(waiting.id() == 2);
  BOOST_TEST(later.succeeded());
  BOOST_TEST(!reserved.done());
}

FLAVOUR_TEST_CASE(D2_force_send_takes_a_free_place_whoever_waits_for_more, many_places) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto permit = reserve_now(tx, 2);
  auto reserved = begin_reserve(tx, 2);
  auto sent = begin_send(tx, 1);
  error_code ec;
  BOOST_TEST(!tx.force_send(message(2), ec));
  BOOST_TEST(!ec);
  permit = {};
  run_ready(context);
  BOOST_TEST(word_of(reserved) == "2");
  BOOST_TEST(word_of(sent) == "waits");
  BOOST_TEST(take(rx).id == 2);
  run_ready(context);
  BOOST_TEST(word_of(sent) == "sent");
}

FLAVOUR_TEST_CASE(D2_a_permit_sends_ahead_of_pending_sends, bounded_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto permit = reserve_all(tx);
  auto sent = begin_send(tx, 1);
  BOOST_TEST(!permit.send(message(2)));
  permit = {};
  BOOST_TEST(drain(rx) == "2 1");
}

FLAVOUR_TEST_CASE(D3_a_value_sent_by_a_permit_wakes_a_receive, buffered_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto permit = reserve_now(tx);
  auto received = begin_receives(rx, 2);
  BOOST_TEST(!permit.send(message(1)));
  BOOST_TEST(take(rx).error == sluice::error::empty);
  run_ready(context);
  BOOST_TEST(words_of(received) == "1 waits");
}

// Whoever is first in line may go, by whatever way; then the next ones have their turn.

namespace {

/// Behind two reserved places of three, and a reservation of two, sends wait. `leave` takes the
/// reservation away; then one of them has a place.
template <class Flavour, class Leave>
void check_that_the_next_have_their_turn(Flavour flavour, Leave leave,
                                         const char* word_of_the_first) {
  asio::io_context context;
  auto first_context = std::make_unique<asio::io_context>();
  auto [tx, rx] = flavour.open(context);
  auto first_tx = tx.with_executor(first_context->get_executor());
  auto permit = reserve_now(tx, 2);
  auto first = begin_reserve(first_tx, 2);
  auto second = begin_reserve(tx, 1);
  auto sent = begin_send(tx, 1);
  run_ready(context);
  BOOST_TEST(word_of(second) == "waits");
  leave(first, first_tx, first_context);
  run_ready(context);
  if (first_context) run_ready(*first_context);
  BOOST_TEST(word_of(first) == word_of_the_first);
  BOOST_TEST(word_of(second) == "1");
  BOOST_TEST(word_of(sent) == "waits");
  second.permit() = {};
  run_ready(context);
  BOOST_TEST(word_of(sent) == "sent");
}

}  // namespace

FLAVOUR_TEST_CASE(D6_a_reservation_that_is_cancelled_lets_the_next_ones_pass, many_places) {
  for (auto type : {asio::cancellation_type::terminal, asio::cancellation_type::partial,
                    asio::cancellation_type::total})
    check_that_the_next_have_their_turn(
        flavour, [type](auto& first, auto&, auto&) { first.cancel(type); }, "aborted");
}

FLAVOUR_TEST_CASE(D6_a_reservation_that_its_handle_cancels_lets_the_next_ones_pass, many_places) {
  check_that_the_next_have_their_turn(
      flavour, [](auto&, auto& tx, auto&) { tx.cancel(); }, "aborted");
}

FLAVOUR_TEST_CASE(D6_a_reservation_whose_context_goes_lets_the_next_ones_pass, many_places) {
  check_that_the_next_have_their_turn(
      flavour, [](auto&, auto&, auto& context) { context.reset(); }, "dropped");
}

FLAVOUR_TEST_CASE(D6_a_send_that_is_cancelled_lets_a_reservation_pass, bounded_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  begin_sends(tx, 1, static_cast<int>(flavour.capacity));
  auto sent = begin_send(tx, 9);
  auto reserved = begin_reserve(tx);
  sent.cancel();
  BOOST_TEST(take(rx).id == 1);
  run_ready(context);
  BOOST_TEST(word_of(sent) == "aborted");
  BOOST_TEST(word_of(reserved) == "1");
}

FLAVOUR_TEST_CASE(K4_with_the_last_sender_reservations_go_and_sends_have_their_turn, many_places) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto other_tx = tx;
  auto permit = reserve_now(tx, 2);
  auto first = begin_reserve(tx, 2);
  auto sent = begin_sends(tx, 1, 2);
  auto second = begin_reserve(tx);
  tx = {};
  run_ready(context);
  BOOST_TEST(word_of(first) == "waits");
  other_tx = {};
  run_ready(context);
  BOOST_TEST(word_of(first) == "aborted");
  BOOST_TEST(word_of(second) == "aborted");
  BOOST_TEST(!first.permit());
  BOOST_TEST(words_of(sent) == "sent waits");
  BOOST_TEST(!rx.is_closed());
  permit = {};
  run_ready(context);
  BOOST_TEST(words_of(sent) == "sent sent");
  BOOST_TEST(rx.is_closed());
  BOOST_TEST(drain(rx) == "1 2");
}

// What was granted and does not arrive ------------------------------------------------------------

FLAVOUR_TEST_CASE(D4_a_reservation_that_was_granted_cannot_be_cancelled_any_more,
                  buffered_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto reserved = begin_reserve(tx);
  reserved.cancel();
  tx.cancel();
  tx = {};
  run_ready(context);
  BOOST_TEST(word_of(reserved) == "1");
  BOOST_TEST(!reserved.permit().send(message(1)));
  BOOST_TEST(drain(rx) == "1");
}

FLAVOUR_TEST_CASE(D4_one_that_waited_and_was_granted_cannot_either, bounded_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto permit = reserve_all(tx);
  auto reserved = begin_reserve(tx);
  permit = {};
  reserved.cancel();
  tx.cancel();
  run_ready(context);
  BOOST_TEST(word_of(reserved) == "1");
}

FLAVOUR_TEST_CASE(D6_a_place_that_was_granted_in_a_context_that_goes_is_passed_on,
                  bounded_flavours) {
  for (bool waits : {false, true}) {
    asio::io_context context;
    auto doomed = std::make_unique<asio::io_context>();
    auto [tx, rx] = flavour.open(context);
    auto doomed_tx = tx.with_executor(doomed->get_executor());
    permit_of<decltype(tx)> permit;
    if (waits) permit = reserve_all(tx);
    auto lost = begin_reserve(doomed_tx, flavour.capacity);
    auto next = begin_reserve(tx);
    auto sent = begin_send(tx, 1);
    permit = {};
    run_ready(context);
    BOOST_TEST(word_of(next) == "waits");
    doomed.reset();
    run_ready(context);
    BOOST_TEST(word_of(lost) == "dropped");
    BOOST_TEST(word_of(next) == "1");
    next.permit() = {};
    run_ready(context);
    BOOST_TEST(word_of(sent) == "sent");
    BOOST_TEST(drain(rx) == "1");
    reserve_all(tx);
  }
}

FLAVOUR_TEST_CASE(D6_a_place_that_is_granted_to_an_executor_that_refuses_is_passed_on,
                  bounded_flavours) {
  asio::io_context context;
  task_context own_context;
  bool refuses = false;
  const refusing_executor ex{&own_context, &refuses};
  auto [tx, rx] = flavour.open(context);
  auto permit = reserve_all(tx);
  std::vector<reserve_probe<permit_of<decltype(tx)>>> lost;
  for (int i = 0; i != 3; ++i) lost.push_back(begin_reserve_on(tx, ex, flavour.capacity));
  auto next = begin_reserve(tx);
  refuses = true;
  permit = {};
  run_ready(context);
  BOOST_TEST(words_of(lost) == "dropped dropped dropped");
  BOOST_TEST(word_of(next) == "1");
  next.permit() = {};
  reserve_all(tx);
}

FLAVOUR_TEST_CASE(D6_one_that_is_ready_and_refused_at_once_gives_its_place_back,
                  buffered_flavours) {
  asio::io_context context;
  task_context own_context;
  const bool refuses = true;
  auto [tx, rx] = flavour.open(context);
  BOOST_CHECK_THROW(begin_reserve_on(tx, refusing_executor{&own_context, &refuses}, 1),
                    std::runtime_error);
  reserve_all(tx);
}

FLAVOUR_TEST_CASE(D6_a_permit_that_nobody_takes_gives_its_place_back, bounded_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  using permit = permit_of<decltype(tx)>;
  std::size_t places = 0;
  tx.async_reserve_many(flavour.capacity,
                        [&places](error_code, permit given) { places += given.size(); });
  run_ready(context);
  tx.async_reserve_many(flavour.capacity, [&places](error_code, permit given) {
    places += given.size();
    throw std::runtime_error("thrown by a handler");
  });
  BOOST_CHECK_THROW(run_ready(context), std::runtime_error);
  BOOST_TEST(places == 2 * flavour.capacity);
  reserve_all(tx);
}

FLAVOUR_TEST_CASE(D6_many_refusals_take_no_stack, many_places) {
  asio::io_context context;
  task_context own_context;
  bool refuses = false;
  auto [tx, rx] = flavour.open(context);
  auto permit = reserve_all(tx);
  constexpr int count = 100'000;
  for (int i = 0; i != count; ++i)
    tx.async_reserve(asio::bind_executor(refusing_executor{&own_context, &refuses},
                                         [](error_code, permit_of<decltype(tx)>) {}));
  auto next = begin_reserve(tx);
  refuses = true;
  permit = {};
  run_ready(context);
  BOOST_TEST(word_of(next) == "1");
}

FLAVOUR_TEST_CASE(K5_a_context_may_go_while_a_reservation_waits, bounded_flavours) {
  asio::io_context context;
  auto doomed = std::make_unique<asio::io_context>();
  auto [tx, rx] = flavour.open(context);
  auto doomed_tx = tx.with_executor(doomed->get_executor());
  auto permit = reserve_all(tx);
  auto lost = begin_reserve(doomed_tx);
  auto next = begin_reserve(tx);
  doomed.reset();
  BOOST_TEST(word_of(lost) == "dropped");
  permit = {};
  run_ready(context);
  BOOST_TEST(word_of(next) == "1");
}

// Handlers that run inside ------------------------------------------------------------------------

FLAVOUR_TEST_CASE(K1_a_permit_may_go_in_a_handler_that_its_own_send_calls, buffered_flavours) {
  auto [tx, rx] = flavour.template open<message, inline_executor>(inline_executor());
  using permit = permit_of<decltype(tx)>;
  auto held = std::make_unique<permit>(reserve_now(tx));
  int id = message::none;
  rx.async_receive([&](error_code, std::optional<message> received) {
    id = received->id();
    held.reset();
  });
  BOOST_TEST(!held->send(message(1)));
  BOOST_TEST(id == 1);
  BOOST_TEST(!held);
  // The place was used, and not given back as well.
  auto all = reserve_all(tx);
  BOOST_TEST((refusal(tx) == sluice::error::full));
}

FLAVOUR_TEST_CASE(K1_a_permit_may_be_used_up_by_a_handler_that_its_own_send_calls, many_places) {
  auto [tx, rx] = flavour.template open<message, inline_executor>(inline_executor());
  auto permit = reserve_now(tx, 2);
  std::size_t left = 99;
  rx.async_receive([&left, p = &permit](error_code, std::optional<message>) {
    left = p->size();
    BOOST_TEST(!p->send(message(2)));
    BOOST_TEST(p->send(message(3)) == sluice::error::full);
  });
  BOOST_TEST(!permit.send(message(1)));
  BOOST_TEST(left == 1u);
  BOOST_TEST(permit.size() == 0u);
  BOOST_TEST(drain(rx) == "2");
  reserve_all(tx);
}

FLAVOUR_TEST_CASE(K6_a_permit_that_is_dropped_by_a_handler_of_the_same_channel, bounded_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto permit = reserve_all(tx);
  tx.async_reserve([p = &permit](error_code, permit_of<decltype(tx)> given) {
    given = {};
    *p = {};
  });
  auto sent = begin_send(tx, 1);
  permit = {};
  run_ready(context);
  BOOST_TEST(sent.succeeded());
}

// C1, C5: what keeps a channel open ---------------------------------------------------------------

FLAVOUR_TEST_CASE(C5_permits_and_reservations_keep_nothing_open, buffered_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  sluice::weak_sender weak = tx;
  auto permit = reserve_all(tx);
  auto pending = begin_reserve(tx);
  tx = {};
  BOOST_TEST(rx.is_closed());
  BOOST_TEST(rx.sender_count() == 0u);
  BOOST_TEST(!weak.lock());
  run_ready(context);
  BOOST_TEST(pending.aborted());
}

FLAVOUR_TEST_CASE(C5_waiting_for_the_end_does_not_wait_for_permits, buffered_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto permit = reserve_now(tx);
  auto closed = begin_wait_closed(tx);
  rx.close();
  run_ready(context);
  BOOST_TEST(closed.succeeded());
}

FLAVOUR_TEST_CASE(C2_reservations_fail_once_the_channel_is_closed, bounded_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto permit = reserve_all(tx);
  auto pending = begin_reserve(tx);
  auto sent = begin_send(tx, 1);
  rx.close(asio::error::connection_reset);
  auto late = begin_reserve(tx);
  run_ready(context);
  for (auto* reserved : {&pending, &late}) {
    BOOST_TEST(reserved->error() == sluice::error::closed);
    BOOST_TEST(!reserved->permit());
  }
  BOOST_TEST((refusal(tx) == sluice::error::closed));
  BOOST_TEST(word_of(sent) == "closed");
}

FLAVOUR_TEST_CASE(C2_nobody_is_let_in_by_a_permit_that_is_dropped_after_closing, bounded_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto permit = reserve_all(tx);
  tx.close();
  permit = {};
  BOOST_TEST((refusal(tx) == sluice::error::closed));
  BOOST_TEST(tx.try_send(message(1)) == sluice::error::closed);
  BOOST_TEST(!tx.full());
}

FLAVOUR_TEST_CASE(C2_a_permit_sends_after_closing, buffered_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto granted = begin_reserve(tx);
  tx.close();
  run_ready(context);
  BOOST_TEST(!granted.permit().send(message(1)));
  BOOST_TEST(drain(rx) == "1");
  BOOST_TEST(take(rx).error == sluice::error::closed);
}

FLAVOUR_TEST_CASE(P2_a_permit_fails_only_when_no_receiver_is_left, buffered_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  ledger counted;
  auto permit = reserve_now(tx);
  rx = {};
  message value(7, counted);
  BOOST_TEST(permit.send(std::move(value)) == sluice::error::closed);
  BOOST_TEST(value.id() == 7);
  // The place stays reserved, for what that is worth.
  BOOST_TEST(permit.size() == 1u);
  BOOST_TEST(permit.send(std::move(value)) == sluice::error::closed);
  permit = {};
  BOOST_TEST(counted.alive() == 1);
}

FLAVOUR_TEST_CASE(C3_what_a_permit_has_sent_goes_with_the_last_receiver, buffered_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  ledger counted;
  auto permit = reserve_now(tx);
  auto received = begin_receive(rx);
  BOOST_TEST(!permit.send(message(1, counted)));
  rx = {};
  BOOST_TEST(counted.alive() == 0);
  run_ready(context);
  BOOST_TEST(received.aborted());
  BOOST_TEST((refusal(tx) == sluice::error::closed));
}

FLAVOUR_TEST_CASE(K4_an_empty_handle_reserves_nothing, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto other_tx = std::move(tx);
  BOOST_TEST((refusal(tx) == sluice::error::closed));
  BOOST_TEST((refusal(tx, 0) == sluice::error::closed));
  auto reserved = begin_reserve(tx);
  run_ready(context);
  BOOST_TEST(reserved.error() == sluice::error::closed);
  BOOST_TEST(!reserved.permit());
}
