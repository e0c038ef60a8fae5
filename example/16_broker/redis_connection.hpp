// SPDX-License-Identifier: BSL-1.0
//
// One connection to a Redis server. Asio has the socket and the time; hiredis, the C library of the
// Redis project, has the protocol: it writes commands as bytes, and makes answers of bytes.
//
// Whatever is wrong with a connection is an exception, after which it is of no use any more. To
// connect again is the business of redis_server.

#ifndef BROKER_REDIS_CONNECTION_HPP
#define BROKER_REDIS_CONNECTION_HPP

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/system/error_code.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <hiredis/hiredis.h>

namespace broker {

namespace asio = boost::asio;
using boost::system::error_code;

// Commands that go to the server together.
class request {
 public:
  void add(const std::vector<std::string_view>& words);

  [[nodiscard]] const std::string& bytes() const noexcept { return bytes_; }
  // How many commands, and so how many replies.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  std::string bytes_;
  std::size_t size_ = 0;
};

struct reply_deleter {
  void operator()(redisReply* object) const noexcept { freeReplyObject(object); }
};
using reply = std::unique_ptr<redisReply, reply_deleter>;
using replies = std::vector<reply>;

std::string_view text_of(const redisReply& answer);
// The elements of an array. Throws std::runtime_error if there are fewer than `least`.
std::vector<const redisReply*> elements_of(const redisReply& answer, std::size_t least);

// The server has understood a command, and says no.
struct refused : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class redis_connection {
 public:
  explicit redis_connection(const asio::any_io_executor& executor);

  // Throws boost::system::system_error.
  asio::awaitable<void> open(const std::string& address, std::chrono::milliseconds patience);

  // One reply for each command. Throws `refused` if one of them is an error: all have been
  // answered then, and the connection is still good.
  asio::awaitable<replies> exchange(const request& commands, std::chrono::milliseconds patience);

 private:
  asio::awaitable<error_code> connect(const std::string& address);
  asio::awaitable<error_code> talk(const request& commands, replies& answers);

  struct reader_deleter {
    void operator()(redisReader* reader) const noexcept { redisReaderFree(reader); }
  };

  asio::generic::stream_protocol::socket socket_;
  std::unique_ptr<redisReader, reader_deleter> reader_;
  std::vector<char> chunk_;
};

}  // namespace broker

#endif
