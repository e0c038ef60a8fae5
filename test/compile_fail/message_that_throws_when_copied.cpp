// SPDX-License-Identifier: BSL-1.0
// expect: sluice: the message type must not throw when it is moved
#include <sluice/channel.hpp>

#include <boost/asio/io_context.hpp>

// Without a move constructor the copy constructor is used, and held to the same.
struct message {
  message() = default;
#if defined(SLUICE_COMPILE_FAIL_CONTROL)
  message(const message&) noexcept {}
#else
  message(const message&) {}
#endif
};

int main() {
  boost::asio::io_context context;
  auto ends = sluice::make_channel<message>(context, 1);
  return ends.first.is_closed();
}
