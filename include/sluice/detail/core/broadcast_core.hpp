// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_CORE_BROADCAST_CORE_HPP
#define SLUICE_DETAIL_CORE_BROADCAST_CORE_HPP

// The half of a broadcast that knows no values: who subscribes, how far each subscriber has come,
// who waits, what is promised to whom, and when the broadcast closes. Everything here is protected
// by the lock of the state.
//
// Terms
// - The messages that are held form a chain of nodes, from `head_`, the oldest, up to `tail_`,
//   which is empty and is filled by the next message. Positions count messages and never wrap.
// - Each subscriber has a cursor: the node it reads next, `tail_` if it has read everything. A node
//   counts the cursors that stand at it. So a message is held as long as it is needed, subscribing,
//   reading and leaving take constant time, and nobody ever looks for the slowest.
// - A subscriber is overtaken if the message that it would have read next was given up. Its cursor
//   is counted at `head_` then, and `at` is not valid.
// - What a subscriber can receive: the news that it was overtaken, if it was, and each message that
//   is held from its cursor on. A receive that is woken is promised one of these, and stands in the
//   subscriber's `woken` until it comes back. So what is promised is always there: messages are
//   given up only when there are as many behind them, and being overtaken is something to be
//   received.
//
// Invariants, true whenever the lock is free
// - held() <= capacity_, and a cursor stands at `head_` unless head_ == tail_.
// - A subscriber's receives wait only while all that it can receive is promised.
// - Sends wait only while no place is free, which happens in a lossless broadcast alone.
// - A subscriber with receives that wait is in `waiting_`. (It may be there without them.)
// - Closed: no send waits, and no receive of a subscriber that can receive nothing.

#include <sluice/detail/core/wait_state.hpp>

#include <boost/system/error_code.hpp>

#include <cstddef>
#include <cstdint>

namespace sluice::detail::core {

/// What came of a receive.
enum class received : unsigned char {
  nothing,      // all there is has been promised to others
  message,      //
  lagged,       // the subscriber was overtaken
  no_memory,    // the message could not be copied, and counts as received
  copy_failed,  // the same, for another reason
  end,          // nothing more will come
  aborted,      // cancelled, or nobody subscribes any more
};

/// A place in the chain.
struct broadcast_node {
  broadcast_node* next = nullptr;
  std::size_t cursors = 0;
};

/// What the state knows of a subscriber.
struct subscriber {
  subscriber* previous = nullptr;
  subscriber* next = nullptr;
  subscriber* next_left = nullptr;
  broadcast_node* at = nullptr;
  std::uint64_t position = 0;
  std::uint64_t missed = 0;  // what the last gap was
  wait_queue waiting;
  counting_queue woken;
  bool attached = false;
  bool may_have_waiters = false;  // which list it is in
  bool left = false;              // receives of it have left, and may have left something behind
};

/// A pending receive of a subscriber.
class subscriber_waiter : public waiter {
 public:
  using waiter::waiter;

  subscriber* source = nullptr;
};

class subscriber_list {
 public:
  subscriber* front() const noexcept { return first_; }

  void push_back(subscriber& s) noexcept {
    s.previous = last_;
    s.next = nullptr;
    (last_ ? last_->next : first_) = &s;
    last_ = &s;
  }

  void erase(subscriber& s) noexcept {
    (s.previous ? s.previous->next : first_) = s.next;
    (s.next ? s.next->previous : last_) = s.previous;
  }

 private:
  subscriber* first_ = nullptr;
  subscriber* last_ = nullptr;
};

template <class Threading>
class broadcast_core : public wait_state<Threading> {
  using base = wait_state<Threading>;

 public:
  using typename base::section;
  using error_code = boost::system::error_code;

  // Handles -------------------------------------------------------------------------------------

  std::uint64_t add_sender() noexcept {
    section s(*this);
    ++sender_count_;
    return base::add_owner();
  }

  /// Makes a sender from nothing, only while the broadcast is open. Zero if it is not.
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
    after_senders_left(s.wakes);
  }

  /// From now on the subscriber is sent everything.
  void attach(subscriber& sub) noexcept {
    section s(*this);
    sub.attached = true;
    sub.at = tail_;
    sub.position = tail_position_;
    ++tail_->cursors;
    ++receiver_count_;
    idle_.push_back(sub);
  }

  void close(error_code reason) noexcept {
    section s(*this);
    close_now(reason, s.wakes);
  }

  // What there is to see ------------------------------------------------------------------------

  std::size_t capacity() const noexcept { return capacity_; }

  struct counts {
    std::size_t held;
    std::size_t senders;
    std::size_t receivers;
    bool full;
    bool closed;
  };

