// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE sync_regressions

// What went wrong once where threads block; each test says what.

#include "support/probe.hpp"
#include "support/telling_clock.hpp"
#include "support/user_executors.hpp"

#include <sluice/channel.hpp>
#include <sluice/sync_bridge.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detail/config.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/execution.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/version.hpp>
#if BOOST_ASIO_VERSION >= 103200
#include <boost/asio/cancel_after.hpp>
#endif
#if defined(BOOST_ASIO_HAS_CO_AWAIT)
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#endif
#include <boost/system/system_error.hpp>
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <ratio>
#include <string>
#include <thread>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

using namespace support;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using sluice::error_code;
using sluice::sync_bridge;
using sluice::sync_wait;

namespace {

/// Empties a channel before it runs anything.
struct draining_executor {
  sluice::receiver<int>* from;
  std::vector<int>* received;

  template <class F>
  void execute(F&& f) const {
    while (auto value = from->try_receive()) received->push_back(*value);
    std::decay_t<F> function(std::forward<F>(f));
    std::move(function)();
  }

  static constexpr asio::execution::blocking_t query(asio::execution::blocking_t) noexcept {
    return asio::execution::blocking.never;
  }

  draining_executor require(asio::execution::blocking_t::never_t) const noexcept { return *this; }

  friend bool operator==(draining_executor a, draining_executor b) noexcept {
    return a.from == b.from;
  }
  [[maybe_unused]] friend bool operator!=(draining_executor a, draining_executor b) noexcept {
    return !(a == b);
  }
};

}  // namespace

// The last look of a send whose time was over sent all of its values, those again that had been
// accepted before.
BOOST_AUTO_TEST_CASE(B2_a_send_of_several_values_sends_each_of_them_once) {
  asio::io_context context;
  auto channel = sluice::make_channel<int>(context, 3);
  auto& [tx, rx] = channel;
  BOOST_TEST(!tx.try_send(0));
  std::vector<int> values = {1, 2, 3};
  std::vector<int> received;
  // Two of them have places. The third is cancelled, and then all places become free.
  const draining_executor draining{&rx, &received};
  const auto [ec, accepted] = tx.async_send_all(
      std::ref(values), asio::bind_executor(draining, asio::as_tuple(sluice::sync_wait_for(0s))));
  while (auto value = rx.try_receive()) received.push_back(*value);
  BOOST_TEST(ec == asio::error::timed_out);
  BOOST_TEST(accepted == 2u);
  BOOST_TEST(received == std::vector<int>({0, 1, 2}), boost::test_tools::per_element());
}

// What there was to do came before the deadline, and a loop that is never done always had
// something.
BOOST_AUTO_TEST_CASE(B2_a_deadline_ends_a_loop_that_always_finds_more) {
  constexpr int for_ever = 1'000'000;
  asio::io_context context;
  auto channel = sluice::make_channel<int>(context, 1);
  auto& [tx, rx] = channel;
  telling_clock::reset();
  const auto deadline = telling_clock::start() + 1ms;
  BOOST_TEST(!tx.try_send(0));
  int received = 0;
  const auto [ec] = rx.async_for_each(
      [&received, &sending = tx, deadline](int) {
        if (++received == 1000) telling_clock::set(deadline);
        if (received == for_ever)
          sending.close();
        else
          static_cast<void>(sending.try_send(0));
      },
      asio::as_tuple(sluice::sync_wait_until(deadline)));
  BOOST_TEST(ec == asio::error::timed_out);
  BOOST_TEST(received < 2000);
  BOOST_TEST(tx.size() == 1u);
}

