// SPDX-License-Identifier: BSL-1.0
//
// A fast producer and a slow consumer: the channel between them holds the producer back.
//
//   backpressure
//
// What it teaches:
//   - async_send waits while the channel is full. The producer could make thousands of messages
//     while one is consumed; it makes one, and the memory they take is bounded.
//   - The first few cost no waiting: the capacity is for what comes irregularly.
//   - Who waits blocks nobody. Both run on one thread.
//
// Prints:
//     sent 1
//     sent 2
//     sent 3
//     4 waits
//     took 1
//     sent 4
//     5 waits
//     took 2
//     sent 5
//     6 waits
//     took 3
//     sent 6
//     7 waits
//     took 4
//     sent 7
//     8 waits
//     took 5
//     sent 8
//     took 6
//     took 7
//     took 8

#include <sluice/channel.hpp>
#include <sluice/use_awaitable.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <exception>
#include <iostream>
#include <utility>

namespace asio = boost::asio;

namespace {

asio::awaitable<void> produce(sluice::sender<int> tx) {
  for (int number = 1; number <= 8; ++number) {
    if (tx.full()) std::cout << number << " waits" << std::endl;  // only to show it
    co_await tx.async_send(number);
    std::cout << "sent " << number << std::endl;
  }
}

asio::awaitable<void> consume(sluice::receiver<int> rx) {
  asio::steady_timer work(co_await asio::this_coro::executor);
  while (auto number = co_await rx.async_receive()) {
    std::cout << "took " << *number << std::endl;
    work.expires_after(std::chrono::milliseconds(100));
    co_await work.async_wait(asio::use_awaitable);
  }
}

void rethrow(std::exception_ptr problem) {
  if (problem) std::rethrow_exception(problem);
}

}  // namespace

int main() {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 3);
  asio::co_spawn(context, produce(std::move(tx)), rethrow);
  asio::co_spawn(context, consume(std::move(rx)), rethrow);
  context.run();
}
