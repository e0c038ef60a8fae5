// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE oneshot

// One value, once: sending, receiving, the end, closing, cancelling.

#include "support/flavours.hpp"
#include "support/message.hpp"
#include "support/oneshots.hpp"
#include "support/probe.hpp"
#include "support/unit_test.hpp"

#include <sluice/oneshot.hpp>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

using namespace support;
using sluice::error;

// O1: the first send wins -------------------------------------------------------------------------

FLAVOUR_TEST_CASE(O1_a_value_that_was_sent_is_received, oneshots) {
  asio::io_context context;
  auto [tx, rx] = open_oneshot(flavour, context);
  BOOST_TEST(!tx.send(message(7)));
  auto received = begin_receive(rx);
  BOOST_TEST(!received.done());
  run_ready(context);
  BOOST_TEST(received.id() == 7);
}

FLAVOUR_TEST_CASE(O1_a_receive_that_waits_gets_the_value, oneshots) {
  asio::io_context context;
  auto [tx, rx] = open_oneshot(flavour, context);
  auto received = begin_receive(rx);
  run_ready(context);
  BOOST_TEST(!tx.send(message(7)));
  BOOST_TEST(!received.done());
  run_ready(context);
  BOOST_TEST(received.id() == 7);
}

FLAVOUR_TEST_CASE(O1_the_second_send_fails_and_leaves_its_value, oneshots) {
  asio::io_context context;
  auto [tx, rx] = open_oneshot(flavour, context);
  message second(2);
  BOOST_TEST(!tx.send(message(1)));
  BOOST_TEST(tx.send(std::move(second)) == error::closed);
  BOOST_TEST(second.id() == 2);
  BOOST_TEST(take(rx).id == 1);
  BOOST_TEST(tx.send(std::move(second)) == error::closed);
  BOOST_TEST(second.id() == 2);
  BOOST_TEST(take(rx).error == error::closed);
}

FLAVOUR_TEST_CASE(O1_a_copy_can_be_sent, oneshots) {
  asio::io_context context;
  auto [tx, rx] = open_oneshot<std::string>(flavour, context);
  const std::string answer = "a text that is too long for the string itself";
  BOOST_TEST(!tx.send(answer));
  BOOST_TEST(rx.try_receive().value() == answer);
}

FLAVOUR_TEST_CASE(O1_there_is_one_value_for_many_receives, oneshots) {
  asio::io_context context;
  auto [tx, rx] = open_oneshot(flavour, context);
  auto received = begin_receives(rx, 3);
  BOOST_TEST(!tx.send(message(7)));
  received.push_back(begin_receive(rx));
  run_ready(context);
  BOOST_TEST(words_of(received) == "7 end end end");
  BOOST_TEST(begin_receive(rx).done() == false);
}

FLAVOUR_TEST_CASE(O1_what_was_received_is_not_there_again, oneshots) {
  asio::io_context context;
  auto [tx, rx] = open_oneshot(flavour, context);
  BOOST_TEST(take(rx).error == error::empty);
  BOOST_TEST(!tx.send(message(7)));
  BOOST_TEST(take(rx).id == 7);
  BOOST_TEST(take(rx).error == error::closed);
  auto received = begin_receive(rx);
  run_ready(context);
  BOOST_TEST(received.ended());
}

FLAVOUR_TEST_CASE(O1_the_value_outlives_its_sender, oneshots) {
  asio::io_context context;
  auto [tx, rx] = open_oneshot(flavour, context);
  BOOST_TEST(!tx.send(message(7)));
  tx = {};
  BOOST_TEST(take(rx).id == 7);
  BOOST_TEST(take(rx).error == error::closed);
}

// O2: one end goes --------------------------------------------------------------------------------

FLAVOUR_TEST_CASE(O2_a_sender_that_goes_without_sending_ends_it, oneshots) {
  asio::io_context context;
  auto [tx, rx] = open_oneshot(flavour, context);
  auto received = begin_receives(rx, 2);
  tx = {};
  run_ready(context);
  BOOST_TEST(words_of(received) == "end end");
  BOOST_TEST(take(rx).error == error::closed);
  auto later = begin_receive(rx);
  run_ready(context);
  BOOST_TEST(later.ended());
}

