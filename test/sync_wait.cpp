// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE sync_wait

// Threads that block until an operation of a channel is over. Nothing is checked on other threads
// than the main one, since the test framework is not made for that; the others only count.

#include "support/crew.hpp"
#include "support/flavours.hpp"
#include "support/message.hpp"
#include "support/probe.hpp"
#include "support/telling_clock.hpp"

#include <sluice/sync_wait.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/execution.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/require.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/system_executor.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/system/system_error.hpp>
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <thread>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

using namespace support;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using sluice::error_code;
using sluice::sync_wait;

namespace {

/// A token for a thread that tells when it begins to wait, and otherwise waits for ever.
auto telling_wait() {
  return sluice::sync_wait_until(telling_clock::deadline());
}

auto past() {
  return std::chrono::steady_clock::now() - 1h;
}

template <class Receiver, class Token>
std::pair<error_code, int> receive(Receiver& rx, const Token& token) {
  auto [ec, value] = rx.async_receive(asio::as_tuple(token));
  return {ec, value ? value->id() : message::none};
}

template <class Sender, class Token>
error_code send(Sender& tx, message& value, const Token& token) {
  return std::get<0>(tx.async_send(std::ref(value), asio::as_tuple(token)));
}

template <class Sender, class Token>
error_code send(Sender& tx, message&& value, const Token& token) {
  return send(tx, value, token);
}

}  // namespace

// The forms of the result -------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(the_result_is_what_use_future_would_give) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 1);
  static_assert(std::is_same_v<decltype(tx.async_send(1, sync_wait)), void>);
  static_assert(std::is_same_v<decltype(rx.async_receive(sync_wait)), std::optional<int>>);
  static_assert(std::is_same_v<decltype(rx.async_receive(asio::as_tuple(sync_wait))),
                               std::tuple<error_code, std::optional<int>>>);
  error_code ec;
  static_assert(std::is_same_v<decltype(rx.async_receive(asio::redirect_error(sync_wait, ec))),
                               std::optional<int>>);
  tx.async_send(1, sync_wait);
  BOOST_TEST(rx.async_receive(sync_wait).value() == 1);
  tx.close();
  BOOST_TEST(!rx.async_receive(sync_wait));
  try {
    tx.async_send(2, sync_wait);
    BOOST_ERROR("it should have thrown an exception");
  } catch (const boost::system::system_error& e) {
    BOOST_TEST(e.code() == sluice::error::closed);
  }
  ec = asio::error::would_block;
  BOOST_TEST(!rx.async_receive(asio::redirect_error(sync_wait, ec)));
  BOOST_TEST(!ec);
}

BOOST_AUTO_TEST_CASE(handles_that_are_empty_say_closed) {
  sluice::receiver<int> rx;
  sluice::sender<int> tx;
  error_code ec;
  static_cast<void>(rx.async_receive(asio::redirect_error(sync_wait, ec)));
  BOOST_TEST(ec == sluice::error::closed);
  tx.async_send(1, asio::redirect_error(sluice::sync_wait_for(0s), ec));
  BOOST_TEST(ec == sluice::error::closed);
  // These have no executor either.
  sluice::receiver<int, asio::io_context::executor_type> narrow;
  static_cast<void>(narrow.async_receive(asio::redirect_error(sync_wait, ec)));
  BOOST_TEST(ec == sluice::error::closed);
}

BOOST_AUTO_TEST_CASE(a_temporary_handle_may_be_used) {
  asio::io_context context;
  auto channel = sluice::make_channel<int>(context, 1);
  auto& tx = channel.first;
  sluice::sender<int>(tx).async_send(1, sync_wait);
  BOOST_TEST(sluice::receiver<int>(channel.second).async_receive(sync_wait).value() == 1);
  BOOST_TEST(tx.sender_count() == 1u);
  BOOST_TEST(tx.receiver_count() == 1u);
}

BOOST_AUTO_TEST_CASE(a_token_is_for_several_operations) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 2);
  const auto token = sluice::sync_wait_for(std::chrono::hours::max());
  tx.async_send(1, token);
  tx.async_send(2, token);
  BOOST_TEST(rx.async_receive(token).value() == 1);
  BOOST_TEST(rx.async_receive(token).value() == 2);
}

// Waiting -----------------------------------------------------------------------------------------

