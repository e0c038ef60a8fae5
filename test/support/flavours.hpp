// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_SUPPORT_FLAVOURS_HPP
#define SLUICE_TEST_SUPPORT_FLAVOURS_HPP

// The table of channels that a rule has to hold for, and test cases that run over it:
//
//   FLAVOUR_TEST_CASE(D5_nobody_is_overtaken, flavours) {
//     auto [tx, rx] = flavour.open(context);
//
// This becomes one test case for each flavour in the list, for example
// D5_nobody_is_overtaken<rendezvous<single_threaded>>; the body is compiled once for each threading
// policy. A test case takes the longest of the lists here that it makes sense for.

#include "support/message.hpp"

#include <sluice/channel.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/test/framework.hpp>
#include <boost/test/tree/test_unit.hpp>

#include <cstddef>
#include <limits>
#include <string>
#include <utility>

namespace support {

/// A kind of channel, whose handles have this threading policy.
template <class Threading>
struct flavour_of {
  using threading = Threading;

  std::size_t capacity;

  bool is_rendezvous() const { return capacity == 0; }
  bool is_unbounded() const { return capacity == std::numeric_limits<std::size_t>::max(); }

  /// How many of `sends` sends are accepted while nobody receives; the others are pending.
  std::size_t accepts(std::size_t sends) const { return sends < capacity ? sends : capacity; }

  template <class T = message, class Executor = boost::asio::any_io_executor, class Source>
  std::pair<sluice::sender<T, Executor, Threading>, sluice::receiver<T, Executor, Threading>> open(
      Source&& source) const {
    if (is_unbounded()) return sluice::make_unbounded_channel<T, Executor, Threading>(source);
    return sluice::make_channel<T, Executor, Threading>(source, capacity);
  }
};

struct channel_kind {
  const char* name;
  std::size_t capacity;
};

inline constexpr channel_kind bounded_one{"bounded_one", 1};
inline constexpr channel_kind bounded_many{"bounded_many", 3};
inline constexpr channel_kind rendezvous{"rendezvous", 0};
inline constexpr channel_kind unbounded{"unbounded", std::numeric_limits<std::size_t>::max()};

/// Some kinds of channels, each with all of these threading policies.
template <class... Threading>
struct flavour_list {
  std::size_t count;
  channel_kind kinds[4];
};

using any_threading = flavour_list<sluice::multi_threaded, sluice::single_threaded>;

inline constexpr any_threading flavours{4, {bounded_one, bounded_many, rendezvous, unbounded}};

/// Those in which a send may have to wait.
inline constexpr any_threading limited_flavours{3, {bounded_one, bounded_many, rendezvous}};

/// Those that keep values while nobody receives.
inline constexpr any_threading buffered_flavours{3, {bounded_one, bounded_many, unbounded}};

/// Those that can be full of values.
inline constexpr any_threading bounded_flavours{2, {bounded_one, bounded_many}};

inline constexpr any_threading rendezvous_flavours{1, {rendezvous}};

/// Those whose handles may be used by several threads.
inline constexpr flavour_list<sluice::multi_threaded> threaded_flavours{
    4, {bounded_one, bounded_many, rendezvous, unbounded}};

/// Those of them in which a send may have to wait.
inline constexpr flavour_list<sluice::multi_threaded> limited_threaded_flavours{
    3, {bounded_one, bounded_many, rendezvous}};

inline std::string name_of(flavour_of<sluice::multi_threaded>) {
  return "multi_threaded";
}
inline std::string name_of(flavour_of<sluice::single_threaded>) {
  return "single_threaded";
}

template <class Body, class Flavour>
void add_test_case(const char* name, channel_kind kind, Flavour flavour, const char* file,
                   std::size_t line) {
  const std::string full_name = std::string(name) + '<' + kind.name + '<' + name_of(flavour) + ">>";
  boost::unit_test::framework::current_auto_test_suite().add(
      boost::unit_test::make_test_case([flavour] { Body()(flavour); }, full_name, file, line));
}

/// Makes a test case of `Body` for each flavour in the list.
template <class Body, class... Threading>
bool add_test_cases(const char* name, const flavour_list<Threading...>& list, const char* file,
                    std::size_t line) {
  for (std::size_t i = 0; i != list.count; ++i)
    (add_test_case<Body>(name, list.kinds[i], flavour_of<Threading>{list.kinds[i].capacity}, file,
                         line),
     ...);
  return true;
}

}  // namespace support

#define FLAVOUR_TEST_CASE(name, list)                                 \
  namespace {                                                         \
  struct name {                                                       \
    template <class Flavour>                                          \
    void operator()(Flavour flavour) const;                           \
  };                                                                  \
  [[maybe_unused]] const bool name##_is_added =                       \
      support::add_test_cases<name>(#name, list, __FILE__, __LINE__); \
  }                                                                   \
  template <class Flavour>                                            \
  void name::operator()([[maybe_unused]] Flavour flavour) const

#endif  // SLUICE_TEST_SUPPORT_FLAVOURS_HPP
