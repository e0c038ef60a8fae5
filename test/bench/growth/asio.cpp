// SPDX-License-Identifier: BSL-1.0
//
// asio  concurrent_channel, any_io_executor, with use_awaitable; a broadcast is a channel for each
//       receiver

#include "frame/machine.hpp"
#include "frame/run_context.hpp"
#include "growth/growth.hpp"
#include "growth/payload.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/concurrent_channel.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace bench {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using measured = std::pair<std::uint64_t, timing>;

template <class T>
using channel = asio::experimental::concurrent_channel<void(error_code, T)>;

template <class T>
asio::awaitable<void> produce(channel<T>& to, std::uint64_t count, std::size_t size) {
  for (std::uint64_t n = 0; n != count; ++n)
    co_await to.async_send(error_code(), payload<T>::make(n, size), asio::use_awaitable);
}

template <class T>
asio::awaitable<void> consume(channel<T>& from, std::uint64_t count, std::uint64_t& sum) {
  for (; count != 0; --count)
    sum += payload<T>::number(co_await from.async_receive(asio::use_awaitable));
}

template <class T>
measured stream(std::uint64_t messages, std::size_t capacity, std::size_t producers,
                std::size_t consumers, int threads, std::size_t size = 0) {
  messages = divisible(messages, producers * consumers);
  asio::io_context context(threads);
  channel<T> between(context, capacity);
  std::vector<spaced> sums(consumers);
  for (spaced& each : sums)
    asio::co_spawn(context, consume<T>(between, messages / consumers, each.sum), asio::detached);
  for (std::size_t p = 0; p != producers; ++p)
    asio::co_spawn(context, produce<T>(between, messages / producers, size), asio::detached);
  const timing taken = run_context(context, threads);
  check_spaced(messages, producers, sums);
  return {messages, taken};
}

measured idle(std::size_t channels, std::uint64_t count) {
  asio::io_context context(1);
  const pinned here(second_core);
  const std::uint64_t times = (count + channels - 1) / channels;
  std::vector<std::optional<channel<message>>> all(channels);
  const stopwatch watch;
  for (std::uint64_t n = 0; n != times; ++n) {
    for (auto& each : all) each.emplace(context, 64);
    for (auto& each : all) each.reset();
  }
  return {times * channels, watch.elapsed()};
}

template <class End>
measured wait_and_end(std::size_t receives, std::uint64_t count, End end) {
  const pinned here(second_core);
  const std::uint64_t times = (count + receives - 1) / receives;
  asio::io_context context(1);
  std::vector<asio::cancellation_signal> signals(receives);
  std::uint64_t completed = 0;
  const stopwatch watch;
  for (std::uint64_t n = 0; n != times; ++n) {
    channel<message> from(context, 64);
    for (auto& signal : signals)
      from.async_receive(
          asio::bind_cancellation_slot(signal.slot(), [&](error_code, message) { ++completed; }));
    end(from, signals);
    context.restart();
    context.run();
  }
  const timing taken = watch.elapsed();
  if (completed != times * receives) std::abort();
  return {completed, taken};
}

// The search for the one that is cancelled begins at the front of the line, so the last one that
// came is cancelled first: in the order of their arrival there would be nothing to see.
measured cancel(std::size_t receives, std::uint64_t count) {
  return wait_and_end(receives, count, [](auto&, auto& signals) {
    for (auto signal = signals.rbegin(); signal != signals.rend(); ++signal)
      signal->emit(asio::cancellation_type::terminal);
  });
}

measured close(std::size_t receives, std::uint64_t count) {
  return wait_and_end(receives, count, [](auto& from, auto&) { from.close(); });
}

asio::awaitable<void> publish(std::list<channel<message>>& to, std::uint64_t count) {
  for (std::uint64_t n = 0; n != count; ++n)
    for (auto& each : to) co_await each.async_send(error_code(), n, asio::use_awaitable);
}

measured broadcast(std::size_t receivers, std::uint64_t deliveries) {
  const std::uint64_t messages = (deliveries + receivers - 1) / receivers;
  asio::io_context context(1);
  std::list<channel<message>> channels;
  std::vector<spaced> sums(receivers);
  for (spaced& each : sums) {
    channels.emplace_back(context, 1'024);
    asio::co_spawn(context, consume<message>(channels.back(), messages, each.sum), asio::detached);
  }
  asio::co_spawn(context, publish(channels, messages), asio::detached);
  const timing taken = run_context(context, 1);
  for (const spaced& each : sums) check_sum(messages, each.sum);
  return {messages * receivers, taken};
}

const bool added[] = {
    add_line(curves::producers, "asio",
             [](std::size_t x, std::uint64_t n) { return stream<message>(n, 64, x, 1, 1); }),
    add_line(curves::consumers, "asio",
             [](std::size_t x, std::uint64_t n) { return stream<message>(n, 64, 16, x, 1); }),
    add_line(curves::producers_two, "asio",
             [](std::size_t x, std::uint64_t n) { return stream<message>(n, 64, x, 1, 2); }),
    add_line(curves::consumers_two, "asio",
             [](std::size_t x, std::uint64_t n) { return stream<message>(n, 64, 16, x, 2); }),
    add_line(curves::capacity, "asio",
             [](std::size_t x, std::uint64_t n) { return stream<message>(n, x, 1, 1, 1); }),
    add_line(curves::size, "asio",
             [](std::size_t x, std::uint64_t n) {
               return with_bytes(x, [n](auto type) {
                 return stream<typename decltype(type)::type>(n, 64, 1, 1, 1);
               });
             }),
    add_line(curves::text, "asio",
             [](std::size_t x, std::uint64_t n) { return stream<std::string>(n, 64, 1, 1, 1, x); }),
    add_line(curves::idle, "asio", idle),
    add_line(curves::cancelled, "asio", cancel),
    add_line(curves::closed, "asio", close),
    add_line(curves::audience, "asio", broadcast),
};

}  // namespace
}  // namespace bench
