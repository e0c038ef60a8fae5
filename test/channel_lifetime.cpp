// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE channel_lifetime

// What goes with the last handle of an end (C3), what keeps a channel open (C5), and handlers that
// own the handles they were begun on.

#include "support/flavours.hpp"
#include "support/message.hpp"
#include "support/probe.hpp"
#include "support/user_executors.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/test/unit_test.hpp>

#include <memory>

using namespace support;

// C3: the last receiver goes ----------------------------------------------------------------------

FLAVOUR_TEST_CASE(C3_buffered_values_are_destroyed_at_once, buffered_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  ledger counted;
  const int accepted = static_cast<int>(flavour.accepts(3));
  for (int i = 0; i != accepted; ++i) BOOST_TEST(!tx.try_send(message(i, counted)));
  auto other_rx = rx;
  rx = {};
  BOOST_TEST(counted.alive() == accepted);
  other_rx = {};
  BOOST_TEST(counted.alive() == 0);
  BOOST_TEST(tx.size() == 0u);
  BOOST_TEST(tx.receiver_count() == 0u);
  BOOST_TEST(tx.is_closed());
}

FLAVOUR_TEST_CASE(C3_pending_sends_fail_with_closed, limited_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  ledger counted;
  while (!tx.full()) BOOST_TEST_REQUIRE(!tx.try_send(message(0)));
  std::vector<send_probe> sent;
  for (int i = 0; i != 3; ++i) sent.push_back(begin_send(tx, message(i, counted)));
  rx = {};
  run_ready(context);
  BOOST_TEST(words_of(sent) == "closed closed closed");
  BOOST_TEST(counted.alive() == 0);
}

FLAVOUR_TEST_CASE(C3_sends_that_were_accepted_stay_successful, buffered_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto sent = begin_send(tx, 1);
  rx = {};
  run_ready(context);
  BOOST_TEST(sent.succeeded());
}

FLAVOUR_TEST_CASE(C3_receives_that_are_left_are_aborted_and_take_nothing, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  ledger counted;
  auto received = begin_receives(rx, 3);
  BOOST_TEST(!tx.try_send(message(1, counted)));
  // The first was promised the value, the others only wait.
  rx = {};
  BOOST_TEST(counted.alive() == 0);
  run_ready(context);
  BOOST_TEST(words_of(received) == "aborted aborted aborted");
}

FLAVOUR_TEST_CASE(C3_a_send_that_woke_a_receive_fails_when_both_are_left, rendezvous_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto received = begin_receive(rx);
  auto sent = begin_send(tx, 1);
  rx = {};
  run_ready(context);
  BOOST_TEST(received.aborted());
  BOOST_TEST(sent.error() == sluice::error::closed);
}

FLAVOUR_TEST_CASE(C3_another_receiver_keeps_values_and_receives, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto other_rx = rx;
  auto received = begin_receives(rx, 2);
  BOOST_TEST(!tx.try_send(message(1)));
  rx = {};
  begin_send(tx, 2);
  run_ready(context);
  BOOST_TEST(words_of(received) == "1 2");
}

namespace {

/// A request carries the way back to who asked.
template <class Threading>
struct request {
  sluice::sender<int, asio::any_io_executor, Threading> reply;
};

}  // namespace

FLAVOUR_TEST_CASE(C3_a_reply_slot_inside_a_value_fails_at_once, flavours) {
  using threading = typename Flavour::threading;
  asio::io_context context;
  auto [tx, rx] = flavour.template open<request<threading>>(context);
  // One request is accepted if there is a buffer, the others are pending.
  std::vector<receive_probe<int>> replies;
  for (int i = 0; i != 3; ++i) {
    auto [reply_tx, reply_rx] =
        sluice::make_channel<int, asio::any_io_executor, threading>(context, 1);
    auto waiting = std::make_shared<decltype(reply_rx)>(std::move(reply_rx));
    receive_probe<int> probe_of_reply;
    waiting->async_receive(
        [waiting, handler = probe_of_reply.get_handler()](
            error_code ec, std::optional<int> value) mutable { handler(ec, value); });
    replies.push_back(probe_of_reply);
    begin_send(tx, request<threading>{std::move(reply_tx)});
  }
  run_ready(context);
  for (auto& reply : replies) BOOST_TEST(!reply.done());
  rx = {};
  run_ready(context);
  for (auto& reply : replies) BOOST_TEST(reply.ended());
}

