// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE core_short_mutex

// The mutex of two bytes: it excludes, it lets sleepers sleep and wakes them, and it may go as soon
// as it has been given back.

#include <sluice/detail/core/short_mutex.hpp>

#include "support/unit_test.hpp"

#include <boost/test/data/test_case.hpp>

#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

using sluice::detail::core::short_mutex;

BOOST_AUTO_TEST_CASE(it_is_two_bytes) {
  BOOST_TEST(sizeof(short_mutex) == 2u);
}

BOOST_DATA_TEST_CASE(it_excludes, boost::unit_test::data::make({false, true}), threads_block) {
  constexpr int threads = 4;
  constexpr int rounds = 20'000;
  short_mutex mutex;
  if (threads_block) mutex.threads_block();
  int count = 0;
  std::vector<std::thread> crew;
  for (int i = 0; i < threads; ++i)
    crew.emplace_back([&] {
      for (int n = 0; n < rounds; ++n) {
        std::lock_guard<short_mutex> lock(mutex);
        ++count;
      }
    });
  for (std::thread& t : crew) t.join();
  BOOST_TEST(count == threads * rounds);
}

// Whoever holds it sleeps meanwhile, so the others go to sleep as well, all of them in one row.
BOOST_AUTO_TEST_CASE(all_sleepers_are_woken) {
  constexpr int threads = 6;
  constexpr int rounds = 100;
  short_mutex mutex;
  std::atomic<int> waiting{0};
  int count = 0;
  for (int n = 0; n < rounds; ++n) {
    waiting = 0;
    mutex.lock();
    std::vector<std::thread> crew;
    for (int i = 0; i < threads; ++i)
      crew.emplace_back([&] {
        ++waiting;
        std::lock_guard<short_mutex> lock(mutex);
        ++count;
      });
    while (waiting != threads) std::this_thread::yield();
    for (int i = 0; i < 50; ++i) std::this_thread::yield();
    mutex.unlock();
    for (std::thread& t : crew) t.join();
    BOOST_TEST_REQUIRE(count == (n + 1) * threads);
  }
}

// As a channel does: the last one to hold it destroys what it lies in.
BOOST_AUTO_TEST_CASE(it_may_be_destroyed_by_the_next_holder) {
  struct shared {
    short_mutex mutex;
    int left = 2;
  };
  for (int n = 0; n < 5'000; ++n) {
    auto* s = new shared;
    auto leave = [s] {
      s->mutex.lock();
      const bool last = --s->left == 0;
      s->mutex.unlock();
      if (last) delete s;
    };
    std::thread other(leave);
    leave();
    other.join();
  }
}
