// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_CORE_CHANNEL_CORE_HPP
#define SLUICE_DETAIL_CORE_CHANNEL_CORE_HPP

// The half of a channel that knows no values: who waits, what is promised to whom, who may pass, and
// when it closes and ends. Everything here is protected by the lock of the state.
//
// Terms
// - receivable: buffered values and pending sends; each of them can be taken by a receive.
// - promised: a waiting receive that is woken is promised one receivable value, not a certain one.
//   It stays in `woken_` until it comes back, so promised() is the size of that queue.
//
// Invariants, true whenever the lock is free
// - Receives wait only while all that is receivable is promised: promised() >= receivable() or
//   receivers_ is empty. (More may be promised than is there, when a pending send was cancelled.)
// - Sends wait only while no slot is free (or the buffer could not grow).
// - closed_ implies that senders_ is empty.
// - If the channel has ended, or has no receiver, then receivers_ is empty.
// - Not closed implies that a sender handle or a pending send exists, and a receiver handle.

#include <sluice/detail/core/state.hpp>

#include <boost/system/error_code.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>

namespace sluice::detail::core {

template <class Threading>
class channel_core : public state<Threading> {
 public:
  using typename state<Threading>::section;
  using error_code = boost::system::error_code;

  static constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();

  // Handles -------------------------------------------------------------------------------------

  /// A number that tells the operations of one handle from those of the others.
  std::uint64_t new_owner() noexcept {
    section s(*this);
    return next_owner_++;
  }

  std::uint64_t add_sender() noexcept {
    section s(*this);
    ++sender_count_;
    return next_owner_++;
  }

  std::uint64_t add_receiver() noexcept {
    section s(*this);
    ++receiver_count_;
    return next_owner_++;
  }

  /// Makes a sender from nothing, only while the channel is open. Zero if it is not.
  std::uint64_t add_sender_if_open() noexcept {
    section s(*this);
    if (closed_) return 0;
    ++sender_count_;
    return next_owner_++;
  }

  void remove_sender() noexcept {
    section s(*this);
    if (--sender_count_ != 0) return;
    while (!closers_.empty()) settle(closers_.pop_front(), outcome::aborted, s.wakes);
    after_senders_left(s.wakes);
  }

  void close(error_code reason) noexcept {
    section s(*this);
    close_now(reason, s.wakes);
  }

  // What there is to see ------------------------------------------------------------------------

  std::size_t capacity() const noexcept { return capacity_; }

  struct counts {
    std::size_t buffered;
    std::size_t senders;
    std::size_t receivers;
    bool full;
    bool closed;
  };

  counts look() noexcept {
    section s(*this);
    return {buffered_, sender_count_, receiver_count_, !closed_ && !has_place(), closed_};
  }

  /// Why the channel was closed; no error if plainly. Who has seen the channel closed under the lock
  /// may read it without, since it does not change any more.
  error_code reason() const noexcept { return reason_; }

  // Waiting -------------------------------------------------------------------------------------

  started start_receive(waiter& w) noexcept {
    section s(*this);
    if (w.needs_homes && !this->knows_homes_of(w)) return started::unknown_home;
    if (receiver_count_ == 0) {
      w.decide(outcome::aborted);
    } else if (receivable() > promised()) {
      w.order = next_order_++;
      promise(w);
    } else if (ended()) {
      w.decide(outcome::closed);
    } else {
      return wait_in(receivers_, w);
    }
    return started::ready;
  }

  started start_wait_closed(waiter& w) noexcept {
    section s(*this);
    if (closed_) {
      w.decide(outcome::success);
    } else if (sender_count_ == 0) {
      w.decide(outcome::aborted);
    } else {
      return wait_in(closers_, w);
    }
    return started::ready;
  }

  /// Brings a woken receive that found nothing back to its old place. `ready`: there is something
  /// for it after all. `unknown_home`: one of its contexts is going away now.
  started wait_again(waiter& w) noexcept {
    section s(*this);
    if (w.current != stage::woken || receiver_count_ == 0 || receivable() != 0 || ended())
      return started::ready;
    if (!this->knows_homes_of(w)) return started::unknown_home;
    woken_.erase(w);
    w.current = stage::waiting;
    receivers_.insert_in_order(w);
    return started::waiting;
  }

  /// Ends what a fruitless finish_receive() began.
  using state<Threading>::leave_gate;

  /// What was decided for a waiter that came back. It has nothing to do with the channel any more.
  outcome finish(waiter& w, bool& linked) noexcept {
    // Nobody else can reach a decided waiter, except through its cancellation handler.
    if (!w.has_link()) return w.fate;
    section s(*this);
    w.current = stage::idle;
    linked = w.forget_link();
    return w.fate;
  }

  // Leaving -------------------------------------------------------------------------------------

  /// Cancels the waiter that a cancellation handler is connected with, if it still is.
  void cancel(const cancel_link& link) noexcept {
    section s(*this);
    if (waiter* w = link.target()) cancel_waiter(*w, s.wakes);
  }

  /// The cancellation handler goes; the waiter goes on without it.
  void disconnect(cancel_link& link) noexcept {
    section s(*this);
    if (waiter* w = link.target()) w->forget_link();
  }

