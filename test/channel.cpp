// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE channel

// What <sluice/channel.hpp> offers: its types, making channels, and what can be asked of them.
// Handles, and the rules of sending, receiving and closing, have files of their own.

#include <sluice/channel.hpp>

#include "support/flavours.hpp"
#include "support/message.hpp"
#include "support/probe.hpp"

#include <boost/asio/strand.hpp>
#include <boost/asio/system_executor.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/test/unit_test.hpp>

#include <limits>
#include <string>
#include <type_traits>
#include <utility>

using namespace support;

namespace {

using io_executor = asio::io_context::executor_type;

// The types, which a program may rely on.
template <class Handle>
constexpr bool is_a_handle =
    std::is_default_constructible_v<Handle> && std::is_copy_constructible_v<Handle> &&
    std::is_copy_assignable_v<Handle> && std::is_nothrow_move_constructible_v<Handle> &&
    std::is_nothrow_move_assignable_v<Handle> && std::is_nothrow_swappable_v<Handle> &&
    std::is_nothrow_destructible_v<Handle>;

static_assert(is_a_handle<sluice::sender<int>>);
static_assert(is_a_handle<sluice::receiver<int>>);
static_assert(is_a_handle<sluice::weak_sender<int>>);
static_assert(is_a_handle<sluice::sender<int, io_executor, sluice::single_threaded>>);
static_assert(is_a_handle<sluice::receiver<int, io_executor, sluice::single_threaded>>);

static_assert(std::is_same_v<sluice::sender<int>,
                             sluice::sender<int, asio::any_io_executor, sluice::multi_threaded>>);
static_assert(std::is_same_v<sluice::sender<int>::executor_type, asio::any_io_executor>);
static_assert(std::is_same_v<sluice::receiver<int>::executor_type, asio::any_io_executor>);
static_assert(std::is_same_v<sluice::sender<int>::rebind_executor<io_executor>::other,
                             sluice::sender<int, io_executor>>);
static_assert(std::is_same_v<sluice::receiver<int>::rebind_executor<io_executor>::other,
                             sluice::receiver<int, io_executor>>);
static_assert(std::is_same_v<sluice::weak_sender<int>::rebind_executor<io_executor>::other,
                             sluice::weak_sender<int, io_executor>>);

// A handle converts to one whose executor can be made of its own, and to no other.
static_assert(std::is_convertible_v<sluice::sender<int, io_executor>, sluice::sender<int>>);
static_assert(std::is_convertible_v<sluice::receiver<int, io_executor>, sluice::receiver<int>>);
static_assert(!std::is_constructible_v<sluice::sender<int, io_executor>, sluice::sender<int>>);
static_assert(!std::is_constructible_v<sluice::receiver<int, io_executor>, sluice::receiver<int>>);
static_assert(
    !std::is_constructible_v<sluice::sender<int>,
                             sluice::sender<int, asio::any_io_executor, sluice::single_threaded>>);
static_assert(!std::is_constructible_v<sluice::sender<int>, sluice::receiver<int>>);
static_assert(!std::is_convertible_v<sluice::sender<int>, bool>);

static_assert(
    std::is_same_v<decltype(sluice::make_channel<int>(std::declval<asio::io_context&>(), 1)),
                   std::pair<sluice::sender<int>, sluice::receiver<int>>>);
static_assert(
    std::is_same_v<decltype(sluice::make_unbounded_channel<int>(std::declval<asio::io_context&>())),
                   std::pair<sluice::sender<int>, sluice::receiver<int>>>);

}  // namespace

// Making channels ---------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_channel_is_made_for_a_context_or_an_executor) {
  asio::io_context context;
  asio::thread_pool pool(1);

  auto by_context = sluice::make_channel<int>(context, 1);
  BOOST_TEST((by_context.first.get_executor() == context.get_executor()));
  BOOST_TEST((by_context.second.get_executor() == context.get_executor()));

  auto by_executor = sluice::make_channel<int>(context.get_executor(), 1);
  BOOST_TEST((by_executor.first.get_executor() == context.get_executor()));

  auto by_pool = sluice::make_unbounded_channel<int>(pool);
  BOOST_TEST((by_pool.second.get_executor() == pool.get_executor()));

  auto strand = asio::make_strand(pool);
  auto by_strand = sluice::make_unbounded_channel<int>(strand);
  BOOST_TEST((by_strand.second.get_executor() == strand));

  asio::any_io_executor any = pool.get_executor();
  auto by_any = sluice::make_channel<int>(any, 1);
  BOOST_TEST((by_any.second.get_executor() == pool.get_executor()));

  auto by_system = sluice::make_channel<int>(asio::system_executor(), 1);
  BOOST_TEST((by_system.first.get_executor() == asio::any_io_executor(asio::system_executor())));
}

BOOST_AUTO_TEST_CASE(a_channel_is_made_for_a_named_executor) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int, io_executor>(context, 1);
  static_assert(std::is_same_v<decltype(tx), sluice::sender<int, io_executor>>);
  static_assert(std::is_same_v<decltype(rx), sluice::receiver<int, io_executor>>);
  BOOST_TEST((rx.get_executor() == context.get_executor()));

  auto [tx2, rx2] = sluice::make_unbounded_channel<int, io_executor, sluice::single_threaded>(
      context.get_executor());
  static_assert(
      std::is_same_v<decltype(tx2), sluice::sender<int, io_executor, sluice::single_threaded>>);
  BOOST_TEST((tx2.get_executor() == context.get_executor()));
  BOOST_TEST(tx2.same_channel(rx2));
}

