// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE sync_receiver

// The receiving end for plain threads. How it waits is tested with the token; see sync_wait.cpp.

#include "support/flavours.hpp"
#include "support/message.hpp"
#include "support/probe.hpp"
#include "support/telling_clock.hpp"

#include <sluice/sync_receiver.hpp>
#include <sluice/sync_sender.hpp>

#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/system_error.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <iterator>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using namespace support;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using sluice::error_code;
using sluice::sync_receiver;

namespace {

template <class Call>
error_code thrown_by(Call call) {
  try {
    static_cast<void>(call());
  } catch (const boost::system::system_error& e) {
    return e.code();
  }
  return error_code();
}

const auto past = std::chrono::system_clock::now() - 1h;

}  // namespace

static_assert(std::is_copy_constructible_v<sync_receiver<int>>);
static_assert(std::is_nothrow_move_constructible_v<sync_receiver<int>>);
static_assert(std::is_nothrow_move_assignable_v<sync_receiver<message>>);

BOOST_AUTO_TEST_CASE(it_is_made_from_a_receiver_and_becomes_one) {
  asio::io_context context;
  auto channel = sluice::make_channel<int, asio::io_context::executor_type>(context, 4);
  auto& [tx, rx] = channel;
  sync_receiver blocking(rx);
  BOOST_TEST(tx.receiver_count() == 2u);
  sync_receiver<int> erased(rx);
  BOOST_TEST(tx.receiver_count() == 3u);
  sync_receiver copy = blocking;
  BOOST_TEST(tx.receiver_count() == 4u);
  BOOST_TEST(blocking.same_channel(copy));
  BOOST_TEST(blocking.same_channel(rx));
  BOOST_TEST(blocking.same_channel(tx));
  BOOST_TEST((blocking.get_executor() == context.get_executor()));

  sluice::receiver<int, asio::io_context::executor_type> back = std::move(blocking);
  BOOST_TEST(!blocking);
  BOOST_TEST(tx.receiver_count() == 4u);
  back = copy;
  BOOST_TEST(tx.receiver_count() == 4u);
  BOOST_TEST(!tx.try_send(1));
  BOOST_TEST(back.try_receive().value() == 1);
  rx = {};
  back = {};
  copy = {};
  erased = {};
  BOOST_TEST(tx.is_closed());
}

BOOST_AUTO_TEST_CASE(it_tells_what_the_channel_is_like) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 2);
  sync_receiver blocking(std::move(rx));
  BOOST_TEST(!tx.try_send(1));
  BOOST_TEST(blocking.capacity() == 2u);
  BOOST_TEST(blocking.size() == 1u);
  BOOST_TEST(!blocking.empty());
  BOOST_TEST(!blocking.full());
  BOOST_TEST(blocking.sender_count() == 1u);
  BOOST_TEST(blocking.receiver_count() == 1u);
  BOOST_TEST(!blocking.is_closed());
  blocking.close();
  BOOST_TEST(blocking.is_closed());
  BOOST_TEST(blocking.try_receive().value() == 1);
  error_code ec;
  BOOST_TEST(!blocking.try_receive(ec));
  BOOST_TEST(ec == sluice::error::closed);
}

FLAVOUR_TEST_CASE(every_form_receives, threaded_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  sync_receiver receiving(std::move(rx));
  constexpr int forms = 9;
  std::thread other([sending = sluice::sync_sender(std::move(tx))]() mutable {
    for (int id = 0; id != forms; ++id) sending.send(message(id));
  });
  error_code ec = asio::error::would_block;
  BOOST_TEST(receiving.receive().value().id() == 0);
  BOOST_TEST(receiving.receive(ec).value().id() == 1);
  BOOST_TEST(!ec);
  BOOST_TEST(receiving.receive_for(1h).value().id() == 2);
  BOOST_TEST(receiving.receive_for(std::chrono::hours::max(), ec).value().id() == 3);
  const auto later = std::chrono::steady_clock::now() + 1h;
  BOOST_TEST(receiving.receive_until(later).value().id() == 4);
  BOOST_TEST(
      receiving.receive_until(std::chrono::system_clock::time_point::max(), ec).value().id() == 5);
  std::vector<message> some;
  BOOST_TEST(receiving.receive_some(some, 1) == 1u);
  BOOST_TEST(receiving.receive_some(some, 1, ec) == 1u);
  BOOST_TEST(some[0].id() == 6);
  BOOST_TEST(some[1].id() == 7);
  for (message& m : receiving) BOOST_TEST(m.id() == 8);
  other.join();

  // The end of the stream, in every form.
  BOOST_TEST(!receiving.receive());
  BOOST_TEST(!receiving.receive(ec));
  BOOST_TEST(!receiving.receive_for(0s));
  BOOST_TEST(!receiving.receive_for(0s, ec));
  BOOST_TEST(!receiving.receive_until(past));
  BOOST_TEST(!receiving.receive_until(past, ec));
  BOOST_TEST(receiving.receive_some(some, 5, ec) == 0u);
  BOOST_TEST(!ec);
  BOOST_TEST((receiving.begin() == receiving.end()));
}

