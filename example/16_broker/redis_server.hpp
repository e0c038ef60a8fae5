// SPDX-License-Identifier: BSL-1.0
//
// A server that is always there: whoever asks it gets an answer, however many connections break
// until then. That is what makes delivery happen at least once. It may also make it happen twice:
// if a connection breaks, nobody knows whether the server has done what it was asked for, and it is
// asked again.

#ifndef BROKER_REDIS_SERVER_HPP
#define BROKER_REDIS_SERVER_HPP

#include "redis_connection.hpp"
#include "settings.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <functional>
#include <optional>
#include <string>

namespace broker {

// Waits for so long. False if nobody needs the server any more.
using pause_function = std::function<asio::awaitable<bool>(milliseconds)>;

class redis_server {
 public:
  // Everything happens on the executor of the coroutine that asks, one question at a time.
  // `name` is for messages to the user.
  redis_server(const server_settings& how, std::string name);

  // What is said first on each connection. If the server refuses that, nothing happens.
  void greet_with(request greeting) { greeting_ = std::move(greeting); }
  // What to do before another attempt. By default that is to wait for a timer, and to go on.
  void pause_with(pause_function pause) { pause_ = std::move(pause); }

  // Asks until there is an answer that is no error. No replies: the pause has said to give up.
  // `longer` is for a command that takes its time.
  asio::awaitable<replies> ask(const request& commands, milliseconds longer = milliseconds(0));

  // How many connections there have been. One more than before: what the server had sent may have
  // got lost with the last one.
  [[nodiscard]] std::size_t connections() const noexcept { return connections_; }

 private:
  asio::awaitable<void> connect();
  milliseconds next_pause();

  server_settings how_;
  std::string name_;
  request greeting_;
  pause_function pause_;
  std::optional<redis_connection> connection_;
  std::size_t connections_ = 0;
  milliseconds last_pause_{0};
};

}  // namespace broker

#endif
