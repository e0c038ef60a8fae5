// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE channel_permits_closing

// P2: the end of a stream waits for permits, and comes at once when the last of them is used,
// dropped, cancelled or refused, whoever waits and however the channel was closed.

#include "support/flavours.hpp"
#include "support/message.hpp"
#include "support/permits.hpp"
#include "support/probe.hpp"
#include "support/user_executors.hpp"

#include <boost/test/unit_test.hpp>

#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

using namespace support;

namespace {

constexpr any_threading many_places{1, {bounded_many}};
constexpr any_threading one_place{1, {bounded_one}};

/// Closes a channel in each of the ways there are. `reason` is what receivers then see.
template <class Sender, class Receiver>
error_code close_somehow(int way, Sender& tx, Receiver& rx) {
  const error_code reason = asio::error::connection_reset;
  if (way == 0) tx = {};
  if (way == 1) tx.close();
  if (way == 2) rx.close();
  if (way == 3) rx.close(reason);
  return way == 3 ? reason : error_code();
}

constexpr int closing_ways = 4;

/// Closes a channel of which a place is reserved while receives wait. They, and others, must not
/// see the end until `let_go` has done away with the place, and must see it then. `reserve(tx)`
/// returns what holds the place.
template <class Flavour, class Reserve, class LetGo>
void check_the_end(Flavour flavour, Reserve reserve, LetGo let_go) {
  for (int way = 0; way != closing_ways; ++way) {
    asio::io_context context;
    auto [tx, rx] = flavour.open(context);
    auto holder = reserve(tx);
    auto before = begin_receives(rx, 2);
    const error_code reason = close_somehow(way, tx, rx);
    const error_code plain_end = reason ? reason : error_code(sluice::error::closed);
    auto after = begin_receive(rx);
    run_ready(context);
    BOOST_TEST(rx.is_closed());
    BOOST_TEST(words_of(before) == "waits waits");
    BOOST_TEST(word_of(after) == "waits");
    BOOST_TEST(take(rx).error == sluice::error::empty);
    BOOST_TEST(rx.empty());

    let_go(holder);
    BOOST_TEST(take(rx).error == plain_end);
    run_ready(context);
    for (auto& received : {before[0], before[1], after}) {
      BOOST_TEST(received.done());
      BOOST_TEST(received.error() == reason);
      BOOST_TEST(received.ended() == !reason);
    }
  }
}

}  // namespace

FLAVOUR_TEST_CASE(P2_the_end_comes_when_the_last_permit_is_dropped, buffered_flavours) {
  check_the_end(
      flavour, [](auto& tx) { return reserve_now(tx); }, [](auto& permit) { permit = {}; });
}

FLAVOUR_TEST_CASE(P2_the_end_comes_when_a_permit_of_many_is_dropped, many_places) {
  check_the_end(
      flavour, [](auto& tx) { return reserve_now(tx, 3); }, [](auto& permit) { permit = {}; });
}

FLAVOUR_TEST_CASE(P2_the_end_comes_when_another_permit_is_assigned_to_the_last, buffered_flavours) {
  asio::io_context other_context;
  auto [other_tx, other_rx] = flavour.open(other_context);
  check_the_end(
      flavour, [](auto& tx) { return reserve_now(tx); },
      [t = &other_tx](auto& permit) { permit = reserve_now(*t); });
}

FLAVOUR_TEST_CASE(P2_the_end_comes_when_a_place_goes_that_was_granted_and_not_delivered,
                  buffered_flavours) {
  struct holder {
    std::unique_ptr<asio::io_context> context;
    reserve_probe<sluice::permit<message, typename Flavour::threading>> reserved;
  };
  check_the_end(
      flavour,
      [](auto& tx) {
        holder h{std::make_unique<asio::io_context>(), {}};
        auto own_tx = tx.with_executor(h.context->get_executor());
        h.reserved = begin_reserve(own_tx);
        return h;
      },
      [](holder& h) {
        h.context.reset();
        BOOST_TEST(h.reserved.dropped());
      });
}