BOOST_AUTO_TEST_CASE(every_form_reports_errors) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 1);
  sync_receiver receiving(std::move(rx));
  error_code ec;
  BOOST_TEST(thrown_by([&] { return receiving.receive_for(0s); }) == asio::error::timed_out);
  BOOST_TEST(!receiving.receive_for(0s, ec));
  BOOST_TEST(ec == asio::error::timed_out);
  BOOST_TEST(thrown_by([&] { return receiving.receive_until(past); }) == asio::error::timed_out);
  BOOST_TEST(!receiving.receive_until(past, ec));
  BOOST_TEST(ec == asio::error::timed_out);
  std::vector<int> some;
  BOOST_TEST(receiving.receive_some(some, 0, ec) == 0u);
  BOOST_TEST(ec == asio::error::invalid_argument);

  const error_code reason = asio::error::host_not_found;
  tx.close(reason);
  BOOST_TEST(thrown_by([&] { return receiving.receive(); }) == reason);
  BOOST_TEST(!receiving.receive(ec));
  BOOST_TEST(ec == reason);
  BOOST_TEST(thrown_by([&] { return receiving.receive_some(some, 1); }) == reason);
  BOOST_TEST(thrown_by([&] { return *receiving.begin(); }) == reason);
  BOOST_TEST(thrown_by([] { return sync_receiver<int>().receive(); }) == sluice::error::closed);
}

BOOST_AUTO_TEST_CASE(B1_every_form_would_deadlock_on_a_thread_of_the_executor) {
  asio::io_context context;
  auto channel = sluice::make_channel<int>(context, 4);
  sync_receiver receiving(channel.second);
  asio::post(context, [&] {
    const error_code refused = sluice::error::would_deadlock;
    BOOST_TEST(!channel.first.try_send(1));
    std::vector<int> some;
    BOOST_TEST(thrown_by([&] { return receiving.receive(); }) == refused);
    BOOST_TEST(thrown_by([&] { return receiving.receive_for(0s); }) == refused);
    BOOST_TEST(thrown_by([&] { return receiving.receive_until(past); }) == refused);
    BOOST_TEST(thrown_by([&] { return receiving.receive_some(some, 1); }) == refused);
    BOOST_TEST(thrown_by([&] { return *receiving.begin(); }) == refused);
    // What does not block may be done.
    BOOST_TEST(receiving.try_receive().value() == 1);
    // The executor that counts is the one of the handle it was made from.
    asio::io_context another;
    BOOST_TEST(!channel.first.try_send(2));
    sync_receiver elsewhere(
        channel.second.with_executor(asio::any_io_executor(another.get_executor())));
    BOOST_TEST(elsewhere.receive().value() == 2);
  });
  context.run();
}

BOOST_AUTO_TEST_CASE(messages_can_be_taken_out_of_a_range) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<message>(context, 8);
  for (int id = 0; id != 5; ++id) BOOST_TEST(!tx.try_send(message(id)));
  tx = {};
  sync_receiver receiving(std::move(rx));
  std::vector<message> taken;
  auto at = receiving.begin();
  BOOST_TEST(at->id() == 0);
  taken.push_back(*at++);
  for (; at != receiving.end(); ++at) taken.push_back(std::move(*at));
  BOOST_TEST(taken.size() == 5u);
  for (int id = 0; id != 5; ++id) BOOST_TEST(taken[static_cast<std::size_t>(id)].id() == id);
}

BOOST_AUTO_TEST_CASE(a_waiting_thread_can_be_cancelled) {
  telling_clock::reset();
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 1);
  sync_receiver receiving(std::move(rx));
  std::thread other([&receiving] {
    telling_clock::wait_for_waiting();
    receiving.cancel();
  });
  error_code ec;
  BOOST_TEST(!receiving.receive_until(telling_clock::deadline(), ec));
  BOOST_TEST(ec == asio::error::operation_aborted);
  other.join();
  swap(receiving, receiving);
}

BOOST_AUTO_TEST_CASE(B2_an_end_of_nothing_says_closed) {
  sluice::sync_receiver blocking{sluice::receiver<int>()};
  BOOST_TEST(!blocking);
  sluice::error_code ec;
  BOOST_TEST(!blocking.receive(ec));
  BOOST_TEST(ec == sluice::error::closed);
}
