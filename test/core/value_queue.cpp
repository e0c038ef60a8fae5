// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE value_queue

// The buffer of a channel against std::deque: order, boundaries of its blocks, destruction at every
// fill, what it does when memory runs out, and how much of it it keeps.

#include <sluice/detail/core/value_queue.hpp>

#include <boost/test/unit_test.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <random>
#include <tuple>
#include <utility>

// A sanitizer that brings an operator new of its own suffers no other.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SLUICE_TEST_HEAP_IS_TAKEN
#endif
#endif

namespace {

std::size_t live_blocks = 0;

}  // namespace

#if !defined(SLUICE_TEST_HEAP_IS_TAKEN)

namespace {

// Every block of a queue comes from here.
bool memory_is_out = false;

void* take_block(std::size_t size, std::size_t alignment) {
  if (memory_is_out) throw std::bad_alloc();
  void* block = std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  if (block == nullptr) throw std::bad_alloc();
  ++live_blocks;
  return block;
}

}  // namespace

void* operator new(std::size_t size, std::align_val_t alignment) {
  return take_block(size, static_cast<std::size_t>(alignment));
}

void operator delete(void* block, std::align_val_t) noexcept {
  if (block != nullptr) --live_blocks;
  std::free(block);
}

void operator delete(void* block, std::size_t, std::align_val_t alignment) noexcept {
  operator delete(block, alignment);
}

#endif

namespace {

using sluice::detail::core::value_queue;

constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();

// A value of a given size and alignment that knows whether it is alive and at its own address.
template <std::size_t Size, std::size_t Alignment = alignof(void*)>
class alignas(Alignment) value {
 public:
  explicit value(std::uint32_t number) noexcept : number_(number) { ++living; }

  value(value&& other) noexcept : number_(std::exchange(other.number_, moved_from)) {
    ++living;
    misplaced += reinterpret_cast<std::uintptr_t>(this) % Alignment != 0;
  }

  value& operator=(value&&) = delete;

  ~value() {
    --living;
    valuable_destroyed += number_ != moved_from;
    number_ = destroyed;
  }

  std::uint32_t number() const noexcept { return number_; }

  static constexpr std::uint32_t moved_from = 0xfffffffe;
  static constexpr std::uint32_t destroyed = 0xffffffff;

  inline static std::ptrdiff_t living = 0;
  inline static std::size_t misplaced = 0;
  inline static std::size_t valuable_destroyed = 0;

