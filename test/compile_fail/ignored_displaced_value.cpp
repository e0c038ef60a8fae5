// SPDX-License-Identifier: BSL-1.0
// expect: ignoring return value
// expect: force_send
#include <sluice/channel.hpp>

int main() {
  sluice::sender<int> tx;
  sluice::error_code ec;
#if defined(SLUICE_COMPILE_FAIL_CONTROL)
  return tx.force_send(1, ec).has_value();
#else
  tx.force_send(1, ec);
#endif
}
