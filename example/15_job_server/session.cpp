// SPDX-License-Identifier: BSL-1.0

#include "session.hpp"

#include "event_stream.hpp"
#include "routes.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <utility>
#include <variant>

namespace job_server {
namespace {

// Errors as values: on a connection they are what happens all day, not exceptions.
constexpr auto as_result = asio::as_tuple(sluice::use_awaitable);

// What to tell a client whose request could not be read, if it is still there to be told.
std::optional<response> refusal_of(sluice::error_code error) {
  if (error == http::error::end_of_stream || error == http::error::partial_message)
    return std::nullopt;
  if (error == http::error::body_limit)
    return error_response(http::status::payload_too_large, "the text is too long");
  if (error == http::error::header_limit)
    return error_response(http::status::request_header_fields_too_large, "the header is too long");
  if (error == http::error::buffer_overflow)
    return error_response(http::status::request_header_fields_too_large,
                          "what comes with the chunks is too long");
  if (error == http::error::bad_version)
    return error_response(http::status::http_version_not_supported, "use HTTP/1.1");
  if (error.category() == http::make_error_code(http::error::bad_method).category())
    return error_response(http::status::bad_request, "this is not an HTTP request");
  return std::nullopt;
}

class session {
 public:
  session(asio::ip::tcp::socket socket, const service& shared, stop_receiver stop)
      : stream_(std::move(socket)), shared_(shared), stop_(std::move(stop)) {}

  asio::awaitable<void> run() {
    using namespace asio::experimental::awaitable_operators;
    co_await (serve() && watch_for_stop());
  }

 private:
  asio::awaitable<void> serve() {
    bool another = true;
    while (another) another = co_await serve_request();
    co_await part();
    served_ = true;
    stop_.cancel();
  }

  asio::awaitable<void> watch_for_stop() {
    if (served_) co_return;
    const auto [error, nothing] = co_await stop_.async_receive(as_result);
    if (error) co_return;  // the connection was over first
    stopping_ = true;
    if (idle_) stream_.cancel();
  }

  // Reads and answers one request; false when it was the last.
  asio::awaitable<bool> serve_request() {
    if (buffer_.size() == 0 && !co_await begin_request()) co_return false;

    http::request_parser<http::string_body> parser;
    parser.body_limit(shared_.body_limit);
    // From its first byte to its last, a request has this long. An expired stream closes itself.
    stream_.expires_after(shared_.timeout);

    const auto [header_error, header_size] =
        co_await http::async_read_header(stream_, buffer_, parser, as_result);
    if (header_error) co_return co_await refuse(header_error);

    const auto& header = parser.get().base();
    if (auto refusal = refuse_early(header)) {
      // A body that is still on its way cannot be told from the next request: no reuse then.
      const bool reusable = parser.is_done() && parser.keep_alive();
      co_return co_await write(std::move(*refusal), header.method(), header.version(), reusable);
    }

    if (!parser.is_done() && header.version() == 11 && header.count(http::field::expect) > 0 &&
        !co_await ask_for_body())
      co_return false;

    const auto [body_error, body_size] =
        co_await http::async_read(stream_, buffer_, parser, as_result);
    if (body_error) co_return co_await refuse(body_error);

    auto asked = parser.release();
    const auto method = asked.method();
    const auto version = asked.version();
    const bool keep_alive = asked.keep_alive();
    // How long the rest takes is not the client's fault.
    stream_.expires_never();
    if (asks_for_events(asked)) {
      co_await stream_events(stream_, shared_.log.subscribe(), version, shared_.timeout);
      co_return false;
    }
    if (!asks_for_work(asked)) {
      co_return co_await write(respond(shared_.log, asked), method, version, keep_alive);
    }
    auto answer = co_await work_unless_client_leaves(std::move(asked));
    if (!answer) co_return false;
    co_return co_await write(std::move(*answer), method, version, keep_alive);
  }

