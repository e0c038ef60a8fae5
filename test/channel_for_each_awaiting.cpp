// SPDX-License-Identifier: BSL-1.0
// requires: c++20
#define BOOST_TEST_MODULE channel_for_each_awaiting

// The loop whose function is a coroutine: it takes one message, awaits the function, and goes on.

#include "support/flavours.hpp"
#include "support/message.hpp"
#include "support/probe.hpp"

#include <sluice/channel.hpp>
#include <sluice/use_awaitable.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace support;

namespace {

template <class Receiver, class Function>
send_probe begin_for_each(Receiver& rx, Function f) {
  send_probe p;
  rx.async_for_each(std::move(f), p.get_handler());
  return p;
}

/// A function that waits for a gate before it has done with a message.
class gate {
 public:
  explicit gate(asio::io_context& context)
      : timer_(context, asio::steady_timer::time_point::max()) {}

  asio::awaitable<void> wait() {
    ++waiting_;
    error_code ec;
    co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ec));
    --waiting_;
    // Opened, or cancelled by the coroutine.
    if (!std::exchange(opened_, false)) throw boost::system::system_error(ec);
  }

  void open() {
    opened_ = true;
    timer_.cancel();
  }

  bool has_one_waiting() const { return waiting_ == 1; }

 private:
  asio::steady_timer timer_;
  bool opened_ = false;
  int waiting_ = 0;
};

void note(std::string& seen, const message& m) {
  seen += (seen.empty() ? "" : " ") + std::to_string(m.id());
}

}  // namespace

FLAVOUR_TEST_CASE(D2_each_message_waits_for_the_function_to_be_done_with_the_last, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  gate door(context);
  std::string seen;
  begin_sends(tx, 1, 3);
  tx = {};
  auto loop = begin_for_each(rx, [&](message m) -> asio::awaitable<void> {
    note(seen, m);
    co_await door.wait();
  });
  for (const char* so_far : {"1", "1 2", "1 2 3"}) {
    run_ready(context);
    BOOST_TEST(seen == so_far);
    BOOST_TEST(!loop.done());
    BOOST_TEST(door.has_one_waiting());
    door.open();
  }
  run_ready(context);
  BOOST_TEST(loop.succeeded());
}

FLAVOUR_TEST_CASE(D2_a_function_may_return_an_operation_to_await, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto [in, out] = sluice::make_channel<message>(context, 1);
  begin_sends(tx, 1, 3);
  tx = {};
  auto loop = begin_for_each(rx, [&onward = in](message m) {
    return onward.async_send(std::move(m), sluice::use_awaitable);
  });
  for (int id = 1; id <= 3; ++id) {
    run_ready(context);
    // One is through, the next one waits, and the third has not been taken.
    BOOST_TEST(!loop.done() == (id < 3));
    auto m = out.try_receive();
    BOOST_TEST_REQUIRE(m.has_value());
    BOOST_TEST(m->id() == id);
  }
  run_ready(context);
  BOOST_TEST(loop.succeeded());
}

FLAVOUR_TEST_CASE(D8_what_waits_for_an_awaited_function_is_still_there, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  gate door(context);
  begin_sends(tx, 1, 3);
  auto loop = begin_for_each(rx, [&](message) { return door.wait(); });
  run_ready(context);
  BOOST_TEST(rx.size() == flavour.accepts(2));
  BOOST_TEST(drain(rx) == "2 3");
}

FLAVOUR_TEST_CASE(an_awaited_function_may_say_when_to_stop, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  std::string seen;
  begin_sends(tx, 1, 4);
  auto loop = begin_for_each(rx, [&](message m) -> asio::awaitable<bool> {
    note(seen, m);
    co_await asio::post(context, asio::use_awaitable);
    co_return m.id() != 2;
  });
  run_ready(context);
  BOOST_TEST(loop.succeeded());
  BOOST_TEST(seen == "1 2");
  BOOST_TEST(drain(rx) == "3 4");
}

FLAVOUR_TEST_CASE(C2_a_loop_that_awaits_ends_with_the_reason, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto loop = begin_for_each(rx, [](message) -> asio::awaitable<void> { co_return; });
  run_ready(context);
  tx.close(asio::error::connection_reset);
  run_ready(context);
  BOOST_TEST(loop.error() == asio::error::connection_reset);
}

FLAVOUR_TEST_CASE(K4_a_loop_that_awaits_on_an_empty_handle_says_closed, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto moved = std::move(rx);
  auto loop = begin_for_each(rx, [](message) -> asio::awaitable<void> { co_return; });
  run_ready(context);
  BOOST_TEST(loop.error() == sluice::error::closed);
}

