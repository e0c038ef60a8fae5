// SPDX-License-Identifier: BSL-1.0
#ifndef BENCH_SELECT_SELECT_HPP
#define BENCH_SELECT_SELECT_HPP

// One who takes from whichever of several channels has something, and one producer for each of
// them.

#include "frame/suite.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace bench {

struct choice : workload {
  std::size_t channels;
  std::size_t capacity;
  bool blocking;  // a thread selects, and another one sends to all of them in turn
};

// clang-format off
inline const std::vector<choice> choices = {
    {{"W16c2", "select over 2 channels, coroutines of one thread", 0.08, 1}, 2, 64,   false},
    {{"W16c8", "select over 8 channels, coroutines of one thread", 0.08, 1}, 8, 64,   false},
    {{"W16t2", "select over 2 channels, thread to thread",         0,    2}, 2, 1024, true},
    {{"W16t8", "select over 8 channels, thread to thread",         0,    2}, 8, 1024, true},
};
// clang-format on

template <class Applies, class Run>
bool add_choices(const std::string& peer, Applies applies, Run run) {
  for (const choice& c : choices) {
    if (applies(c))
      add_contender(c, peer, [&c, run](std::uint64_t messages) { return run(c, messages); });
  }
  return true;
}

}  // namespace bench

#endif  // BENCH_SELECT_SELECT_HPP
