// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_CORE_CHANNEL_CORE_HPP
#define SLUICE_DETAIL_CORE_CHANNEL_CORE_HPP

// The half of a channel that knows no values: who waits, what is promised to whom, who may pass,
// and when it closes and ends. Everything here is protected by the lock of the state.
//
// Terms
// - receivable: buffered values and those of pending sends; each can be taken by a receive.
// - claimed: values that a batch has taken and not passed on yet. They keep the places that they
//   had in the buffer, and come back to the front if the batch stops before. Batches pass values on
//   without the lock, so whoever finds the channel full, or not at its end, counts again.
// - permits: places that are reserved and not used yet.
// - promised: a waiting receive that is woken is promised one receivable value, not a certain one.
//   It stays in `woken_` until it comes back, so promised() is the size of that queue.
//
// Invariants, true whenever the lock is free
// - Receives wait only while all that is receivable is promised: promised() >= receivable() or
//   receivers_ is empty. (More may be promised than is there, when a pending send was cancelled.)
// - Sends and reservations stand in one line, by their numbers. Who is first in it waits only while
//   too few places are free (or the buffer could not grow).
// - offered_ is the number of values of all pending sends.
// - At a rendezvous nothing can be reserved. There an offer of a select stands in that line until a
//   receive waits that it could meet; then it is called (`woken`), keeps its place, and comes back
//   to look. While an offer waits, all receives it could meet have others called for them.
// - closed_ implies that senders_ and reservers_ are empty.
// - If the channel has ended, or has no receiver, then receivers_ is empty.
// - Not closed implies that a sender handle or a pending send exists, and a receiver handle.

#include <sluice/detail/core/batch.hpp>
#include <sluice/detail/core/observable.hpp>
#include <sluice/detail/core/wait_state.hpp>

#include <boost/system/error_code.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>

namespace sluice::detail::core {

/// A pending send of one value or several, as far as values need not be known.
class offer_waiter : public waiter {
 public:
  using waiter::waiter;

  std::size_t remaining = 0;  // values that have neither been accepted nor taken
  std::size_t accepted = 0;   // values that have
};

/// A pending reservation.
class reserve_waiter : public waiter {
 public:
  reserve_waiter(function on_wake, function on_drop, std::uint64_t owner_id,
                 std::size_t count) noexcept
      : waiter(on_wake, on_drop, owner_id), places(count) {}

  const std::size_t places;
};

/// A receive that takes several values at once, or stands for one.
class batch_waiter : public waiter {
 public:
  using waiter::waiter;

  batch_tally* in_hand = nullptr;  // while it passes on what it has claimed
};

template <class Threading>
class channel_core : public wait_state<Threading> {
  using base = wait_state<Threading>;

 public:
  using typename base::section;
  using error_code = boost::system::error_code;

  static constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();

  // Handles -------------------------------------------------------------------------------------

  std::uint64_t add_sender() noexcept {
    section s(*this);
    ++sender_count_;
    return base::add_owner();
  }

  std::uint64_t add_receiver() noexcept {
    section s(*this);
    ++receiver_count_;
    return base::add_owner();
  }

  /// Makes a sender from nothing, only while the channel is open. Zero if it is not.
  std::uint64_t add_sender_if_open() noexcept {
    section s(*this);
    if (closed_) return 0;
    ++sender_count_;
    return base::add_owner();
  }

  void remove_sender() noexcept {
    section s(*this);
    if (--sender_count_ != 0) return;
    base::settle_all(closers_, outcome::aborted, s.wakes);
    base::settle_all(reservers_, outcome::aborted, s.wakes);
    rebalance(s.wakes);
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
    recount(s.wakes);
    return {buffered_ + claimed_, sender_count_, receiver_count_, !closed_ && !has_place(),
            closed_};
  }

  /// Whether a send would find nobody to receive it.
  bool is_deserted() noexcept {
    section s(*this);
    return is_deserted(s);
  }

  bool is_deserted(section&) const noexcept { return closed_; }

  /// Whether it seems that a receive would find something, or the end; asked without the lock.
  bool seems_receivable() const noexcept { return buffered_ != 0 || offered_ != 0 || closed_; }

