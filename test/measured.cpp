// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE measured

// What a channel that is measured tells of itself: each figure, for each way in and out of a
// channel. Times are those of a clock that the test sets.

#include <sluice/measured.hpp>

#include "support/flavours.hpp"
#include "support/message.hpp"
#include "support/permits.hpp"
#include "support/probe.hpp"

#include <sluice/oneshot.hpp>
#include <sluice/select.hpp>
#include <sluice/sync_receiver.hpp>
#include <sluice/sync_sender.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

using namespace support;
using namespace std::chrono_literals;

namespace {

/// A clock that stands still until the test sets it.
struct set_clock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<set_clock>;
  static constexpr bool is_steady = false;

  static time_point now() noexcept { return time; }
  static void pass(duration d) { time += d; }

  static inline time_point time{};
};
static_assert(!set_clock::is_steady);

template <class Threading>
using measured = sluice::measured<Threading, set_clock>;

using both_threadings =
    flavour_list<measured<sluice::multi_threaded>, measured<sluice::single_threaded>>;
constexpr both_threadings all{4, {bounded_one, bounded_many, rendezvous, unbounded}};
constexpr both_threadings of_one_place{1, {bounded_one}};
constexpr both_threadings of_three_places{1, {bounded_many}};
constexpr both_threadings buffered{3, {bounded_one, bounded_many, unbounded}};
constexpr both_threadings without_limit{1, {unbounded}};
constexpr both_threadings without_places{1, {rendezvous}};

/// An allocator that does something before it constructs a message, which may be to throw.
template <class T>
struct asking_allocator {
  using value_type = T;

  explicit asking_allocator(std::function<void()>& f) noexcept : ask(&f) {}
  template <class U>
  asking_allocator(const asking_allocator<U>& other) noexcept : ask(other.ask) {}

  T* allocate(std::size_t n) { return std::allocator<T>().allocate(n); }
  void deallocate(T* p, std::size_t n) noexcept { std::allocator<T>().deallocate(p, n); }

  template <class U, class... Arguments>
  void construct(U* where, Arguments&&... arguments) {
    (*ask)();
    ::new (static_cast<void*>(where)) U(std::forward<Arguments>(arguments)...);
  }

  friend bool operator==(const asking_allocator& a, const asking_allocator& b) noexcept {
    return a.ask == b.ask;
  }
  friend bool operator!=(const asking_allocator& a, const asking_allocator& b) noexcept {
    return a.ask != b.ask;
  }

  std::function<void()>* ask;
};

/// A vector for which messages are claimed, and then passed on one by one.
using asking_vector = std::vector<message, asking_allocator<message>>;

/// What became of the values: "4 in: 1 received, 1 displaced, 0 destroyed, 2 there".
template <class Handle>
std::string fates(const Handle& handle) {
  const sluice::channel_metrics m = handle.metrics();
  return std::to_string(m.accepted) + " in: " + std::to_string(m.received) + " received, " +
         std::to_string(m.displaced) + " displaced, " + std::to_string(m.destroyed) +
         " destroyed, " + std::to_string(m.buffered) + " there";
}

/// Who waits: "1 sends, 0 reservations, 0 receives, 1 woken".
template <class Handle>
std::string waits(const Handle& handle) {
  const sluice::channel_metrics m = handle.metrics();
  return std::to_string(m.waiting_sends) + " sends, " + std::to_string(m.waiting_reservations) +
         " reservations, " + std::to_string(m.waiting_receives) + " receives, " +
         std::to_string(m.woken_receives) + " woken";
}

/// How many values have a time.
std::uint64_t timed(const sluice::time_in_channel& times) {
  std::uint64_t count = 0;
  for (const std::uint64_t n : times.counts) count += n;
  return count;
}

/// The sum of all times.
template <class Handle>
std::chrono::nanoseconds total(const Handle& handle) {
  return std::chrono::round<std::chrono::nanoseconds>(handle.metrics().times.total);
}

template <class Receiver, class Function>
send_probe begin_for_each(Receiver& rx, Function f) {
  send_probe p;
  rx.async_for_each(std::move(f), p.get_handler());
  return p;
}

