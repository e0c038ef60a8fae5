// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_SELECT_SET_HPP
#define SLUICE_DETAIL_SELECT_SET_HPP

// Which cases a select has, and what it gives: some that are written down (select_tuple), or as
// many as a range has (select_range). Each set knows its cases by number, and makes their entries.

#include <sluice/detail/core/select_state.hpp>
#include <sluice/detail/select_case.hpp>
#include <sluice/detail/select_entry.hpp>
#include <sluice/detail/select_foreign.hpp>
#include <sluice/detail/select_order.hpp>
#include <sluice/detail/select_time.hpp>
#include <sluice/error.hpp>

#include <array>
#include <cstddef>
#include <deque>
#include <limits>
#include <numeric>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace sluice::detail {

/// No case.
inline constexpr std::size_t select_npos = std::numeric_limits<std::size_t>::max();

/// Which executors the entries of a select have to do with.
template <class Threading, class IoExecutor, class OwnExecutor>
struct select_environment {
  using threading_type = Threading;
  using io_executor_type = IoExecutor;
  using own_executor_type = OwnExecutor;  // that of the handler

  core::select_state<Threading>& select;
  const IoExecutor& io_executor;
  const OwnExecutor& own_executor;
};

// The entry of a case.

template <class Case, class Environment, class = void>
struct entry_of {
  using threading = typename Environment::threading_type;
  using type = step_entry<threading, typename Case::step>;
};

template <class Case>
struct is_channel_receive : std::false_type {};

template <class T, class Executor, class Threading, class Handle>
struct is_channel_receive<handle_case<receiving<receiver<T, Executor, Threading>>, Handle>>
    : std::true_type {};

template <class Case, class Environment>
struct entry_of<Case, Environment, std::enable_if_t<is_channel_receive<Case>::value>> {
  using threading = typename Environment::threading_type;
  using type = receive_entry<threading, typename Case::step>;
};

template <class T, class Source, class Executor, class Threading, class Environment>
struct entry_of<send_case<T, Source, Executor, Threading>, Environment> {
  using case_type = send_case<T, Source, Executor, Threading>;
  using type = send_entry<typename Environment::threading_type, case_type>;
};

template <class Clock, bool IsRelative, class Environment>
struct entry_of<time_case<Clock, IsRelative>, Environment> {
  using case_type = time_case<Clock, IsRelative>;
  using executor = typename Environment::io_executor_type;
  using threading = typename Environment::threading_type;
  using type = time_entry<threading, case_type, executor>;
};

template <class Operation, class Environment>
struct entry_of<operation_case<Operation>, Environment> {
  using case_type = operation_case<Operation>;
  using executor = typename Environment::own_executor_type;
  using threading = typename Environment::threading_type;
  using type = foreign_entry<threading, case_type, executor>;
};

/// Makes an entry where it is to stay: a tuple makes its elements from one argument each.
template <class Case, class Environment>
class placed_entry : public entry_of<Case, Environment>::type {
 public:
  struct source {
    const Environment& environment;
    const Case& described;
  };

  explicit placed_entry(const source& from)
      : entry_of<Case, Environment>::type(from.environment, from.described) {}
};

// Which cases there are.

/// Cases that are written down.
template <class Order, class... Cases>
class select_tuple {
  static constexpr std::size_t count = sizeof...(Cases);
  using places = std::index_sequence_for<Cases...>;

 public:
  using order = Order;
  using cases_type = std::tuple<Cases...>;
  using value_type = std::variant<typename Cases::value_type...>;
  using result_type = std::tuple<error_code, std::size_t, value_type>;
  using indices = std::array<std::size_t, count>;

  template <class Environment>
  class entries {
    using tuple = std::tuple<placed_entry<Cases, Environment>...>;

   public:
    static constexpr std::size_t most = count;

    entries(const Environment& env, const cases_type& cases) : entries(env, cases, places()) {}

    template <class Function>
    void for_each(Function&& f) {
      std::apply([&](auto&... each) { (f(each), ...); }, all_);
    }

    /// Calls `f` with each entry and its case.
    template <class Function>
    void for_each_with(cases_type& cases, Function&& f) {
      for_each_with(cases, f, places());
    }

