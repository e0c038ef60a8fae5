// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_SUPPORT_FLAVOURS_HPP
#define SLUICE_TEST_SUPPORT_FLAVOURS_HPP

// The table of channels that a rule has to hold for. A test case takes the longest of the lists
// here that it makes sense for, and opens its channel by Flavour::open.

#include "support/message.hpp"

#include <sluice/channel.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <cstddef>
#include <limits>
#include <tuple>

namespace support {

template <std::size_t Capacity, class Threading>
struct flavour {
  using threading = Threading;

  static constexpr std::size_t capacity = Capacity;
  static constexpr bool is_rendezvous = Capacity == 0;
  static constexpr bool is_unbounded = Capacity == std::numeric_limits<std::size_t>::max();

  /// How many of `sends` sends are accepted while nobody receives; the others are pending.
  static constexpr std::size_t accepts(std::size_t sends) {
    return sends < capacity ? sends : capacity;
  }

  template <class T = message, class Executor = boost::asio::any_io_executor, class Source>
  static std::pair<sluice::sender<T, Executor, Threading>, sluice::receiver<T, Executor, Threading>>
  open(Source&& source) {
    if constexpr (is_unbounded)
      return sluice::make_unbounded_channel<T, Executor, Threading>(source);
    else
      return sluice::make_channel<T, Executor, Threading>(source, capacity);
  }
};

// These have names of their own so that they can be read in the names of the test cases.
template <class Threading>
struct bounded_one : flavour<1, Threading> {};

template <class Threading>
struct bounded_many : flavour<3, Threading> {};

template <class Threading>
struct rendezvous : flavour<0, Threading> {};

template <class Threading>
struct unbounded : flavour<std::numeric_limits<std::size_t>::max(), Threading> {};

using flavours =
    std::tuple<bounded_one<sluice::multi_threaded>, bounded_one<sluice::single_threaded>,
               bounded_many<sluice::multi_threaded>, bounded_many<sluice::single_threaded>,
               rendezvous<sluice::multi_threaded>, rendezvous<sluice::single_threaded>,
               unbounded<sluice::multi_threaded>, unbounded<sluice::single_threaded>>;

/// Those in which a send may have to wait.
using limited_flavours =
    std::tuple<bounded_one<sluice::multi_threaded>, bounded_one<sluice::single_threaded>,
               bounded_many<sluice::multi_threaded>, bounded_many<sluice::single_threaded>,
               rendezvous<sluice::multi_threaded>, rendezvous<sluice::single_threaded>>;

/// Those that keep values while nobody receives.
using buffered_flavours =
    std::tuple<bounded_one<sluice::multi_threaded>, bounded_one<sluice::single_threaded>,
               bounded_many<sluice::multi_threaded>, bounded_many<sluice::single_threaded>,
               unbounded<sluice::multi_threaded>, unbounded<sluice::single_threaded>>;

/// Those that can be full of values.
using bounded_flavours =
    std::tuple<bounded_one<sluice::multi_threaded>, bounded_one<sluice::single_threaded>,
               bounded_many<sluice::multi_threaded>, bounded_many<sluice::single_threaded>>;

using rendezvous_flavours =
    std::tuple<rendezvous<sluice::multi_threaded>, rendezvous<sluice::single_threaded>>;

/// Those whose handles may be used by several threads.
using threaded_flavours =
    std::tuple<bounded_one<sluice::multi_threaded>, bounded_many<sluice::multi_threaded>,
               rendezvous<sluice::multi_threaded>, unbounded<sluice::multi_threaded>>;

}  // namespace support

#endif  // SLUICE_TEST_SUPPORT_FLAVOURS_HPP
