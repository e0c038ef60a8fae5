// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_SELECT_HPP
#define SLUICE_SELECT_HPP

#include <sluice/detail/core/joint_section.hpp>
#include <sluice/detail/default_token.hpp>
#include <sluice/detail/executor_holder.hpp>
#include <sluice/detail/select_base.hpp>
#include <sluice/detail/select_set.hpp>
#include <sluice/error.hpp>
#include <sluice/select_cases.hpp>
#include <sluice/use_awaitable.hpp>

#include <boost/system/system_error.hpp>

#include <cstddef>
#include <iterator>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace sluice {

/// The index that stands for no case.
inline constexpr std::size_t npos = detail::select_npos;

/// Several things that are waited for at once, of which exactly one happens.
/**
 * Made by `select` and `biased_select`. It owns its cases. To wait on a temporary one moves it into
 * the operation; a named one can be waited on again and again, one wait at a time, and must stay
 * where it is while it is waited on.
 *
 * Thread safety: distinct objects: safe. One shared object: unsafe.
 */
template <class Executor, class Order, class... Cases>
class basic_select
    : public detail::select_base<detail::select_tuple<Order, Cases...>, Executor,
                                 typename detail::case_list<Cases...>::first::threading_type,
                                 detail::case_list<Cases...>::have_foreign> {
  using list = detail::case_list<Cases...>;
  using base = detail::select_base<detail::select_tuple<Order, Cases...>, Executor,
                                   typename list::first::threading_type, list::have_foreign>;
  using set = typename base::set_type;

 public:
  /// What a case that happened gives: one alternative for each case, in their order.
  using value_type = typename set::value_type;

  /// The same select with another executor.
  template <class Executor1>
  struct rebind_executor {
    using other = basic_select<Executor1, Order, Cases...>;
  };

  /// Constructs a select of these cases; see `select`.
  explicit basic_select(std::tuple<Cases...> cases)
      : base(std::move(cases), [](auto& all) -> auto& { return list::executor_of(all); }) {}

  /// Takes over a select with another executor.
  template <class Executor1,
            class = std::enable_if_t<!std::is_same_v<Executor1, Executor> &&
                                     std::is_constructible_v<Executor, const Executor1&>>>
  basic_select(basic_select<Executor1, Order, Cases...>&& other)
      : base(std::move(other.cases_), [&](auto&) -> auto& { return other.executor_; }) {}

  /// Waits until one case happens, and lets it happen.
  /**
   * Completes when a case is ready, or when it is cancelled.
   *
   * Completion signature: `void(error_code, std::size_t which, std::variant<...>)`. `which` is the
   * number of the case that has happened, counted from 0, and the alternative of the variant.
   *
   * Errors:
   * - those of the case that happened: what its plain operation completes with.
   * - with `which == sluice::npos`, so that no case has happened: `asio::error::operation_aborted`
   *   if the select was cancelled; `asio::error::invalid_argument` if no case is left, since the
   *   values of all have been sent.
   *
   * Exactly one case happens. One that does not has no effect: its value is not sent, its message
   * stays in the channel, at its place, and nothing of it stays registered. Of several cases that
   * are ready each is as likely as any other; with `biased_select` the first one written happens. A
   * closed channel counts as ready.
   *
   * Per-operation cancellation: `terminal`, `partial` and `total`. The case happens as the last
   * step before the handler is called, on its executor. Until then a cancellation leaves everything
   * as it was: nothing is received, and nothing is sent. `cancel()` of the handle of a case, and
   * the end of its last one, are told by that case, with `operation_aborted`.
   *
   * Executor: the handler's associated executor, by default that of the first case with a handle.
   * The handler is never called from within this function, unless through its own immediate
   * executor.
   *
   * Complexity: linear in the number of cases. The memory of the operation comes from the handler's
   * associated allocator; what the cases need to stand in their lines is recycled by the library.
   *
   * @code
   * auto next = sluice::select(sluice::on_receive(jobs), sluice::on_receive(control),
   *                            sluice::after(30s));
   * auto [which, result] = co_await next.async_wait();
   * @endcode
   */
  template <class CompletionToken = detail::default_token_t<Executor>>
  [[nodiscard]] auto async_wait(CompletionToken&& token = CompletionToken()) & {
    return base::template initiate<CompletionToken>(*this, token);
  }

  /// As above, for a temporary select, which is moved into the operation.
  template <class CompletionToken = detail::default_token_t<Executor>>
  [[nodiscard]] auto async_wait(CompletionToken&& token = CompletionToken()) && {
    return base::template initiate_moved<CompletionToken>(std::move(*this), token);
  }

  /// Lets one case happen that is ready, without waiting. Empty if none is.
  /**
   * The channels are looked at in one instant: a message that is moved from one of them to another
   * meanwhile, without ever being in neither, is always found. The variant's index() is the number
   * of the case, `ec` its error.
   *
   * Only for cases of channels. Never blocks. Complexity: linear in the number of cases, and a sort
   * of them.
   */
  [[nodiscard]] std::optional<value_type> try_now(error_code& ec) noexcept {
    static_assert(list::can_be_tried,
                  "sluice: try_now() looks at channels: a time or an operation of others can only "
                  "be waited for, so leave after, at and on out of this select");
    if constexpr (list::can_be_tried)
      return try_all(ec, std::index_sequence_for<Cases...>());
    else
      return std::nullopt;
  }

  /// As above. Throws boost::system::system_error if the case that happened has an error.
  [[nodiscard]] std::optional<value_type> try_now() {
    error_code ec;
    auto happened = try_now(ec);
    if (ec) throw boost::system::system_error(ec);
    return happened;
  }

 private:
  template <class, class, class...>
  friend class basic_select;

  template <std::size_t... I>
  std::optional<value_type> try_all(error_code& ec, std::index_sequence<I...>) noexcept {
    typename set::result_type result;
    bool happened = false;
    auto indices = set::all_indices(this->cases_);
    std::tuple<typename Cases::in_hand...> held;
    std::tuple<typename Cases::result_type...> seen;
    std::size_t which = 0;
    {
      detail::core::joint_section<typename base::threading_type, sizeof...(Cases)> locks;
      (add_to(locks, std::get<I>(this->cases_)), ...);
      locks.lock();
      for (std::size_t k = 0; k != indices.size() && !happened; ++k) {
        which = Order::at(indices, k);
        static_cast<void>(
            ((I == which && (happened = begin_try(locks, std::get<I>(this->cases_),
                                                  std::get<I>(held), std::get<I>(seen)),
                             true)) ||
             ...));
      }
    }
    ec = error_code();
    if (!happened) return std::nullopt;
    static_cast<void>(
        ((I == which && (std::get<I>(this->cases_).finish_try(std::get<I>(held), std::get<I>(seen)),
                         set::store(result, std::integral_constant<std::size_t, I>(),
                                    std::move(std::get<I>(seen))),
                         true)) ||
         ...));
    ec = std::get<0>(result);
    return std::move(std::get<2>(result));
  }

  template <class Locks, class Case>
  static void add_to(Locks& locks, Case& c) noexcept {
    if (auto* state = c.state()) locks.add(*state);
  }

  template <class Locks, class Case>
  static bool begin_try(Locks& locks, Case& c, typename Case::in_hand& held,
                        typename Case::result_type& seen) noexcept {
    if (!c.is_possible()) return false;
    auto* const state = c.state();
    if (state != nullptr) return c.begin_try(locks.of(*state), held, seen);
    std::get<0>(seen) = error::closed;
    return true;
  }
};

