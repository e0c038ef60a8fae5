// SPDX-License-Identifier: BSL-1.0
//
// What the command line can say. This part knows nothing of sockets or channels: it turns words
// into checked values, so that no later part of the server ever meets a number out of range.

#ifndef JOB_SERVER_OPTIONS_HPP
#define JOB_SERVER_OPTIONS_HPP

#include <boost/asio/ip/address.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace job_server {

struct options {
  boost::asio::ip::address address = boost::asio::ip::address_v4::loopback();
  std::uint16_t port = 8080;
  unsigned threads = 2;
  unsigned workers = 2;
  unsigned legacy_threads = 0;
  std::size_t queue = 64;
  std::size_t body_limit = 1024 * 1024;
  std::chrono::seconds timeout{10};
  std::chrono::milliseconds job_delay{0};
  bool help = false;
};

// A command line that cannot be understood; what() says which word and what was expected.
struct bad_option : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Throws bad_option. Accepts "--name value" and "--name=value"; the last of several wins.
options parse_options(int count, const char* const* words);

// The text of --help, made from the same table that the parser reads.
std::string help_text();

}  // namespace job_server

#endif
