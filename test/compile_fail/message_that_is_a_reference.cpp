// SPDX-License-Identifier: BSL-1.0
// expect: sluice: a channel carries plain object types
// expect: wrap references in std::reference_wrapper or a pointer, arrays in std::array, and drop
// the const
#include <sluice/channel.hpp>

#include <functional>

#if defined(SLUICE_COMPILE_FAIL_CONTROL)
using message = std::reference_wrapper<int>;
#else
using message = int&;
#endif

int main() {
  sluice::sender<message> tx;
  return tx.is_closed();
}
