// SPDX-License-Identifier: BSL-1.0
// expect: no member named 'receive_for'
#include <sluice/channel.hpp>
#include <sluice/sync_bridge.hpp>

#include <chrono>

int main() {
#if defined(SLUICE_COMPILE_FAIL_CONTROL)
  sluice::sync_receiver<int> end;
#else
  sluice::receiver<int> end;
#endif
  return end.receive_for(std::chrono::seconds(1)).value();
}
