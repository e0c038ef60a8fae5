// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE channel_handles

// Senders, receivers and weak senders as objects: copied, moved, swapped, converted, and empty.

#include "support/flavours.hpp"
#include "support/message.hpp"
#include "support/probe.hpp"

#include <boost/test/unit_test.hpp>

#include <functional>
#include <type_traits>
#include <utility>

using namespace support;

namespace {

using io_executor = asio::io_context::executor_type;

}  // namespace

// Copies, moves, swaps ----------------------------------------------------------------------------

FLAVOUR_TEST_CASE(copies_are_counted, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  {
    auto tx2 = tx;
    auto rx2 = rx;
    auto rx3 = rx2;
    BOOST_TEST(tx.sender_count() == 2u);
    BOOST_TEST(tx.receiver_count() == 3u);
    tx2 = tx;
    rx3 = rx;
    BOOST_TEST(rx.sender_count() == 2u);
    BOOST_TEST(rx.receiver_count() == 3u);
  }
  BOOST_TEST(tx.sender_count() == 1u);
  BOOST_TEST(tx.receiver_count() == 1u);
}

FLAVOUR_TEST_CASE(moving_a_handle_changes_no_count, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto tx2 = std::move(tx);
  auto rx2 = std::move(rx);
  BOOST_TEST(tx2.sender_count() == 1u);
  BOOST_TEST(rx2.receiver_count() == 1u);
  BOOST_TEST(!static_cast<bool>(tx));
  BOOST_TEST(!static_cast<bool>(rx));
  tx = std::move(tx2);
  rx = std::move(rx2);
  BOOST_TEST(tx.sender_count() == 1u);
  BOOST_TEST(rx.receiver_count() == 1u);
  BOOST_TEST(!tx.is_closed());
}

FLAVOUR_TEST_CASE(assigning_a_handle_to_itself_changes_nothing, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto waiting = begin_receive(rx);
  auto& same_tx = tx;
  auto& same_rx = rx;
  tx = same_tx;
  rx = same_rx;
  tx = std::move(same_tx);
  rx = std::move(same_rx);
  BOOST_TEST(tx.sender_count() == 1u);
  BOOST_TEST(rx.receiver_count() == 1u);
  begin_send(tx, 1);
  run_ready(context);
  BOOST_TEST(waiting.id() == 1);
}

FLAVOUR_TEST_CASE(assigning_over_the_last_handle_lets_its_channel_go, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto [other_tx, other_rx] = flavour.open(context);
  tx = other_tx;
  BOOST_TEST(rx.is_closed());
  BOOST_TEST(other_tx.sender_count() == 2u);
  rx = std::move(other_rx);
  BOOST_TEST(tx.same_channel(rx));
}

FLAVOUR_TEST_CASE(swapping_exchanges_channels_and_executors, flavours) {
  asio::io_context context;
  asio::io_context other_context;
  auto [tx, rx] = flavour.open(context);
  auto [other_tx, other_rx] = flavour.open(other_context);
  auto waiting = begin_receive(rx);

  swap(rx, other_rx);
  tx.swap(other_tx);
  BOOST_TEST((rx.get_executor() == other_context.get_executor()));
  BOOST_TEST((tx.get_executor() == other_context.get_executor()));
  BOOST_TEST(tx.same_channel(rx));
  BOOST_TEST(other_tx.same_channel(other_rx));
  BOOST_TEST(!tx.same_channel(other_rx));

  // What is pending keeps the executor it was begun with, and goes with its handle.
  rx.cancel();
  run_ready(context);
  BOOST_TEST(!waiting.done());
  other_rx.cancel();
  run_ready(context);
  BOOST_TEST(waiting.aborted());

  decltype(rx) empty;
  swap(empty, rx);
  BOOST_TEST(!static_cast<bool>(rx));
  BOOST_TEST(empty.same_channel(tx));
}

FLAVOUR_TEST_CASE(K4_operations_go_with_a_handle_that_is_moved, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto received = begin_receives(rx, 2);
  auto rx2 = std::move(rx);
  run_ready(context);
  BOOST_TEST(words_of(received) == "waits waits");
  begin_send(tx, 1);
  run_ready(context);
  BOOST_TEST(words_of(received) == "1 waits");
  rx2.cancel();
  run_ready(context);
  BOOST_TEST(words_of(received) == "1 aborted");
}

