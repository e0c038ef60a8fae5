// SPDX-License-Identifier: BSL-1.0
// expect: sluice: the message type must not throw when it is moved
// expect: declare its move constructor noexcept, or send a std::unique_ptr to it
#include <sluice/channel.hpp>

#include <boost/asio/io_context.hpp>

struct message {
  message() = default;
#if defined(SLUICE_COMPILE_FAIL_CONTROL)
  message(message&&) noexcept {}
#else
  message(message&&) {}
#endif
};

int main() {
  boost::asio::io_context context;
  auto ends = sluice::make_channel<message>(context, 1);
  return ends.first.is_closed();
}
