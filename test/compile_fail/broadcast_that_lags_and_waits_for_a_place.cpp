// SPDX-License-Identifier: BSL-1.0
// expect: sluice: with overflow::lag a send never waits
#include <sluice/broadcast.hpp>

#include <boost/asio/io_context.hpp>

int main() {
  boost::asio::io_context context;
  sluice::broadcast_sender<int> tx(context, 1);
#if defined(SLUICE_COMPILE_FAIL_CONTROL)
  tx.send(1);
#else
  tx.async_send(1, [](sluice::error_code, std::size_t) {});
#endif
}
