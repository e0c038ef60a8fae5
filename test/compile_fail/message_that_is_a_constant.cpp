// SPDX-License-Identifier: BSL-1.0
// expect: sluice: a channel carries plain object types
// expect: wrap references in std::reference_wrapper or a pointer, arrays in std::array, and drop
// the const
#include <sluice/channel.hpp>

#if defined(SLUICE_COMPILE_FAIL_CONTROL)
using message = int;
#else
using message = const int;
#endif

int main() {
  sluice::sender<message> tx;
  return tx.is_closed();
}
