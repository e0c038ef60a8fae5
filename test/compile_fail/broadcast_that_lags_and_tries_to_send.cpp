// SPDX-License-Identifier: BSL-1.0
// expect: sluice: with overflow::lag a send never fails for want of a place
#include <sluice/broadcast.hpp>

#include <boost/asio/io_context.hpp>

int main() {
  boost::asio::io_context context;
  sluice::broadcast_sender<int> tx(context, 1);
#if defined(SLUICE_COMPILE_FAIL_CONTROL)
  return static_cast<int>(tx.send(1));
#else
  return tx.try_send(1) ? 1 : 0;
#endif
}