FLAVOUR_TEST_CASE(P2_the_end_comes_when_a_reservation_is_delivered_that_nobody_takes,
                  buffered_flavours) {
  for (bool throws : {false, true}) {
    using permit = sluice::permit<message, typename Flavour::threading>;
    check_the_end(
        flavour,
        [throws](auto& tx) {
          auto context = std::make_unique<asio::io_context>();
          auto own_tx = tx.with_executor(context->get_executor());
          own_tx.async_reserve([throws](error_code, permit) {
            if (throws) throw std::runtime_error("thrown by a handler");
          });
          return context;
        },
        [throws](auto& context) {
          if (throws)
            BOOST_CHECK_THROW(context->run(), std::runtime_error);
          else
            context->run();
        });
  }
}

FLAVOUR_TEST_CASE(P2_the_end_comes_when_a_granted_place_is_cancelled_and_dropped,
                  buffered_flavours) {
  struct holder {
    std::unique_ptr<asio::io_context> context;
    reserve_probe<sluice::permit<message, typename Flavour::threading>> reserved;
  };
  check_the_end(
      flavour,
      [](auto& tx) {
        holder h{std::make_unique<asio::io_context>(), {}};
        auto own_tx = tx.with_executor(h.context->get_executor());
        h.reserved = begin_reserve(own_tx);
        // Too late: it was granted.
        h.reserved.cancel();
        return h;
      },
      [](holder& h) {
        h.context->run();
        BOOST_TEST(h.reserved.places() == 1u);
        h.reserved.permit() = {};
      });
}

FLAVOUR_TEST_CASE(P2_the_end_comes_when_an_executor_destroys_what_it_was_given, one_place) {
  for (int way = 0; way != closing_ways; ++way) {
    asio::io_context context;
    task_context own_context;
    const bool refuses = false;
    auto [tx, rx] = flavour.open(context);
    auto permit = reserve_now(tx);
    auto lost = begin_reserve_on(tx, refusing_executor{&own_context, &refuses});
    auto received = begin_receives(rx, 2);
    permit = {};
    BOOST_TEST(own_context.queue.size() == 1u);
    close_somehow(way, tx, rx);
    run_ready(context);
    BOOST_TEST(words_of(received) == "waits waits");
    BOOST_TEST(take(rx).error == sluice::error::empty);
    own_context.queue.clear();
    BOOST_TEST(lost.dropped());
    run_ready(context);
    for (auto& r : received) BOOST_TEST(r.done());
  }
}

FLAVOUR_TEST_CASE(P2_the_end_comes_when_an_executor_refuses_the_last_place, many_places) {
  task_context own_context;
  const bool refuses = true;
  auto [tx, rx] = flavour.template open<message, inline_executor>(inline_executor());
  auto permit = reserve_now(tx, 3);
  // Granted after that send was accepted, in one step; told to its executor after this handler.
  std::vector<receive_probe<message>> received;
  int id = message::none;
  tx.async_send(message(1), [&, t = &tx, r = &rx](error_code) {
    id = take(*r).id;
    received = begin_receives(*r, 2);
    t->close();
    BOOST_TEST(words_of(received) == "waits waits");
    BOOST_TEST(take(*r).error == sluice::error::empty);
  });
  auto lost = begin_reserve_on(tx, refusing_executor{&own_context, &refuses});
  permit = {};
  BOOST_TEST(id == 1);
  BOOST_TEST(lost.dropped());
  BOOST_TEST(words_of(received) == "end end");
  BOOST_TEST(take(rx).error == sluice::error::closed);
}

FLAVOUR_TEST_CASE(P2_the_end_comes_when_the_last_permit_is_used, buffered_flavours) {
  for (int way = 0; way != closing_ways; ++way) {
    asio::io_context context;
    auto [tx, rx] = flavour.open(context);
    auto permit = reserve_now(tx);
    auto received = begin_receives(rx, 3);
    const error_code reason = close_somehow(way, tx, rx);
    run_ready(context);
    BOOST_TEST(words_of(received) == "waits waits waits");
    BOOST_TEST(!permit.send(message(1)));
    // It is promised to the first of them, so it is neither there nor the end yet.
    BOOST_TEST(take(rx).error == sluice::error::empty);
    run_ready(context);
    BOOST_TEST(received[0].id() == 1);
    for (int i : {1, 2}) BOOST_TEST(received[static_cast<std::size_t>(i)].error() == reason);
    BOOST_TEST(take(rx).error == (reason ? reason : error_code(sluice::error::closed)));
  }
}

