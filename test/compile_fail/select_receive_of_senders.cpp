// SPDX-License-Identifier: BSL-1.0
// expect: on_receive takes a receiver, a oneshot_receiver or a broadcast_receiver
#include <sluice/channel.hpp>
#include <sluice/select.hpp>

#include <vector>

int main() {
#if defined(SLUICE_COMPILE_FAIL_CONTROL)
  std::vector<sluice::receiver<int>> handles;
#else
  std::vector<sluice::sender<int>> handles;
#endif
  auto any = sluice::select_receive(handles);
  static_cast<void>(any);
}
