// SPDX-License-Identifier: BSL-1.0
// expect: on_reserve takes the sender of a channel
#include <sluice/channel.hpp>
#include <sluice/select_cases.hpp>

int main() {
#if defined(SLUICE_COMPILE_FAIL_CONTROL)
  sluice::sender<int> end;
#else
  sluice::receiver<int> end;
#endif
  static_cast<void>(sluice::on_reserve(end));
}
