// SPDX-License-Identifier: BSL-1.0
//
// asio        concurrent_channel; the thread tries, and else waits for a future; the coroutine
// tries, too asio-plain  the same with a coroutine that always waits

#include "thread/thread.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/experimental/concurrent_channel.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

#include <optional>
#include <utility>

namespace bench {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using channel = asio::experimental::concurrent_channel<asio::io_context::executor_type,
                                                       void(error_code, message)>;

template <bool TryFirst>
asio::awaitable<void> send_all(channel& c, std::uint64_t messages) {
  for (message value = 0; value != messages; ++value)
    if (!TryFirst || !c.try_send(error_code(), value))
      co_await c.async_send(error_code(), value, asio::use_awaitable);
}

template <bool TryFirst>
asio::awaitable<void> receive_all(channel& c, std::uint64_t messages, message& sum) {
  for (; messages != 0; --messages) {
    if constexpr (TryFirst) {
      if (c.try_receive([&sum](error_code, message value) { sum += value; })) continue;
    }
    sum += co_await c.async_receive(asio::use_awaitable);
  }
}

void send(channel& c, message value) {
  if (!c.try_send(error_code(), value)) c.async_send(error_code(), value, asio::use_future).get();
}

message receive(channel& c) {
  message taken = 0;
  if (c.try_receive([&taken](error_code, message value) { taken = value; })) return taken;
  return c.async_receive(asio::use_future).get();
}

template <bool TryFirst>
timing run(const hand_over& h, std::uint64_t messages) {
  asio::io_context context(1);
  channel c(context.get_executor(), h.capacity);
  message sum = 0;
  if (h.producer == side::coroutine)
    asio::co_spawn(context, send_all<TryFirst>(c, messages), asio::detached);
  else
    asio::co_spawn(context, receive_all<TryFirst>(c, messages, sum), asio::detached);
  auto work = std::make_optional(asio::make_work_guard(context));
  return run_sides(
      messages,
      [&] {
        if (h.producer == side::coroutine) {
          // What the thread waits for runs here as well.
          context.run();
          return;
        }
        for (message value = 0; value != messages; ++value) send(c, value);
        work.reset();
      },
      [&] {
        if (h.consumer == side::coroutine) {
          context.run();
        } else {
          for (std::uint64_t left = messages; left != 0; --left) sum += receive(c);
          work.reset();
        }
        return sum;
      });
}

asio::awaitable<void> answer_all(channel& c, channel& back, std::uint64_t messages) {
  for (; messages != 0; --messages) {
    const message value = co_await c.async_receive(asio::use_awaitable);
    co_await back.async_send(error_code(), value, asio::use_awaitable);
  }
}

timing run_round_trips(std::uint64_t messages) {
  asio::io_context context(1);
  channel c(context.get_executor(), 1);
  channel back(context.get_executor(), 1);
  asio::co_spawn(context, answer_all(c, back, messages), asio::detached);
  auto work = std::make_optional(asio::make_work_guard(context));
  return run_sides(
      messages, [&] { context.run(); },
      [&] {
        message sum = 0;
        for (message value = 0; value != messages; ++value) {
          send(c, value);
          sum += receive(back);
        }
        work.reset();
        return sum;
      });
}

const bool added[] = {
    add_hand_overs("asio", has_coroutine, run<true>),
    add_hand_overs("asio-plain", has_coroutine, run<false>),
    add_contender(round_trip, "asio", run_round_trips),
};

}  // namespace
}  // namespace bench
