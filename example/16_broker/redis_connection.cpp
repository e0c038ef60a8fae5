// SPDX-License-Identifier: BSL-1.0

#include "redis_connection.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/system/system_error.hpp>

#include <new>
#include <utility>

namespace broker {
namespace {

using stream_endpoint = asio::generic::stream_protocol::endpoint;

constexpr std::size_t chunk_size = 16 * 1024;

// An exception would not end `||`, so what is waited for returns its error instead.
asio::awaitable<void> within(std::chrono::milliseconds patience, asio::awaitable<error_code> work) {
  using namespace asio::experimental::awaitable_operators;
  asio::steady_timer deadline(co_await asio::this_coro::executor, patience);
  const auto ended = co_await (std::move(work) || deadline.async_wait(asio::use_awaitable));
  const error_code ec =
      ended.index() == 0 ? std::get<0>(ended) : error_code(asio::error::timed_out);
  if (ec) throw boost::system::system_error(ec);
}

// The first error in an answer, or within it: that to EXEC has one for each command.
const redisReply* find_error(const redisReply& answer) {
  if (answer.type == REDIS_REPLY_ERROR) return &answer;
  if (answer.type == REDIS_REPLY_ARRAY) {
    for (const auto* element : elements_of(answer, 0)) {
      if (const auto* error = find_error(*element)) return error;
    }
  }
  return nullptr;
}

}  // namespace

void request::add(const std::vector<std::string_view>& words) {
  std::vector<const char*> begins;
  std::vector<std::size_t> sizes;
  for (const auto word : words) {
    begins.push_back(word.data());
    sizes.push_back(word.size());
  }
  char* command = nullptr;
  const int size =
      redisFormatCommandArgv(&command, static_cast<int>(words.size()), begins.data(), sizes.data());
  if (size < 0) throw std::bad_alloc();
  const std::unique_ptr<char, void (*)(char*)> owner(command, redisFreeCommand);
  bytes_.append(command, static_cast<std::size_t>(size));
  ++size_;
}

std::string_view text_of(const redisReply& answer) {
  return answer.str == nullptr ? std::string_view() : std::string_view(answer.str, answer.len);
}

std::vector<const redisReply*> elements_of(const redisReply& answer, std::size_t least) {
  if (answer.type != REDIS_REPLY_ARRAY || answer.elements < least)
    throw std::runtime_error("the server's answer is not what was asked for");
  return {answer.element, answer.element + answer.elements};
}

redis_connection::redis_connection(const asio::any_io_executor& executor)
    : socket_(executor), reader_(redisReaderCreate()), chunk_(chunk_size) {
  if (!reader_) throw std::bad_alloc();
}

asio::awaitable<void> redis_connection::open(const std::string& address,
                                             std::chrono::milliseconds patience) {
  co_await within(patience, connect(address));
}

asio::awaitable<error_code> redis_connection::connect(const std::string& address) {
  error_code ec;
  if (address.find('/') != std::string::npos) {
    const asio::local::stream_protocol::endpoint path(address);
    co_await socket_.async_connect(stream_endpoint(path),
                                   asio::redirect_error(asio::use_awaitable, ec));
    co_return ec;
  }

  const auto colon = address.rfind(':');
  const std::string host = address.substr(0, colon);
  const std::string port = colon == std::string::npos ? "6379" : address.substr(colon + 1);
  asio::ip::tcp::resolver resolver(socket_.get_executor());
  const auto found =
      co_await resolver.async_resolve(host, port, asio::redirect_error(asio::use_awaitable, ec));
  for (const auto& entry : found) {
    socket_.close(ec);
    co_await socket_.async_connect(stream_endpoint(entry.endpoint()),
                                   asio::redirect_error(asio::use_awaitable, ec));
    if (!ec) {
      // A command waits for its answer, and must not wait for other bytes to go with it.
      socket_.set_option(asio::ip::tcp::no_delay(true), ec);
      break;
    }
  }
  co_return ec;
}

asio::awaitable<replies> redis_connection::exchange(const request& commands,
                                                    std::chrono::milliseconds patience) {
  replies answers;
  co_await within(patience, talk(commands, answers));
  for (const auto& answer : answers) {
    if (const auto* error = find_error(*answer)) throw refused(std::string(text_of(*error)));
  }
  co_return answers;
}

asio::awaitable<error_code> redis_connection::talk(const request& commands, replies& answers) {
  error_code ec;
  co_await asio::async_write(socket_, asio::buffer(commands.bytes()),
                             asio::redirect_error(asio::use_awaitable, ec));
  while (!ec) {
    void* next = nullptr;
    if (redisReaderGetReply(reader_.get(), &next) != REDIS_OK)
      co_return boost::system::errc::make_error_code(boost::system::errc::bad_message);
    if (next != nullptr) {
      answers.emplace_back(static_cast<redisReply*>(next));
      if (answers.size() == commands.size()) break;
      continue;
    }
    const std::size_t size = co_await socket_.async_read_some(
        asio::buffer(chunk_), asio::redirect_error(asio::use_awaitable, ec));
    if (!ec && redisReaderFeed(reader_.get(), chunk_.data(), size) != REDIS_OK)
      ec = boost::system::errc::make_error_code(boost::system::errc::not_enough_memory);
  }
  co_return ec;
}

}  // namespace broker
