// SPDX-License-Identifier: BSL-1.0
//
// An echo server as it is usually begun, to be compared with after.cpp, which says what changes.
//
//   adding_a_queue_before [PORT]

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
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

asio::awaitable<void> accept_clients(tcp::acceptor& acceptor) {
  for (;;) {
    tcp::socket client = co_await acceptor.async_accept(asio::use_awaitable);
    asio::co_spawn(acceptor.get_executor(), echo(std::move(client)), rethrow);
  }
}

void run(unsigned short port) {
  asio::io_context context(1);
  tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), port});
  asio::co_spawn(context, accept_clients(acceptor), rethrow);

  asio::signal_set signals(context, SIGINT, SIGTERM);
  signals.async_wait([&](error_code, int) { context.stop(); });

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
