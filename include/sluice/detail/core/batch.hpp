// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_CORE_BATCH_HPP
#define SLUICE_DETAIL_CORE_BATCH_HPP

// What a receive takes into its hands at once, to pass it on one by one without the lock. What it
// has not passed on when it stops goes back to the front of the channel together with its memory,
// so that giving back cannot fail.
//
// A batch belongs to its receive, except for its tally, and `returned_batches` to the lock of the
// state. The values of a batch stood side by side in the line, so one number tells their place.

#include <sluice/detail/core/channel_meter.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>

namespace sluice::detail::core {

/// What others may know of a batch.
class batch_tally {
 public:
  std::size_t claimed = 0;  // how many of its values still count as claimed; by the lock

  /// How many of its values have not been passed on. Any thread may ask, under the lock.
  std::size_t left() const noexcept { return left_.load(std::memory_order_relaxed); }

 protected:
  ~batch_tally() = default;

  // Relaxed: who is told that a value has been passed on learns nothing else by it.
  void leave(std::size_t count) noexcept { left_.store(count, std::memory_order_relaxed); }

 private:
  std::atomic<std::size_t> left_{0};  // written by the owner of the batch
};

/// `T` is what lies in the buffer of the channel.
template <class T>
class batch final : public batch_tally, public stopwatch<T> {
 public:
  /// About a kilobyte, and a number of messages that does not keep others waiting.
  static constexpr std::size_t slots = sizeof(T) >= 1024       ? 1
                                       : sizeof(T) * 64 > 1024 ? 1024 / sizeof(T)
                                                               : 64;

  batch() = default;
  batch(const batch&) = delete;
  batch& operator=(const batch&) = delete;

  ~batch() {
    while (!empty()) drop_front();
  }

  bool empty() const noexcept { return first_ == last_; }
  std::size_t size() const noexcept { return last_ - first_; }

  /// Appends a value to a batch that has a free slot behind its last one.
  template <class Value>
  void push(Value&& value) noexcept {
    ::new (static_cast<void*>(memory_ + last_ * sizeof(T))) T(std::forward<Value>(value));
    ++last_;
    leave(size());
  }

  /// Gives the oldest value to `sink`, as an rvalue; there must be one.
  template <class Sink>
  void pop(Sink&& sink) noexcept {
    sink(std::move(stored_front()));
    drop_front();
  }

  auto& front() noexcept { return value_of(stored_front()); }

  void drop_front() noexcept {
    // Unless it was given back this is when the value is passed on.
    this->stop(stored_front());
    stored_front().~T();
    ++first_;
    ++place;
    leave(size());
    if (empty()) first_ = last_ = 0;
  }

  std::uint64_t place = 0;      // where its first value stood in the line
  std::unique_ptr<batch> next;  // among those that were returned

 private:
  T& stored_front() noexcept {
    return *std::launder(reinterpret_cast<T*>(memory_ + first_ * sizeof(T)));
  }

  alignas(T) unsigned char memory_[slots * sizeof(T)];
  std::size_t first_ = 0;
  std::size_t last_ = 0;
};

/// Batches that were given back, in the order of the places of their values.
template <class T>
class returned_batches {
 public:
  bool empty() const noexcept { return first_ == nullptr; }

  void insert(std::unique_ptr<batch<T>> returned) noexcept {
    std::unique_ptr<batch<T>>* place = &first_;
    while (*place && (*place)->place < returned->place) place = &(*place)->next;
    returned->next = std::move(*place);
    *place = std::move(returned);
  }

  batch<T>& front() noexcept { return *first_; }

  template <class Sink>
  void pop(Sink&& sink) noexcept {
    first_->pop(std::forward<Sink>(sink));
    if (first_->empty()) first_ = std::move(first_->next);
  }

  void swap(returned_batches& other) noexcept { first_.swap(other.first_); }

  ~returned_batches() {
    // Not recursively: there may be many.
    while (first_) first_ = std::move(first_->next);
  }

  returned_batches() = default;
  returned_batches(const returned_batches&) = delete;
  returned_batches& operator=(const returned_batches&) = delete;

 private:
  std::unique_ptr<batch<T>> first_;
};

}  // namespace sluice::detail::core

#endif  // SLUICE_DETAIL_CORE_BATCH_HPP