  // Nothing if the client has hung up. The coroutine that waits for the answer is cancelled then,
  // its end of the reply slot goes with it, and that is how the worker hears of it.
  asio::awaitable<std::optional<response>> work_unless_client_leaves(request asked) {
    using namespace asio::experimental::awaitable_operators;
    auto outcome =
        co_await (respond_with_work(shared_.jobs, std::move(asked)) || wait_until_client_leaves());
    if (auto* const answer = std::get_if<response>(&outcome)) co_return std::move(*answer);
    co_return std::nullopt;
  }

  // The only way to see a client leave is to read. What it has to say in the meantime is kept: it
  // is the beginning of its next request.
  asio::awaitable<void> wait_until_client_leaves() {
    // Without this bound a client could fill our memory with requests.
    while (buffer_.size() < most_read_ahead) {
      const auto room =
          buffer_.prepare(std::min(most_read_ahead - buffer_.size(), std::size_t{4096}));
      const auto [error, size] = co_await stream_.socket().async_read_some(room, as_result);
      buffer_.commit(size);
      if (error) co_return;
    }
    // It sends more than it may, so it is there. This waits until somebody cancels it.
    asio::steady_timer forever(stream_.get_executor(), asio::steady_timer::time_point::max());
    co_await forever.async_wait(as_result);
  }

  // Waits between two requests; false when there will be none.
  asio::awaitable<bool> begin_request() {
    if (stopping_) co_return false;
    stream_.expires_after(shared_.timeout);
    idle_ = true;
    const auto [error, size] = co_await stream_.async_read_some(buffer_.prepare(4096), as_result);
    idle_ = false;
    buffer_.commit(size);
    co_return !error;
  }

  asio::awaitable<bool> ask_for_body() {
    http::response<http::empty_body> go_on{http::status::continue_, 11};
    const auto [error, size] = co_await http::async_write(stream_, go_on, as_result);
    co_return !error;
  }

  asio::awaitable<bool> refuse(sluice::error_code read_error) {
    if (auto refusal = refusal_of(read_error))
      co_await write(std::move(*refusal), http::verb::unknown, 11, false);
    co_return false;
  }

  // True when the answer is written and the connection goes on.
  asio::awaitable<bool> write(response answer, http::verb method, unsigned version,
                              bool keep_alive) {
    keep_alive = keep_alive && !stopping_;
    answer.version(version);
    answer.keep_alive(keep_alive);
    answer.prepare_payload();
    if (method == http::verb::head)
      answer.body().clear();  // the length stays: it is that of the answer to GET
    stream_.expires_after(shared_.timeout);
    const auto [error, size] = co_await http::async_write(stream_, answer, as_result);
    co_return !error && keep_alive;
  }

  // Says goodbye so that the client can still read the last answer: closing a socket that has
  // unread bytes (the rest of a refused body) would reset the connection and take the answer away.
  asio::awaitable<void> part() {
    sluice::error_code ignored;
    stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
    stream_.expires_after(shared_.timeout);
    std::array<char, 4096> scrap;
    idle_ = true;
    while (!stopping_) {
      const auto [error, size] = co_await stream_.async_read_some(asio::buffer(scrap), as_result);
      if (error) break;
    }
    stream_.close();
  }

  static constexpr std::size_t most_read_ahead = 65536;

  boost::beast::tcp_stream stream_;
  // What a parser has not understood yet stays in here, and an extension of a chunk or a trailer
  // may go on for ever: a client must not be able to fill our memory with that either.
  boost::beast::flat_buffer buffer_{most_read_ahead};
  const service& shared_;
  stop_receiver stop_;
  // All on the strand of the connection.
  bool idle_ = false;      // waiting for a client that owes us nothing: a stop may cut it off
  bool stopping_ = false;  // no request after this one
  bool served_ = false;    // nothing left to stop
};

}  // namespace

asio::awaitable<void> serve_connection(asio::ip::tcp::socket socket, const service& shared,
                                       stop_receiver stop) {
  session connection(std::move(socket), shared, std::move(stop));
  co_await connection.run();
}

}  // namespace job_server
