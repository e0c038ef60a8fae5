// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_SELECT_STEP_HPP
#define SLUICE_DETAIL_SELECT_STEP_HPP

// The operation of a select. It begins its cases one after the other, until one is ready, and waits
// if none is. When a case has been woken it polls those that have, and commits the first that has
// something; the others are withdrawn, and pass on what they were promised. If nothing is left for
// any of them it waits again.

#include <sluice/detail/block_cache.hpp>
#include <sluice/detail/core/select_state.hpp>
#include <sluice/detail/core/waiter.hpp>
#include <sluice/detail/select_set.hpp>
#include <sluice/detail/select_try.hpp>
#include <sluice/detail/step.hpp>
#include <sluice/error.hpp>

#include <boost/asio/error.hpp>

#include <cstddef>
#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>

namespace sluice::detail {

/// Where a select waits, and its entries with it.
template <class Set, class Environment>
class select_run final : public core::select_state<typename Environment::threading_type> {
 public:
  using entries_type = typename Set::template entries<Environment>;

  static void* operator new(std::size_t bytes) { return block_cache::allocate(bytes); }
  static void operator delete(void* memory, std::size_t bytes) noexcept {
    block_cache::deallocate(memory, bytes);
  }

  template <class IoExecutor, class OwnExecutor>
  select_run(const typename Set::cases_type& cases, const IoExecutor& io, const OwnExecutor& own)
      : entries(Environment{*this, io, own}, cases) {}

  entries_type entries;
};

/// `Holder` is what holds the cases: the select itself, or a pointer to one that is waited on more
/// than once.
template <class Holder, class IoExecutor, class OwnExecutor>
class select_step : public step<core::select_state<typename Holder::threading_type>, core::waiter> {
  using set = typename Holder::set_type;
  using threading = typename Holder::threading_type;
  using base = step<core::select_state<threading>, core::waiter>;
  using run_type = select_run<set, select_environment<threading, IoExecutor, OwnExecutor>>;
  using run_ref = core::state_ref<core::select_state<threading>>;

 public:
  using result_type = typename set::result_type;
  static constexpr bool may_wait_again = true;
  static constexpr const char* name = "async_wait";

  select_step(core::waiter::function on_wake, core::waiter::function on_drop, Holder&& holder,
              std::uint64_t owner_id, const IoExecutor& io, const OwnExecutor& own,
              bool foreign_first)
      : base(on_wake, on_drop, run_ref(new run_type(holder.cases(), io, own)), owner_id),
        indices_(set::all_indices(holder.cases())),
        holder_(std::move(holder)),
        foreign_first_(foreign_first) {
    entries().for_each_with(holder_.cases(), [](auto& entry, auto& c) {
      if constexpr (std::decay_t<decltype(entry)>::is_rendezvous_send)
        entry.attach(c);
      else
        static_cast<void>(c);
    });
    is_possible_ = any_is_possible<set>(holder_.cases());
  }

  core::started start() {
    if (!is_possible_) {
      this->decide(core::outcome::invalid);
      return core::started::ready;
    }
    if (!begun_) {
      if (run().begin(*this) == core::started::unknown_home) return core::started::unknown_home;
      begun_ = true;
      is_ready_ = or_stop([this] { return start_all(); });
    }
    return run().start(*this, is_ready_);
  }

  core::outcome finish(result_type& result, bool& linked, unsigned& phase) {
    using core::outcome;
    if (!is_possible_) {
      store_nothing(result, boost::asio::error::invalid_argument);
      run().end(*this, linked);
      return outcome::invalid;
    }
    for (outcome seen = outcome::again; seen == outcome::again;) {
      const bool cancelled =
          run().collect(*this, [&] { entries().for_each([](auto& each) { each.collect(); }); });
      cancelled_ = cancelled_ || cancelled;
      if (waits_for_foreign()) return outcome::again;
      if (!stop_foreign()) {
        const bool happened = poll_cases(result);
        if (happened || cancelled_) {
          if (!happened) store_nothing(result, boost::asio::error::operation_aborted);
          withdraw(!this->needs_homes);
          run().end(*this, linked);
          return outcome::success;
        }
        if (!run().is_homeless() && or_stop([this] { return start_cases(); })) continue;
      }
      seen = run().pause(*this, cancelled_, phase);
      if (seen != outcome::again) return seen;
    }
    return outcome::again;
  }

  core::started wait_again() noexcept { return run().wait_again(*this); }

  void abandon() noexcept {
    withdraw(false);
    base::abandon();
  }