/// Several receivers of one kind that are waited for at once; see `select_receive`.
template <class Executor, class Case>
class basic_select_receive
    : public detail::select_base<detail::select_range<detail::fair_order, Case>, Executor,
                                 typename Case::threading_type, false> {
  using base = detail::select_base<detail::select_range<detail::fair_order, Case>, Executor,
                                   typename Case::threading_type, false>;

 public:
  /// What is received: `std::optional<T>`, empty at the end of the stream.
  using value_type = typename Case::value_type;

  /// The same select with another executor.
  template <class Executor1>
  struct rebind_executor {
    using other = basic_select_receive<Executor1, Case>;
  };

  /// Constructs a select of these cases.
  explicit basic_select_receive(std::vector<Case> cases)
      : base(std::move(cases), [](auto& all) { return executor_of(all); }) {}

  /// Takes over a select with another executor.
  template <class Executor1,
            class = std::enable_if_t<!std::is_same_v<Executor1, Executor> &&
                                     std::is_constructible_v<Executor, const Executor1&>>>
  basic_select_receive(basic_select_receive<Executor1, Case>&& other)
      : base(std::move(other.cases_), [&](auto&) -> auto& { return other.executor_; }) {}

  /// Waits until there is a message in one of the channels, or one of them is at its end.
  /**
   * Completion signature: `void(error_code, std::size_t which, std::optional<T>)`. `which` is the
   * place of the receiver in the range.
   *
   * Errors:
   * - those of `async_receive` of the receiver that `which` names.
   * - with `which == sluice::npos`: `asio::error::operation_aborted` if the select was cancelled,
   *   `asio::error::invalid_argument` if the range was empty.
   *
   * Fairness, cancellation, executor and memory as for `basic_select::async_wait`. Complexity:
   * linear in the number of receivers.
   */
  template <class CompletionToken = detail::default_token_t<Executor>>
  [[nodiscard]] auto async_wait(CompletionToken&& token = CompletionToken()) & {
    return base::template initiate<CompletionToken>(*this, token);
  }

  /// As above, for a temporary select, which is moved into the operation.
  template <class CompletionToken = detail::default_token_t<Executor>>
  [[nodiscard]] auto async_wait(CompletionToken&& token = CompletionToken()) && {
    return base::template initiate_moved<CompletionToken>(std::move(*this), token);
  }

 private:
  template <class, class>
  friend class basic_select_receive;

  static auto executor_of(const std::vector<Case>& cases) {
    using holder = detail::executor_holder<typename Case::executor_type>;
    return cases.empty() ? holder() : cases.front().executor();
  }
};

