// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_SELECT_ENTRY_HPP
#define SLUICE_DETAIL_SELECT_ENTRY_HPP

// What a case of a select is while the select waits. Most of them are the step of the plain
// operation, whose waiter stands in its line as ever, and raises its mark when it is woken instead
// of going to an executor. Times and operations of others raise theirs when they are over.
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

#include <sluice/detail/block_cache.hpp>
#include <sluice/detail/core/joint_section.hpp>
#include <sluice/detail/core/select_state.hpp>
#include <sluice/detail/core/waiter.hpp>
#include <sluice/detail/select_case.hpp>
#include <sluice/error.hpp>

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>

#include <cstddef>
#include <memory>
#include <optional>
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

  template <class Case>
  step_entry(typename base::select_type& select, const Case& c)
      : step_entry(select, c, c.extra()) {}

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
    : public step_entry<Threading, reserve_step<permit<typename Case::sent_type, Threading>,
                                                typename Case::subject_type>> {
  using step =
      reserve_step<permit<typename Case::sent_type, Threading>, typename Case::subject_type>;
  using base = step_entry<Threading, step>;

 public:
  using result_type = std::tuple<error_code>;
  static constexpr bool is_rendezvous_send = true;

  send_entry(typename select_entry<Threading>::select_type& select, const Case& c)
      : base(select, c, std::tuple<std::size_t>(1)) {}

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

/// A time. The timer lives in the context of the select's I/O executor, which may go before the
/// select does, or just now, and no timer may be touched by another thread then. So the timer
/// belongs to its own handler, and elsewhere than in that context it is only begun, at first, and
/// what cancels it is posted.
template <class Threading, class Case, class Executor>
class time_entry : public select_entry<Threading> {
  using base = select_entry<Threading>;
  using clock = typename Case::clock_type;
  using timer = boost::asio::basic_waitable_timer<clock, boost::asio::wait_traits<clock>, Executor>;

 public:
  using result_type = std::tuple<error_code>;

  static constexpr bool is_time = true;

  time_entry(typename base::select_type& select, const Case& c, const Executor& ex)
      : base(select), expiry_(c.expiry()), is_over_(c.is_over()) {
    if (!is_over_ && expiry_ != clock::time_point::max()) executor_.emplace(ex);
  }

  void start() {
    if (begun_) return;
    if (is_over_) {
      base::due_ = begun_ = true;
      return;
    }
    begun_ = true;
    if (expiry_ == clock::time_point::max()) return;
    auto own = std::allocate_shared<timer>(recycling_allocator<timer>(), *executor_, expiry_);
    timer_ = own;
    timer& waited = *own;
    waited.async_wait([this, kept = kept_select::share(base::select_),
                       own = std::move(own)](const error_code& ec) {
      if (!ec) base::select_->raise(base::mark_);
    });
    executor_.reset();
  }

  /// For a select that completes elsewhere, and so cannot start() it later.
  void start_early() {
    if (!is_over_) start();
  }

  bool poll(result_type&) noexcept {
    begun_ = base::due_ = false;
    executor_.reset();
    timer_.reset();
    return true;
  }

  /// The handler that is still to come has no effect. `is_home`: the timer may be touched.
  void withdraw(bool is_home) noexcept {
    begun_ = base::due_ = false;
    executor_.reset();
    if (timer_.expired()) return;
    if (is_home) {
      if (const auto own = timer_.lock()) own->cancel();
    } else {
      base::select_->use_home([this] {
        auto own = timer_.lock();
        if (own != nullptr) cancel_at_home(std::move(own));
      });
    }
    timer_.reset();
  }

 private:
  using kept_select = core::state_ref<typename base::select_type>;

  static void cancel_at_home(std::shared_ptr<timer>&& own) noexcept {
    try {
      const Executor ex = own->get_executor();
      boost::asio::post(ex, [own = std::move(own)] { own->cancel(); });
    } catch (...) {
      // It goes on for nothing.
    }
  }

  std::optional<Executor> executor_;  // until the timer has it
  typename clock::time_point expiry_;
  bool is_over_;
  bool begun_ = false;
  std::weak_ptr<timer> timer_;
};

/// Completes an operation that is not ours, on the executor of the select's handler.
template <class Entry, class Executor>
class foreign_handler {
 public:
  using executor_type = Executor;
  using cancellation_slot_type = boost::asio::cancellation_slot;

  foreign_handler(Entry& entry, const Executor& ex) noexcept
      : kept_(Entry::kept_select::share(entry.select())), entry_(&entry), executor_(ex) {}
  foreign_handler(foreign_handler&& other) noexcept
      : kept_(std::move(other.kept_)),
        entry_(std::exchange(other.entry_, nullptr)),
        executor_(other.executor_) {}
  foreign_handler& operator=(foreign_handler&&) = delete;

  ~foreign_handler() {
    if (entry_ != nullptr) entry_->lose();
  }

  executor_type get_executor() const noexcept { return executor_; }
  cancellation_slot_type get_cancellation_slot() const noexcept { return entry_->slot(); }

  void operator()(error_code ec) { std::exchange(entry_, nullptr)->end(ec); }

 private:
  typename Entry::kept_select kept_;
  Entry* entry_;
  Executor executor_;
};

/// An operation that is not ours. It is begun last, and it has to end before the select can.
template <class Threading, class Case, class Executor>
class foreign_entry : public select_entry<Threading> {
  using base = select_entry<Threading>;

 public:
  using result_type = std::tuple<error_code>;
  using kept_select = core::state_ref<typename base::select_type>;
  static constexpr bool is_foreign = true;

  foreign_entry(typename base::select_type& select, const Case& c, const Executor& ex)
      : base(select), case_(c), executor_(ex) {}

  void start() {
    if (begun_ || lost_) return;
    foreign_handler<foreign_entry, Executor> handler(*this, *executor_);
    begun_ = running_ = true;
    cancelled_ = ended_ = false;
    case_->begin(std::move(handler));
  }

  void collect() noexcept {
    if (!this->mark_.lower()) return;
    begun_ = running_;
    // Cancelled by the select, it has not happened. By somebody else, it has.
    base::due_ = ended_ && !(cancelled_ && error_ == boost::asio::error::operation_aborted);
  }

  /// Cancels it; true if it is still running.
  bool stop() {
    if (!begun_) return false;
    if (!std::exchange(cancelled_, true)) signal_.emit(boost::asio::cancellation_type::terminal);
    return true;
  }

  bool poll(result_type& result) noexcept {
    base::due_ = false;
    std::get<0>(result) = error_;
    return true;
  }

  /// It has ended, or goes on without the select, which may be kept by others for a while. What the
  /// operation holds on to goes now.
  void withdraw(bool) noexcept {
    base::due_ = false;
    case_.reset();
    executor_.reset();
  }

  // For its handler, on any thread.

  auto* select() const noexcept { return base::select_; }
  auto slot() noexcept { return signal_.slot(); }

  void end(const error_code& ec) noexcept {
    base::select_->raise(base::mark_, [&] {
      running_ = false;
      ended_ = true;
      error_ = ec;
    });
  }

  /// The handler was destroyed without having been called, so there is nowhere to begin again.
  void lose() noexcept {
    base::select_->raise(base::mark_, [&] {
      running_ = false;
      lost_ = true;
    });
  }

 private:
  std::optional<Case> case_;
  std::optional<Executor> executor_;
  boost::asio::cancellation_signal signal_;
  bool begun_ = false;      // as far as the select knows
  bool cancelled_ = false;  // by the select
  bool running_ = false;    // these are protected by the lock of the select
  bool ended_ = false;
  bool lost_ = false;
  error_code error_;
};

}  // namespace sluice::detail

#endif  // SLUICE_DETAIL_SELECT_ENTRY_HPP
