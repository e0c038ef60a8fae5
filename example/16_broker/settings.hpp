// SPDX-License-Identifier: BSL-1.0
//
// What the two sides of the broker have to be told. The defaults are for a demonstration on one
// machine: a consumer that takes minutes for a message needs a longer `claim_after`, for example.

#ifndef BROKER_SETTINGS_HPP
#define BROKER_SETTINGS_HPP

#include <chrono>
#include <cstddef>
#include <string>

namespace broker {

using std::chrono::milliseconds;

struct server_settings {
  // The path of a local socket, or "HOST:PORT".
  std::string address = "127.0.0.1:6379";
  // A server that has not answered after this time is taken for dead.
  milliseconds patience{5000};
  // How long to wait before a new connection; twice as long after each one that fails.
  milliseconds shortest_pause{50};
  milliseconds longest_pause{2000};
};

struct publisher_settings {
  server_settings server;
  std::string stream = "messages";
  // A publisher waits while the stream is longer than this. It has to be as large as a batch.
  std::size_t limit = 1000;
  // How many messages go to the server together, at most.
  std::size_t batch = 64;
  // How often to ask whether the stream has become shorter.
  milliseconds look_again{50};
};

struct subscriber_settings {
  server_settings server;
  std::string stream = "messages";
  // The consumers of a group share the messages of the stream.
  std::string group = "consumers";
  // Who has this name gets back at once what it left behind. No two may have it at the same time.
  std::string name = "consumer";
  // How many messages are asked for, or acknowledged, together, at most.
  std::size_t batch = 16;
  // How many messages may be here without an acknowledgement, at most.
  std::size_t unacknowledged = 64;
  // What nobody has acknowledged for so long goes to the next who asks.
  milliseconds claim_after{30000};
  // How long the server may keep a question until there is a message.
  milliseconds wait_for_message{500};
};

}  // namespace broker

#endif
