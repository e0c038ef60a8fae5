// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE channel_values

// What a channel can carry: values of every kind of type (D1).

#include "support/message.hpp"
#include "support/probe.hpp"

#include <sluice/channel.hpp>

#include <boost/test/unit_test.hpp>

#include <any>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using namespace support;

namespace {

/// Sends values through a channel that buffers one of them, so that the others have to wait, and
/// gives back what was received: one by a receive that waited, the others by some that did not.
template <class T>
std::vector<T> through_a_channel(std::vector<T> values) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<T>(context, 1);
  std::vector<T> result;
  auto begin = [&result, r = &rx] {
    r->async_receive([&result](error_code, std::optional<T> received) {
      if (received) result.push_back(std::move(*received));
    });
  };
  begin();
  for (T& value : values) tx.async_send(std::move(value), send_probe().get_handler());
  for (std::size_t i = 1; i < values.size(); ++i) begin();
  run_ready(context);
  BOOST_TEST(!rx.try_receive().has_value());
  return result;
}

struct alignas(64) over_aligned {
  explicit over_aligned(int value) noexcept : id(value) {}
  over_aligned(over_aligned&& other) noexcept : id(other.id), misplaced(other.misplaced) {
    check();
  }
  over_aligned& operator=(over_aligned&&) = default;

  void check() noexcept {
    if (reinterpret_cast<std::uintptr_t>(this) % 64 != 0) misplaced = true;
  }

  int id;
  bool misplaced = false;
};

struct not_assignable {
  const int id;
};

struct only_copied {
  explicit only_copied(int value) noexcept : id(value) {}
  only_copied(const only_copied& other) noexcept : id(other.id) {}
  only_copied& operator=(const only_copied&) noexcept = default;

  int id;
};

struct hides_its_address {
  void operator&() const = delete;

  int id;
};

/// Can be made from anything, as std::any can, and says from what.
struct greedy {
  template <class Source, class = std::enable_if_t<!std::is_same_v<std::decay_t<Source>, greedy>>>
  greedy(Source&&) noexcept : from_int(std::is_same_v<std::decay_t<Source>, int>) {}
  greedy(const greedy&) noexcept = default;
  greedy(greedy&&) noexcept = default;
  greedy& operator=(const greedy&) noexcept = default;

  bool from_int;
};

struct nothing {};

}  // namespace

BOOST_AUTO_TEST_CASE(D1_values_that_can_only_be_moved_pass) {
  std::vector<std::unique_ptr<int>> values;
  for (int i = 0; i != 3; ++i) values.push_back(std::make_unique<int>(i));
  auto received = through_a_channel(std::move(values));
  BOOST_TEST_REQUIRE(received.size() == 3u);
  for (int i = 0; i != 3; ++i) BOOST_TEST(*received[static_cast<std::size_t>(i)] == i);
}

BOOST_AUTO_TEST_CASE(D1_values_that_are_over_aligned_pass_and_stay_aligned) {
  std::vector<over_aligned> values;
  for (int i = 0; i != 40; ++i) values.emplace_back(i);
  for (const over_aligned& received : through_a_channel(std::move(values)))
    BOOST_TEST(!received.misplaced);

  asio::io_context context;
  auto [tx, rx] = sluice::make_unbounded_channel<over_aligned>(context);
  for (int i = 0; i != 40; ++i) BOOST_TEST(!tx.try_send(over_aligned(i)));
  for (int i = 0; i != 40; ++i) {
    auto received = rx.try_receive();
    BOOST_TEST(received->id == i);
    BOOST_TEST(!received->misplaced);
  }
}

BOOST_AUTO_TEST_CASE(D1_values_that_cannot_be_assigned_pass) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<not_assignable>(context, 1);
  auto sent = begin_send(tx, not_assignable{1});
  auto pending = begin_send(tx, not_assignable{2});
  BOOST_TEST(rx.try_receive()->id == 1);
  BOOST_TEST(rx.try_receive()->id == 2);
}

