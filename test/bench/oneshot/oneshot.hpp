// SPDX-License-Identifier: BSL-1.0
#ifndef BENCH_ONESHOT_ONESHOT_HPP
#define BENCH_ONESHOT_ONESHOT_HPP

// One value, once, between coroutines on one thread. Each message has a oneshot of its own.

#include "frame/suite.hpp"

#include <cstddef>

namespace bench {

inline const workload oneshot_ready = {"W12", "oneshot: made, sent, received", 0.19, 1};
inline const workload oneshot_waits = {"W12w", "oneshot: the receiver waits first", 0.77, 1};
inline const workload oneshot_reply = {"W13", "request to an actor, reply by oneshot", 0.38, 1};

/// How many requests the actor's channel holds.
constexpr std::size_t actor_capacity = 64;

}  // namespace bench

#endif  // BENCH_ONESHOT_ONESHOT_HPP
