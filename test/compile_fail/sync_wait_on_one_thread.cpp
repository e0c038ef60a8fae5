// SPDX-License-Identifier: BSL-1.0
// expect: make it with multi_threaded
#include <sluice/channel.hpp>
#include <sluice/sync_wait.hpp>

#include <boost/asio/any_io_executor.hpp>

int main() {
#if defined(SLUICE_COMPILE_FAIL_CONTROL)
  using threading = sluice::multi_threaded;
#else
  using threading = sluice::single_threaded;
#endif
  sluice::receiver<int, boost::asio::any_io_executor, threading> rx;
  return rx.async_receive(sluice::sync_wait).value();
}
