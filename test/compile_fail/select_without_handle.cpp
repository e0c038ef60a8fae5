// SPDX-License-Identifier: BSL-1.0
// expect: a select completes on the executor of its first handle: give it a case that has one
#include <sluice/channel.hpp>
#include <sluice/select.hpp>

#include <chrono>

int main() {
  sluice::receiver<int> rx;
  const std::chrono::seconds time(1);
#if defined(SLUICE_COMPILE_FAIL_CONTROL)
  auto any = sluice::biased_select(sluice::after(time), sluice::on_receive(rx));
#else
  auto any = sluice::biased_select(sluice::after(time));
#endif
  static_cast<void>(any);
}