BOOST_AUTO_TEST_CASE(D1_values_that_can_only_be_copied_pass) {
  auto received = through_a_channel<only_copied>({only_copied(1), only_copied(2)});
  BOOST_TEST_REQUIRE(received.size() == 2u);
  BOOST_TEST(received[0].id == 1);
  BOOST_TEST(received[1].id == 2);
}

BOOST_AUTO_TEST_CASE(D1_values_that_hide_their_address_pass) {
  auto received = through_a_channel<hides_its_address>({{1}, {2}, {3}});
  BOOST_TEST_REQUIRE(received.size() == 3u);
  BOOST_TEST(received[2].id == 3);

  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<hides_its_address>(context, 0);
  hides_its_address lent{4};
  send_probe sent;
  tx.async_send(std::ref(lent), sent.get_handler());
  BOOST_TEST(rx.try_receive()->id == 4);
}

BOOST_AUTO_TEST_CASE(D1_values_that_can_be_made_from_anything_are_not_made_from_the_librarys_own) {
  auto received = through_a_channel<greedy>({greedy(1), greedy(2), greedy(3)});
  BOOST_TEST_REQUIRE(received.size() == 3u);
  for (const greedy& g : received) BOOST_TEST(g.from_int);

  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<greedy>(context, 1);
  BOOST_TEST(!tx.try_send(greedy(1)));
  error_code ec;
  auto displaced = tx.force_send(greedy(1), ec);
  BOOST_TEST(displaced.value().from_int);
  // By reference means by reference, though a value could be made from the reference.
  greedy lent(1);
  send_probe sent;
  tx.async_send(std::ref(lent), sent.get_handler());
  BOOST_TEST(rx.try_receive()->from_int);
  BOOST_TEST(rx.try_receive()->from_int);

  std::vector<std::any> values{1, std::string("two")};
  auto anything = through_a_channel(std::move(values));
  BOOST_TEST(std::any_cast<int>(anything[0]) == 1);
  BOOST_TEST(std::any_cast<std::string>(anything[1]) == "two");
}

BOOST_AUTO_TEST_CASE(D1_values_that_look_like_what_the_library_returns_pass) {
  using maybe = std::optional<int>;
  auto optionals = through_a_channel<maybe>({maybe(1), maybe(), maybe(3)});
  BOOST_TEST_REQUIRE(optionals.size() == 3u);
  BOOST_TEST(optionals[0].value() == 1);
  BOOST_TEST(!optionals[1].has_value());

  auto errors = through_a_channel<error_code>({error_code(), sluice::error::closed});
  BOOST_TEST_REQUIRE(errors.size() == 2u);
  BOOST_TEST(errors[1] == sluice::error::closed);

  int a = 1;
  int b = 2;
  auto references = through_a_channel<std::reference_wrapper<int>>({std::ref(a), std::ref(b)});
  BOOST_TEST_REQUIRE(references.size() == 2u);
  references[1].get() = 3;
  BOOST_TEST(b == 3);
}

BOOST_AUTO_TEST_CASE(D1_values_that_are_nothing_are_counted_all_the_same) {
  BOOST_TEST(through_a_channel<nothing>(std::vector<nothing>(5)).size() == 5u);
  asio::io_context context;
  auto [tx, rx] = sluice::make_unbounded_channel<nothing>(context);
  for (int i = 0; i != 1000; ++i) BOOST_TEST_REQUIRE(!tx.try_send(nothing()));
  int received = 0;
  while (rx.try_receive()) ++received;
  BOOST_TEST(received == 1000);
}

BOOST_AUTO_TEST_CASE(D1_functions_and_handles_pass_as_values) {
  int called = 0;
  for (auto& f : through_a_channel<std::function<void()>>(
           {[&called] { called += 1; }, [&called] { called += 10; }}))
    f();
  BOOST_TEST(called == 11);

  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<message>(context, 1);
  std::vector<sluice::sender<message>> handles{tx, tx};
  for (auto& handle : through_a_channel(std::move(handles))) BOOST_TEST(handle.same_channel(tx));
  BOOST_TEST(tx.sender_count() == 1u);
}
