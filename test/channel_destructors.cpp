// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE channel_destructors

// Values whose destructors call back into the channel (K6), or let handles go (C3).

#include "support/flavours.hpp"
#include "support/probe.hpp"

#include <boost/asio/detached.hpp>
#include <boost/test/unit_test.hpp>

#include <functional>
#include <memory>
#include <utility>
#include <vector>

using namespace support;

namespace {

/// Calls a function when it is destroyed, unless it was moved from.
class farewell {
 public:
  explicit farewell(std::function<void()> say)
      : say_(std::make_unique<std::function<void()>>(std::move(say))) {}
  farewell(farewell&&) noexcept = default;
  farewell& operator=(farewell&&) = delete;

  ~farewell() {
    if (say_) (*say_)();
  }

 private:
  std::unique_ptr<std::function<void()>> say_;
};

/// A value whose destructor uses every function that a channel has.
template <class Sender, class Receiver>
farewell nosy_value(Sender tx, Receiver rx, int& destroyed) {
  auto ends = std::make_shared<std::pair<Sender, Receiver>>(std::move(tx), std::move(rx));
  return farewell([ends, &destroyed] {
    auto& [sender, receiver] = *ends;
    (void)(sender.size() + receiver.capacity() + sender.sender_count() + receiver.receiver_count());
    (void)(sender.is_closed() || receiver.full() || receiver.empty());
    auto copy = sender;
    error_code ec;
    (void)copy.try_send(farewell([] {}));
    (void)copy.force_send(farewell([] {}), ec);
    (void)receiver.try_receive(ec);
    // The handles may be empty by now. Then these complete on a thread of the system's, where
    // nothing can be tested.
    copy.async_send(farewell([] {}), asio::detached);
    receiver.async_receive(asio::detached);
    copy.async_wait_closed(asio::detached);
    copy.cancel();
    receiver.cancel();
    copy.close();
    ++destroyed;
  });
}

}  // namespace

FLAVOUR_TEST_CASE(K6_values_that_go_with_the_last_receiver_may_call_back, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.template open<farewell>(context);
  int destroyed = 0;
  for (int i = 0; i != 5; ++i) begin_send(tx, nosy_value(tx, decltype(rx)(), destroyed));
  rx = {};
  BOOST_TEST(destroyed == static_cast<int>(flavour.accepts(5)));
  run_ready(context);
  BOOST_TEST(destroyed == 5);
}

FLAVOUR_TEST_CASE(K6_values_of_sends_that_fail_may_call_back, limited_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.template open<farewell>(context);
  int destroyed = 0;
  while (!tx.full()) BOOST_TEST_REQUIRE(!tx.try_send(farewell([] {})));
  auto cancelled = begin_send(tx, nosy_value(tx, decltype(rx)(), destroyed));
  auto closed = begin_send(tx, nosy_value(tx, decltype(rx)(), destroyed));
  cancelled.cancel();
  run_ready(context);
  BOOST_TEST(cancelled.aborted());
  // The first of the destructors has closed the channel.
  BOOST_TEST(closed.error() == sluice::error::closed);
  BOOST_TEST(destroyed == 2);
  auto late = begin_send(tx, nosy_value(tx, rx, destroyed));
  run_ready(context);
  BOOST_TEST(late.error() == sluice::error::closed);
  BOOST_TEST(destroyed == 3);
}

FLAVOUR_TEST_CASE(K6_values_of_sends_that_go_with_their_context_may_call_back, limited_flavours) {
  asio::io_context context;
  auto doomed = std::make_unique<asio::io_context>();
  auto [tx, rx] = flavour.template open<farewell>(context);
  int destroyed = 0;
  while (!tx.full()) BOOST_TEST_REQUIRE(!tx.try_send(farewell([] {})));
  auto doomed_tx = tx.with_executor(doomed->get_executor());
  for (int i = 0; i != 3; ++i) begin_send(doomed_tx, nosy_value(tx, rx, destroyed));
  doomed.reset();
  BOOST_TEST(destroyed == 3);
  BOOST_TEST(tx.is_closed());
}

FLAVOUR_TEST_CASE(K6_a_displaced_value_may_call_back, bounded_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.template open<farewell>(context);
  int destroyed = 0;
  BOOST_TEST(!tx.try_send(nosy_value(tx, rx, destroyed)));
  while (!tx.full()) BOOST_TEST_REQUIRE(!tx.try_send(farewell([] {})));
  error_code ec;
  tx.force_send(farewell([] {}), ec).reset();
  BOOST_TEST(destroyed == 1);
}

FLAVOUR_TEST_CASE(C3_a_value_may_own_the_last_sender_of_its_own_channel, flavours) {
  struct carrier {
    std::shared_ptr<void> freight;
  };
  {
    // In the buffer, or in a pending send, it keeps its channel open until the receiver goes.
    asio::io_context context;
    auto [tx, rx] = flavour.template open<carrier>(context);
    auto owner = std::make_shared<decltype(tx)>(std::move(tx));
    std::weak_ptr<void> watched = owner;
    auto& sending = *owner;
    auto sent = begin_send(sending, carrier{std::move(owner)});
    run_ready(context);
    BOOST_TEST(!watched.expired());
    BOOST_TEST(!rx.is_closed());
    rx = {};
    run_ready(context);
    BOOST_TEST(watched.expired());
  }
  {
    // Once it is received and gone, that was the last sender.
    asio::io_context context;
    auto [tx, rx] = flavour.template open<carrier>(context);
    auto owner = std::make_shared<decltype(tx)>(std::move(tx));
    auto& sending = *owner;
    begin_send(sending, carrier{std::move(owner)});
    auto end = begin_receives(rx, 2);
    run_ready(context);
    BOOST_TEST(end[0].succeeded());
    BOOST_TEST(!end[1].done());
    end.erase(end.begin());
    run_ready(context);
    BOOST_TEST(end[0].ended());
  }
}

FLAVOUR_TEST_CASE(C3_a_value_may_own_the_last_receiver_of_another_channel, flavours) {
  // What goes with one channel lets the next one go, and so on.
  struct link {
    std::shared_ptr<void> next;
  };
  asio::io_context context;
  auto [tx, rx] = flavour.template open<link>(context);
  std::vector<decltype(tx)> senders{tx};
  std::shared_ptr<void> next = std::make_shared<decltype(rx)>(std::move(rx));
  for (int i = 0; i != 20; ++i) {
    auto [tx2, rx2] = flavour.template open<link>(context);
    begin_send(tx2, link{std::move(next)});
    next = std::make_shared<decltype(rx2)>(std::move(rx2));
    senders.push_back(tx2);
  }
  for (auto& sender : senders) BOOST_TEST(!sender.is_closed());
  next.reset();
  run_ready(context);
  for (auto& sender : senders) BOOST_TEST(sender.is_closed());
}
