// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_SYNC_END_HPP
#define SLUICE_DETAIL_SYNC_END_HPP

// What the two blocking ends have in common: an end of a channel, and all of it that neither blocks
// nor is asynchronous.

#include <sluice/detail/core/channel_meter.hpp>
#include <sluice/detail/initiation.hpp>
#include <sluice/error.hpp>
#include <sluice/measured.hpp>
#include <sluice/threading.hpp>

#include <cstddef>
#include <type_traits>
#include <utility>

namespace sluice::detail {

template <class End>
class sync_end {
  static_assert(
      !std::is_same_v<core::synchronisation<typename End::threading_type>, single_threaded>,
      "sluice: a channel that is single_threaded has no other thread that a blocked one "
      "could wait for: make it with multi_threaded, or use the try_ functions");

 public:
  using value_type = typename End::value_type;
  using executor_type = typename End::executor_type;
  using threading_type = typename End::threading_type;

  /// The executor that this end was made with. A thread that runs it must not block here.
  executor_type get_executor() const noexcept { return end_.get_executor(); }

  /// Ends the blocked calls that were made through this handle, with `operation_aborted`.
  void cancel() noexcept { end_.cancel(); }

  /// Whether this handle is an end of something: not default-constructed and not moved from.
  explicit operator bool() const noexcept { return static_cast<bool>(end_); }

  /// Closes the channel for both ends; what was accepted can still be received. Closing twice is
  /// harmless.
  void close() noexcept { end_.close(); }

  /// Closes the channel, and receivers see `reason` where they would see the end of the stream.
  void close(error_code reason) noexcept { end_.close(reason); }

  [[nodiscard]] bool is_closed() const noexcept { return end_.is_closed(); }
  [[nodiscard]] std::size_t capacity() const noexcept { return end_.capacity(); }
  [[nodiscard]] std::size_t size() const noexcept { return end_.size(); }
  [[nodiscard]] bool empty() const noexcept { return end_.empty(); }
  [[nodiscard]] bool full() const noexcept { return end_.full(); }
  [[nodiscard]] std::size_t sender_count() const noexcept { return end_.sender_count(); }
  [[nodiscard]] std::size_t receiver_count() const noexcept { return end_.receiver_count(); }

  /// What a channel that is measured has done, and is doing.
  template <class Measured = threading_type, class = core::enable_if_measured<Measured>>
  [[nodiscard]] channel_metrics metrics() const noexcept {
    return end_.metrics();
  }

  /// Whether both are ends of one channel. The other may be blocking or asynchronous.
  template <class Other>
  [[nodiscard]] bool same_channel(const sync_end<Other>& other) const noexcept {
    return end_.same_channel(other.end_);
  }
  template <class Other,
            class = decltype(std::declval<const End&>().same_channel(std::declval<const Other&>()))>
  [[nodiscard]] bool same_channel(const Other& other) const noexcept {
    return end_.same_channel(other);
  }

 protected:
  sync_end() = default;
  explicit sync_end(End&& end) noexcept : end_(std::move(end)) {
    if (end_) channel_access::state(end_)->threads_block();
  }

  End end_;

 private:
  template <class>
  friend class sync_end;
};

}  // namespace sluice::detail

#endif  // SLUICE_DETAIL_SYNC_END_HPP
