// SPDX-License-Identifier: BSL-1.0
#ifndef BENCH_STREAM_STREAM_HPP
#define BENCH_STREAM_STREAM_HPP

// Streams: producers send, consumers receive, and both may have to wait.

#include "frame/suite.hpp"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace bench {

constexpr std::size_t unbounded = std::numeric_limits<std::size_t>::max();

enum class flavour {
  usual,
  /// Of a peer that has a channel for one thread, that one.
  unsynchronised,
  /// Somebody may cancel the coroutines, though nobody does.
  cancellable,
};

struct stream : workload {
  std::size_t capacity;
  int producers;
  int consumers;
  flavour kind = flavour::usual;
};

// clang-format off
inline const std::vector<stream> streams = {
    {{"W1",  "bounded(64), 1 producer, 1 consumer, one thread",    0.07,  1}, 64,        1, 1},
    {{"W1n", "as W1, the flavour for one thread",                  0.04,  1}, 64,        1, 1, flavour::unsynchronised},
    {{"W1c", "as W1, in coroutines that can be cancelled",         0.35,  1}, 64,        1, 1, flavour::cancellable},
    {{"W2",  "as W1, unbounded",                                   0.065, 1}, unbounded, 1, 1},
    {{"W3",  "as W1, rendezvous",                                  0.26,  1}, 0,         1, 1},
    {{"W4",  "as W1, bounded(1024)",                               0.06,  1}, 1024,      1, 1},
    {{"W5",  "bounded(64), 8 producers, 1 consumer, one thread",   0.07,  1}, 64,        8, 1},
    {{"W6",  "bounded(64), 8 producers, 1 consumer, two threads",  0.094, 2}, 64,        8, 1},
    {{"W7",  "bounded(64), 4 producers, 4 consumers, two threads", 0.065, 2}, 64,        4, 4},
};
// clang-format on

/// What a consumer has received. On a cache line of its own: counting must not cost what is
/// counted.
struct alignas(64) tally {
  message sum = 0;
};

inline void check_tallies(std::uint64_t messages, const std::vector<tally>& tallies) {
  message sum = 0;
  for (const tally& t : tallies) sum += t.sum;
  check_sum(messages, sum);
}

/// Registers a peer for those streams that `applies` accepts.
template <class Applies, class Run>
bool add_streams(const std::string& peer, Applies applies, Run run) {
  for (const stream& s : streams) {
    if (applies(s))
      add_contender(s, peer, [&s, run](std::uint64_t messages) { return run(s, messages); });
  }
  return true;
}

inline bool every_stream(const stream&) {
  return true;
}

/// At a rendezvous one of the two always has to wait, and to try first is no use.
inline bool has_buffer(const stream& s) {
  return s.capacity != 0;
}

}  // namespace bench

#endif  // BENCH_STREAM_STREAM_HPP