  counts look() noexcept {
    section s(*this);
    return {held(), sender_count_, receiver_count_, lossless_ && !closed_ && !has_place(), closed_};
  }

  /// Whether a send would be no use.
  bool is_deserted() noexcept {
    section s(*this);
    return is_deserted(s);
  }

  bool is_deserted(section&) const noexcept { return closed_ || receiver_count_ == 0; }

  /// How many messages are held that a subscriber has not received.
  std::size_t backlog_of(const subscriber& sub) noexcept {
    section s(*this);
    return sub.attached ? backlog(sub) : 0;
  }

  std::uint64_t missed_by(const subscriber& sub) noexcept {
    section s(*this);
    return sub.missed;
  }

  /// Why it was closed; no error if plainly. Who has seen it closed under the lock may read this
  /// without, since it does not change any more.
  error_code reason() const noexcept { return reason_; }

  // Waiting -------------------------------------------------------------------------------------

  started start_receive(subscriber_waiter& w) noexcept {
    section s(*this);
    subscriber& sub = *w.source;
    if (!sub.attached) {
      w.decide(outcome::aborted);
    } else if (receivable(sub) > sub.woken.size()) {
      promise(sub, w);
    } else if (ended(sub)) {
      w.decide(outcome::closed);
    } else {
      started seen = base::wait_in(sub.waiting, w);
      if (seen == started::waiting) move_to(waiting_, sub, true);
      return seen;
    }
    return started::ready;
  }

  /// Nobody subscribes any more, or it was closed.
  started start_wait_closed(waiter& w) noexcept {
    section s(*this);
    if (closed_ || receiver_count_ == 0) {
      w.decide(outcome::success);
    } else if (sender_count_ == 0) {
      w.decide(outcome::aborted);
    } else {
      return base::wait_in(closers_, w);
    }
    return started::ready;
  }

  /// Cancels all receives of a subscriber.
  void cancel_receives(subscriber& sub) noexcept {
    section s(*this);
    base::settle_all(sub.waiting, outcome::aborted, s.wakes);
    while (!sub.woken.empty()) sub.woken.pop_front().decide(outcome::aborted);
  }

 protected:
  broadcast_core(std::size_t capacity, bool lossless) noexcept
      : capacity_(capacity), lossless_(lossless) {}

  /// Begins the chain with an empty node, before anything else.
  void begin_chain(broadcast_node& empty) noexcept { head_ = tail_ = &empty; }

  std::size_t held() const noexcept {
    return static_cast<std::size_t>(tail_position_ - head_position_);
  }

  bool overtaken(const subscriber& sub) const noexcept { return sub.position < head_position_; }

  std::size_t backlog(const subscriber& sub) const noexcept {
    return overtaken(sub) ? held() : static_cast<std::size_t>(tail_position_ - sub.position);
  }

  /// How many receives of a subscriber could be completed.
  std::size_t receivable(const subscriber& sub) const noexcept {
    return overtaken(sub) ? held() + 1 : static_cast<std::size_t>(tail_position_ - sub.position);
  }

  bool ended(const subscriber& sub) const noexcept { return closed_ && receivable(sub) == 0; }

  /// Whether a send that cannot wait may pass.
  bool has_place() const noexcept { return !closed_ && senders_.empty() && held() < capacity_; }

  /// The message in `tail_` is published; `empty` is for the next one.
  void publish(broadcast_node& empty, wake_list& wakes) noexcept {
    empty.next = nullptr;
    empty.cursors = 0;
    tail_->next = &empty;
    tail_ = &empty;
    ++tail_position_;
    for (subscriber* sub = waiting_.front(); sub != nullptr;) {
      subscriber* next = sub->next;
      wake(*sub, wakes);
      if (sub->waiting.empty()) move_to(idle_, *sub, false);
      sub = next;
    }
  }

  /// Moves a subscriber past the message it reads next, and returns that.
  broadcast_node& advance(subscriber& sub) noexcept {
    broadcast_node& node = *sub.at;
    sub.at = node.next;
    ++sub.position;
    --node.cursors;
    ++sub.at->cursors;
    return node;
  }

  /// An overtaken subscriber hears of it, and goes on with the oldest message.
  void skip_gap(subscriber& sub) noexcept {
    sub.missed = head_position_ - sub.position;
    sub.position = head_position_;
    sub.at = head_;
  }

  /// Whether everybody has read the oldest message.
  bool head_is_read() const noexcept { return head_ != tail_ && head_->cursors == 0; }

  /// Takes the oldest message out of the chain. Who has not read it yet is overtaken.
  broadcast_node& pop_head() noexcept {
    broadcast_node& node = *head_;
    head_ = node.next;
    head_->cursors += node.cursors;
    ++head_position_;
    return node;
  }

