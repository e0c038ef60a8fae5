// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_CORE_OBSERVABLE_HPP
#define SLUICE_DETAIL_CORE_OBSERVABLE_HPP

// A number that is protected by a lock, except that anybody may look at it without. What is seen so
// may be over by the time that it is used, and two such numbers need not fit together: it is a hint
// whether the lock is worth taking.

#include <atomic>
#include <type_traits>

namespace sluice::detail::core {

/// For threads that are none: a hint is never late.
template <class U>
class plain_value {
 public:
  plain_value(U value) noexcept : value_(value) {}

  U load(std::memory_order) const noexcept { return value_; }
  void store(U value, std::memory_order) noexcept { value_ = value; }

 private:
  U value_;
};

template <class Threading, class U>
class observable {
  using atomic = typename Threading::template atomic<U>;
  using value = std::conditional_t<std::is_same_v<atomic, std::atomic<U>>, atomic, plain_value<U>>;

 public:
  observable(U initial) noexcept : value_(initial) {}
  observable(const observable&) = delete;

  // Relaxed: the lock orders everything that is not a hint.
  operator U() const noexcept { return value_.load(std::memory_order_relaxed); }

  observable& operator=(U next) noexcept {
    value_.store(next, std::memory_order_relaxed);
    return *this;
  }

  observable& operator=(const observable& other) noexcept {
    *this = U(other);
    return *this;
  }

  // Only the one who holds the lock changes it, so these need not be atomic as a whole.
  observable& operator+=(U more) noexcept { return *this = static_cast<U>(*this + more); }
  observable& operator-=(U less) noexcept { return *this = static_cast<U>(*this - less); }
  observable& operator++() noexcept { return *this += 1; }
  observable& operator--() noexcept { return *this -= 1; }

 private:
  value value_;
};

}  // namespace sluice::detail::core

#endif  // SLUICE_DETAIL_CORE_OBSERVABLE_HPP
