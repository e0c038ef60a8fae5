// SPDX-License-Identifier: BSL-1.0
// expect: ignoring return value
// expect: receive
#include <sluice/sync_receiver.hpp>

int main() {
  sluice::sync_receiver<int> rx;
#if defined(SLUICE_COMPILE_FAIL_CONTROL)
  return rx.receive().has_value();
#else
  rx.receive();
#endif
}
