// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_MESSAGE_TYPE_HPP
#define SLUICE_DETAIL_MESSAGE_TYPE_HPP

// What is asked of the values that are moved under a lock.

#include <type_traits>

namespace sluice::detail {

/// What a channel asks of the values that it carries.
template <class T>
struct requires_message_type {
  static_assert(std::is_object_v<T> && !std::is_const_v<T> && !std::is_array_v<T>,
                "sluice: a channel carries plain object types: wrap references in "
                "std::reference_wrapper or a pointer, arrays in std::array, and drop the const");
  // The destructor first: one that throws makes the move constructor look guilty.
  static_assert(std::is_nothrow_destructible_v<T>,
                "sluice: the destructor of the message type must not throw: declare it noexcept");
  static_assert(
      std::is_nothrow_move_constructible_v<T>,
      "sluice: the message type must not throw when it is moved, since a channel moves it "
      "under its lock: declare its move constructor noexcept, or send a "
      "std::unique_ptr to it");
};

}  // namespace sluice::detail

#endif  // SLUICE_DETAIL_MESSAGE_TYPE_HPP
