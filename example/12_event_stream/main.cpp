// SPDX-License-Identifier: BSL-1.0
//
// Server-sent events: every line that somebody posts goes to everybody who listens.
//
//   event_stream [PORT]
//   curl -N localhost:8081/events                           listens
//   curl --data-binary 'hello' localhost:8081/events        posts
//
// What it teaches:
//   - One broadcast serves any number of clients. Each has a coroutine with a subscription of its
//     own, and takes the events at the pace of its connection. Nobody keeps a list of clients.
//   - A client that is too slow delays neither the others nor who posts. It is told how many events
//     it has missed, and goes on with the oldest one that is still held.
//   - An event is made into text once. The clients share it, instead of having a copy each.
//   - Closing the broadcast is how everything stops: each client gets what is left, and then the
//     end.

#include <sluice/broadcast.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;

using event = std::shared_ptr<const std::string>;
using event_sender = sluice::broadcast_sender<event>;
using event_receiver = sluice::broadcast_receiver<event>;

/// How many events a client may be behind.
constexpr std::size_t backlog = 64;
constexpr std::uint64_t longest_post = 1 << 20;
constexpr auto patience = std::chrono::seconds(30);

/// Sends one client everything from now on, until there is nothing more to come or the client goes.
asio::awaitable<void> stream_events(beast::tcp_stream& client, event_receiver rx) {
  http::response<http::empty_body> head(http::status::ok, 11);
  head.set(http::field::content_type, "text/event-stream");
  head.set(http::field::cache_control, "no-cache");
  head.keep_alive(false);
  http::response_serializer<http::empty_body> serializer(head);
  co_await http::async_write_header(client, serializer, asio::use_awaitable);

  for (;;) {
    constexpr auto token = asio::as_tuple(sluice::use_awaitable);
    auto [error, next] = co_await rx.async_receive(token);
    if (error == sluice::error::lagged)
      next = std::make_shared<const std::string>(
          "event: missed\ndata: " + std::to_string(rx.missed()) + "\n\n");
    if (!next) break;
    // A client that takes nothing for so long is gone, or as good as that.
    client.expires_after(patience);
    co_await asio::async_write(client, asio::buffer(**next), asio::use_awaitable);
  }
}

/// Sends every line to all who listen; returns what to answer.
std::string publish(event_sender& tx, std::string_view text) {
  std::size_t lines = 0;
  std::size_t reached = 0;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    reached = tx.send(std::make_shared<const std::string>("data: " + std::string(line) + "\n\n"));
    ++lines;
  }
  return std::to_string(lines) + " sent to " + std::to_string(reached) + " clients\n";
}

asio::awaitable<void> serve(beast::tcp_stream client, event_sender& tx) {
  beast::flat_buffer buffer(1 << 16);  // chunks may come with more than their text, without an end
  http::request_parser<http::string_body> parser;
  parser.body_limit(longest_post);
  client.expires_after(patience);
  co_await http::async_read(client, buffer, parser, asio::use_awaitable);
  const http::request<http::string_body> asked = parser.release();

  const bool known = asked.target() == "/events";
  if (known && asked.method() == http::verb::get) {
    co_await stream_events(client, tx.subscribe());
  } else {
    const bool posted = known && asked.method() == http::verb::post;
    http::response<http::string_body> answer(posted ? http::status::ok : http::status::not_found,
                                             asked.version());
    answer.body() = posted ? publish(tx, asked.body()) : "GET or POST /events\n";
    answer.keep_alive(false);
    answer.prepare_payload();
    co_await http::async_write(client, answer, asio::use_awaitable);
  }
  client.socket().shutdown(tcp::socket::shutdown_send);
}

/// That a client has left, or was too slow to read at all, ends its coroutine and nothing else.
void client_has_gone(std::exception_ptr problem) {
  try {
    if (problem) std::rethrow_exception(problem);
  } catch (const boost::system::system_error& what) {
    std::cout << "event_stream: a client has gone: " << what.code().message() << std::endl;
  }
}

asio::awaitable<void> accept_clients(tcp::acceptor& acceptor, event_sender& tx) {
  for (;;) {
    auto [error, socket] = co_await acceptor.async_accept(asio::as_tuple(asio::use_awaitable));
    if (!acceptor.is_open()) co_return;
    if (!error)
      asio::co_spawn(acceptor.get_executor(), serve(beast::tcp_stream(std::move(socket)), tx),
                     client_has_gone);
  }
}

void run(std::uint16_t port) {
  asio::io_context context(1);
  event_sender tx(context, backlog);
  tcp::acceptor acceptor(context, tcp::endpoint(asio::ip::address_v4::loopback(), port));
  asio::co_spawn(context, accept_clients(acceptor, tx), [](std::exception_ptr problem) {
    if (problem) std::rethrow_exception(problem);
  });

  asio::signal_set signals(context, SIGINT, SIGTERM);
  signals.async_wait([&](sluice::error_code, int) {
    std::cout << "event_stream: stopping, " << tx.receiver_count() << " clients" << std::endl;
    acceptor.close();
    tx.close();
  });

  std::cout << "event_stream: listening on http://" << acceptor.local_endpoint() << "/events"
            << std::endl;
  context.run();  // until a signal came, and the last client has got what was left
  std::cout << "event_stream: stopped" << std::endl;
}

}  // namespace

int main(int count, char** words) {
  try {
    std::uint16_t port = 8081;
    const std::string_view word = count > 1 ? words[1] : "8081";
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), port);
    if (count > 2 || error != std::errc() || end != word.data() + word.size()) {
      std::cerr << "Usage: event_stream [PORT]\n";
      return 2;
    }
    run(port);
    return 0;
  } catch (const std::exception& problem) {
    std::cerr << "event_stream: " << problem.what() << '\n';
    return 1;
  }
}
