// SPDX-License-Identifier: BSL-1.0
//
// asio     two concurrent_channels and ||, which loses messages; of 8 a parallel_group, which is
//          made for each message, and loses as well
//
// What is lost is not counted, nor what is left when the last producer has gone, and both make asio
// seem faster than it is: these messages are sent, and nobody has to take them.

#include "frame/run_context.hpp"
#include "select/select.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/experimental/concurrent_channel.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <cstddef>
#include <list>
#include <tuple>
#include <utility>
#include <vector>

namespace bench {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using executor = asio::any_io_executor;
using channel = asio::experimental::concurrent_channel<executor, void(error_code, message)>;

asio::awaitable<message> receive(channel& from) {
  auto [ec, value] = co_await from.async_receive(asio::as_tuple(asio::use_awaitable));
  co_return ec ? 0 : value;
}

asio::awaitable<void> take_two(std::list<channel>& from) {
  using namespace asio::experimental::awaitable_operators;
  channel& first = from.front();
  channel& second = from.back();
  while (first.is_open() || second.is_open()) co_await (receive(first) || receive(second));
}

asio::awaitable<void> take_many(std::list<channel>& from) {
  using operation = decltype(from.front().async_receive(asio::deferred));
  for (;;) {
    std::vector<operation> operations;
    for (channel& each : from)
      if (each.is_open()) operations.push_back(each.async_receive(asio::deferred));
    if (operations.empty()) co_return;
    co_await asio::experimental::make_parallel_group(std::move(operations))
        .async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
  }
}

asio::awaitable<void> send(channel& to, message first, message step, message end) {
  for (message value = first; value < end; value += step)
    co_await to.async_send(error_code(), value, asio::use_awaitable);
  to.close();
}

timing run(const choice& c, message messages) {
  asio::io_context context(1);
  std::list<channel> channels;
  for (std::size_t i = 0; i != c.channels; ++i)
    channels.emplace_back(context.get_executor(), c.capacity);
  asio::co_spawn(context, c.channels == 2 ? take_two(channels) : take_many(channels),
                 asio::detached);
  message first = 0;
  for (channel& each : channels)
    asio::co_spawn(context, send(each, first++, c.channels, messages), asio::detached);
  return run_context(context, 1);
}

const bool added = add_choices("asio", [](const choice& c) { return !c.blocking; }, run);

}  // namespace
}  // namespace bench
