// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE sync_wait_memory

// A thread that blocks asks the heap for nothing. The heap that counts is for one thread, so the
// thread that waits is woken by its own clock: when it is asked whether the deadline has passed.

#include "support/heap.hpp"
#include "support/probe.hpp"

#include <sluice/channel.hpp>
#include <sluice/sync_receiver.hpp>
#include <sluice/sync_sender.hpp>
#include <sluice/sync_wait.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/strand.hpp>
#include <boost/test/unit_test.hpp>

#include <array>
#include <chrono>
#include <functional>
#include <new>
#include <optional>
#include <utility>

using namespace support;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using sluice::error_code;

namespace {

/// Does something when a thread that has begun to wait looks at it.
struct acting_clock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<acting_clock>;
  [[maybe_unused]] static constexpr bool is_steady = false;

  static time_point now() noexcept {
    if (auto act = std::exchange(action, nullptr)) act();
    return time_point(duration(0));
  }

  static inline std::function<void()> action;
};

const auto waiting = sluice::sync_wait_until(acting_clock::time_point(1h));

/// How many allocations a call makes that was made once before.
template <class Call>
std::size_t allocations_of(Call call) {
  call();
  const std::size_t before = heap::allocations;
  call();
  return heap::allocations - before;
}

}  // namespace

BOOST_AUTO_TEST_CASE(an_operation_that_is_ready_allocates_nothing) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 4);
  sluice::sync_sender sending(std::move(tx));
  sluice::sync_receiver receiving(std::move(rx));
  BOOST_TEST(allocations_of([&] {
               sending.send(1);
               static_cast<void>(receiving.receive());
               sending.send_for(1h, 1);
               static_cast<void>(receiving.receive_for(1h));
             }) == 0u);
}

BOOST_AUTO_TEST_CASE(a_receive_that_waits_allocates_nothing) {
  asio::io_context context;
  auto channel = sluice::make_channel<int>(context, 4);
  auto& [tx, rx] = channel;
  std::optional<int> got;
  BOOST_TEST(allocations_of([&, &sending = tx, &receiving = rx] {
               acting_clock::action = [&sending] { static_cast<void>(sending.try_send(7)); };
               got = receiving.async_receive(waiting);
             }) == 0u);
  BOOST_TEST(got.value() == 7);
}

BOOST_AUTO_TEST_CASE(a_send_that_waits_allocates_nothing) {
  asio::io_context context;
  // Large enough not to fit beside an operation that does not know of it.
  struct large {
    std::array<char, 2000> bytes{};
  };
  auto channel = sluice::make_channel<large>(context, 1);
  auto& [tx, rx] = channel;
  sluice::sync_sender blocking(tx);
  BOOST_TEST(!tx.try_send(large()));
  BOOST_TEST(allocations_of([&, &sending = tx, &receiving = rx] {
               acting_clock::action = [&] { static_cast<void>(receiving.try_receive()); };
               blocking.send_until(acting_clock::time_point(1h), large());
               acting_clock::action = [&] { static_cast<void>(receiving.try_receive()); };
               sending.async_send(large(), waiting);
             }) == 0u);
}

BOOST_AUTO_TEST_CASE(a_deadline_allocates_nothing) {
  asio::io_context context;
  auto channel = sluice::make_channel<int, asio::strand<asio::io_context::executor_type>>(
      asio::make_strand(context), 0);
  error_code ec;
  BOOST_TEST(allocations_of([&] {
               static_cast<void>(channel.second.async_receive(
                   asio::redirect_error(sluice::sync_wait_for(1us), ec)));
               BOOST_TEST(ec == asio::error::timed_out);
               channel.first.async_send(1, asio::redirect_error(sluice::sync_wait_for(1us), ec));
               BOOST_TEST(ec == asio::error::timed_out);
             }) == 0u);
}

// What an operation that could not be begun leaves behind: nothing.
BOOST_AUTO_TEST_CASE(without_memory_nothing_is_lost) {
  for (long after = 0; after != 6; ++after) {
    asio::io_context context;
    auto channel = sluice::make_channel<int>(context, 1);
    auto& [tx, rx] = channel;
    // The context has its services already: a strand of Asio's cannot be made half.
    auto another = sluice::make_channel<int>(context, 1);
    another.second.async_receive(asio::detached);
    BOOST_TEST(!tx.try_send(1));
    bool failed = false;
    error_code ec;
    {
      failing_heap no_memory(after);
      try {
        // The context hears of the channel for the first time, which takes memory.
        tx.async_send(2, asio::redirect_error(sluice::sync_wait_for(0s), ec));
      } catch (const std::bad_alloc&) {
        failed = true;
      }
    }
    BOOST_TEST((failed || ec == asio::error::timed_out));
    BOOST_TEST(rx.try_receive().value() == 1);
    BOOST_TEST(!rx.try_receive().has_value());
    BOOST_TEST(tx.sender_count() == 1u);
  }
}