/// Sends what there must be a place for.
template <class Sender>
void put(Sender& tx, int id) {
  BOOST_TEST_REQUIRE(!tx.try_send(message(id)));
}

template <class Handle, class = void>
constexpr bool has_metrics = false;
template <class Handle>
constexpr bool has_metrics<Handle, std::void_t<decltype(std::declval<Handle&>().metrics())>> = true;

}  // namespace

namespace support {

template <class Threading>
std::string name_of(flavour_of<measured<Threading>>) {
  return name_of(flavour_of<Threading>());
}

}  // namespace support

// What it costs who does not want it --------------------------------------------------------------

namespace {

namespace core = sluice::detail::core;

/// A channel as it would be if there were nothing to measure with.
struct plain_channel final : core::channel_core<sluice::multi_threaded> {
  explicit plain_channel() : channel_core(1) {}
  void admit(core::wake_list&) noexcept override {}
  core::value_queue<int> values{1, 1};
  core::returned_batches<int> returned;
};

struct plain_batch : core::batch_tally {
  std::uint64_t place;
  std::unique_ptr<int> next;
  alignas(int) unsigned char memory[core::batch<int>::slots * sizeof(int)];
  std::size_t first, last;
};

}  // namespace

BOOST_AUTO_TEST_CASE(a_channel_that_is_not_measured_has_nothing_of_it) {
  using sender = sluice::sender<int>;
  using receiver = sluice::receiver<int>;
  static_assert(std::is_empty_v<core::channel_meter<int, sluice::multi_threaded>>);
  static_assert(std::is_empty_v<core::stopwatch<int>>);
  using state = core::channel_state<int, sluice::multi_threaded>;
  static_assert(std::is_same_v<state::batch_type, core::batch<int>>);
  BOOST_TEST(sizeof(state) == sizeof(plain_channel));
  BOOST_TEST(sizeof(core::batch<int>) == sizeof(plain_batch));
  static_assert(!has_metrics<sender> && !has_metrics<receiver>);
  static_assert(!has_metrics<sluice::weak_sender<int>>);
  static_assert(!has_metrics<sluice::sync_sender<int>>);
}

// Ways in and out ---------------------------------------------------------------------------------

FLAVOUR_TEST_CASE(metrics_begin_with_nothing, all) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  BOOST_TEST(fates(tx) == "0 in: 0 received, 0 displaced, 0 destroyed, 0 there");
  BOOST_TEST(fates(rx) == fates(tx));
  BOOST_TEST(waits(rx) == "0 sends, 0 reservations, 0 receives, 0 woken");
  BOOST_TEST(rx.metrics().most_buffered == 0u);
  auto moved = std::move(tx);
  BOOST_TEST(fates(tx) == fates(moved));
}

FLAVOUR_TEST_CASE(D1_what_is_sent_and_received_is_counted, buffered) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  put(tx, 1);
  BOOST_TEST(fates(tx) == "1 in: 0 received, 0 displaced, 0 destroyed, 1 there");
  BOOST_TEST(take(rx).id == 1);
  BOOST_TEST(fates(tx) == "1 in: 1 received, 0 displaced, 0 destroyed, 0 there");
  auto sent = begin_send(tx, 2);
  auto received = begin_receive(rx);
  run_ready(context);
  BOOST_TEST(received.id() == 2);
  BOOST_TEST(fates(tx) == "2 in: 2 received, 0 displaced, 0 destroyed, 0 there");
  BOOST_TEST(take(rx).error == sluice::error::empty);
  BOOST_TEST(fates(tx) == "2 in: 2 received, 0 displaced, 0 destroyed, 0 there");
}

FLAVOUR_TEST_CASE(D3_a_woken_receive_has_received_nothing_yet, buffered) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto received = begin_receive(rx);
  BOOST_TEST(waits(tx) == "0 sends, 0 reservations, 1 receives, 0 woken");
  put(tx, 1);
  BOOST_TEST(fates(tx) == "1 in: 0 received, 0 displaced, 0 destroyed, 1 there");
  BOOST_TEST(waits(tx) == "0 sends, 0 reservations, 0 receives, 1 woken");
  run_ready(context);
  BOOST_TEST(fates(tx) == "1 in: 1 received, 0 displaced, 0 destroyed, 0 there");
  BOOST_TEST(waits(tx) == "0 sends, 0 reservations, 0 receives, 0 woken");
}