FLAVOUR_TEST_CASE(K4_an_awaited_function_is_cancelled_with_its_loop, flavours) {
  for (auto type : {asio::cancellation_type::terminal, asio::cancellation_type::partial}) {
    asio::io_context context;
    auto [tx, rx] = flavour.open(context);
    gate door(context);
    bool came_back = false;
    begin_sends(tx, 1, 3);
    auto loop = begin_for_each(rx, [&](message) -> asio::awaitable<void> {
      co_await door.wait();
      came_back = true;
    });
    run_ready(context);
    loop.cancel(type);
    run_ready(context);
    BOOST_TEST(loop.aborted());
    BOOST_TEST(!came_back);
    BOOST_TEST(drain(rx) == "2 3");
  }
}

FLAVOUR_TEST_CASE(K4_total_cancellation_reaches_a_loop_that_awaits_before_its_first_message,
                  flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  gate door(context);
  std::string seen;
  auto function = [&](message m) {
    note(seen, m);
    return door.wait();
  };
  auto first = begin_for_each(rx, function);
  run_ready(context);
  first.cancel(asio::cancellation_type::total);
  run_ready(context);
  BOOST_TEST(first.aborted());

  auto second = begin_for_each(rx, function);
  begin_sends(tx, 1, 2);
  run_ready(context);
  second.cancel(asio::cancellation_type::total);
  run_ready(context);
  BOOST_TEST(door.has_one_waiting());
  door.open();
  run_ready(context);
  BOOST_TEST(!second.done());
  BOOST_TEST(seen == "1 2");
  door.open();
  run_ready(context);
  second.cancel(asio::cancellation_type::total);
  run_ready(context);
  BOOST_TEST(!second.done());
  second.cancel(asio::cancellation_type::terminal);
  run_ready(context);
  BOOST_TEST(second.aborted());
}

FLAVOUR_TEST_CASE(K4_a_function_that_hides_its_cancellation_does_not_hide_it_from_the_loop,
                  flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  gate door(context);
  std::string seen;
  begin_sends(tx, 1, 3);
  auto loop = begin_for_each(rx, [&](message m) -> asio::awaitable<void> {
    co_await asio::this_coro::throw_if_cancelled(false);
    note(seen, m);
    try {
      co_await door.wait();
    } catch (const boost::system::system_error&) {
    }
  });
  run_ready(context);
  loop.cancel();
  run_ready(context);
  BOOST_TEST(loop.aborted());
  BOOST_TEST(seen == "1");
  BOOST_TEST(drain(rx) == "2 3");
}

FLAVOUR_TEST_CASE(K4_cancel_and_the_last_receiver_let_an_awaited_function_end, flavours) {
  for (bool goes : {false, true}) {
    asio::io_context context;
    auto [tx, rx] = flavour.open(context);
    gate door(context);
    std::string seen;
    begin_sends(tx, 1, 3);
    auto loop = begin_for_each(rx, [&](message m) -> asio::awaitable<void> {
      co_await door.wait();
      note(seen, m);
    });
    run_ready(context);
    if (goes)
      rx = {};
    else
      rx.cancel();
    run_ready(context);
    BOOST_TEST(!loop.done());
    door.open();
    run_ready(context);
    BOOST_TEST(loop.aborted());
    BOOST_TEST(seen == "1");
    if (!goes) BOOST_TEST(drain(rx) == "2 3");
  }
}

FLAVOUR_TEST_CASE(K4_cancel_ends_a_loop_that_awaits_and_waits_for_a_message, flavours) {
  for (bool has_had_one : {false, true}) {
    asio::io_context context;
    auto [tx, rx] = flavour.open(context);
    if (has_had_one) begin_send(tx, 1);
    auto loop = begin_for_each(rx, [](message) -> asio::awaitable<void> { co_return; });
    run_ready(context);
    rx.cancel();
    run_ready(context);
    BOOST_TEST(loop.aborted());
  }
}

FLAVOUR_TEST_CASE(D6_an_awaited_function_that_throws_ends_its_loop, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  begin_sends(tx, 1, 3);
  auto loop = begin_for_each(rx, [&](message) -> asio::awaitable<void> {
    co_await asio::post(context, asio::use_awaitable);
    throw std::runtime_error("the function");
  });
  BOOST_CHECK_THROW(run_ready(context), std::runtime_error);
  run_ready(context);
  BOOST_TEST(loop.dropped());
  BOOST_TEST(drain(rx) == "2 3");
}

FLAVOUR_TEST_CASE(D6_an_error_that_an_awaited_function_meets_is_not_that_of_the_loop, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  begin_sends(tx, 1, 2);
  auto loop = begin_for_each(rx, [&](message) -> asio::awaitable<void> {
    co_await asio::post(context, asio::use_awaitable);
    throw boost::system::system_error(asio::error::connection_reset);
  });
  BOOST_CHECK_EXCEPTION(run_ready(context), boost::system::system_error, [](const auto& thrown) {
    return thrown.code() == asio::error::connection_reset;
  });
  run_ready(context);
  BOOST_TEST(loop.dropped());
  BOOST_TEST(drain(rx) == "2");
}

