// SPDX-License-Identifier: BSL-1.0
// expect: make it with multi_threaded
#include <sluice/sync_sender.hpp>

#include <boost/asio/any_io_executor.hpp>

int main() {
#if defined(SLUICE_COMPILE_FAIL_CONTROL)
  using threading = sluice::multi_threaded;
#else
  using threading = sluice::single_threaded;
#endif
  sluice::sync_sender<int, boost::asio::any_io_executor, threading> tx;
  tx.send(1);
}