// C5: what keeps it open --------------------------------------------------------------------------

FLAVOUR_TEST_CASE(C5_a_weak_sender_locks_while_a_sender_exists, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  sluice::weak_sender weak(tx);
  BOOST_TEST(tx.sender_count() == 1u);
  {
    auto locked = weak.lock();
    BOOST_TEST(static_cast<bool>(locked));
    BOOST_TEST(locked.same_channel(rx));
    BOOST_TEST(rx.sender_count() == 2u);
  }
  tx = {};
  BOOST_TEST(rx.is_closed());
  BOOST_TEST(!weak.lock());
  BOOST_TEST(rx.sender_count() == 0u);
}

FLAVOUR_TEST_CASE(C5_a_weak_sender_locks_while_a_send_is_pending, limited_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  const int places = static_cast<int>(flavour.capacity);
  begin_sends(tx, 0, places + 1);
  sluice::weak_sender weak(tx);
  tx = {};
  {
    auto locked = weak.lock();
    BOOST_TEST(static_cast<bool>(locked));
    begin_send(locked, 100);
  }
  auto received = begin_receives(rx, places + 2);
  run_ready(context);
  BOOST_TEST(received.back().id() == 100);
  BOOST_TEST(!weak.lock());
}

FLAVOUR_TEST_CASE(C5_a_weak_sender_does_not_lock_a_closed_channel, flavours) {
  asio::io_context context;
  {
    auto [tx, rx] = flavour.open(context);
    sluice::weak_sender weak(tx);
    rx.close();
    BOOST_TEST(!weak.lock());
  }
  {
    auto [tx, rx] = flavour.open(context);
    sluice::weak_sender weak(tx);
    rx = {};
    BOOST_TEST(!weak.lock());
  }
}

FLAVOUR_TEST_CASE(C5_waiting_for_the_end_completes_when_a_send_would_fail, flavours) {
  asio::io_context context;
  {
    auto [tx, rx] = flavour.open(context);
    auto other_tx = tx;
    auto first = begin_wait_closed(tx);
    auto second = begin_wait_closed(other_tx);
    run_ready(context);
    BOOST_TEST(!first.done());
    rx.close();
    BOOST_TEST(!first.done());
    run_ready(context);
    BOOST_TEST(first.succeeded());
    BOOST_TEST(second.succeeded());
  }
  {
    auto [tx, rx] = flavour.open(context);
    auto closed = begin_wait_closed(tx);
    auto other_rx = rx;
    rx = {};
    run_ready(context);
    BOOST_TEST(!closed.done());
    other_rx = {};
    run_ready(context);
    BOOST_TEST(closed.succeeded());
  }
  {
    auto [tx, rx] = flavour.open(context);
    rx.close();
    auto late = begin_wait_closed(tx);
    run_ready(context);
    BOOST_TEST(late.succeeded());
  }
}

FLAVOUR_TEST_CASE(C5_waiting_for_the_end_keeps_nothing_open, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto waiting = begin_wait_closed(tx);
  auto received = begin_receive(rx);
  tx = {};
  BOOST_TEST(rx.is_closed());
  run_ready(context);
  BOOST_TEST(waiting.aborted());
  BOOST_TEST(received.ended());
}

FLAVOUR_TEST_CASE(C5_waiting_for_the_end_is_over_with_the_last_sender_though_sends_pend,
                  limited_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  begin_sends(tx, 0, static_cast<int>(flavour.capacity) + 1);
  auto waiting = begin_wait_closed(tx);
  tx = {};
  BOOST_TEST(!rx.is_closed());
  run_ready(context);
  BOOST_TEST(waiting.aborted());
}

