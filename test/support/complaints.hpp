// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_SUPPORT_COMPLAINTS_HPP
#define SLUICE_TEST_SUPPORT_COMPLAINTS_HPP

// What is wrong is written down where nothing may be thrown, allocated or printed.

#include <cstdio>

namespace support {

class complaints {
 public:
  complaints() = default;
  complaints(const complaints&) = delete;
  complaints& operator=(const complaints&) = delete;

  /// The first complaint is kept.
  void expect(bool holds, const char* complaint) noexcept {
    if (holds || any()) return;
    std::snprintf(first_, sizeof(first_), "%s", complaint);
  }

  bool any() const noexcept { return first_[0] != 0; }
  const char* first() const noexcept { return first_; }

 private:
  char first_[200] = {};
};

}  // namespace support

#endif  // SLUICE_TEST_SUPPORT_COMPLAINTS_HPP
