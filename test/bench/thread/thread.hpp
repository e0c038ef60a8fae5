// SPDX-License-Identifier: BSL-1.0
#ifndef BENCH_THREAD_THREAD_HPP
#define BENCH_THREAD_THREAD_HPP

// Plain threads that block, at one end or at both, each side on a core of its own. At the other end
// of some of them is a coroutine.

#include "frame/machine.hpp"
#include "frame/suite.hpp"

#include <cstddef>
#include <limits>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace bench {

enum class side { thread, coroutine };

struct hand_over : workload {
  std::size_t capacity;
  side producer;
  side consumer;
};

constexpr std::size_t never_full = std::numeric_limits<std::size_t>::max();

// Asio has nothing to be measured by between two threads: there the target is 40 and 37 ns.
// clang-format off
inline const std::vector<hand_over> hand_overs = {
    {{"W9",   "bounded(1024), a thread sends, a coroutine receives", 0.5,  2}, 1024,       side::thread,    side::coroutine},
    {{"W10",  "bounded(1024), a coroutine sends, a thread receives", 0.6,  2}, 1024,       side::coroutine, side::thread},
    {{"W11b", "bounded(1024), thread to thread",                     0,    2}, 1024,       side::thread,    side::thread},
    {{"W11u", "unbounded, thread to thread",                         0,    2}, never_full, side::thread,    side::thread},
};
// clang-format on

inline const workload round_trip = {"RT", "a thread asks, a coroutine answers, per round trip", 0.9,
                                    2};

/// Runs both sides, each on its core, and sees that what was sent has arrived.
template <class Produce, class Consume>
timing run_sides(std::uint64_t messages, Produce produce, Consume consume) {
  message sum = 0;
  const stopwatch watch;
  std::thread producer([&produce] {
    const pinned here(0);
    produce();
  });
  {
    const pinned here(second_core);
    sum = consume();
  }
  producer.join();
  const timing result = watch.elapsed();
  check_sum(messages, sum);
  return result;
}

template <class Applies, class Run>
bool add_hand_overs(const std::string& peer, Applies applies, Run run) {
  for (const hand_over& h : hand_overs) {
    if (applies(h))
      add_contender(h, peer, [&h, run](std::uint64_t messages) { return run(h, messages); });
  }
  return true;
}

inline bool every_hand_over(const hand_over&) {
  return true;
}

inline bool between_threads(const hand_over& h) {
  return h.producer == side::thread && h.consumer == side::thread;
}

inline bool has_coroutine(const hand_over& h) {
  return !between_threads(h);
}

}  // namespace bench

#endif  // BENCH_THREAD_THREAD_HPP
