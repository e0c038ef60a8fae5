// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_CORE_STEPWISE_HPP
#define SLUICE_TEST_CORE_STEPWISE_HPP

// What a state is made of when one thread plays all the others: a lock that knows whether it is
// held, values that are accounted for, and memory that can run out. To be included by one source
// file of a program, since it replaces the global operator new, unless a sanitizer does so that
// suffers no other: then memory never runs out, and nobody counts it.

#include <sluice/threading.hpp>

#include <array>
#include <cstddef>
#include <cstdlib>
#include <new>
#include <utility>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SLUICE_TEST_HEAP_IS_TAKEN
#endif
#endif

namespace core_test {

inline std::size_t live_allocations = 0;
inline bool memory_is_out = false;

inline void* allocate(std::size_t size, std::size_t alignment) {
  if (memory_is_out) throw std::bad_alloc();
  void* p = alignment <= alignof(std::max_align_t)
                ? std::malloc(size)
                : std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  if (p == nullptr) throw std::bad_alloc();
  ++live_allocations;
  return p;
}

inline void deallocate(void* p) noexcept {
  if (p != nullptr) --live_allocations;
  std::free(p);
}

// The lock knows whether it is held, and who would wait for another thread lets the sequence go on.
struct stepwise {
  struct mutex {
    void lock() noexcept {
      if (held++ != 0) std::abort();
    }
    void unlock() noexcept { --held; }
  };

  template <class U>
  using atomic = sluice::single_threaded::atomic<U>;

  template <class U>
  static U& of_this_thread() noexcept {
    return sluice::single_threaded::of_this_thread<U>();
  }

  static void yield() noexcept { on_yield(yielding); }

  inline static int held = 0;
  inline static void* yielding = nullptr;
  inline static void (*on_yield)(void*) noexcept = nullptr;
};

// How often each value was destroyed by somebody who still had it. 0 is one that was moved from.
constexpr std::size_t most_values = 1024;
inline std::array<unsigned char, most_values> destroyed;
inline bool destroyed_under_lock = false;

template <std::size_t Size>
class message {
 public:
  message() noexcept = default;
  explicit message(int number) noexcept : number_(number) {}
  message(message&& other) noexcept : number_(other.release()) {}
  message& operator=(message&&) = delete;
  ~message() {
    if (number_ == 0) return;
    ++destroyed[static_cast<std::size_t>(number_)];
    if (stepwise::held != 0) destroyed_under_lock = true;
  }

  int number() const noexcept { return number_; }
  int release() noexcept { return std::exchange(number_, 0); }

 private:
  int number_ = 0;
  std::array<unsigned char, Size - sizeof(int)> filling_{};
};

}  // namespace core_test

#if !defined(SLUICE_TEST_HEAP_IS_TAKEN)
void* operator new(std::size_t size) {
  return core_test::allocate(size, alignof(std::max_align_t));
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  return core_test::allocate(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* p) noexcept {
  core_test::deallocate(p);
}
void operator delete(void* p, std::size_t) noexcept {
  core_test::deallocate(p);
}
void operator delete(void* p, std::align_val_t) noexcept {
  core_test::deallocate(p);
}
void operator delete(void* p, std::size_t, std::align_val_t) noexcept {
  core_test::deallocate(p);
}
#endif

#endif  // SLUICE_TEST_CORE_STEPWISE_HPP