FLAVOUR_TEST_CASE(D4_a_pending_send_is_not_accepted, of_one_place) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto sent = begin_sends(tx, 1, 3);
  BOOST_TEST(fates(tx) == "1 in: 0 received, 0 displaced, 0 destroyed, 1 there");
  BOOST_TEST(waits(tx) == "2 sends, 0 reservations, 0 receives, 0 woken");
  sent[1].cancel();
  BOOST_TEST(waits(tx) == "1 sends, 0 reservations, 0 receives, 0 woken");
  BOOST_TEST(take(rx).id == 1);
  // The place went to the third one.
  BOOST_TEST(fates(tx) == "2 in: 1 received, 0 displaced, 0 destroyed, 1 there");
  BOOST_TEST(waits(tx) == "0 sends, 0 reservations, 0 receives, 0 woken");
}

FLAVOUR_TEST_CASE(D1_a_refused_value_is_not_accepted, of_one_place) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  put(tx, 1);
  BOOST_TEST(tx.try_send(message(2)) == sluice::error::full);
  tx.close();
  BOOST_TEST(tx.try_send(message(3)) == sluice::error::closed);
  BOOST_TEST(fates(tx) == "1 in: 0 received, 0 displaced, 0 destroyed, 1 there");
}

FLAVOUR_TEST_CASE(what_a_receive_takes_from_a_pending_send_is_counted, without_places) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto sent = begin_sends(tx, 1, 2);
  BOOST_TEST(fates(tx) == "0 in: 0 received, 0 displaced, 0 destroyed, 0 there");
  BOOST_TEST(take(rx).id == 1);
  BOOST_TEST(fates(tx) == "1 in: 1 received, 0 displaced, 0 destroyed, 0 there");
  auto received = begin_receive(rx);
  run_ready(context);
  BOOST_TEST(received.id() == 2);
  BOOST_TEST(fates(tx) == "2 in: 2 received, 0 displaced, 0 destroyed, 0 there");
  BOOST_TEST(rx.metrics().most_buffered == 0u);
}

FLAVOUR_TEST_CASE(D7_a_value_on_a_place_that_a_receive_lends_is_counted, without_places) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto received = begin_receive(rx);
  put(tx, 1);
  BOOST_TEST(fates(tx) == "1 in: 0 received, 0 displaced, 0 destroyed, 1 there");
  received.cancel();
  run_ready(context);
  BOOST_TEST(fates(tx) == "1 in: 0 received, 0 displaced, 0 destroyed, 1 there");
  BOOST_TEST(take(rx).id == 1);
  BOOST_TEST(fates(tx) == "1 in: 1 received, 0 displaced, 0 destroyed, 0 there");
  BOOST_TEST(rx.metrics().most_buffered == 1u);
}

FLAVOUR_TEST_CASE(values_that_are_sent_together_are_counted_one_by_one, of_three_places) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  std::vector<message> values;
  for (int i = 1; i != 6; ++i) values.emplace_back(i);
  tx.async_send_all(std::move(values), asio::detached);
  BOOST_TEST(fates(tx) == "3 in: 0 received, 0 displaced, 0 destroyed, 3 there");
  BOOST_TEST(waits(tx) == "1 sends, 0 reservations, 0 receives, 0 woken");
  std::vector<message> out;
  error_code ec;
  BOOST_TEST(rx.try_receive_some(out, 4, ec) == 4u);
  BOOST_TEST(fates(tx) == "5 in: 4 received, 0 displaced, 0 destroyed, 1 there");
}