FLAVOUR_TEST_CASE(C5_waiting_for_the_end_can_be_cancelled, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto by_slot = begin_wait_closed(tx);
  auto by_handle = begin_wait_closed(tx);
  by_slot.cancel();
  run_ready(context);
  BOOST_TEST(by_slot.aborted());
  BOOST_TEST(!by_handle.done());
  tx.cancel();
  run_ready(context);
  BOOST_TEST(by_handle.aborted());
}

// Handlers that own their handles -----------------------------------------------------------------

FLAVOUR_TEST_CASE(C5_a_receive_that_owns_its_receiver_is_freed_by_completion, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto owner = std::make_shared<decltype(rx)>(std::move(rx));
  std::weak_ptr<void> watched = owner;
  owner->async_receive([owner](error_code, std::optional<message>) {});
  owner.reset();
  run_ready(context);
  BOOST_TEST(!watched.expired());
  BOOST_TEST(!tx.is_closed());
  begin_send(tx, 1);
  run_ready(context);
  BOOST_TEST(watched.expired());
  BOOST_TEST(tx.is_closed());
}

FLAVOUR_TEST_CASE(C5_a_receive_that_owns_its_receiver_is_freed_by_the_last_sender, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto owner = std::make_shared<decltype(rx)>(std::move(rx));
  std::weak_ptr<void> watched = owner;
  bool ended = false;
  owner->async_receive([owner, &ended](error_code ec, std::optional<message> received) {
    ended = !ec && !received;
  });
  owner.reset();
  tx = {};
  run_ready(context);
  BOOST_TEST(ended);
  BOOST_TEST(watched.expired());
}

FLAVOUR_TEST_CASE(C5_a_send_that_owns_its_sender_is_freed_by_the_last_receiver, limited_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  while (!tx.full()) BOOST_TEST_REQUIRE(!tx.try_send(message(0)));
  auto owner = std::make_shared<decltype(tx)>(std::move(tx));
  std::weak_ptr<void> watched = owner;
  error_code seen;
  owner->async_send(message(1), [owner, &seen](error_code ec) { seen = ec; });
  owner.reset();
  run_ready(context);
  BOOST_TEST(!watched.expired());
  rx = {};
  run_ready(context);
  BOOST_TEST(seen == sluice::error::closed);
  BOOST_TEST(watched.expired());
}

FLAVOUR_TEST_CASE(C5_waiting_for_the_end_with_the_own_sender_is_freed_by_the_receiver, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto owner = std::make_shared<decltype(tx)>(std::move(tx));
  std::weak_ptr<void> watched = owner;
  error_code seen = asio::error::would_block;
  owner->async_wait_closed([owner, &seen](error_code ec) { seen = ec; });
  owner.reset();
  run_ready(context);
  BOOST_TEST(!watched.expired());
  rx = {};
  run_ready(context);
  BOOST_TEST(!seen);
  BOOST_TEST(watched.expired());
}

FLAVOUR_TEST_CASE(K5_handlers_that_own_their_handles_are_freed_by_their_context, flavours) {
  std::weak_ptr<void> watched_tx;
  std::weak_ptr<void> watched_rx;
  {
    asio::io_context context;
    auto [tx, rx] = flavour.open(context);
    auto tx_owner = std::make_shared<decltype(tx)>(std::move(tx));
    auto rx_owner = std::make_shared<decltype(rx)>(std::move(rx));
    watched_tx = tx_owner;
    watched_rx = rx_owner;
    tx_owner->async_wait_closed([tx_owner](error_code) {});
    rx_owner->async_receive([rx_owner](error_code, std::optional<message>) {});
  }
  BOOST_TEST(watched_tx.expired());
  BOOST_TEST(watched_rx.expired());
}

namespace {

/// A handler that uses the channel when it is destroyed without having been called.
template <class Sender, class Receiver>
class nosy_handler {
 public:
  nosy_handler(Sender tx, Receiver rx, int& destroyed)
      : ends_(std::make_unique<std::pair<Sender, Receiver>>(std::move(tx), std::move(rx))),
        destroyed_(destroyed) {}
  nosy_handler(nosy_handler&&) = default;

