// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_SELECT_ENTRY_HPP
#define SLUICE_DETAIL_SELECT_ENTRY_HPP

// What a case of a select is while the select waits. Most of them are the step of the plain
// operation, whose waiter stands in its line as ever, and raises its mark when it is woken instead
// of going to an executor. Times (select_time.hpp) and operations of others (select_foreign.hpp)
// raise theirs when they are over.
//
//   start()      begins to wait, unless it has
//   collect()    takes notice of the mark, under the lock of the select
//   is_due()     whether it is worth while to poll
//   poll()       commits, which is the moment at which the case happens; false: it waits on
//   withdraw()   ends it without its having happened; told whether this is the context of the
//                select's I/O executor
//
// Only the owner of the select's operation touches an entry, but for the mark, and for what the
// locks protect.

#include <sluice/detail/core/joint_section.hpp>
#include <sluice/detail/core/select_state.hpp>
#include <sluice/detail/core/waiter.hpp>
#include <sluice/detail/select_case.hpp>
#include <sluice/error.hpp>

#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>

namespace sluice::detail {

/// What all entries have. `Threading` is that of the select.
template <class Threading>
class select_entry {
 public:
  using select_type = core::select_state<Threading>;

  // What an entry may be besides; each kind says what it is.
  static constexpr bool lends_a_place = false;  // it may be a receive at a rendezvous
  static constexpr bool is_foreign = false;     // it runs an operation that is not ours
  static constexpr bool is_time = false;
  static constexpr bool is_rendezvous_send = false;

  explicit select_entry(select_type& select) noexcept : select_(&select) {}

  bool is_due() const noexcept { return due_; }

  void collect() noexcept {
    if (mark_.lower()) due_ = true;
  }

 protected:
  ~select_entry() = default;

  select_type* select_;
  core::select_mark mark_;
  bool due_ = false;
};

/// A case that waits at a state of ours.
template <class Threading, class Step>
class step_entry : public Step, public select_entry<Threading> {
  using base = select_entry<Threading>;

 public:
  using result_type = typename Step::result_type;

  /// `Environment` is a select_environment.
  template <class Environment, class Case>
  step_entry(const Environment& env, const Case& c) : step_entry(env.select, c, c.extra()) {}

  void start() noexcept {
    if (begun_) return;
    begun_ = true;
    wait([this] { return Step::start(); });
  }

  bool poll(result_type& result) noexcept {
    while (base::due_) {
      if (commits(result)) {
        begun_ = base::due_ = false;
        return true;
      }
      wait([this] { return wait_on(); });
    }
    return false;
  }

  void withdraw(bool) noexcept {
    base::due_ = false;
    if (std::exchange(begun_, false) && Step::abandon()) release();
  }

 protected:
  template <class Case, class... Extra>
  step_entry(typename base::select_type& select, const Case& c, const std::tuple<Extra...>& extra)
      : step_entry(select, c, extra, std::index_sequence_for<Extra...>()) {}

  /// Stands in line by `begin()`, or is due.
  template <class Begin>
  void wait(Begin&& begin) noexcept {
    base::select_->add_reference();
    base::due_ = begin() == core::started::ready;
    // A waiter may be woken, and its reference gone, before begin() has returned.
    if (base::due_) release();
  }

  void release() noexcept { base::select_->release(); }

  bool begun_ = false;

 private:
  template <class Case, class... Extra, std::size_t... I>
  step_entry(typename base::select_type& select, const Case& c, const std::tuple<Extra...>& extra,
             std::index_sequence<I...>)
      : Step(&step_entry::wake_function, &step_entry::drop_function, c.subject(), c.owner(),
             std::get<I>(extra)...),
        base(select) {
    static_cast<void>(extra);
    this->group = &select;
  }

  bool commits(result_type& result) noexcept {
    bool linked = false;
    if constexpr (Step::may_wait_again) {
      unsigned phase = 0;
      if (Step::finish(result, linked, phase) != core::outcome::none) return true;
      // The select sees to its contexts; its cases have none.
      this->state()->leave_gate(phase);
      return false;
    } else {
      Step::finish(result, linked);
      return true;
    }
  }

  core::started wait_on() noexcept {
    if constexpr (Step::may_wait_again)
      return Step::wait_again();
    else
      return core::started::ready;
  }

  static void wake_function(core::waiter& w) noexcept {
    auto& self = static_cast<step_entry&>(w);
    auto* const select = self.select_;
    select->raise(self.mark_);
    select->release();
  }