FLAVOUR_TEST_CASE(O2_sending_to_nobody_fails_and_leaves_the_value, oneshots) {
  asio::io_context context;
  auto [tx, rx] = open_oneshot(flavour, context);
  message value(7);
  auto closed = begin_wait_closed(tx);
  BOOST_TEST(!tx.is_closed());
  rx = {};
  BOOST_TEST(tx.is_closed());
  BOOST_TEST(tx.send(std::move(value)) == error::closed);
  BOOST_TEST(value.id() == 7);
  BOOST_TEST(!closed.done());
  run_ready(context);
  BOOST_TEST(closed.succeeded());
}

FLAVOUR_TEST_CASE(O2_after_closing_nothing_can_be_sent, oneshots) {
  asio::io_context context;
  auto [tx, rx] = open_oneshot(flavour, context);
  message value(7);
  auto received = begin_receives(rx, 2);
  auto closed = begin_wait_closed(tx);
  rx.close();
  rx.close();
  BOOST_TEST(tx.is_closed());
  BOOST_TEST(tx.send(std::move(value)) == error::closed);
  BOOST_TEST(value.id() == 7);
  run_ready(context);
  BOOST_TEST(words_of(received) == "end end");
  BOOST_TEST(closed.succeeded());
  BOOST_TEST(take(rx).error == error::closed);
}

FLAVOUR_TEST_CASE(O2_a_value_that_was_sent_before_closing_can_be_received, oneshots) {
  asio::io_context context;
  auto [tx, rx] = open_oneshot(flavour, context);
  BOOST_TEST(!tx.send(message(7)));
  rx.close();
  auto received = begin_receive(rx);
  run_ready(context);
  BOOST_TEST(received.id() == 7);
  rx.close();
  BOOST_TEST(take(rx).error == error::closed);
}

FLAVOUR_TEST_CASE(O2_a_send_does_not_tell_that_nobody_wants_the_value, oneshots) {
  asio::io_context context;
  auto [tx, rx] = open_oneshot(flavour, context);
  auto closed = begin_wait_closed(tx);
  BOOST_TEST(!tx.send(message(7)));
  run_ready(context);
  BOOST_TEST(!closed.done());
  BOOST_TEST(!tx.is_closed());
  BOOST_TEST(take(rx).id == 7);
  run_ready(context);
  BOOST_TEST(!closed.done());
  rx = {};
  run_ready(context);
  BOOST_TEST(closed.succeeded());
}

FLAVOUR_TEST_CASE(O2_closing_after_the_value_was_received_is_harmless, oneshots) {
  asio::io_context context;
  auto [tx, rx] = open_oneshot(flavour, context);
  BOOST_TEST(!tx.send(message(7)));
  BOOST_TEST(take(rx).id == 7);
  rx.close();
  BOOST_TEST(take(rx).error == error::closed);
  BOOST_TEST(tx.is_closed());
}

FLAVOUR_TEST_CASE(O2_waiting_for_the_end_is_aborted_when_the_sender_goes, oneshots) {
  asio::io_context context;
  auto [tx, rx] = open_oneshot(flavour, context);
  auto closed = begin_wait_closed(tx);
  tx = {};
  run_ready(context);
  BOOST_TEST(closed.aborted());
}

FLAVOUR_TEST_CASE(O2_who_waits_for_the_end_finds_it, oneshots) {
  asio::io_context context;
  auto [tx, rx] = open_oneshot(flavour, context);
  rx.close();
  auto closed = begin_wait_closed(tx);
  run_ready(context);
  BOOST_TEST(closed.succeeded());
}

// C3: what nobody will receive --------------------------------------------------------------------

