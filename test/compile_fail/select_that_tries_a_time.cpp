// SPDX-License-Identifier: BSL-1.0
// expect: so leave after, at and on out of this select
#include <sluice/channel.hpp>
#include <sluice/select.hpp>

#include <chrono>

int main() {
  sluice::receiver<int> rx;
#if defined(SLUICE_COMPILE_FAIL_CONTROL)
  auto any = sluice::select(sluice::on_receive(rx));
#else
  auto any = sluice::select(sluice::on_receive(rx), sluice::after(std::chrono::seconds(1)));
#endif
  return any.try_now().has_value();
}
