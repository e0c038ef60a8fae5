// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_SUPPORT_ONESHOTS_HPP
#define SLUICE_TEST_SUPPORT_ONESHOTS_HPP

// What FLAVOUR_TEST_CASE takes for a oneshot: there is one kind of it, with each threading policy.

#include "support/flavours.hpp"

#include <sluice/oneshot.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <utility>

namespace support {

inline constexpr channel_kind oneshot{"oneshot", 1};
inline constexpr any_threading oneshots{1, {oneshot}};

template <class T = message, class Executor = boost::asio::any_io_executor, class Flavour,
          class Source>
auto open_oneshot(Flavour, Source&& source) {
  return sluice::make_oneshot<T, Executor, typename Flavour::threading>(source);
}

}  // namespace support

#endif  // SLUICE_TEST_SUPPORT_ONESHOTS_HPP
