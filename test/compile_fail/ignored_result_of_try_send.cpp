// SPDX-License-Identifier: BSL-1.0
// expect: ignoring return value
// expect: try_send
#include <sluice/channel.hpp>

int main() {
  sluice::sender<int> tx;
#if defined(SLUICE_COMPILE_FAIL_CONTROL)
  return tx.try_send(1).failed();
#else
  tx.try_send(1);
#endif
}