FLAVOUR_TEST_CASE(K4_cancelling_a_handle_cancels_only_what_was_begun_through_it, limited_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto tx2 = tx;
  auto rx2 = rx;
  auto received = begin_receive(rx);
  auto received2 = begin_receive(rx2);
  rx.cancel();
  run_ready(context);
  BOOST_TEST(received.aborted());
  BOOST_TEST(!received2.done());
  rx2.cancel();
  run_ready(context);

  while (!tx.full()) BOOST_TEST_REQUIRE(!tx.try_send(message(0)));
  auto sent = begin_send(tx, 1);
  auto sent2 = begin_send(tx2, 2);
  tx.cancel();
  run_ready(context);
  BOOST_TEST(sent.aborted());
  BOOST_TEST(!sent2.done());
}

FLAVOUR_TEST_CASE(K4_destroying_a_handle_cancels_nothing_while_another_one_exists,
                  limited_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto rx2 = rx;
  auto received = begin_receive(rx2);
  rx2 = {};
  auto tx2 = tx;
  auto closed = begin_wait_closed(tx2);
  tx2 = {};
  run_ready(context);
  BOOST_TEST(!received.done());
  BOOST_TEST(!closed.done());
  rx.close();
  run_ready(context);
  BOOST_TEST(received.ended());
  BOOST_TEST(closed.succeeded());
}

FLAVOUR_TEST_CASE(another_executor_makes_another_handle, flavours) {
  asio::io_context context;
  asio::io_context other_context;
  auto [tx, rx] = flavour.open(context);
  auto tx2 = tx.with_executor(other_context.get_executor());
  auto rx2 = rx.with_executor(other_context.get_executor());
  static_assert(std::is_same_v<typename decltype(tx2)::executor_type, io_executor>);
  BOOST_TEST(tx.sender_count() == 2u);
  BOOST_TEST(tx.receiver_count() == 2u);
  BOOST_TEST(tx2.same_channel(rx));
  BOOST_TEST((rx2.get_executor() == other_context.get_executor()));

  auto received = begin_receive(rx2);
  begin_send(tx, 1);
  run_ready(context);
  BOOST_TEST(!received.done());
  run_ready(other_context);
  BOOST_TEST(received.id() == 1);
}

FLAVOUR_TEST_CASE(a_handle_converts_to_one_with_a_wider_executor, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.template open<message, io_executor>(context);
  using wide_sender = sluice::sender<message, asio::any_io_executor, typename Flavour::threading>;
  using wide_receiver =
      sluice::receiver<message, asio::any_io_executor, typename Flavour::threading>;

  wide_sender tx2 = tx;
  BOOST_TEST(tx.sender_count() == 2u);
  wide_receiver rx2 = rx;
  BOOST_TEST(tx.receiver_count() == 2u);
  BOOST_TEST((rx2.get_executor() == context.get_executor()));
  auto waiting = begin_receive(rx);
  wide_receiver rx3 = std::move(rx);
  BOOST_TEST(tx.receiver_count() == 2u);
  BOOST_TEST(!static_cast<bool>(rx));
  BOOST_TEST(tx2.same_channel(rx3));
  // A conversion that moves takes the operations along, too.
  rx3.cancel();
  run_ready(context);
  BOOST_TEST(waiting.aborted());
}

BOOST_AUTO_TEST_CASE(the_two_ends_may_live_in_two_contexts) {
  asio::io_context sending;
  asio::io_context receiving;
  auto [tx, rx] = sluice::make_channel<message>(sending, 0);
  sluice::receiver<message> other_rx = rx.with_executor(receiving.get_executor());
  rx = {};
  auto sent = begin_send(tx, 1);
  auto received = begin_receive(other_rx);
  run_ready(sending);
  BOOST_TEST(!received.done());
  run_ready(receiving);
  BOOST_TEST(received.id() == 1);
  BOOST_TEST(!sent.done());
  run_ready(sending);
  BOOST_TEST(sent.succeeded());
}

FLAVOUR_TEST_CASE(handles_tell_whether_they_are_of_one_channel, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto [other_tx, other_rx] = flavour.open(context);
  auto bound = rx.with_executor(context.get_executor());
  BOOST_TEST(tx.same_channel(tx));
  BOOST_TEST(tx.same_channel(rx));
  BOOST_TEST(rx.same_channel(tx));
  BOOST_TEST(rx.same_channel(bound));
  BOOST_TEST(bound.same_channel(tx));
  BOOST_TEST(!tx.same_channel(other_tx));
  BOOST_TEST(!rx.same_channel(other_tx));
  decltype(tx) empty;
  decltype(tx) also_empty;
  BOOST_TEST(!empty.same_channel(tx));
  BOOST_TEST(!tx.same_channel(empty));
  BOOST_TEST(!empty.same_channel(also_empty));
}

// Empty handles -----------------------------------------------------------------------------------

