// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_SELECT_TRY_HPP
#define SLUICE_DETAIL_SELECT_TRY_HPP

// A select tries its cases, one after the other, without waiting.

#include <sluice/detail/core/state.hpp>
#include <sluice/detail/select_case.hpp>
#include <sluice/detail/select_time.hpp>
#include <sluice/error.hpp>

#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>

namespace sluice::detail {

/// Tries a case by itself; true if it has happened.
template <class Case>
bool try_case(Case& c, typename Case::result_type& result) {
  if constexpr (Case::can_be_tried) {
    if (!c.is_possible()) return false;
    typename Case::in_hand held;
    auto* state = c.state();
    if (state != nullptr) {
      typename core::state<typename Case::threading_type>::section s(*state);
      if (!c.begin_try(s, held, result)) return false;
    } else {
      std::get<0>(result) = error::closed;
    }
    if (state != nullptr) c.finish_try(held, result);
    return true;
  } else {
    static_cast<void>(result);
    return false;
  }
}

template <class Clock, bool IsRelative>
bool try_case(time_case<Clock, IsRelative>& c, std::tuple<error_code>&) {
  return c.is_over();
}

/// Tries one case after the other.
template <class Set>
bool try_cases(typename Set::cases_type& cases, typename Set::result_type& result) {
  auto indices = Set::all_indices(cases);
  bool happened = false;
  for (std::size_t k = 0; k != indices.size() && !happened; ++k) {
    Set::visit(cases, Set::order::at(indices, k), [&](auto& c, auto place) {
      typename std::decay_t<decltype(c)>::result_type seen;
      happened = try_case(c, seen);
      if (happened) Set::store(result, place, std::move(seen));
    });
  }
  return happened;
}

/// Whether some case may happen at all.
template <class Set>
bool any_is_possible(typename Set::cases_type& cases) {
  bool any = false;
  Set::for_each(cases, [&](auto& c) { any = any || c.is_possible(); });
  return any;
}

}  // namespace sluice::detail

#endif  // SLUICE_DETAIL_SELECT_TRY_HPP
