// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE oneshot_threads

// A oneshot between two threads: a send against everything that the other side may do meanwhile. In
// each round either the value arrives or it is left with its sender; it is never both nor neither.

#include "support/crew.hpp"
#include "support/message.hpp"
#include "support/unit_test.hpp"

#include <sluice/oneshot.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>

#include <atomic>
#include <exception>
#include <memory>
#include <optional>
#include <utility>

using namespace support;
namespace asio = boost::asio;
using sluice::error_code;

namespace {

constexpr int rounds = 2000;

using sender = sluice::oneshot_sender<message>;
using receiver = sluice::oneshot_receiver<message>;

/// What became of one value.
struct outcome {
  bool sent = false;
  bool untouched = false;
};

outcome send(sender tx, ledger& values) {
  message value(7, values);
  outcome seen;
  seen.sent = !tx.send(std::move(value));
  seen.untouched = value.id() == 7;
  return seen;
}

/// Runs `other(rx)` on one thread and a send on another one, again and again. It returns how many
/// values have arrived.
template <class Other, class After>
void race(Other other, After after) {
  ledger values;
  for (int round = 0; round != rounds; ++round) {
    asio::io_context context;
    auto [tx, rx] = sluice::make_oneshot<message>(context);
    outcome seen;
    crew threads;
    threads.add([&, own = std::move(tx)]() mutable { seen = send(std::move(own), values); });
    auto& receives = rx;
    threads.add([&] { other(context, receives); });
    threads.run();
    BOOST_TEST_REQUIRE(seen.sent != seen.untouched);
    after(context, rx, seen);
    rx = {};
    BOOST_TEST_REQUIRE(values.alive() == 0);
  }
}

/// A receive that counts what it gets, and can be cancelled.
struct counted_receive {
  asio::cancellation_signal signal;
  int calls = 0;
  int values = 0;

  void begin(receiver& rx) {
    rx.async_receive(
        asio::bind_cancellation_slot(signal.slot(), [this](error_code, std::optional<message> m) {
          ++calls;
          values += m ? 1 : 0;
        }));
  }
};

}  // namespace

BOOST_AUTO_TEST_CASE(O1_a_send_against_a_receive) {
  int received = 0;
  race(
      [&](asio::io_context& context, receiver& rx) {
        rx.async_receive([&](error_code, std::optional<message> m) { received += m ? 1 : 0; });
        context.run();
      },
      [&](asio::io_context&, receiver&, outcome seen) { BOOST_TEST_REQUIRE(seen.sent); });
  BOOST_TEST(received == rounds);
}

BOOST_AUTO_TEST_CASE(D3_a_send_against_a_cancellation) {
  for (bool by_handle : {true, false}) {
    race(
        [&](asio::io_context& context, receiver& rx) {
          counted_receive first;
          first.begin(rx);
          context.poll();
          if (by_handle)
            rx.cancel();
          else
            first.signal.emit(asio::cancellation_type::terminal);
          context.restart();
          context.run();
          // It has taken the value, or left it for this one.
          counted_receive second;
          if (first.values == 0) second.begin(rx);
          context.restart();
          context.run();
          if (first.calls != 1 || first.values + second.values != 1) std::terminate();
        },
        [&](asio::io_context&, receiver&, outcome seen) { BOOST_TEST_REQUIRE(seen.sent); });
  }
}

BOOST_AUTO_TEST_CASE(O2_a_send_against_closing) {
  race([](asio::io_context&, receiver& rx) { rx.close(); },
       [](asio::io_context&, receiver& rx, outcome seen) {
         error_code ec;
         BOOST_TEST_REQUIRE(rx.try_receive(ec).has_value() == seen.sent);
         BOOST_TEST_REQUIRE((ec == sluice::error::closed) == !seen.sent);
       });
}

BOOST_AUTO_TEST_CASE(O2_a_send_against_the_end_of_the_receiver) {
  for (bool waits : {true, false}) {
    int calls = 0;
    race(
        [&](asio::io_context&, receiver& rx) {
          if (waits)
            rx.async_receive([&](error_code ec, std::optional<message> m) {
              calls += ec == asio::error::operation_aborted && !m ? 1 : 0;
            });
          rx = {};
        },
        [](asio::io_context& context, receiver&, outcome) { context.run(); });
    BOOST_TEST(calls == (waits ? rounds : 0));
  }
}

BOOST_AUTO_TEST_CASE(K5_a_send_against_the_end_of_the_context) {
  ledger values;
  for (int round = 0; round != rounds; ++round) {
    auto context = std::make_unique<asio::io_context>();
    asio::io_context other_context;
    auto [tx, opened] = sluice::make_oneshot<message>(other_context);
    receiver rx = std::move(opened);
    int lost = 0;
    {
      receiver waiting =
          std::move(rx).with_executor(asio::any_io_executor(context->get_executor()));
      waiting.async_receive([&](error_code, std::optional<message>) { ++lost; });
      rx = std::move(waiting).with_executor(asio::any_io_executor(other_context.get_executor()));
    }
    outcome seen;
    crew threads;
    threads.add([&, own = std::move(tx)]() mutable { seen = send(std::move(own), values); });
    threads.add([&] { context.reset(); });
    threads.run();
    BOOST_TEST_REQUIRE(seen.sent);
    // It was promised to a receive that is gone, so it is here for the next one.
    BOOST_TEST_REQUIRE(rx.try_receive().has_value());
    BOOST_TEST_REQUIRE(lost == 0);
  }
  BOOST_TEST(values.alive() == 0);
}

BOOST_AUTO_TEST_CASE(O2_the_end_of_the_sender_against_the_end_of_the_receiver) {
  for (int round = 0; round != rounds; ++round) {
    asio::io_context context;
    auto [tx, rx] = sluice::make_oneshot<message>(context);
    int calls = 0;
    tx.async_wait_closed([&](error_code) { ++calls; });
    rx.async_receive([&](error_code, std::optional<message>) { ++calls; });
    crew threads;
    threads.add([own = std::move(tx)] {});
    threads.add([own = std::move(rx)] {});
    threads.run();
    context.run();
    BOOST_TEST_REQUIRE(calls == 2);
  }
}

BOOST_AUTO_TEST_CASE(O1_of_several_threads_one_wins) {
  asio::thread_pool pool(2);
  ledger values;
  for (int round = 0; round != rounds; ++round) {
    auto [tx, rx] = sluice::make_oneshot<message>(pool);
    auto& shared = tx;
    std::atomic<int> sent{0};
    crew threads;
    for (int i = 0; i != 3; ++i)
      threads.add([&, i] {
        message value(i, values);
        if (!shared.send(std::move(value))) ++sent;
      });
    threads.run();
    BOOST_TEST_REQUIRE(sent == 1);
    BOOST_TEST_REQUIRE(rx.try_receive().has_value());
  }
  pool.join();
  BOOST_TEST(values.alive() == 0);
}
