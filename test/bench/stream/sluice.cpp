// SPDX-License-Identifier: BSL-1.0
//
// sluice      as it comes: any_io_executor, no token named
// sluice-io   the same with the executor type of io_context
// sluice-try  as sluice, but what can be done at once is done by try_send and try_receive
// sluice-each   sends one by one as sluice, receives by async_for_each
// sluice-batch  sends 64 at a time by async_send_all, receives by async_for_each

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
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <functional>
#include <list>
#include <utility>
#include <vector>

namespace bench {
namespace {

namespace asio = boost::asio;

/// As one writes it.
struct plainly {
  template <class Executor, class ChannelExecutor, class Threading>
  static asio::awaitable<void, Executor> produce(
      sluice::sender<message, ChannelExecutor, Threading> tx, message first, message count) {
    for (message value = first; value != first + count; ++value) co_await tx.async_send(value);
  }

  template <class Executor, class ChannelExecutor, class Threading>
  static asio::awaitable<void, Executor> consume(
      sluice::receiver<message, ChannelExecutor, Threading> rx, tally& received) {
    while (auto value = co_await rx.async_receive()) received.sum += *value;
  }
};

struct try_first {
  template <class Executor, class ChannelExecutor, class Threading>
  static asio::awaitable<void, Executor> produce(
      sluice::sender<message, ChannelExecutor, Threading> tx, message first, message count) {
    const bool never_full = tx.capacity() == unbounded;
    for (message value = first; value != first + count; ++value) {
      // Nothing else would ever make this producer give up its turn.
      if (never_full && value % 64 == 0) co_await asio::post(asio::use_awaitable_t<Executor>());
      if (tx.try_send(value)) co_await tx.async_send(value);
    }
  }

  template <class Executor, class ChannelExecutor, class Threading>
  static asio::awaitable<void, Executor> consume(
      sluice::receiver<message, ChannelExecutor, Threading> rx, tally& received) {
    for (;;) {
      auto value = rx.try_receive();
      if (!value) value = co_await rx.async_receive();
      if (!value) co_return;
      received.sum += *value;
    }
  }
};

struct each {
  template <class Executor, class ChannelExecutor, class Threading>
  static asio::awaitable<void, Executor> produce(
      sluice::sender<message, ChannelExecutor, Threading> tx, message first, message count) {
    return plainly::produce<Executor>(std::move(tx), first, count);
  }

  template <class Executor, class ChannelExecutor, class Threading>
  static asio::awaitable<void, Executor> consume(
      sluice::receiver<message, ChannelExecutor, Threading> rx, tally& received) {
    co_await rx.async_for_each([&](message value) { received.sum += value; });
  }
};

struct batches {
  template <class Executor, class ChannelExecutor, class Threading>
  static asio::awaitable<void, Executor> produce(
      sluice::sender<message, ChannelExecutor, Threading> tx, message first, message count) {
    constexpr message most = 64;
    std::vector<message> values;
    for (const message end = first + count; first != end;) {
      values.clear();
      for (message n = 0; n != most && first != end; ++n) values.push_back(first++);
      co_await tx.async_send_all(std::ref(values));
    }
  }

  template <class Executor, class ChannelExecutor, class Threading>
  static asio::awaitable<void, Executor> consume(
      sluice::receiver<message, ChannelExecutor, Threading> rx, tally& received) {
    return each::consume<Executor>(std::move(rx), received);
  }
};

template <class Way, class Executor, class ChannelExecutor, class Threading>
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
    for (tally& received : tallies) spawn(Way::template consume<Executor>(rx, received));
    const message share = messages / static_cast<message>(s.producers);
    for (int p = 0; p != s.producers; ++p)
      spawn(Way::template produce<Executor>(tx, share * static_cast<message>(p), share));
  }

  const timing result = run_context(context, s.threads);
  check_tallies(messages, tallies);
  return result;
}

template <class Way, class Executor, class ChannelExecutor>
timing run_flavour(const stream& s, std::uint64_t messages) {
  return s.kind == flavour::unsynchronised
             ? run<Way, Executor, ChannelExecutor, sluice::single_threaded>(s, messages)
             : run<Way, Executor, ChannelExecutor, sluice::multi_threaded>(s, messages);
}

using any = asio::any_io_executor;
using io = asio::io_context::executor_type;
using io_and_token = sluice::use_awaitable_t<io>::executor_with_default<io>;

const bool added[] = {
    add_streams("sluice", every_stream, run_flavour<plainly, any, any>),
    add_streams("sluice-io", every_stream, run_flavour<plainly, io, io_and_token>),
    add_streams("sluice-try", has_buffer, run_flavour<try_first, any, any>),
    add_streams("sluice-each", every_stream, run_flavour<each, any, any>),
    add_streams("sluice-batch", every_stream, run_flavour<batches, any, any>),
};

}  // namespace
}  // namespace bench
