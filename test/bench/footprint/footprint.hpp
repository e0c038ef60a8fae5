// SPDX-License-Identifier: BSL-1.0
#ifndef BENCH_FOOTPRINT_FOOTPRINT_HPP
#define BENCH_FOOTPRINT_FOOTPRINT_HPP

// How much memory something takes: so many of it are made, and the growth of the heap is divided by
// their number.

#include "frame/heap.hpp"

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace bench {

/// Bytes for one of what is measured.
struct footprint {
  double heap;
  /// The objects in the user's hands: the channel, or its two ends. Not counted above.
  std::size_t objects;
};

struct footprint_entry {
  std::string what;
  std::string peer;
  std::function<footprint()> measure;
};

/// In the order of registration, which is any order.
std::vector<footprint_entry>& footprints();

inline bool add_footprint(const std::string& what, const std::string& peer,
                          std::function<footprint()> measure) {
  footprints().push_back({what, peer, std::move(measure)});
  return true;
}

inline const std::string idle_channel = "channel(64), idle";
inline const std::string idle_oneshot = "oneshot, idle";
inline const std::string idle_watch = "watch with one receiver, idle";
inline const std::string idle_broadcast = "broadcast(64) with one receiver, idle";
inline const std::string used_channel = "channel(64), idle after one message";
inline const std::string queued_message = "message of 8 bytes, queued, unbounded";

constexpr std::size_t idle_capacity = 64;
constexpr int footprint_count = 10'000;

/// How the heap grows by each of many calls of `make`, which has to keep what it makes.
template <class Make>
double growth(Make make) {
  const heap_use before = heap_now();
  for (int i = 0; i != footprint_count; ++i) make();
  return static_cast<double>(heap_now().bytes - before.bytes) / footprint_count;
}

}  // namespace bench

#endif  // BENCH_FOOTPRINT_FOOTPRINT_HPP
