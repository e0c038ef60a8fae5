// SPDX-License-Identifier: BSL-1.0
// expect: on_changed takes a watch_receiver; other receivers have on_receive
#include <sluice/channel.hpp>
#include <sluice/select_cases.hpp>

int main() {
  sluice::receiver<int> rx;
#if defined(SLUICE_COMPILE_FAIL_CONTROL)
  static_cast<void>(sluice::on_receive(rx));
#else
  static_cast<void>(sluice::on_changed(rx));
#endif
}
