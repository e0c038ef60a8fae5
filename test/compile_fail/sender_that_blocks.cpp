// SPDX-License-Identifier: BSL-1.0
// expect: no member named 'send_for'
#include <sluice/channel.hpp>
#include <sluice/sync_bridge.hpp>

#include <chrono>

int main() {
#if defined(SLUICE_COMPILE_FAIL_CONTROL)
  sluice::sync_sender<int> end;
#else
  sluice::sender<int> end;
#endif
  end.send_for(std::chrono::seconds(1), 1);
}
