// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_CORE_STATE_HPP
#define SLUICE_DETAIL_CORE_STATE_HPP

// What the states of all primitives have in common: one lock, the gate, which counts who keeps the
// memory, and the list of contexts (sites) whose destruction they have to hear of.
//
// Rules that hold for every state:
// - A `section` is the only way to the lock. Waiters are put on its wake list inside and are woken
//   when it ends, after unlocking, so no executor and no handler ever runs under the lock.
// - A section that wakes somebody keeps the state alive until all are woken.
// - Lock order: the registry of a context before the lock of a state.
//
// `sites_` and `evictions_` are protected by the lock, and so is `had_site_` as long as there is more
// than one reference; the gate says what of it is.

#include <sluice/detail/core/waiter.hpp>
#include <sluice/detail/core/wake_gate.hpp>

#include <atomic>
#include <memory>
#include <utility>

namespace sluice::detail::core {

/// One context that some waiters of a state live in. The Asio layer derives the real one.
class site {
 public:
  explicit site(const void* home) noexcept : home_(home) {}
  site(const site&) = delete;
  site& operator=(const site&) = delete;
  virtual ~site() = default;

  const void* home() const noexcept { return home_; }

 private:
  template <class>
  friend class state;

  const void* const home_;
  std::unique_ptr<site> next_;
};

/// The side of a state that the registry of a context sees.
class evictable {
 public:
  evictable() = default;
  evictable(const evictable&) = delete;
  evictable& operator=(const evictable&) = delete;

  virtual void release() noexcept = 0;

  /// Takes away everything that waits for `home`, waits for wake-ups that are under way, and drops
  /// what it took. What lives in another context as well may be taken by either; both wait until it
  /// is gone. Called without any lock, while the context still accepts work, and never from inside
  /// a wake-up of the same state.
  virtual void evict(const void* home) noexcept = 0;

 protected:
  ~evictable() = default;
};

/// The wake-ups that this thread is in the middle of, so that a promise which is refused, and
/// passes from waiter to waiter, does so in a loop and not by recursion. To wake one may mean to
/// wake another elsewhere, as the cases of a select do.
struct current_wake_ups {
  const void* state = nullptr;
  wake_list* list = nullptr;
  const current_wake_ups* outer = nullptr;
};

/// The destruction of one context, as long as it is under way. Protected by the lock of the state.
struct eviction {
  eviction(const void* dying, const current_wake_ups& here) noexcept : home(dying), thread(&here) {}

  const void* const home;
  const current_wake_ups* const thread;  // that of the thread that it is done by
  eviction* next = nullptr;
  wait_queue taken;                              // what lived there, and has not been dropped yet
  const void* dropping[2] = {nullptr, nullptr};  // the homes of what is being dropped now
};

template <class Threading>
class state : public evictable {
 public:
  /// The lock, together with the list of those who are woken when it is given back.
  class section {
   public:
    explicit section(state& s) noexcept : state_(s) { state_.mutex_.lock(); }
    section(const section&) = delete;
    section& operator=(const section&) = delete;

    ~section() {
      if (!wakes.empty())
        unlock_and_wake();
      else if (locked_)
        state_.mutex_.unlock();
    }

    /// Gives the lock back before the end of the section, where several are held together.
    void unlock() noexcept {
      if (!locked_) return;
      locked_ = false;
      if (!wakes.empty()) {
        // What is woken may run at once, on another thread or on an inline executor, and may give
        // up the last handle; the state is kept until the gate is left.
        phase_ = state_.enter_gate();
      }
      state_.mutex_.unlock();
    }

    /// Leaves what is to be woken to the wake-ups of this state that this thread is in the middle
    /// of, if it is.
    void join_current_wake_ups() noexcept {
      const current_wake_ups* current = &wake_ups_of_this_thread();
      while (current != nullptr && current->state != &state_) current = current->outer;
      if (current != nullptr) current->list->append(wakes);
    }

    wake_list wakes;

   private:
    [[gnu::noinline]] void unlock_and_wake() noexcept {
      unlock();
      auto& current = wake_ups_of_this_thread();
      const current_wake_ups outer = current;
      current = current_wake_ups{&state_, &wakes, &outer};
      wakes.wake_all();
      current = outer;
      state_.leave_gate(phase_);
    }

    state& state_;
    unsigned phase_ = 0;
    bool locked_ = true;
  };

  state() = default;

  void add_reference() noexcept { gate_.add_reference(); }
  void add_reference_unshared() noexcept { gate_.add_reference_unshared(); }

  /// For somebody who has a reference: whether only a context that is going away can get another.
  bool is_held_once() const noexcept { return gate_.is_held_once(); }

  /// Takes a reference unless the last one is gone already. Then another thread may be destroying
  /// the state right now, so this must not be a virtual function.
  bool try_reference() noexcept { return gate_.add_reference_if_alive(); }

  void release() noexcept final {
    // If no context has ever known it, none can get a reference meanwhile. One that does may be
    // taking its site away just now.
    if ((is_held_once() && !had_site_) || gate_.release()) delete this;
  }

