// SPDX-License-Identifier: BSL-1.0
// expect: a select of nothing would wait for ever: give it a case
#include <sluice/channel.hpp>
#include <sluice/select.hpp>

int main() {
  sluice::receiver<int> rx;
#if defined(SLUICE_COMPILE_FAIL_CONTROL)
  auto any = sluice::select(sluice::on_receive(rx));
#else
  auto any = sluice::select();
#endif
  static_cast<void>(any);
}
