// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_SELECT_CASE_HPP
#define SLUICE_DETAIL_SELECT_CASE_HPP

// The cases of a select at states of ours, as on_receive() and its like describe them: what is
// waited for, where, and how to try it. To try is done in two parts, one under the lock of the
// state and one without it, so that several cases can be tried at one instant. To wait is done by
// the same step that the plain operation has; see select_entry.hpp.
//
// A case whose handle is a temporary keeps it. Otherwise it shares the state, and leaves the handle
// alone. A send counts as a sender, so that the channel stays open. The executors are only there
// until the select has taken the first of them: an executor may be a strand, which must not be kept
// longer than its context.

#include <sluice/detail/broadcast_step.hpp>
#include <sluice/detail/channel_step.hpp>
#include <sluice/detail/closing_step.hpp>
#include <sluice/detail/initiation.hpp>
#include <sluice/detail/oneshot_step.hpp>
#include <sluice/detail/watch_step.hpp>
#include <sluice/error.hpp>

#include <boost/asio/deferred.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace sluice {

template <class, class, class>
class sender;
template <class, class, class>
class receiver;
template <class, class, class>
class oneshot_receiver;
template <class, class, class>
class broadcast_receiver;
template <class, class, class>
class watch_receiver;
template <class, class>
class permit;

}  // namespace sluice

namespace sluice::detail {

/// What a step gives besides its error; std::monostate if nothing.
template <class Result>
struct value_of_result {
  using type = std::monostate;
};

template <class Value>
struct value_of_result<std::tuple<error_code, Value>> {
  using type = Value;
};

/// The state that a handle belongs to, if its reference leads to something that has one.
template <class State>
State& state_of(State& state) noexcept {
  return state;
}
template <class T, class Threading>
core::broadcast_state<T, Threading>& state_of(core::subscription<T, Threading>& sub) noexcept {
  return *sub.state();
}

/// What is the same in most attempts.
template <class Step, class Subject>
struct plain_attempt {
  using step = Step;
  using subject_type = Subject;
  using result_type = typename Step::result_type;

  /// What it has in its hands between the two parts.
  struct in_hand {};

  static void finish(Subject&, in_hand&, result_type&) noexcept {}
};

/// What a plain receive says of an end.
template <class State>
error_code end_of_stream(const State& state, core::outcome seen) noexcept {
  return seen == core::outcome::closed ? state.reason() : error_code();
}

// Each of these says how a handle is tried: begin() under the lock of its state, finish() without.

template <class Handle>
struct receiving {
  static constexpr bool is_possible = false;
};

template <class T, class Executor, class Threading>
struct receiving<receiver<T, Executor, Threading>>
    : plain_attempt<receive_step<T, core::channel_state<T, Threading>>,
                    core::channel_state<T, Threading>> {
  using state_type = core::channel_state<T, Threading>;
  using base = plain_attempt<receive_step<T, state_type>, state_type>;
  static constexpr bool is_possible = true;

  static bool begin(state_type& state, typename state_type::section& s, typename base::in_hand&,
                    typename base::result_type& result) noexcept {
    const core::outcome seen =
        state.try_receive(1, [&](T&& value) { std::get<1>(result).emplace(std::move(value)); }, s);
    std::get<0>(result) = end_of_stream(state, seen);
    return seen != core::outcome::none;
  }
};

template <class T, class Executor, class Threading>
struct receiving<oneshot_receiver<T, Executor, Threading>>
    : plain_attempt<oneshot_receive_step<T, core::oneshot_state<T, Threading>>,
                    core::oneshot_state<T, Threading>> {
  using state_type = core::oneshot_state<T, Threading>;
  using base = plain_attempt<oneshot_receive_step<T, state_type>, state_type>;
  static constexpr bool is_possible = true;

  static bool begin(state_type& state, typename state_type::section& s, typename base::in_hand&,
                    typename base::result_type& result) noexcept {
    return state.try_receive(std::get<1>(result), s) != core::outcome::none;
  }
};

template <class T, class Executor, class Threading>
struct receiving<broadcast_receiver<T, Executor, Threading>> {
  using subject_type = core::subscription<T, Threading>;
  using state_type = typename subject_type::state_type;
  using step = broadcast_receive_step<T, subject_type>;
  using result_type = typename step::result_type;
  static constexpr bool is_possible = true;

