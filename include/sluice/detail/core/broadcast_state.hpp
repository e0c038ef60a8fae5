// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_CORE_BROADCAST_STATE_HPP
#define SLUICE_DETAIL_CORE_BROADCAST_STATE_HPP

// The typed half of a broadcast: the messages, and how they get in and out. Who reads what, who
// waits and when it ends is decided in broadcast_core, which knows no values.
//
// A message lives in a node of the chain. To copy it may run code of the user's, so that is done
// without the lock, and the node is shared meanwhile: `users` counts those who copy, and the chain.
// Who is the last of them destroys the message, again without the lock. The last subscriber to read
// a message need not copy it: under the lock it is seen that nobody shares the node, and nobody can
// any more, and the message is moved. One of a few bytes without code of its own is copied under
// the lock, which costs less than to share it.
//
// Nodes are used again, so that in the steady state nothing is allocated. There are as many as the
// broadcast has ever held at once, and those that were being copied when they were overtaken.
//
// `users` counts by itself; everything else is protected by the lock of the state.

#include <sluice/detail/core/broadcast_core.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

namespace sluice::detail::core {

/// A pending send. It owns the message, or knows where its caller keeps it.
template <class T>
class broadcast_send_waiter : public waiter {
 public:
  using waiter::waiter;

  T* value = nullptr;
  std::size_t reached = 0;  // how many subscribers will see it
};

template <class T, class Threading>
class broadcast_state final : public broadcast_core<Threading> {
  using base = broadcast_core<Threading>;

 public:
  using typename base::section;

  /// A new state counts one sender, one reference, and no subscriber. Throws std::bad_alloc.
  broadcast_state(std::size_t capacity, bool lossless) : base(capacity, lossless) {
    base::begin_chain(*new node);
  }

  ~broadcast_state() override {
    node* n = as_node(base::head_);
    while (n != base::tail_) {
      n->value()->~T();
      delete std::exchange(n, n->next_node());
    }
    delete n;
    while (spare_ != nullptr) delete std::exchange(spare_, spare_->next_node());
  }

  /// Sends without waiting. `value` is moved from only if the outcome is success; `none`: no place.
  outcome send(T& value, std::size_t& reached) noexcept {
    std::optional<T> displaced;  // destroyed after unlocking
    outcome seen = outcome::none;
    {
      section s(*this);
      if (base::closed_) return outcome::closed;
      if (base::lossless_ && !base::has_place()) return outcome::none;
      seen = accept(value, reached, displaced, s.wakes);
    }
    if (seen == outcome::success && reached == 0) {
      [[maybe_unused]] const T gone(std::move(value));
    }
    return seen;
  }

  started start_send(broadcast_send_waiter<T>& w) noexcept {
    std::optional<T> displaced;
    section s(*this);
    if (base::closed_) {
      w.decide(outcome::closed);
    } else if (base::has_place()) {
      w.decide(accept(*w.value, w.reached, displaced, s.wakes));
    } else {
      return base::wait_in(base::senders_, w);
    }
    return started::ready;
  }

  received try_receive(subscriber& sub, std::optional<T>& out) noexcept {
    taken message;
    received seen = received::nothing;
    {
      section s(*this);
      seen = try_take(sub, message, out, s);
    }
    return message.copy(seen, out);
  }

  /// A message that was taken under the lock, and may have to be copied without it.
  class taken {
   public:
    received copy(received seen, std::optional<T>& out) noexcept {
      return shared_ == nullptr ? seen : kept_->copy_out(*as_node(shared_), out);
    }

   private:
    friend class broadcast_state;

    // Whoever copies a message may let the last handle go meanwhile, and so may who is woken.
    state_ref<broadcast_state> kept_;
    broadcast_node* shared_ = nullptr;
  };

  received try_take(subscriber& sub, taken& message, std::optional<T>& out, section& s) noexcept {
    if (!sub.attached) return received::aborted;
    received seen = received::nothing;
    node* shared = nullptr;
    if (base::receivable(sub) > sub.woken.size())
      seen = take(sub, out, shared, s.wakes);
    else if (base::ended(sub))
      seen = received::end;
    if (shared != nullptr) {
      message.kept_ = state_ref<broadcast_state>::share(this);
      message.shared_ = shared;
    }
    return seen;
  }

  /// The commit of a woken receive, the moment at which it takes its message.
  received finish_receive(subscriber_waiter& w, std::optional<T>& out, bool& linked) noexcept {
    node* shared = nullptr;
    received seen = received::aborted;
    {
      section s(*this);
      if (w.fate == outcome::closed) seen = received::end;
      if (w.current == stage::woken) {
        subscriber& sub = *w.source;
        sub.woken.erase(w);
        if (sub.attached) seen = take(sub, out, shared, s.wakes);
      }
      w.current = stage::idle;
      linked = w.forget_link();
    }
    return shared == nullptr ? seen : copy_out(*shared, out);
  }

  /// A subscriber goes, and so does what only it had still to read.
  void remove_subscriber(subscriber& sub) noexcept {
    broadcast_node* gone = nullptr;
    {
      section s(*this);
      gone = base::detach(sub, s.wakes);
      admit(s.wakes);
    }
    while (gone != nullptr) {
      node* n = as_node(std::exchange(gone, gone->next));
      if (!leave_node(*n)) continue;
      n->value()->~T();
      delete n;
    }
  }

 private:
  static constexpr bool copied_under_lock = std::is_trivially_copyable_v<T> &&
                                            std::is_trivially_copy_constructible_v<T> &&
                                            std::is_trivially_destructible_v<T> && sizeof(T) <= 64;

  struct node : broadcast_node {
    node* next_node() const noexcept { return as_node(this->next); }
    T* value() noexcept { return std::launder(reinterpret_cast<T*>(storage)); }

