// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_CORE_WATCH_CORE_HPP
#define SLUICE_DETAIL_CORE_WATCH_CORE_HPP

// The half of a watch that knows no values: which version is the latest, which one each receiver
// has seen, who waits for another one, and when it closes. Everything here is protected by the lock
// of the state, the fields of the cursors included.
//
// What a receiver has seen is kept by its cursor, which moves along with the handle and which
// operations share. Versions begin at 1, grow by one and never wrap.
//
// A change is for everybody, so there is nothing to be passed on: whoever waits is woken, looks,
// and waits again if there is nothing for him.
//
// Invariants, true whenever the lock is free
// - Who waits has nothing to look at: see has_news().
// - Without receivers nobody waits, and nobody is woken. Closed, or without receivers, closers_ is
//   empty. Without senders it is closed.

#include <sluice/detail/core/observable.hpp>
#include <sluice/detail/core/wait_state.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace sluice::detail::core {

/// What one receiver has seen.
template <class Threading>
class watch_cursor {
 public:
  watch_cursor() = default;
  watch_cursor(const watch_cursor&) = delete;
  watch_cursor& operator=(const watch_cursor&) = delete;

  void add_reference() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }

  void release() noexcept {
    // Acquire and release: everything done through any reference happens before the destruction.
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  observable<Threading, std::uint64_t> seen = 0;  // a later version is a change
  std::uint64_t observed = 0;  // the latest version that was given out, seen or not

 private:
  ~watch_cursor() = default;

  typename Threading::template atomic<unsigned> references_{1u};
};

template <class Threading>
class watch_waiter : public waiter {
 public:
  using cursor_type = watch_cursor<Threading>;

  watch_waiter(function on_wake, function on_drop, std::uint64_t owner_id,
               state_ref<cursor_type> shared) noexcept
      : waiter(on_wake, on_drop, owner_id), cursor(std::move(shared)) {}

  const state_ref<cursor_type> cursor;
  std::uint64_t tested = 0;  // the version that its predicate refused; zero: it has no predicate
};

template <class Threading>
class watch_core : public wait_state<Threading> {
  using base = wait_state<Threading>;

 public:
  using typename base::section;
  using cursor_type = watch_cursor<Threading>;
  using waiter_type = watch_waiter<Threading>;

  // Handles -------------------------------------------------------------------------------------

  std::uint64_t add_sender() noexcept {
    section s(*this);
    ++sender_count_;
    return base::add_owner();
  }

  /// Makes a sender from nothing, only while the watch is open. Zero if it is not.
  std::uint64_t add_sender_if_open() noexcept {
    section s(*this);
    if (closed_) return 0;
    ++sender_count_;
    return base::add_owner();
  }

  std::uint64_t add_receiver() noexcept {
    section s(*this);
    ++receiver_count_;
    return base::add_owner();
  }

  /// A receiver that begins with the latest value, and has seen it.
  std::uint64_t subscribe(cursor_type& cursor) noexcept {
    section s(*this);
    ++receiver_count_;
    cursor.seen = cursor.observed = version_;
    return base::add_owner();
  }

  void copy_cursor(const cursor_type& from, cursor_type& to) noexcept {
    section s(*this);
    to.seen = from.seen;
    to.observed = from.observed;
  }

  void close() noexcept {
    section s(*this);
    close_now(s.wakes);
  }

  // What there is to see ------------------------------------------------------------------------

  struct counts {
    std::size_t senders;
    std::size_t receivers;
    bool closed;
  };

  counts look() noexcept {
    section s(*this);
    return {sender_count_, receiver_count_, closed_};
  }

  /// Whether nobody watches, or nothing can be sent any more.
  bool is_deserted() noexcept {
    section s(*this);
    return is_deserted(s);
  }

  bool is_deserted(section&) const noexcept { return closed_ || receiver_count_ == 0; }

  bool has_changed(const cursor_type& cursor) noexcept {
    section s(*this);
    return version_ != cursor.seen;
  }

  void mark_unchanged(cursor_type& cursor) noexcept {
    section s(*this);
    cursor.seen = version_;
  }

  void mark_changed(cursor_type& cursor) noexcept {
    section s(*this);
    cursor.seen = version_ - 1;
    for (waiter* w = waiting_.front(); w != nullptr;) {
      auto& each = static_cast<waiter_type&>(*w);
      w = w->next;
      if (each.cursor.get() != &cursor || each.tested != 0) continue;
      waiting_.erase(each);
      base::promise(each);
      s.wakes.push(each);
    }
  }

  // Waiting -------------------------------------------------------------------------------------

  started start_wait_closed(waiter& w) noexcept {
    section s(*this);
    if (!closed_ && receiver_count_ != 0) return base::wait_in(closers_, w);
    w.decide(outcome::success);
    return started::ready;
  }