  struct in_hand {
    typename state_type::taken message;
    core::received seen = core::received::nothing;
  };

  static bool begin(subject_type& sub, typename state_type::section& s, in_hand& held,
                    result_type& result) noexcept {
    held.seen = sub.state()->try_take(sub, held.message, std::get<1>(result), s);
    return held.seen != core::received::nothing;
  }

  static void finish(subject_type& sub, in_hand& held, result_type& result) noexcept {
    const core::received seen = held.message.copy(held.seen, std::get<1>(result));
    std::get<0>(result) = to_error_code(seen, &sub);
  }
};

template <class Handle>
struct changing {
  static constexpr bool is_possible = false;
};

template <class T, class Executor, class Threading>
struct changing<watch_receiver<T, Executor, Threading>>
    : plain_attempt<watch_changed_step<core::watch_state<T, Threading>>,
                    core::watch_state<T, Threading>> {
  using state_type = core::watch_state<T, Threading>;
  using base = plain_attempt<watch_changed_step<state_type>, state_type>;
  static constexpr bool is_possible = true;

  static bool begin(state_type& state, typename state_type::section& s, typename base::in_hand&,
                    typename base::result_type& result,
                    const watch_cursor_ref<state_type>& cursor) noexcept {
    const core::outcome seen = state.try_changed(*cursor, s);
    std::get<1>(result) = seen == core::outcome::success;
    return seen != core::outcome::none;
  }
};

template <class Handle>
using state_type_of = typename std::decay_t<decltype(channel_access::state(
    std::declval<const Handle&>()))>::element_type;

/// Of any handle that has async_wait_closed().
template <class Handle, class = void>
struct closing {
  static constexpr bool is_possible = false;
};

template <class Handle>
struct closing<
    Handle, std::void_t<decltype(std::declval<Handle&>().async_wait_closed(boost::asio::deferred))>>
    : plain_attempt<closing_step<state_type_of<Handle>>, state_type_of<Handle>> {
  using state_type = state_type_of<Handle>;
  using base = plain_attempt<closing_step<state_type>, state_type>;
  static constexpr bool is_possible = true;

  static bool begin(state_type& state, typename state_type::section& s, typename base::in_hand&,
                    typename base::result_type&) noexcept {
    return state.is_deserted(s);
  }
};

template <class Handle>
struct reserving {
  static constexpr bool is_possible = false;
};

template <class T, class Executor, class Threading>
struct reserving<sender<T, Executor, Threading>>
    : plain_attempt<reserve_step<permit<T, Threading>, core::channel_state<T, Threading>>,
                    core::channel_state<T, Threading>> {
  using state_type = core::channel_state<T, Threading>;
  using base = plain_attempt<reserve_step<permit<T, Threading>, state_type>, state_type>;
  static constexpr bool is_possible = true;

  static bool begin(state_type& state, typename state_type::section& s, typename base::in_hand&,
                    typename base::result_type& result, std::size_t places) noexcept {
    const core::outcome seen = state.try_reserve(places, s);
    std::get<0>(result) = to_error_code(seen);
    if (seen == core::outcome::success)
      std::get<1>(result) = channel_access::make_permit<permit<T, Threading>>(
          core::state_ref<state_type>::share(&state), places);
    return seen != core::outcome::none;
  }
};

/// The part of a case that a handle is the subject of. `Attempt` is one of the above; `Extra` is
/// what its step is made with besides.
template <class Attempt, class Handle, class... Extra>
class handle_case {
  using handle_type = std::decay_t<Handle>;
  static constexpr bool keeps_handle = !std::is_lvalue_reference_v<Handle>;

  struct nothing_kept {
    explicit nothing_kept(const handle_type&) noexcept {}
  };

 public:
  using executor_type = typename handle_type::executor_type;
  using threading_type = core::synchronisation<typename handle_type::threading_type>;
  using attempt = Attempt;
  using step = typename Attempt::step;
  using result_type = typename step::result_type;
  using value_type = typename value_of_result<result_type>::type;
  using subject_type = typename Attempt::subject_type;
  using in_hand = typename Attempt::in_hand;
  static constexpr bool can_be_tried = true;

