// SPDX-License-Identifier: BSL-1.0
#ifndef BENCH_FRAME_OPTIONS_HPP
#define BENCH_FRAME_OPTIONS_HPP

// The command line of both programs.

#include "frame/suite.hpp"

#include <string>
#include <vector>

namespace bench {

/// Ends the process with status 2 and says why.
[[noreturn]] void fail(const std::string& why);

class options {
 public:
  options(int count, char** arguments) : words_(arguments + 1, arguments + count) {}

  /// Takes a flag away, and says whether it was there.
  bool flag(const std::string& name);

  /// Takes an option and its value away.
  std::string value(const std::string& name, const std::string& otherwise);

  /// What is left; there must be no option in it.
  std::vector<std::string> rest() const;

 private:
  std::vector<std::string> words_;
};

/// The workloads of these names, or all of them for no name.
std::vector<const entry*> choose(const std::vector<std::string>& names);

}  // namespace bench

#endif  // BENCH_FRAME_OPTIONS_HPP
