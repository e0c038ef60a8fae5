// SPDX-License-Identifier: BSL-1.0
//
// sluice      as it comes: any_io_executor, no token named
// sluice-io   the same with the executor type of io_context

#include "frame/run_context.hpp"
#include "stream/stream.hpp"

#include <sluice.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <list>
#include <utility>

namespace bench {
namespace {

namespace asio = boost::asio;

template <class Executor, class ChannelExecutor, class Threading>
asio::awaitable<void, Executor> produce(sluice::sender<message, ChannelExecutor, Threading> tx,
                                        message first, message count) {
  for (message value = first; value != first + count; ++value) co_await tx.async_send(value);
}

template <class Executor, class ChannelExecutor, class Threading>
asio::awaitable<void, Executor> consume(sluice::receiver<message, ChannelExecutor, Threading> rx,
                                        tally& received) {
  while (auto value = co_await rx.async_receive()) received.sum += *value;
}

template <class Executor, class ChannelExecutor, class Threading>
timing run(const stream& s, std::uint64_t messages) {
  asio::io_context context(s.threads);
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

  {
    auto [tx, rx] =
        s.capacity == unbounded
            ? sluice::make_unbounded_channel<message, ChannelExecutor, Threading>(context)
            : sluice::make_channel<message, ChannelExecutor, Threading>(context, s.capacity);
    for (tally& received : tallies) spawn(consume<Executor>(rx, received));
    const message share = messages / static_cast<message>(s.producers);
    for (int p = 0; p != s.producers; ++p)
      spawn(produce<Executor>(tx, share * static_cast<message>(p), share));
  }

  const timing result = run_context(context, s.threads);
  check_tallies(messages, tallies);
  return result;
}

template <class Executor, class ChannelExecutor>
timing run_flavour(const stream& s, std::uint64_t messages) {
  return s.kind == flavour::unsynchronised
             ? run<Executor, ChannelExecutor, sluice::single_threaded>(s, messages)
             : run<Executor, ChannelExecutor, sluice::multi_threaded>(s, messages);
}

using any = asio::any_io_executor;
using io = asio::io_context::executor_type;
using io_and_token = asio::use_awaitable_t<io>::executor_with_default<io>;

const bool added[] = {
    add_streams("sluice", every_stream, run_flavour<any, any>),
    add_streams("sluice-io", every_stream, run_flavour<io, io_and_token>),
};

}  // namespace
}  // namespace bench
