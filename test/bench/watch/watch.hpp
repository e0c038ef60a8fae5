// SPDX-License-Identifier: BSL-1.0
#ifndef BENCH_WATCH_WATCH_HPP
#define BENCH_WATCH_WATCH_HPP

// The latest value, many who wait for another one, one thread. What is counted are receivers that
// were told of a value and have looked at it.

#include "frame/suite.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace bench {

inline const workload watch_changes = {"W15", "watch, 64 receivers, per receiver that is told", 0.9,
                                       1};

constexpr std::size_t watch_receivers = 64;

/// Registers a peer. It is told how many values to send, and returns what each receiver has summed
/// up.
template <class Run>
bool add_watch(const std::string& peer, Run run) {
  return add_contender(watch_changes, peer, [run](std::uint64_t looks) {
    const std::uint64_t values = looks / watch_receivers;
    std::vector<message> sums(watch_receivers);
    const timing result = run(values, sums);
    for (const message sum : sums) check_sum(values, sum);
    return result;
  });
}

}  // namespace bench

#endif  // BENCH_WATCH_WATCH_HPP
