// SPDX-License-Identifier: BSL-1.0
// expect: make it with multi_threaded
#include <sluice/measured.hpp>
#include <sluice/sync_receiver.hpp>

#if defined(SLUICE_COMPILE_FAIL_CONTROL)
using threading = sluice::measured<sluice::multi_threaded>;
#else
using threading = sluice::measured<sluice::single_threaded>;
#endif

int main() {
  sluice::sync_receiver<int, boost::asio::any_io_executor, threading> rx;
  rx.close();
}