// What can be asked -------------------------------------------------------------------------------

FLAVOUR_TEST_CASE(a_new_channel_is_open_and_empty, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  BOOST_TEST(tx.capacity() == flavour.capacity);
  BOOST_TEST(rx.capacity() == flavour.capacity);
  BOOST_TEST(tx.size() == 0u);
  BOOST_TEST(tx.empty());
  BOOST_TEST(!tx.is_closed());
  BOOST_TEST(!rx.is_closed());
  BOOST_TEST(tx.full() == flavour.is_rendezvous());
  BOOST_TEST(rx.full() == flavour.is_rendezvous());
  BOOST_TEST(tx.sender_count() == 1u);
  BOOST_TEST(tx.receiver_count() == 1u);
}

BOOST_AUTO_TEST_CASE(the_capacity_of_an_unbounded_channel_is_the_largest_size) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_unbounded_channel<int>(context);
  BOOST_TEST(tx.capacity() == std::numeric_limits<std::size_t>::max());
  BOOST_TEST(rx.capacity() == std::numeric_limits<std::size_t>::max());
}

BOOST_AUTO_TEST_CASE(the_capacity_is_exact) {
  asio::io_context context;
  for (std::size_t capacity = 1; capacity != 100; ++capacity) {
    auto [tx, rx] = sluice::make_channel<message>(context, capacity);
    std::size_t accepted = 0;
    while (!tx.try_send(message(0))) ++accepted;
    BOOST_TEST(accepted == capacity);
    BOOST_TEST(rx.size() == capacity);
  }
}

BOOST_AUTO_TEST_CASE(a_large_capacity_costs_nothing_until_it_is_used) {
  asio::io_context context;
  const std::size_t capacity = std::numeric_limits<std::size_t>::max() - 1;
  auto [tx, rx] = sluice::make_channel<message>(context, capacity);
  BOOST_TEST(tx.capacity() == capacity);
  for (int i = 0; i != 3; ++i) BOOST_TEST(!tx.try_send(message(i)));
  BOOST_TEST(!tx.full());
  BOOST_TEST(drain(rx) == "0 1 2");
}

FLAVOUR_TEST_CASE(the_size_counts_accepted_values_and_not_pending_sends, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  for (int sends = 1; sends != 6; ++sends) {
    begin_send(tx, sends);
    const std::size_t accepted = flavour.accepts(static_cast<std::size_t>(sends));
    BOOST_TEST(tx.size() == accepted);
    BOOST_TEST(rx.size() == accepted);
    BOOST_TEST(rx.empty() == (accepted == 0));
  }
  BOOST_TEST(drain(rx) == "1 2 3 4 5");
  BOOST_TEST(rx.empty());
}

FLAVOUR_TEST_CASE(full_means_that_try_send_would_say_full, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  // Whatever the channel goes through, full() and try_send() agree.
  for (int step = 0; step != 40; ++step) {
    const bool was_full = tx.full();
    error_code ec = tx.try_send(message(step));
    BOOST_TEST(was_full == (ec == sluice::error::full));
    if (step % 5 == 2) begin_receive(rx);
    if (step % 7 == 3) begin_send(tx, 1000 + step).cancel();
    if (step % 4 == 1) (void)rx.try_receive();
    if (step % 6 == 5) rx.cancel();
    if (step % 3 == 0) run_ready(context);
  }
  tx.close();
  BOOST_TEST(!tx.full());
  BOOST_TEST(tx.try_send(message(0)) == sluice::error::closed);
}

FLAVOUR_TEST_CASE(try_receive_says_empty_or_closed_or_nothing_at_all, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  BOOST_TEST(take(rx).error == sluice::error::empty);
  BOOST_TEST(!rx.try_receive().has_value());
  begin_send(tx, 1);
  auto received = take(rx);
  BOOST_TEST(received.id == 1);
  // An earlier error is not left standing.
  BOOST_TEST(!received.error);
  tx.close();
  BOOST_TEST(take(rx).error == sluice::error::closed);
  BOOST_TEST(!rx.try_receive().has_value());
}

BOOST_AUTO_TEST_CASE(try_send_takes_a_copy_of_what_it_may_not_move) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<std::string>(context, 1);
  const std::string constant = "constant";
  BOOST_TEST(!tx.try_send(constant));
  std::string lvalue = "lvalue";
  BOOST_TEST(tx.try_send(lvalue) == sluice::error::full);
  BOOST_TEST(rx.try_receive().value() == "constant");
  BOOST_TEST(!tx.try_send(lvalue));
  BOOST_TEST(lvalue == "lvalue");
  BOOST_TEST(rx.try_receive().value() == "lvalue");
  BOOST_TEST(!tx.try_send("literal"));
  BOOST_TEST(rx.try_receive().value() == "literal");
}
