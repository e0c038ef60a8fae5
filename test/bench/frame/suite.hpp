// SPDX-License-Identifier: BSL-1.0
#ifndef BENCH_FRAME_SUITE_HPP
#define BENCH_FRAME_SUITE_HPP

// What is measured: workloads, and for each of them the contenders, one per peer.
//
// A folder beside this one holds workloads of one shape: a header that lists them as rows of a
// table, and one source file per peer that carries them out and registers itself. So a new row is a
// line in a table, and a new peer is a file.
//
// The rounds are made here rather than by a benchmark library because what counts are ratios. Those
// libraries measure one program to its end and then the next, while the speed of a machine drifts;
// here every peer has its turn in every round, in random order.

#include <chrono>
#include <cstdint>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

namespace bench {

/// Every message is eight bytes.
using message = std::uint64_t;

struct workload {
  const char* name;
  const char* title;
  /// The part of asio's time that sluice aims at.
  double target;
  int threads;
};

/// What a run took between its first message and its last, set-up and tear-down excluded.
struct timing {
  std::chrono::duration<double, std::nano> wall;
  /// The time of all processors together.
  std::chrono::duration<double, std::nano> processor;
};

class stopwatch {
 public:
  timing elapsed() const {
    const std::clock_t ticks = std::clock() - processor_;
    return {std::chrono::steady_clock::now() - wall_,
            std::chrono::duration<double>(static_cast<double>(ticks) / CLOCKS_PER_SEC)};
  }

 private:
  const std::clock_t processor_ = std::clock();
  const std::chrono::steady_clock::time_point wall_ = std::chrono::steady_clock::now();
};

/// Passes so many messages, a multiple of granularity.
using program = std::function<timing(std::uint64_t messages)>;

/// Every workload divides its messages among its producers and its consumers without a remainder.
constexpr std::uint64_t granularity = 64;

struct contender {
  std::string peer;
  program run;
};

struct entry {
  workload what;
  std::vector<contender> contenders;
};

/// All workloads that any contender has registered for, in the order of their numbers.
const std::vector<entry>& suite();

/// Returns something so that it can be called to initialise a variable of a source file.
bool add_contender(const workload& what, std::string peer, program run);

/// Ends the process if a run has lost or invented messages. The messages are 0, 1, ... in any
/// order.
void check_sum(std::uint64_t messages, message sum);

}  // namespace bench

#endif  // BENCH_FRAME_SUITE_HPP
