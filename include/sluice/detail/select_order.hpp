// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_SELECT_ORDER_HPP
#define SLUICE_DETAIL_SELECT_ORDER_HPP

// The order in which a select looks at its cases. `Indices` is an array or a vector of as many
// numbers as there are cases.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace sluice::detail {

/// A small number that nobody needs to foresee. Each thread has a sequence of its own.
inline std::size_t number_below(std::size_t limit) noexcept {
  static thread_local std::uint64_t last = 0;
  if (last == 0) {
    const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
    last = static_cast<std::uint64_t>(now) ^ reinterpret_cast<std::uintptr_t>(&last);
    last |= 1;
  }
  // Shifts and exclusive ors; then the upper half is scaled.
  last ^= last << 13;
  last ^= last >> 7;
  last ^= last << 17;
  return static_cast<std::size_t>(((last >> 32) * limit) >> 32);
}

/// Each ready case is as likely to be the first as any other.
struct fair_order {
  /// The case that is looked at as the k-th. To be asked for one after the other, from the first.
  template <class Indices>
  static std::size_t at(Indices& indices, std::size_t k) noexcept {
    std::swap(indices[k], indices[k + number_below(indices.size() - k)]);
    return indices[k];
  }
};

/// As written.
struct written_order {
  template <class Indices>
  static std::size_t at(Indices&, std::size_t k) noexcept {
    return k;
  }
};

}  // namespace sluice::detail

#endif  // SLUICE_DETAIL_SELECT_ORDER_HPP
