// SPDX-License-Identifier: BSL-1.0
//
// sluice  any_io_executor, no token named

#include "frame/machine.hpp"
#include "frame/run_context.hpp"
#include "growth/growth.hpp"
#include "growth/payload.hpp"

#include <sluice.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace bench {
namespace {

namespace asio = boost::asio;
using measured = std::pair<std::uint64_t, timing>;

template <class T>
asio::awaitable<void> produce(sluice::sender<T> tx, std::uint64_t count, std::size_t size) {
  for (std::uint64_t n = 0; n != count; ++n) co_await tx.async_send(payload<T>::make(n, size));
}

template <class T>
asio::awaitable<void> consume(sluice::receiver<T> rx, std::uint64_t& sum) {
  while (auto value = co_await rx.async_receive()) sum += payload<T>::number(*value);
}

template <class T>
measured stream(std::uint64_t messages, std::size_t capacity, std::size_t producers,
                std::size_t consumers, int threads, std::size_t size = 0) {
  messages = divisible(messages, producers * consumers);
  asio::io_context context(threads);
  std::vector<spaced> sums(consumers);
  {
    auto [tx, rx] = sluice::make_channel<T>(context, capacity);
    for (spaced& each : sums) asio::co_spawn(context, consume<T>(rx, each.sum), asio::detached);
    for (std::size_t p = 0; p != producers; ++p)
      asio::co_spawn(context, produce<T>(tx, messages / producers, size), asio::detached);
  }
  const timing taken = run_context(context, threads);
  check_spaced(messages, producers, sums);
  return {messages, taken};
}

measured idle(std::size_t channels, std::uint64_t count) {
  asio::io_context context(1);
  const pinned here(second_core);
  const std::uint64_t times = (count + channels - 1) / channels;
  using ends = std::pair<sluice::sender<message>, sluice::receiver<message>>;
  std::vector<std::optional<ends>> all(channels);
  const stopwatch watch;
  for (std::uint64_t n = 0; n != times; ++n) {
    for (auto& each : all) each.emplace(sluice::make_channel<message>(context, 64));
    for (auto& each : all) each.reset();
  }
  return {times * channels, watch.elapsed()};
}

/// Begins so many receives, ends them by `end`, and lets them complete.
template <class End>
measured wait_and_end(std::size_t receives, std::uint64_t count, End end) {
  const pinned here(second_core);
  const std::uint64_t times = (count + receives - 1) / receives;
  asio::io_context context(1);
  std::vector<asio::cancellation_signal> signals(receives);
  std::uint64_t completed = 0;
  const stopwatch watch;
  for (std::uint64_t n = 0; n != times; ++n) {
    auto [tx, rx] = sluice::make_channel<message>(context, 64);
    for (auto& signal : signals)
      rx.async_receive(asio::bind_cancellation_slot(
          signal.slot(), [&](sluice::error_code, std::optional<message>) { ++completed; }));
    end(rx, signals);
    context.restart();
    context.run();
  }
  const timing taken = watch.elapsed();
  if (completed != times * receives) std::abort();
  return {completed, taken};
}

measured cancel(std::size_t receives, std::uint64_t count) {
  return wait_and_end(receives, count, [](auto&, auto& signals) {
    for (auto& signal : signals) signal.emit(asio::cancellation_type::terminal);
  });
}

measured close(std::size_t receives, std::uint64_t count) {
  return wait_and_end(receives, count, [](auto& rx, auto&) { rx.close(); });
}

asio::awaitable<void> publish(sluice::broadcast_sender<message> tx, std::uint64_t count) {
  for (std::uint64_t n = 0; n != count; ++n) {
    tx.send(n);
    if (n % 64 != 63) continue;
    do co_await asio::post(asio::use_awaitable);
    while (tx.size() > 512);
  }
}

asio::awaitable<void> follow(sluice::broadcast_receiver<message> rx, std::uint64_t& sum) {
  while (auto value = co_await rx.async_receive()) sum += *value;
}

measured broadcast(std::size_t receivers, std::uint64_t deliveries) {
  const std::uint64_t messages = (deliveries + receivers - 1) / receivers;
  asio::io_context context(1);
  std::vector<spaced> sums(receivers);
  {
    sluice::broadcast_sender<message> tx(context, 1'024);
    for (spaced& each : sums)
      asio::co_spawn(context, follow(tx.subscribe(), each.sum), asio::detached);
    asio::co_spawn(context, publish(std::move(tx), messages), asio::detached);
  }
  const timing taken = run_context(context, 1);
  for (const spaced& each : sums) check_sum(messages, each.sum);
  return {messages * receivers, taken};
}

const bool added[] = {
    add_line(curves::producers, "sluice",
             [](std::size_t x, std::uint64_t n) { return stream<message>(n, 64, x, 1, 1); }),
    add_line(curves::consumers, "sluice",
             [](std::size_t x, std::uint64_t n) { return stream<message>(n, 64, 16, x, 1); }),
    add_line(curves::producers_two, "sluice",
             [](std::size_t x, std::uint64_t n) { return stream<message>(n, 64, x, 1, 2); }),
    add_line(curves::consumers_two, "sluice",
             [](std::size_t x, std::uint64_t n) { return stream<message>(n, 64, 16, x, 2); }),
    add_line(curves::capacity, "sluice",
             [](std::size_t x, std::uint64_t n) { return stream<message>(n, x, 1, 1, 1); }),
    add_line(curves::size, "sluice",
             [](std::size_t x, std::uint64_t n) {
               return with_bytes(x, [n](auto type) {
                 return stream<typename decltype(type)::type>(n, 64, 1, 1, 1);
               });
             }),
    add_line(curves::text, "sluice",
             [](std::size_t x, std::uint64_t n) { return stream<std::string>(n, 64, 1, 1, 1, x); }),
    add_line(curves::idle, "sluice", idle),
    add_line(curves::cancelled, "sluice", cancel),
    add_line(curves::closed, "sluice", close),
    add_line(curves::audience, "sluice", broadcast),
};

}  // namespace
}  // namespace bench
