// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_CHANNEL_END_HPP
#define SLUICE_DETAIL_CHANNEL_END_HPP

// What the two ends of a channel have in common.

#include <sluice/detail/core/channel_state.hpp>
#include <sluice/detail/handle.hpp>
#include <sluice/detail/initiation.hpp>
#include <sluice/detail/message_type.hpp>
#include <sluice/error.hpp>
#include <sluice/measured.hpp>
#include <sluice/threading.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <cstddef>
#include <cstdint>
#include <utility>

namespace sluice::detail {

template <class Role, class T, class Executor, class Threading>
class channel_end : private requires_message_type<T>,
                    public handle<core::channel_state<T, Threading>, Role, Executor> {
  using base = handle<core::channel_state<T, Threading>, Role, Executor>;

 public:
  using value_type = T;
  using threading_type = Threading;

  /// Closes the channel for both ends; what was accepted can still be received. Closing twice is
  /// harmless.
  void close() noexcept { close(error_code()); }

  /// Closes the channel, and receivers see `reason` where they would see the end of the stream. The
  /// first reason stays; no error and `error::closed` mean none. Senders see `error::closed`
  /// always.
  void close(error_code reason) noexcept {
    if (this->state_)
      this->state_->close(reason == error_code(error::closed) ? error_code() : reason);
  }

  /// Whether a send would fail because the channel is closed. True for an empty handle.
  [[nodiscard]] bool is_closed() const noexcept { return look().closed; }

  /// How many accepted values the channel holds at most: 0 for a rendezvous, SIZE_MAX if unbounded.
  [[nodiscard]] std::size_t capacity() const noexcept {
    return this->state_ ? this->state_->capacity() : 0;
  }

  /// How many accepted values wait to be received. Pending sends and reserved places are not among
  /// them.
  [[nodiscard]] std::size_t size() const noexcept { return look().buffered; }

  [[nodiscard]] bool empty() const noexcept { return size() == 0; }

  /// Whether `try_send` would say `error::full` now.
  [[nodiscard]] bool full() const noexcept { return look().full; }

  [[nodiscard]] std::size_t sender_count() const noexcept { return look().senders; }
  [[nodiscard]] std::size_t receiver_count() const noexcept { return look().receivers; }

  /// What a channel that is `measured` has done, and is doing. Other channels do not have this
  /// function.
  /**
   * For an empty handle all figures are 0. Never blocks. Complexity: linear in the number of
   * operations that wait.
   */
  template <class Measured = Threading, class = core::enable_if_measured<Measured>>
  [[nodiscard]] channel_metrics metrics() const noexcept {
    return this->state_ ? this->state_->metrics() : channel_metrics();
  }

  /// Whether both are ends of one channel. Empty handles belong to none.
  template <class Role2, class Executor2>
  [[nodiscard]] bool same_channel(
      const channel_end<Role2, T, Executor2, Threading>& other) const noexcept {
    return this->state_ && this->state_.get() == channel_access::state(other).get();
  }

 protected:
  using typename base::state_type;

  using base::base;

  channel_end() = default;

 private:
  typename state_type::counts look() const noexcept {
    return this->state_ ? this->state_->look() : typename state_type::counts{0, 0, 0, false, true};
  }
};

}  // namespace sluice::detail

#endif  // SLUICE_DETAIL_CHANNEL_END_HPP
