// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_SUBMISSION_HPP
#define SLUICE_DETAIL_SUBMISSION_HPP

// The memory in which an executor keeps an operation that is on its way through its queue: a part
// of the operation itself. The executors for which it is used, those of io_context and thread_pool,
// give it back before they run or destroy what they were given, and so before the operation can be
// gone.

#include <sluice/detail/block_cache.hpp>

#include <cstddef>

namespace sluice::detail {

struct submission_buffer {
  static constexpr std::size_t bytes = 72;

  alignas(std::max_align_t) unsigned char memory[bytes];
};

/// In the place of a buffer, where the handler brings an allocator.
struct no_buffer {};

template <class T>
class submission_allocator {
 public:
  using value_type = T;

  template <class U>
  struct rebind {
    using other = submission_allocator<U>;
  };

  explicit submission_allocator(submission_buffer& buffer) noexcept : buffer_(buffer.memory) {}
  template <class U>
  submission_allocator(const submission_allocator<U>& other) noexcept : buffer_(other.buffer_) {}

  T* allocate(std::size_t count) {
    if (fits(count)) return static_cast<T*>(buffer_);
    return recycling_allocator<T>().allocate(count);
  }

  void deallocate(T* memory, std::size_t count) noexcept {
    if (!fits(count)) recycling_allocator<T>().deallocate(memory, count);
  }

  template <class U>
  friend bool operator==(const submission_allocator& a, const submission_allocator<U>& b) noexcept {
    return a.buffer_ == submission_allocator(b).buffer_;
  }
  template <class U>
  friend bool operator!=(const submission_allocator& a, const submission_allocator<U>& b) noexcept {
    return !(a == b);
  }

 private:
  template <class>
  friend class submission_allocator;

  static constexpr bool fits(std::size_t count) noexcept {
    return alignof(T) <= alignof(std::max_align_t) && count * sizeof(T) <= submission_buffer::bytes;
  }

  void* buffer_;
};

template <>
class submission_allocator<void> {
 public:
  using value_type = void;

  template <class U>
  struct rebind {
    using other = submission_allocator<U>;
  };

  explicit submission_allocator(submission_buffer& buffer) noexcept : buffer_(buffer.memory) {}
  template <class U>
  submission_allocator(const submission_allocator<U>& other) noexcept : buffer_(other.buffer_) {}

  friend bool operator==(submission_allocator a, submission_allocator b) noexcept {
    return a.buffer_ == b.buffer_;
  }
  friend bool operator!=(submission_allocator a, submission_allocator b) noexcept {
    return !(a == b);
  }

 private:
  template <class>
  friend class submission_allocator;

  void* buffer_;
};

}  // namespace sluice::detail

#endif  // SLUICE_DETAIL_SUBMISSION_HPP
