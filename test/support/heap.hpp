// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_SUPPORT_HEAP_HPP
#define SLUICE_TEST_SUPPORT_HEAP_HPP

// Replaces the global operator new and delete of the program that includes this, so include it in
// one file only. Allocations are counted, and can be told to fail. For one thread.

#include <cstddef>
#include <cstdlib>
#include <new>

namespace support {

struct heap {
  static inline std::size_t blocks = 0;       ///< How many there are.
  static inline std::size_t bytes = 0;        ///< How much they are together.
  static inline std::size_t allocations = 0;  ///< How many there have been.

  /// So many more allocations succeed, before one fails. Negative: all do.
  static inline long countdown = -1;
  static inline bool stays_empty = false;  ///< After one has failed all others do, too.
  static inline bool recycles = false;     ///< What Asio recycles does not fail.
  static inline std::size_t failures = 0;  ///< How many have failed.

  /// Whether this allocation is to fail.
  static bool fails() noexcept {
    if (countdown < 0 || countdown-- != 0) return false;
    if (stays_empty) countdown = 0;
    ++failures;
    return true;
  }

  static void* allocate(std::size_t size, std::size_t alignment) {
    if (fails()) throw std::bad_alloc();
    // In front of the block stands how large it is.
    const std::size_t front = alignment < 16 ? 16 : alignment;
    const std::size_t total = (front + size + front - 1) / front * front;
    // Not aligned_alloc, in whose place a test may have put a function of its own.
    void* memory = nullptr;
    if (posix_memalign(&memory, front, total) != 0) throw std::bad_alloc();
    *static_cast<std::size_t*>(memory) = size;
    ++blocks;
    ++allocations;
    bytes += size;
    return static_cast<unsigned char*>(memory) + front;
  }

  static void* try_allocate(std::size_t size, std::size_t alignment) noexcept {
    try {
      return allocate(size, alignment);
    } catch (const std::bad_alloc&) {
      return nullptr;
    }
  }

  static void deallocate(void* block, std::size_t alignment) noexcept {
    if (block == nullptr) return;
    const std::size_t front = alignment < 16 ? 16 : alignment;
    void* memory = static_cast<unsigned char*>(block) - front;
    --blocks;
    bytes -= *static_cast<std::size_t*>(memory);
    std::free(memory);
  }
};

/// While it exists one allocation fails: the first, or the one after so many others.
class failing_heap {
 public:
  explicit failing_heap(long after = 0) noexcept { heap::countdown = after; }
  failing_heap(const failing_heap&) = delete;
  failing_heap& operator=(const failing_heap&) = delete;
  ~failing_heap() { heap::countdown = -1; }

  /// Whether the allocation that should fail has come.
  bool has_failed() const noexcept { return heap::countdown < 0; }
};

}  // namespace support

void* operator new(std::size_t size) {
  return support::heap::allocate(size, 1);
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  return support::heap::allocate(size, static_cast<std::size_t>(alignment));
}
// Sanitizers have these as well, and do not call the ones above.
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return support::heap::try_allocate(size, 1);
}
void* operator new(std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return support::heap::try_allocate(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* block) noexcept {
  support::heap::deallocate(block, 1);
}
void operator delete(void* block, std::size_t) noexcept {
  support::heap::deallocate(block, 1);
}
void operator delete(void* block, std::align_val_t alignment) noexcept {
  support::heap::deallocate(block, static_cast<std::size_t>(alignment));
}
void operator delete(void* block, std::size_t, std::align_val_t alignment) noexcept {
  support::heap::deallocate(block, static_cast<std::size_t>(alignment));
}

#endif  // SLUICE_TEST_SUPPORT_HEAP_HPP
