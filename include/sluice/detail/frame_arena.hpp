// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_FRAME_ARENA_HPP
#define SLUICE_DETAIL_FRAME_ARENA_HPP

// Memory for one operation, in the frame of the thread that waits for it. The first block that fits
// is taken from there, all others from the heap.
//
// To give the block back does not touch the frame, which may be gone by then.

#include <atomic>
#include <cstddef>
#include <functional>
#include <limits>
#include <new>

namespace sluice::detail {

class arena_base {
 public:
  arena_base(const arena_base&) = delete;
  arena_base& operator=(const arena_base&) = delete;

  void* take(std::size_t size, std::size_t alignment) noexcept {
    if (size > size_ || alignment > alignof(std::max_align_t)) return nullptr;
    return taken_.exchange(true, std::memory_order_relaxed) ? nullptr : first_;
  }

  void* begin() const noexcept { return first_; }

 protected:
  arena_base(unsigned char* first, std::size_t size) noexcept : first_(first), size_(size) {}
  ~arena_base() = default;

 private:
  unsigned char* const first_;
  const std::size_t size_;
  std::atomic<bool> taken_{false};
};

template <std::size_t Size>
class frame_arena : public arena_base {
 public:
  frame_arena() noexcept : arena_base(buffer_, Size) {}

 private:
  alignas(std::max_align_t) unsigned char buffer_[Size];
};

template <class T>
class frame_allocator {
 public:
  using value_type = T;

  explicit frame_allocator(arena_base& arena) noexcept : arena_(&arena), first_(arena.begin()) {}

  template <class U>
  frame_allocator(const frame_allocator<U>& other) noexcept
      : arena_(other.arena_), first_(other.first_) {}

  T* allocate(std::size_t count) {
    if (count > std::numeric_limits<std::size_t>::max() / sizeof(T))
      throw std::bad_array_new_length();
    const std::size_t size = count * sizeof(T);
    if (void* block = arena_->take(size, alignof(T))) return static_cast<T*>(block);
    if constexpr (alignof(T) > __STDCPP_DEFAULT_NEW_ALIGNMENT__)
      return static_cast<T*>(::operator new(size, std::align_val_t(alignof(T))));
    else
      return static_cast<T*>(::operator new(size));
  }

  void deallocate(T* block, std::size_t) noexcept {
    if (static_cast<void*>(block) == first_) return;
    if constexpr (alignof(T) > __STDCPP_DEFAULT_NEW_ALIGNMENT__)
      ::operator delete(block, std::align_val_t(alignof(T)));
    else
      ::operator delete(block);
  }

  template <class U>
  friend bool operator==(const frame_allocator& a, const frame_allocator<U>& b) noexcept {
    return a.arena_ == frame_allocator(b).arena_;
  }
  template <class U>
  friend bool operator!=(const frame_allocator& a, const frame_allocator<U>& b) noexcept {
    return !(a == b);
  }

 private:
  template <class>
  friend class frame_allocator;

  arena_base* arena_;
  void* first_;  // compared with, and never followed
};

}  // namespace sluice::detail

#endif  // SLUICE_DETAIL_FRAME_ARENA_HPP
