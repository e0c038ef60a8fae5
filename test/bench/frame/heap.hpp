// SPDX-License-Identifier: BSL-1.0
#ifndef BENCH_FRAME_HEAP_HPP
#define BENCH_FRAME_HEAP_HPP

// Counts what this program asks of the heap, by operator new and by the functions of C. Only the
// program that measures memory is linked with it; where times are taken, nothing is counted.

#include <cstdint>

namespace bench {

struct heap_use {
  /// How often memory was asked for.
  std::uint64_t calls;
  /// How much there is of it now, rounded up as the heap does.
  std::int64_t bytes;
};

/// Of all threads together.
heap_use heap_now() noexcept;

}  // namespace bench

#endif  // BENCH_FRAME_HEAP_HPP