FLAVOUR_TEST_CASE(P1_a_permit_counts_when_it_is_used, of_one_place) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto place = reserve_now(tx);
  auto second = begin_reserve(tx);
  BOOST_TEST(fates(tx) == "0 in: 0 received, 0 displaced, 0 destroyed, 0 there");
  BOOST_TEST(waits(tx) == "0 sends, 1 reservations, 0 receives, 0 woken");
  BOOST_TEST(!place.send(message(1)));
  BOOST_TEST(fates(tx) == "1 in: 0 received, 0 displaced, 0 destroyed, 1 there");
  BOOST_TEST(take(rx).id == 1);
  run_ready(context);
  BOOST_TEST(second.places() == 1u);
  BOOST_TEST(fates(tx) == "1 in: 1 received, 0 displaced, 0 destroyed, 0 there");
}

FLAVOUR_TEST_CASE(what_force_send_hands_back_is_displaced, of_one_place) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  error_code ec;
  BOOST_TEST(!tx.force_send(message(1), ec).has_value());
  BOOST_TEST(fates(tx) == "1 in: 0 received, 0 displaced, 0 destroyed, 1 there");
  BOOST_TEST(tx.force_send(message(2), ec).value().id() == 1);
  BOOST_TEST(fates(tx) == "2 in: 0 received, 1 displaced, 0 destroyed, 1 there");
  BOOST_TEST(tx.metrics().most_buffered == 1u);
}

FLAVOUR_TEST_CASE(C3_what_goes_with_the_last_receiver_is_destroyed, of_three_places) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto sent = begin_sends(tx, 1, 5);
  BOOST_TEST(take(rx).id == 1);
  rx = {};
  run_ready(context);
  BOOST_TEST(words_of(sent) == "sent sent sent sent closed");
  BOOST_TEST(fates(tx) == "4 in: 1 received, 0 displaced, 3 destroyed, 0 there");
}

FLAVOUR_TEST_CASE(metrics_can_be_had_without_keeping_a_channel_open, buffered) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  const sluice::weak_sender known(tx);
  put(tx, 1);
  tx = {};
  BOOST_TEST(rx.is_closed());
  BOOST_TEST(fates(known) == "1 in: 0 received, 0 displaced, 0 destroyed, 1 there");
  rx = {};
  BOOST_TEST(fates(known) == "1 in: 0 received, 0 displaced, 1 destroyed, 0 there");
  const decltype(known) nothing{};
  BOOST_TEST(fates(nothing) == "0 in: 0 received, 0 displaced, 0 destroyed, 0 there");
}

FLAVOUR_TEST_CASE(the_most_values_are_remembered, without_limit) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  for (int i = 0; i != 5; ++i) put(tx, i);
  for (int i = 0; i != 5; ++i) BOOST_TEST(take(rx).id == i);
  for (int i = 0; i != 3; ++i) put(tx, i);
  BOOST_TEST(rx.metrics().buffered == 3u);
  BOOST_TEST(rx.metrics().most_buffered == 5u);
}

// Batches -----------------------------------------------------------------------------------------

FLAVOUR_TEST_CASE(D8_a_loop_has_received_what_it_has_passed_on, of_three_places) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  for (int i = 1; i != 4; ++i) put(tx, i);
  std::vector<std::string> seen;
  auto loop = begin_for_each(rx, [&, &end = rx, &from = tx](message m) {
    seen.push_back(fates(end));
    // What was passed on has made room.
    if (m.id() == 1) {
      put(from, 4);
      BOOST_TEST(end.metrics().most_buffered == 3u);
    }
    return m.id() != 2;
  });
  run_ready(context);
  BOOST_TEST(loop.succeeded());
  BOOST_TEST_REQUIRE(seen.size() == 2u);
  BOOST_TEST(seen[0] == "3 in: 1 received, 0 displaced, 0 destroyed, 2 there");
  BOOST_TEST(seen[1] == "4 in: 2 received, 0 displaced, 0 destroyed, 2 there");
  BOOST_TEST(fates(rx) == seen[1]);
  BOOST_TEST(drain(rx) == "3 4");
  BOOST_TEST(fates(rx) == "4 in: 4 received, 0 displaced, 0 destroyed, 0 there");
}

