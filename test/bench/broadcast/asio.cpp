// SPDX-License-Identifier: BSL-1.0
//
// asio      a concurrent_channel for each receiver, with use_awaitable, typed on io_context's
// executor asio-try  the same, but what can be done at once is done by try_send and try_receive

#include "broadcast/broadcast.hpp"
#include "frame/run_context.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/concurrent_channel.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <list>
#include <vector>

namespace bench {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using executor = asio::io_context::executor_type;
using channel =
    asio::experimental::concurrent_channel<executor, void(boost::system::error_code, message)>;
constexpr asio::use_awaitable_t<executor> token;

template <bool TryFirst>
asio::awaitable<void, executor> produce(std::list<channel>& channels, message count) {
  for (message value = 0; value != count; ++value) {
    for (channel& each : channels) {
      if (TryFirst && each.try_send(error_code(), value)) continue;
      co_await each.async_send(error_code(), value, token);
    }
  }
}

template <bool TryFirst>
asio::awaitable<void, executor> consume(channel& from, message count, message& sum) {
  for (; count != 0; --count) {
    auto receive = [&sum](error_code, message value) { sum += value; };
    if (TryFirst && from.try_receive(receive)) continue;
    sum += co_await from.async_receive(token);
  }
}

template <bool TryFirst>
timing run(std::uint64_t messages, std::vector<message>& sums) {
  asio::io_context context(1);
  std::list<channel> channels;
  for (message& sum : sums) {
    channels.emplace_back(context.get_executor(), broadcast_capacity);
    asio::co_spawn(context, consume<TryFirst>(channels.back(), messages, sum), asio::detached);
  }
  asio::co_spawn(context, produce<TryFirst>(channels, messages), asio::detached);
  return run_context(context, 1);
}

const bool added[] = {
    add_broadcast("asio", run<false>),
    add_broadcast("asio-try", run<true>),
};

}  // namespace
}  // namespace bench
