// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_OVERFLOW_HPP
#define SLUICE_OVERFLOW_HPP

namespace sluice {

/// What happens when a broadcast is full, that is, when a subscriber is too slow.
enum class overflow {
  /// The oldest message is given up. Senders never wait; who was too slow is told what it missed.
  lag,
  /// Senders wait until the slowest subscriber has received the oldest message. Nothing is missed.
  wait
};

}  // namespace sluice

#endif  // SLUICE_OVERFLOW_HPP
