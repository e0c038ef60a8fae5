// SPDX-License-Identifier: BSL-1.0
// expect: select_receive takes a range of receivers
#include <sluice/channel.hpp>
#include <sluice/select.hpp>

#include <vector>

int main() {
#if defined(SLUICE_COMPILE_FAIL_CONTROL)
  std::vector<sluice::receiver<int>> receivers;
#else
  sluice::receiver<int> receivers;
#endif
  auto any = sluice::select_receive(receivers);
  static_cast<void>(any);
}
