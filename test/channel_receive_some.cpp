// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE channel_receive_some

// Receives of several messages at once: they wait for one, and append what is there to a vector.

#include "support/flavours.hpp"
#include "support/message.hpp"
#include "support/probe.hpp"

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/test/unit_test.hpp>

#include <cstddef>
#include <functional>
#include <limits>
#include <memory>
#include <memory_resource>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace support;

namespace {

class some_probe : public probe<std::size_t> {
 public:
  /// How many were received.
  std::size_t count() const { return std::get<1>(results()); }

  bool ended() const { return succeeded() && count() == 0; }
};

template <class Receiver, class Vector>
some_probe begin_some(Receiver& rx, Vector& out, std::size_t max) {
  some_probe p;
  rx.async_receive_some(out, max, p.get_handler());
  return p;
}

/// What try_receive_some said.
struct some {
  std::size_t count;
  error_code error;
};

template <class Receiver, class Vector>
some take_some(Receiver& rx, Vector& out, std::size_t max) {
  error_code ec = asio::error::would_block;
  const std::size_t count = rx.try_receive_some(out, max, ec);
  return {count, ec};
}

template <class Vector>
std::string ids_in(const Vector& messages) {
  std::string ids;
  for (const message& m : messages) ids += (ids.empty() ? "" : " ") + std::to_string(m.id());
  return ids;
}

constexpr std::size_t any_number = std::numeric_limits<std::size_t>::max();

// An allocator of messages that can be told to fail, to make room or to construct.
struct workshop {
  int rooms_left = 1000;
  int messages_left = 1000;
  int constructed = 0;
};

template <class T>
class workshop_allocator {
 public:
  using value_type = T;

  explicit workshop_allocator(workshop& place) noexcept : place_(&place) {}
  template <class U>
  workshop_allocator(const workshop_allocator<U>& other) noexcept : place_(&other.place()) {}

  T* allocate(std::size_t n) {
    if (place_->rooms_left-- == 0) throw std::bad_alloc();
    return std::allocator<T>().allocate(n);
  }
  void deallocate(T* p, std::size_t n) noexcept { std::allocator<T>().deallocate(p, n); }

  template <class U, class... Arguments>
  void construct(U* where, Arguments&&... arguments) {
    if (place_->messages_left-- == 0) throw std::runtime_error("the workshop");
    ++place_->constructed;
    ::new (static_cast<void*>(where)) U(std::forward<Arguments>(arguments)...);
  }

  workshop& place() const noexcept { return *place_; }

  friend bool operator==(const workshop_allocator& a, const workshop_allocator& b) noexcept {
    return a.place_ == b.place_;
  }
  friend bool operator!=(const workshop_allocator& a, const workshop_allocator& b) noexcept {
    return a.place_ != b.place_;
  }

 private:
  workshop* place_;
};

using workshop_vector = std::vector<message, workshop_allocator<message>>;

/// One that asks something while it constructs, and then throws.
template <class T>
struct asking_allocator {
  using value_type = T;

  explicit asking_allocator(std::function<void()>* f) noexcept : ask(f) {}
  template <class U>
  asking_allocator(const asking_allocator<U>& other) noexcept : ask(other.ask) {}

  T* allocate(std::size_t n) { return std::allocator<T>().allocate(n); }
  void deallocate(T* p, std::size_t n) noexcept { std::allocator<T>().deallocate(p, n); }

  template <class... Arguments>
  void construct(T*, Arguments&&...) {
    (*ask)();
    throw std::runtime_error("the allocator");
  }

  friend bool operator==(const asking_allocator&, const asking_allocator&) noexcept { return true; }
  friend bool operator!=(const asking_allocator&, const asking_allocator&) noexcept {
    return false;
  }

  std::function<void()>* ask;
};

/// Runs what is ready, and tells how much of it threw.
std::size_t count_thrown(asio::io_context& context) {
  std::size_t thrown = 0;
  for (;;) {
    try {
      run_ready(context);
      return thrown;
    } catch (const std::runtime_error&) {
      ++thrown;
    }
  }
}

}  // namespace

// Without waiting ---------------------------------------------------------------------------------