FLAVOUR_TEST_CASE(D8_the_most_values_are_without_those_that_were_passed_on, without_limit) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  for (int i = 1; i != 5; ++i) put(tx, i);
  auto loop = begin_for_each(rx, [&, &end = rx, &from = tx](message m) {
    // Three are in the hands of the loop, and with these there are four again, and then five.
    if (m.id() == 1) {
      put(from, 5);
      BOOST_TEST(end.metrics().most_buffered == 4u);
      put(from, 6);
      BOOST_TEST(end.metrics().most_buffered == 5u);
    }
    return m.id() != 6;
  });
  run_ready(context);
  BOOST_TEST(fates(rx) == "6 in: 6 received, 0 displaced, 0 destroyed, 0 there");
}

FLAVOUR_TEST_CASE(D8_a_loop_at_a_pending_send_has_received_its_value, without_places) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto sent = begin_sends(tx, 1, 2);
  std::vector<std::string> seen;
  auto loop = begin_for_each(rx, [&, &end = rx](message) { seen.push_back(fates(end)); });
  run_ready(context);
  BOOST_TEST_REQUIRE(seen.size() == 2u);
  BOOST_TEST(seen[0] == "1 in: 1 received, 0 displaced, 0 destroyed, 0 there");
  BOOST_TEST(seen[1] == "2 in: 2 received, 0 displaced, 0 destroyed, 0 there");
  BOOST_TEST(timed(rx.metrics().times) == 2u);
}

FLAVOUR_TEST_CASE(D8_what_an_allocator_refuses_is_not_received, of_three_places) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  for (int i = 1; i != 4; ++i) put(tx, i);
  int limit = 2;
  std::function<void()> ask = [&] {
    if (limit-- == 0) throw std::bad_alloc();
  };
  asking_vector out{asking_allocator<message>(ask)};
  error_code ec;
  BOOST_TEST(rx.try_receive_some(out, 9, ec) == 2u);
  BOOST_TEST(fates(rx) == "3 in: 2 received, 0 displaced, 0 destroyed, 1 there");
  BOOST_TEST(timed(rx.metrics().times) == 2u);
  limit = 9;
  rx.async_receive_some(out, 9, asio::detached);
  run_ready(context);
  BOOST_TEST(fates(rx) == "3 in: 3 received, 0 displaced, 0 destroyed, 0 there");
  BOOST_TEST(timed(rx.metrics().times) == 3u);
}

FLAVOUR_TEST_CASE(C3_what_a_loop_has_not_passed_on_goes_with_the_last_receiver, of_three_places) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  for (int i = 1; i != 4; ++i) put(tx, i);
  auto loop = begin_for_each(rx, [&, &end = rx, &from = tx](message m) {
    if (m.id() != 2) return;
    end = {};
    BOOST_TEST(fates(from) == "3 in: 2 received, 0 displaced, 1 destroyed, 0 there");
  });
  run_ready(context);
  BOOST_TEST(loop.aborted());
  BOOST_TEST(fates(tx) == "3 in: 2 received, 0 displaced, 1 destroyed, 0 there");
  BOOST_TEST(timed(tx.metrics().times) == 2u);
}

FLAVOUR_TEST_CASE(C3_what_a_batch_passes_on_after_the_last_receiver_is_received, of_three_places) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  for (int i = 1; i != 4; ++i) put(tx, i);
  std::function<void()> ask = [&, &end = rx, &from = tx] {
    if (end) BOOST_TEST(fates(from) == "3 in: 0 received, 0 displaced, 0 destroyed, 3 there");
    end = {};
  };
  asking_vector out{asking_allocator<message>(ask)};
  rx.async_receive_some(out, 9, asio::detached);
  run_ready(context);
  BOOST_TEST(out.size() == 3u);
  BOOST_TEST(fates(tx) == "3 in: 3 received, 0 displaced, 0 destroyed, 0 there");
}

FLAVOUR_TEST_CASE(D8_the_value_of_a_pending_send_in_a_batch_is_there, without_places) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto sent = begin_send(tx, 1);
  std::function<void()> ask = [&, &from = tx] {
    BOOST_TEST(fates(from) == "1 in: 0 received, 0 displaced, 0 destroyed, 1 there");
  };
  asking_vector out{asking_allocator<message>(ask)};
  rx.async_receive_some(out, 9, asio::detached);
  run_ready(context);
  BOOST_TEST(out.size() == 1u);
  BOOST_TEST(fates(tx) == "1 in: 1 received, 0 displaced, 0 destroyed, 0 there");
  BOOST_TEST(tx.metrics().most_buffered == 1u);
}

