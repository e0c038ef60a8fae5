// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_CORE_SELECT_STATE_HPP
#define SLUICE_DETAIL_CORE_SELECT_STATE_HPP

// Where a select waits. It stands in line here, and its cases stand in line wherever they belong; a
// case that is woken there raises its mark here, and that wakes the select, which looks at its
// cases then. So a select is one waiter like any other, to be cancelled, or destroyed with its
// context, in one place.
//
// A wake-up of a case may be on its way while the select ends. Therefore the cases live as long as
// this state, and one that stands in line counts as a reference to it. That reference goes with its
// wake-up, or with the case if it leaves the line without having been woken.
//
// Everything here, marks included, is protected by the lock of this state, which is never taken
// together with that of another one.

#include <sluice/detail/core/wait_state.hpp>

#include <cstddef>

namespace sluice::detail::core {

/// Says that a case has been woken since the select has looked.
class select_mark {
 public:
  select_mark() = default;
  select_mark(const select_mark&) = delete;
  select_mark& operator=(const select_mark&) = delete;

  /// Whether it was raised; it is not any more. The lock is held.
  bool lower() noexcept {
    const bool was_raised = raised_;
    raised_ = false;
    return was_raised;
  }

 private:
  template <class>
  friend class select_state;

  bool raised_ = false;
};

template <class Threading>
class select_state : public wait_state<Threading> {
  using base = wait_state<Threading>;

 public:
  using typename base::section;

  /// Comes before anything else. From now on the select can be cancelled, and knows its contexts.
  started begin(waiter& w) noexcept {
    section s(*this);
    if (w.needs_homes && !this->knows_homes_of(w)) return started::unknown_home;
    select_ = &w;
    base::promise_first(w);
    return started::ready;
  }

  /// Stands in line, unless a case is ready already, or the select was cancelled.
  started start(waiter& w, bool is_ready) noexcept {
    section s(*this);
    if (is_ready || raised_ || w.current != stage::woken) return started::ready;
    if (!w.may_wait) return started::must_wait;
    return base::wait_again_in(waiting_, w);
  }

  /// Whether the context of the I/O executor is gone.
  bool is_homeless() noexcept {
    section s(*this);
    return is_homeless(s);
  }

  /// Uses what lives in the context of the I/O executor, which does not go meanwhile. If it is gone
  /// nothing happens.
  template <class Use>
  void use_home(Use&& use) {
    struct visit {
      select_state& visited;
      unsigned phase;
      ~visit() { visited.leave_gate(phase); }
    };
    unsigned phase = 0;
    {
      section s(*this);
      if (is_homeless(s)) return;
      phase = base::enter_gate();
    }
    const visit inside{*this, phase};
    use();
  }

  /// A case was woken, a time has come, or an operation has ended: `change()` says what.
  template <class Change>
  void raise(select_mark& mark, Change&& change) noexcept {
    section s(*this);
    change();
    mark.raised_ = raised_ = true;
    if (!waiting_.empty()) base::promise_front(waiting_, s.wakes);
  }

  void raise(select_mark& mark) noexcept {
    raise(mark, [] {});
  }

  /// The select looks at its marks by `look()`. True if it was cancelled.
  template <class Look>
  bool collect(const waiter& w, Look&& look) noexcept {
    section s(*this);
    raised_ = false;
    look();
    return w.current == stage::decided;
  }

  /// A select that found nothing is about to wait_again(). `cancelled`: it knows that it is, and
  /// waits for what it has begun to end. `again`: it must look again before. Others as for
  /// finish_receive() of a channel.
  outcome pause(waiter& w, bool cancelled, unsigned& phase) noexcept {
    section s(*this);
    if (w.current == stage::decided) {
      if (!cancelled) return outcome::again;
      base::promise(w);
    }
    if (raised_) return outcome::again;
    if (!this->knows_homes_of(w)) return outcome::orphaned;
    phase = base::enter_gate();
    return outcome::none;
  }

  /// `ready`: a case has been woken meanwhile, or it was cancelled.
  started wait_again(waiter& w) noexcept {
    section s(*this);
    if (w.current != stage::woken || raised_) return started::ready;
    return base::wait_again_in(waiting_, w);
  }

  /// One case has happened, or none will: nobody can cancel it any more.
  void end(waiter& w, bool& linked) noexcept {
    section s(*this);
    if (w.queue != nullptr) w.queue->erase(w);
    w.current = stage::idle;
    linked = w.forget_link();
  }

 private:
  wait_queue* line(std::size_t i) noexcept final { return i == 0 ? &waiting_ : nullptr; }

  void rebalance(wake_list&) noexcept final {}

  // One that lives in a single context is only touched while that exists.
  bool is_homeless(section&) const noexcept {
    return select_ == nullptr || (select_->needs_homes && !this->knows(select_->homes[0]));
  }

  wait_queue waiting_;              // the select, unless it is looking
  const waiter* select_ = nullptr;  // while it may use its contexts
  bool raised_ = false;
};

}  // namespace sluice::detail::core

#endif  // SLUICE_DETAIL_CORE_SELECT_STATE_HPP