  /// It lives in no context, so none can take it along.
  static void drop_function(core::waiter&) noexcept {}
};

/// A receive from a channel, which may be a rendezvous.
template <class Threading, class Step>
class receive_entry : public step_entry<Threading, Step> {
  using base = step_entry<Threading, Step>;

 public:
  static constexpr bool lends_a_place = true;

  using base::base;

  /// The state at which it may meet a send, or null.
  core::state<Threading>* meeting_place() const noexcept {
    return this->begun_ && this->state() && this->state()->capacity() == 0 ? this->state()
                                                                           : nullptr;
  }

  /// Whether somebody has sent to it already; the lock is held.
  bool is_promised(typename core::state<Threading>::section&) const noexcept {
    return this->current == core::stage::woken;
  }

  /// Leaves the line, if it stands there. The lock is held, and another reference.
  void step_aside(typename core::state<Threading>::section& s) noexcept {
    if (!this->state()->withdraw(*this, s)) return;
    this->begun_ = false;
    this->release();
  }
};

/// A send: it reserves a place, and sends into it when the select has decided for it. At a
/// rendezvous, where there are no places, it waits for a receive to meet.
template <class Threading, class Case>
class send_entry
    : public step_entry<Threading,
                        reserve_step<typename Case::permit_type, typename Case::subject_type>> {
  using step = reserve_step<typename Case::permit_type, typename Case::subject_type>;
  using base = step_entry<Threading, step>;

 public:
  using result_type = std::tuple<error_code>;
  static constexpr bool is_rendezvous_send = true;

  template <class Environment>
  send_entry(const Environment& env, const Case& c)
      : base(env.select, c, std::tuple<std::size_t>(1)) {}

  /// Where the value lies, which may not be moved any more.
  void attach(Case& c) noexcept { case_ = &c; }

  void start() noexcept {
    if (this->begun_ || !case_->is_possible()) return;
    if (!is_meeting()) return base::start();
    this->begun_ = true;
    this->wait([this] { return this->state()->start_meet(*this); });
  }

  void collect() noexcept {
    base::collect();
    look_again();
  }

  /// One that was put off because of a receive that turned out to have nothing is due again.
  void look_again() noexcept {
    if (std::exchange(is_put_off_, false)) this->due_ = true;
  }

  void withdraw(bool is_home) noexcept {
    is_put_off_ = false;
    base::withdraw(is_home);
  }

  /// `receives` are those of the same select, which must not lend their places any more when it
  /// sends.
  template <class Receives>
  bool poll(result_type& result, Receives&& receives) noexcept {
    if (!is_meeting()) return send_reserved(std::get<0>(result));
    while (this->due_) {
      const core::outcome seen = meet(receives);
      if (seen == core::outcome::again) {
        this->due_ = false;
        is_put_off_ = true;
      } else if (seen != core::outcome::none) {
        this->begun_ = this->due_ = false;
        std::get<0>(result) = to_error_code(seen);
        case_->settle(std::get<0>(result));
        return true;
      } else {
        this->wait([this] { return this->state()->wait_again_to_meet(*this); });
      }
    }
    return false;
  }

 private:
  bool is_meeting() const noexcept { return this->state() && this->state()->capacity() == 0; }

  bool send_reserved(error_code& ec) noexcept {
    typename step::result_type granted;
    if (!base::poll(granted)) return false;
    ec = std::get<0>(granted);
    if (!ec) ec = std::get<1>(granted).send(std::move(case_->value()));
    case_->settle(ec);
    return true;
  }

  /// `again`: somebody has sent to this select, at a rendezvous, and must not have done so in vain.
  /// That receive has been woken, and comes first.
  template <class Receives>
  core::outcome meet(Receives& receives) noexcept {
    core::joint_section<Threading, Receives::most + 1> locks;
    locks.add(*this->state());
    receives.for_each([&](auto& entry) {
      if (auto* place = entry.meeting_place()) locks.add(*place);
    });
    locks.lock();
    bool promised = false;
    receives.for_each([&](auto& entry) {
      if (auto* place = entry.meeting_place())
        promised = promised || entry.is_promised(locks.of(*place));
    });
    if (promised) return core::outcome::again;
    return this->state()->meet(*this, case_->value(), locks.of(*this->state()), [&] {
      receives.for_each([&](auto& entry) {
        if (auto* place = entry.meeting_place()) entry.step_aside(locks.of(*place));
      });
    });
  }

  Case* case_ = nullptr;
  bool is_put_off_ = false;
};

}  // namespace sluice::detail

#endif  // SLUICE_DETAIL_SELECT_ENTRY_HPP
