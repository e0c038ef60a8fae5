// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_CONFORMANCE_FUNCTIONS_HPP
#define SLUICE_TEST_CONFORMANCE_FUNCTIONS_HPP

// The table of all asynchronous functions of the library. Whoever adds a function adds an entry
// here, and every rule about completions is tested for it; complete.cpp fails for one that is
// missing.
//
// A test case that is written as
//
//   FOR_EACH_FUNCTION(name_of_the_rule) {
//     typename Function::template end<Executor, Threading> end(ex, way);
//     function.call(end, token);
//     ...
//   }
//
// is run for each function and each course that an operation can take, by the name
// name_of_the_rule/type_function_form/course. There `function` is the entry of type `Function`, and
// `way` is the course.

#include "conformance/batch_ends.hpp"
#include "conformance/broadcast_ends.hpp"
#include "conformance/ends.hpp"
#include "conformance/handles.hpp"
#include "conformance/line_ends.hpp"
#include "conformance/oneshot_ends.hpp"
#include "conformance/selects.hpp"
#include "conformance/watch_ends.hpp"

#include <sluice/error.hpp>

#include <boost/config/helper_macros.hpp>
#include <boost/test/framework.hpp>
#include <boost/test/tree/test_unit.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#if __cplusplus >= 202002L
#include <span>
#endif
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

namespace conformance {

using sluice::error_code;

/// An entry of the table.
template <template <class, class> class End, class Signature, class Call>
class initiating_function {
 public:
  /// What the function is called on; see ends.hpp.
  template <class Executor, class Threading>
  using end = End<Executor, Threading>;

  using signature = Signature;

  constexpr initiating_function(const char* type_name, const char* function_name,
                                const char* form_name, Call call_function)
      : type(type_name), name(function_name), form(form_name), call_(call_function) {}

  /// Calls the function with a completion token, or with none.
  template <class Executor, class Threading, class... Token>
  auto call(End<Executor, Threading>& on, Token&&... token) const {
    return support::in_library(
        [&] { return call_(on.handle, on.value, std::forward<Token>(token)...); });
  }

  /// Calls it on another handle than the end's, which may be a temporary one.
  template <class Handle, class... Token>
  auto call_on(Handle&& handle, message& value, Token&&... token) const {
    return support::in_library(
        [&] { return call_(std::forward<Handle>(handle), value, std::forward<Token>(token)...); });
  }

  const char* type;
  const char* name;
  const char* form;

