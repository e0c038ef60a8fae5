// SPDX-License-Identifier: BSL-1.0
// expect: of a watch_receiver it is on_changed that tells of a new value
#include <sluice/select_cases.hpp>
#include <sluice/watch.hpp>

int main() {
  sluice::watch_receiver<int> rx;
#if defined(SLUICE_COMPILE_FAIL_CONTROL)
  static_cast<void>(sluice::on_changed(rx));
#else
  static_cast<void>(sluice::on_receive(rx));
#endif
}
