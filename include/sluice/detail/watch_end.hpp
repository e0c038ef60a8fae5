// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_WATCH_END_HPP
#define SLUICE_DETAIL_WATCH_END_HPP

// What the two ends of a watch have in common.

#include <sluice/detail/core/watch_state.hpp>
#include <sluice/detail/handle.hpp>
#include <sluice/detail/initiation.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace sluice::detail {

template <class Role, class T, class Executor, class Threading>
class watch_end : public handle<core::watch_state<T, Threading>, Role, Executor> {
  using base = handle<core::watch_state<T, Threading>, Role, Executor>;

  static_assert(std::is_object_v<T> && !std::is_const_v<T> && !std::is_array_v<T>,
                "sluice: a watch holds a plain object type: wrap references in "
                "std::reference_wrapper or a pointer, arrays in std::array, and drop the const");

 public:
  using value_type = T;
  using threading_type = Threading;

  /// Whether nothing can be sent any more: close() was called, or the last sender has gone. True
  /// for an empty handle. That nobody watches does not count.
  [[nodiscard]] bool is_closed() const noexcept { return look().closed; }

  [[nodiscard]] std::size_t sender_count() const noexcept { return look().senders; }
  [[nodiscard]] std::size_t receiver_count() const noexcept { return look().receivers; }

  /// Whether both are ends of one watch. Empty handles belong to none.
  template <class Role2, class Executor2>
  [[nodiscard]] bool same_channel(
      const watch_end<Role2, T, Executor2, Threading>& other) const noexcept {
    return this->state_ && this->state_.get() == channel_access::state(other).get();
  }

 protected:
  using typename base::state_type;

  using base::base;

  watch_end() = default;

 private:
  typename state_type::counts look() const noexcept {
    return this->state_ ? this->state_->look() : typename state_type::counts{0, 0, true};
  }
};

}  // namespace sluice::detail

#endif  // SLUICE_DETAIL_WATCH_END_HPP
