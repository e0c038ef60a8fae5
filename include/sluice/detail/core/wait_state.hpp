// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_CORE_WAIT_STATE_HPP
#define SLUICE_DETAIL_CORE_WAIT_STATE_HPP

// What waiting at a primitive has in common, whatever is waited for: the lines that waiters stand
// in, promises, cancellation by slot or by handle, and giving up when a context is destroyed.
//
// A primitive derives from this, keeps its lines, and says in rebalance() what becomes possible
// when waiters have left without having got anything. A waiter that may make progress is either
//
// - promised something: it stands in `woken_` until it comes back and looks (poll), or
// - settled: its outcome is decided, and it only comes back to report it.
//
// Everything here is protected by the lock of the state.

#include <sluice/detail/core/channel_meter.hpp>
#include <sluice/detail/core/state.hpp>

#include <cstddef>
#include <cstdint>
#include <utility>

namespace sluice::detail::core {

template <class Threading>
class wait_state : public state<Threading> {
  static_assert(
      !is_measured<Threading>,
      "sluice: only a channel is measured: make a oneshot, a broadcast or a watch with the "
      "policy that measured<> is made of, such as multi_threaded");

 public:
  using typename state<Threading>::section;

  /// The numbers of the first two handles, if a state begins with two.
  static constexpr std::uint64_t first_owner = 1;
  static constexpr std::uint64_t second_owner = 2;

  /// What was decided for a waiter that came back. It has nothing to do with the state any more.
  outcome finish(waiter& w, bool& linked) noexcept {
    // Nobody else can reach a decided waiter, except through its cancellation handler.
    if (!w.has_link()) return w.fate;
    section s(*this);
    w.current = stage::idle;
    linked = w.forget_link();
    return w.fate;
  }

  /// Cancels the waiter that a cancellation handler is connected with, if it still is.
  /// `only_total`: only if nothing of it has happened yet.
  void cancel(const cancel_link& link, bool only_total) noexcept {
    section s(*this);
    waiter* w = link.target();
    if (w == nullptr || w->queue == nullptr || (only_total && w->begun)) return;
    take_out(*w, s.wakes);
    rebalance(s.wakes);
  }

  /// The cancellation handler goes; the waiter goes on without it.
  void disconnect(cancel_link& link) noexcept {
    section s(*this);
    if (waiter* w = link.target()) w->forget_link();
  }

  /// Cancels everything that was begun through one handle. Linear in the number of waiters.
  void cancel_owner(std::uint64_t owner) noexcept {
    section s(*this);
    // All leave before anything is passed on, so that nobody is woken who is cancelled next.
    bool any = false;
    for_each_queue([&](wait_queue& queue) {
      for (waiter* w = queue.front(); w != nullptr;) {
        waiter* next = w->next;
        if (w->owner == owner) {
          take_out(*w, s.wakes);
          any = true;
        }
        w = next;
      }
    });
    if (any) rebalance(s.wakes);
  }

  /// A waiter is destroyed without having been completed. True if it was waiting: then nobody has
  /// woken it, and nobody will.
  bool abandon(waiter& w) noexcept {
    section s(*this);
    const bool waited = w.current == stage::waiting;
    w.forget_link();
    w.current = stage::idle;
    if (w.queue != nullptr) {
      leave(w);
      rebalance(s.wakes);
    }
    // An executor may refuse one waiter after the other, each inside the wake-up of the one before.
    s.join_current_wake_ups();
    return waited;
  }

  /// Takes a waiter out of its line that has been promised nothing; then true. What it leaves must
  /// make nothing possible for others.
  bool withdraw(waiter& w, section&) noexcept {
    if (w.current != stage::waiting) return false;
    leave(w);
    w.current = stage::idle;
    return true;
  }

 protected:
  /// The i-th of the lines that waiters stand in; null after the last. `woken_` is none of them.
  virtual wait_queue* line(std::size_t i) noexcept = 0;

