// SPDX-License-Identifier: BSL-1.0
// expect: sluice: only a channel is measured
#include <sluice/measured.hpp>
#include <sluice/oneshot.hpp>

#if defined(SLUICE_COMPILE_FAIL_CONTROL)
using threading = sluice::multi_threaded;
#else
using threading = sluice::measured<>;
#endif

int main() {
  sluice::oneshot_receiver<int, boost::asio::any_io_executor, threading> rx;
  rx.close();
}