FLAVOUR_TEST_CASE(D2_try_receive_some_appends_what_is_there, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  std::vector<message> out;
  out.emplace_back(7);
  begin_sends(tx, 1, 5);
  some said = take_some(rx, out, any_number);
  BOOST_TEST(said.count == 5u);
  BOOST_TEST(!said.error);
  BOOST_TEST(ids_in(out) == "7 1 2 3 4 5");
  said = take_some(rx, out, any_number);
  BOOST_TEST(said.count == 0u);
  BOOST_TEST(said.error == sluice::error::empty);
  tx.close();
  BOOST_TEST(take_some(rx, out, any_number).error == sluice::error::closed);
}

FLAVOUR_TEST_CASE(try_receive_some_takes_no_more_than_it_may, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  for (std::size_t room : {0u, 1u, 2u, 3u, 9u}) {
    std::vector<message> out;
    out.reserve(room);
    auto sent = begin_sends(tx, 1, 5);
    BOOST_TEST(take_some(rx, out, 2).count == 2u);
    BOOST_TEST(take_some(rx, out, 0).error == asio::error::invalid_argument);
    BOOST_TEST(take_some(rx, out, 1).count == 1u);
    BOOST_TEST(ids_in(out) == "1 2 3");
    BOOST_TEST(drain(rx) == "4 5");
    run_ready(context);
    BOOST_TEST(words_of(sent) == "sent sent sent sent sent");
  }
}

FLAVOUR_TEST_CASE(C2_try_receive_some_says_the_reason_again_and_again, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  std::vector<message> out;
  begin_sends(tx, 1, static_cast<int>(flavour.accepts(2)));
  tx.close(asio::error::connection_reset);
  BOOST_TEST(take_some(rx, out, 9).count == flavour.accepts(2));
  for (int i = 0; i != 2; ++i) {
    const some said = take_some(rx, out, 9);
    BOOST_TEST(said.count == 0u);
    BOOST_TEST(said.error == asio::error::connection_reset);
  }
}

FLAVOUR_TEST_CASE(K4_try_receive_some_on_an_empty_handle_says_closed, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto moved = std::move(rx);
  std::vector<message> out;
  BOOST_TEST(take_some(rx, out, 9).error == sluice::error::closed);
}

FLAVOUR_TEST_CASE(D5_try_receive_some_leaves_what_is_promised, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  std::vector<message> out;
  auto received = begin_receives(rx, 2);
  begin_sends(tx, 1, 5);
  BOOST_TEST(take_some(rx, out, any_number).count == 3u);
  BOOST_TEST(take_some(rx, out, any_number).error == sluice::error::empty);
  tx = {};
  BOOST_TEST(take_some(rx, out, any_number).error == sluice::error::empty);
  run_ready(context);
  BOOST_TEST(ids_in(out) == "1 2 3");
  BOOST_TEST(words_of(received) == "4 5");
  BOOST_TEST(take_some(rx, out, any_number).error == sluice::error::closed);
}

// With waiting ------------------------------------------------------------------------------------

FLAVOUR_TEST_CASE(D2_a_receive_of_some_takes_what_is_there, flavours) {
  for (std::size_t room : {0u, 1u, 4u, 5u, 9u}) {
    asio::io_context context;
    auto [tx, rx] = flavour.open(context);
    std::vector<message> out;
    out.reserve(room);
    auto sent = begin_sends(tx, 1, 5);
    auto received = begin_some(rx, out, any_number);
    BOOST_TEST(out.empty());
    run_ready(context);
    BOOST_TEST(received.succeeded());
    BOOST_TEST(received.count() == 5u);
    BOOST_TEST(ids_in(out) == "1 2 3 4 5");
    BOOST_TEST(words_of(sent) == "sent sent sent sent sent");
    BOOST_TEST(rx.size() == 0u);
  }
}

FLAVOUR_TEST_CASE(a_receive_of_some_waits_for_one, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  std::vector<message> out;
  auto received = begin_some(rx, out, any_number);
  run_ready(context);
  BOOST_TEST(!received.done());
  begin_send(tx, 1);
  begin_send(tx, 2);
  run_ready(context);
  BOOST_TEST(received.succeeded());
  BOOST_TEST(received.count() == 2u);
  BOOST_TEST(ids_in(out) == "1 2");
  auto next = begin_some(rx, out, any_number);
  run_ready(context);
  BOOST_TEST(!next.done());
}