namespace {

/// What every empty handle says, however it came to be empty.
template <class Handle>
void test_empty(Handle& handle) {
  BOOST_TEST(!static_cast<bool>(handle));
  BOOST_TEST(handle.is_closed());
  BOOST_TEST(handle.capacity() == 0u);
  BOOST_TEST(handle.size() == 0u);
  BOOST_TEST(handle.empty());
  BOOST_TEST(!handle.full());
  BOOST_TEST(handle.sender_count() == 0u);
  BOOST_TEST(handle.receiver_count() == 0u);
  handle.close();
  handle.close(asio::error::connection_reset);
  handle.cancel();
  Handle copy = handle;
  BOOST_TEST(!static_cast<bool>(copy));
}

}  // namespace

FLAVOUR_TEST_CASE(K4_a_default_constructed_handle_is_closed, flavours) {
  using sender_type = sluice::sender<message, asio::any_io_executor, typename Flavour::threading>;
  using receiver_type =
      sluice::receiver<message, asio::any_io_executor, typename Flavour::threading>;
  sender_type tx;
  receiver_type rx;
  test_empty(tx);
  test_empty(rx);

  message kept(7);
  BOOST_TEST(tx.try_send(std::move(kept)) == sluice::error::closed);
  error_code ec;
  BOOST_TEST(!tx.force_send(std::move(kept), ec));
  BOOST_TEST(ec == sluice::error::closed);
  BOOST_TEST(kept.id() == 7);
  BOOST_TEST(take(rx).error == sluice::error::closed);

  sluice::weak_sender weak(tx);
  BOOST_TEST(!weak.lock());
  BOOST_TEST(!decltype(weak)().lock());
}

FLAVOUR_TEST_CASE(K4_a_moved_from_handle_is_closed_and_says_so_on_its_executor, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto tx2 = std::move(tx);
  auto rx2 = std::move(rx);
  test_empty(tx);
  test_empty(rx);
  BOOST_TEST((tx.get_executor() == context.get_executor()));

  message kept(7);
  BOOST_TEST(tx.try_send(std::move(kept)) == sluice::error::closed);
  BOOST_TEST(kept.id() == 7);
  BOOST_TEST(take(rx).error == sluice::error::closed);

  auto sent = begin_send(tx, 1);
  auto received = begin_receive(rx);
  auto closed = begin_wait_closed(tx);
  send_probe by_reference;
  tx.async_send(std::ref(kept), by_reference.get_handler());
  BOOST_TEST(!sent.done());
  run_ready(context);
  BOOST_TEST(sent.error() == sluice::error::closed);
  BOOST_TEST(received.error() == sluice::error::closed);
  BOOST_TEST(closed.error() == sluice::error::closed);
  BOOST_TEST(by_reference.error() == sluice::error::closed);
  BOOST_TEST(kept.id() == 7);

  // The channel does not mind.
  begin_send(tx2, 2);
  BOOST_TEST(take(rx2).id == 2);
}

BOOST_AUTO_TEST_CASE(an_empty_handle_with_an_executor_can_be_made_from_another_empty_handle) {
  asio::io_context context;
  sluice::receiver<message> nobody;
  auto rx = nobody.with_executor(context.get_executor());
  BOOST_TEST(!static_cast<bool>(rx));
  BOOST_TEST((rx.get_executor() == context.get_executor()));
  auto received = begin_receive(rx);
  run_ready(context);
  BOOST_TEST(received.error() == sluice::error::closed);

  sluice::receiver<message, io_executor> named;
  sluice::receiver<message> converted = named;
  BOOST_TEST(!static_cast<bool>(converted));
}

// Weak senders ------------------------------------------------------------------------------------

FLAVOUR_TEST_CASE(a_weak_sender_keeps_the_executor_of_its_sender, flavours) {
  asio::io_context context;
  asio::io_context other_context;
  auto [tx, rx] = flavour.open(context);
  auto other_tx = tx.with_executor(other_context.get_executor());
  sluice::weak_sender weak(other_tx);
  BOOST_TEST((weak.get_executor() == other_context.get_executor()));
  BOOST_TEST((weak.lock().get_executor() == other_context.get_executor()));

  sluice::weak_sender another(tx.with_executor(context.get_executor()));
  swap(weak, another);
  BOOST_TEST((weak.get_executor() == context.get_executor()));
  auto copy = weak;
  BOOST_TEST(copy.lock().same_channel(rx));
  auto moved = std::move(weak);
  BOOST_TEST(moved.lock().same_channel(rx));
}

FLAVOUR_TEST_CASE(a_weak_sender_may_outlive_everything_else, flavours) {
  sluice::weak_sender<message, asio::any_io_executor, typename Flavour::threading> weak;
  {
    asio::io_context context;
    auto [tx, rx] = flavour.open(context);
    weak = tx;
    BOOST_TEST(static_cast<bool>(weak.lock()));
  }
  BOOST_TEST(!weak.lock());
}