FLAVOUR_TEST_CASE(C3_a_value_that_nobody_receives_goes_with_the_receiver, oneshots) {
  asio::io_context context;
  ledger values;
  auto [tx, rx] = open_oneshot(flavour, context);
  BOOST_TEST(!tx.send(message(7, values)));
  BOOST_TEST(values.alive() == 1);
  rx = {};
  BOOST_TEST(values.alive() == 0);
}

FLAVOUR_TEST_CASE(C3_a_reply_slot_inside_an_unwanted_value_fails_at_once, oneshots) {
  asio::io_context context;
  using reply = sluice::oneshot_sender<int, asio::any_io_executor, typename Flavour::threading>;
  auto [tx, rx] = open_oneshot<reply>(flavour, context);
  auto [inner_tx, inner_rx] = open_oneshot<int>(flavour, context);
  auto answer = begin_receive(inner_rx);
  BOOST_TEST(!tx.send(std::move(inner_tx)));
  rx = {};
  run_ready(context);
  BOOST_TEST(answer.ended());
}

FLAVOUR_TEST_CASE(C3_a_receive_is_aborted_when_the_receiver_goes, oneshots) {
  asio::io_context context;
  ledger values;
  auto [tx, rx] = open_oneshot(flavour, context);
  auto waits = begin_receive(rx);
  auto other = begin_receive(rx);
  BOOST_TEST(!tx.send(message(7, values)));
  // One of them is on its way to the value, which goes at once nevertheless.
  rx = {};
  BOOST_TEST(values.alive() == 0);
  run_ready(context);
  BOOST_TEST(waits.aborted());
  BOOST_TEST(other.aborted());
}

// D3: the value is taken when the receive completes -----------------------------------------------

FLAVOUR_TEST_CASE(D3_a_cancelled_receive_leaves_the_value, oneshots) {
  asio::io_context context;
  auto [tx, rx] = open_oneshot(flavour, context);
  auto cancelled = begin_receive(rx);
  BOOST_TEST(!tx.send(message(7)));
  cancelled.cancel();
  run_ready(context);
  BOOST_TEST(cancelled.aborted());
  auto received = begin_receive(rx);
  run_ready(context);
  BOOST_TEST(received.id() == 7);
}

FLAVOUR_TEST_CASE(D3_a_ready_receive_can_be_cancelled_as_well, oneshots) {
  asio::io_context context;
  auto [tx, rx] = open_oneshot(flavour, context);
  BOOST_TEST(!tx.send(message(7)));
  auto cancelled = begin_receive(rx);
  rx.cancel();
  run_ready(context);
  BOOST_TEST(cancelled.aborted());
  BOOST_TEST(take(rx).id == 7);
}

FLAVOUR_TEST_CASE(D5_nobody_overtakes_a_woken_receive, oneshots) {
  asio::io_context context;
  auto [tx, rx] = open_oneshot(flavour, context);
  auto received = begin_receive(rx);
  BOOST_TEST(!tx.send(message(7)));
  BOOST_TEST(take(rx).error == error::empty);
  rx.close();
  BOOST_TEST(take(rx).error == error::empty);
  run_ready(context);
  BOOST_TEST(received.id() == 7);
  BOOST_TEST(take(rx).error == error::closed);
}

FLAVOUR_TEST_CASE(D6_a_cancelled_receive_passes_the_value_on, oneshots) {
  asio::io_context context;
  auto [tx, rx] = open_oneshot(flavour, context);
  auto received = begin_receives(rx, 3);
  BOOST_TEST(!tx.send(message(7)));
  received[0].cancel();
  run_ready(context);
  BOOST_TEST(words_of(received) == "aborted 7 end");
}

FLAVOUR_TEST_CASE(D6_a_destroyed_receive_passes_the_value_on, oneshots) {
  asio::io_context context;
  auto [tx, rx] = open_oneshot(flavour, context);
  auto other_context = std::make_unique<asio::io_context>();
  receive_probe<message> first;
  rx.async_receive(asio::bind_executor(other_context->get_executor(), first.get_handler()));
  auto second = begin_receive(rx);
  BOOST_TEST(!tx.send(message(7)));
  run_ready(context);
  BOOST_TEST(!second.done());
  other_context.reset();
  run_ready(context);
  BOOST_TEST(first.dropped());
  BOOST_TEST(second.id() == 7);
}