FLAVOUR_TEST_CASE(a_receive_of_some_takes_no_more_than_it_may, flavours) {
  for (std::size_t room : {0u, 1u, 2u, 9u}) {
    asio::io_context context;
    auto [tx, rx] = flavour.open(context);
    std::vector<message> out;
    out.reserve(room);
    begin_sends(tx, 1, 5);
    auto received = begin_some(rx, out, 2);
    run_ready(context);
    BOOST_TEST(received.count() == 2u);
    BOOST_TEST(ids_in(out) == "1 2");
    BOOST_TEST(drain(rx) == "3 4 5");
  }
}

FLAVOUR_TEST_CASE(K6_a_receive_of_at_most_none_is_bad_input, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  std::vector<message> out;
  begin_send(tx, 1);
  auto received = begin_some(rx, out, 0);
  BOOST_TEST(!received.done());
  run_ready(context);
  BOOST_TEST(received.error() == asio::error::invalid_argument);
  BOOST_TEST(received.count() == 0u);
  BOOST_TEST(drain(rx) == "1");
}

FLAVOUR_TEST_CASE(C2_receives_of_some_end_with_the_stream_or_the_reason, flavours) {
  for (error_code reason : {error_code(), error_code(asio::error::connection_reset)}) {
    asio::io_context context;
    auto [tx, rx] = flavour.open(context);
    std::vector<message> out;
    auto waiting = begin_some(rx, out, 9);
    run_ready(context);
    tx.close(reason);
    auto late = begin_some(rx, out, 9);
    run_ready(context);
    BOOST_TEST(waiting.error() == reason);
    BOOST_TEST(late.error() == reason);
    BOOST_TEST(waiting.count() + late.count() == 0u);
    BOOST_TEST(out.capacity() == 0u);
  }
}

FLAVOUR_TEST_CASE(C4_a_receive_of_some_takes_the_last_ones_before_the_end, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  std::vector<message> out;
  begin_sends(tx, 1, 4);
  tx = {};
  auto first = begin_some(rx, out, 9);
  run_ready(context);
  auto second = begin_some(rx, out, 9);
  run_ready(context);
  BOOST_TEST(first.count() == 4u);
  BOOST_TEST(second.ended());
}

FLAVOUR_TEST_CASE(K4_a_receive_of_some_on_an_empty_handle_says_closed, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto moved = std::move(rx);
  std::vector<message> out;
  auto received = begin_some(rx, out, 9);
  run_ready(context);
  BOOST_TEST(received.error() == sluice::error::closed);
}

FLAVOUR_TEST_CASE(D3_a_cancelled_receive_of_some_has_taken_nothing, flavours) {
  for (auto type : {asio::cancellation_type::terminal, asio::cancellation_type::partial,
                    asio::cancellation_type::total}) {
    asio::io_context context;
    auto [tx, rx] = flavour.open(context);
    std::vector<message> out;
    auto waited = begin_some(rx, out, 9);
    begin_sends(tx, 1, 3);
    auto ready = begin_some(rx, out, 9);
    waited.cancel(type);
    ready.cancel(type);
    run_ready(context);
    BOOST_TEST(waited.aborted());
    BOOST_TEST(ready.aborted());
    BOOST_TEST(waited.count() == 0u);
    BOOST_TEST(out.empty());
    BOOST_TEST(out.capacity() == 0u);
    BOOST_TEST(drain(rx) == "1 2 3");
  }
}

FLAVOUR_TEST_CASE(K4_cancel_and_the_last_receiver_end_receives_of_some, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  std::vector<message> out;
  auto cancelled = begin_some(rx, out, 9);
  rx.cancel();
  auto left = begin_some(rx, out, 9);
  rx = {};
  run_ready(context);
  BOOST_TEST(cancelled.aborted());
  BOOST_TEST(left.aborted());
}

FLAVOUR_TEST_CASE(K9_a_receive_of_some_that_starts_without_a_receiver_is_cancelled, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  std::vector<message> out;
  auto begin = rx.async_receive_some(out, 9, asio::deferred);
  rx = {};
  some_probe received;
  std::move(begin)(received.get_handler());
  run_ready(context);
  BOOST_TEST(received.aborted());
}

FLAVOUR_TEST_CASE(K5_a_receive_of_some_goes_with_its_context, flavours) {
  asio::io_context sending;
  auto [tx, made] = flavour.open(sending);
  std::vector<message> out;
  std::vector<some_probe> received;
  {
    asio::io_context context;
    auto rx = made.with_executor(context.get_executor());
    received.push_back(begin_some(rx, out, 9));
    received.push_back(begin_some(rx, out, 9));
    run_ready(context);
    begin_send(tx, 1);
  }
  for (auto& r : received) BOOST_TEST(r.dropped());
  BOOST_TEST(drain(made) == "1");
}