    typename Threading::template atomic<unsigned> users{1u};
    alignas(T) unsigned char storage[sizeof(T)];
  };

  static node* as_node(broadcast_node* n) noexcept { return static_cast<node*>(n); }

  /// Whether only the chain uses a node; the lock is held.
  static bool is_unshared(const node& n) noexcept {
    // Acquire: pairs with leave_node(), so whoever has copied the message is done with it.
    return copied_under_lock || n.users.load(std::memory_order_acquire) == 1;
  }

  /// True for the last who uses a node.
  static bool leave_node(node& n) noexcept {
    return copied_under_lock || n.users.fetch_sub(1, std::memory_order_acq_rel) == 1;
  }

  /// Null if there is no memory.
  node* new_node() noexcept {
    if (spare_ != nullptr) return std::exchange(spare_, spare_->next_node());
    try {
      return new node;
    } catch (const std::bad_alloc&) {
      return nullptr;
    }
  }

  void recycle(node& n) noexcept {
    n.users.store(1, std::memory_order_relaxed);
    n.next = spare_;
    spare_ = &n;
  }

  /// Puts a message into the chain. It is moved from only if there is somebody who will see it.
  outcome accept(T& value, std::size_t& reached, std::optional<T>& displaced,
                 wake_list& wakes) noexcept {
    reached = 0;
    if (base::receiver_count_ == 0) return outcome::success;
    node* empty = base::held() < base::capacity_ ? new_node() : displace(displaced);
    if (empty == nullptr) return outcome::no_memory;
    reached = base::receiver_count_;
    ::new (static_cast<void*>(as_node(base::tail_)->storage)) T(std::move(value));
    base::publish(*empty, wakes);
    return outcome::success;
  }

  /// Gives up the oldest message, and makes an empty node of it or of another one.
  node* displace(std::optional<T>& displaced) noexcept {
    node* empty = nullptr;
    // Whatever may fail comes first. That a node is shared no more may turn out later.
    if (!is_unshared(*as_node(base::head_))) {
      empty = new_node();
      if (empty == nullptr) return nullptr;
    }
    node& oldest = *as_node(&base::pop_head());
    if (leave_node(oldest)) {
      move_out(oldest, displaced);
      if (empty != nullptr) {
        recycle(oldest);
      } else {
        oldest.users.store(1, std::memory_order_relaxed);
        empty = &oldest;
      }
    }
    return empty;
  }

  static void move_out(node& n, std::optional<T>& out) noexcept {
    if constexpr (!std::is_trivially_destructible_v<T>) {
      out.emplace(std::move(*n.value()));
      n.value()->~T();
    }
  }

  /// What a subscriber gets next; there is something. If that is a message to be copied from a
  /// node that is shared now, the node.
  received take(subscriber& sub, std::optional<T>& out, node*& shared, wake_list& wakes) noexcept {
    if (base::overtaken(sub)) {
      base::skip_gap(sub);
      return received::lagged;
    }
    node& n = *as_node(&base::advance(sub));
    const bool is_read = base::head_is_read();
    if (is_read) base::pop_head();
    if constexpr (copied_under_lock) {
      out.emplace(std::as_const(*n.value()));
      if (is_read) recycle(n);
    } else if (is_read && is_unshared(n)) {
      out.emplace(std::move(*n.value()));
      n.value()->~T();
      recycle(n);
    } else {
      // Who takes the node out of the chain takes over the chain's share of it.
      if (!is_read) n.users.fetch_add(1, std::memory_order_relaxed);
      shared = &n;
    }
    if (is_read) admit(wakes);
    base::wake_at_end(sub, wakes);
    return received::message;
  }

  /// Copies a message out of a node that is shared, without the lock.
  received copy_out(node& n, std::optional<T>& out) noexcept {
    received seen = received::message;
    try {
      out.emplace(std::as_const(*n.value()));
    } catch (const std::bad_alloc&) {
      seen = received::no_memory;
    } catch (...) {
      seen = received::copy_failed;
    }
    if (leave_node(n)) {
      n.value()->~T();
      section s(*this);
      recycle(n);
    }
    return seen;
  }

  // Free places go to pending sends at once, so whoever comes later cannot overtake them.
  void admit(wake_list& wakes) noexcept {
    std::optional<T> displaced;
    while (!base::senders_.empty() && base::held() < base::capacity_) {
      auto& w = static_cast<broadcast_send_waiter<T>&>(base::senders_.pop_front());
      base::settle(w, accept(*w.value, w.reached, displaced, wakes), wakes);
    }
    base::after_senders_left(wakes);
  }

  node* spare_ = nullptr;
};

/// One subscription: it is the same however its handle moves, and each operation shares it.
template <class T, class Threading>
class subscription : public subscriber {
 public:
  using state_type = broadcast_state<T, Threading>;

  explicit subscription(state_ref<state_type> state) noexcept : state_(std::move(state)) {
    state_->attach(*this);
  }
  subscription(const subscription&) = delete;
  subscription& operator=(const subscription&) = delete;

  const state_ref<state_type>& state() const noexcept { return state_; }

  received try_receive(std::optional<T>& out) noexcept { return state_->try_receive(*this, out); }

  /// The handle has gone. Operations may still hold the memory.
  void end() noexcept { state_->remove_subscriber(*this); }

  void cancel_owner(std::uint64_t) noexcept { state_->cancel_receives(*this); }

  void add_reference() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }

  void release() noexcept {
    // Acquire and release: everything done through any reference happens before the destruction.
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

 private:
  ~subscription() = default;

  typename Threading::template atomic<unsigned> references_{1u};
  const state_ref<state_type> state_;
};

}  // namespace sluice::detail::core

#endif  // SLUICE_DETAIL_CORE_BROADCAST_STATE_HPP
