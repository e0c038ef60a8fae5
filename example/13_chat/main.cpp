// SPDX-License-Identifier: BSL-1.0
//
// A chat over WebSockets: what somebody says in a room goes to everybody in that room.
//
//   chat [PORT]
//   python3 -m websockets ws://127.0.0.1:8082/ROOM      (Debian's package python3-websockets)
//
// What it teaches:
//   - A room is one broadcast. Whoever enters subscribes, and gets everything from then on. Nobody
//     keeps a list of clients, or a queue for each of them.
//   - A connection is two coroutines. One reads, and never has to wait for anybody else; the other
//     one writes, and is the only one that does.
//   - A client that is too slow delays nobody. It is told by its broadcast that it has missed
//     something, and here that is the end: in a conversation with a hole in it nobody can follow.
//     The reason is in the close frame, so the client can come back and know what happened.
//   - A room is known to the server by a weak sender. It is open as long as somebody is in it.
//   - To stop, all rooms are closed. Each client gets what is left, and a close frame; those who do
//     not read it are left after a while.

#include <sluice/broadcast.hpp>
#include <sluice/use_awaitable.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/system/system_error.hpp>

#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <utility>

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
namespace websocket = boost::beast::websocket;
using asio::ip::tcp;

using message = std::shared_ptr<const std::string>;  // made once, and shared by all who get it
using room = sluice::broadcast_sender<message>;
using subscription = sluice::broadcast_receiver<message>;
using connection = websocket::stream<beast::tcp_stream, false>;  // without compression

constexpr auto as_result = asio::as_tuple(sluice::use_awaitable);
constexpr std::size_t most_behind = 64;  // messages that a client may be behind
constexpr std::size_t longest_message = 16'384;
constexpr auto patience = std::chrono::seconds(30);

// --- Rooms ---------------------------------------------------------------------------------------

class rooms {
 public:
  explicit rooms(asio::any_io_executor ex) : ex_(std::move(ex)) {}

  /// The room of this name, a new one if nobody is in it.
  room enter(const std::string& name) {
    std::erase_if(known_, [](const auto& entry) { return !entry.second.lock(); });
    room found = known_[name].lock();
    if (!found) {
      found = room(ex_, most_behind);
      known_[name] = found;
    }
    if (closed_) found.close();
    return found;
  }

  void close() {
    closed_ = true;
    for (const auto& entry : known_) entry.second.lock().close();
  }

 private:
  asio::any_io_executor ex_;
  std::map<std::string, sluice::weak_broadcast_sender<message>> known_;
  bool closed_ = false;
};

// --- One client ----------------------------------------------------------------------------------

/// Says in the room what the client says, until it has gone or been sent away.
asio::awaitable<void> read_messages(connection& client, room here, subscription& heard) {
  beast::flat_buffer buffer;
  for (;;) {
    auto [error, size] = co_await client.async_read(buffer, as_result);
    if (error) break;
    if (client.got_binary()) {
      co_await client.async_close(websocket::close_code::unknown_data, as_result);
      break;
    }
    here.send(std::make_shared<const std::string>(beast::buffers_to_string(buffer.data())));
    buffer.consume(size);
  }
  heard.cancel();  // the other coroutine has nobody to write to any more
}

/// Writes to the client what is said in the room, and at last why there is no more of it.
asio::awaitable<void> write_messages(connection& client, subscription& heard) {
  websocket::close_reason why(websocket::close_code::going_away, "the chat is over");
  while (client.is_open()) {
    auto [error, next] = co_await heard.async_receive(as_result);
    if (error == sluice::error::lagged)
      why = {websocket::close_code::policy_error,
             "too slow: " + std::to_string(heard.missed()) + " messages missed"};
    if (!next) break;
    auto [failure, size] = co_await client.async_write(asio::buffer(**next), as_result);
    if (failure) break;
  }
  // The other coroutine reads on until the client has answered, or has not done so in time.
  if (client.is_open()) co_await client.async_close(why, as_result);
}

asio::awaitable<void> serve(tcp::socket socket, rooms& all) {
  socket.set_option(tcp::no_delay(true));  // what is said is to be heard now
  // What is in the buffers of the system cannot be taken back: the smaller they are, the sooner it
  // is known who is slow.
  socket.set_option(asio::socket_base::send_buffer_size(65'536));
  connection client(std::move(socket));
  client.next_layer().expires_after(patience);
  beast::flat_buffer buffer(16'384);
  http::request<http::empty_body> asked;
  co_await http::async_read(client.next_layer(), buffer, asked, asio::use_awaitable);
  if (!websocket::is_upgrade(asked)) {
    http::response<http::string_body> answer(http::status::upgrade_required, asked.version());
    answer.set(http::field::upgrade, "websocket");
    answer.body() = "This is a chat for WebSocket clients.\n";
    answer.keep_alive(false);
    answer.prepare_payload();
    co_await http::async_write(client.next_layer(), answer, asio::use_awaitable);
    co_return;
  }

  // From here on the WebSocket looks after times: who does not answer a ping is gone.
  client.next_layer().expires_never();
  client.set_option(websocket::stream_base::timeout{patience, 2 * patience, true});
  client.read_message_max(longest_message);
  room here = all.enter(std::string(asked.target()));
  subscription heard = here.subscribe();  // before the client is answered, so it misses nothing
  co_await client.async_accept(asked, asio::use_awaitable);
  client.text(true);

  using namespace asio::experimental::awaitable_operators;
  co_await (read_messages(client, std::move(here), heard) && write_messages(client, heard));
}

/// That a client is no client, or has left too soon, ends its coroutine and nothing else.
void client_has_gone(std::exception_ptr problem) {
  try {
    if (problem) std::rethrow_exception(problem);
  } catch (const boost::system::system_error& what) {
    std::cout << "chat: a client has gone: " << what.code().message() << std::endl;
  }
}

// --- The server ----------------------------------------------------------------------------------

asio::awaitable<void> accept_clients(tcp::acceptor& acceptor, rooms& all) {
  asio::steady_timer pause(acceptor.get_executor());
  for (;;) {
    auto [error, socket] = co_await acceptor.async_accept(as_result);
    if (!acceptor.is_open()) co_return;
    if (!error) {
      asio::co_spawn(acceptor.get_executor(), serve(std::move(socket), all), client_has_gone);
    } else {  // most likely too many files are open, which may be better in a moment
      std::cerr << "chat: cannot accept: " << error.message() << std::endl;
      pause.expires_after(std::chrono::milliseconds(100));
      co_await pause.async_wait(as_result);
    }
  }
}

void run(unsigned short port) {
  asio::io_context context(1);
  rooms all(context.get_executor());
  tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), port});
  asio::co_spawn(context, accept_clients(acceptor, all), [](std::exception_ptr problem) {
    if (problem) std::rethrow_exception(problem);
  });

  asio::signal_set signals(context, SIGINT, SIGTERM);
  signals.async_wait([&](sluice::error_code, int) {
    signals.clear();  // a second one ends the program at once
    acceptor.close();
    all.close();
    context.stop();
  });

  std::cout << "chat: listening on ws://" << acceptor.local_endpoint() << "/" << std::endl;
  context.run();  // until a signal comes
  context.restart();
  context.run_for(std::chrono::seconds(10));  // until everybody has gone, or has had the time to
  std::cout << "chat: stopped" << std::endl;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run(static_cast<unsigned short>(argc > 1 ? std::atoi(argv[1]) : 8082));
    return EXIT_SUCCESS;
  } catch (const std::exception& problem) {
    std::cerr << "chat: " << problem.what() << std::endl;
    return EXIT_FAILURE;
  }
}
