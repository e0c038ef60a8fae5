// SPDX-License-Identifier: BSL-1.0
#ifndef BENCH_FRAME_RUN_CONTEXT_HPP
#define BENCH_FRAME_RUN_CONTEXT_HPP

#include "frame/machine.hpp"
#include "frame/suite.hpp"

#include <boost/asio/io_context.hpp>

#include <thread>
#include <vector>

namespace bench {

/// Runs a context out of work, on this thread and `threads - 1` others, each on a core of its own.
inline timing run_context(boost::asio::io_context& context, int threads) {
  const pinned here(threads == 1 ? second_core : 0);
  const stopwatch watch;
  std::vector<std::thread> others;
  for (unsigned core = 1; core != static_cast<unsigned>(threads); ++core) {
    others.emplace_back([&context, core] {
      const pinned there(core);
      context.run();
    });
  }
  context.run();
  for (std::thread& other : others) other.join();
  return watch.elapsed();
}

}  // namespace bench

#endif  // BENCH_FRAME_RUN_CONTEXT_HPP
