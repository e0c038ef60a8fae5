// SPDX-License-Identifier: BSL-1.0
// expect: on_closed takes a handle that has async_wait_closed, such as a sender; a receiver sees the
#include <sluice/channel.hpp>
#include <sluice/select_cases.hpp>

int main() {
#if defined(SLUICE_COMPILE_FAIL_CONTROL)
  sluice::sender<int> end;
#else
  sluice::receiver<int> end;
#endif
  static_cast<void>(sluice::on_closed(end));
}
