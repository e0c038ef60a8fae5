// SPDX-License-Identifier: BSL-1.0
// expect: no member named 'try_send'
#include <sluice/channel.hpp>

int main() {
#if defined(SLUICE_COMPILE_FAIL_CONTROL)
  sluice::sender<int> end;
#else
  sluice::receiver<int> end;
#endif
  return end.try_send(1).failed();
}
