// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_CORE_VALUE_QUEUE_HPP
#define SLUICE_DETAIL_CORE_VALUE_QUEUE_HPP

// The buffer of a channel: a first-in first-out queue in a chain of blocks. The first block is
// small and each further one is twice as large up to a page, so that a channel that carries two
// messages stays small, one that carries millions allocates rarely, and memory goes back after a
// burst.
//
// Emptied blocks are kept for reuse up to a limit that the owner sets: all of them where the
// capacity bounds them anyway, few where it does not. A queue that becomes empty starts again at
// the beginning of its block, so a channel that is mostly empty stays in the same cache lines.
//
// Not synchronised: everything is protected by the lock of the state that owns the queue. The owner
// also counts the values, because it needs that number for other reasons. Moving a T does not
// throw.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <new>
#include <utility>

namespace sluice::detail::core {

template <class T>
class value_queue {
 public:
  static constexpr std::size_t first_slots = sizeof(T) >= 64 ? 2 : 128 / sizeof(T);
  static constexpr std::size_t most_slots = sizeof(T) >= 512 ? 8 : 4096 / sizeof(T);

  /// Keeps up to `spare_limit` emptied blocks; the first block has at most `capacity` slots.
  value_queue(std::size_t capacity, std::size_t spare_limit) noexcept
      : next_slots_(small(capacity < first_slots ? (capacity == 0 ? 1 : capacity) : first_slots)),
        spare_limit_(spare_limit < all_spares ? static_cast<std::uint32_t>(spare_limit)
                                              : all_spares) {}

  value_queue(const value_queue&) = delete;
  value_queue& operator=(const value_queue&) = delete;

  ~value_queue() {
    destroy_values();
    free_chain(head_);
    free_chain(spare_);
  }

  bool empty() const noexcept { return head_ == tail_ && first_ == last_; }

  /// Whether a value can be appended without memory being allocated.
  bool has_room() const noexcept { return tail_ != nullptr && last_ != tail_->slots; }

  /// Appends a value. Throws std::bad_alloc, and then has changed nothing.
  template <class Value>
  void push(Value&& value) {
    if (!has_room()) append_block();
    ::new (tail_->slot(last_)) T(std::forward<Value>(value));
    ++last_;
  }

  /// Gives the oldest value to `sink`, as an rvalue; there must be one.
  template <class Sink>
  void pop(Sink&& sink) noexcept {
    T* value = head_->value(first_);
    sink(std::move(*value));
    value->~T();
    ++first_;
    if (head_ == tail_) {
      if (first_ == last_) first_ = last_ = 0;
    } else if (first_ == head_->slots) {
      block* emptied = head_;
      head_ = head_->next;
      first_ = 0;
      recycle(emptied);
    }
  }

  /// Exchanges the contents, so that values can be destroyed after unlocking.
  void swap(value_queue& other) noexcept {
    std::swap(head_, other.head_);
    std::swap(tail_, other.tail_);
    std::swap(spare_, other.spare_);
    std::swap(first_, other.first_);
    std::swap(last_, other.last_);
    std::swap(next_slots_, other.next_slots_);
    std::swap(spare_limit_, other.spare_limit_);
    std::swap(spares_, other.spares_);
  }

 private:
  // A channel that is mostly idle should be small, and no block has more slots than these can
  // count.
  using slot_number = std::uint16_t;
  static_assert(most_slots <= std::numeric_limits<slot_number>::max());

  static constexpr slot_number small(std::size_t number) noexcept {
    return static_cast<slot_number>(number);
  }

  static constexpr std::uint32_t all_spares = std::numeric_limits<std::uint32_t>::max();

  struct block {
    block* next;
    std::size_t slots;

    void* slot(std::size_t i) noexcept {
      return reinterpret_cast<unsigned char*>(this) + offset + i * sizeof(T);
    }
    T* value(std::size_t i) noexcept { return std::launder(static_cast<T*>(slot(i))); }
  };

  static constexpr std::size_t alignment = alignof(T) > alignof(block) ? alignof(T)
                                                                       : alignof(block);
  static constexpr std::size_t offset = (sizeof(block) + alignof(T) - 1) / alignof(T) * alignof(T);

  void append_block() {
    block* added = spare_;
    if (added != nullptr) {
      spare_ = added->next;
      --spares_;
    } else {
      void* memory = ::operator new(offset + next_slots_ * sizeof(T), std::align_val_t(alignment));
      added = ::new (memory) block{nullptr, next_slots_};
      if (next_slots_ < most_slots)
        next_slots_ = small(next_slots_ * std::size_t{2} < most_slots ? next_slots_ * std::size_t{2}
                                                                      : most_slots);
    }
    added->next = nullptr;
    (tail_ ? tail_->next : head_) = added;
    tail_ = added;
    last_ = 0;
    if (head_ == tail_) first_ = 0;
  }

  void recycle(block* emptied) noexcept {
    if (spares_ == spare_limit_) {
      free_block(emptied);
      return;
    }
    emptied->next = spare_;
    spare_ = emptied;
    ++spares_;
  }

  void destroy_values() noexcept {
    while (head_ != nullptr) {
      std::size_t end = head_ == tail_ ? last_ : head_->slots;
      for (; first_ != end; ++first_) head_->value(first_)->~T();
      first_ = 0;
      free_block(std::exchange(head_, head_->next));
    }
  }

  static void free_block(block* b) noexcept {
    ::operator delete(static_cast<void*>(b), std::align_val_t(alignment));
  }

  static void free_chain(block* b) noexcept {
    while (b != nullptr) free_block(std::exchange(b, b->next));
  }

  block* head_ = nullptr;
  block* tail_ = nullptr;
  block* spare_ = nullptr;
  slot_number first_ = 0;  // the oldest value's slot in the head block
  slot_number last_ = 0;   // one past the newest value's slot in the tail block
  slot_number next_slots_;
  std::uint32_t spare_limit_;
  std::uint32_t spares_ = 0;
};

}  // namespace sluice::detail::core

#endif  // SLUICE_DETAIL_CORE_VALUE_QUEUE_HPP