// Every hand-over, with no context running: the threads do all of it themselves.
FLAVOUR_TEST_CASE(threads_hand_over_to_threads, threaded_flavours) {
  constexpr int messages = 3000;
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  std::atomic<int> wrong{0};
  std::atomic<long> sum{0};
  crew threads;
  for (int producer = 0; producer != 2; ++producer)
    threads.add([sending = tx, producer, &wrong]() mutable {
      for (int id = producer; id < messages; id += 2)
        if (send(sending, message(id), sync_wait)) ++wrong;
    });
  for (int consumer = 0; consumer != 2; ++consumer)
    threads.add([receiving = rx, &wrong, &sum]() mutable {
      int last[2] = {-1, -1};
      while (auto got = receiving.async_receive(sync_wait)) {
        // In the order in which each of the others has sent them (D2).
        int& before = last[got->id() % 2];
        if (got->id() <= before) ++wrong;
        before = got->id();
        sum += got->id();
      }
    });
  tx = {};
  rx = {};
  threads.run();
  BOOST_TEST(wrong == 0);
  BOOST_TEST(sum == long(messages) * (messages - 1) / 2);
}

FLAVOUR_TEST_CASE(a_thread_and_a_strand_hand_over_to_each_other, threaded_flavours) {
  constexpr int messages = 2000;
  asio::thread_pool pool(2);
  auto [tx, rx] = flavour.open(pool);
  auto [back_tx, back_rx] = flavour.open(pool);
  struct echo {
    sluice::receiver<message> rx;
    sluice::sender<message> tx;
    static void step(std::shared_ptr<echo> self) {
      auto& from = self->rx;
      from.async_receive([self](error_code, std::optional<message> got) mutable {
        if (!got) {
          self->tx = {};
          return;
        }
        auto& to = self->tx;
        to.async_send(std::move(*got),
                      [self = std::move(self)](error_code) { step(std::move(self)); });
      });
    }
  };
  const auto strand = asio::make_strand(pool);
  echo::step(std::make_shared<echo>(
      echo{rx.with_executor(asio::any_io_executor(strand)), std::move(back_tx)}));
  rx = {};
  for (int id = 0; id != messages; ++id) {
    BOOST_TEST_REQUIRE(!send(tx, message(id), sync_wait));
    BOOST_TEST_REQUIRE(receive(back_rx, sync_wait).second == id);
  }
  tx = {};
  BOOST_TEST(!back_rx.async_receive(sync_wait));
}

BOOST_AUTO_TEST_CASE(the_last_sender_goes_while_a_thread_waits) {
  for (int round = 0; round != 300; ++round) {
    asio::io_context context;
    auto [tx, rx] = sluice::make_channel<int>(context, 1);
    std::thread other([last = std::move(tx)]() mutable { last = {}; });
    BOOST_TEST(!rx.async_receive(sync_wait));
    other.join();
  }
}

BOOST_AUTO_TEST_CASE(the_last_receiver_goes_while_a_thread_waits) {
  for (int round = 0; round != 300; ++round) {
    asio::io_context context;
    auto [tx, rx] = sluice::make_channel<message>(context, 0);
    std::thread other([last = std::move(rx)]() mutable { last = {}; });
    message value(1);
    BOOST_TEST(send(tx, value, sync_wait) == sluice::error::closed);
    BOOST_TEST(value.id() == 1);
    other.join();
  }
}

// The woken thread may destroy the channel while the one that woke it is still inside.
BOOST_AUTO_TEST_CASE(the_channel_goes_as_soon_as_a_thread_is_woken) {
  for (int round = 0; round != 1000; ++round) {
    asio::io_context context;
    auto channel = std::make_unique<std::pair<sluice::sender<int>, sluice::receiver<int>>>(
        sluice::make_channel<int>(context, 0));
    std::thread other([tx = channel->first]() mutable { tx.async_send(1, sync_wait); });
    BOOST_TEST(channel->second.async_receive(sync_wait).value() == 1);
    channel.reset();
    other.join();
  }
}

// B1 ----------------------------------------------------------------------------------------------

