// SPDX-License-Identifier: BSL-1.0
//
// asio        a variable, and a timer whose cancel() wakes everybody who waits for it
// asio-chan   a concurrent_channel of capacity 1 for each receiver

#include "frame/run_context.hpp"
#include "watch/watch.hpp"

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
#include <list>
#include <vector>

namespace bench {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using executor = asio::io_context::executor_type;
constexpr asio::use_awaitable_t<executor> token;

using timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>, executor>;

struct state {
  explicit state(executor ex) : changed(ex, timer::time_point::max()) {}

  timer changed;
  message value = 0;
  message version = 0;
  bool closed = false;
};

asio::awaitable<void, executor> follow(state& from, message& sum) {
  message seen = 0;
  for (;;) {
    while (seen == from.version && !from.closed) {
      error_code ec;
      co_await from.changed.async_wait(asio::redirect_error(token, ec));
    }
    if (seen == from.version) co_return;
    seen = from.version;
    sum += from.value;
  }
}

asio::awaitable<void, executor> produce(state& to, message count) {
  for (message value = 0; value != count; ++value) {
    to.value = value;
    ++to.version;
    to.changed.cancel();
    co_await asio::post(token);
  }
  to.closed = true;
  to.changed.cancel();
}

timing run_timer(std::uint64_t values, std::vector<message>& sums) {
  asio::io_context context(1);
  state shared(context.get_executor());
  for (message& sum : sums) asio::co_spawn(context, follow(shared, sum), asio::detached);
  asio::co_spawn(context, produce(shared, values), asio::detached);
  return run_context(context, 1);
}

using channel = asio::experimental::concurrent_channel<executor, void(error_code, message)>;

asio::awaitable<void, executor> follow(channel& from, message count, message& sum) {
  for (; count != 0; --count) sum += co_await from.async_receive(token);
}

asio::awaitable<void, executor> produce(std::list<channel>& to, message count) {
  for (message value = 0; value != count; ++value) {
    for (channel& each : to) each.try_send(error_code(), value);
    co_await asio::post(token);
  }
}

timing run_channels(std::uint64_t values, std::vector<message>& sums) {
  asio::io_context context(1);
  std::list<channel> channels;
  for (message& sum : sums) {
    channels.emplace_back(context.get_executor(), 1);
    asio::co_spawn(context, follow(channels.back(), values, sum), asio::detached);
  }
  asio::co_spawn(context, produce(channels, values), asio::detached);
  return run_context(context, 1);
}

const bool added[] = {
    add_watch("asio", run_timer),
    add_watch("asio-chan", run_channels),
};

}  // namespace
}  // namespace bench
