// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_COMPLETION_RESULT_HPP
#define SLUICE_DETAIL_COMPLETION_RESULT_HPP

// What a completion was called with, and the error in it. An error is the first argument: an
// error_code, an exception_ptr, or either of them first in the tuple that as_tuple makes.

#include <sluice/error.hpp>

#include <boost/system/system_error.hpp>

#include <exception>
#include <tuple>
#include <type_traits>
#include <utility>

namespace sluice::detail {

/// Where the error is among completion arguments; here, nowhere.
template <class... Args>
struct error_place {
  static constexpr bool exists = false;
};

template <class... Rest>
struct error_place<error_code, Rest...> {
  static constexpr bool exists = true;
  using type = error_code;
  static type& get(std::tuple<error_code, Rest...>& arguments) { return std::get<0>(arguments); }
};

template <class... Rest>
struct error_place<std::exception_ptr, Rest...> {
  static constexpr bool exists = true;
  using type = std::exception_ptr;
  static type& get(std::tuple<std::exception_ptr, Rest...>& arguments) {
    return std::get<0>(arguments);
  }
};

template <class... Inner>
struct error_place<std::tuple<Inner...>> : error_place<Inner...> {
  static auto& get(std::tuple<std::tuple<Inner...>>& arguments) {
    return error_place<Inner...>::get(std::get<0>(arguments));
  }
};

inline error_code code_of(const error_code& ec) noexcept {
  return ec;
}

/// The code of a system_error; none for other exceptions.
inline error_code code_of(const std::exception_ptr& problem) {
  if (!problem) return error_code();
  try {
    std::rethrow_exception(problem);
  } catch (const boost::system::system_error& e) {
    return e.code();
  } catch (...) {
    return error_code();
  }
}

inline void set_code(error_code& place, error_code ec) noexcept {
  place = ec;
}

inline void set_code(std::exception_ptr& place, error_code ec) {
  place = std::make_exception_ptr(boost::system::system_error(ec));
}

/// Completion arguments that say this error and nothing else. Throws it if they cannot.
template <class... Args>
std::tuple<Args...> failed_result(error_code ec) {
  if constexpr (error_place<Args...>::exists && (std::is_default_constructible_v<Args> && ...)) {
    std::tuple<Args...> arguments;
    set_code(error_place<Args...>::get(arguments), ec);
    return arguments;
  } else {
    throw boost::system::system_error(ec);
  }
}

/// What is left of completion arguments without their error: nothing, a value or a tuple.
inline void plain_result(std::tuple<>&&) {}

template <class First>
First plain_result(std::tuple<First>&& arguments) {
  return std::get<0>(std::move(arguments));
}

template <class First, class Second, class... Rest>
std::tuple<First, Second, Rest...> plain_result(std::tuple<First, Second, Rest...>&& arguments) {
  return std::move(arguments);
}

template <class First, class... Rest>
std::tuple<Rest...> without_first(std::tuple<First, Rest...>&& arguments) {
  return std::apply([](First&, Rest&... rest) { return std::tuple<Rest...>(std::move(rest)...); },
                    arguments);
}

/// Turns completion arguments into what a function returns, or throws their error.
template <class... Args>
auto returned_result(std::tuple<Args...>&& arguments) {
  return detail::plain_result(std::move(arguments));
}

template <class... Rest>
auto returned_result(std::tuple<error_code, Rest...>&& arguments) {
  if (std::get<0>(arguments)) throw boost::system::system_error(std::get<0>(arguments));
  return detail::plain_result(detail::without_first(std::move(arguments)));
}

template <class... Rest>
auto returned_result(std::tuple<std::exception_ptr, Rest...>&& arguments) {
  if (std::get<0>(arguments)) std::rethrow_exception(std::get<0>(arguments));
  return detail::plain_result(detail::without_first(std::move(arguments)));
}

}  // namespace sluice::detail

#endif  // SLUICE_DETAIL_COMPLETION_RESULT_HPP
