// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_SUPPORT_SELECTS_HPP
#define SLUICE_TEST_SUPPORT_SELECTS_HPP

// Selects that are watched; see probe.hpp.

#include "support/message.hpp"
#include "support/probe.hpp"

#include <sluice/select.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace support {

template <class Value>
class select_probe : public probe<std::size_t, Value> {
 public:
  /// The case that has happened.
  std::size_t which() const { return std::get<1>(this->results()); }

  /// What it gave.
  const Value& value() const { return std::get<2>(this->results()); }
};

/// Begins to wait on a select; the wait is all that keeps a temporary one.
template <class Select>
auto begin_select(Select&& s) {
  select_probe<typename std::decay_t<Select>::value_type> p;
  std::forward<Select>(s).async_wait(p.get_handler());
  return p;
}

inline std::string word_of_value(std::monostate) {
  return "";
}
inline std::string word_of_value(bool value) {
  return value ? " true" : " false";
}
inline std::string word_of_value(const std::optional<message>& value) {
  return value ? ' ' + std::to_string(value->id()) : " end";
}
inline std::string word_of_value(const std::optional<int>& value) {
  return value ? ' ' + std::to_string(*value) : " end";
}
template <class T, class Threading>
std::string word_of_value(const sluice::permit<T, Threading>& value) {
  return value ? " permit" : " no permit";
}
template <class... Alternatives>
std::string word_of_value(const std::variant<Alternatives...>& value) {
  return std::visit([](const auto& v) { return word_of_value(v); }, value);
}

/// What became of it: "0 7" if the first case has received 7, "npos aborted" if it was cancelled.
template <class Value>
std::string word_of(const select_probe<Value>& p) {
  if (!p.done()) return p.dropped() ? "dropped" : "waits";
  const std::string which = p.which() == sluice::npos ? "npos" : std::to_string(p.which());
  if (p.error()) return which + ' ' + word_of(p.error());
  return which + word_of_value(p.value());
}

/// The same of a select that did not wait.
template <class... Alternatives>
std::string word_of(const std::optional<std::variant<Alternatives...>>& tried) {
  return tried ? std::to_string(tried->index()) + word_of_value(*tried) : "nothing";
}

}  // namespace support

#endif  // SLUICE_TEST_SUPPORT_SELECTS_HPP