FLAVOUR_TEST_CASE(D6_a_function_that_was_aborted_by_somebody_else_throws, flavours) {
  // The same exception as that of a cancellation, but nobody has cancelled the loop.
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  begin_send(tx, 1);
  auto loop = begin_for_each(rx, [&](message) -> asio::awaitable<void> {
    asio::steady_timer timer(context, std::chrono::hours(1));
    asio::post(context, [&] { timer.cancel(); });
    co_await timer.async_wait(asio::use_awaitable);
  });
  BOOST_CHECK_THROW(run_ready(context), boost::system::system_error);
  BOOST_TEST(loop.dropped());
}

FLAVOUR_TEST_CASE(K5_a_loop_that_awaits_goes_with_its_context, flavours) {
  asio::io_context sending;
  ledger kept;
  auto [tx, made] = flavour.open(sending);
  for (int id : {1, 2, 3}) begin_send(tx, message(id, kept));
  send_probe loop;
  {
    asio::io_context context;
    gate door(context);
    auto rx = made.with_executor(context.get_executor());
    loop = begin_for_each(rx, [&door](message m) -> asio::awaitable<void> {
      message own(std::move(m));
      co_await door.wait();
    });
    run_ready(context);
    BOOST_TEST(kept.alive() == 3);
  }
  BOOST_TEST(loop.dropped());
  BOOST_TEST(kept.alive() == 2);
  BOOST_TEST(drain(made) == "2 3");
}

FLAVOUR_TEST_CASE(K2_an_awaited_function_runs_on_the_executor_of_the_handler, flavours) {
  asio::io_context context;
  asio::io_context other;
  auto [tx, rx] = flavour.open(context);
  std::string seen;
  send_probe loop;
  rx.async_for_each(
      [&](message m) -> asio::awaitable<void> {
        note(seen, m);
        co_return;
      },
      asio::bind_executor(other, loop.get_handler()));
  begin_sends(tx, 1, 2);
  run_ready(context);
  BOOST_TEST(seen == "");
  run_ready(other);
  BOOST_TEST(seen == "1 2");
}

FLAVOUR_TEST_CASE(K8_a_loop_that_awaits_and_is_always_busy_does_not_starve_a_timer, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  begin_send(tx, 0);
  auto loop = begin_for_each(rx, [t = &tx](message m) -> asio::awaitable<void> {
    begin_send(*t, m.id());
    co_return;
  });
  asio::steady_timer timer(context, std::chrono::milliseconds(1));
  timer.async_wait([r = &rx](error_code) { r->cancel(); });
  while (!loop.done()) context.run_one();
  BOOST_TEST(loop.aborted());
}

FLAVOUR_TEST_CASE(a_function_that_can_only_be_moved_may_await, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  int sum = 0;
  begin_sends(tx, 1, 3);
  tx = {};
  auto loop =
      begin_for_each(rx, [own = std::make_unique<int*>(&sum)](message m) -> asio::awaitable<void> {
        **own += m.id();
        co_return;
      });
  run_ready(context);
  BOOST_TEST(loop.succeeded());
  BOOST_TEST(sum == 6);
}

// Awaited loops -----------------------------------------------------------------------------------

FLAVOUR_TEST_CASE(a_coroutine_awaits_a_loop, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  begin_sends(tx, 1, 3);
  tx = {};
  int sum = 0;
  bool over = false;
  asio::co_spawn(
      context,
      [&, r = &rx]() -> asio::awaitable<void> {
        co_await r->async_for_each([&](const message& m) { sum += m.id(); }, sluice::use_awaitable);
        over = true;
      },
      asio::detached);
  run_ready(context);
  BOOST_TEST(over);
  BOOST_TEST(sum == 6);
}

FLAVOUR_TEST_CASE(a_coroutine_awaits_a_loop_that_awaits, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  begin_sends(tx, 1, 3);
  tx = {};
  int sum = 0;
  bool over = false;
  asio::co_spawn(
      context,
      [&, r = &rx]() -> asio::awaitable<void> {
        auto add = [&](message m) -> asio::awaitable<void> {
          co_await asio::post(context, asio::use_awaitable);
          sum += m.id();
        };
        co_await r->async_for_each(add, sluice::use_awaitable);
        over = true;
      },
      asio::detached);
  run_ready(context);
  BOOST_TEST(over);
  BOOST_TEST(sum == 6);
}

FLAVOUR_TEST_CASE(a_coroutine_awaits_several_messages, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto sent = begin_sends(tx, 0, 300);
  tx = {};
  std::vector<int> ids;
  bool over = false;
  asio::co_spawn(
      context,
      [&, r = &rx]() -> asio::awaitable<void> {
        std::vector<message> some;
        while (co_await r->async_receive_some(some, 7, sluice::use_awaitable)) {
          BOOST_TEST(some.size() <= 7u);
          for (const message& m : some) ids.push_back(m.id());
          some.clear();
        }
        over = true;
      },
      asio::detached);
  run_ready(context);
  BOOST_TEST(over);
  BOOST_TEST_REQUIRE(ids.size() == 300u);
  for (int i = 0; i != 300; ++i) BOOST_TEST(ids[static_cast<std::size_t>(i)] == i);
}
