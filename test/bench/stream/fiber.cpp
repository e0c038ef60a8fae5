// SPDX-License-Identifier: BSL-1.0
//
// fiber       Boost.Fiber's buffered_channel (W3: unbuffered_channel), on two threads shared_work

#include "frame/machine.hpp"
#include "stream/stream.hpp"

#include <boost/fiber/algo/shared_work.hpp>
#include <boost/fiber/barrier.hpp>
#include <boost/fiber/buffered_channel.hpp>
#include <boost/fiber/fiber.hpp>
#include <boost/fiber/operations.hpp>
#include <boost/fiber/unbuffered_channel.hpp>

#include <thread>

namespace bench {
namespace {

namespace fibers = boost::fibers;

template <class Channel>
timing launch_and_join(const stream& s, std::uint64_t messages, Channel& channel,
                       std::vector<tally>& tallies) {
  const stopwatch watch;
  std::vector<fibers::fiber> all;
  for (tally& received : tallies) {
    all.emplace_back([&channel, &received, count = messages / tallies.size()] {
      for (message left = count; left != 0; --left) received.sum += channel.value_pop();
    });
  }
  const message share = messages / static_cast<message>(s.producers);
  for (int p = 0; p != s.producers; ++p) {
    all.emplace_back([&channel, first = share * static_cast<message>(p), share] {
      for (message value = first; value != first + share; ++value) channel.push(value);
    });
  }
  for (fibers::fiber& f : all) f.join();
  return watch.elapsed();
}

template <class Channel>
timing run(const stream& s, std::uint64_t messages, Channel& channel) {
  std::vector<tally> tallies(static_cast<std::size_t>(s.consumers));
  timing result{};
  if (s.threads == 1) {
    const pinned here(second_core);
    result = launch_and_join(s, messages, channel, tallies);
    check_tallies(messages, tallies);
    return result;
  }

  // A thread's scheduler cannot be exchanged once it has run, so every run has threads of its own.
  fibers::barrier over(static_cast<std::size_t>(s.threads));
  std::vector<std::thread> threads;
  for (int i = 0; i != s.threads; ++i) {
    threads.emplace_back([&, i] {
      const pinned here(static_cast<unsigned>(i));
      fibers::use_scheduling_algorithm<fibers::algo::shared_work>();
      if (i == 0) result = launch_and_join(s, messages, channel, tallies);
      over.wait();
    });
  }
  for (std::thread& t : threads) t.join();
  check_tallies(messages, tallies);
  return result;
}

timing run_capacity(const stream& s, std::uint64_t messages) {
  if (s.capacity == 0) {
    fibers::unbuffered_channel<message> channel;
    return run(s, messages, channel);
  }
  fibers::buffered_channel<message> channel(s.capacity);
  return run(s, messages, channel);
}

// There is no unbounded channel, nor cancellation, nor a flavour for one thread.
bool has_equivalent(const stream& s) {
  return s.capacity != unbounded && s.kind == flavour::usual;
}

const bool added = add_streams("fiber", has_equivalent, run_capacity);

}  // namespace
}  // namespace bench