    template <class Function>
    void visit(std::size_t i, Function&& f) {
      visit(i, f, places());
    }

   private:
    template <class Function, std::size_t... I>
    void for_each_with(cases_type& cases, Function& f, std::index_sequence<I...>) {
      (f(std::get<I>(all_), std::get<I>(cases)), ...);
    }

    template <std::size_t... I>
    entries(const Environment& env, const cases_type& cases, std::index_sequence<I...>)
        : all_(typename placed_entry<Cases, Environment>::source{env, std::get<I>(cases)}...) {}

    template <class Function, std::size_t... I>
    void visit(std::size_t i, Function& f, std::index_sequence<I...>) {
      static_cast<void>(((i == I && (f(std::get<I>(all_), place<I>()), true)) || ...));
    }

    tuple all_;
  };

  template <std::size_t I>
  using place = std::integral_constant<std::size_t, I>;

  static indices all_indices(const cases_type&) noexcept {
    indices all{};
    std::iota(all.begin(), all.end(), std::size_t(0));
    return all;
  }

  template <class Function>
  static void visit(cases_type& cases, std::size_t i, Function&& f) {
    visit(cases, i, f, places());
  }

  template <class Function>
  static void for_each(cases_type& cases, Function&& f) {
    std::apply([&](auto&... each) { (f(each), ...); }, cases);
  }

  template <class Place, class Error, class... Value>
  static void store(result_type& result, Place, std::tuple<Error, Value...>&& seen) {
    std::get<0>(result) = std::get<0>(seen);
    std::get<1>(result) = Place::value;
    if constexpr (sizeof...(Value) == 0)
      std::get<2>(result).template emplace<Place::value>();
    else
      std::get<2>(result).template emplace<Place::value>(std::move(std::get<1>(seen)));
  }

 private:
  template <class Function, std::size_t... I>
  static void visit(cases_type& cases, std::size_t i, Function& f, std::index_sequence<I...>) {
    static_cast<void>(((i == I && (f(std::get<I>(cases), place<I>()), true)) || ...));
  }
};

/// Cases of one kind, as many as a range has.
template <class Order, class Case>
class select_range {
 public:
  using order = Order;
  using cases_type = std::vector<Case>;
  using value_type = typename Case::value_type;
  using result_type = std::tuple<error_code, std::size_t, value_type>;
  using indices = std::vector<std::size_t>;

  template <class Environment>
  class entries {
   public:
    static constexpr std::size_t most = 0;

    entries(const Environment& env, const cases_type& cases) {
      using source = typename placed_entry<Case, Environment>::source;
      for (const Case& each : cases) all_.emplace_back(source{env, each});
    }

    template <class Function>
    void for_each(Function&& f) {
      for (auto& each : all_) f(each);
    }

    /// Calls `f` with each entry and its case.
    template <class Function>
    void for_each_with(cases_type& cases, Function&& f) {
      for (std::size_t i = 0; i != cases.size(); ++i) f(all_[i], cases[i]);
    }

    template <class Function>
    void visit(std::size_t i, Function&& f) {
      f(all_[i], i);
    }

   private:
    std::deque<placed_entry<Case, Environment>> all_;
  };

  static indices all_indices(const cases_type& cases) {
    indices all(cases.size());
    std::iota(all.begin(), all.end(), std::size_t(0));
    return all;
  }

  template <class Function>
  static void visit(cases_type& cases, std::size_t i, Function&& f) {
    f(cases[i], i);
  }

  template <class Function>
  static void for_each(cases_type& cases, Function&& f) {
    for (auto& each : cases) f(each);
  }

  template <class Error, class Value>
  static void store(result_type& result, std::size_t i, std::tuple<Error, Value>&& seen) {
    std::get<0>(result) = std::get<0>(seen);
    std::get<1>(result) = i;
    std::get<2>(result) = std::move(std::get<1>(seen));
  }
};

/// Says that no case has happened, and why.
template <class Result>
void store_nothing(Result& result, const error_code& why) noexcept {
  std::get<0>(result) = why;
  std::get<1>(result) = select_npos;
}

}  // namespace sluice::detail

#endif  // SLUICE_DETAIL_SELECT_SET_HPP