// Promises ----------------------------------------------------------------------------------------

FLAVOUR_TEST_CASE(D5_a_receive_of_some_leaves_what_others_are_promised, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  std::vector<message> out;
  auto some_first = begin_some(rx, out, any_number);
  auto others = begin_receives(rx, 2);
  begin_sends(tx, 1, 5);
  run_ready(context);
  BOOST_TEST(some_first.count() == 3u);
  BOOST_TEST(ids_in(out) == "1 2 3");
  BOOST_TEST(words_of(others) == "4 5");
}

FLAVOUR_TEST_CASE(D5_a_receive_of_some_that_grows_leaves_what_others_are_promised, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  std::vector<message> out;
  out.reserve(1);
  auto some_first = begin_some(rx, out, any_number);
  auto other = begin_receive(rx);
  begin_sends(tx, 1, 4);
  run_ready(context);
  BOOST_TEST(some_first.count() == 3u);
  BOOST_TEST(other.id() == 4);
}

FLAVOUR_TEST_CASE(D5_of_too_few_the_first_to_come_takes_one, limited_flavours) {
  // Everybody is promised one, and then pending sends come to nothing.
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  const int places = static_cast<int>(flavour.capacity);
  auto sent = begin_sends(tx, 1, places + 2);
  std::vector<message> outs[2];
  auto early = begin_receives(rx, places);
  std::vector<some_probe> received{begin_some(rx, outs[0], 9), begin_some(rx, outs[1], 9)};
  sent.back().cancel();
  run_ready(context);
  BOOST_TEST(received[0].count() == 1u);
  BOOST_TEST(ids_in(outs[0]) == std::to_string(places + 1));
  BOOST_TEST(!received[1].done());
  begin_send(tx, 20);
  run_ready(context);
  BOOST_TEST(ids_in(outs[1]) == "20");
}

FLAVOUR_TEST_CASE(D5_a_receive_of_some_that_finds_nothing_waits_on, rendezvous_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  std::vector<message> out;
  auto first = begin_some(rx, out, 9);
  auto second = begin_receive(rx);
  begin_send(tx, 1).cancel();
  run_ready(context);
  BOOST_TEST(!first.done());
  begin_send(tx, 2);
  run_ready(context);
  BOOST_TEST(ids_in(out) == "2");
  BOOST_TEST(!second.done());
}

FLAVOUR_TEST_CASE(D7_a_receive_of_some_lends_a_place, rendezvous_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  std::vector<message> out;
  auto received = begin_some(rx, out, 9);
  BOOST_TEST(!tx.try_send(message(1)));
  BOOST_TEST(tx.try_send(message(2)) == sluice::error::full);
  run_ready(context);
  BOOST_TEST(ids_in(out) == "1");
  BOOST_TEST(received.count() == 1u);
}

// No memory ---------------------------------------------------------------------------------------

FLAVOUR_TEST_CASE(K6_a_vector_that_cannot_grow_takes_nothing, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  workshop place;
  workshop_vector out{workshop_allocator<message>(place)};
  place.rooms_left = 0;
  begin_sends(tx, 1, 3);
  const some said = take_some(rx, out, 9);
  BOOST_TEST(said.count == 0u);
  BOOST_TEST(said.error == asio::error::no_memory);
  place.rooms_left = 0;
  auto received = begin_some(rx, out, 9);
  run_ready(context);
  BOOST_TEST(received.error() == asio::error::no_memory);
  BOOST_TEST(received.count() == 0u);
  BOOST_TEST(out.empty());
  BOOST_TEST(drain(rx) == "1 2 3");
}

FLAVOUR_TEST_CASE(D6_a_receive_of_some_without_memory_passes_its_promise_on, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  workshop place;
  workshop_vector out{workshop_allocator<message>(place)};
  place.rooms_left = 0;
  auto failed = begin_some(rx, out, 9);
  auto next = begin_receive(rx);
  begin_send(tx, 1);
  run_ready(context);
  BOOST_TEST(failed.error() == asio::error::no_memory);
  BOOST_TEST(next.id() == 1);
}

