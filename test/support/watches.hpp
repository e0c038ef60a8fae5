// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_SUPPORT_WATCHES_HPP
#define SLUICE_TEST_SUPPORT_WATCHES_HPP

// What FLAVOUR_TEST_CASE takes for a watch, and probes for its operations.

#include "support/flavours.hpp"
#include "support/probe.hpp"

#include <sluice/watch.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <memory>
#include <tuple>
#include <utility>

namespace support {

inline constexpr channel_kind watched{"watch", 1};
inline constexpr any_threading watches{1, {watched}};

template <class T = int, class Executor = boost::asio::any_io_executor, class Flavour, class Source>
auto open_watch(Flavour, Source&& source, T initial) {
  return sluice::watch_sender<T, Executor, typename Flavour::threading>(source, std::move(initial));
}

class changed_probe : public probe<bool> {
 public:
  /// Whether it has told of a change.
  bool changed() const { return succeeded() && std::get<1>(results()); }

  /// Whether it has told that there will be none.
  bool ended() const { return succeeded() && !std::get<1>(results()); }
};

template <class T>
class found_probe : public probe<std::shared_ptr<const T>> {
 public:
  /// What was found; null if it was something else that happened.
  std::shared_ptr<const T> value() const {
    return this->done() ? std::get<1>(this->results()) : nullptr;
  }

  bool found(const T& expected) const {
    return this->succeeded() && value() && *value() == expected;
  }

  bool ended() const { return this->succeeded() && !value(); }
};

template <class Receiver>
changed_probe begin_changed(Receiver& rx) {
  changed_probe p;
  rx.async_changed(p.get_handler());
  return p;
}

template <class Receiver, class Predicate>
found_probe<typename Receiver::value_type> begin_wait_for(Receiver& rx, Predicate predicate) {
  found_probe<typename Receiver::value_type> p;
  rx.async_wait_for(std::move(predicate), p.get_handler());
  return p;
}

}  // namespace support

#endif  // SLUICE_TEST_SUPPORT_WATCHES_HPP