FLAVOUR_TEST_CASE(P2_the_end_comes_when_try_receive_takes_what_the_last_permit_has_sent,
                  buffered_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto permit = reserve_now(tx);
  tx.close();
  BOOST_TEST(take(rx).error == sluice::error::empty);
  BOOST_TEST(!permit.send(message(1)));
  BOOST_TEST(take(rx).id == 1);
  BOOST_TEST(take(rx).error == sluice::error::closed);
}

FLAVOUR_TEST_CASE(P2_the_end_waits_for_the_last_of_several_permits, many_places) {
  asio::io_context context;
  auto doomed = std::make_unique<asio::io_context>();
  auto [tx, rx] = flavour.open(context);
  auto doomed_tx = tx.with_executor(doomed->get_executor());
  auto used = reserve_now(tx);
  auto dropped = reserve_now(tx);
  auto lost = begin_reserve(doomed_tx);
  auto received = begin_receives(rx, 3);
  tx.close();
  BOOST_TEST(!used.send(message(1)));
  run_ready(context);
  BOOST_TEST(words_of(received) == "1 waits waits");
  dropped = {};
  run_ready(context);
  BOOST_TEST(words_of(received) == "1 waits waits");
  BOOST_TEST(take(rx).error == sluice::error::empty);
  doomed.reset();
  run_ready(context);
  BOOST_TEST(words_of(received) == "1 end end");
  BOOST_TEST(take(rx).error == sluice::error::closed);
}

FLAVOUR_TEST_CASE(P2_each_place_of_a_permit_can_be_used_after_the_end_of_all_senders, many_places) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto permit = reserve_now(tx, 3);
  tx = {};
  for (int id : {1, 2}) {
    auto received = begin_receive(rx);
    run_ready(context);
    BOOST_TEST(!received.done());
    BOOST_TEST(!permit.send(message(id)));
    run_ready(context);
    BOOST_TEST(received.id() == id);
  }
  auto received = begin_receive(rx);
  BOOST_TEST(!permit.send(message(3)));
  auto last = begin_receive(rx);
  run_ready(context);
  BOOST_TEST(received.id() == 3);
  BOOST_TEST(last.ended());
}

FLAVOUR_TEST_CASE(P2_a_woken_receive_that_finds_nothing_waits_for_the_permit, one_place) {
  // It was promised the value of a pending send, which closing takes away.
  for (bool used : {false, true}) {
    asio::io_context context;
    auto [tx, rx] = flavour.open(context);
    auto permit = reserve_now(tx);
    auto received = begin_receives(rx, 2);
    auto sent = begin_send(tx, 1);
    tx.close();
    run_ready(context);
    BOOST_TEST(word_of(sent) == "closed");
    BOOST_TEST(words_of(received) == "waits waits");
    if (used) {
      BOOST_TEST(!permit.send(message(2)));
    } else {
      permit = {};
    }
    run_ready(context);
    BOOST_TEST(words_of(received) == (used ? "2 end" : "end end"));
  }
}

FLAVOUR_TEST_CASE(P2_a_woken_receive_that_has_not_looked_yet_sees_the_end, one_place) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto permit = reserve_now(tx);
  auto received = begin_receives(rx, 2);
  auto sent = begin_send(tx, 1);
  tx.close();
  permit = {};
  run_ready(context);
  BOOST_TEST(words_of(received) == "end end");
}

FLAVOUR_TEST_CASE(P2_the_end_waits_for_a_promised_value_that_a_permit_has_sent, buffered_flavours) {
  asio::io_context context;
  asio::io_context other_context;
  auto [tx, rx] = flavour.open(context);
  auto other_rx = rx.with_executor(other_context.get_executor());
  auto first = begin_receive(other_rx);
  auto second = begin_receive(rx);
  auto permit = reserve_now(tx);
  tx = {};
  BOOST_TEST(!permit.send(message(1)));
  run_ready(context);
  BOOST_TEST(!second.done());
  first.cancel();
  run_ready(context);
  BOOST_TEST(second.id() == 1);
  BOOST_TEST(take(rx).error == sluice::error::closed);
}

