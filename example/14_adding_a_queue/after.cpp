// SPDX-License-Identifier: BSL-1.0
//
// The echo server of before.cpp, with a queue of clients. `diff before.cpp after.cpp` is short.
//
//   adding_a_queue_after [PORT]
//
// What changes:
//   - The coroutine that accepts sends the clients to a channel, instead of starting a coroutine
//     for each. Four coroutines receive them from there. What is done with a client, echo(), is as
//     it was.
//   - A signal closes the acceptor, instead of stopping everything.
//
// What it buys:
//   - Four clients are served at a time, and sixteen wait their turn. Then the channel is full and
//     no more are accepted; the rest waits in the system. However many come, the server needs no
//     more memory and no more descriptors than for these, while the other one ends when it has none
//     left.
//   - Nobody who was accepted is cut off when the server stops. With the acceptor goes the sender,
//     the channel closes, and who was in it is served before the last coroutine ends. The example
//     graceful_shutdown shows how to set a deadline for that.
//
// What it costs: a client that keeps silent keeps one of the four. Where that can happen a client
// needs a deadline, as it has in event_stream.

#include <sluice/channel.hpp>
#include <sluice/use_awaitable.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/system/system_error.hpp>

#include <array>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <utility>

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

/// Sends a client back what it says, until it has nothing more to say.
asio::awaitable<void> echo(tcp::socket client) {
  try {
    std::array<char, 1024> data;
    for (;;) {
      const std::size_t size =
          co_await client.async_read_some(asio::buffer(data), asio::use_awaitable);
      co_await asio::async_write(client, asio::buffer(data, size), asio::use_awaitable);
    }
  } catch (const boost::system::system_error&) {
    // The client has gone.
  }
}

void rethrow(std::exception_ptr problem) {
  if (problem) std::rethrow_exception(problem);
}

asio::awaitable<void> accept_clients(tcp::acceptor& acceptor, sluice::sender<tcp::socket> clients) {
  while (acceptor.is_open()) {
    auto [error, client] = co_await acceptor.async_accept(asio::as_tuple(asio::use_awaitable));
    if (error == asio::error::operation_aborted) break;  // the acceptor has been closed
    if (error) throw boost::system::system_error(error);
    co_await clients.async_send(std::move(client));
  }
}

/// Serves one client after the other.
asio::awaitable<void> serve_clients(sluice::receiver<tcp::socket> clients) {
  while (auto client = co_await clients.async_receive()) co_await echo(std::move(*client));
}

void run(unsigned short port) {
  asio::io_context context(1);
  tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), port});
  auto [clients, waiting] = sluice::make_channel<tcp::socket>(context, 16);
  asio::co_spawn(context, accept_clients(acceptor, std::move(clients)), rethrow);
  for (int i = 0; i != 4; ++i) asio::co_spawn(context, serve_clients(waiting), rethrow);
  waiting = {};

  asio::signal_set signals(context, SIGINT, SIGTERM);
  signals.async_wait([&](error_code, int) {
    signals.clear();  // a second one ends the program at once
    acceptor.close();
  });

  std::cout << "listening on port " << acceptor.local_endpoint().port() << std::endl;
  context.run();
  std::cout << "stopped" << std::endl;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run(static_cast<unsigned short>(argc > 1 ? std::atoi(argv[1]) : 8083));
    return EXIT_SUCCESS;
  } catch (const std::exception& problem) {
    std::cerr << "adding_a_queue: " << problem.what() << std::endl;
    return EXIT_FAILURE;
  }
}