// K4: cancelling ----------------------------------------------------------------------------------

FLAVOUR_TEST_CASE(K4_each_operation_can_be_cancelled_alone, oneshots) {
  for (auto type : {asio::cancellation_type::terminal, asio::cancellation_type::partial,
                    asio::cancellation_type::total}) {
    asio::io_context context;
    auto [tx, rx] = open_oneshot(flavour, context);
    auto received = begin_receives(rx, 2);
    auto closed = begin_wait_closed(tx);
    received[0].cancel(type);
    closed.cancel(type);
    run_ready(context);
    BOOST_TEST(words_of(received) == "aborted waits");
    BOOST_TEST(closed.aborted());
    BOOST_TEST(!tx.send(message(7)));
    run_ready(context);
    BOOST_TEST(received[1].id() == 7);
  }
}

FLAVOUR_TEST_CASE(K4_cancel_reaches_what_was_begun_through_the_handle, oneshots) {
  asio::io_context context;
  auto [tx, rx] = open_oneshot(flavour, context);
  auto closed = begin_wait_closed(tx);
  auto received = begin_receives(rx, 2);
  auto moved = std::move(rx);
  rx.cancel();
  tx.cancel();
  run_ready(context);
  BOOST_TEST(words_of(received) == "waits waits");
  BOOST_TEST(closed.aborted());
  moved.cancel();
  run_ready(context);
  BOOST_TEST(words_of(received) == "aborted aborted");
  BOOST_TEST(!tx.send(message(7)));
  BOOST_TEST(take(moved).id == 7);
}

// K5: contexts ------------------------------------------------------------------------------------

FLAVOUR_TEST_CASE(K5_what_waits_goes_with_its_context, oneshots) {
  auto context = std::make_unique<asio::io_context>();
  asio::io_context other_context;
  auto [tx, rx] = open_oneshot(flavour, *context);
  auto received = begin_receive(rx);
  auto closed = begin_wait_closed(tx);
  auto surviving_rx = std::move(rx).with_executor(other_context.get_executor());
  auto surviving_tx = std::move(tx).with_executor(other_context.get_executor());
  context.reset();
  BOOST_TEST(received.dropped());
  BOOST_TEST(closed.dropped());
  auto again = begin_receive(surviving_rx);
  auto closed_again = begin_wait_closed(surviving_tx);
  BOOST_TEST(!surviving_tx.send(message(7)));
  surviving_rx.close();
  run_ready(other_context);
  BOOST_TEST(again.id() == 7);
  BOOST_TEST(closed_again.succeeded());
}

FLAVOUR_TEST_CASE(K5_a_handler_that_owns_its_own_receiver_is_freed, oneshots) {
  auto witness = std::make_shared<int>(0);
  {
    asio::io_context context;
    auto [tx, opened] = open_oneshot(flavour, context);
    auto rx = std::make_shared<std::decay_t<decltype(opened)>>(std::move(opened));
    rx->async_receive([rx, witness](error_code, std::optional<message>) {});
    rx.reset();
    BOOST_TEST(witness.use_count() == 2);
  }
  BOOST_TEST(witness.use_count() == 1);
}

// Handles -----------------------------------------------------------------------------------------

FLAVOUR_TEST_CASE(K4_on_an_empty_handle_everything_says_closed, oneshots) {
  asio::io_context context;
  auto [tx, rx] = open_oneshot(flavour, context);
  auto moved_tx = std::move(tx);
  auto moved_rx = std::move(rx);
  BOOST_TEST(!tx);
  BOOST_TEST(!rx);
  BOOST_TEST(static_cast<bool>(moved_tx));
  message value(7);
  BOOST_TEST(tx.send(std::move(value)) == error::closed);
  BOOST_TEST(value.id() == 7);
  BOOST_TEST(tx.is_closed());
  BOOST_TEST(take(rx).error == error::closed);
  tx.cancel();
  rx.cancel();
  rx.close();
  auto received = begin_receive(rx);
  auto closed = begin_wait_closed(tx);
  run_ready(context);
  BOOST_TEST(received.error() == error::closed);
  BOOST_TEST(closed.error() == error::closed);
  BOOST_TEST(!moved_tx.send(message(8)));
  BOOST_TEST(take(moved_rx).id == 8);
}