FLAVOUR_TEST_CASE(P2_a_pending_send_ends_the_stream_after_the_permit_or_before_it, one_place) {
  for (bool permit_first : {false, true}) {
    asio::io_context context;
    auto [tx, rx] = flavour.open(context);
    auto permit = reserve_now(tx);
    auto sent = begin_send(tx, 1);
    tx = {};
    auto received = begin_receives(rx, 2);
    if (permit_first) permit = {};
    run_ready(context);
    BOOST_TEST(sent.succeeded());
    BOOST_TEST(words_of(received) == (permit_first ? "1 end" : "1 waits"));
    permit = {};
    run_ready(context);
    BOOST_TEST(words_of(received) == "1 end");
  }
}

FLAVOUR_TEST_CASE(P2_a_permit_outlives_everything_else_of_its_channel, buffered_flavours) {
  ledger counted;
  std::optional<sluice::permit<message, typename Flavour::threading>> permit;
  {
    asio::io_context context;
    auto [tx, rx] = flavour.open(context);
    permit.emplace(reserve_now(tx));
    auto received = begin_receive(rx);
    auto reserved = begin_reserve(tx);
    auto closed = begin_wait_closed(tx);
  }
  message value(1, counted);
  BOOST_TEST(permit->send(std::move(value)) == sluice::error::closed);
  BOOST_TEST(value.id() == 1);
  permit.reset();
}

FLAVOUR_TEST_CASE(P2_a_permit_sends_although_its_context_is_gone, buffered_flavours) {
  asio::io_context context;
  auto doomed = std::make_unique<asio::io_context>();
  auto [tx, rx] = flavour.open(*doomed);
  auto own_rx = rx.with_executor(context.get_executor());
  auto permit = reserve_now(tx);
  auto received = begin_receives(own_rx, 2);
  tx = {};
  rx = {};
  doomed.reset();
  BOOST_TEST(!permit.send(message(1)));
  run_ready(context);
  BOOST_TEST(words_of(received) == "1 end");
}

FLAVOUR_TEST_CASE(C3_permits_are_nothing_when_the_last_receiver_has_gone, buffered_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto permit = reserve_now(tx);
  auto received = begin_receive(rx);
  auto reserved = begin_reserve(tx);
  auto sent = begin_sends(tx, 1, 3);
  auto closed = begin_wait_closed(tx);
  rx = {};
  permit = {};
  run_ready(context);
  BOOST_TEST(received.aborted());
  BOOST_TEST(closed.succeeded());
  BOOST_TEST(word_of(sent.back()) == (flavour.is_unbounded() ? "sent" : "closed"));
  BOOST_TEST(tx.size() == 0u);
}

// The last permit may be one that lies in the channel, or in a handler that waits at it ----------------

FLAVOUR_TEST_CASE(P2_the_end_comes_when_a_handler_with_the_last_permit_is_destroyed,
                  buffered_flavours) {
  asio::io_context context;
  auto doomed = std::make_unique<asio::io_context>();
  auto [tx, rx] = flavour.open(context);
  auto doomed_rx = rx.with_executor(doomed->get_executor());
  auto received = begin_receive(rx);
  doomed_rx.async_receive([permit = reserve_now(tx)](error_code, std::optional<message>) {});
  tx.close();
  run_ready(context);
  BOOST_TEST(!received.done());
  doomed.reset();
  run_ready(context);
  BOOST_TEST(received.ended());
}

BOOST_AUTO_TEST_CASE(P2_a_permit_of_a_channel_may_be_sent_through_it) {
  asio::io_context context;
  struct parcel;
  using permit = sluice::permit<parcel>;
  struct parcel {
    std::unique_ptr<permit> inside;
  };
  auto [tx, rx] = sluice::make_channel<parcel>(context, 2);
  error_code ec;
  auto first = tx.try_reserve(ec);
  auto second = tx.try_reserve(ec);
  BOOST_TEST(!first->send(parcel{std::make_unique<permit>(std::move(*second))}));
  auto observer = tx;
  tx = {};
  // With the last receiver what is buffered is destroyed, and what is in it.
  rx = {};
  BOOST_TEST(observer.size() == 0u);
  BOOST_TEST(observer.is_closed());
}