  /// Whether it seems that a send would not have to wait; asked without the lock.
  bool seems_sendable() const noexcept { return buffered_ < capacity_ || closed_; }

  /// Why the channel was closed; no error if plainly. Who has seen the channel closed under the
  /// lock may read it without, since it does not change any more.
  error_code reason() const noexcept { return reason_; }

  // Waiting -------------------------------------------------------------------------------------

  started start_receive(waiter& w) noexcept {
    section s(*this);
    if (w.needs_homes && !this->knows_homes_of(w)) return started::unknown_home;
    if (closed_) recount(s.wakes);
    if (receiver_count_ == 0) {
      w.decide(outcome::aborted);
    } else if (receivable() > promised()) {
      base::promise_first(w);
    } else if (ended()) {
      w.decide(outcome::closed);
    } else {
      const started seen = base::wait_in(receivers_, w);
      call_offers(s.wakes);
      return seen;
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
      return base::wait_in(closers_, w);
    }
    return started::ready;
  }

  /// Reserves without waiting. `none` if there are too few free places now.
  outcome try_reserve(std::size_t places) noexcept {
    section s(*this);
    return try_reserve(places, s);
  }

  outcome try_reserve(std::size_t places, section& s) noexcept {
    return reserve_now(places, s.wakes);
  }

  started start_reserve(reserve_waiter& w) noexcept {
    section s(*this);
    outcome seen = reserve_now(w.places, s.wakes);
    if (seen == outcome::none && sender_count_ == 0) seen = outcome::aborted;
    if (seen == outcome::none) return base::wait_in(reservers_, w);
    w.decide(seen);
    return started::ready;
  }

  /// Begins an offer at a rendezvous, which waits until a receive waits that is not a case of the
  /// same select. One that is called comes back to meet it.
  started start_meet(waiter& w) noexcept {
    section s(*this);
    if (closed_ || sender_count_ == 0) {
      w.decide(closed_ ? outcome::closed : outcome::aborted);
      return started::ready;
    }
    const started seen = base::wait_in(reservers_, w);
    if (seen != started::waiting || !is_callable(w, called())) return seen;
    w.current = stage::woken;
    return started::ready;
  }

  /// A called offer that met nobody waits on; it has kept its place. `ready`: it need not.
  started wait_again_to_meet(waiter& w) noexcept {
    section s(*this);
    if (w.current != stage::woken) return started::ready;
    w.current = stage::waiting;
    call_offers(s.wakes);
    return started::waiting;
  }

  /// Stands for a receive that runs elsewhere, and waits for nothing, so that it can be cancelled.
  /// It ends with abandon().
  void stand_by(batch_waiter& w) noexcept {
    section s(*this);
    w.current = stage::busy;
    batches_.push_back(w);
  }

  /// Gives reserved places back.
  void release_permits(std::size_t places) noexcept {
    section s(*this);
    permits_ -= places;
    rebalance(s.wakes);
    // An executor may refuse one permit after the other, each inside the wake-up of the one before.
    s.join_current_wake_ups();
  }

  /// Brings a woken receive that found nothing back to its old place. `ready`: there is something
  /// for it after all. `unknown_home`: one of its contexts is going away now.
  started wait_again(waiter& w) noexcept {
    section s(*this);
    if (w.current != stage::woken || receiver_count_ == 0 || ended()) return started::ready;
    // One that has had something must not take what others have been promised, or wait for.
    const bool is_for_it =
        w.begun ? receivers_.empty() && receivable() >= promised() : receivable() != 0;
    if (is_for_it) return started::ready;
    started waits = base::wait_again_in(receivers_, w);
    wake_receivers(s.wakes);
    call_offers(s.wakes);
    return waits;
  }

 protected:
  explicit channel_core(std::size_t capacity) noexcept : capacity_(capacity) {}

  /// Whether all of them hold, in one branch.
  template <class... Conditions>
  static constexpr bool all_of(Conditions... conditions) noexcept {
    return (unsigned{conditions} & ...) != 0;
  }