 private:
  run_type& run() noexcept { return static_cast<run_type&>(*this->state()); }
  auto& entries() noexcept { return run().entries; }

  bool start_all() {
    if (this->needs_homes) start_times();
    if (foreign_first_) start_foreign();
    return start_cases();
  }

  /// Begins cases by `begin()`. If that fails, no operation of others is left running.
  template <class Begin>
  bool or_stop(Begin&& begin) {
    try {
      return begin();
    } catch (...) {
      stop_foreign();
      throw;
    }
  }

  void start_times() {
    entries().for_each([](auto& entry) {
      if constexpr (std::decay_t<decltype(entry)>::is_time) entry.start_early();
    });
  }

  /// Begins those that have not begun, in their order, until one is due; then true. Operations of
  /// others are begun last, if nothing else is.
  bool start_cases() {
    bool due = false;
    for (std::size_t k = 0; k != indices_.size() && !due; ++k) {
      entries().visit(set::order::at(indices_, k), [&](auto& entry, auto) {
        if constexpr (!std::decay_t<decltype(entry)>::is_foreign) {
          entry.start();
          due = entry.is_due();
        }
      });
    }
    if (!due) start_foreign();
    return due;
  }

  void start_foreign() {
    for_each_foreign([](auto& entry) { entry.start(); });
  }

  /// An operation that was begun first has had no chance before its executor has gone round, and
  /// has asked the system about sockets: it is not cancelled before.
  bool waits_for_foreign() noexcept {
    if (rounds_ == 0 || cancelled_) return false;
    bool ended = false;
    for_each_foreign([&](auto& entry) { ended = ended || entry.is_due(); });
    rounds_ = ended ? 0 : rounds_ - 1;
    return !ended;
  }

  /// True if an operation of others is running, which has been told to end.
  bool stop_foreign() {
    bool running = false;
    for_each_foreign([&](auto& entry) { running = entry.stop() || running; });
    return running;
  }

  /// Operations of others that have ended have happened already; then those that are ready may. A
  /// send that was put off because of a receive looks again when that has had its turn.
  bool poll_cases(result_type& result) {
    if (poll_those(result, [](auto& entry) { return entry.is_foreign; })) return true;
    if (cancelled_) return false;
    if (poll_those(result, [](auto& entry) { return !entry.is_foreign; })) return true;
    return poll_those(result, [](auto& entry) {
      if constexpr (std::decay_t<decltype(entry)>::is_rendezvous_send) entry.look_again();
      return entry.is_rendezvous_send;
    });
  }

  template <class Condition>
  bool poll_those(result_type& result, Condition condition) {
    bool happened = false;
    for (std::size_t k = 0; k != indices_.size() && !happened; ++k) {
      entries().visit(set::order::at(indices_, k), [&](auto& entry, auto place) {
        if (!condition(entry) || !entry.is_due()) return;
        typename std::decay_t<decltype(entry)>::result_type seen;
        happened = poll(entry, seen);
        if (happened) set::store(result, place, std::move(seen));
      });
    }
    return happened;
  }

  /// The receives of this select that may lend places at a rendezvous.
  class receives {
   public:
    static constexpr std::size_t most = run_type::entries_type::most;

    explicit receives(typename run_type::entries_type& all) noexcept : all_(all) {}

    template <class Function>
    void for_each(Function&& f) {
      all_.for_each([&](auto& entry) {
        if constexpr (std::decay_t<decltype(entry)>::lends_a_place) f(entry);
      });
    }

   private:
    typename run_type::entries_type& all_;
  };

  template <class Entry>
  bool poll(Entry& entry, typename Entry::result_type& seen) {
    if constexpr (Entry::is_rendezvous_send)
      return entry.poll(seen, receives(entries()));
    else
      return entry.poll(seen);
  }

  void withdraw(bool is_home) noexcept {
    entries().for_each([&](auto& entry) { entry.withdraw(is_home); });
  }

  template <class Function>
  void for_each_foreign(Function&& f) {
    entries().for_each([&](auto& entry) {
      if constexpr (std::decay_t<decltype(entry)>::is_foreign) f(entry);
    });
  }

  typename set::indices indices_;
  Holder holder_;
  const bool foreign_first_;
  unsigned rounds_ = foreign_first_ ? 2 : 0;
  bool is_possible_ = true;
  bool begun_ = false;
  bool is_ready_ = false;
  bool cancelled_ = false;
};

}  // namespace sluice::detail

#endif  // SLUICE_DETAIL_SELECT_STEP_HPP
