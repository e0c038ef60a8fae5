// SPDX-License-Identifier: BSL-1.0
// expect: sluice: with overflow::wait a send may have to wait
#include <sluice/broadcast.hpp>

#include <boost/asio/io_context.hpp>

int main() {
  boost::asio::io_context context;
  sluice::lossless_broadcast_sender<int> tx(context, 1);
#if defined(SLUICE_COMPILE_FAIL_CONTROL)
  return tx.try_send(1) ? 1 : 0;
#else
  return static_cast<int>(tx.send(1));
#endif
}
