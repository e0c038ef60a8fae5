// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_CONFORMANCE_SELECTS_HPP
#define SLUICE_TEST_CONFORMANCE_SELECTS_HPP

// Selects that do what the plain operation of a handle does, so that they have its ends.

#include "support/message.hpp"

#include <sluice/select.hpp>

#include <array>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

namespace conformance {

using support::message;

/// What a select of two receives gives.
using selected_message = std::variant<std::optional<message>, std::optional<message>>;

/// The same channel in two cases. A temporary handle goes with the first.
template <class Receiver>
auto select_twice(Receiver&& rx) {
  auto second = sluice::on_receive(rx);
  return sluice::select(sluice::on_receive(std::forward<Receiver>(rx)), std::move(second));
}

/// A range of one receiver. A temporary handle goes with the range.
template <class Receiver>
auto select_among(Receiver&& rx) {
  if constexpr (std::is_lvalue_reference_v<Receiver>) {
    struct view {
      std::remove_reference_t<Receiver>* first;
      auto* begin() const { return first; }
      auto* end() const { return first + 1; }
    };
    return sluice::select_receive(view{std::addressof(rx)});
  } else {
    return sluice::select_receive(std::array<Receiver, 1>{std::move(rx)});
  }
}

}  // namespace conformance

#endif  // SLUICE_TEST_CONFORMANCE_SELECTS_HPP