  /// Takes a waiter out of its queue without its having got anything.
  virtual void leave(waiter& w) noexcept { w.queue->erase(w); }

  /// Waiters have left a line, or `woken_`, without having got anything: what that makes possible
  /// happens now, to begin with passing on what they were promised.
  virtual void rebalance(wake_list& wakes) noexcept = 0;

  std::uint64_t add_owner() noexcept { return take_number(); }

  /// Numbers grow, and so tell who was first. There is no zero.
  std::uint64_t take_number() noexcept { return take_numbers(1); }

  /// The first of so many numbers in a row.
  std::uint64_t take_numbers(std::size_t count) noexcept {
    return std::exchange(next_number_, next_number_ + count);
  }

  /// Stands in line, if it may.
  started wait_in(wait_queue& queue, waiter& w) noexcept {
    if (!w.may_wait) return started::must_wait;
    if (!this->knows_homes_of(w)) return started::unknown_home;
    w.order = take_number();
    w.current = stage::waiting;
    queue.push_back(w);
    return started::waiting;
  }

  /// Brings a woken waiter that found nothing back to its old place.
  started wait_again_in(wait_queue& queue, waiter& w) noexcept {
    if (!this->knows_homes_of(w)) return started::unknown_home;
    woken_.erase(w);
    w.current = stage::waiting;
    queue.insert_in_order(w);
    return started::waiting;
  }

  /// For a waiter that finds what it wants before it ever stood in line.
  void promise_first(waiter& w) noexcept {
    w.order = take_number();
    promise(w);
  }

  void promise(waiter& w) noexcept {
    w.current = stage::woken;
    woken_.push_back(w);
  }

  void promise_front(wait_queue& queue, wake_list& wakes) noexcept {
    waiter& w = queue.pop_front();
    promise(w);
    wakes.push(w);
  }

  void settle(waiter& w, outcome result, wake_list& wakes) noexcept {
    // One that is woken is on its way already.
    const bool waited = w.current == stage::waiting;
    w.decide(result);
    if (waited) wakes.push(w);
  }

  void settle_all(wait_queue& queue, outcome result, wake_list& wakes) noexcept {
    while (!queue.empty()) settle(queue.pop_front(), result, wakes);
  }

  counting_queue woken_;  // waiters that have been promised something

 private:
  template <class Function>
  void for_each_queue(Function&& f) noexcept {
    wait_queue* queue = nullptr;
    for (std::size_t i = 0; (queue = line(i)) != nullptr; ++i) f(*queue);
    f(woken_);
  }

  /// Cancels a waiter that stands in a queue, and passes nothing on yet.
  void take_out(waiter& w, wake_list& wakes) noexcept {
    // One that waits has to be brought to its executor; one that is woken is on its way there.
    bool waited = w.current == stage::waiting;
    leave(w);
    w.decide(outcome::aborted);
    // Relaxed: it is a hint to look under the lock.
    w.stop.store(true, std::memory_order_relaxed);
    if (waited) wakes.push(w);
  }

  void collect(const void* home, wait_queue& evicted, section& s) noexcept final {
    bool any = false;
    for_each_queue([&](wait_queue& queue) {
      for (waiter* w = queue.front(); w != nullptr;) {
        waiter* next = w->next;
        if (w->current != stage::waiting) {
          // It is with an executor already. Should it have to wait again it must not take another
          // context, at the same address, for its own.
          w->leave_home(home);
        } else if (w->lives_in(home)) {
          w->forget_link();
          leave(*w);
          w->current = stage::idle;
          evicted.push_back(*w);
          any = true;
        }
        w = next;
      }
    });
    if (any) rebalance(s.wakes);
  }

  std::uint64_t next_number_ = second_owner + 1;
};

}  // namespace sluice::detail::core

#endif  // SLUICE_DETAIL_CORE_WAIT_STATE_HPP
