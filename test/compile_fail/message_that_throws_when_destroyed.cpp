// SPDX-License-Identifier: BSL-1.0
// expect: sluice: the destructor of the message type must not throw: declare it noexcept
#include <sluice/channel.hpp>

#include <boost/asio/io_context.hpp>

struct message {
  message() = default;
  message(message&&) noexcept {}
#if defined(SLUICE_COMPILE_FAIL_CONTROL)
  ~message() {}
#else
  ~message() noexcept(false) {}
#endif
};

int main() {
  boost::asio::io_context context;
  auto ends = sluice::make_channel<message>(context, 1);
  return ends.first.is_closed();
}
