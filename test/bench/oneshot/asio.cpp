// SPDX-License-Identifier: BSL-1.0
//
// asio        a concurrent_channel of capacity 1 for each message, with use_awaitable, typed on
//             io_context's executor
// asio-timer  a variable, and a timer whose cancel() wakes who waits for it

#include "frame/run_context.hpp"
#include "oneshot/oneshot.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/concurrent_channel.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <memory>
#include <utility>

namespace bench {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using executor = asio::io_context::executor_type;
using channel = asio::experimental::concurrent_channel<executor, void(error_code, message)>;
constexpr asio::use_awaitable_t<executor> token;

asio::awaitable<void, executor> ready(executor ex, message count, message& sum) {
  for (message value = 0; value != count; ++value) {
    channel one(ex, 1);
    one.try_send(error_code(), value);
    sum += co_await one.async_receive(token);
  }
}

timing run_ready(std::uint64_t messages) {
  asio::io_context context(1);
  message sum = 0;
  asio::co_spawn(context, ready(context.get_executor(), messages, sum), asio::detached);
  const timing result = run_context(context, 1);
  check_sum(messages, sum);
  return result;
}

asio::awaitable<void, executor> wait_first(executor ex, message count, channel*& slot,
                                           message& sum) {
  for (; count != 0; --count) {
    channel one(ex, 1);
    slot = &one;
    sum += co_await one.async_receive(token);
  }
}

asio::awaitable<void, executor> fill(message count, channel*& slot) {
  for (message value = 0; value != count;) {
    if (channel* one = std::exchange(slot, nullptr)) {
      one->try_send(error_code(), value);
      ++value;
    }
    co_await asio::post(token);
  }
}

timing run_waits(std::uint64_t messages) {
  asio::io_context context(1);
  channel* slot = nullptr;
  message sum = 0;
  asio::co_spawn(context, wait_first(context.get_executor(), messages, slot, sum), asio::detached);
  asio::co_spawn(context, fill(messages, slot), asio::detached);
  const timing result = run_context(context, 1);
  check_sum(messages, sum);
  return result;
}

using timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>, executor>;

struct by_timer {
  explicit by_timer(executor ex) : sent(ex, timer::time_point::max()) {}

  timer sent;
  message value = 0;
};

asio::awaitable<void, executor> wait_first(executor ex, message count, by_timer*& slot,
                                           message& sum) {
  for (; count != 0; --count) {
    // On the heap, as what is shared with somebody else has to be.
    auto one = std::make_unique<by_timer>(ex);
    slot = one.get();
    error_code ec;
    co_await one->sent.async_wait(asio::redirect_error(token, ec));
    sum += one->value;
  }
}

asio::awaitable<void, executor> fill(message count, by_timer*& slot) {
  for (message value = 0; value != count;) {
    if (by_timer* one = std::exchange(slot, nullptr)) {
      one->value = value++;
      one->sent.cancel();
    }
    co_await asio::post(token);
  }
}

timing run_timer(std::uint64_t messages) {
  asio::io_context context(1);
  by_timer* slot = nullptr;
  message sum = 0;
  asio::co_spawn(context, wait_first(context.get_executor(), messages, slot, sum), asio::detached);
  asio::co_spawn(context, fill(messages, slot), asio::detached);
  const timing result = run_context(context, 1);
  check_sum(messages, sum);
  return result;
}

struct request {
  message value = 0;
  channel* reply = nullptr;
};

using requests = asio::experimental::concurrent_channel<executor, void(error_code, request)>;

asio::awaitable<void, executor> actor(requests& from, message count) {
  for (; count != 0; --count) {
    const request next = co_await from.async_receive(token);
    next.reply->try_send(error_code(), next.value);
  }
}

asio::awaitable<void, executor> client(requests& to, executor ex, message count, message& sum) {
  for (message value = 0; value != count; ++value) {
    channel one(ex, 1);
    request next;
    next.value = value;
    next.reply = &one;
    co_await to.async_send(error_code(), next, token);
    sum += co_await one.async_receive(token);
  }
}

timing run_reply(std::uint64_t messages) {
  asio::io_context context(1);
  message sum = 0;
  requests box(context.get_executor(), actor_capacity);
  asio::co_spawn(context, actor(box, messages), asio::detached);
  asio::co_spawn(context, client(box, context.get_executor(), messages, sum), asio::detached);
  const timing result = run_context(context, 1);
  check_sum(messages, sum);
  return result;
}

const bool added[] = {
    add_contender(oneshot_ready, "asio", run_ready),
    add_contender(oneshot_waits, "asio", run_waits),
    add_contender(oneshot_waits, "asio-timer", run_timer),
    add_contender(oneshot_reply, "asio", run_reply),
};

}  // namespace
}  // namespace bench