  std::size_t receivable() const noexcept { return buffered_ + offered_; }
  std::size_t promised() const noexcept { return base::woken_.size(); }

  /// Nothing will come any more. What is claimed may come back, what is reserved may be used.
  bool ended() const noexcept {
    return closed_ && receivable() == 0 && claimed_ == 0 && permits_ == 0;
  }

  /// Frees the places of what batches have passed on meanwhile. Linear in the number of batches.
  void recount(wake_list& wakes) noexcept {
    if (claimed_ != 0) recount_claimed(wakes);
  }

  [[gnu::noinline]] void recount_claimed(wake_list& wakes) noexcept {
    if (count_passed_on() != 0) rebalance(wakes);
  }

  std::size_t count_passed_on() noexcept {
    std::size_t passed_on = 0;
    for (waiter* w = batches_.front(); w != nullptr; w = w->next)
      passed_on += count_passed_on(static_cast<batch_waiter&>(*w));
    return passed_on;
  }

  /// How many values there are, without what batches have passed on meanwhile, whose places stay as
  /// they are.
  std::size_t held() const noexcept {
    std::size_t count = buffered_ + claimed_;
    for (waiter* w = batches_.front(); w != nullptr; w = w->next) {
      const batch_tally* const b = static_cast<batch_waiter&>(*w).in_hand;
      const std::size_t left = b != nullptr ? b->left() : 0;
      if (b != nullptr && left < b->claimed) count -= b->claimed - left;
    }
    return count;
  }

  bool has_free_slots(std::size_t wanted) const noexcept {
    // Values are as many as memory can hold, permits as many as the capacity: their sum may
    // overflow.
    const std::size_t held = buffered_ + claimed_;
    return held < capacity_ && permits_ < capacity_ - held && wanted <= capacity_ - held - permits_;
  }

  /// Whether a value can be stored wherever there is a place, and that is all there is to do.
  bool is_quiet() const noexcept {
    return all_of(senders_.empty(), reservers_.empty(), receivers_.empty(), claimed_ == 0,
                  permits_ == 0, !closed_);
  }

  /// Whether nobody waits for a place.
  bool is_line_empty() const noexcept { return all_of(senders_.empty(), reservers_.empty()); }

  /// Whether a send that cannot wait may pass. At a rendezvous each waiting receive lends one
  /// place.
  bool has_place() const noexcept {
    if (capacity_ == 0) return !closed_ && senders_.empty() && !receivers_.empty();
    return !closed_ && is_line_empty() && has_free_slots(1);
  }

  /// Whether at least so many waiting receives are not cases of the same select as an offer.
  bool lends_to(const waiter& offer, std::size_t wanted) const noexcept {
    for (const waiter* w = receivers_.front(); w != nullptr && wanted != 0; w = w->next)
      if (w->group != offer.group) --wanted;
    return wanted == 0;
  }

  /// Calls as many offers as there are receives that they could meet. Linear in the number of
  /// offers; there are none but at a rendezvous.
  void call_offers(wake_list& wakes) noexcept {
    if (capacity_ != 0 || reservers_.empty() || receivers_.empty()) return;
    std::size_t busy = called();
    for (waiter* w = reservers_.front(); w != nullptr; w = w->next) {
      if (w->current != stage::waiting || !is_callable(*w, busy)) continue;
      w->current = stage::woken;
      ++busy;
      wakes.push(*w);
    }
  }

  /// How many offers are on their way to meet a receive.
  std::size_t called() const noexcept {
    std::size_t count = 0;
    for (const waiter* w = reservers_.front(); w != nullptr; w = w->next)
      if (w->current == stage::woken) ++count;
    return count;
  }

  /// Whether there is a receive for an offer, and for as many others that are called already.
  bool is_callable(const waiter& offer, std::size_t busy) const noexcept {
    return senders_.empty() && lends_to(offer, busy + 1);
  }

  /// Hands out as many promises as there are values for.
  void wake_receivers(wake_list& wakes) noexcept {
    if (!receivers_.empty()) wake_waiting_receivers(wakes);
  }