 private:
  std::uint32_t number_;
  std::array<unsigned char, Size - sizeof(std::uint32_t)> filling_{};
};

using four_bytes = value<8, 4>;
using word = value<16>;
using cache_line = value<64>;
using three_lines = value<192>;
using record = value<600>;
using over_aligned = value<64, 64>;
using page_aligned = value<256, 256>;

using value_types =
    std::tuple<four_bytes, word, cache_line, three_lines, record, over_aligned, page_aligned>;

template <class T>
std::uint32_t pop_number(value_queue<T>& queue) {
  std::optional<T> out;
  queue.pop([&](T&& value) { out.emplace(std::move(value)); });
  return out->number();
}

// Nothing may be left of it: no value, no block.
template <class T>
struct clean_up_check {
  clean_up_check() { T::valuable_destroyed = T::misplaced = 0; }
  ~clean_up_check() {
    BOOST_TEST(T::living == 0);
    BOOST_TEST(T::misplaced == 0u);
    BOOST_TEST(live_blocks == 0u);
  }
};

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(values_come_out_in_the_order_they_went_in, T, value_types) {
  clean_up_check<T> check;
  value_queue<T> queue(unlimited, 2);
  BOOST_TEST(queue.empty());
  constexpr std::uint32_t many = 5000;
  for (std::uint32_t i = 0; i != many; ++i) queue.push(T(i));
  BOOST_TEST(!queue.empty());
  std::uint32_t wrong = 0;
  for (std::uint32_t i = 0; i != many; ++i) wrong += pop_number(queue) != i;
  BOOST_TEST(wrong == 0u);
  BOOST_TEST(queue.empty());
}

// For each fill that lies about a boundary: filled, drained by some, filled again, and destroyed
// with

// whatever it holds then.

BOOST_AUTO_TEST_CASE_TEMPLATE(no_boundary_is_special, T, value_types) {
  clean_up_check<T> check;
  constexpr std::size_t first = value_queue<T>::first_slots;
  constexpr std::size_t most = value_queue<T>::most_slots;
  std::size_t wrong = 0;
  std::size_t expected_destructions = 0;
  for (std::size_t capacity :
       {std::size_t(0), std::size_t(1), std::size_t(2), first - 1, first, first + 1, unlimited}) {
    for (std::size_t fill = 0; fill <= 2 * most + first + 2;
         fill += fill < 3 * first + 70 ? 1 : most / 2 - 1) {
      for (std::size_t drain : {std::size_t(0), std::size_t(1), fill / 2, fill - 1, fill}) {
        if (drain > fill) continue;
        value_queue<T> queue(capacity, capacity == unlimited ? 2 : unlimited);
        std::uint32_t in = 0;
        std::uint32_t out = 0;
        while (in != fill) queue.push(T(in++));
        while (out != drain) wrong += pop_number(queue) != out++;
        while (in != fill + first + 1) queue.push(T(in++));
        if (fill % 2 == 0)
          while (out != in) wrong += pop_number(queue) != out++;
        wrong += queue.empty() != (out == in);
        expected_destructions += in;
      }
    }
  }
  BOOST_TEST(wrong == 0u);
  // Each value was destroyed once while it was worth something: popped, or left in the queue.
  BOOST_TEST(T::valuable_destroyed == expected_destructions);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(it_does_what_a_deque_does, T, value_types) {
  clean_up_check<T> check;
  std::mt19937 random(20240607);
  std::size_t wrong = 0;
  for (int round = 0; round != 60; ++round) {
    const std::size_t capacity = round % 3 == 0 ? unlimited : random() % 70;
    value_queue<T> queue(capacity, round % 3 == 0 ? 2 : unlimited);
    std::deque<std::uint32_t> reference;
    std::uint32_t next = 0;
    // The tendency changes, so that it runs full and runs empty many times.
    unsigned pushes = 50;
    for (int step = 0; step != 2000; ++step) {
      if (step % 100 == 0) pushes = 10 + static_cast<unsigned>(random() % 81);
      if (random() % 100 < pushes) {
        reference.push_back(next);
        queue.push(T(next++));
      } else if (!reference.empty()) {
        wrong += pop_number(queue) != reference.front();
        reference.pop_front();
      }
      wrong += queue.empty() != reference.empty();
    }
  }
  BOOST_TEST(wrong == 0u);
}

// What bounds the values bounds the blocks: a full queue that is used for long asks for no more.

BOOST_AUTO_TEST_CASE_TEMPLATE(exchanged_contents_go_on_in_the_other_queue, T, value_types) {
  clean_up_check<T> check;
  for (std::uint32_t count : {0u, 1u, 2u, 40u, 300u}) {
    std::size_t wrong = 0;
    value_queue<T> first(unlimited, 2);
    for (std::uint32_t i = 0; i != count; ++i) first.push(T(i));
    {
      value_queue<T> second(0, 0);
      second.push(T(1000));
      first.swap(second);
      for (std::uint32_t i = count; i != count + 40; ++i) second.push(T(i));
      for (std::uint32_t i = 0; i != count + 20; ++i) wrong += pop_number(second) != i;
      first.push(T(1001));
    }
    wrong += pop_number(first) != 1000;
    wrong += pop_number(first) != 1001;
    BOOST_TEST(first.empty());
    BOOST_TEST(wrong == 0u);
  }
}

#if !defined(SLUICE_TEST_HEAP_IS_TAKEN)

// The memory it takes -----------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE_TEMPLATE(a_push_without_memory_changes_nothing, T, value_types) {
  clean_up_check<T> check;
  value_queue<T> queue(unlimited, 0);
  std::uint32_t in = 0;
  std::uint32_t out = 0;
  std::size_t refused = 0;
  std::size_t wrong = 0;
  // Memory comes and goes; what was refused is pushed again, so the numbers stay gapless.
  for (int step = 0; step != 4000; ++step) {
    memory_is_out = step % 5 < 3;
    T offered(in);
    try {
      queue.push(std::move(offered));
      ++in;
    } catch (const std::bad_alloc&) {
      ++refused;
      wrong += offered.number() != in;
    }
    if (step % 7 == 0 && out != in) wrong += pop_number(queue) != out++;
  }
  memory_is_out = false;
  while (out != in) wrong += pop_number(queue) != out++;
  BOOST_TEST(wrong == 0u);
  BOOST_TEST(refused > 0u);
  BOOST_TEST(queue.empty());
}

BOOST_AUTO_TEST_CASE(an_unused_queue_has_no_memory) {
  value_queue<word> queue(unlimited, 2);
  BOOST_TEST(live_blocks == 0u);
  queue.push(word(1));
  BOOST_TEST(live_blocks == 1u);
}

BOOST_AUTO_TEST_CASE(memory_goes_back_after_a_burst) {
  value_queue<word> queue(unlimited, 2);
  for (std::uint32_t i = 0; i != 100000; ++i) queue.push(word(i));
  const std::size_t at_the_top = live_blocks;
  for (std::uint32_t i = 0; i != 100000; ++i) pop_number(queue);
  BOOST_TEST(at_the_top > 100u);
  // The block in use and two spare ones.
  BOOST_TEST(live_blocks <= 3u);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_bounded_queue_stops_asking_for_memory, T, value_types) {
  clean_up_check<T> check;
  for (std::size_t capacity : {std::size_t(1), std::size_t(2), std::size_t(31), std::size_t(32),
                               std::size_t(33), std::size_t(500)}) {
    value_queue<T> queue(capacity, unlimited);
    std::uint32_t in = 0;
    while (in != capacity) queue.push(T(in++));
    auto turn_over = [&](std::size_t times) {
      for (std::size_t i = 0; i != times; ++i) {
        pop_number(queue);
        queue.push(T(in++));
      }
    };
    turn_over(20000);
    const std::size_t settled = live_blocks;
    memory_is_out = true;
    BOOST_CHECK_NO_THROW(turn_over(20000));
    memory_is_out = false;
    BOOST_TEST(live_blocks == settled);
  }
}

BOOST_AUTO_TEST_CASE(a_mostly_empty_queue_stays_in_its_first_block) {
  value_queue<word> queue(unlimited, 0);
  queue.push(word(0));
  memory_is_out = true;
  for (std::uint32_t i = 0; i != 1000; ++i) {
    pop_number(queue);
    BOOST_CHECK_NO_THROW(queue.push(word(i)));
  }
  memory_is_out = false;
}

#endif  // !defined(SLUICE_TEST_HEAP_IS_TAKEN)
