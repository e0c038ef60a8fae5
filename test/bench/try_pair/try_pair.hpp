// SPDX-License-Identifier: BSL-1.0
#ifndef BENCH_TRY_PAIR_TRY_PAIR_HPP
#define BENCH_TRY_PAIR_TRY_PAIR_HPP

// One value in and out again, on one thread, and nobody waits: what the queue itself costs.

#include "frame/machine.hpp"
#include "frame/suite.hpp"

#include <cstddef>
#include <string>

namespace bench {

inline const workload try_pair = {"W8", "try_send and try_receive in turn, one thread", 0.28, 1};

constexpr std::size_t try_pair_capacity = 64;

/// `make` makes a queue, a function that puts a value in and returns the one it takes out.
template <class Make>
bool add_try_pair(const std::string& peer, Make make) {
  return add_contender(try_pair, peer, [make](std::uint64_t messages) {
    auto put_and_take = make();
    const pinned here(second_core);
    const stopwatch watch;
    message sum = 0;
    for (message value = 0; value != messages; ++value) sum += put_and_take(value);
    const timing result = watch.elapsed();
    check_sum(messages, sum);
    return result;
  });
}

}  // namespace bench

#endif  // BENCH_TRY_PAIR_TRY_PAIR_HPP
