// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE sync_wait_asio

// The blocking tokens with operations that are not ours: their contexts run elsewhere, and what
// they submit to their handler's executor runs on the blocked thread.

#include "support/probe.hpp"
#include "support/telling_clock.hpp"

#include <sluice/sync_wait.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/compose.hpp>
#include <boost/asio/detail/config.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/write.hpp>
#if defined(BOOST_ASIO_HAS_CO_AWAIT)
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#endif
#include <boost/system/system_error.hpp>
#include <boost/test/unit_test.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <utility>

using namespace support;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using asio::ip::tcp;
using sluice::error_code;
using sluice::sync_wait;

namespace {

struct connection {
  explicit connection(asio::thread_pool& pool) : client(pool), server(pool) {
    tcp::acceptor acceptor(pool, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    client.connect(acceptor.local_endpoint());
    acceptor.accept(server);
  }
  tcp::socket client;
  tcp::socket server;
};

template <class Operation>
error_code error_of(Operation begin) {
  error_code ec = asio::error::would_block;
  begin(ec);
  return ec;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_timer) {
  asio::thread_pool pool(1);
  asio::steady_timer timer(pool, 1ms);
  timer.async_wait(sync_wait);
  timer.expires_after(1h);
  telling_clock::reset();
  std::thread other([&] {
    telling_clock::wait_for_waiting();
    timer.cancel();
  });
  const auto until = sluice::sync_wait_until(telling_clock::deadline());
  BOOST_TEST(error_of([&](error_code& ec) { timer.async_wait(asio::redirect_error(until, ec)); }) ==
             asio::error::operation_aborted);
  other.join();
}

BOOST_AUTO_TEST_CASE(a_function_that_is_posted) {
  asio::thread_pool pool(1);
  asio::post(pool, sync_wait);
  asio::post(asio::make_strand(pool), sync_wait);
  asio::dispatch(pool, sluice::sync_wait_for(1h));
}

BOOST_AUTO_TEST_CASE(B2_a_deadline_cancels_an_operation_of_asio) {
  asio::thread_pool pool(1);
  asio::steady_timer timer(pool, 1h);
  BOOST_TEST(error_of([&](error_code& ec) {
               timer.async_wait(asio::redirect_error(sluice::sync_wait_for(1ms), ec));
             }) == asio::error::timed_out);
  BOOST_TEST(std::get<0>(timer.async_wait(asio::as_tuple(sluice::sync_wait_for(-1h)))) ==
             asio::error::timed_out);
  try {
    timer.async_wait(sluice::sync_wait_for(0s));
    BOOST_ERROR("it should have thrown an exception");
  } catch (const boost::system::system_error& e) {
    BOOST_TEST(e.code() == asio::error::timed_out);
  }
  timer.expires_at(std::chrono::steady_clock::time_point::min());
  BOOST_TEST(error_of([&](error_code& ec) {
               timer.async_wait(
                   asio::redirect_error(sluice::sync_wait_for(std::chrono::hours::max()), ec));
             }) == error_code());
}

BOOST_AUTO_TEST_CASE(sockets_and_composed_operations) {
  asio::thread_pool pool(1);
  connection both(pool);
  std::string sent(300'000, 'x');
  std::string received(sent.size(), ' ');
  std::size_t written = 0;
  std::thread other([&] {
    error_code ec;
    written =
        asio::async_write(both.server, asio::buffer(sent), asio::redirect_error(sync_wait, ec));
  });
  // Its steps run on this thread, and so does the completion condition.
  const auto here = std::this_thread::get_id();
  int elsewhere = 0;
  const std::size_t read = asio::async_read(
      both.client, asio::buffer(received),
      [&](error_code ec, std::size_t so_far) {
        elsewhere += std::this_thread::get_id() == here ? 0 : 1;
        return ec ? std::size_t(0) : received.size() - so_far;
      },
      sluice::sync_wait_for(1h));
  other.join();
  BOOST_TEST(read == sent.size());
  BOOST_TEST(written == sent.size());
  BOOST_TEST((received == sent));
  BOOST_TEST(elsewhere == 0);

  // A deadline in the middle: what has been read is told.
  BOOST_TEST(asio::write(both.server, asio::buffer("abc", 3)) == 3u);
  const auto [ec, count] = asio::async_read(both.client, asio::buffer(received, 100),
                                            asio::as_tuple(sluice::sync_wait_for(20ms)));
  BOOST_TEST(ec == asio::error::timed_out);
  BOOST_TEST(count <= 3u);
}

BOOST_AUTO_TEST_CASE(B1_operations_of_asio_would_deadlock_too) {
  asio::io_context context;
  asio::steady_timer timer(context, 1h);
  int refused = 0;
  asio::post(context, [&] {
    error_code ec;
    timer.async_wait(asio::redirect_error(sync_wait, ec));
    refused += ec == sluice::error::would_deadlock ? 1 : 0;
    const auto [again] = timer.async_wait(asio::as_tuple(sluice::sync_wait_for(0s)));
    refused += again == sluice::error::would_deadlock ? 1 : 0;
  });
  BOOST_TEST(context.run() == 1u);
  BOOST_TEST(refused == 2);
}

BOOST_AUTO_TEST_CASE(B3_a_context_is_destroyed_under_a_timer) {
  for (int round = 0; round != 50; ++round) {
    telling_clock::reset();
    auto context = std::make_unique<asio::io_context>();
    // A timer must not outlive its context, so the context destroys it.
    auto* timer = new asio::steady_timer(*context, 1h);
    std::thread other([&] {
      telling_clock::wait_for_waiting();
      delete std::exchange(timer, nullptr);
      context.reset();
    });
    // Nobody runs the context, so the cancelled operation is never completed.
    auto& waiting = *timer;
    const auto [ec] =
        waiting.async_wait(asio::as_tuple(sluice::sync_wait_until(telling_clock::deadline())));
    BOOST_TEST(ec == asio::error::operation_aborted);
    other.join();
  }
}

// An operation that throws away its handler, and one that throws an exception on the blocked
// thread.
BOOST_AUTO_TEST_CASE(an_operation_that_gives_up) {
  asio::thread_pool pool(1);
  const auto lose = [](auto handler) { static_cast<void>(handler); };
  auto tuple_token = asio::as_tuple(sync_wait);
  const auto [ec, value] =
      asio::async_initiate<decltype(tuple_token), void(error_code, int)>(lose, tuple_token);
  BOOST_TEST(ec == asio::error::operation_aborted);
  BOOST_TEST(value == 0);

  const auto fail = [&pool](auto handler) {
    auto ex = asio::get_associated_executor(handler, pool.get_executor());
    asio::post(ex, [handler = std::move(handler)] { throw std::domain_error("no"); });
  };
  auto token = sync_wait;
  BOOST_CHECK_THROW((asio::async_initiate<decltype(token), void(error_code)>(fail, token)),
                    std::domain_error);
}

// What is submitted runs in its order, on the blocked thread, until the handler has been called.
BOOST_AUTO_TEST_CASE(several_functions_of_one_operation) {
  asio::thread_pool pool(2);
  const auto here = std::this_thread::get_id();
  std::string steps;
  const auto begin = [&](auto handler) {
    auto ex = asio::get_associated_executor(handler, pool.get_executor());
    asio::post(pool, [&, ex, handler = std::move(handler)]() mutable {
      for (char step : std::string("abc"))
        asio::post(
            ex, [&steps, here, step] { steps += std::this_thread::get_id() == here ? step : '!'; });
      asio::post(ex, [&steps, handler = std::move(handler)]() mutable {
        std::move(handler)(error_code(), int(steps.size()));
      });
    });
  };
  auto token = sync_wait;
  BOOST_TEST((asio::async_initiate<decltype(token), void(error_code, int)>(begin, token)) == 3);
  BOOST_TEST(steps == "abc");
}

#if defined(BOOST_ASIO_HAS_CO_AWAIT)

BOOST_AUTO_TEST_CASE(a_coroutine) {
  asio::thread_pool pool(1);
  auto add = [](int a, int b) -> asio::awaitable<int> { co_return a + b; };
  BOOST_TEST(asio::co_spawn(pool, add(3, 4), sync_wait) == 7);
  auto nothing = []() -> asio::awaitable<void> { co_return; };
  asio::co_spawn(asio::make_strand(pool), nothing(), sluice::sync_wait_for(1h));
}

BOOST_AUTO_TEST_CASE(B2_a_coroutine_may_answer_its_deadline_with_an_exception_of_its_own) {
  asio::thread_pool pool(1);
  auto wait = []() -> asio::awaitable<void> {
    asio::steady_timer timer(co_await asio::this_coro::executor,
                             asio::steady_timer::time_point::max());
    try {
      co_await timer.async_wait(asio::use_awaitable);
    } catch (const boost::system::system_error&) {
      throw std::runtime_error("its own");
    }
  };
  BOOST_CHECK_THROW(asio::co_spawn(pool, wait(), sluice::sync_wait_for(1ms)), std::runtime_error);
}

#endif
