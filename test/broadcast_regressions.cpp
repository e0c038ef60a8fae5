// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE broadcast_regressions

// What once went wrong with broadcasts, one test each.

#include "support/broadcasts.hpp"
#include "support/crew.hpp"
#include "support/probe.hpp"
#include "support/unit_test.hpp"
#include "support/user_executors.hpp"

#include <sluice/broadcast.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#if defined(BOOST_ASIO_HAS_CO_AWAIT)
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/use_awaitable.hpp>
#endif

#include <chrono>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

using namespace support;

namespace {

/// Can be made from anything, and prefers that to being copied, unless the other one is const.
struct greedy {
  explicit greedy(int number) : id_(number) {}
  greedy(const greedy&) = default;
  greedy(greedy&&) = default;

  template <class Other, class = std::enable_if_t<!std::is_same_v<std::decay_t<Other>, int>>>
  explicit greedy(Other&&) noexcept : id_(message::none) {}

  int id() const { return id_; }

  int id_;
};

/// An executor that cannot be assigned.
struct fixed_executor : minimal_executor {
  explicit fixed_executor(task_queue& tasks) noexcept : minimal_executor{&tasks} {}
  fixed_executor(const fixed_executor&) = default;
  fixed_executor& operator=(const fixed_executor&) = delete;
};

}  // namespace

// A message of a few bytes was copied as one that might be changed, so that another constructor
// ran.
FLAVOUR_TEST_CASE(BR4_a_message_is_copied_as_a_constant, broadcasts) {
  static_assert(std::is_trivially_copyable_v<greedy>);
  asio::io_context context;
  auto tx = open_broadcast<greedy>(flavour, context);
  auto a = tx.subscribe();
  auto b = tx.subscribe();
  tx.send(greedy(7));
  BOOST_TEST(next_of(a) == "7");
  BOOST_TEST(next_of(b) == "7");
}

// The state was used after whoever copied a message had let the last handle go.
FLAVOUR_TEST_CASE(K6_a_copy_may_let_the_last_handle_go, broadcasts) {
  asio::io_context context;
  letter::office office;
  auto open = [&] { return open_broadcast(flavour, context); };
  auto tx = open();
  std::optional<typename decltype(tx)::receiver_type> rx;
  std::optional<typename decltype(tx)::receiver_type> other;
  auto begin = [&] {
    tx = open();
    rx = tx.subscribe();
    other = tx.subscribe();
    tx.send(letter(1, office));
    office.at_copy = [&] {
      office.at_copy = nullptr;
      rx.reset();
      other.reset();
      tx = {};
    };
  };
  begin();
  std::optional<letter> received = rx->try_receive();
  BOOST_TEST(received.value().id() == 1);
  BOOST_TEST(!rx);

#if defined(BOOST_ASIO_HAS_CO_AWAIT)
  begin();
  received.reset();
  co_spawn(
      context,
      [&]() -> asio::awaitable<void> {
        received = co_await rx->async_receive(sluice::use_awaitable);
      },
      asio::detached);
  run_ready(context);
  BOOST_TEST(received.value().id() == 1);
  BOOST_TEST(!rx);
#endif
  received.reset();
  BOOST_TEST(office.alive == 0);
}

// The same where the handler of a send, which gets its place by that receive, runs at once.
FLAVOUR_TEST_CASE(K6_who_gets_a_place_may_let_the_last_handle_go, broadcasts) {
  asio::io_context context;
  letter::office office;
  auto tx = open_lossless_broadcast<letter, inline_executor>(flavour, inline_executor());
  std::optional<typename decltype(tx)::receiver_type> rx = tx.subscribe();
  for (int i = 0; !tx.full(); ++i) BOOST_TEST(!tx.try_send(letter(i, office)));
  tx.async_send(letter(50, office), [&](error_code, std::size_t) {
    rx.reset();
    tx = {};
  });
  BOOST_TEST(rx->try_receive().value().id() == 0);
  BOOST_TEST(!rx);
  BOOST_TEST(office.alive == 0);
}

// What had been decided for a receive was read without the lock. Seen with the thread sanitizer.
BOOST_AUTO_TEST_CASE(K7_receives_are_cancelled_while_they_complete) {
  for (int round = 0; round != 1000; ++round) {
    asio::io_context context;
    sluice::broadcast_sender<int> tx(context, 4);
    auto rx = tx.subscribe();
    int ended = 0;
    int received = 0;
    for (int i = 0; i != 4; ++i)
      rx.async_receive([&](error_code, std::optional<int> n) {
        ++ended;
        received += n ? 1 : 0;
      });
    for (int i = 0; i != 4; ++i) tx.send(i);
    crew threads;
    threads.add([&] { context.run(); });
    threads.add([&] { rx.cancel(); });
    threads.run();
    BOOST_TEST_REQUIRE(ended == 4);
    BOOST_TEST_REQUIRE(rx.size() + static_cast<std::size_t>(received) == 4u);
  }
}

// With an executor that cannot be assigned, which none need to be, they could not be either.
FLAVOUR_TEST_CASE(weak_senders_can_be_assigned_with_every_executor, one_broadcast) {
  task_queue queue;
  using threading = typename decltype(flavour)::threading;
  auto tx = open_broadcast<letter, fixed_executor>(flavour, fixed_executor(queue));
  sluice::weak_broadcast_sender<letter, fixed_executor, threading> weak(tx);
  sluice::weak_broadcast_sender<letter, fixed_executor, threading> other;
  swap(weak, other);
  BOOST_TEST(!weak.lock());
  BOOST_TEST(other.lock().same_channel(tx));
  weak = other;
  BOOST_TEST(weak.lock().same_channel(tx));
  swap(weak, weak);
  BOOST_TEST(weak.lock().same_channel(tx));
}

#if defined(BOOST_ASIO_HAS_CO_AWAIT)
// A coroutine that can be cancelled went through its executor for each message, though a message
// that is accepted is accepted when its send is begun, whatever becomes of the coroutine.
FLAVOUR_TEST_CASE(K1_sends_that_are_accepted_at_once_go_on_at_once, one_broadcast) {
  using namespace asio::experimental::awaitable_operators;
  asio::io_context context;
  auto tx = open_lossless_broadcast(flavour, context);
  auto rx = tx.subscribe();
  asio::steady_timer timer(context, std::chrono::hours(1));
  letter mine(2);
  std::size_t visits = 0;
  std::size_t needed = 0;
  auto sends = [&]() -> asio::awaitable<void> {
    const std::size_t before = visits;
    co_await tx.async_send(letter(1), sluice::use_awaitable);
    co_await tx.async_send(std::ref(mine), sluice::use_awaitable);
    needed = visits - before;
  };
  co_spawn(
      context,
      [&]() -> asio::awaitable<void> {
        co_await (sends() || timer.async_wait(asio::use_awaitable));
      },
      asio::detached);
  while (context.run_one() != 0) ++visits;
  BOOST_TEST(needed == 0u);
  BOOST_TEST(all_of(rx) == "1 2 empty");
}
#endif