  /// Cancels everything that was begun through one handle. Linear in the number of waiters.
  void cancel_owner(std::uint64_t owner) noexcept {
    section s(*this);
    // Woken receives come last: what they were promised must not wake one that is cancelled next.
    for (wait_queue* queue : {&receivers_, &senders_, &closers_, &woken_}) {
      for (waiter* w = queue->front(); w != nullptr;) {
        waiter* next = w->next;
        if (w->owner == owner) cancel_waiter(*w, s.wakes);
        w = next;
      }
    }
  }

  /// A waiter is destroyed without having been completed.
  void abandon(waiter& w) noexcept {
    section s(*this);
    w.forget_link();
    leave(w, s.wakes);
    w.current = stage::idle;
    // An executor may refuse one waiter after the other, each inside the wake-up of the one before.
    s.join_current_wake_ups();
  }

 protected:
  explicit channel_core(std::size_t capacity) noexcept : capacity_(capacity) {}

  std::size_t receivable() const noexcept { return buffered_ + senders_.size(); }
  std::size_t promised() const noexcept { return woken_.size(); }

  bool ended() const noexcept { return closed_ && receivable() == 0; }

  bool has_free_slot() const noexcept { return buffered_ < capacity_; }

  /// Whether a send that cannot wait may pass. At a rendezvous each waiting receive lends one place.
  bool has_place() const noexcept {
    if (closed_ || !senders_.empty()) return false;
    return capacity_ == 0 ? !receivers_.empty() : has_free_slot();
  }

  started wait_in(wait_queue& queue, waiter& w) noexcept {
    if (!w.may_wait) return started::must_wait;
    if (!this->knows_homes_of(w)) return started::unknown_home;
    w.order = next_order_++;
    w.current = stage::waiting;
    queue.push_back(w);
    return started::waiting;
  }

  void settle(waiter& w, outcome result, wake_list& wakes) noexcept {
    w.decide(result);
    wakes.push(w);
  }

  /// Hands out as many promises as there are values for.
  void wake_receivers(wake_list& wakes) noexcept {
    while (!receivers_.empty() && receivable() > promised()) {
      waiter& w = receivers_.pop_front();
      promise(w);
      wakes.push(w);
    }
  }

  /// Whoever empties a closed channel wakes the rest.
  void wake_at_end(wake_list& wakes) noexcept {
    if (!ended()) return;
    while (!receivers_.empty()) settle(receivers_.pop_front(), outcome::closed, wakes);
  }

  /// Closes the channel when nobody is left who could send.
  void after_senders_left(wake_list& wakes) noexcept {
    if (sender_count_ == 0 && senders_.empty()) close_now(error_code(), wakes);
  }

  /// The last receiver has gone.
  void abandon_receiving(wake_list& wakes) noexcept {
    while (!receivers_.empty()) settle(receivers_.pop_front(), outcome::aborted, wakes);
    buffered_ = 0;
    close_now(error_code(), wakes);
  }

  virtual void admit(wake_list& wakes) noexcept = 0;

  const std::size_t capacity_;
  std::size_t buffered_ = 0;
  std::size_t sender_count_ = 1;
  std::size_t receiver_count_ = 1;
  wait_queue receivers_;  // receives that have been promised nothing
  wait_queue woken_;      // receives that have been promised something
  wait_queue senders_;    // sends that have not been accepted
  wait_queue closers_;    // those who wait for the channel to close
  error_code reason_;
  bool closed_ = false;

 private:
  void promise(waiter& w) noexcept {
    w.current = stage::woken;
    woken_.push_back(w);
  }

  void close_now(error_code reason, wake_list& wakes) noexcept {
    if (closed_) return;
    closed_ = true;
    reason_ = reason;
    while (!senders_.empty()) settle(senders_.pop_front(), outcome::closed, wakes);
    while (!closers_.empty()) settle(closers_.pop_front(), outcome::success, wakes);
    wake_at_end(wakes);
  }

  /// Takes a waiter out of the channel and passes on what it was promised.
  void leave(waiter& w, wake_list& wakes) noexcept {
    if (w.queue == nullptr) return;
    bool was_sender = w.queue == &senders_;
    bool was_woken = w.queue == &woken_;
    w.queue->erase(w);
    if (was_woken) wake_receivers(wakes);
    if (was_sender) after_senders_left(wakes);
  }

  void cancel_waiter(waiter& w, wake_list& wakes) noexcept {
    // One that waits has to be brought to its executor; one that is woken is on its way there.
    bool waited = w.current == stage::waiting;
    if (!waited && w.current != stage::woken) return;
    leave(w, wakes);
    w.decide(outcome::aborted);
    if (waited) wakes.push(w);
  }

  void collect(const void* home, wake_list& evicted, section& s) noexcept override {
    // Woken receives are with an executor already. Should one of them have to wait again it must not
    // take another context, at the same address, for its own.
    for (waiter* w = woken_.front(); w != nullptr; w = w->next) w->leave_home(home);

    for (wait_queue* queue : {&receivers_, &senders_, &closers_}) {
      for (waiter* w = queue->front(); w != nullptr;) {
        waiter* next = w->next;
        if (w->lives_in(home)) {
          w->forget_link();
          leave(*w, s.wakes);
          w->current = stage::idle;
          evicted.push(*w);
        }
        w = next;
      }
    }
  }

  std::uint64_t next_order_ = 0;
  std::uint64_t next_owner_ = 1;
};

}  // namespace sluice::detail::core

#endif  // SLUICE_DETAIL_CORE_CHANNEL_CORE_HPP