namespace detail {

template <class Range, class = void>
struct is_range : std::false_type {};

template <class Range>
struct is_range<Range, std::void_t<decltype(std::begin(std::declval<Range&>())),
                                   decltype(std::end(std::declval<Range&>()))>> : std::true_type {};

/// How the elements of a range may be taken: they are moved out of a temporary container, whose
/// elements are constant if it is.
template <class Range>
struct element {
  using reference = decltype(*std::begin(std::declval<Range&>()));
  using of_constant = decltype(*std::begin(std::declval<const std::remove_reference_t<Range>&>()));
  static constexpr bool owns = std::is_const_v<std::remove_reference_t<of_constant>> &&
                               !std::is_const_v<std::remove_reference_t<reference>>;
  using type = std::conditional_t<!std::is_lvalue_reference_v<Range> && owns,
                                  std::remove_reference_t<reference>&&, reference>;
};

template <class Range>
using element_of = typename element<Range>::type;

template <class Order, class... Cases>
auto make_select(Cases&&... cases) {
  using list = case_list<std::decay_t<Cases>...>;
  static_assert(list::any, "sluice: a select of nothing would wait for ever: give it a case");
  static_assert(list::are_cases,
                "sluice: a select is made of cases: on_receive(rx), on_send(tx, value), "
                "on_reserve(tx), on_changed(rx), on_closed(tx), after(time), at(time), on(op)");
  if constexpr (list::any && list::are_cases) {
    static_assert(list::has_executor,
                  "sluice: a select completes on the executor of its first handle: give it a case "
                  "that has one; to wait for a time or an operation alone, await that");
    if constexpr (list::has_executor) {
      using first = typename list::first;
      static_assert(list::template have_threading<typename first::threading_type>,
                    "sluice: the channels of a select have the same threading policy: make all of "
                    "them multi_threaded, or all of them single_threaded");
      return basic_select<typename first::executor_type, Order, std::decay_t<Cases>...>(
          std::tuple<std::decay_t<Cases>...>(std::forward<Cases>(cases)...));
    }
  }
}

}  // namespace detail

/// Makes a select of several cases. Of those that are ready each is as likely to happen as any
/// other.
/**
 * Cases: `on_receive(rx)`, `on_send(tx, value)`, `on_send(tx, std::ref(value))`, `on_reserve(tx)`,
 * `on_changed(rx)`, `on_closed(tx)`, `after(time)`, `at(time)` and `on(op)`; one of them at least
 * has a handle. The same channel may stand in several of them.
 */
template <class... Cases>
[[nodiscard]] auto select(Cases&&... cases) {
  return detail::make_select<detail::fair_order>(std::forward<Cases>(cases)...);
}

/// Makes a select of which the first case happens, in the order written, that is ready.
template <class... Cases>
[[nodiscard]] auto biased_select(Cases&&... cases) {
  return detail::make_select<detail::written_order>(std::forward<Cases>(cases)...);
}

/// Makes a select of all receivers in a range, of one kind: channels, oneshots or broadcasts.
/**
 * The receivers may be moved or go afterwards. Those of a temporary container are kept; a view,
 * such as a `std::span`, leaves them where they are. Throws `std::bad_alloc`.
 */
template <class Range>
[[nodiscard]] auto select_receive(Range&& receivers) {
  static_assert(detail::is_range<Range>::value,
                "sluice: select_receive takes a range of receivers; single ones are cases of "
                "select(on_receive(rx), ...)");
  if constexpr (detail::is_range<Range>::value) {
    using given = detail::element_of<Range>;
    using case_type = decltype(on_receive(std::declval<given>()));
    if constexpr (!std::is_void_v<case_type>) {
      std::vector<case_type> cases;
      for (auto&& each : receivers) cases.push_back(on_receive(static_cast<given>(each)));
      return basic_select_receive<typename case_type::executor_type, case_type>(std::move(cases));
    }
  }
}

}  // namespace sluice

#endif  // SLUICE_SELECT_HPP