  /// Takes the messages out of the chain that only `sub` had still to read; null, or a chain of
  /// them.
  broadcast_node* detach(subscriber& sub, wake_list& wakes) noexcept {
    sub.attached = false;
    (sub.may_have_waiters ? waiting_ : idle_).erase(sub);
    base::settle_all(sub.waiting, outcome::aborted, wakes);
    --(overtaken(sub) ? head_ : sub.at)->cursors;
    broadcast_node* const first = head_;
    broadcast_node* last = nullptr;
    while (head_is_read()) last = &pop_head();
    if (last != nullptr) last->next = nullptr;
    if (--receiver_count_ == 0) base::settle_all(closers_, outcome::success, wakes);
    return last != nullptr ? first : nullptr;
  }

  /// After a subscriber has received something: whoever empties a closed broadcast wakes the rest.
  void wake_at_end(subscriber& sub, wake_list& wakes) noexcept {
    if (ended(sub)) base::settle_all(sub.waiting, outcome::closed, wakes);
  }

  /// Closes when nobody is left who could send.
  void after_senders_left(wake_list& wakes) noexcept {
    if (sender_count_ == 0 && senders_.empty()) close_now(error_code(), wakes);
  }

  const std::size_t capacity_;
  const bool lossless_;
  bool closed_ = false;
  std::size_t sender_count_ = 1;
  std::size_t receiver_count_ = 0;
  broadcast_node* head_ = nullptr;
  broadcast_node* tail_ = nullptr;
  std::uint64_t head_position_ = 0;
  std::uint64_t tail_position_ = 0;
  wait_queue senders_;  // sends that have not been accepted
  wait_queue closers_;  // those who wait until a send is no use any more
  error_code reason_;

 private:
  void move_to(subscriber_list& list, subscriber& sub, bool may_have_waiters) noexcept {
    if (sub.may_have_waiters == may_have_waiters) return;
    (sub.may_have_waiters ? waiting_ : idle_).erase(sub);
    sub.may_have_waiters = may_have_waiters;
    list.push_back(sub);
  }

  void promise(subscriber& sub, waiter& w) noexcept {
    w.current = stage::woken;
    sub.woken.push_back(w);
  }

  /// Hands out as many promises as the subscriber can receive.
  void wake(subscriber& sub, wake_list& wakes) noexcept {
    while (!sub.waiting.empty() && receivable(sub) > sub.woken.size()) {
      waiter& w = sub.waiting.pop_front();
      promise(sub, w);
      wakes.push(w);
    }
  }

  void close_now(error_code reason, wake_list& wakes) noexcept {
    if (closed_) return;
    closed_ = true;
    reason_ = reason;
    base::settle_all(senders_, outcome::closed, wakes);
    base::settle_all(closers_, outcome::success, wakes);
    for (subscriber* sub = waiting_.front(); sub != nullptr; sub = sub->next)
      wake_at_end(*sub, wakes);
  }

  // The lines are asked for one after the other: the two of senders, and two of each subscriber.
  wait_queue* line(std::size_t i) noexcept final {
    if (i == 0) return &senders_;
    if (i == 1) {
      scanned_ = waiting_.front() != nullptr ? waiting_.front() : idle_.front();
      return &closers_;
    }
    if (scanned_ == nullptr) return nullptr;
    subscriber& sub = *scanned_;
    if (i % 2 == 0) return &sub.waiting;
    const bool goes_on = sub.may_have_waiters && sub.next == nullptr;
    scanned_ = goes_on ? idle_.front() : sub.next;
    return &sub.woken;
  }

  void leave(waiter& w) noexcept final {
    if (w.queue != &senders_ && w.queue != &closers_) {
      subscriber& sub = *static_cast<subscriber_waiter&>(w).source;
      if (!sub.left) {
        sub.left = true;
        sub.next_left = left_;
        left_ = &sub;
      }
    }
    w.queue->erase(w);
  }

  void rebalance(wake_list& wakes) noexcept final {
    while (left_ != nullptr) {
      subscriber& sub = *left_;
      left_ = sub.next_left;
      sub.left = false;
      wake(sub, wakes);
    }
    after_senders_left(wakes);
  }

  subscriber_list waiting_;     // those that may have receives which wait
  subscriber_list idle_;        // those that have none
  subscriber* left_ = nullptr;  // what rebalance() has to look after
  subscriber* scanned_ = nullptr;
};

}  // namespace sluice::detail::core

#endif  // SLUICE_DETAIL_CORE_BROADCAST_CORE_HPP