namespace {

/// Whether a blocking call is refused by a handle with this executor, on a thread that runs `on`.
template <class HandleExecutor, class RunningOn>
bool is_refused(const HandleExecutor& ex, const RunningOn& on) {
  auto channel = sluice::make_channel<message, HandleExecutor>(ex, 1);
  auto& [tx, rx] = channel;
  int refused = 0;
  std::atomic<bool> done{false};
  asio::post(on, [&, &sending = tx, &receiving = rx] {
    message value(1);
    // Ready or not, with a deadline or without, the answer is the same.
    if (send(sending, value, sync_wait) == sluice::error::would_deadlock) ++refused;
    if (value.id() == 1) static_cast<void>(sending.try_send(std::move(value)));
    const auto seen = receive(receiving, sluice::sync_wait_for(1h));
    if (seen.first == sluice::error::would_deadlock) ++refused;
    if (seen.second == message::none) static_cast<void>(receiving.try_receive());
    const auto late = receive(receiving, sluice::sync_wait_until(past()));
    if (late.first == sluice::error::would_deadlock) ++refused;
    done = true;
  });
  while (!done) std::this_thread::yield();
  BOOST_TEST((refused == 0 || refused == 3));
  return refused == 3;
}

/// An executor, as itself and in all clothes that it may wear.
template <class Executor, class Check>
void in_all_forms(const Executor& ex, Check check) {
  check(ex);
  check(asio::any_io_executor(ex));
  check(asio::make_strand(ex));
  check(asio::any_io_executor(asio::make_strand(ex)));
  check(asio::make_strand(asio::any_io_executor(ex)));
  check(asio::any_io_executor(asio::make_strand(asio::any_io_executor(ex))));
  check(asio::require(ex, asio::execution::blocking.never));
  check(asio::any_io_executor(asio::require(ex, asio::execution::blocking.never)));
  check(asio::prefer(asio::any_io_executor(ex), asio::execution::outstanding_work.tracked));
  check(asio::any_io_executor(asio::require(ex, asio::execution::relationship.continuation)));
  check(sluice::sync_wait_t::executor_with_default<asio::any_io_executor>(ex));
}

}  // namespace

BOOST_AUTO_TEST_CASE(B1_a_thread_of_the_context_must_not_block) {
  asio::thread_pool pool(2), foreign_pool(1);
  asio::io_context context, foreign_context;
  auto work = asio::prefer(context.get_executor(), asio::execution::outstanding_work.tracked);
  auto foreign_work =
      asio::prefer(foreign_context.get_executor(), asio::execution::outstanding_work.tracked);
  std::thread runner([&] { context.run(); });
  std::thread foreign_runner([&] { foreign_context.run(); });

  const auto in_context = context.get_executor();
  const auto in_pool = pool.get_executor();
  in_all_forms(in_context, [&](const auto& ex) {
    BOOST_TEST(is_refused(ex, in_context));
    // On a strand of it, the same or another one: its thread is one of the context's.
    BOOST_TEST(is_refused(ex, ex));
    BOOST_TEST(is_refused(ex, asio::make_strand(in_context)));
    BOOST_TEST(!is_refused(ex, foreign_context.get_executor()));
    BOOST_TEST(!is_refused(ex, in_pool));
  });
  in_all_forms(in_pool, [&](const auto& ex) {
    BOOST_TEST(is_refused(ex, in_pool));
    BOOST_TEST(is_refused(ex, ex));
    BOOST_TEST(!is_refused(ex, foreign_pool.get_executor()));
    BOOST_TEST(!is_refused(ex, in_context));
  });
  // It is not known where the system executor runs.
  BOOST_TEST(!is_refused(asio::any_io_executor(asio::system_executor()), in_pool));

  context.stop();
  foreign_context.stop();
  runner.join();
  foreign_runner.join();
}

BOOST_AUTO_TEST_CASE(B1_contexts_that_run_inside_each_other) {
  asio::io_context outer, inner;
  auto [tx, rx] = sluice::make_channel<int>(outer, 1);
  error_code seen;
  auto& receiving = rx;
  asio::post(outer, [&] {
    asio::post(inner, [&] {
      static_cast<void>(receiving.async_receive(asio::redirect_error(sync_wait, seen)));
    });
    inner.run();
  });
  outer.run();
  BOOST_TEST(seen == sluice::error::would_deadlock);
}

BOOST_AUTO_TEST_CASE(B1_the_thread_may_block_when_it_runs_the_context_no_more) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 1);
  auto& sending = tx;
  asio::post(context, [&] { static_cast<void>(sending.try_send(1)); });
  context.run();
  BOOST_TEST(rx.async_receive(sync_wait).value() == 1);
}

// B2 ----------------------------------------------------------------------------------------------

FLAVOUR_TEST_CASE(B2_a_receive_times_out, threaded_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  BOOST_TEST(receive(rx, sluice::sync_wait_for(1ms)).first == asio::error::timed_out);
  BOOST_TEST(receive(rx, sluice::sync_wait_for(0s)).first == asio::error::timed_out);
  BOOST_TEST(receive(rx, sluice::sync_wait_for(std::chrono::hours::min())).first ==
             asio::error::timed_out);
  // Nothing of it waits any more: the next value goes to somebody else.
  if (flavour.is_rendezvous()) {
    BOOST_TEST(tx.try_send(message(1)) == sluice::error::full);
  } else {
    BOOST_TEST(!tx.try_send(message(1)));
    BOOST_TEST(rx.try_receive().value().id() == 1);
  }
}

