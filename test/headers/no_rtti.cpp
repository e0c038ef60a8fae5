// SPDX-License-Identifier: BSL-1.0

// All of the library in a program that is compiled with -fno-rtti. Asio then tells the types of
// executors and services apart by other means, and so does what asks it here: a type-erased executor
// is recognised by what it holds.

#include <sluice.hpp>

#include <boost/asio.hpp>

#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#if defined(__GXX_RTTI)
#error "This is about a program without run-time type information."
#endif

namespace asio = boost::asio;
using sluice::error_code;

namespace {

int failures = 0;

void expect(bool holds, const char* what) {
  if (holds) return;
  std::cerr << "without RTTI it does not hold that " << what << '\n';
  ++failures;
}

void channels() {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<std::string>(context, 2);
  auto permit = std::optional<sluice::permit<std::string>>();
  error_code error;
  permit = tx.try_reserve(error);
  expect(permit && !permit->send("reserved"), "a permit sends");
  tx.async_send("sent", [](error_code ec) { expect(!ec, "a send completes"); });
  std::string got;
  for (int round = 0; round < 2; ++round) {
    rx.async_receive([&got](error_code, std::optional<std::string> value) {
      if (value) got += *value + ' ';
    });
  }
  context.run();
  expect(got == "reserved sent ", "a channel passes values on");
}

void others() {
  asio::thread_pool pool(1);
  auto [once_tx, once_rx] = sluice::make_oneshot<int>(pool);
  expect(!once_tx.send(1), "a oneshot sends");
  expect(once_rx.async_receive(sluice::sync_wait) == 1, "a oneshot is received");

  sluice::broadcast_sender<int> all(pool, 4);
  auto subscriber = all.subscribe();
  expect(all.send(2) == 1, "a broadcast reaches its subscriber");
  expect(subscriber.async_receive(sluice::sync_wait) == 2, "a broadcast is received");

  sluice::watch_sender<int> latest(pool, 0);
  auto watcher = latest.subscribe();
  latest.send(3);
  expect(watcher.async_changed(sluice::sync_wait), "a watch changes");
  expect(*watcher.borrow() == 3, "a watch has its value");
}

void threads() {
  asio::thread_pool pool(1);
  // The executor of the handles is type-erased: it is by its target that it is recognised.
  auto [tx, rx] = sluice::make_channel<int>(asio::any_io_executor(pool.get_executor()), 1);
  expect(!tx.try_send(4), "there is a place");
  sluice::sync_bridge<> bridge(pool.get_executor());
  const bool refused = bridge.call([&rx_here = rx] {
    error_code error;
    static_cast<void>(sluice::sync_receiver<int>(rx_here).receive(error));
    return error == sluice::error::would_deadlock;
  });
  expect(refused, "a thread of the executor must not block");
  expect(sluice::sync_receiver<int>(rx).receive() == 4, "another thread may");
}

void contexts() {
  auto owner = std::make_shared<int>();
  {
    asio::io_context context;
    auto [tx, rx] = sluice::make_channel<int>(context, 1);
    rx.async_receive([owner, keep = tx](error_code, std::optional<int>) {});
  }
  expect(owner.use_count() == 1, "what waits goes with its context");
}

}  // namespace

int main() {
  channels();
  others();
  threads();
  contexts();
#if defined(BOOST_ASIO_HAS_CO_AWAIT)
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 0);
  int sum = 0;
  asio::co_spawn(
      context,
      [](sluice::receiver<int> from, int& result) -> asio::awaitable<void> {
        while (auto value = co_await from.async_receive()) result += *value;
      }(std::move(rx), sum),
      asio::detached);
  asio::co_spawn(
      context,
      [](sluice::sender<int> to) -> asio::awaitable<void> {
        co_await to.async_send(5);
        co_await to.async_send(6);
      }(std::move(tx)),
      asio::detached);
  context.run();
  expect(sum == 11, "coroutines send and receive");
#endif
  return failures == 0 ? 0 : 1;
}
