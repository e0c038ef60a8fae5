// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE watch_regressions

// What once went wrong with watches, one test each.

#include "support/probe.hpp"
#include "support/unit_test.hpp"
#include "support/user_executors.hpp"
#include "support/watches.hpp"

#include <sluice/sync_wait.hpp>
#include <sluice/watch.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#if defined(BOOST_ASIO_HAS_CO_AWAIT)
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#endif

#include <chrono>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>

using namespace support;
using sluice::error;

namespace {

/// An executor that cannot be assigned.
struct fixed_executor : minimal_executor {
  explicit fixed_executor(task_queue& tasks) noexcept : minimal_executor{&tasks} {}
  fixed_executor(const fixed_executor&) = default;
  fixed_executor& operator=(const fixed_executor&) = delete;
};

}  // namespace

// The state was used after a modifier had let the last handle go.
FLAVOUR_TEST_CASE(K6_a_modifier_may_let_the_last_handle_go, watches) {
  asio::io_context context;
  auto open = [&] { return std::make_optional(open_watch(flavour, context, 1)); };
  auto tx = open();
  const error_code ec = tx->send_modify([&](int& value) {
    tx.reset();
    value = 2;
  });
  BOOST_TEST((ec == error::closed));
  tx = open();
  const bool replaced = tx->send_if_modified([&](int&) {
    tx.reset();
    return true;
  });
  BOOST_TEST(!replaced);
}

#if defined(BOOST_ASIO_HAS_CO_AWAIT)
// A coroutine that is not suspended borrows the receiver, which its predicate let go.
FLAVOUR_TEST_CASE(K6_a_predicate_may_let_the_receiver_go_that_a_coroutine_borrows, watches) {
  for (const bool says : {false, true}) {
    for (const bool last : {false, true}) {
      asio::io_context context;
      auto tx = open_watch(flavour, context, 1);
      auto rx = std::make_optional(tx.subscribe());
      auto other = last ? decltype(rx)() : rx;
      error_code ec;
      std::shared_ptr<const int> found;
      int calls = 0;
      bool done = false;
      co_spawn(
          context,
          [&]() -> asio::awaitable<void> {
            auto holds = [&](int value) {
              rx.reset();
              return ++calls == 1 ? says : value == 2;
            };
            std::tie(ec, found) =
                co_await rx->async_wait_for(holds, asio::as_tuple(sluice::use_awaitable));
            done = true;
          },
          asio::detached);
      run_ready(context);
      BOOST_TEST(!rx);
      // As after any other end of a handle: an operation goes on while there is another receiver.
      BOOST_TEST(done == (last || says));
      tx.send(2);
      run_ready(context);
      BOOST_TEST(done);
      BOOST_TEST((ec == asio::error::operation_aborted) == last);
      BOOST_TEST((found != nullptr) == !last);
    }
  }
}
#endif

// A thread that was about to block called the predicate again and again for the same value.
BOOST_AUTO_TEST_CASE(WA3_a_blocked_thread_does_not_test_a_value_over_and_over) {
  asio::io_context context;
  sluice::watch_sender<int> tx(context, 1);
  auto rx = tx.subscribe();
  int calls = 0;
  auto never = [&](int) {
    ++calls;
    return false;
  };
  error_code ec;
  const auto past = sluice::sync_wait_until(std::chrono::steady_clock::time_point::min());
  const auto found = rx.async_wait_for(never, asio::redirect_error(past, ec));
  BOOST_TEST(!found);
  BOOST_TEST((ec == asio::error::timed_out));
  // Once before it waits and once as it begins to.
  BOOST_TEST(calls <= 2);
}

// With an executor that cannot be assigned, which none need to be, they could not be either.
FLAVOUR_TEST_CASE(weak_senders_can_be_assigned_with_every_executor, watches) {
  task_queue queue;
  using threading = typename decltype(flavour)::threading;
  auto tx = open_watch<int, fixed_executor>(flavour, fixed_executor(queue), 1);
  sluice::weak_watch_sender<int, fixed_executor, threading> weak(tx);
  sluice::weak_watch_sender<int, fixed_executor, threading> other;
  swap(weak, other);
  BOOST_TEST(!weak.lock());
  BOOST_TEST(other.lock().same_channel(tx));
  weak = other;
  BOOST_TEST(weak.lock().same_channel(tx));
}