  [[gnu::noinline]] void wake_waiting_receivers(wake_list& wakes) noexcept {
    while (!receivers_.empty() && receivable() > promised()) base::promise_front(receivers_, wakes);
  }

  /// Whoever empties a closed channel wakes the rest.
  void wake_at_end(wake_list& wakes) noexcept {
    if (ended()) base::settle_all(receivers_, outcome::closed, wakes);
  }

  /// Closes the channel when nobody is left who could send.
  void after_senders_left(wake_list& wakes) noexcept {
    if (sender_count_ == 0 && senders_.empty()) close_now(error_code(), wakes);
  }

  /// The last receiver has gone.
  void abandon_receiving(wake_list& wakes) noexcept {
    base::settle_all(receivers_, outcome::aborted, wakes);
    while (!batches_.empty()) {
      waiter& w = batches_.pop_front();
      w.decide(outcome::aborted);
      w.stop.store(true, std::memory_order_relaxed);
    }
    buffered_ = 0;
    claimed_ = 0;
    close_now(error_code(), wakes);
  }

  /// Gives the places that are free to those who are first in line.
  virtual void admit(wake_list& wakes) noexcept = 0;

  /// Called when something has made progress possible, whatever it was.
  void rebalance(wake_list& wakes) noexcept final {
    if (!is_line_empty()) admit(wakes);
    wake_receivers(wakes);
    call_offers(wakes);
    after_senders_left(wakes);
    wake_at_end(wakes);
  }

  const std::size_t capacity_;
  observable<Threading, std::size_t> buffered_ = 0;
  observable<Threading, std::size_t> offered_ = 0;
  std::size_t claimed_ = 0;
  std::size_t permits_ = 0;
  wait_queue receivers_;  // receives that have been promised nothing
  wait_queue senders_;    // sends that have not been accepted
  wait_queue reservers_;  // reservations that have not been granted; at a rendezvous, offers
  wait_queue batches_;    // receives that pass on what they have
  wait_queue closers_;    // those who wait for the channel to close
  std::uint32_t sender_count_ = 1;
  std::uint32_t receiver_count_ = 1;
  // As a whole: what was made of a std::error_code is more than a value and a category.
  error_code reason_;
  observable<Threading, bool> closed_ = false;

 private:
  void close_now(error_code reason, wake_list& wakes) noexcept {
    if (closed_) return;
    closed_ = true;
    reason_ = reason;
    base::settle_all(senders_, outcome::closed, wakes);
    offered_ = 0;
    base::settle_all(reservers_, outcome::closed, wakes);
    base::settle_all(closers_, outcome::success, wakes);
    wake_at_end(wakes);
  }

  /// What a reservation would be told now; success has reserved.
  outcome reserve_now(std::size_t places, wake_list& wakes) noexcept {
    if (capacity_ == 0) return outcome::unsupported;
    if (places == 0 || places > capacity_) return outcome::invalid;
    if (closed_) return outcome::closed;
    if (!is_line_empty() || !has_free_slots(places)) recount(wakes);
    if (!is_line_empty() || !has_free_slots(places)) return outcome::none;
    permits_ += places;
    return outcome::success;
  }

  std::size_t count_passed_on(batch_waiter& w) noexcept {
    if (w.in_hand == nullptr) return 0;
    const std::size_t left = w.in_hand->left();
    if (left >= w.in_hand->claimed) return 0;
    const std::size_t passed_on = w.in_hand->claimed - left;
    w.in_hand->claimed = left;
    claimed_ -= passed_on;
    return passed_on;
  }

  void leave(waiter& w) noexcept final {
    if (w.queue == &senders_) offered_ -= static_cast<offer_waiter&>(w).remaining;
    if (w.queue == &batches_) count_passed_on(static_cast<batch_waiter&>(w));
    base::leave(w);
  }

  wait_queue* line(std::size_t i) noexcept final {
    wait_queue* const lines[] = {&receivers_, &batches_, &senders_, &reservers_, &closers_};
    return i < 5 ? lines[i] : nullptr;
  }
};

}  // namespace sluice::detail::core

#endif  // SLUICE_DETAIL_CORE_CHANNEL_CORE_HPP
