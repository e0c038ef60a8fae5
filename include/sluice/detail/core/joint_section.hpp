// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_CORE_JOINT_SECTION_HPP
#define SLUICE_DETAIL_CORE_JOINT_SECTION_HPP

// The locks of several states, taken together. This is the only place where a thread holds more
// than one of them, and it takes them in the order of their addresses.

#include <sluice/detail/core/state.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <functional>
#include <optional>

namespace sluice::detail::core {

template <class Threading, std::size_t Most>
class joint_section {
 public:
  using section = typename state<Threading>::section;

  joint_section() = default;
  joint_section(const joint_section&) = delete;
  joint_section& operator=(const joint_section&) = delete;

  // Who is woken may run at once, and must not find any of the locks taken.
  ~joint_section() { unlock(); }

  /// Names a state, more than once if need be, before the locks are taken.
  void add(state<Threading>& s) noexcept { states_[count_++] = &s; }

  void lock() noexcept {
    std::sort(begin(), end(), std::less<state<Threading>*>());
    count_ = static_cast<std::size_t>(std::unique(begin(), end()) - begin());
    for (std::size_t i = 0; i != count_; ++i) sections_[i].emplace(*states_[i]);
  }

  section& of(state<Threading>& s) noexcept {
    return *sections_[static_cast<std::size_t>(std::find(begin(), end(), &s) - begin())];
  }

  /// Gives all locks back. Who is to be woken is woken at the end.
  void unlock() noexcept {
    for (std::size_t i = 0; i != count_; ++i)
      if (sections_[i]) sections_[i]->unlock();
  }

 private:
  using iterator = typename std::array<state<Threading>*, Most>::iterator;

  iterator begin() noexcept { return states_.begin(); }
  iterator end() noexcept { return states_.begin() + static_cast<std::ptrdiff_t>(count_); }

  std::array<state<Threading>*, Most> states_{};
  std::size_t count_ = 0;
  std::array<std::optional<section>, Most> sections_;
};

}  // namespace sluice::detail::core

#endif  // SLUICE_DETAIL_CORE_JOINT_SECTION_HPP
