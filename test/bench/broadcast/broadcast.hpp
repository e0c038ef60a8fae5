// SPDX-License-Identifier: BSL-1.0
#ifndef BENCH_BROADCAST_BROADCAST_HPP
#define BENCH_BROADCAST_BROADCAST_HPP

// Every message goes to every receiver, one thread. What is counted are deliveries.

#include "frame/suite.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace bench {

struct audience : workload {
  std::size_t receivers;
};

// clang-format off
inline const std::vector<audience> audiences = {
    {{"W14r1",    "broadcast(1024) to 1 receiver, per delivery",     0.14,  1}, 1},
    {{"W14r8",    "broadcast(1024) to 8 receivers, per delivery",    0.10,  1}, 8},
    {{"W14r64",   "broadcast(1024) to 64 receivers, per delivery",   0.086, 1}, 64},
    {{"W14r1000", "broadcast(1024) to 1000 receivers, per delivery", 0.086, 1}, 1000},
};
// clang-format on

constexpr std::size_t broadcast_capacity = 1024;

/// After so many messages a sender that never waits gives the receivers a turn.
constexpr message burst = 64;

/// Registers a peer. It is told how many messages to send, and returns what each receiver has
/// summed up.
template <class Run>
bool add_broadcast(const std::string& peer, Run run) {
  for (const audience& a : audiences) {
    add_contender(a, peer, [&a, run](std::uint64_t deliveries) {
      const std::uint64_t messages = (deliveries + a.receivers - 1) / a.receivers;
      std::vector<message> sums(a.receivers);
      const timing result = run(messages, sums);
      for (const message sum : sums) check_sum(messages, sum);
      return result;
    });
  }
  return true;
}

}  // namespace bench

#endif  // BENCH_BROADCAST_BROADCAST_HPP
