// SPDX-License-Identifier: BSL-1.0
#ifndef BENCH_GROWTH_GROWTH_HPP
#define BENCH_GROWTH_GROWTH_HPP

// How cost grows: the same thing with more and more of something. A curve has points along an axis,
// and each peer its own line.

#include "frame/suite.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace bench {

struct curve {
  const char* name;
  const char* title;
  /// What there is more and more of.
  const char* axis;
  /// What the time is that of.
  const char* unit;
  std::vector<std::size_t> points;
};

// clang-format off
namespace curves {
inline const curve producers{"G1", "producers, 1 consumer, bounded(64), one thread",
                             "producers", "message", {1, 2, 4, 8, 16, 32, 64}};
inline const curve consumers{"G2", "consumers, 16 producers, bounded(64), one thread",
                             "consumers", "message", {1, 2, 4, 8, 16}};
inline const curve producers_two{"G3", "producers, 1 consumer, bounded(64), two threads",
                                 "producers", "message", {1, 2, 4, 8, 16, 32, 64}};
inline const curve consumers_two{"G4", "consumers, 16 producers, bounded(64), two threads",
                                 "consumers", "message", {1, 2, 4, 8, 16}};
inline const curve capacity{"G5", "places, 1 producer, 1 consumer, one thread",
                            "capacity", "message", {1, 4, 16, 64, 256, 1'024, 4'096, 16'384, 65'536}};
inline const curve size{"G6", "bytes in a message, bounded(64), 1 producer, 1 consumer, one thread",
                        "bytes", "message", {8, 32, 128, 512, 1'024, 4'096}};
inline const curve text{"G7", "characters in a std::string, as G6",
                        "characters", "message", {8, 32, 128, 512, 1'024, 4'096}};
inline const curve idle{"G8", "channels that exist, made and destroyed, unused",
                        "channels", "channel", {1, 10, 100, 1'000, 10'000}};
inline const curve cancelled{"G9", "receives that wait and are cancelled one by one",
                             "receives", "receive", {10, 100, 1'000, 10'000, 100'000}};
inline const curve closed{"G10", "receives that wait until the channel is closed",
                          "receives", "receive", {10, 100, 1'000, 10'000, 100'000}};
inline const curve audience{"G11", "receivers of a broadcast(1024), one thread",
                            "receivers", "delivery", {1, 4, 16, 64, 256, 1'000}};
}  // namespace curves
// clang-format on

inline const std::array all_curves = {
    &curves::producers, &curves::consumers, &curves::producers_two, &curves::consumers_two,
    &curves::capacity,  &curves::size,      &curves::text,          &curves::idle,
    &curves::cancelled, &curves::closed,    &curves::audience};

/// Passes at least so many messages, or makes as many channels, or receives; says how many, and how
/// long it took.
using line_program =
    std::function<std::pair<std::uint64_t, timing>(std::size_t point, std::uint64_t count)>;

struct line {
  const curve* along;
  std::string peer;
  line_program run;
};

/// All that have been registered, in any order.
inline std::vector<line>& lines() {
  static std::vector<line> all;
  return all;
}

inline bool add_line(const curve& along, std::string peer, line_program run) {
  lines().push_back({&along, std::move(peer), std::move(run)});
  return true;
}

/// Divides messages among producers and consumers without a remainder.
inline std::uint64_t divisible(std::uint64_t messages, std::size_t parts) {
  return (messages + parts - 1) / parts * parts;
}

}  // namespace bench

#endif  // BENCH_GROWTH_GROWTH_HPP
