// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_CORE_SPARE_BLOCK_HPP
#define SLUICE_DETAIL_CORE_SPARE_BLOCK_HPP

// Memory for values that replace one another: the block of one that is gone serves the next. One
// spare block is kept, so in the steady state nothing is allocated.
//
// A block may be given back long after whoever made it has gone, and by any thread. So the keeper
// of the spare block counts its owner and every block that is out. `spare_` and `references_` are
// atomic; the size is set by the first allocation, which happens before the keeper is shared.

#include <atomic>
#include <cstddef>
#include <memory>
#include <new>

namespace sluice::detail::core {

class spare_block {
 public:
  spare_block() = default;
  spare_block(const spare_block&) = delete;
  spare_block& operator=(const spare_block&) = delete;

  void release() noexcept {
    // Acquire and release: everything done through any reference happens before the destruction.
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  void* allocate(std::size_t bytes, std::size_t alignment) {
    if (bytes_ == 0) {
      bytes_ = bytes;
      alignment_ = alignment;
    }
    void* block = nullptr;
    // Acquire: pairs with the release in deallocate().
    if (bytes == bytes_) block = spare_.exchange(nullptr, std::memory_order_acquire);
    if (block == nullptr) block = get(bytes, alignment);
    references_.fetch_add(1, std::memory_order_relaxed);
    return block;
  }

  void deallocate(void* block, std::size_t bytes, std::size_t alignment) noexcept {
    void* none = nullptr;
    // Release: who takes the block finds it no longer in use.
    if (bytes != bytes_ || !spare_.compare_exchange_strong(none, block, std::memory_order_release,
                                                           std::memory_order_relaxed))
      give_back(block, alignment);
    release();
  }

 private:
  ~spare_block() { give_back(spare_.load(std::memory_order_relaxed), alignment_); }

  static bool is_large(std::size_t alignment) noexcept {
    return alignment > __STDCPP_DEFAULT_NEW_ALIGNMENT__;
  }

  static void* get(std::size_t bytes, std::size_t alignment) {
    return is_large(alignment) ? ::operator new(bytes, std::align_val_t(alignment))
                               : ::operator new(bytes);
  }

  static void give_back(void* block, std::size_t alignment) noexcept {
    if (is_large(alignment))
      ::operator delete(block, std::align_val_t(alignment));
    else
      ::operator delete(block);
  }

  std::atomic<void*> spare_{nullptr};
  std::atomic<std::size_t> references_{1};
  std::size_t bytes_ = 0;
  std::size_t alignment_ = 1;
};

/// Takes memory from a keeper. It does not own the keeper; each block that it gets does.
template <class T>
class spare_block_allocator {
 public:
  using value_type = T;

  explicit spare_block_allocator(spare_block& keeper) noexcept : keeper_(&keeper) {}

  template <class U>
  spare_block_allocator(const spare_block_allocator<U>& other) noexcept : keeper_(other.keeper_) {}

  T* allocate(std::size_t count) {
    return static_cast<T*>(keeper_->allocate(count * sizeof(T), alignof(T)));
  }

  void deallocate(T* block, std::size_t count) noexcept {
    keeper_->deallocate(block, count * sizeof(T), alignof(T));
  }

  template <class U>
  friend bool operator==(const spare_block_allocator& a,
                         const spare_block_allocator<U>& b) noexcept {
    return a.keeper_ == b.keeper_;
  }
  template <class U>
  friend bool operator!=(const spare_block_allocator& a,
                         const spare_block_allocator<U>& b) noexcept {
    return a.keeper_ != b.keeper_;
  }

 private:
  template <class>
  friend class spare_block_allocator;

  spare_block* keeper_;
};

}  // namespace sluice::detail::core

#endif  // SLUICE_DETAIL_CORE_SPARE_BLOCK_HPP
