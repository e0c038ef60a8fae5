// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_SUPPORT_GUARDED_ARENA_HPP
#define SLUICE_TEST_SUPPORT_GUARDED_ARENA_HPP

// Memory in which it can be seen what is touched. Blocks are taken from it one after the other;
// then all of it is forbidden, and some blocks are allowed again. A program that touches any other
// in the meantime dies of it. So it can be tested that a step does not walk along a list, on any
// machine and however fast that would be.
//
// Where there is no mprotect() everything is always allowed.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#if __has_include(<sys/mman.h>)
#include <sys/mman.h>
#include <unistd.h>
#define SLUICE_TEST_HAS_MPROTECT
#endif

namespace support {

class guarded_arena {
 public:
  explicit guarded_arena(std::size_t size) : page_(page_size()) {
    size_ = (size + page_ - 1) / page_ * page_;
#if defined(SLUICE_TEST_HAS_MPROTECT)
    void* memory =
        ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
#else
    void* memory = std::malloc(size_);
    if (memory == nullptr) throw std::bad_alloc();
#endif
    begin_ = static_cast<unsigned char*>(memory);
  }

  guarded_arena(const guarded_arena&) = delete;
  guarded_arena& operator=(const guarded_arena&) = delete;

  ~guarded_arena() {
#if defined(SLUICE_TEST_HAS_MPROTECT)
    ::munmap(begin_, size_);
#else
    std::free(begin_);
#endif
  }

  /// A block that lies within one page. Blocks are not given back.
  void* allocate(std::size_t size) {
    size = (size + 63) / 64 * 64;
    if (used_ / page_ != (used_ + size - 1) / page_) used_ = (used_ / page_ + 1) * page_;
    if (size > page_ || used_ + size > size_) throw std::bad_alloc();
    last_ = begin_ + used_;
    used_ += size;
    return last_;
  }

  /// The block that was taken last.
  void* last() const noexcept { return last_; }

  bool owns(const void* block) const noexcept {
    auto address = reinterpret_cast<std::uintptr_t>(block);
    auto begin = reinterpret_cast<std::uintptr_t>(begin_);
    return address >= begin && address < begin + size_;
  }

  void forbid_all() const noexcept { protect(begin_, size_, false); }
  void allow_all() const noexcept { protect(begin_, size_, true); }

  /// These are about the whole page that the block lies in. No block is not an error.
  void forbid(void* block) const noexcept { protect_page(block, false); }
  void allow(void* block) const noexcept { protect_page(block, true); }

 private:
  static std::size_t page_size() noexcept {
#if defined(SLUICE_TEST_HAS_MPROTECT)
    return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
#else
    return 4096;
#endif
  }

  void protect_page(void* block, bool allowed) const noexcept {
    if (block == nullptr) return;
    std::size_t offset = static_cast<std::size_t>(static_cast<unsigned char*>(block) - begin_);
    protect(begin_ + offset / page_ * page_, page_, allowed);
  }

  static void protect([[maybe_unused]] void* from, [[maybe_unused]] std::size_t size,
                      [[maybe_unused]] bool allowed) noexcept {
#if defined(SLUICE_TEST_HAS_MPROTECT)
    // Should this fail, nothing could be relied on any more.
    if (::mprotect(from, size, allowed ? PROT_READ | PROT_WRITE : PROT_NONE) != 0) std::abort();
#endif
  }

  const std::size_t page_;
  std::size_t size_;
  unsigned char* begin_;
  std::size_t used_ = 0;
  void* last_ = nullptr;
};

/// An allocator that takes from an arena while it is open, and from the heap otherwise.
template <class T>
class arena_allocator {
 public:
  using value_type = T;

  arena_allocator(guarded_arena& arena, const bool& open) noexcept : arena_(&arena), open_(&open) {}

  template <class U>
  arena_allocator(const arena_allocator<U>& other) noexcept
      : arena_(other.arena_), open_(other.open_) {}

  T* allocate(std::size_t count) {
    void* block = *open_ ? arena_->allocate(count * sizeof(T)) : ::operator new(count * sizeof(T));
    return static_cast<T*>(block);
  }

  void deallocate(T* block, std::size_t) noexcept {
    if (!arena_->owns(block)) ::operator delete(block);
  }

  friend bool operator==(const arena_allocator& a, const arena_allocator& b) noexcept {
    return a.arena_ == b.arena_;
  }
  friend bool operator!=(const arena_allocator& a, const arena_allocator& b) noexcept {
    return !(a == b);
  }

 private:
  template <class>
  friend class arena_allocator;

  guarded_arena* arena_;
  const bool* open_;
};

}  // namespace support

#endif  // SLUICE_TEST_SUPPORT_GUARDED_ARENA_HPP
