// SPDX-License-Identifier: BSL-1.0
// expect: sluice: the function of async_for_each is called with a message: make it one that takes a
// T
#include <sluice/channel.hpp>

int main() {
  sluice::receiver<int> end;
#if defined(SLUICE_COMPILE_FAIL_CONTROL)
  end.async_for_each([](int) {}, [](sluice::error_code) {});
#else
  end.async_for_each([](const char*) {}, [](sluice::error_code) {});
#endif
}