FLAVOUR_TEST_CASE(K6_a_vector_that_cannot_grow_still_sees_the_end_and_a_cancellation, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  workshop place;
  workshop_vector out{workshop_allocator<message>(place)};
  place.rooms_left = 0;
  auto cancelled = begin_some(rx, out, 9);
  rx.cancel();
  run_ready(context);
  BOOST_TEST(cancelled.aborted());
  auto waiting = begin_some(rx, out, 9);
  tx.close();
  run_ready(context);
  BOOST_TEST(waiting.ended());
  BOOST_TEST(take_some(rx, out, 9).error == sluice::error::closed);
}

// Other vectors -----------------------------------------------------------------------------------

FLAVOUR_TEST_CASE(an_allocator_of_ones_own_constructs_the_messages, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  workshop place;
  workshop_vector out{workshop_allocator<message>(place)};
  out.reserve(10);
  begin_sends(tx, 1, 4);
  tx = {};
  while (take_some(rx, out, 2).count != 0) continue;
  BOOST_TEST(ids_in(out) == "1 2 3 4");
  BOOST_TEST(place.constructed == 4);
}

FLAVOUR_TEST_CASE(an_allocator_of_ones_own_constructs_what_is_waited_for, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  workshop place;
  workshop_vector out{workshop_allocator<message>(place)};
  out.reserve(10);
  auto first = begin_some(rx, out, 9);
  run_ready(context);
  BOOST_TEST(!first.done());
  auto sent = begin_sends(tx, 1, 4);
  run_ready(context);
  BOOST_TEST(first.succeeded());
  BOOST_TEST(first.count() >= 1u);
  BOOST_TEST(take_some(rx, out, 9).error != sluice::error::closed);
  while (take_some(rx, out, 9).count != 0) continue;
  BOOST_TEST(ids_in(out) == "1 2 3 4");
  run_ready(context);
  BOOST_TEST(words_of(sent) == "sent sent sent sent");
}

FLAVOUR_TEST_CASE(D8_what_an_allocator_does_not_construct_is_first_again, flavours) {
  for (bool waits : {false, true}) {
    for (int constructed : {0, 1, 2}) {
      asio::io_context context;
      auto [tx, rx] = flavour.open(context);
      workshop place;
      workshop_vector out{workshop_allocator<message>(place)};
      out.reserve(10);
      place.messages_left = constructed;
      begin_sends(tx, 1, 5);
      std::size_t thrown = 0;
      some_probe received;
      std::size_t rounds = 0;
      // Who gets fewer than there are may try again, until the allocator fails.
      while (thrown == 0 && ++rounds != 10) {
        if (waits) {
          received = begin_some(rx, out, 9);
          thrown = count_thrown(context);
        } else {
          try {
            take_some(rx, out, 9);
          } catch (const std::runtime_error&) {
            ++thrown;
          }
        }
        if (place.messages_left < 0) place.messages_left = 0;
      }
      BOOST_TEST(thrown == 1u);
      BOOST_TEST((!waits || received.dropped()));
      BOOST_TEST(static_cast<int>(out.size()) == constructed);
      const std::string all = "1 2 3 4 5";
      BOOST_TEST(ids_in(out) == (constructed == 0 ? "" : all.substr(0, 2u * out.size() - 1)));
      BOOST_TEST(drain(rx) == all.substr(2u * out.size()));
    }
  }
}

FLAVOUR_TEST_CASE(D6_an_allocator_that_throws_wakes_who_waits, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  workshop place;
  workshop_vector out{workshop_allocator<message>(place)};
  out.reserve(10);
  place.messages_left = 0;
  auto failed = begin_some(rx, out, 9);
  auto next = begin_receive(rx);
  begin_send(tx, 1);
  BOOST_TEST(count_thrown(context) == 1u);
  BOOST_TEST(failed.dropped());
  BOOST_TEST(next.id() == 1);
}

