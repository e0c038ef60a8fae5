// SPDX-License-Identifier: BSL-1.0
//
// What the command line can say. This part turns words into checked values.

#ifndef BROKER_OPTIONS_HPP
#define BROKER_OPTIONS_HPP

#include "settings.hpp"

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace broker {

struct options {
  enum class side { none, publish, consume } role = side::none;
  publisher_settings publisher;
  subscriber_settings subscriber;
  std::string name;
  std::size_t capacity = 16;
  std::uint64_t count = 0;
  std::size_t size = 0;
  milliseconds delay{0};
  std::uint64_t fail = 0;
};

// A command line that cannot be understood; what() says why.
struct bad_option : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Throws bad_option. The role is `none` if help was asked for.
options parse_options(int count, const char* const* words);

// Made from the same table that the parser reads.
std::string help_text();

}  // namespace broker

#endif