  started start_changed(waiter_type& w) noexcept {
    section s(*this);
    if (w.needs_homes && !this->knows_homes_of(w)) return started::unknown_home;
    if (receiver_count_ == 0) {
      w.decide(outcome::aborted);
    } else if (version_ != w.cursor->seen) {
      base::promise_first(w);
    } else if (closed_) {
      w.decide(outcome::closed);
    } else {
      return base::wait_in(waiting_, w);
    }
    return started::ready;
  }

  /// Who brings a predicate always has to look, and to do so where it may run.
  started start_wait_for(waiter_type& w) noexcept {
    section s(*this);
    if (w.needs_homes && !this->knows_homes_of(w)) return started::unknown_home;
    if (receiver_count_ == 0)
      w.decide(outcome::aborted);
    else
      base::promise_first(w);
    return started::ready;
  }

  /// Whether it seems that there is a change, or the end; asked without the lock.
  bool seems_changed(const cursor_type& cursor) const noexcept {
    return version_ != cursor.seen || closed_;
  }

  /// Whether there is a change now. `none` if there is none yet.
  outcome try_changed(cursor_type& cursor) noexcept {
    section s(*this);
    return try_changed(cursor, s);
  }

  outcome try_changed(cursor_type& cursor, section&) noexcept { return see(cursor); }

  /// The commit of a woken waiter, the moment at which a change becomes a seen one. `none`: there
  /// is none any more, and it has to wait_again(). Until leave_gate(phase) its contexts cannot go
  /// away. `orphaned`: there is none, and one of its contexts is gone, or was never registered.
  outcome finish_changed(waiter_type& w, bool& linked, unsigned& phase) noexcept {
    section s(*this);
    if (w.current != stage::woken) return end(w, w.fate, linked);
    outcome result = see(*w.cursor);
    return result == outcome::none ? look_again(w, phase) : end(w, result, linked);
  }

  started wait_again(waiter_type& w) noexcept {
    section s(*this);
    if (w.current != stage::woken || has_news(w)) return started::ready;
    return base::wait_again_in(waiting_, w);
  }

 protected:
  bool has_news(const waiter_type& w) const noexcept {
    const std::uint64_t known = w.tested != 0 ? w.tested : std::uint64_t(w.cursor->seen);
    return closed_ || version_ != known;
  }

  /// Ends a woken or decided waiter.
  outcome end(waiter& w, outcome result, bool& linked) noexcept {
    if (w.current == stage::woken) base::woken_.erase(w);
    w.current = stage::idle;
    linked = w.forget_link();
    return result;
  }

  outcome look_again(waiter_type& w, unsigned& phase) noexcept {
    if (!this->knows_homes_of(w)) return outcome::orphaned;
    phase = base::enter_gate();
    return outcome::none;
  }

  void after_publishing(wake_list& wakes) noexcept {
    ++version_;
    wake_all(wakes);
  }

  void close_now(wake_list& wakes) noexcept {
    closed_ = true;
    wake_all(wakes);
    base::settle_all(closers_, outcome::success, wakes);
  }

  /// The last sender has gone.
  void after_senders_left(wake_list& wakes) noexcept {
    base::settle_all(closers_, outcome::aborted, wakes);
    close_now(wakes);
  }

  /// The last receiver has gone. Others may come, for whom nothing may be left of these.
  void after_receivers_left(wake_list& wakes) noexcept {
    base::settle_all(waiting_, outcome::aborted, wakes);
    // These are on their way already.
    while (!base::woken_.empty()) base::woken_.pop_front().decide(outcome::aborted);
    base::settle_all(closers_, outcome::success, wakes);
  }

  bool is_abandoned() const noexcept { return sender_count_ == 0 && receiver_count_ == 0; }

  observable<Threading, std::uint64_t> version_ = 1;
  std::size_t sender_count_ = 1;
  std::size_t receiver_count_ = 0;
  observable<Threading, bool> closed_ = false;

 private:
  outcome see(cursor_type& cursor) noexcept {
    if (version_ != cursor.seen) {
      cursor.seen = version_;
      return outcome::success;
    }
    return closed_ ? outcome::closed : outcome::none;
  }

  void wake_all(wake_list& wakes) noexcept {
    while (!waiting_.empty()) base::promise_front(waiting_, wakes);
  }

  wait_queue* line(std::size_t i) noexcept final {
    wait_queue* const lines[] = {&waiting_, &closers_};
    return i < 2 ? lines[i] : nullptr;
  }

  void rebalance(wake_list&) noexcept final {}

  wait_queue waiting_;  // receivers that wait for another version
  wait_queue closers_;  // senders that wait until nobody watches
};

}  // namespace sluice::detail::core

#endif  // SLUICE_DETAIL_CORE_WATCH_CORE_HPP