  ~nosy_handler() {
    if (!ends_) return;
    auto& [tx, rx] = *ends_;
    ++destroyed_;
    error_code ec;
    (void)tx.try_send(message(0));
    (void)tx.force_send(message(0), ec);
    (void)rx.try_receive(ec);
    (void)(tx.size() + rx.receiver_count());
    begin_send(tx, 0).cancel();
    begin_receive(rx);
    tx.cancel();
    rx.cancel();
    tx.close();
  }

  void operator()(error_code) { ends_.reset(); }
  void operator()(error_code, std::optional<message>) { ends_.reset(); }

 private:
  std::unique_ptr<std::pair<Sender, Receiver>> ends_;
  int& destroyed_;
};

}  // namespace

FLAVOUR_TEST_CASE(K6_handlers_that_go_with_their_context_may_call_back, flavours) {
  int destroyed = 0;
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto received = begin_receive(rx);
  {
    asio::io_context doomed;
    auto doomed_tx = tx.with_executor(doomed.get_executor());
    auto doomed_rx = rx.with_executor(doomed.get_executor());
    using handler = nosy_handler<decltype(doomed_tx), decltype(doomed_rx)>;
    doomed_tx.async_wait_closed(handler(doomed_tx, doomed_rx, destroyed));
    doomed_rx.async_receive(handler(doomed_tx, doomed_rx, destroyed));
    for (int i = 0; i != 5; ++i)
      doomed_tx.async_send(message(i), handler(doomed_tx, doomed_rx, destroyed));
  }
  BOOST_TEST(destroyed == 7);
  BOOST_TEST(tx.is_closed());
  run_ready(context);
  BOOST_TEST(received.done());
}

FLAVOUR_TEST_CASE(C5_handlers_may_drop_everything_inside_the_initiating_function, flavours) {
  // With an executor that runs inline all of it happens before async_send() returns: the value is
  // taken, both handlers run, and with them go both handles and the memory of the channel.
  auto [tx, rx] = flavour.template open<message, inline_executor>(inline_executor());
  auto tx_owner = std::make_unique<decltype(tx)>(std::move(tx));
  auto rx_owner = std::make_unique<decltype(rx)>(std::move(rx));
  auto& sending = *tx_owner;
  auto& receiving = *rx_owner;
  int received_id = message::none;
  error_code sent = asio::error::would_block;
  receiving.async_receive(
      [&received_id, owner = std::move(rx_owner)](error_code, std::optional<message> received) {
        received_id = received->id();
      });
  sending.async_send(message(1),
                     [&sent, owner = std::move(tx_owner)](error_code ec) { sent = ec; });
  BOOST_TEST(received_id == 1);
  BOOST_TEST(!sent);
}

FLAVOUR_TEST_CASE(C5_a_cancelled_handler_may_drop_everything_inside_the_cancellation, flavours) {
  auto [tx, rx] = flavour.template open<message, inline_executor>(inline_executor());
  auto rx_owner = std::make_unique<decltype(rx)>(std::move(rx));
  auto& receiving = *rx_owner;
  tx = {};
  auto [other_tx, other_rx] = flavour.template open<message, inline_executor>(inline_executor());
  auto other_owner = std::make_unique<decltype(other_rx)>(std::move(other_rx));
  auto& waiting = *other_owner;
  auto other_tx_owner = std::make_unique<decltype(other_tx)>(std::move(other_tx));

  asio::cancellation_signal signal;
  error_code seen;
  waiting.async_receive(asio::bind_cancellation_slot(
      signal.slot(), [&seen, owner = std::move(other_owner), tx_too = std::move(other_tx_owner)](
                         error_code ec, std::optional<message>) { seen = ec; }));
  signal.emit(asio::cancellation_type::terminal);
  BOOST_TEST(seen == asio::error::operation_aborted);

  // The end of the stream is ready at once.
  bool ended = false;
  receiving.async_receive(
      [&ended, owner = std::move(rx_owner)](error_code ec, std::optional<message> received) {
        ended = !ec && !received;
      });
  BOOST_TEST(ended);
}