FLAVOUR_TEST_CASE(B2_a_send_times_out, limited_threaded_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  while (!tx.try_send(message(0))) continue;
  message value(1);
  BOOST_TEST(send(tx, value, sluice::sync_wait_for(1ms)) == asio::error::timed_out);
  BOOST_TEST(send(tx, value, sluice::sync_wait_until(past())) == asio::error::timed_out);
  BOOST_TEST(value.id() == 1);
  while (auto got = rx.try_receive()) BOOST_TEST(got->id() == 0);
}

FLAVOUR_TEST_CASE(B2_a_deadline_in_the_past_takes_what_is_there, threaded_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  if (!flavour.is_rendezvous()) {
    BOOST_TEST(!send(tx, message(1), sluice::sync_wait_until(past())));
    BOOST_TEST(receive(rx, sluice::sync_wait_for(-1h)).second == 1);
  }
  // A pending send is there, too.
  std::thread other(
      [sending = tx]() mutable { static_cast<void>(send(sending, message(2), sync_wait)); });
  std::pair<error_code, int> seen;
  do {
    seen = receive(rx, sluice::sync_wait_for(std::chrono::nanoseconds::min()));
  } while (seen.first == asio::error::timed_out);
  BOOST_TEST(seen.second == 2);
  other.join();
}

// The deadline and the message come at the same moment. Whoever gets it, nobody loses it.
FLAVOUR_TEST_CASE(B2_a_message_is_taken_exactly_if_it_is_returned, threaded_flavours) {
  constexpr int messages = 2000;
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  std::atomic<int> sent{0}, timed_out{0}, wrong{0};
  std::vector<std::atomic<int>> received(messages);
  std::atomic<int> next{0};
  crew threads;
  for (int i = 0; i != 2; ++i) {
    threads.add([sending = tx, i, &next, &sent, &timed_out, &wrong]() mutable {
      for (int id = next++; id < messages;) {
        message value(id);
        const auto ec =
            send(sending, value, sluice::sync_wait_for(std::chrono::microseconds(i * 5)));
        if (ec == asio::error::timed_out) {
          ++timed_out;
          if (value.id() != id) ++wrong;
          continue;
        }
        ec ? ++wrong : ++sent;
        id = next++;
      }
    });
    threads.add([receiving = rx, i, &received, &timed_out, &wrong]() mutable {
      for (;;) {
        auto [ec, got] = receiving.async_receive(
            asio::as_tuple(sluice::sync_wait_for(std::chrono::microseconds(i * 5))));
        if (got) {
          if (ec) ++wrong;
          ++received[static_cast<std::size_t>(got->id())];
        } else if (ec == asio::error::timed_out) {
          ++timed_out;
        } else {
          if (ec) ++wrong;
          break;
        }
      }
    });
  }
  tx = {};
  rx = {};
  threads.run();
  BOOST_TEST(wrong == 0);
  BOOST_TEST(sent == messages);
  int other_than_once = 0;
  for (const auto& count : received) other_than_once += count == 1 ? 0 : 1;
  BOOST_TEST(other_than_once == 0);
  BOOST_TEST_MESSAGE(timed_out << " calls have timed out");
}

// A receive whose time is over passes on what it was promised (D6).
BOOST_AUTO_TEST_CASE(B2_a_thread_that_gives_up_takes_nothing_with_it) {
  for (int round = 0; round != 500; ++round) {
    telling_clock::reset();
    asio::io_context context;
    auto [tx, rx] = sluice::make_channel<message>(context, 1);
    std::pair<error_code, int> seen;
    std::thread waiting([&seen, receiving = rx]() mutable {
      seen = receive(receiving, sluice::sync_wait_for(std::chrono::microseconds(20)));
    });
    BOOST_TEST(!tx.try_send(message(round)));
    waiting.join();
    const auto left = rx.try_receive();
    if (seen.first == asio::error::timed_out) {
      BOOST_TEST(left.has_value());
    } else {
      BOOST_TEST(!seen.first);
      BOOST_TEST(seen.second == round);
      BOOST_TEST(!left.has_value());
    }
  }
}

BOOST_AUTO_TEST_CASE(B2_time_by_another_clock) {
  telling_clock::reset();
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<message>(context, 1);
  std::thread other([] {
    telling_clock::wait_for_waiting();
    telling_clock::set(telling_clock::start() + 2ms);
  });
  BOOST_TEST(receive(rx, sluice::sync_wait_until(telling_clock::start() + 1ms)).first ==
             asio::error::timed_out);
  other.join();
}