 private:
  Call call_;
};

/// The signature of a function at an end, which may have one of its own.
template <class Function, class End, class = void>
struct signature_at_end {
  using type = typename Function::signature;
};
template <class Function, class End>
struct signature_at_end<Function, End, std::void_t<typename End::signature>> {
  using type = typename End::signature;
};
template <class Function, class End>
using signature_at = typename signature_at_end<Function, End>::type;

template <template <class, class> class End, class Signature, class Call>
constexpr auto function(const char* type, const char* name, const char* form, Call call) {
  return initiating_function<End, Signature, Call>(type, name, form, call);
}

// What functions are given has a name, so that it is of one type however often they are called.
struct stops {
  bool operator()(message) const noexcept { return false; }
};
struct is_not_zero {
  bool operator()(int latest) const noexcept { return latest != 0; }
};

// clang-format off
#define PASS(argument) std::forward<decltype(argument)>(argument)
inline constexpr auto functions = std::make_tuple(
  function<sending_end, void(error_code)>("sender", "async_send", "by_value",
    [](auto&& tx, message& value, auto&&... token) {
      return PASS(tx).async_send(std::move(value), PASS(token)...); }),
  function<sending_end, void(error_code)>("sender", "async_send", "by_reference",
    [](auto&& tx, message& value, auto&&... token) {
      return PASS(tx).async_send(std::ref(value), PASS(token)...); }),
  function<broadcast_receiving_end, void(error_code, std::optional<letter>)>(
    "broadcast_receiver", "async_receive", "",
    [](auto&& rx, message&, auto&&... token) {
      return PASS(rx).async_receive(PASS(token)...); }),
  function<broadcast_sending_end, void(error_code, std::size_t)>(
    "broadcast_sender", "async_send", "by_value",
    [](auto&& tx, message& value, auto&&... token) {
      return PASS(tx).async_send(letter(value.id()), PASS(token)...); }),
  function<broadcast_sending_end, void(error_code, std::size_t)>(
    "broadcast_sender", "async_send", "by_reference",
    [](auto&& tx, message& value, auto&&... token) {
      return PASS(tx).async_send(std::ref(letter_for(value)), PASS(token)...); }),
  function<broadcast_closing_end, void(error_code)>("broadcast_sender", "async_wait_closed", "",
    [](auto&& tx, message&, auto&&... token) {
      return PASS(tx).async_wait_closed(PASS(token)...); }),
  function<sending_all_end, void(error_code, std::size_t)>("sender", "async_send_all", "by_value",
    [](auto&& tx, message& value, auto&&... token) {
      return PASS(tx).async_send_all(only(value), PASS(token)...); }),
  function<sending_all_end, void(error_code, std::size_t)>(
    "sender", "async_send_all", "by_reference",
    [](auto&& tx, message& value, auto&&... token) {
      return PASS(tx).async_send_all(std::ref(kept(value)), PASS(token)...); }),
#if __cplusplus >= 202002L
  function<sending_all_end, void(error_code, std::size_t)>("sender", "async_send_all", "by_span",
    [](auto&& tx, message& value, auto&&... token) {
      return PASS(tx).async_send_all(std::span<message>(&value, 1), PASS(token)...); }),
#endif
  function<reserving_end, void(error_code, sluice::permit<message>)>("sender", "async_reserve", "",
    [](auto&& tx, message&, auto&&... token) {
      return PASS(tx).async_reserve(PASS(token)...); }),
  function<reserving_end, void(error_code, sluice::permit<message>)>(
    "sender", "async_reserve_many", "",
    [](auto&& tx, message&, auto&&... token) {
      return PASS(tx).async_reserve_many(1, PASS(token)...); }),
  function<closing_end, void(error_code)>("sender", "async_wait_closed", "",
    [](auto&& tx, message&, auto&&... token) {
      return PASS(tx).async_wait_closed(PASS(token)...); }),
  function<receiving_end, void(error_code, std::optional<message>)>("receiver", "async_receive", "",
    [](auto&& rx, message&, auto&&... token) {
      return PASS(rx).async_receive(PASS(token)...); }),
  function<receiving_end, void(error_code, std::size_t)>("receiver", "async_receive_some", "",
    [](auto&& rx, message&, auto&&... token) {
      return PASS(rx).async_receive_some(room_for_some(), 9, PASS(token)...); }),
  function<looping_end, void(error_code)>("receiver", "async_for_each", "",
    [](auto&& rx, message&, auto&&... token) {
      return PASS(rx).async_for_each(stops(), PASS(token)...); }),
  function<oneshot_closing_end, void(error_code)>("oneshot_sender", "async_wait_closed", "",
    [](auto&& tx, message&, auto&&... token) {
      return PASS(tx).async_wait_closed(PASS(token)...); }),
  function<oneshot_receiving_end, void(error_code, std::optional<message>)>(
    "oneshot_receiver", "async_receive", "",
    [](auto&& rx, message&, auto&&... token) {
      return PASS(rx).async_receive(PASS(token)...); }),
  function<watch_receiving_end, void(error_code, bool)>("watch_receiver", "async_changed", "",
    [](auto&& rx, message&, auto&&... token) {
      return PASS(rx).async_changed(PASS(token)...); }),
  function<watch_testing_end, void(error_code, std::shared_ptr<const int>)>(
    "watch_receiver", "async_wait_for", "",
    [](auto&& rx, message&, auto&&... token) {
      return PASS(rx).async_wait_for(is_not_zero(), PASS(token)...); }),
  function<receiving_end, void(error_code, std::size_t, selected_message)>(
    "basic_select", "async_wait", "",
    [](auto&& rx, message&, auto&&... token) {
      return select_twice(PASS(rx)).async_wait(PASS(token)...); }),
  function<receiving_end, void(error_code, std::size_t, std::optional<message>)>(
    "basic_select_receive", "async_wait", "",
    [](auto&& rx, message&, auto&&... token) {
      return select_among(PASS(rx)).async_wait(PASS(token)...); }),
  function<watch_closing_end, void(error_code)>("watch_sender", "async_wait_closed", "",
    [](auto&& tx, message&, auto&&... token) {
      return PASS(tx).async_wait_closed(PASS(token)...); }));
#undef PASS
// clang-format on

/// Whether a file tests the entry of a place in the table.
/**
 * How a function takes its values does not matter for what happens to handlers and executors; a
 * file about those says CONFORMANCE_ONE_FORM_EACH and compiles faster. With CONFORMANCE_BY_HALVES
 * some files test each second entry, and some the others: each rule is tested then, and each
 * function, but not each rule of each function.
 */
template <class Function>
constexpr bool is_tested([[maybe_unused]] const Function& function,
                         [[maybe_unused]] std::size_t place) {
#if defined(CONFORMANCE_BY_HALVES)
  std::size_t half = place;
  for (const char c : std::string_view(BOOST_STRINGIZE(BOOST_TEST_MODULE)))
    half += static_cast<unsigned char>(c);
  if (half % 2 != 0) return false;
#endif
#if defined(CONFORMANCE_ONE_FORM_EACH)
  const std::string_view form = function.form;
  return form.empty() || form == "by_value";
#else
  return true;
#endif
}

/// Calls `f` with each entry that is tested.
template <class F, std::size_t... I>
void for_each_function(F& f, std::index_sequence<I...>) {
  const auto call = [&](auto index) {
    constexpr const auto& entry = std::get<decltype(index)::value>(functions);
    if constexpr (is_tested(entry, decltype(index)::value)) f(entry);
  };
  (call(std::integral_constant<std::size_t, I>()), ...);
}

template <class F>
void for_each_function(F f) {
  for_each_function(f, std::make_index_sequence<std::tuple_size_v<decltype(functions)>>());
}

/// Calls `f` with a value of each threading flavour.
template <class F>
void for_each_flavour(F f) {
  f(sluice::multi_threaded());
  f(sluice::single_threaded());
}

template <class Function>
std::string name_of(const Function& f) {
  std::string name = std::string(f.type) + "_" + f.name;
  return *f.form == 0 ? name : name + "_" + f.form;
}

/// Makes a test suite of a rule: one case for each function and course.
template <class Rule>
bool add_cases(const char* rule, const char* file, std::size_t line) {
  namespace ut = boost::unit_test;
  auto* suite = new ut::test_suite(rule, file, line);
  ut::framework::current_auto_test_suite().add(suite);
  for_each_function([&](const auto& f) {
    auto* cases = new ut::test_suite(name_of(f), file, line);
    suite->add(cases);
    for (course way : courses)
      cases->add(ut::make_test_case([&f, way] { Rule::check(f, way); }, name_of(way), file, line));
  });
  return true;
}

}  // namespace conformance

#define FOR_EACH_FUNCTION(rule)                                           \
  struct rule {                                                           \
    template <class Function>                                             \
    static void check(const Function& function, conformance::course way); \
  };                                                                      \
  [[maybe_unused]] static const bool rule##_added =                       \
      conformance::add_cases<rule>(#rule, __FILE__, __LINE__);            \
  template <class Function>                                               \
  void rule::check([[maybe_unused]] const Function& function,             \
                   [[maybe_unused]] conformance::course way)

#endif  // SLUICE_TEST_CONFORMANCE_FUNCTIONS_HPP