FLAVOUR_TEST_CASE(K4_assigning_ends_what_the_handle_was, oneshots) {
  asio::io_context context;
  auto [tx, rx] = open_oneshot(flavour, context);
  auto [other_tx, other_rx] = open_oneshot(flavour, context);
  auto received = begin_receive(rx);
  auto other_received = begin_receive(other_rx);
  tx = std::move(other_tx);
  run_ready(context);
  BOOST_TEST(received.ended());
  BOOST_TEST(!other_received.done());
  BOOST_TEST(!tx.send(message(7)));
  run_ready(context);
  BOOST_TEST(other_received.id() == 7);
}

FLAVOUR_TEST_CASE(K4_handles_can_be_swapped, oneshots) {
  asio::io_context context;
  auto [tx, rx] = open_oneshot(flavour, context);
  auto [other_tx, other_rx] = open_oneshot(flavour, context);
  swap(tx, other_tx);
  rx.swap(other_rx);
  other_rx.swap(rx);
  BOOST_TEST(!tx.send(message(7)));
  BOOST_TEST(take(other_rx).id == 7);
  BOOST_TEST(take(rx).error == error::empty);
}

FLAVOUR_TEST_CASE(K2_a_handle_converts_to_one_with_another_executor, oneshots) {
  using io_executor = asio::io_context::executor_type;
  using strand = asio::strand<io_executor>;
  using threading = typename Flavour::threading;
  asio::io_context context;
  auto [tx, rx] = open_oneshot<message, io_executor>(flavour, context);
  static_assert(!std::is_copy_constructible_v<decltype(tx)>);
  static_assert(!std::is_copy_assignable_v<decltype(rx)>);
  static_assert(std::is_nothrow_move_constructible_v<decltype(rx)>);
  auto closed = begin_wait_closed(tx);
  sluice::oneshot_sender<message, asio::any_io_executor, threading> any_tx(std::move(tx));
  sluice::oneshot_receiver<message, asio::any_io_executor, threading> any_rx(std::move(rx));
  BOOST_TEST(!rx);
  BOOST_TEST((any_rx.get_executor() == asio::any_io_executor(context.get_executor())));
  auto strand_rx = std::move(any_rx).with_executor(strand(context.get_executor()));
  static_assert(
      std::is_same_v<decltype(strand_rx), sluice::oneshot_receiver<message, strand, threading>>);
  BOOST_TEST(!any_rx);
  // Its operations went along.
  any_tx.cancel();
  auto received = begin_receive(strand_rx);
  BOOST_TEST(!any_tx.send(message(7)));
  run_ready(context);
  BOOST_TEST(closed.aborted());
  BOOST_TEST(received.id() == 7);
}

BOOST_AUTO_TEST_CASE(a_oneshot_carries_types_that_can_do_nothing_but_move) {
  struct bare {
    explicit bare(int i) noexcept : id(i) {}
    bare(bare&& other) noexcept : id(other.id) {}
    bare& operator=(bare&&) = delete;
    int id;
  };
  struct alignas(64) wide {
    int id;
  };
  asio::io_context context;
  auto [tx, rx] = sluice::make_oneshot<bare>(context);
  BOOST_TEST(!tx.send(bare(7)));
  BOOST_TEST(rx.try_receive().value().id == 7);
  auto [wide_tx, wide_rx] = sluice::make_oneshot<wide>(context.get_executor());
  BOOST_TEST(!wide_tx.send(wide{8}));
  const auto received = wide_rx.try_receive();
  BOOST_TEST(received.value().id == 8);
  BOOST_TEST(reinterpret_cast<std::uintptr_t>(&*received) % 64 == 0u);
}
