// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_FUZZ_PLAYERS_HPP
#define SLUICE_TEST_FUZZ_PLAYERS_HPP

// The players of all primitives, by the names of their corpora.

#include "fuzz/broadcast.hpp"
#include "fuzz/channel.hpp"
#include "fuzz/oneshot.hpp"
#include "fuzz/watch.hpp"

#include <cstddef>
#include <cstdint>

namespace fuzz {

struct named_player {
  const char* name;
  int (*run)(const std::uint8_t*, std::size_t);
};

inline constexpr named_player players[] = {{"channel", run_channel},
                                           {"oneshot", run_oneshot},
                                           {"broadcast", run_broadcast},
                                           {"watch", run_watch}};

}  // namespace fuzz

#endif  // SLUICE_TEST_FUZZ_PLAYERS_HPP
