// SPDX-License-Identifier: BSL-1.0
// expect: a select is made of cases: on_receive(rx)
#include <sluice/channel.hpp>
#include <sluice/select.hpp>

int main() {
  sluice::receiver<int> rx;
  sluice::receiver<int> other;
#if defined(SLUICE_COMPILE_FAIL_CONTROL)
  auto any = sluice::select(sluice::on_receive(rx), sluice::on_receive(other));
#else
  auto any = sluice::select(sluice::on_receive(rx), other);
#endif
  static_cast<void>(any);
}
