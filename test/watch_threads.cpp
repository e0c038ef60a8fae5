// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE watch_threads

// A watch between threads: nobody sees an older value than before, no change is lost, and the last
// value is seen by everybody.

#include "support/crew.hpp"
#include "support/unit_test.hpp"

#include <sluice/watch.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>

#include <atomic>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

using namespace support;
namespace asio = boost::asio;
using sluice::error_code;

namespace {

using receiver = sluice::watch_receiver<int>;
using sender = sluice::watch_sender<int>;

/// Waits for changes until the end, and notices values that go back.
class observer : public std::enable_shared_from_this<observer> {
 public:
  explicit observer(receiver rx) : rx_(std::move(rx)) {}

  void start() {
    rx_.async_changed([self = shared_from_this()](error_code ec, bool changed) {
      if (ec || !changed) {
        self->look();
        return self->finish();
      }
      self->look();
      self->start();
    });
  }

  int last() const { return last_; }
  bool went_back() const { return went_back_; }

 private:
  void look() {
    const int now = *rx_.borrow();
    if (now < last_) went_back_ = true;
    last_ = now;
  }

  void finish() { rx_ = {}; }

  receiver rx_;
  int last_ = 0;
  bool went_back_ = false;
};

}  // namespace

BOOST_AUTO_TEST_CASE(WA4_nobody_goes_back_and_everybody_sees_the_last_value) {
  constexpr int values = 3000;
  asio::thread_pool pool(2);
  sender tx(pool, 0);
  std::vector<std::shared_ptr<observer>> observers;
  for (int i = 0; i != 4; ++i) {
    observers.push_back(std::make_shared<observer>(
        tx.subscribe().with_executor(asio::any_io_executor(asio::make_strand(pool)))));
    observers.back()->start();
  }
  crew threads;
  threads.add([own = std::move(tx)]() mutable {
    for (int value = 1; value <= values; ++value) own.send(int(value));
  });
  threads.run();
  pool.join();
  for (const auto& each : observers) {
    BOOST_TEST(each->last() == values);
    BOOST_TEST(!each->went_back());
  }
}

BOOST_AUTO_TEST_CASE(WA6_no_modification_is_lost) {
  constexpr int each = 3000;
  asio::io_context context;
  sender tx(context, 0);
  auto rx = tx.subscribe();
  crew threads;
  for (int i = 0; i != 3; ++i)
    threads.add([own = tx]() mutable {
      for (int n = 0; n != each; ++n) own.send_modify([](int& value) { ++value; });
    });
  threads.run();
  BOOST_TEST(*rx.borrow() == 3 * each);
}

BOOST_AUTO_TEST_CASE(WA5_what_is_held_is_whole_whatever_is_sent) {
  constexpr int rounds = 3000;
  asio::io_context context;
  using value = std::vector<int>;
  sluice::watch_sender<value> tx(context, value(10, 0));
  std::atomic<int> torn{0};
  std::atomic<bool> done{false};
  crew threads;
  for (int i = 0; i != 2; ++i)
    threads.add([&, rx = tx.subscribe()]() mutable {
      while (!done) {
        auto held = rx.borrow_and_update();
        std::this_thread::yield();
        for (int n : *held) torn += n == held->front() ? 0 : 1;
      }
    });
  threads.add([&, own = std::move(tx)]() mutable {
    for (int i = 0; i != rounds; ++i) own.send(value(10, i));
    done = true;
  });
  threads.run();
  BOOST_TEST(torn == 0);
}

// The wake-up between looking and standing in line, again and again.
BOOST_AUTO_TEST_CASE(WA2_a_change_between_looking_and_waiting_is_not_lost) {
  constexpr int rounds = 2000;
  for (int round = 0; round != rounds; ++round) {
    asio::io_context context;
    sender tx(context, 0);
    auto rx = tx.subscribe();
    auto other = rx;
    int changes = 0;
    std::shared_ptr<const int> found;
    crew threads;
    threads.add([&] {
      rx.async_changed([&](error_code, bool changed) { changes += changed ? 1 : 0; });
      other.async_wait_for([](int value) { return value == 1; },
                           [&](error_code, std::shared_ptr<const int> value) { found = value; });
      context.run();
    });
    threads.add([&, own = std::move(tx)]() mutable { own.send(1); });
    threads.run();
    BOOST_TEST_REQUIRE(changes == 1);
    BOOST_TEST_REQUIRE((found && *found == 1));
  }
}

BOOST_AUTO_TEST_CASE(D3_a_send_against_a_cancellation) {
  constexpr int rounds = 2000;
  for (int round = 0; round != rounds; ++round) {
    asio::io_context context;
    sender tx(context, 0);
    auto rx = tx.subscribe();
    asio::cancellation_signal signal;
    int calls = 0;
    int changes = 0;
    crew threads;
    threads.add([&] {
      rx.async_changed(asio::bind_cancellation_slot(signal.slot(), [&](error_code, bool changed) {
        ++calls;
        changes += changed ? 1 : 0;
      }));
      context.poll();
      signal.emit(asio::cancellation_type::terminal);
      context.restart();
      context.run();
    });
    threads.add([&] { tx.send(1); });
    threads.run();
    // It was told of, or it is still to be told of.
    BOOST_TEST_REQUIRE(calls == 1);
    BOOST_TEST_REQUIRE(rx.has_changed() == (changes == 0));
  }
}

BOOST_AUTO_TEST_CASE(K5_a_send_against_the_end_of_the_context) {
  constexpr int rounds = 2000;
  asio::io_context lasting_context;
  sender tx(lasting_context, 0);
  auto lasting = tx.subscribe();
  for (int round = 1; round <= rounds; ++round) {
    auto context = std::make_unique<asio::io_context>();
    {
      auto rx = lasting.with_executor(context->get_executor());
      rx.async_changed([](error_code, bool) {});
      rx.async_wait_for([](int value) { return value < 0; },
                        [](error_code, std::shared_ptr<const int>) {});
    }
    int changes = 0;
    lasting.async_changed([&](error_code, bool changed) { changes += changed ? 1 : 0; });
    crew threads;
    threads.add([&] { tx.send(int(round)); });
    threads.add([&] {
      context->poll();
      context.reset();
    });
    threads.run();
    lasting_context.restart();
    lasting_context.run();
    BOOST_TEST_REQUIRE(changes == 1);
    BOOST_TEST_REQUIRE(*lasting.borrow() == round);
  }
}

BOOST_AUTO_TEST_CASE(C5_subscribers_come_and_go_while_others_send_and_wait) {
  constexpr int rounds = 2000;
  asio::thread_pool pool(1);
  sender tx(pool, 0);
  std::atomic<int> waits_over{0};
  crew threads;
  threads.add([&, own = tx]() mutable {
    for (int i = 0; i != rounds; ++i) {
      auto rx = own.subscribe();
      rx.async_changed([](error_code, bool) {});
      auto copy = rx;
      if (i % 2 == 0) rx = {};
      static_cast<void>(copy.borrow_and_update());
    }
  });
  threads.add([&, own = tx]() mutable {
    for (int i = 0; i != rounds; ++i) own.send(int(i));
  });
  threads.add([&, own = tx]() mutable {
    for (int i = 0; i != rounds; ++i) own.async_wait_closed([&](error_code) { ++waits_over; });
  });
  threads.run();
  tx = {};
  pool.join();
  BOOST_TEST(waits_over == rounds);
}