  explicit handle_case(Handle&& handle, Extra... extra)
      : subject_(channel_access::state(handle)),
        owner_(channel_access::owner(handle)),
        executor_(channel_access::executor(handle)),
        extra_(std::move(extra)...),
        kept_(std::forward<Handle>(handle)) {}

  const executor_holder<executor_type>& executor() const noexcept { return executor_; }
  void let_executor_go() { executor_ = executor_holder<executor_type>(); }

  const core::state_ref<subject_type>& subject() const noexcept { return subject_; }
  std::uint64_t owner() const noexcept { return owner_; }
  const std::tuple<Extra...>& extra() const noexcept { return extra_; }

  /// Whether it may happen at all.
  bool is_possible() const noexcept { return true; }

  /// The state whose lock begin_try() wants; null for an empty handle.
  core::state<threading_type>* state() const noexcept {
    return subject_ ? std::addressof(state_of(*subject_)) : nullptr;
  }

  /// Tries it, under the lock; true if it has happened.
  bool begin_try(typename core::state<threading_type>::section& s, in_hand& held,
                 result_type& result) noexcept {
    return std::apply(
        [&](const Extra&... extra) { return Attempt::begin(*subject_, s, held, result, extra...); },
        extra_);
  }

  /// Ends an attempt that has happened, without the lock.
  void finish_try(in_hand& held, result_type& result) noexcept {
    if (subject_) Attempt::finish(*subject_, held, result);
  }

 private:
  core::state_ref<subject_type> subject_;
  std::uint64_t owner_;
  executor_holder<executor_type> executor_;
  std::tuple<Extra...> extra_;
  std::conditional_t<keeps_handle, handle_type, nothing_kept> kept_;
};

/// The send of one value. `Source` is T if the case owns it, or T& if it stays with the caller.
template <class T, class Source, class Executor, class Threading>
class send_case {
  using state_type = core::channel_state<T, Threading>;
  static constexpr bool owns = !std::is_reference_v<Source>;

 public:
  using executor_type = Executor;
  using threading_type = core::synchronisation<Threading>;
  using result_type = std::tuple<error_code>;
  using value_type = std::monostate;
  using permit_type = permit<T, Threading>;
  using subject_type = state_type;
  static constexpr bool can_be_tried = true;

  struct in_hand {};

  send_case(const sender<T, Executor, Threading>& tx, Source value)
      : subject_(channel_access::state(tx)),
        owner_(channel_access::owner(tx)),
        executor_(channel_access::executor(tx)),
        opens_(own(sender_loan(subject_.get()))),
        value_(own_or_borrow(value)) {}

  const executor_holder<executor_type>& executor() const noexcept { return executor_; }
  void let_executor_go() { executor_ = executor_holder<executor_type>(); }

  const core::state_ref<state_type>& subject() const noexcept { return subject_; }
  std::uint64_t owner() const noexcept { return owner_; }

  /// A value of its own is sent once.
  bool is_possible() const noexcept {
    if constexpr (owns)
      return value_.has_value();
    else
      return true;
  }

  core::state<threading_type>* state() const noexcept { return subject().get(); }

  bool begin_try(typename core::state<threading_type>::section& s, in_hand&,
                 result_type& result) noexcept {
    const core::outcome seen = subject()->try_send(*value_, s);
    std::get<0>(result) = to_error_code(seen);
    return seen != core::outcome::none;
  }

  void finish_try(in_hand&, result_type& result) noexcept { settle(std::get<0>(result)); }

  T& value() noexcept { return *value_; }

  /// The case has happened. A value that was sent is gone.
  void settle(const error_code& ec) noexcept {
    static_cast<void>(ec);
    if constexpr (owns)
      if (!ec) value_.reset();
  }

 private:
  using sender_loan = loan<state_type, sender_share>;

  /// A copy of a loan owns what it was lent.
  static sender_loan own(const sender_loan& lent) noexcept { return lent; }

  static auto own_or_borrow(Source& value) {
    if constexpr (owns)
      return std::optional<T>(std::move(value));
    else
      return std::addressof(value);
  }

  core::state_ref<state_type> subject_;
  std::uint64_t owner_;
  executor_holder<executor_type> executor_;
  sender_loan opens_;
  std::conditional_t<owns, std::optional<T>, std::remove_reference_t<Source>*> value_;
};

}  // namespace sluice::detail

#endif  // SLUICE_DETAIL_SELECT_CASE_HPP
