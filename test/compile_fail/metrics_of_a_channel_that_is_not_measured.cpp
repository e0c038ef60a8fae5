// SPDX-License-Identifier: BSL-1.0
// expect: metrics
// expect: is_measured
#include <sluice/channel.hpp>

#if defined(SLUICE_COMPILE_FAIL_CONTROL)
using threading = sluice::measured<>;
#else
using threading = sluice::multi_threaded;
#endif

int main() {
  sluice::sender<int, boost::asio::any_io_executor, threading> tx;
  return static_cast<int>(tx.metrics().accepted);
}
