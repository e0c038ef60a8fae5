// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE block_cache

// The blocks that operations lie in: kept by each thread, passed on between threads, and given back
// when there are too many of them.

#include <sluice/detail/block_cache.hpp>

#include "support/unit_test.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <set>
#include <thread>
#include <vector>

using sluice::detail::block_cache;
using sluice::detail::recycling_allocator;

namespace {

using blocks = std::vector<void*>;

blocks allocate(std::size_t count, std::size_t bytes) {
  blocks all;
  for (std::size_t i = 0; i != count; ++i) {
    all.push_back(block_cache::allocate(bytes));
    std::memset(all.back(), 0x5a, bytes);
  }
  return all;
}

void deallocate(const blocks& all, std::size_t bytes) {
  for (void* b : all) block_cache::deallocate(b, bytes);
}

template <class Function>
void on_another_thread(Function f) {
  std::thread(f).join();
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_block_is_used_again) {
  void* first = block_cache::allocate(200);
  block_cache::deallocate(first, 200);
  // Another size of the same class, and of another one.
  void* again = block_cache::allocate(193);
  void* other = block_cache::allocate(192);
  BOOST_TEST(again == first);
  BOOST_TEST(other != first);
  block_cache::deallocate(again, 193);
  block_cache::deallocate(other, 192);
}

// Around each boundary of a class, and beyond what is kept.
BOOST_DATA_TEST_CASE(blocks_of_all_sizes_are_apart,
                     boost::unit_test::data::make({1, 8, 63, 64, 65, 127, 128, 129, 704, 705, 767,
                                                   768, 769, 4096}),
                     size) {
  const auto bytes = static_cast<std::size_t>(size);
  for (int round = 0; round != 3; ++round) {
    blocks all = allocate(100, bytes);
    std::sort(all.begin(), all.end());
    for (std::size_t i = 1; i < all.size(); ++i) {
      auto distance =
          reinterpret_cast<std::uintptr_t>(all[i]) - reinterpret_cast<std::uintptr_t>(all[i - 1]);
      BOOST_TEST_REQUIRE(distance >= bytes);
    }
    deallocate(all, bytes);
  }
}

// What one thread frees, another one finds, a bundle at a time.
BOOST_AUTO_TEST_CASE(surplus_goes_to_other_threads) {
  constexpr std::size_t bytes = 320;
  const blocks all = allocate(64, bytes);
  on_another_thread([&] { deallocate(all, bytes); });
  const std::set<void*> freed(all.begin(), all.end());
  std::size_t found = 0;
  on_another_thread([&] {
    const blocks mine = allocate(40, bytes);
    found = static_cast<std::size_t>(
        std::count_if(mine.begin(), mine.end(), [&](void* b) { return freed.count(b) != 0; }));
    deallocate(mine, bytes);
  });
  BOOST_TEST(found >= 16u);
}

// An operation may end in the destructor of an object that belongs to the thread, after the blocks
// that the thread had kept are gone.
BOOST_AUTO_TEST_CASE(blocks_may_be_freed_while_a_thread_ends) {
  struct late {
    void* block = nullptr;
    ~late() {
      block_cache::deallocate(block, 100);
      block_cache::deallocate(block_cache::allocate(100), 100);
    }
  };
  for (int round = 0; round != 10; ++round) {
    on_another_thread([] {
      static thread_local late l;
      l.block = block_cache::allocate(100);
      deallocate(allocate(50, 100), 100);
    });
  }
}

BOOST_AUTO_TEST_CASE(many_threads_pass_blocks_around) {
  constexpr std::size_t bytes = 256;
  std::vector<std::thread> crew;
  for (int t = 0; t != 4; ++t)
    crew.emplace_back([] {
      for (int round = 0; round != 200; ++round) {
        const blocks mine = allocate(100, bytes);
        std::thread([&] { deallocate(mine, bytes); }).join();
      }
    });
  for (std::thread& t : crew) t.join();
}

BOOST_AUTO_TEST_CASE(over_aligned_types_are_aligned) {
  struct alignas(128) wide {
    unsigned char bytes[128];
  };
  recycling_allocator<wide> memory;
  wide* w = memory.allocate(2);
  BOOST_TEST(reinterpret_cast<std::uintptr_t>(w) % 128 == 0u);
  memory.deallocate(w, 2);
}
