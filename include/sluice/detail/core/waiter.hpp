// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_CORE_WAITER_HPP
#define SLUICE_DETAIL_CORE_WAITER_HPP

// A waiter is anything that waits at a channel: a pending receive, a pending send, a thread. The
// core knows neither what it is nor what value it carries, only how to wake it and how to drop it.
//
// Life of a waiter, each step taken under the lock of the state it waits at:
//
//   idle -> waiting        it stands in a queue
//   waiting -> woken       it was promised something and will come back to look (poll)
//   waiting -> decided     its outcome is fixed, it will come back to report it
//   woken -> decided       it was cancelled after it had been promised something
//   woken -> waiting       it came back, found nothing, and stands at its old place again
//   woken -> busy          it came back, and passes on what it has claimed, batch by batch
//   busy -> woken          it is done for now
//   busy -> decided        it was cancelled meanwhile
//
// Whoever moves a waiter out of `waiting` puts it on a wake list and calls wake() after unlocking.
// From then on the waiter belongs to its executor or thread; wake() is called once per such step.
//
// All fields are protected by the lock of the state, except `next_woken`, which belongs to the
// thread that holds the wake list, `stop`, which is only ever set, and the two functions and
// `owner` and `group`, which never change once it is shared.

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace sluice::detail::core {

class wait_queue;
class waiter;

enum class stage : unsigned char { idle, waiting, woken, busy, decided };

enum class outcome : unsigned char {
  none,
  success,
  closed,       // sends: the channel is closed; receives: nothing more will come
  aborted,      // cancelled
  no_memory,    // the buffer could not grow
  unsupported,  // there is no such thing at this kind of channel
  invalid,      // more was asked for than there can ever be, or nothing
  again,        // there is more to do, after others had their turn
  orphaned,     // a context it belongs to is gone: it must be dropped
};

/// What a starting waiter is told.
enum class started : unsigned char {
  ready,         // woken or decided: the caller brings it to its executor
  waiting,       // it stands in a queue and may be gone by now
  must_wait,     // it would have to wait, but may not yet; nothing has happened
  unknown_home,  // one of its contexts is not registered yet; nothing has happened
};

/// Connects a waiter with the cancellation handler of its operation. Whoever goes first, of the
/// two, ends the connection under the lock of the state.
class cancel_link {
 public:
  /// The waiter, while there is one; the state is alive as long.
  waiter* target() const noexcept { return target_.load(std::memory_order_relaxed); }

 private:
  friend class waiter;

  // Atomic because a handler that outlives its waiter looks here without the lock.
  std::atomic<waiter*> target_{nullptr};
};

class waiter {
 public:
  using function = void (*)(waiter&) noexcept;

  waiter(function on_wake, function on_drop, std::uint64_t owner_id) noexcept
      : owner(owner_id), wake_(on_wake), drop_(on_drop) {}

  waiter(const waiter&) = delete;
  waiter& operator=(const waiter&) = delete;

  /// Posts the waiter to its executor, or lets its thread run. The waiter may be gone afterwards.
  void wake() noexcept { wake_(*this); }

  /// Destroys a waiter whose context is being destroyed, without completing it.
  void drop() noexcept { drop_(*this); }

  bool lives_in(const void* home) const noexcept { return homes[0] == home || homes[1] == home; }

  /// Exchanges a home that is gone for one that no state will ever know.
  void leave_home(const void* home) noexcept {
    for (const void*& h : homes)
      if (h == home) h = &nowhere_;
  }

  void decide(outcome value) noexcept {
    current = stage::decided;
    fate = value;
  }

  /// Connects the waiter with its cancellation handler, before it is shared with anybody.
  void connect(cancel_link& l) noexcept {
    l.target_.store(this, std::memory_order_relaxed);
    link_ = &l;
  }

  /// Whether there is a cancellation handler. Once there is none, there will be none.
  bool has_link() const noexcept { return link_ != nullptr; }

  /// Ends the connection with the cancellation handler. True if there was one.
  bool forget_link() noexcept {
    if (link_ == nullptr) return false;
    link_->target_.store(nullptr, std::memory_order_relaxed);
    link_ = nullptr;
    return true;
  }

  waiter* previous = nullptr;
  waiter* next = nullptr;
  wait_queue* queue = nullptr;
  waiter* next_woken = nullptr;
  const void* homes[2] = {nullptr, nullptr};  // the contexts that it must not outlive
  const void* group = nullptr;                // the select it is a case of, if it is one
  std::uint64_t order = 0;                    // its place in line
  const std::uint64_t owner;                  // the handle it was begun through
  bool may_wait = true;                       // false: it only asks whether it is ready
  bool begun = false;                         // part of what it is to do has been done
  std::atomic<bool> stop{false};              // it was cancelled while it was busy
  bool needs_homes = false;                   // its contexts must be registered even if it is ready
  bool is_counted = false;                    // the queue it stands in is a counting one
  stage current = stage::idle;
  outcome fate = outcome::none;

 protected:
  ~waiter() = default;

 private:
  static constexpr char nowhere_ = 0;

  cancel_link* link_ = nullptr;
  const function wake_;
  const function drop_;
};

/// A line of waiters in the order of their arrival; leaving from anywhere takes constant time.
/**
 * The first one's `previous` is the last one, so that a line is one pointer: there are several in
 * each channel.
 */
class wait_queue {
 public:
  wait_queue() = default;
  wait_queue(const wait_queue&) = delete;
  wait_queue& operator=(const wait_queue&) = delete;

  bool empty() const noexcept { return first_ == nullptr; }
  waiter* front() const noexcept { return first_; }

  /// How many stand in it. Takes as long as there are of them.
  std::size_t length() const noexcept {
    std::size_t count = 0;
    for (const waiter* w = first_; w != nullptr; w = w->next) ++count;
    return count;
  }

  void push_back(waiter& w) noexcept { insert_after(first_ ? first_->previous : nullptr, w); }

  /// Puts a waiter back to the place that its number gives it.
  void insert_in_order(waiter& w) noexcept {
    waiter* place = first_;
    waiter* before = nullptr;
    // Who comes back is older than nearly everybody who waits, so the search begins at the front.
    while (place != nullptr && place->order < w.order) {
      before = place;
      place = place->next;
    }
    insert_after(before, w);
  }

  void erase(waiter& w) noexcept;

  waiter& pop_front() noexcept {
    waiter& w = *first_;
    erase(w);
    return w;
  }

 private:
  void unlink(waiter& w) noexcept {
    if (&w == first_) {
      first_ = w.next;
      if (first_ != nullptr) first_->previous = w.previous;
    } else {
      w.previous->next = w.next;
      (w.next ? w.next : first_)->previous = w.previous;
    }
    w.previous = w.next = nullptr;
    w.queue = nullptr;
  }

  void insert_after(waiter* before, waiter& w) noexcept {
    waiter* after = before ? before->next : first_;
    w.next = after;
    w.queue = this;
    if (before != nullptr) {
      w.previous = before;
      before->next = &w;
      (after ? after : first_)->previous = &w;
    } else {
      w.previous = after ? after->previous : &w;
      if (after != nullptr) after->previous = &w;
      first_ = &w;
    }
  }

  waiter* first_ = nullptr;
};

/// A line that knows how many stand in it. They enter it at its end only.
class counting_queue : public wait_queue {
 public:
  std::size_t size() const noexcept { return size_; }

  void push_back(waiter& w) noexcept {
    wait_queue::push_back(w);
    w.is_counted = true;
    ++size_;
  }

 private:
  friend class wait_queue;

  std::size_t size_ = 0;
};

inline void wait_queue::erase(waiter& w) noexcept {
  unlink(w);
  if (!w.is_counted) return;
  w.is_counted = false;
  --static_cast<counting_queue*>(this)->size_;
}

/// Waiters taken out of their queues under the lock, to be woken after unlocking.
class wake_list {
 public:
  wake_list() = default;
  wake_list(const wake_list&) = delete;
  wake_list& operator=(const wake_list&) = delete;

  bool empty() const noexcept { return first_ == nullptr; }

  void push(waiter& w) noexcept {
    w.next_woken = nullptr;
    (last_ ? last_->next_woken : first_) = &w;
    last_ = &w;
  }

  /// Takes over what another list holds.
  void append(wake_list& other) noexcept {
    if (other.empty()) return;
    (last_ ? last_->next_woken : first_) = other.first_;
    last_ = other.last_;
    other.first_ = other.last_ = nullptr;
  }

  void wake_all() noexcept {
    while (waiter* w = pop()) w->wake();
  }

 private:
  // A waiter may be gone as soon as it is woken, so it leaves the list before.
  waiter* pop() noexcept {
    waiter* w = first_;
    if (w != nullptr) {
      first_ = w->next_woken;
      if (first_ == nullptr) last_ = nullptr;
    }
    return w;
  }

  waiter* first_ = nullptr;
  waiter* last_ = nullptr;
};

}  // namespace sluice::detail::core

#endif  // SLUICE_DETAIL_CORE_WAITER_HPP
