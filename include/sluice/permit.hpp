// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_PERMIT_HPP
#define SLUICE_PERMIT_HPP

#include <sluice/detail/core/channel_state.hpp>
#include <sluice/detail/initiation.hpp>
#include <sluice/detail/step.hpp>
#include <sluice/error.hpp>
#include <sluice/threading.hpp>

#include <cstddef>
#include <utility>

namespace sluice {

/// Reserved places in a channel: sending into one never waits.
/**
 * Made by `try_reserve`, `async_reserve` and their `_many` forms. A place that is not used goes
 * back to the channel when the permit is destroyed, and from there to the next in line. A permit
 * outlives the sender that it came from; it does not keep the channel open, but the stream has not
 * ended as long as it could still be used.
 *
 * Not an I/O object, and move-only. Thread safety (`multi_threaded`): distinct permits: safe. One
 * shared permit: unsafe. (`single_threaded`): everything in one implicit strand.
 *
 * @code
 * auto permit = co_await tx.async_reserve();
 * auto row = fetch_next();                    // only now, when there is a place for it
 * permit.send(std::move(row));
 * @endcode
 */
template <class T, class Threading = multi_threaded>
class permit {
  using state_type = detail::core::channel_state<T, Threading>;

 public:
  using value_type = T;
  using threading_type = Threading;

  /// Constructs a permit without places.
  permit() noexcept = default;

  permit(permit&& other) noexcept
      : state_(std::move(other.state_)), places_(std::exchange(other.places_, 0)) {}

  permit& operator=(permit&& other) noexcept {
    permit taken(std::move(other));
    swap(*this, taken);
    return *this;
  }

  ~permit() {
    if (places_ != 0) state_->release_permits(places_);
  }

  friend void swap(permit& a, permit& b) noexcept {
    std::swap(a.state_, b.state_);
    std::swap(a.places_, b.places_);
  }

  /// How many places are left in it.
  [[nodiscard]] std::size_t size() const noexcept { return places_; }

  /// Whether it has a place.
  explicit operator bool() const noexcept { return places_ != 0; }

  /// Sends into a reserved place, which is used up; also after closing.
  /**
   * @returns No error if the channel accepted the value; `error::closed` if no receiver is left;
   * `error::full` if this permit has no place left; `asio::error::no_memory` if the buffer could
   * not grow.
   *
   * A value that is not accepted is left untouched, and the place stays reserved. The value enters
   * the buffer at once, ahead of pending sends. Never blocks. Complexity: constant.
   */
  [[nodiscard]] error_code send(T&& value) noexcept {
    if (places_ == 0) return error::full;
    // Used up before: who is woken by it may run at once, and use this permit, or destroy it.
    --places_;
    const error_code ec = detail::to_error_code(state_->send_reserved(value));
    if (ec) ++places_;
    return ec;
  }

  /// Sends a copy. The copy is made in any case.
  [[nodiscard]] error_code send(const T& value) { return send(T(value)); }

 private:
  friend struct detail::channel_access;

  permit(detail::core::state_ref<state_type> state, std::size_t places) noexcept
      : state_(std::move(state)), places_(places) {}

  detail::core::state_ref<state_type> state_;
  std::size_t places_ = 0;
};

}  // namespace sluice

#endif  // SLUICE_PERMIT_HPP
