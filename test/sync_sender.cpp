// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE sync_sender

// The sending end for plain threads. How it waits is tested with the token; see sync_wait.cpp.

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
#include <string>
#include <thread>
#include <type_traits>
#include <utility>

using namespace support;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using sluice::error_code;
using sluice::sync_sender;

namespace {

template <class Call>
error_code thrown_by(Call call) {
  try {
    call();
  } catch (const boost::system::system_error& e) {
    return e.code();
  }
  return error_code();
}

const auto past = std::chrono::system_clock::now() - 1h;

}  // namespace

static_assert(std::is_copy_constructible_v<sync_sender<int>>);
static_assert(std::is_nothrow_move_constructible_v<sync_sender<int>>);

BOOST_AUTO_TEST_CASE(it_is_made_from_a_sender_and_becomes_one) {
  asio::io_context context;
  auto channel = sluice::make_channel<int, asio::io_context::executor_type>(context, 4);
  auto& [tx, rx] = channel;
  sync_sender blocking(tx);
  sync_sender<int> erased(tx);
  sync_sender copy = blocking;
  BOOST_TEST(rx.sender_count() == 4u);
  BOOST_TEST(blocking.same_channel(erased.same_channel(tx) ? copy : sync_sender(tx)));
  sluice::sender<int, asio::io_context::executor_type> back = std::move(blocking);
  BOOST_TEST(!blocking);
  BOOST_TEST(rx.sender_count() == 4u);
  BOOST_TEST(!back.try_send(1));
  tx = {};
  back = copy;
  back = {};
  copy = {};
  BOOST_TEST(!rx.is_closed());
  // A blocking end keeps the channel open like any other.
  erased = {};
  BOOST_TEST(rx.is_closed());
}

FLAVOUR_TEST_CASE(every_form_sends, threaded_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  std::thread other([sending = sync_sender(std::move(tx))]() mutable {
    error_code ec;
    sending.send(message(0));
    sending.send(message(1), ec);
    if (ec) return;
    sending.send_for(1h, message(2));
    sending.send_for(std::chrono::nanoseconds::max(), message(3), ec);
    if (ec) return;
    sending.send_until(std::chrono::system_clock::now() + 1h, message(4));
    sending.send_until(std::chrono::steady_clock::time_point::max(), message(5), ec);
  });
  int next = 0;
  for (message& m : sluice::sync_receiver(std::move(rx))) BOOST_TEST(m.id() == next++);
  BOOST_TEST(next == 6);
  other.join();
}

BOOST_AUTO_TEST_CASE(values_are_copied_or_moved_as_they_are_passed) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<std::string>(context, 8);
  sync_sender sending(std::move(tx));
  std::string text(40, 'a');
  const std::string constant = text;
  sending.send(text);
  sending.send(constant);
  sending.send("literal");
  sending.send({'b', 'c'});
  BOOST_TEST(text.size() == 40u);
  sending.send(std::move(text));
  BOOST_TEST(text.empty());
  BOOST_TEST(!sending.try_send("tried"));
  for (const std::string& wanted : {constant, constant, std::string("literal"), std::string("bc"),
                                    constant, std::string("tried")})
    BOOST_TEST(rx.try_receive().value() == wanted);
}

BOOST_AUTO_TEST_CASE(every_form_reports_errors_and_leaves_the_value) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<message>(context, 1);
  sync_sender sending(std::move(tx));
  sending.send(message(0));
  message value(1);
  error_code ec;
  BOOST_TEST(sending.try_send(std::move(value)) == sluice::error::full);
  BOOST_TEST(thrown_by([&] { sending.send_for(0s, std::move(value)); }) == asio::error::timed_out);
  sending.send_for(-1h, std::move(value), ec);
  BOOST_TEST(ec == asio::error::timed_out);
  BOOST_TEST(thrown_by([&] { sending.send_until(past, std::move(value)); }) ==
             asio::error::timed_out);
  sending.send_until(past, std::move(value), ec);
  BOOST_TEST(ec == asio::error::timed_out);
  BOOST_TEST(value.id() == 1);

  sending.close();
  BOOST_TEST(thrown_by([&] { sending.send(std::move(value)); }) == sluice::error::closed);
  sending.send(std::move(value), ec);
  BOOST_TEST(ec == sluice::error::closed);
  BOOST_TEST(value.id() == 1);
  BOOST_TEST(thrown_by([] { sync_sender<int>().send(1); }) == sluice::error::closed);
}

BOOST_AUTO_TEST_CASE(B1_every_form_would_deadlock_on_a_thread_of_the_executor) {
  asio::io_context context;
  auto channel = sluice::make_channel<message>(context, 4);
  sync_sender sending(channel.first);
  message value(1);
  asio::post(context, [&] {
    const error_code refused = sluice::error::would_deadlock;
    BOOST_TEST(thrown_by([&] { sending.send(std::move(value)); }) == refused);
    BOOST_TEST(thrown_by([&] { sending.send_for(0s, std::move(value)); }) == refused);
    BOOST_TEST(thrown_by([&] { sending.send_until(past, std::move(value)); }) == refused);
    BOOST_TEST(value.id() == 1);
    BOOST_TEST(!sending.try_send(std::move(value)));
  });
  context.run();
  BOOST_TEST(sending.size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_waiting_thread_can_be_cancelled) {
  telling_clock::reset();
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<message>(context, 0);
  sync_sender sending(std::move(tx));
  std::thread other([&sending] {
    telling_clock::wait_for_waiting();
    sending.cancel();
  });
  message value(1);
  error_code ec;
  sending.send_until(telling_clock::deadline(), std::move(value), ec);
  BOOST_TEST(ec == asio::error::operation_aborted);
  BOOST_TEST(value.id() == 1);
  other.join();
}