FLAVOUR_TEST_CASE(C4_what_an_allocator_has_in_hand_keeps_the_channel_from_ending, flavours) {
  // While the only message is being constructed another receiver asks for the end.
  asio::io_context context;
  auto [tx, rx] = flavour.template open<std::shared_ptr<int>>(context);
  std::function<void()> ask;
  for (bool waits : {true, false}) {
    std::vector<std::shared_ptr<int>, asking_allocator<std::shared_ptr<int>>> out(
        asking_allocator<std::shared_ptr<int>>{&ask});
    out.reserve(4);
    receive_probe<std::shared_ptr<int>> other;
    error_code said;
    ask = [&, r = &rx] {
      other = begin_receive(*r);
      static_cast<void>(r->try_receive(said));
    };
    if (waits) rx.async_receive_some(out, 9, [](error_code, std::size_t) {});
    tx.async_send(std::make_shared<int>(1), [](error_code) {});
    if (!waits) tx = {};
    if (waits) {
      BOOST_TEST(count_thrown(context) == 1u);
    } else {
      error_code ec;
      BOOST_CHECK_THROW(rx.try_receive_some(out, 9, ec), std::runtime_error);
    }
    BOOST_TEST(said == sluice::error::empty);
    run_ready(context);
    BOOST_TEST_REQUIRE(other.succeeded());
    BOOST_TEST_REQUIRE(!other.ended());
    BOOST_TEST(*other.value() == 1);
  }
}

FLAVOUR_TEST_CASE(a_vector_may_have_a_memory_resource, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.template open<std::pmr::string>(context);
  std::pmr::monotonic_buffer_resource memory;
  std::pmr::vector<std::pmr::string> out(&memory);
  const std::string text = "a text that is too long to be in the string itself";
  for (int i = 0; i != 3; ++i) tx.async_send(std::pmr::string(text), [](error_code) {});
  std::size_t count = 0;
  for (int rounds = 0; rounds != 3 && count != 3; ++rounds) {
    rx.async_receive_some(out, 9, [&](error_code, std::size_t n) { count += n; });
    run_ready(context);
  }
  BOOST_TEST(count == 3u);
  BOOST_TEST_REQUIRE(out.size() == 3u);
  for (const auto& received : out) {
    BOOST_TEST(std::string(received) == text);
    BOOST_TEST(received.get_allocator().resource() == &memory);
  }
}

FLAVOUR_TEST_CASE(a_vector_of_bool_will_do, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.template open<bool>(context);
  std::vector<bool> out;
  std::vector<bool> expected;
  for (int i = 0; i != 100; ++i) {
    expected.push_back(i % 3 == 0);
    tx.async_send(i % 3 == 0, [](error_code) {});
  }
  auto received = begin_some(rx, out, any_number);
  run_ready(context);
  BOOST_TEST(received.count() == 100u);
  BOOST_TEST((out == expected));
}

BOOST_AUTO_TEST_CASE(a_batch_of_an_allocator_of_ones_own_has_a_limit) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_unbounded_channel<message>(context);
  workshop place;
  place.messages_left = place.rooms_left = 100'000;
  workshop_vector out{workshop_allocator<message>(place)};
  begin_sends(tx, 0, 1000);
  std::size_t last = 1;
  for (std::size_t n = 1; n != 0; n = take_some(rx, out, any_number).count) {
    BOOST_TEST(n <= 64u);
    last = n;
  }
  BOOST_TEST(last != 0u);
  BOOST_TEST_REQUIRE(out.size() == 1000u);
  for (int i = 0; i != 1000; ++i) BOOST_TEST(out[static_cast<std::size_t>(i)].id() == i);
}

BOOST_AUTO_TEST_CASE(a_vector_grows_by_more_than_it_has_to) {
  // Small batches into one vector do not copy all of it again and again.
  asio::io_context context;
  auto [tx, rx] = sluice::make_unbounded_channel<message>(context);
  std::vector<message> out;
  std::size_t growths = 0;
  for (int i = 0; i != 1000; ++i) {
    begin_send(tx, i);
    const std::size_t before = out.capacity();
    take_some(rx, out, any_number);
    growths += out.capacity() != before;
  }
  BOOST_TEST(out.size() == 1000u);
  BOOST_TEST(growths <= 11u);
}

BOOST_AUTO_TEST_CASE(K2_the_messages_are_taken_on_the_executor_of_the_handler) {
  asio::io_context context;
  asio::io_context other;
  auto [tx, rx] = sluice::make_channel<message>(context, 3);
  std::vector<message> out;
  some_probe received;
  rx.async_receive_some(out, 9, asio::bind_executor(other, received.get_handler()));
  begin_sends(tx, 1, 3);
  run_ready(context);
  BOOST_TEST(rx.size() == 3u);
  run_ready(other);
  BOOST_TEST(received.count() == 3u);
}