// Being cancelled ---------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_handle_cancels_the_thread_that_waits_through_it) {
  for (int round = 0; round != 200; ++round) {
    telling_clock::reset();
    asio::io_context context;
    auto [tx, rx] = sluice::make_channel<message>(context, 1);
    std::thread other([&handle = rx] {
      telling_clock::wait_for_waiting();
      handle.cancel();
    });
    BOOST_TEST(receive(rx, telling_wait()).first == asio::error::operation_aborted);
    other.join();
  }
}

// What is bound to the token goes before what the thread brings.
BOOST_AUTO_TEST_CASE(a_slot_of_the_callers_own_is_used) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<message>(context, 0);
  asio::cancellation_signal signal;
  asio::thread_pool pool(1);
  // The operation waits, so it has the slot, when the pool begins: it lends a place to try_send.
  auto& sending = tx;
  asio::post(pool, [&] {
    while (sending.full()) std::this_thread::yield();
    signal.emit(asio::cancellation_type::total);
  });
  const auto [ec, value] =
      rx.async_receive(asio::bind_cancellation_slot(signal.slot(), asio::as_tuple(sync_wait)));
  BOOST_TEST(ec == asio::error::operation_aborted);
  BOOST_TEST(!value);
  BOOST_TEST(!signal.slot().has_handler());
  pool.join();
}

// D5: threads and callbacks stand in one line.
BOOST_AUTO_TEST_CASE(D5_a_thread_is_woken_in_its_turn) {
  telling_clock::reset();
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<message>(context, 4);
  std::optional<int> first;
  rx.async_receive([&](error_code, std::optional<message> got) { first = got->id(); });
  std::pair<error_code, int> second;
  std::thread waiting(
      [&second, receiving = rx]() mutable { second = receive(receiving, telling_wait()); });
  telling_clock::wait_for_waiting();
  BOOST_TEST(!tx.try_send(message(1)));
  BOOST_TEST(!first.has_value());
  context.poll();  // the waiting thread is work, too
  BOOST_TEST(first.value() == 1);
  BOOST_TEST(!tx.try_send(message(2)));
  waiting.join();
  BOOST_TEST(second.second == 2);
}

// B3 ----------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(B3_a_thread_wakes_when_the_context_is_destroyed) {
  for (int round = 0; round != 200; ++round) {
    telling_clock::reset();
    auto context = std::make_unique<asio::io_context>();
    auto channel = sluice::make_channel<message>(*context, 1);
    auto& [tx, rx] = channel;
    std::thread other([&context] {
      telling_clock::wait_for_waiting();
      context.reset();
    });
    BOOST_TEST(receive(rx, telling_wait()).first == asio::error::operation_aborted);
    other.join();
    // The channel goes on for the others.
    BOOST_TEST(!tx.try_send(message(1)));
    BOOST_TEST(rx.try_receive().value().id() == 1);
  }
}

BOOST_AUTO_TEST_CASE(B3_many_threads_wake_and_keep_their_values) {
  telling_clock::reset();
  auto context = std::make_unique<asio::io_context>();
  auto channel = sluice::make_channel<message>(*context, 0);
  std::atomic<int> aborted{0}, kept{0};
  {
    std::vector<std::thread> threads;
    for (int i = 0; i != 8; ++i)
      threads.emplace_back([&, tx = channel.first]() mutable {
        message value(7);
        if (send(tx, value, telling_wait()) == asio::error::operation_aborted) ++aborted;
        if (value.id() == 7) ++kept;
      });
    telling_clock::wait_for_waiting(8);
    context.reset();
    for (std::thread& t : threads) t.join();
  }
  BOOST_TEST(aborted == 8);
  BOOST_TEST(kept == 8);
}

// A message and the end of the context come at the same moment.
BOOST_AUTO_TEST_CASE(B3_what_was_promised_goes_to_somebody_else) {
  for (int round = 0; round != 500; ++round) {
    telling_clock::reset();
    auto context = std::make_unique<asio::io_context>();
    auto channel = sluice::make_channel<message>(*context, 1);
    auto& [tx, rx] = channel;
    std::thread destroyer([&context] {
      telling_clock::wait_for_waiting();
      context.reset();
    });
    std::thread sender([&sending = tx] {
      telling_clock::wait_for_waiting();
      static_cast<void>(sending.try_send(message(1)));
    });
    const auto seen = receive(rx, telling_wait());
    destroyer.join();
    sender.join();
    const auto left = rx.try_receive();
    BOOST_TEST((seen.second == 1 ? 1 : 0) + (left ? 1 : 0) == 1);
    BOOST_TEST((seen.second == 1) == !seen.first);
  }
}
