// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_FUZZ_BYTES_HPP
#define SLUICE_TEST_FUZZ_BYTES_HPP

// Input of a fuzzer as a sequence of choices. One byte is one choice, so a byte that is changed
// changes one step and leaves the others as they were.

#include <cstddef>
#include <cstdint>

namespace fuzz {

class bytes {
 public:
  bytes(const std::uint8_t* data, std::size_t size) noexcept : next_(data), end_(data + size) {}

  bool empty() const noexcept { return next_ == end_; }

  /// A number from 0 to `bound - 1`; 0 when there is nothing left.
  unsigned below(unsigned bound) noexcept { return empty() ? 0 : *next_++ % bound; }

  bool coin() noexcept { return below(2) == 1; }

 private:
  const std::uint8_t* next_;
  const std::uint8_t* end_;
};

}  // namespace fuzz

#endif  // SLUICE_TEST_FUZZ_BYTES_HPP
