// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_SELECT_BASE_HPP
#define SLUICE_DETAIL_SELECT_BASE_HPP

// What the selects have in common: their cases, their executor, and how a wait begins.

#include <sluice/detail/executor_holder.hpp>
#include <sluice/detail/select_case.hpp>
#include <sluice/detail/select_foreign.hpp>
#include <sluice/detail/select_initiation.hpp>
#include <sluice/detail/select_time.hpp>

#include <boost/asio/async_result.hpp>

#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>

namespace sluice::detail {

template <class Case, class = void>
struct has_handle : std::false_type {};

template <class Case>
struct has_handle<Case, std::void_t<typename Case::executor_type>> : std::true_type {};

template <class Case>
struct is_case : std::false_type {};
template <class Attempt, class Handle, class... Extra>
struct is_case<handle_case<Attempt, Handle, Extra...>> : std::true_type {};
template <class T, class Source, class Executor, class Threading>
struct is_case<send_case<T, Source, Executor, Threading>> : std::true_type {};
template <class Clock, bool IsRelative>
struct is_case<time_case<Clock, IsRelative>> : std::true_type {};
template <class Operation>
struct is_case<operation_case<Operation>> : std::true_type {};

template <class Case>
struct is_foreign_case : std::false_type {};
template <class Operation>
struct is_foreign_case<operation_case<Operation>> : std::true_type {};

/// The first of several cases that has a handle, and with it an executor and a threading policy.
template <class... Cases>
struct first_with_handle {
  using type = void;
  static constexpr std::size_t place = 0;
};

template <class First, class... Others>
struct first_with_handle<First, Others...> {
 private:
  using next = first_with_handle<Others...>;

 public:
  using type = std::conditional_t<has_handle<First>::value, First, typename next::type>;
  static constexpr std::size_t place = has_handle<First>::value ? 0 : next::place + 1;
};

template <class Case, class Threading, class = void>
struct has_threading : std::true_type {};

template <class Case, class Threading>
struct has_threading<Case, Threading, std::void_t<typename Case::threading_type>>
    : std::is_same<typename Case::threading_type, Threading> {};

/// What a select has to know of its cases.
template <class... Cases>
struct case_list {
  static constexpr bool any = sizeof...(Cases) != 0;
  static constexpr bool are_cases = (is_case<Cases>::value && ...);
  using first = typename first_with_handle<Cases...>::type;
  static constexpr bool has_executor = !std::is_void_v<first>;

  template <class Threading>
  static constexpr bool have_threading = (has_threading<Cases, Threading>::value && ...);
  static constexpr bool have_foreign = (is_foreign_case<Cases>::value || ...);
  static constexpr bool can_be_tried = (Cases::can_be_tried && ...);

  static auto& executor_of(const std::tuple<Cases...>& cases) noexcept {
    return std::get<first_with_handle<Cases...>::place>(cases).executor();
  }
};

/// A select that is waited on where it is.
template <class Select>
class borrowed_select {
 public:
  using set_type = typename Select::set_type;
  using threading_type = typename Select::threading_type;
  static constexpr bool has_foreign = Select::has_foreign;

  explicit borrowed_select(Select& select) noexcept : select_(&select) {}

  typename set_type::cases_type& cases() noexcept { return select_->cases(); }

 private:
  Select* select_;
};

/// The cases of a select that was moved into its wait.
template <class Select>
class moved_select {
 public:
  using set_type = typename Select::set_type;
  using threading_type = typename Select::threading_type;
  static constexpr bool has_foreign = Select::has_foreign;

  explicit moved_select(typename set_type::cases_type&& cases) : cases_(std::move(cases)) {}

  typename set_type::cases_type& cases() noexcept { return cases_; }

 private:
  typename set_type::cases_type cases_;
};

/// What selects have in common. `Set` is a select_tuple or a select_range.
template <class Set, class Executor, class Threading, bool HasForeign>
class select_base {
 public:
  /// The type of the executor on which completions run by default.
  using executor_type = Executor;
  using threading_type = Threading;

  /// The executor on which completions run by default: that of the first case with a handle.
  executor_type get_executor() const noexcept { return *executor_.get(); }

  // For the initiation.
  using set_type = Set;
  static constexpr bool has_foreign = HasForeign;
  typename Set::cases_type& cases() noexcept { return cases_; }

 protected:
  /// `executor_of(cases)` is the executor_holder of the one that the select is to have.
  template <class ExecutorOf>
  select_base(typename Set::cases_type&& cases, ExecutorOf&& executor_of)
      : cases_(std::move(cases)) {
    const auto& source = executor_of(cases_);
    if (auto* known = source.get()) {
      const Executor converted = convert_executor<Executor>(*known);
      executor_.assign(&converted);
    }
    Set::for_each(cases_, [](auto& c) {
      if constexpr (has_handle<std::decay_t<decltype(c)>>::value) c.let_executor_go();
    });
  }

  template <class Token, class Select>
  static auto initiate(Select& select, std::remove_reference_t<Token>& token) {
    return initiate_holding<Token>(select, borrowed_select<Select>(select), token);
  }

  template <class Token, class Select>
  static auto initiate_moved(Select&& select, std::remove_reference_t<Token>& token) {
    return initiate_holding<Token>(select, moved_select<Select>(std::move(select.cases_)), token);
  }

  typename Set::cases_type cases_;
  executor_holder<Executor> executor_;

 private:
  template <class Result>
  struct signature_of;

  template <class... Args>
  struct signature_of<std::tuple<Args...>> {
    using type = void(Args...);
  };

  template <class Token, class Holder>
  static auto initiate_holding(const select_base& select, Holder&& holder,
                               std::remove_reference_t<Token>& token) {
    return boost::asio::async_initiate<Token,
                                       typename signature_of<typename Set::result_type>::type>(
        select_initiation<std::decay_t<Holder>, Executor>(select.executor_), token,
        std::forward<Holder>(holder));
  }
};

}  // namespace sluice::detail

#endif  // SLUICE_DETAIL_SELECT_BASE_HPP