// Times -------------------------------------------------------------------------------------------

FLAVOUR_TEST_CASE(times_are_those_between_being_accepted_and_received, of_three_places) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  put(tx, 1);
  set_clock::pass(3us);
  put(tx, 2);
  set_clock::pass(5us);
  BOOST_TEST(timed(rx.metrics().times) == 0u);
  BOOST_TEST(take(rx).id == 1);
  BOOST_TEST((total(rx) == 8us));
  auto received = begin_receive(rx);
  set_clock::pass(1us);
  run_ready(context);
  BOOST_TEST((total(rx) == 14us));
  BOOST_TEST((rx.metrics().times.longest == 8us));
  BOOST_TEST(timed(rx.metrics().times) == 2u);
}

FLAVOUR_TEST_CASE(times_begin_when_a_value_is_accepted, of_one_place) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto sent = begin_sends(tx, 1, 2);
  set_clock::pass(10us);
  BOOST_TEST(take(rx).id == 1);
  set_clock::pass(1us);
  BOOST_TEST(take(rx).id == 2);
  BOOST_TEST((total(rx) == 11us));
}

FLAVOUR_TEST_CASE(a_value_that_was_never_in_the_buffer_took_no_time, without_places) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto sent = begin_send(tx, 1);
  set_clock::pass(10us);
  BOOST_TEST(take(rx).id == 1);
  BOOST_TEST(rx.metrics().times.counts[0] == 1u);
  BOOST_TEST((total(rx) == 0us));
}

FLAVOUR_TEST_CASE(what_was_not_received_has_no_time, of_one_place) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  put(tx, 1);
  set_clock::pass(1us);
  error_code ec;
  BOOST_TEST(tx.force_send(message(2), ec).has_value());
  set_clock::pass(1us);
  rx = {};
  BOOST_TEST(timed(tx.metrics().times) == 0u);
  BOOST_TEST((total(tx) == 0us));
}

FLAVOUR_TEST_CASE(D8_the_time_of_a_value_ends_when_a_loop_passes_it_on, without_limit) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  for (int i = 1; i != 5; ++i) put(tx, i);
  auto loop = begin_for_each(rx, [](message m) {
    set_clock::pass(1us);
    return m.id() != 3;
  });
  run_ready(context);
  // The first took no time, the second waited for the first one's, and so on.
  BOOST_TEST((total(rx) == 3us));
  BOOST_TEST((rx.metrics().times.longest == 2us));
  // The fourth came back, and has waited all the time.
  BOOST_TEST(take(rx).id == 4);
  BOOST_TEST((total(rx) == 6us));
  BOOST_TEST(timed(rx.metrics().times) == 4u);
}

FLAVOUR_TEST_CASE(times_are_counted_by_powers_of_two, of_one_place) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  const std::pair<std::chrono::nanoseconds, std::size_t> places[] = {
      {-1us, 0},   {0us, 0},    {999ns, 0}, {1us, 1},     {1999ns, 1},  {2us, 2},
      {3us, 2},    {4us, 3},    {1ms, 10},  {1024us, 11}, {1'000s, 30}, {1'073'741'823us, 30},
      {18min, 31}, {36min, 31}, {20h, 31},
  };
  for (const auto& [time, place] : places) {
    const auto before = rx.metrics().times;
    put(tx, 1);
    set_clock::pass(time);
    BOOST_TEST(take(rx).id == 1);
    const auto after = rx.metrics().times;
    for (std::size_t i = 0; i != after.counts.size(); ++i)
      BOOST_TEST(after.counts[i] - before.counts[i] == (i == place ? 1u : 0u));
  }
  BOOST_TEST((rx.metrics().times.longest == 20h));
}

// Together with others ----------------------------------------------------------------------------

