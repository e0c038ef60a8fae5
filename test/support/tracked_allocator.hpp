// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_SUPPORT_TRACKED_ALLOCATOR_HPP
#define SLUICE_TEST_SUPPORT_TRACKED_ALLOCATOR_HPP

// An allocator that keeps a log of its blocks, and can be told to fail. Each block knows by whom
// and how large it was allocated, so that one that is given back wrongly is noticed.

#include <atomic>
#include <cstddef>
#include <functional>
#include <limits>
#include <new>

namespace support {

struct allocator_log {
  std::atomic<int> blocks{0};  // that exist now
  std::atomic<int> total{0};   // that were allocated ever
  std::atomic<int> wrong{0};   // that were given back with another size or to another allocator
  std::atomic<int> left{std::numeric_limits<int>::max()};  // how many allocations do not fail

  /// Called by each allocation and deallocation, if there is one.
  std::function<void()> at_use;
};

template <class T>
class tracked_allocator {
  struct alignas(std::max_align_t) head {
    allocator_log* owner;
    std::size_t bytes;
  };

  static_assert(alignof(T) <= alignof(head) || alignof(T) == 1);

 public:
  using value_type = T;

  explicit tracked_allocator(allocator_log& log) noexcept : log_(&log) {}

  template <class U>
  tracked_allocator(const tracked_allocator<U>& other) noexcept : log_(&other.log()) {}

  T* allocate(std::size_t n) {
    if (log_->at_use) log_->at_use();
    if (log_->left.fetch_sub(1) <= 0) throw std::bad_alloc();
    std::size_t bytes = n * sizeof(T);
    auto* block = ::new (::operator new(sizeof(head) + bytes)) head{log_, bytes};
    ++log_->blocks;
    ++log_->total;
    return static_cast<T*>(static_cast<void*>(block + 1));
  }

  void deallocate(T* p, std::size_t n) noexcept {
    head* block = static_cast<head*>(static_cast<void*>(p)) - 1;
    if (block->owner != log_ || block->bytes != n * sizeof(T)) ++log_->wrong;
    --log_->blocks;
    ::operator delete(block);
    if (log_->at_use) log_->at_use();
  }

  allocator_log& log() const noexcept { return *log_; }

  friend bool operator==(const tracked_allocator& a, const tracked_allocator& b) noexcept {
    return a.log_ == b.log_;
  }
  friend bool operator!=(const tracked_allocator& a, const tracked_allocator& b) noexcept {
    return a.log_ != b.log_;
  }

 private:
  allocator_log* log_;
};

template <>
class tracked_allocator<void> {
 public:
  using value_type = void;

  template <class U>
  struct rebind {
    using other = tracked_allocator<U>;
  };

  explicit tracked_allocator(allocator_log& log) noexcept : log_(&log) {}

  template <class U>
  tracked_allocator(const tracked_allocator<U>& other) noexcept : log_(&other.log()) {}

  allocator_log& log() const noexcept { return *log_; }

  friend bool operator==(const tracked_allocator& a, const tracked_allocator& b) noexcept {
    return a.log_ == b.log_;
  }
  friend bool operator!=(const tracked_allocator& a, const tracked_allocator& b) noexcept {
    return a.log_ != b.log_;
  }

 private:
  allocator_log* log_;
};

}  // namespace support

#endif  // SLUICE_TEST_SUPPORT_TRACKED_ALLOCATOR_HPP
