// SPDX-License-Identifier: BSL-1.0
// expect: make it one that returns false to stop
#include <sluice/channel.hpp>

int main() {
  sluice::receiver<int> end;
#if defined(SLUICE_COMPILE_FAIL_CONTROL)
  end.async_for_each([](int) { return true; }, [](sluice::error_code) {});
#else
  end.async_for_each([](int value) { return value; }, [](sluice::error_code) {});
#endif
}
