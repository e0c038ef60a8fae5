// SPDX-License-Identifier: BSL-1.0
//
// asio        concurrent_channel (W1n: channel) with use_awaitable, typed on io_context's executor
// asio-any    the same with any_io_executor
// asio-try    as asio, but what can be done at once is done by try_send and try_receive

#include "frame/run_context.hpp"
#include "stream/stream.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/channel.hpp>
#include <boost/asio/experimental/concurrent_channel.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <list>
#include <utility>

namespace bench {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using signature = void(error_code, message);

/// Always asks the channel to wait, whether it has to or not.
struct plainly {
  template <class Executor, class Channel>
  static asio::awaitable<void, Executor> produce(Channel& channel, message first, message count,
                                                 bool) {
    constexpr asio::use_awaitable_t<Executor> token;
    for (message value = first; value != first + count; ++value)
      co_await channel.async_send(error_code(), value, token);
  }

  template <class Executor, class Channel>
  static asio::awaitable<void, Executor> consume(Channel& channel, message count, tally& received) {
    constexpr asio::use_awaitable_t<Executor> token;
    for (; count != 0; --count) received.sum += co_await channel.async_receive(token);
  }
};

struct try_first {
  template <class Executor, class Channel>
  static asio::awaitable<void, Executor> produce(Channel& channel, message first, message count,
                                                 bool never_full) {
    constexpr asio::use_awaitable_t<Executor> token;
    for (message value = first; value != first + count; ++value) {
      // Nothing else would ever make this producer give up its turn.
      if (never_full && value % 64 == 0) co_await asio::post(token);
      if (!channel.try_send(error_code(), value))
        co_await channel.async_send(error_code(), value, token);
    }
  }

  template <class Executor, class Channel>
  static asio::awaitable<void, Executor> consume(Channel& channel, message count, tally& received) {
    constexpr asio::use_awaitable_t<Executor> token;
    for (; count != 0; --count) {
      auto receive = [&received](error_code, message value) { received.sum += value; };
      if (!channel.try_receive(receive)) received.sum += co_await channel.async_receive(token);
    }
  }
};

template <class Way, class Executor, class Channel>
timing run(const stream& s, std::uint64_t messages) {
  asio::io_context context(s.threads);
  Channel channel(context.get_executor(), s.capacity);
  std::list<asio::cancellation_signal> signals;
  std::vector<tally> tallies(static_cast<std::size_t>(s.consumers));

  auto spawn = [&](asio::awaitable<void, Executor> coroutine) {
    if (s.kind == flavour::cancellable) {
      auto slot = signals.emplace_back().slot();
      asio::co_spawn(context, std::move(coroutine),
                     asio::bind_cancellation_slot(slot, asio::detached));
    } else {
      asio::co_spawn(context, std::move(coroutine), asio::detached);
    }
  };

  for (tally& received : tallies)
    spawn(Way::template consume<Executor>(channel, messages / tallies.size(), received));
  const message share = messages / static_cast<message>(s.producers);
  for (int p = 0; p != s.producers; ++p)
    spawn(Way::template produce<Executor>(channel, share * static_cast<message>(p), share,
                                          s.capacity == unbounded));

  const timing result = run_context(context, s.threads);
  check_tallies(messages, tallies);
  return result;
}

template <class Way, class Executor>
timing run_flavour(const stream& s, std::uint64_t messages) {
  namespace experimental = asio::experimental;
  return s.kind == flavour::unsynchronised
             ? run<Way, Executor, experimental::channel<Executor, signature>>(s, messages)
             : run<Way, Executor, experimental::concurrent_channel<Executor, signature>>(s,
                                                                                         messages);
}

using any = asio::any_io_executor;
using io = asio::io_context::executor_type;

const bool added[] = {
    add_streams("asio", every_stream, run_flavour<plainly, io>),
    add_streams("asio-any", every_stream, run_flavour<plainly, any>),
    add_streams("asio-try", has_buffer, run_flavour<try_first, io>),
};

}  // namespace
}  // namespace bench
