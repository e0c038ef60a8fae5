// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE requirements

// The allocators, executors and cancellation slots of the library meet the requirements of those
// who are given them, the standard library and Asio, also where neither of them asks at present.

#include <sluice/detail/block_cache.hpp>
#include <sluice/detail/blocking_executor.hpp>
#include <sluice/detail/context_service.hpp>
#include <sluice/detail/frame_arena.hpp>
#include <sluice/detail/in_place_slot.hpp>
#include <sluice/detail/submission.hpp>
#include <sluice/threading.hpp>

#include <boost/asio/execution.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/test/unit_test.hpp>

#include <array>
#include <cstddef>
#include <limits>
#include <memory>
#include <new>

namespace asio = boost::asio;
using namespace sluice::detail;

namespace {

/// Allocates, uses and gives back some objects.
template <class T, class Allocator>
void use(const Allocator& from, std::size_t count) {
  using rebound = typename std::allocator_traits<Allocator>::template rebind_alloc<T>;
  rebound allocator(from);
  BOOST_TEST((allocator == rebound(Allocator(allocator))));
  BOOST_TEST(!(allocator != allocator));
  T* memory = std::allocator_traits<rebound>::allocate(allocator, count);
  for (std::size_t i = 0; i != count; ++i)
    std::allocator_traits<rebound>::construct(allocator, memory + i);
  for (std::size_t i = 0; i != count; ++i)
    std::allocator_traits<rebound>::destroy(allocator, memory + i);
  std::allocator_traits<rebound>::deallocate(allocator, memory, count);
}

struct alignas(64) aligned {
  char bytes[64];
};

}  // namespace

BOOST_AUTO_TEST_CASE(recycled_memory_is_allocated_as_the_standard_says) {
  const recycling_allocator<void> all;
  BOOST_TEST((all == recycling_allocator<void>(recycling_allocator<int>())));
  BOOST_TEST(!(all != all));
  for (std::size_t count : {0u, 1u, 3u, 1'000u}) {
    use<int>(all, count);
    use<aligned>(all, count);
  }
}

BOOST_AUTO_TEST_CASE(the_memory_of_a_submission_is_its_own_or_the_heaps) {
  submission_buffer one;
  submission_buffer other;
  const submission_allocator<void> mine(one);
  const submission_allocator<void> others(other);
  BOOST_TEST((mine == mine));
  BOOST_TEST((mine != others));
  BOOST_TEST((submission_allocator<int>(mine) != submission_allocator<char>(others)));
  BOOST_TEST((submission_allocator<int>(mine) == submission_allocator<char>(mine)));
  // What does not fit into the buffer comes from the heap.
  for (std::size_t count : {1u, 18u, 19u, 1'000u}) use<int>(mine, count);
  use<aligned>(mine, 1);
}

BOOST_AUTO_TEST_CASE(an_arena_serves_what_fits_once) {
  frame_arena<64> arena;
  const frame_allocator<int> allocator(arena);
  use<int>(allocator, 16);
  use<int>(allocator, 17);
  use<aligned>(allocator, 1);
  frame_arena<64> other;
  BOOST_TEST((allocator == frame_allocator<char>(allocator)));
  BOOST_TEST((allocator != frame_allocator<int>(other)));
  frame_allocator<int> most(other);
  BOOST_CHECK_THROW((void)most.allocate(std::numeric_limits<std::size_t>::max() / 2),
                    std::bad_alloc);
  // Who has failed has taken nothing.
  int* first = most.allocate(1);
  BOOST_TEST(static_cast<void*>(first) == other.begin());
  most.deallocate(first, 1);
}

BOOST_AUTO_TEST_CASE(the_executor_of_a_blocked_thread_never_blocks) {
  workbench<sluice::multi_threaded> bench;
  workbench<sluice::multi_threaded> other;
  const blocking_executor<sluice::multi_threaded> ex(bench);
  BOOST_TEST((asio::query(ex, asio::execution::blocking) == asio::execution::blocking.never));
  BOOST_TEST((asio::require(ex, asio::execution::blocking.never) == ex));
  BOOST_TEST((ex != blocking_executor<sluice::multi_threaded>(other)));
  // What nobody waits for any more is destroyed, and does not run.
  auto owner = std::make_shared<int>();
  {
    workbench<sluice::multi_threaded> short_lived;
    blocking_executor<sluice::multi_threaded>(short_lived).execute([owner] { *owner = 1; });
    BOOST_TEST(owner.use_count() == 2);
  }
  BOOST_TEST(owner.use_count() == 1);
  BOOST_TEST(*owner == 0);
}

BOOST_AUTO_TEST_CASE(an_executor_that_only_knows_its_context_compares_by_it) {
  asio::io_context one;
  asio::io_context other;
  const anchor_executor a{&one};
  BOOST_TEST((a == anchor_executor{&one}));
  BOOST_TEST((a != anchor_executor{&other}));
  BOOST_TEST(&asio::query(a, asio::execution::context) == &one);
}

BOOST_AUTO_TEST_CASE(a_slot_tells_whether_it_has_a_handler) {
  in_place_signal signal;
  in_place_signal other;
  in_place_slot slot(signal);
  BOOST_TEST((slot == in_place_slot(signal)));
  BOOST_TEST((slot != in_place_slot(other)));
  BOOST_TEST(!in_place_slot().is_connected());
  BOOST_TEST(!in_place_slot().has_handler());
  in_place_slot().clear();
  BOOST_TEST(!slot.has_handler());
  int small = 0;
  slot.assign([&small](asio::cancellation_type_t) { ++small; });
  BOOST_TEST(slot.has_handler());
  signal.emit(asio::cancellation_type::total);
  BOOST_TEST(small == 1);
  // Another one takes its place, however large.
  auto owner = std::make_shared<int>(0);
  slot.assign([owner, large = std::array<char, 500>()](asio::cancellation_type_t) mutable {
    large[0] = 1;
    ++*owner;
  });
  signal.emit(asio::cancellation_type::terminal);
  BOOST_TEST(small == 1);
  BOOST_TEST(*owner == 1);
  slot.clear();
  BOOST_TEST(!slot.has_handler());
  BOOST_TEST(owner.use_count() == 1);
  signal.emit(asio::cancellation_type::terminal);
  BOOST_TEST(*owner == 1);
}