  /// Ends what a fruitless look began with enter_gate().
  void leave_gate(unsigned phase) noexcept {
    if (gate_.leave(phase)) delete this;
  }

  /// Adds a site unless its context is known already.
  template <class Site>
  void add_site(std::unique_ptr<Site>& added) noexcept {
    section s(*this);
    if (knows(added->home())) return;
    std::unique_ptr<site> entry(std::move(added));
    entry->next_ = std::move(sites_);
    sites_ = std::move(entry);
    had_site_ = true;
  }

  void evict(const void* home) noexcept final {
    eviction own(home, wake_ups_of_this_thread());
    std::unique_ptr<site> gone;
    while (!try_evict(own, gone)) Threading::yield();
    while (!gate_.passed()) Threading::yield();
    end_turn();
    while (waiter* w = next_to_drop(own)) w->drop();
    while (!try_end(own)) Threading::yield();
  }

 protected:
  virtual ~state() {
    // Not recursively: a channel may have met many contexts.
    while (sites_) sites_ = std::move(sites_->next_);
  }

  /// Moves every waiter that lives in `home` from its queue to `evicted`; the lock is held.
  virtual void collect(const void* home, wait_queue& evicted, section& s) noexcept = 0;

  /// True if every context of the waiter is registered; the lock is held.
  bool knows_homes_of(const waiter& w) const noexcept {
    return knows(w.homes[0]) && knows(w.homes[1]);
  }

  /// True if the context is registered, or null; the lock is held.
  bool knows(const void* home) const noexcept {
    if (home == nullptr) return true;
    for (const site* s = sites_.get(); s != nullptr; s = s->next_.get())
      if (s->home_ == home) return true;
    return false;
  }

  /// Keeps contexts alive between two sections of one waiter that goes back to wait.
  unsigned enter_gate() noexcept { return gate_.enter(); }

 private:
  static current_wake_ups& wake_ups_of_this_thread() noexcept {
    return Threading::template of_this_thread<current_wake_ups>();
  }

  bool try_evict(eviction& own, std::unique_ptr<site>& gone) noexcept {
    section s(*this);
    if (!gate_.turn()) return false;
    for (std::unique_ptr<site>* place = &sites_; *place; place = &(*place)->next_) {
      if ((*place)->home_ != own.home) continue;
      gone = std::move(*place);
      *place = std::move(gone->next_);
      break;
    }
    own.next = std::exchange(evictions_, &own);
    collect(own.home, own.taken, s);
    return true;
  }

  void end_turn() noexcept {
    section s(*this);
    gate_.end_turn();
  }

  /// A waiter that lives in the context, whoever has taken it away. Null when none is left.
  waiter* next_to_drop(eviction& own) noexcept {
    section s(*this);
    waiter* w = own.taken.front();
    for (eviction* e = evictions_; w == nullptr && e != nullptr; e = e->next)
      for (w = e->taken.front(); w != nullptr && !w->lives_in(own.home);) w = w->next;
    if (w != nullptr) w->queue->erase(*w);
    for (int i = 0; i != 2; ++i) own.dropping[i] = w != nullptr ? w->homes[i] : nullptr;
    return w;
  }

  /// Ends it unless another thread is dropping something that lives in the context. This thread may
  /// be in the middle of that: a handler may own a context.
  bool try_end(eviction& own) noexcept {
    section s(*this);
    eviction** place = nullptr;
    for (eviction** each = &evictions_; *each != nullptr; each = &(*each)->next) {
      const eviction& e = **each;
      if (&e == &own)
        place = each;
      else if (e.thread != own.thread && (e.dropping[0] == own.home || e.dropping[1] == own.home))
        return false;
    }
    *place = own.next;
    return true;
  }

  std::unique_ptr<site> sites_;
  eviction* evictions_ = nullptr;  // those under way
  wake_gate<Threading> gate_;
  typename Threading::mutex mutex_;
  bool had_site_ = false;  // set by somebody with a reference; may be read by the only one left
};

/// A counted reference to the memory of a state; it keeps nothing open.
template <class State>
class state_ref {
 public:
  using element_type = State;

  state_ref() noexcept = default;
  /// Takes over a reference that has been counted.
  explicit state_ref(State* counted) noexcept : state_(counted) {}

  /// Another reference to a state that nobody else knows yet.
  static state_ref share_unshared(State& s) noexcept {
    s.add_reference_unshared();
    return state_ref(&s);
  }

  static state_ref share(State* s) noexcept {
    if (s != nullptr) s->add_reference();
    return state_ref(s);
  }

  state_ref(const state_ref& other) noexcept : state_ref(share(other.state_)) {}
  state_ref(state_ref&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}

  state_ref& operator=(state_ref other) noexcept {
    std::swap(state_, other.state_);
    return *this;
  }

  ~state_ref() {
    if (state_ != nullptr) state_->release();
  }

  State* get() const noexcept { return state_; }
  State& operator*() const noexcept { return *state_; }
  State* operator->() const noexcept { return state_; }
  explicit operator bool() const noexcept { return state_ != nullptr; }

 private:
  State* state_ = nullptr;
};

}  // namespace sluice::detail::core

#endif  // SLUICE_DETAIL_CORE_STATE_HPP
