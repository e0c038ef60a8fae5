// SPDX-License-Identifier: BSL-1.0

#include "event_stream.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/chunk_encode.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/serializer.hpp>
#include <boost/beast/http/write.hpp>

#include <array>
#include <string>
#include <string_view>
#include <utility>

namespace job_server {
namespace {

namespace http = boost::beast::http;

constexpr auto as_result = asio::as_tuple(sluice::use_awaitable);

class event_stream {
 public:
  event_stream(boost::beast::tcp_stream& client, job_log::subscription subscribed, unsigned version,
               std::chrono::seconds patience)
      : client_(client),
        subscribed_(std::move(subscribed)),
        chunked_(version >= 11),
        patience_(patience) {}

  asio::awaitable<void> run() {
    using namespace asio::experimental::awaitable_operators;
    // Without events nothing would be written, and so a client that has left would not be noticed.
    // To cancel the receive that waits in here is safe: nothing is lost that would have to be told.
    co_await (send_all() || wait_until_client_leaves());
  }

 private:
  asio::awaitable<void> send_all() {
    // What the system holds for a slow client is old news by the time it arrives, and cannot be
    // replaced by anything newer. So it shall not hold much.
    sluice::error_code ignored;
    client_.socket().set_option(asio::socket_base::send_buffer_size(16384), ignored);

    if (!co_await send_header()) co_return;
    if (!co_await send("retry: 1000\n\n")) co_return;
    if (!co_await send(*subscribed_.greeting)) co_return;
    // tag::events[]
    for (;;) {
      auto [error, next] = co_await subscribed_.events.async_receive(as_result);
      if (error == sluice::error::lagged) {
        const auto missed = std::to_string(subscribed_.events.missed());
        if (!co_await send("event: missed\ndata: {\"missed\":" + missed + "}\n\n")) co_return;
        continue;
      }
      if (!next) break;  // the end of the stream, or this coroutine is cancelled
      if (!co_await send(**next)) co_return;
    }
    // end::events[]
    co_await send_end();
  }

  asio::awaitable<bool> send_header() {
    http::response<http::empty_body> header(http::status::ok, chunked_ ? 11 : 10);
    header.set(http::field::content_type, "text/event-stream");
    header.set(http::field::cache_control, "no-store");
    header.keep_alive(false);
    // Chunks are what tells an end that was meant from a connection that broke.
    if (chunked_) header.chunked(true);
    http::response_serializer<http::empty_body> serializer(header);
    client_.expires_after(patience_);
    const auto [error, size] = co_await http::async_write_header(client_, serializer, as_result);
    co_return !error;
  }

  // False when the client has gone, or as good as that. What is sent must stay until then.
  asio::awaitable<bool> send(std::string_view text) {
    const auto content = asio::buffer(text);
    be_patient();
    if (chunked_) {
      const http::chunk_body chunk(content);
      const auto [error, size] = co_await asio::async_write(client_, chunk, as_result);
      co_return !error;
    }
    const auto [error, size] = co_await asio::async_write(client_, content, as_result);
    co_return !error;
  }

  asio::awaitable<void> send_end() {
    if (!chunked_) co_return;
    be_patient();
    co_await asio::async_write(client_, http::make_chunk_last(), as_result);
  }

  // While there is more to tell, each piece has its time. When nothing can follow, all that is left
  // has to do with as much: the server waits for this client then, and for nothing else.
  void be_patient() {
    if (is_ending_) return;
    is_ending_ = subscribed_.events.is_closed();
    client_.expires_after(patience_);
  }

  // A client that listens has nothing to say; what it says all the same is ignored.
  asio::awaitable<void> wait_until_client_leaves() {
    std::array<char, 512> scrap;
    for (;;) {
      const auto [error, size] =
          co_await client_.socket().async_read_some(asio::buffer(scrap), as_result);
      if (error) co_return;
    }
  }

  boost::beast::tcp_stream& client_;
  job_log::subscription subscribed_;
  const bool chunked_;
  const std::chrono::seconds patience_;
  bool is_ending_ = false;  // the broadcast is closed, and the last time limit is set
};

}  // namespace

asio::awaitable<void> stream_events(boost::beast::tcp_stream& client,
                                    job_log::subscription subscribed, unsigned version,
                                    std::chrono::seconds patience) {
  event_stream stream(client, std::move(subscribed), version, patience);
  co_await stream.run();
}

}  // namespace job_server
