// SPDX-License-Identifier: BSL-1.0
// expect: on_receive takes a receiver, a oneshot_receiver or a broadcast_receiver
#include <sluice/channel.hpp>
#include <sluice/select_cases.hpp>

int main() {
#if defined(SLUICE_COMPILE_FAIL_CONTROL)
  sluice::receiver<int> end;
#else
  sluice::sender<int> end;
#endif
  static_cast<void>(sluice::on_receive(end));
}
