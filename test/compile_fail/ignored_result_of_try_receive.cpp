// SPDX-License-Identifier: BSL-1.0
// expect: ignoring return value
// expect: try_receive
#include <sluice/channel.hpp>

int main() {
  sluice::receiver<int> rx;
#if defined(SLUICE_COMPILE_FAIL_CONTROL)
  return rx.try_receive().has_value();
#else
  rx.try_receive();
#endif
}