// Hundreds of years were multiplied before they were divided, and became a moment in the past.
BOOST_AUTO_TEST_CASE(B2_a_long_time_in_odd_fractions_of_a_second_does_not_overflow) {
  using frames = std::chrono::duration<std::int64_t, std::ratio<1, 60>>;
  using thirds = std::chrono::duration<std::int64_t, std::ratio<1, 3>>;
  const auto in_a_century = std::chrono::steady_clock::now() + 24h * 365 * 100;
  BOOST_TEST((sluice::sync_wait_for(frames(400'000'000'000)).deadline().limit() > in_a_century));
  BOOST_TEST((sluice::sync_wait_for(thirds(20'000'000'000)).deadline().limit() > in_a_century));
  BOOST_TEST((sluice::sync_wait_for(frames(-400'000'000'000)).deadline().has_passed()));
  // The largest numbers below what the clock can count.
  for (double seconds = 9223372036.854775807; seconds > 9223372036.854;
       seconds = std::nextafter(seconds, 0.0))
    BOOST_TEST((sluice::sync_wait_for(std::chrono::duration<double>(seconds)).deadline().limit() >
                in_a_century));
}

// With some versions of Asio a handler that is bound to an executor was not asked whether its
// operation is ready, and its time was over before that executor could do anything.
BOOST_AUTO_TEST_CASE(B2_a_handler_that_is_bound_elsewhere_takes_what_is_there_too_late) {
  asio::io_context nobody_runs;
  auto channel = sluice::make_channel<int>(nobody_runs, 1);
  auto& [tx, rx] = channel;
  const auto too_late = asio::as_tuple(sluice::sync_wait_for(-1h));
  const auto [ec] = tx.async_send(7, asio::bind_executor(nobody_runs, too_late));
  BOOST_TEST(!ec);
  const auto [received_ec, value] =
      rx.async_receive(asio::bind_executor(nobody_runs.get_executor(), too_late));
  BOOST_TEST(!received_ec);
  BOOST_TEST(value.value() == 7);
}

namespace {

/// A function that waits for a thread before it goes.
class joining {
 public:
  explicit joining(std::thread t) noexcept : thread_(std::move(t)) {}
  joining(joining&&) = default;
  ~joining() {
    if (thread_.joinable()) thread_.join();
  }
  void operator()() const {}

 private:
  std::thread thread_;
};

/// A bridge whose line holds a function that, to go, waits for a thread that waits behind it.
template <class End>
error_code told_behind_a_joining_function(asio::io_context& context, End end) {
  sync_bridge bridge(context);
  std::atomic<bool> may_call{false};
  error_code told;
  std::thread calling([&] {
    while (!may_call) std::this_thread::yield();
    bridge.call([] {}, told);
  });
  BOOST_TEST(!bridge.post(joining(std::move(calling))));
  may_call = true;
  while (bridge.size() != 2) std::this_thread::yield();
  end(bridge);
  return told;
}

}  // namespace

// Functions were refused in their order, so one that waited for a thread further back waited for
// ever.
BOOST_AUTO_TEST_CASE(B3_a_function_that_is_refused_may_wait_for_a_thread_that_calls) {
  asio::io_context open;
  BOOST_TEST(told_behind_a_joining_function(open, [](auto& bridge) { bridge.close(); }) ==
             sluice::error::closed);
  auto context = std::make_unique<asio::io_context>();
  BOOST_TEST(told_behind_a_joining_function(*context, [&](auto&) { context.reset(); }) ==
             asio::error::operation_aborted);
}

// A handle with a default token of its own was converted to one with a type-erased executor, which
// did not recognise what it held.
BOOST_AUTO_TEST_CASE(B1_an_executor_with_a_default_token_is_recognised_in_a_type_erased_one) {
  asio::io_context context;
  auto channel = sluice::make_channel<int, asio::io_context::executor_type>(context, 1);
  auto& [tx, rx] = channel;
  const auto blocking_rx = sluice::sync_wait_t::as_default_on(rx);
  const asio::deferred_t::as_default_on_t<decltype(channel.first)> deferred_tx(tx);
  sluice::sync_receiver receiving{sluice::receiver<int>(blocking_rx)};
  sluice::sync_sender sending{sluice::sender<int>(deferred_tx)};
  error_code seen[2];
  asio::post(context, [&] {
    static_cast<void>(receiving.receive_for(0s, seen[0]));
    sending.send(1, seen[1]);
  });
  context.run();
  for (const error_code ec : seen) BOOST_TEST(ec == sluice::error::would_deadlock);
}

// An executor that cannot tell where it runs let a function wait for the next of the same bridge.
BOOST_AUTO_TEST_CASE(B1_a_function_must_not_wait_for_its_own_bridge_whatever_the_executor) {
  task_context context, inner_context;
  sync_bridge bridge(posting_executor{&context});
  sync_bridge inner(posting_executor{&inner_context});
  error_code seen[2];
  int ran = 0;
  BOOST_TEST(!bridge.post([&] {
    bridge.call([&ran] { ++ran; }, seen[0]);
    // Inside of another one, too.
    BOOST_TEST(!inner.post([&] { bridge.call_for(1h, [&ran] { ++ran; }, seen[1]); }));
    inner_context.queue.run();
  }));
  context.queue.run();
  for (const error_code ec : seen) BOOST_TEST(ec == sluice::error::would_deadlock);
  // That is over: now this thread may wait for others, of whom there are none.
  error_code later;
  bridge.call_for(0s, [&ran] { ++ran; }, later);
  BOOST_TEST(later == asio::error::timed_out);
  BOOST_TEST(ran == 0);
}

// Executors among the arguments are those of adapters, or messages.
BOOST_AUTO_TEST_CASE(executors_can_be_messages) {
  asio::thread_pool pool(1);
  auto channel = sluice::make_channel<asio::any_io_executor>(pool, 1);
  auto& [tx, rx] = channel;
  const asio::any_io_executor ex = pool.get_executor();
  tx.async_send(ex, sync_wait);
  BOOST_TEST((rx.async_receive(sluice::sync_wait_for(1h)).value() == ex));
  auto bound = asio::bind_executor(ex, asio::as_tuple(sluice::sync_wait_for(1h)));
  BOOST_TEST(!std::get<0>(tx.async_send(ex, bound)));
  BOOST_TEST((std::get<1>(rx.async_receive(bound)).value() == ex));
}

// These did not compile: results that can be moved but not assigned, and some that functions
// return.
BOOST_AUTO_TEST_CASE(results_need_no_more_than_to_be_moved) {
  asio::thread_pool pool(1);
  struct fixed {
    explicit fixed(int n) : number(n) {}
    fixed(fixed&&) = default;
    fixed& operator=(fixed&&) = delete;
    const int number;
  };
  const auto begin = [&pool](auto handler) {
    asio::post(pool, [handler = std::move(handler)]() mutable {
      std::move(handler)(error_code(), fixed(7));
    });
  };
  auto token = sync_wait;
  BOOST_TEST(
      (asio::async_initiate<decltype(token), void(error_code, fixed)>(begin, token).number) == 7);

  sync_bridge bridge(pool);
  BOOST_TEST(bridge.call([] { return fixed(8); }).number == 8);
  const auto constant = []() -> const std::string { return "text"; };
  static_assert(std::is_same_v<decltype(bridge.call(constant)), const std::string>);
  BOOST_TEST(bridge.call(constant) == "text");
  error_code ec;
  BOOST_TEST(bridge.call(constant, ec).value() == "text");
  std::string text(40, 'a');
  const auto give = [&]() -> std::string&& { return std::move(text); };
  static_assert(std::is_same_v<decltype(bridge.call(give)), std::string&&>);
  BOOST_TEST(bridge.call(give, ec) == &text);
  const std::string given = bridge.call(give);
  BOOST_TEST(given.size() == 40u);
  BOOST_TEST(text.empty());
}

#if defined(BOOST_ASIO_HAS_CO_AWAIT)

// It did not compile: a coroutine cannot run on a blocked thread. Now it runs where the handle
// says.
BOOST_AUTO_TEST_CASE(a_thread_waits_for_a_loop_that_awaits) {
  asio::thread_pool pool(1);
  auto channel = sluice::make_channel<int>(pool, 4);
  auto& [tx, rx] = channel;
  for (int i = 1; i != 4; ++i) BOOST_TEST(!tx.try_send(i));
  int sum = 0;
  const auto add = [&sum](int value) -> asio::awaitable<void> {
    sum += value;
    co_return;
  };
  BOOST_TEST(std::get<0>(rx.async_for_each(add, asio::as_tuple(sluice::sync_wait_for(20ms)))) ==
             asio::error::timed_out);
  BOOST_TEST(sum == 6);
  BOOST_TEST(!tx.try_send(10));
  tx.close();
  rx.async_for_each(add, sync_wait);
  BOOST_TEST(sum == 16);
}

// Asio's coroutines hear of a cancellation later, on their executor, and some versions of Asio come
// back to the signal then; it lay in the frame of the call, which was over by that time.
BOOST_AUTO_TEST_CASE(B2_a_coroutine_that_ends_when_its_time_is_over) {
  asio::thread_pool pool(1);
  const auto wait = [](int us) -> asio::awaitable<int> {
    asio::steady_timer timer(co_await asio::this_coro::executor, std::chrono::microseconds(us));
    co_await timer.async_wait(asio::use_awaitable);
    co_return us;
  };
  int wrong = 0;
  for (int us = 0; us != 300; ++us) {
    try {
      const auto token = sluice::sync_wait_for(std::chrono::microseconds(us));
      wrong += asio::co_spawn(pool, wait(us), token) == us ? 0 : 1;
    } catch (const boost::system::system_error& e) {
      wrong += e.code() == asio::error::timed_out ? 0 : 1;
    }
  }
  BOOST_TEST(wrong == 0);

  // The same in a loop that awaits.
  auto channel = sluice::make_channel<int>(pool, 1);
  auto& [tx, rx] = channel;
  for (int us = 0; us != 300; ++us) {
    static_cast<void>(rx.try_receive());
    BOOST_TEST(!tx.try_send(us));
    const auto [ec] = rx.async_for_each(
        [](int value) -> asio::awaitable<bool> {
          asio::steady_timer timer(co_await asio::this_coro::executor,
                                   std::chrono::microseconds(value));
          co_await timer.async_wait(asio::use_awaitable);
          co_return false;
        },
        asio::as_tuple(sluice::sync_wait_for(std::chrono::microseconds(us))));
    wrong += !ec || ec == asio::error::timed_out ? 0 : 1;
  }
  BOOST_TEST(wrong == 0);
}

#endif

#if BOOST_ASIO_VERSION >= 103200
// A thread asked again and again whether a receive was ready, and each time a timer of Asio's began,
// which took the message with it, and where it was to be put when it was gone.
BOOST_AUTO_TEST_CASE(D3_what_also_begins_a_timer_is_not_asked_whether_it_is_ready) {
  asio::thread_pool pool(1);
  auto [tx, rx] = sluice::make_channel<int>(pool, 4);
  for (int number = 1; number != 5; ++number) {
    BOOST_TEST(!tx.try_send(number));
    const auto received = rx.async_receive(asio::cancel_after(10s, sync_wait));
    BOOST_TEST(received.value_or(0) == number);
  }
  BOOST_CHECK_THROW(static_cast<void>(rx.async_receive(asio::cancel_after(1ms, sync_wait))),
                    boost::system::system_error);
}
#endif
