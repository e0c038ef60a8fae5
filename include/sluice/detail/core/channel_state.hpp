// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_CORE_CHANNEL_STATE_HPP
#define SLUICE_DETAIL_CORE_CHANNEL_STATE_HPP

// The typed half of a channel: the buffer, and everything that moves a value. Who waits, who was
// promised what and when the channel ends is decided in channel_core, which knows no values. What
// is measured, if it is, is in channel_meter; `stored` is what lies in the buffer for a value.
//
// A value has one owner at any time: its sender (the caller, or a pending send), the buffer, or
// the receiver that commits. Moving it on is the only user code that runs under the lock, and it
// cannot throw. Values are destroyed after unlocking.

#include <sluice/detail/core/batch.hpp>
#include <sluice/detail/core/channel_core.hpp>
#include <sluice/detail/core/channel_meter.hpp>
#include <sluice/detail/core/value_queue.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <utility>

namespace sluice::detail::core {

/// A pending send. It owns its values, or knows where its caller keeps them.
template <class T>
class send_waiter : public offer_waiter {
 public:
  using offer_waiter::offer_waiter;

  T* offered = nullptr;  // the first of those that remain
};

template <class T, class Threading>
class channel_state final : public channel_core<synchronisation<Threading>>,
                            private channel_meter<T, Threading> {
  using base = channel_core<synchronisation<Threading>>;
  using meter = channel_meter<T, Threading>;
  using typename meter::stored;

 public:
  using typename base::section;
  using batch_type = batch<stored>;
  using claim = std::unique_ptr<batch_type>;

  explicit channel_state(std::size_t capacity) noexcept
      : base(capacity), values_(capacity, spare_limit(capacity)) {}

  // Sending -------------------------------------------------------------------------------------

  /// Sends without waiting. `value` is moved from only if the outcome is success.
  outcome try_send(T& value) noexcept {
    section s(*this);
    return store_quietly(value) ? outcome::success : try_send(value, s);
  }

  outcome try_send(T& value, section& s) noexcept {
    if (base::closed_) return outcome::closed;
    if (!base::has_place()) base::recount(s.wakes);
    if (!base::has_place()) return outcome::none;
    return accept(value, s);
  }

  /// As try_send, but a full buffer gives up its oldest value to `displaced`.
  outcome force_send(T& value, std::optional<T>& displaced) noexcept {
    section s(*this);
    if (base::closed_) return outcome::closed;
    if (base::capacity_ == 0 && !base::has_place()) return outcome::none;
    if (!base::has_place()) base::recount(s.wakes);
    bool full = base::capacity_ != 0 && !base::has_free_slots(1);
    if (full && base::buffered_ == 0) return outcome::none;
    // The new value is stored first: if that fails, nothing has happened.
    if (!store(value)) return outcome::no_memory;
    if (full) {
      pop([&](stored&& oldest) { displaced.emplace(std::move(value_of(oldest))); });
      meter::count_displaced();
    }
    base::wake_receivers(s.wakes);
    return outcome::success;
  }

  /// Sends into a reserved place, which is used up if the outcome is success.
  outcome send_reserved(T& value) noexcept {
    section s(*this);
    if (base::receiver_count_ == 0) return outcome::closed;
    if (!store(value)) return outcome::no_memory;
    --base::permits_;
    base::wake_receivers(s.wakes);
    return outcome::success;
  }

  /// The commit of an offer of a select that was called: sends to a receive that waits, and is not
  /// a case of the same select. `withdraw()` takes those out of their lines, here and at others
  /// whose locks are held, so that nobody sends to a select that has just sent. `none`: there is no
  /// such receive any more, and it has to wait_again_to_meet().
  template <class Withdraw>
  outcome meet(waiter& w, T& value, section& s, Withdraw&& withdraw) noexcept {
    if (w.current != stage::woken) return w.fate;
    if (!base::senders_.empty() || !base::lends_to(w, 1)) return outcome::none;
    withdraw();
    base::reservers_.erase(w);
    w.current = stage::idle;
    const outcome seen = accept(value, s);
    // What it was called for is left to another.
    if (seen != outcome::success) base::call_offers(s.wakes);
    return seen;
  }

  /// What a send that begins now would be told at once. `none` if it would have to wait; at a
  /// rendezvous it always has to, since it completes when its value is taken.
  outcome try_begin_send(T& value) noexcept {
    section s(*this);
    std::size_t accepted = 0;
    return store_quietly(value) ? outcome::success
                                : send_now(std::addressof(value), 1, accepted, s);
  }

  /// The same for `count` values.
  outcome try_begin_send(T* values, std::size_t count, std::size_t& accepted) noexcept {
    section s(*this);
    return send_now(values, count, accepted, s);
  }

  started start_send(send_waiter<T>& w) noexcept {
    section s(*this);
    outcome seen = send_now(w.offered, w.remaining, w.accepted, s);
    if (seen != outcome::none) {
      w.decide(seen);
      return started::ready;
    }
    started waits = base::wait_in(base::senders_, w);
    if (waits != started::waiting) return waits;
    base::offered_ += w.remaining;
    // Of several values some may have a place. Not all have, or the send would not be here.
    admit(s.wakes);
    base::wake_receivers(s.wakes);
    return started::waiting;
  }

  // Receiving -----------------------------------------------------------------------------------

  /// How many values a receive could take now that was not promised any. The outcome is that of
  /// try_receive().
  outcome available(std::size_t& found) noexcept {
    section s(*this);
    found = unpromised();
    if (found != 0) return outcome::success;
    return is_at_end(s) ? outcome::closed : outcome::none;
  }

  /// How many values a receive that has come back could take now. 0 if it cannot wait for more
  /// either.
  std::size_t available_to(const waiter& w) noexcept {
    section s(*this);
    if (w.current != stage::woken || base::receiver_count_ == 0 || base::ended()) return 0;
    return unpromised() + 1;
  }

  /// Gives up to `limit` values to `sink`, without waiting. `none` if there are none that are not
  /// promised to somebody.
  template <class Sink>
  outcome try_receive(std::size_t limit, Sink&& sink) noexcept {
    section s(*this);
    return try_receive(limit, sink, s);
  }

  /// The same for one value.
  outcome try_receive(std::optional<T>& out) noexcept {
    section s(*this);
    auto sink = [&](T&& value) { out.emplace(std::move(value)); };
    // With nobody in line and nothing closed or given back, a free place makes nothing possible.
    if (base::all_of(base::is_line_empty(), returned_.empty(), !base::closed_,
                     base::buffered_ > base::promised())) {
      values_.pop(meter::receiving(sink));
      --base::buffered_;
      return outcome::success;
    }
    return try_receive(1, sink, s);
  }

  template <class Sink>
  outcome try_receive(std::size_t limit, Sink&& sink, section& s) noexcept {
    if (std::size_t found = unpromised()) {
      take(found < limit ? found : limit, meter::receiving(sink), s);
      return outcome::success;
    }
    return is_at_end(s) ? outcome::closed : outcome::none;
  }

  /// The commit of a woken receive, the moment at which it takes its values. `none`: nothing is
  /// left for it, and it has to wait_again(). Until leave_gate(phase) its contexts cannot go away.
  /// `orphaned`: nothing is left, and one of its contexts is gone, or was never registered.
  template <class Sink>
  outcome finish_receive(waiter& w, std::size_t limit, Sink&& sink, bool& linked,
                         unsigned& phase) noexcept {
    section s(*this);
    outcome result = w.fate;
    if (w.current == stage::woken) {
      base::woken_.erase(w);
      if (base::receiver_count_ == 0) {
        result = outcome::aborted;
      } else if (std::size_t found = within_reach()) {
        take(found < limit ? found : limit, meter::receiving(sink), s);
        result = outcome::success;
      } else if (is_at_end(s)) {
        result = outcome::closed;
      } else {
        base::promise(w);
        if (!base::knows_homes_of(w)) return outcome::orphaned;
        phase = base::enter_gate();
        return outcome::none;
      }
    }
    w.current = stage::idle;
    linked = w.forget_link();
    return result;
  }

  // Batches: receives that take several values and pass them on without the lock ------------------

  /// Ends the batch `b` of a woken or busy receive and begins the next one, of up to `budget`
  /// values; `fairly` leaves other receivers their share. `again`: there is something, but no
  /// budget; it is promised to the receive. Others as above.
  outcome next_batch(batch_waiter& w, claim& b, std::size_t budget, bool fairly, bool& linked,
                     unsigned& phase) noexcept {
    section s(*this);
    put_back(b);
    w.in_hand = nullptr;
    outcome result = w.fate;
    if (w.current != stage::decided) {
      w.queue->erase(w);
      if (base::receiver_count_ == 0) {
        result = outcome::aborted;
      } else if (std::size_t found = w.current == stage::woken ? within_reach() : unpromised()) {
        if (budget == 0) {
          base::promise_first(w);
          result = outcome::again;
        } else {
          // Who takes its share is a loop, which passes on at least one. Others may fail to.
          fill(*b, fairly ? share_of(found, budget) : found < budget ? found : budget, !fairly, s);
          w.in_hand = b.get();
          w.current = stage::busy;
          w.begun = true;
          base::batches_.push_back(w);
          result = outcome::success;
        }
      } else if (is_at_end(s)) {
        result = outcome::closed;
      } else {
        result = base::knows_homes_of(w) ? outcome::none : outcome::orphaned;
        if (result == outcome::none) phase = base::enter_gate();
        if (w.current == stage::woken) {
          base::promise(w);
        } else if (result == outcome::none) {
          // One that has just got something goes to the end of the line.
          base::promise_first(w);
        } else {
          // Should it look once more, it has been promised nothing.
          base::batches_.push_back(w);
        }
      }
    }
    base::rebalance(s.wakes);
    if (result == outcome::closed || result == outcome::aborted) {
      w.current = stage::idle;
      linked = w.forget_link();
    }
    return result;
  }

  /// Ends a receive in the middle of a batch, or before it.
  void end_batch(batch_waiter& w, claim& b, bool& linked) noexcept {
    section s(*this);
    put_back(b);
    w.in_hand = nullptr;
    if (w.queue != nullptr) w.queue->erase(w);
    w.current = stage::idle;
    linked = w.forget_link();
    base::rebalance(s.wakes);
    s.join_current_wake_ups();
  }

  /// Claims up to `limit` values without waiting.
  outcome try_claim(claim& b, std::size_t limit) noexcept {
    section s(*this);
    if (std::size_t found = unpromised()) {
      fill(*b, found < limit ? found : limit, true, s);
      return outcome::success;
    }
    return is_at_end(s) ? outcome::closed : outcome::none;
  }

  /// Ends a batch that was claimed without waiting.
  void end_claim(claim& b) noexcept {
    section s(*this);
    put_back(b);
    base::rebalance(s.wakes);
  }

  /// The last receiver goes: what is buffered is destroyed now, not with the last handle.
  void remove_receiver() noexcept {
    value_queue<stored> remains(0, 0);
    returned_batches<stored> returned;
    section s(*this);
    if (--base::receiver_count_ != 0) return;
    if constexpr (is_measured<Threading>) {
      base::count_passed_on();
      meter::count_destroyed(base::held());
    }
    base::abandon_receiving(s.wakes);
    values_.swap(remains);
    returned_.swap(returned);
  }

  /// What there is to see in a channel that is measured.
  auto metrics() noexcept {
    section s(*this);
    auto seen = meter::measured_so_far();
    seen.buffered = base::held();
    seen.received = seen.accepted - seen.displaced - seen.destroyed - seen.buffered;
    seen.waiting_sends = base::senders_.length();
    seen.waiting_reservations = base::reservers_.length();
    seen.waiting_receives = base::receivers_.length();
    seen.woken_receives = base::promised();
    return seen;
  }

 private:
  static constexpr std::size_t spare_limit(std::size_t capacity) noexcept {
    return capacity == base::unlimited ? 2 : base::unlimited;
  }

  /// What there is for somebody who was promised nothing.
  std::size_t unpromised() const noexcept {
    return base::receivable() > base::promised() ? base::receivable() - base::promised() : 0;
  }

  /// What there is for somebody who was promised one value, and has just left `woken_`. There may
  /// be fewer values than promises; then the first to come takes one.
  std::size_t within_reach() const noexcept {
    std::size_t found = unpromised();
    return found == 0 && base::receivable() != 0 ? 1 : found;
  }

  /// A batch leaves as much to each other receiver as it takes, so that a pool of them stays busy.
  std::size_t share_of(std::size_t found, std::size_t limit) const noexcept {
    std::size_t share = found / base::receiver_count_;
    if (share == 0) return 1;
    return share < limit ? share : limit;
  }

  /// Whether nothing will come any more.
  bool is_at_end(section& s) noexcept {
    if (base::closed_) base::recount(s.wakes);
    return base::ended();
  }

  outcome accept(T& value, section& s) noexcept {
    if (!store(value)) return outcome::no_memory;
    base::wake_receivers(s.wakes);
    return outcome::success;
  }

  /// Accepts all values at once, or none. Only the lack of memory can end it in the middle.
  outcome send_now(T* values, std::size_t count, std::size_t& accepted, section& s) noexcept {
    if (count == 0) return outcome::success;
    if (base::closed_) return outcome::closed;
    if (!base::is_line_empty() || !base::has_free_slots(count)) base::recount(s.wakes);
    if (!base::is_line_empty() || !base::has_free_slots(count)) return outcome::none;
    outcome result = outcome::success;
    while (accepted != count && result == outcome::success) {
      if (store(values[accepted]))
        ++accepted;
      else
        result = outcome::no_memory;
    }
    base::wake_receivers(s.wakes);
    return result;
  }

  /// Stores the value if there is nothing else to do, and nothing to be looked at. This is what
  /// most sends come to.
  bool store_quietly(T& value) noexcept {
    if (!base::all_of(base::is_quiet(), base::buffered_ < base::capacity_) || !values_.has_room())
      return false;
    values_.push(std::move(value));
    count_stored();
    return true;
  }

  bool store(T& value) noexcept {
    if (values_.has_room())
      values_.push(std::move(value));
    else if (!store_in_new_block(value))
      return false;
    count_stored();
    return true;
  }

  [[gnu::noinline]] bool store_in_new_block(T& value) noexcept {
    try {
      values_.push(std::move(value));
      return true;
    } catch (const std::bad_alloc&) {
      return false;
    }
  }

  void count_stored() noexcept {
    ++base::buffered_;
    meter::count_accepted();
    note_more();
  }

  void note_more() noexcept {
    if constexpr (is_measured<Threading>)
      meter::note_more(base::buffered_ + base::claimed_, [this] { return base::held(); });
  }

  // What came back is older than what is buffered.
  template <class Sink>
  void pop(Sink&& sink) noexcept {
    if (returned_.empty())
      values_.pop(sink);
    else
      returned_.pop(sink);
    --base::buffered_;
  }

  /// Gives values to `sink`, as they are stored: the buffer comes first, then the pending sends in their order. There
  /// are at least `count` of them.
  template <class Sink>
  void take(std::size_t count, Sink&& sink, section& s) noexcept {
    for (; count != 0 && base::buffered_ != 0; --count) pop(sink);
    // With nobody in line and nothing closed, a free place makes nothing possible.
    if (!base::is_line_empty() || base::closed_) take_from_line(count, sink, s);
  }

  template <class Sink>
  [[gnu::noinline]] void take_from_line(std::size_t count, Sink& sink, section& s) noexcept {
    for (; count != 0; --count) {
      auto& sender = static_cast<send_waiter<T>&>(*base::senders_.front());
      meter::count_accepted();
      sink(std::move(*sender.offered));
      advance(sender, s.wakes);
    }
    if (!base::is_line_empty()) {
      admit(s.wakes);
      base::call_offers(s.wakes);
    }
    base::after_senders_left(s.wakes);
    base::wake_at_end(s.wakes);
  }

  /// Moves up to `count` values that stand side by side into a batch. Buffered ones keep their
  /// places; the value of a pending send has none, so it is taken alone. If it `may_come_back` it
  /// counts as claimed before it is taken, or the channel would end by that.
  void fill(batch_type& b, std::size_t count, bool may_come_back, section& s) noexcept {
    auto sink = [&](auto&& value) { b.push(std::move(value)); };
    if (base::buffered_ == 0) {
      b.place = base::take_number();
      b.claimed = may_come_back ? 1 : 0;
      base::claimed_ += b.claimed;
      note_more();
      return take(1, sink, s);
    }
    std::size_t most = base::buffered_;
    if (!returned_.empty()) most = returned_.front().size();
    if (most > batch_type::slots) most = batch_type::slots;
    if (count > most) count = most;
    // Only the order of places matters, so what was received alone since has none.
    b.place = returned_.empty() ? base::take_numbers(count) : returned_.front().place;
    b.claimed = count;
    base::claimed_ += count;
    for (; count != 0; --count) pop(sink);
  }

  /// Frees the places of what was passed on; the rest goes back to the front. Without a receiver it
  /// stays in the batch, to be destroyed without the lock.
  void put_back(claim& b) noexcept {
    if (b == nullptr) return;
    meter::end_batch(*b);
    const std::size_t claimed = std::exchange(b->claimed, 0);
    if (base::receiver_count_ == 0) {
      if constexpr (is_measured<Threading>) meter::uncount_destroyed(claimed - b->size());
      return;
    }
    base::claimed_ -= claimed;
    if (b->empty()) return;
    base::buffered_ += b->size();
    returned_.insert(std::move(b));
  }

  /// The first value of a pending send was accepted, or taken.
  void advance(send_waiter<T>& sender, wake_list& wakes) noexcept {
    --base::offered_;
    ++sender.offered;
    ++sender.accepted;
    sender.begun = true;
    if (--sender.remaining != 0) return;
    base::senders_.erase(sender);
    base::settle(sender, outcome::success, wakes);
  }

  // Free places go to who is first in line at once, so whoever comes later cannot overtake. Should
  // the buffer be unable to grow, sends stay in line, where receivers find them too.
  void admit(wake_list& wakes) noexcept override {
    for (;;) {
      waiter* sends = base::senders_.front();
      waiter* reserves = base::reservers_.front();
      if (reserves != nullptr && (sends == nullptr || reserves->order < sends->order)) {
        std::size_t places = static_cast<reserve_waiter*>(reserves)->places;
        if (!base::has_free_slots(places)) return;
        base::permits_ += places;
        base::reservers_.erase(*reserves);
        base::settle(*reserves, outcome::success, wakes);
      } else {
        if (sends == nullptr || !base::has_free_slots(1)) return;
        auto& sender = static_cast<send_waiter<T>&>(*sends);
        if (!store(*sender.offered)) return;
        advance(sender, wakes);
      }
    }
  }

  value_queue<stored> values_;
  returned_batches<stored> returned_;
};

}  // namespace sluice::detail::core

#endif  // SLUICE_DETAIL_CORE_CHANNEL_STATE_HPP
