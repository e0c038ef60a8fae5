// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_CONFORMANCE_KEPT_HPP
#define SLUICE_TEST_CONFORMANCE_KEPT_HPP

// Objects that operations refer to. They stay where they are, because nobody knows for how long.

#include <deque>
#include <mutex>
#include <type_traits>
#include <utility>

namespace conformance {

template <class T>
class keeper {
 public:
  static T& keep(T&& object) {
    std::lock_guard<std::mutex> lock(mutex_);
    return all_.emplace_back(std::move(object));
  }

  /// For when no operation is left.
  static void forget() {
    std::lock_guard<std::mutex> lock(mutex_);
    all_.clear();
  }

 private:
  static inline std::mutex mutex_;
  static inline std::deque<T> all_;
};

template <class T>
T& keep(T&& object) {
  static_assert(!std::is_reference_v<T>);
  return keeper<T>::keep(std::move(object));
}

}  // namespace conformance

#endif  // SLUICE_TEST_CONFORMANCE_KEPT_HPP