FLAVOUR_TEST_CASE(a_select_may_have_cases_that_are_not_measured, of_one_place) {
  using plain = core::synchronisation<typename decltype(flavour)::threading>;
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto [plain_tx, plain_rx] = sluice::make_channel<int, asio::any_io_executor, plain>(context, 1);
  auto [answer_tx, answer_rx] = sluice::make_oneshot<int, asio::any_io_executor, plain>(context);
  std::optional<std::size_t> happened;
  const auto note = [&](error_code ec, std::size_t which, const auto&) {
    BOOST_TEST(!ec);
    happened = which;
  };

  auto receives = sluice::select(sluice::on_receive(rx), sluice::on_receive(plain_rx),
                                 sluice::on_receive(answer_rx));
  receives.async_wait(note);
  BOOST_TEST(waits(tx) == "0 sends, 0 reservations, 1 receives, 0 woken");
  put(tx, 1);
  run_ready(context);
  BOOST_TEST(happened.value() == 0u);
  BOOST_TEST(fates(tx) == "1 in: 1 received, 0 displaced, 0 destroyed, 0 there");

  put(tx, 2);
  auto sends = sluice::select(sluice::on_receive(plain_rx), sluice::on_send(tx, message(3)));
  sends.async_wait(note);
  BOOST_TEST(waits(tx) == "0 sends, 1 reservations, 0 receives, 0 woken");
  BOOST_TEST(take(rx).id == 2);
  run_ready(context);
  BOOST_TEST(happened.value() == 1u);
  BOOST_TEST(fates(tx) == "3 in: 2 received, 0 displaced, 0 destroyed, 1 there");

  auto tries = sluice::select(sluice::on_receive(rx), sluice::on_receive(plain_rx));
  BOOST_TEST((tries.try_now().has_value()));
  BOOST_TEST(fates(tx) == "3 in: 3 received, 0 displaced, 0 destroyed, 0 there");
}

BOOST_AUTO_TEST_CASE(S4_a_select_that_sends_and_receives_at_a_rendezvous_is_measured) {
  asio::io_context context;
  using policy = measured<sluice::multi_threaded>;
  auto [tx, rx] = sluice::make_channel<message, asio::any_io_executor, policy>(context, 0);
  auto offer = sluice::select(sluice::on_receive(rx), sluice::on_send(tx, message(1)));
  std::optional<std::size_t> happened;
  offer.async_wait([&](error_code, std::size_t which, const auto&) { happened = which; });
  BOOST_TEST(waits(tx) == "0 sends, 1 reservations, 1 receives, 0 woken");
  auto received = begin_receive(rx);
  run_ready(context);
  BOOST_TEST(received.id() == 1);
  BOOST_TEST(happened.value() == 1u);
  BOOST_TEST(fates(tx) == "1 in: 1 received, 0 displaced, 0 destroyed, 0 there");
}

BOOST_AUTO_TEST_CASE(ends_that_block_have_metrics) {
  asio::io_context context;
  auto [tx, rx] =
      sluice::make_channel<message, asio::any_io_executor, sluice::measured<>>(context, 1);
  sluice::sync_sender sends(std::move(tx));
  sluice::sync_receiver receives(std::move(rx));
  sends.send(message(1));
  BOOST_TEST(fates(sends) == "1 in: 0 received, 0 displaced, 0 destroyed, 1 there");
  BOOST_TEST(receives.receive().value().id() == 1);
  BOOST_TEST(fates(receives) == "1 in: 1 received, 0 displaced, 0 destroyed, 0 there");
}

namespace {

/// A policy of a user's.
struct own_threading : sluice::multi_threaded {
  struct mutex {
    void lock() {
      ++locked;
      inner.lock();
    }
    void unlock() { inner.unlock(); }

    sluice::multi_threaded::mutex inner;
  };

  static inline int locked = 0;
};

}  // namespace

BOOST_AUTO_TEST_CASE(a_policy_of_a_users_can_be_measured) {
  asio::io_context context;
  auto [tx, rx] =
      sluice::make_channel<message, asio::any_io_executor, sluice::measured<own_threading>>(context,
                                                                                            1);
  put(tx, 1);
  const int before = own_threading::locked;
  BOOST_TEST(fates(rx) == "1 in: 0 received, 0 displaced, 0 destroyed, 1 there");
  // It is seen at one instant.
  BOOST_TEST(own_threading::locked == before + 1);
}
