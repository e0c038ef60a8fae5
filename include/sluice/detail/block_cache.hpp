// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_BLOCK_CACHE_HPP
#define SLUICE_DETAIL_BLOCK_CACHE_HPP

// Where operations come from if their handlers bring no allocator. Asio's own recycling does
// nothing on threads that are not inside run(), and keeps two blocks on those that are.
//
// Each thread keeps some blocks of each size. An operation often ends on another thread than it
// began on; so what one thread has too much of goes, in bundles, to a store that all threads share,
// and from there to those who have none. Both are limited, so memory goes back after a burst.
//
// A block that is kept holds the link to the next one. The store is protected by its mutex.

#include <cstddef>
#include <mutex>
#include <new>
#include <utility>

namespace sluice::detail {

class block_cache {
 public:
  static void* allocate(std::size_t bytes) {
    const std::size_t size = class_of(bytes);
    if (size >= sizes) return ::operator new(bytes);
    if (block* kept = of_this_thread().pop(size)) return kept;
    return ::operator new((size + 1) * granule);
  }

  static void deallocate(void* memory, std::size_t bytes) noexcept {
    const std::size_t size = class_of(bytes);
    if (size >= sizes)
      ::operator delete(memory);
    else
      of_this_thread().push(size, ::new (memory) block{nullptr});
  }

 private:
  static constexpr std::size_t granule = 64;
  static constexpr std::size_t sizes = 12;   // blocks of up to 768 bytes
  static constexpr std::size_t bundle = 16;  // blocks that change hands at once
  static constexpr std::size_t stored = 16;  // bundles of each size

  struct block {
    block* next;
  };

  static constexpr std::size_t class_of(std::size_t bytes) noexcept {
    return bytes == 0 ? 0 : (bytes - 1) / granule;
  }

  static void free_chain(block* b) noexcept {
    while (b != nullptr) ::operator delete(std::exchange(b, b->next));
  }

  struct chain {
    block* first = nullptr;
    std::size_t count = 0;

    void push(block* b) noexcept {
      b->next = first;
      first = b;
      ++count;
    }

    block* pop() noexcept {
      block* b = first;
      if (b != nullptr) {
        first = b->next;
        --count;
      }
      return b;
    }
  };

  /// Bundles that no thread has need of now.
  class store {
   public:
    /// Takes over a bundle if there is room for it.
    bool put(std::size_t size, block* first) noexcept {
      std::lock_guard<std::mutex> lock(mutex_);
      if (counts_[size] == stored) return false;
      bundles_[size][counts_[size]++] = first;
      return true;
    }

    block* get(std::size_t size) noexcept {
      std::lock_guard<std::mutex> lock(mutex_);
      return counts_[size] == 0 ? nullptr : bundles_[size][--counts_[size]];
    }

    static store& shared() noexcept {
      // Never destroyed: threads may outlive the static objects.
      alignas(store) static unsigned char storage[sizeof(store)];
      static store* const only = ::new (static_cast<void*>(storage)) store;
      return *only;
    }

   private:
    std::mutex mutex_;
    std::size_t counts_[sizes] = {};
    block* bundles_[sizes][stored] = {};
  };

  /// What one thread keeps. Trivially destructible, because operations may still end after the
  /// destructors of a thread's objects have begun; from then on it keeps nothing.
  struct keeper {
    chain chains[sizes];
    enum : unsigned char { untouched, open, shut } state;

    block* pop(std::size_t size) noexcept {
      chain& c = chains[size];
      if (c.first == nullptr && is_open()) {
        if (block* b = store::shared().get(size)) c = chain{b, bundle};
      }
      return c.pop();
    }

    void push(std::size_t size, block* b) noexcept {
      if (!is_open()) return ::operator delete(b);
      chain& c = chains[size];
      c.push(b);
      if (c.count < 2 * bundle) return;
      chain surplus;
      for (std::size_t i = 0; i != bundle; ++i) surplus.push(c.pop());
      if (!store::shared().put(size, surplus.first)) free_chain(surplus.first);
    }

    bool is_open() noexcept {
      if (state == untouched) {
        state = open;
        static thread_local closer at_exit{this};
        at_exit.use();
      }
      return state == open;
    }
  };

  /// Frees what a thread has kept when it ends.
  struct closer {
    keeper* mine;

    ~closer() {
      mine->state = keeper::shut;
      for (chain& c : mine->chains) {
        free_chain(c.first);
        c = chain();
      }
    }

    void use() noexcept {}
  };

  static keeper& of_this_thread() noexcept {
    static thread_local keeper mine{};
    return mine;
  }
};

/// The allocator of operations whose handlers bring none.
template <class T>
class recycling_allocator {
 public:
  using value_type = T;

  recycling_allocator() noexcept = default;
  template <class U>
  recycling_allocator(const recycling_allocator<U>&) noexcept {}

  T* allocate(std::size_t count) {
    if constexpr (is_over_aligned)
      return static_cast<T*>(::operator new(count * sizeof(T), std::align_val_t(alignof(T))));
    else
      return static_cast<T*>(block_cache::allocate(count * sizeof(T)));
  }

  void deallocate(T* memory, std::size_t count) noexcept {
    if constexpr (is_over_aligned)
      ::operator delete(memory, std::align_val_t(alignof(T)));
    else
      block_cache::deallocate(memory, count * sizeof(T));
  }

  template <class U>
  friend bool operator==(const recycling_allocator&, const recycling_allocator<U>&) noexcept {
    return true;
  }
  template <class U>
  friend bool operator!=(const recycling_allocator&, const recycling_allocator<U>&) noexcept {
    return false;
  }

 private:
  static constexpr bool is_over_aligned = alignof(T) > __STDCPP_DEFAULT_NEW_ALIGNMENT__;
};

template <>
class recycling_allocator<void> {
 public:
  using value_type = void;

  template <class U>
  struct rebind {
    using other = recycling_allocator<U>;
  };

  recycling_allocator() noexcept = default;
  template <class U>
  recycling_allocator(const recycling_allocator<U>&) noexcept {}

  friend bool operator==(recycling_allocator, recycling_allocator) noexcept { return true; }
  friend bool operator!=(recycling_allocator, recycling_allocator) noexcept { return false; }
};

}  // namespace sluice::detail

#endif  // SLUICE_DETAIL_BLOCK_CACHE_HPP
