// SPDX-License-Identifier: BSL-1.0
// expect: no matching function for call to
// expect: make_channel
#include <sluice/channel.hpp>

#include <boost/asio/io_context.hpp>

int main() {
  boost::asio::io_context context;
#if defined(SLUICE_COMPILE_FAIL_CONTROL)
  auto ends = sluice::make_channel<int>(context, 16);
#else
  auto ends = sluice::make_channel<int>(16, context);
#endif
  return ends.first.is_closed();
}
