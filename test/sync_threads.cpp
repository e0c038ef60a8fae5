// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE sync_threads

// Deadlines, deliveries, closing, cancelling and the end of contexts at the same moment, where
// threads block. Nothing is checked on other threads than the main one; the others only count.
// SLUICE_ROUNDS multiplies how often.

#include "support/crew.hpp"
#include "support/message.hpp"
#include "support/probe.hpp"
#include "support/telling_clock.hpp"

#include <sluice/broadcast.hpp>
#include <sluice/channel.hpp>
#include <sluice/oneshot.hpp>
#include <sluice/sync_bridge.hpp>
#include <sluice/watch.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/system_executor.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

using namespace support;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using sluice::error_code;
using sluice::sync_bridge;
using sluice::sync_wait;

namespace {

int times(int rounds) {
  static const char* const factor = std::getenv("SLUICE_ROUNDS");
  return factor != nullptr ? rounds * std::atoi(factor) : rounds;
}

/// A token whose time is over at a moment that differs from call to call: mostly about when the
/// other side does its part.
auto soon(int i) {
  return asio::as_tuple(sluice::sync_wait_for(std::chrono::nanoseconds((i * 37) % 6000 - 500)));
}

/// A token that never gives up: a wake-up that is lost is not made up for by the next look.
const auto patient = asio::as_tuple(sync_wait);

/// What threads were told, and whether they counted right.
struct tally {
  std::atomic<long> sent{0}, received{0}, timed_out{0}, wrong{0};

  /// True if it was neither done nor in time.
  bool was_late(error_code ec) {
    if (ec != asio::error::timed_out) return false;
    ++timed_out;
    return true;
  }
};

void do_something(int i) {
  for (std::atomic<int> n{0}; n < i % 200;) ++n;
}

}  // namespace

// B2 ----------------------------------------------------------------------------------------------

// Every way to send and every way to receive, all with deadlines. What was sent is received once.
BOOST_AUTO_TEST_CASE(B2_every_message_is_sent_and_received_once) {
  for (const std::size_t capacity : {std::size_t(0), std::size_t(1), std::size_t(5)}) {
    const int calls = times(2000);
    ledger alive;
    tally all;
    {
      asio::io_context context;
      auto channel = sluice::make_channel<message>(context, capacity);
      crew threads;
      threads.add([&, tx = channel.first]() mutable {
        for (int i = 0; i != calls; ++i) {
          message value(i, alive);
          const auto [ec] = tx.async_send(std::ref(value), soon(i));
          const bool is_here = value.id() == i;
          if (all.was_late(ec) != is_here) ++all.wrong;
          if (!ec) ++all.sent;
        }
      });
      threads.add([&, tx = channel.first]() mutable {
        for (int i = 0; i != calls; i += 4) {
          std::vector<message> values;
          for (int k = 0; k != 4; ++k) values.emplace_back(i + k, alive);
          const auto [ec, accepted] = tx.async_send_all(std::ref(values), soon(i));
          if (!all.was_late(ec) && ec) ++all.wrong;
          if ((accepted == 4) != !ec) ++all.wrong;
          for (std::size_t k = 0; k != 4; ++k)
            if ((values[k].id() == message::none) != (k < accepted)) ++all.wrong;
          all.sent += static_cast<long>(accepted);
        }
      });
      threads.add([&, tx = channel.first]() mutable {
        if (capacity == 0) return;
        for (int i = 0; i != calls; ++i) {
          auto [ec, place] = tx.async_reserve(soon(i));
          if (all.was_late(ec) == static_cast<bool>(place)) ++all.wrong;
          if (!place || i % 3 == 0) continue;
          if (place.send(message(i, alive)))
            ++all.wrong;
          else
            ++all.sent;
        }
      });
      std::vector<message> kept;
      threads.add([&, rx = channel.second]() mutable {
        for (int i = 0;; ++i) {
          const auto [ec, value] = rx.async_receive(soon(i));
          if (value) ++all.received;
          if (!ec && !value) return;
          if (ec && !all.was_late(ec)) ++all.wrong;
        }
      });
      threads.add([&, rx = channel.second]() mutable {
        for (int i = 0;; ++i) {
          std::vector<message> some;
          const auto [ec, count] = rx.async_receive_some(some, 3, soon(i));
          if (some.size() != count) ++all.wrong;
          all.received += static_cast<long>(count);
          if (!ec && count == 0) return;
          if (ec && !all.was_late(ec)) ++all.wrong;
        }
      });
      threads.add([&, rx = channel.second]() mutable {
        for (int i = 0;; ++i) {
          const auto [ec] = rx.async_for_each([&all](message) { ++all.received; }, soon(i));
          if (!ec) return;
          if (!all.was_late(ec)) ++all.wrong;
        }
      });
      channel = {};
      threads.run();
    }
    BOOST_TEST(all.wrong == 0);
    BOOST_TEST(all.sent == all.received);
    BOOST_TEST(alive.alive() == 0);
    BOOST_TEST_MESSAGE(all.sent << " sent, " << all.timed_out << " calls too late");
  }
}

// D6: a thread that gives up passes on what it was promised. Were one wake-up lost, the threads
// that wait for ever would.
BOOST_AUTO_TEST_CASE(D6_threads_that_give_up_beside_threads_that_wait_for_ever) {
  for (const std::size_t capacity : {std::size_t(0), std::size_t(1), std::size_t(3)}) {
    const int messages = times(1500);
    asio::io_context context;
    auto channel = sluice::make_channel<message>(context, capacity);
    tally all;
    crew threads;
    for (int t = 0; t != 2; ++t) {
      threads.add([&, tx = channel.first, t]() mutable {
        for (int i = 0; i != messages; ++i) {
          message value(i);
          const bool may_wait = t == 0 || i % 3 == 0;
          const auto [ec] = may_wait ? tx.async_send(std::ref(value), patient)
                                     : tx.async_send(std::ref(value), soon(i));
          if (!ec) ++all.sent;
          if (ec && !all.was_late(ec)) ++all.wrong;
        }
      });
      threads.add([&, rx = channel.second, t]() mutable {
        for (int i = 0;; ++i) {
          const bool may_wait = t == 0 || i % 3 == 0;
          const auto [ec, value] = may_wait ? rx.async_receive(patient) : rx.async_receive(soon(i));
          if (value) ++all.received;
          if (!ec && !value) return;
          if (ec && !all.was_late(ec)) ++all.wrong;
        }
      });
    }
    channel = {};
    threads.run();
    BOOST_TEST(all.wrong == 0);
    BOOST_TEST(all.sent == all.received);
  }
}

// P2: the end of the stream waits for permits, and comes with the last one, to all who wait.
BOOST_AUTO_TEST_CASE(P2_threads_wait_for_the_end_until_the_last_permit_is_gone) {
  const int rounds = times(500);
  tally all;
  for (int round = 0; round != rounds; ++round) {
    asio::io_context context;
    auto channel = sluice::make_channel<message>(context, 3);
    crew threads;
    for (int t = 0; t != 2; ++t) {
      error_code ec;
      threads.add([&all, t, round, place = channel.first.try_reserve(ec)]() mutable {
        do_something(round * 3 + t);
        if ((round + t) % 2 == 0 && !place->send(message(t))) ++all.sent;
        place.reset();
      });
      threads.add([&, rx = channel.second, round]() mutable {
        const auto give_up = asio::as_tuple(sluice::sync_wait_for(std::chrono::microseconds(3)));
        for (int i = round % 2;; ++i) {
          const auto [got_ec, value] =
              i % 2 == 0 ? rx.async_receive(patient) : rx.async_receive(give_up);
          if (value) ++all.received;
          if (!got_ec && !value) return;
          if (got_ec && !all.was_late(got_ec)) ++all.wrong;
        }
      });
    }
    channel.first.close();
    threads.run();
  }
  BOOST_TEST(all.wrong == 0);
  BOOST_TEST(all.sent == all.received);
}

// The handle is cancelled while its deadline passes and a message comes.
BOOST_AUTO_TEST_CASE(a_handle_is_cancelled_at_any_moment) {
  const int rounds = times(3000);
  asio::io_context context;
  auto channel = sluice::make_channel<message>(context, 1);
  auto& [tx, rx] = channel;
  tally all;
  std::atomic<bool> over{false};
  crew threads;
  threads.add([&, &receiving = rx]() mutable {
    for (int i = 0; i != rounds; ++i) {
      const auto [ec, value] =
          i % 2 == 0 ? receiving.async_receive(patient) : receiving.async_receive(soon(i));
      if (value) ++all.received;
      if (value && ec) ++all.wrong;
      if (ec && !all.was_late(ec) && ec != asio::error::operation_aborted) ++all.wrong;
    }
    over = true;
  });
  threads.add([&, &sending = tx]() mutable {
    for (int i = 0; !over; ++i) {
      const auto [ec] = sending.async_send(message(i), soon(i));
      if (!ec) ++all.sent;
      if (ec && !all.was_late(ec) && ec != asio::error::operation_aborted) ++all.wrong;
    }
  });
  threads.add([&, &sending = tx, &receiving = rx]() mutable {
    for (int i = 0; !over; ++i) {
      do_something(i);
      if (i % 2 == 0)
        sending.cancel();
      else
        receiving.cancel();
      std::this_thread::yield();
    }
  });
  threads.run();
  BOOST_TEST(all.wrong == 0);
  while (rx.try_receive()) ++all.received;
  BOOST_TEST(all.sent == all.received);
}

// The completion runs on another thread than the one whose time is over.
BOOST_AUTO_TEST_CASE(B2_a_handler_that_is_bound_elsewhere) {
  const int calls = times(3000);
  asio::thread_pool pool(1);
  auto channel = sluice::make_channel<int>(pool, 2);
  auto& [tx, rx] = channel;
  tally all;
  crew threads;
  threads.add([&, sending = tx]() mutable {
    for (int i = 0; i != calls; ++i) {
      const auto [ec] = sending.async_send(i, asio::bind_executor(pool, soon(i)));
      if (!ec) ++all.sent;
      if (ec && !all.was_late(ec)) ++all.wrong;
    }
  });
  threads.add([&, receiving = rx]() mutable {
    for (int i = 0;; ++i) {
      const auto [ec, value] = receiving.async_receive(asio::bind_executor(pool, soon(i)));
      if (value) ++all.received;
      if (!ec && !value) return;
      if (ec && !all.was_late(ec)) ++all.wrong;
    }
  });
  channel = {};
  threads.run();
  BOOST_TEST(all.wrong == 0);
  BOOST_TEST(all.sent == all.received);
}

BOOST_AUTO_TEST_CASE(B2_a_reply_comes_or_its_time_is_over) {
  const int rounds = times(3000);
  asio::io_context context;
  // What was sent, or nothing that can be: then the sender went without.
  auto [tx, rx] = sluice::make_channel<std::pair<int, sluice::oneshot_sender<message>>>(context, 8);
  tally all;
  ledger alive;
  crew threads;
  threads.add([&, requests = std::move(rx)]() mutable {
    while (auto request = requests.async_receive(sync_wait)) {
      do_something(request->first);
      if (request->first % 5 == 4) continue;
      if (!request->second.send(message(request->first, alive))) ++all.sent;
    }
  });
  threads.add([&, requests = std::move(tx)]() mutable {
    for (int i = 0; i != rounds; ++i) {
      auto [reply_tx, reply_rx] = sluice::make_oneshot<message>(context);
      requests.async_send({i, std::move(reply_tx)}, sync_wait);
      const auto [ec, reply] =
          i % 3 == 0 ? reply_rx.async_receive(patient) : reply_rx.async_receive(soon(i));
      if (reply && reply->id() != i) ++all.wrong;
      if (reply) ++all.received;
      if (ec && (!all.was_late(ec) || reply)) ++all.wrong;
      if (!ec && !reply && i % 5 != 4) ++all.wrong;
      // What came too late is still there.
      if (!reply && reply_rx.try_receive()) ++all.received;
      reply_rx.close();
      if (!reply && reply_rx.try_receive()) ++all.received;
    }
  });
  threads.run();
  BOOST_TEST(all.wrong == 0);
  BOOST_TEST(all.sent == all.received);
  BOOST_TEST(alive.alive() == 0);
}

BOOST_AUTO_TEST_CASE(B2_the_latest_value_is_seen_in_the_end) {
  const int values = times(3000);
  asio::io_context context;
  sluice::watch_sender<int> tx(context, 0);
  tally all;
  crew threads;
  for (int t = 0; t != 2; ++t)
    threads.add([&, rx = tx.subscribe()]() mutable {
      for (int i = 0, last = 0;; ++i) {
        const auto [ec, changed] =
            i % 2 == 0 ? rx.async_changed(patient) : rx.async_changed(soon(i));
        if (ec && !all.was_late(ec)) ++all.wrong;
        if (ec) continue;
        if (!changed) break;
        const int seen = *rx.borrow_and_update();
        if (seen <= std::exchange(last, seen)) ++all.wrong;
        if (seen == values) ++all.received;
      }
    });
  threads.add([&, rx = tx.subscribe()]() mutable {
    for (int i = 0;; ++i) {
      const auto is_late = [values](int v) { return v >= values / 2; };
      const auto [ec, value] =
          i < 100 ? rx.async_wait_for(is_late, soon(i)) : rx.async_wait_for(is_late, patient);
      if (ec && !all.was_late(ec)) ++all.wrong;
      if (ec) continue;
      if (!value || *value < values / 2) ++all.wrong;
      break;
    }
    ++all.received;
  });
  threads.add([&, sending = std::move(tx)]() mutable {
    for (int i = 1; i <= values; ++i) {
      do_something(i * 7);
      sending.send(i);
    }
  });
  threads.run();
  BOOST_TEST(all.wrong == 0);
  BOOST_TEST(all.received == 3);
}

BOOST_AUTO_TEST_CASE(B2_every_subscriber_counts_every_message) {
  const int messages = times(3000);
  asio::io_context context;
  sluice::broadcast_sender<int> tx(context, 4);
  tally all;
  std::atomic<long> missed{0};
  crew threads;
  for (int t = 0; t != 2; ++t)
    threads.add([&, rx = tx.subscribe()]() mutable {
      for (int i = 0, last = -1;; ++i) {
        const auto [ec, value] = i % 2 == 0 ? rx.async_receive(patient) : rx.async_receive(soon(i));
        if (ec == sluice::error::lagged) {
          missed += static_cast<long>(rx.missed());
          continue;
        }
        if (ec && !all.was_late(ec)) ++all.wrong;
        if (value && *value <= std::exchange(last, *value)) ++all.wrong;
        if (value) ++all.received;
        if (!ec && !value) return;
      }
    });
  threads.add([&, sending = std::move(tx)]() mutable {
    for (int i = 0; i != messages; ++i) {
      do_something(i * 7);
      static_cast<void>(sending.send(i));
    }
  });
  threads.run();
  BOOST_TEST(all.wrong == 0);
  BOOST_TEST(all.received + missed == 2 * messages);
}

// The timer and the deadline, about as early; the object is used again as soon as the call is over.
BOOST_AUTO_TEST_CASE(B2_timers_of_asio) {
  const int rounds = times(1500);
  asio::thread_pool pool(1);
  asio::steady_timer timer(pool);
  int wrong = 0;
  for (int i = 0; i != rounds; ++i) {
    const auto waits = std::chrono::microseconds(i % 60);
    const auto limit = std::chrono::microseconds(i / 7 % 60);
    timer.expires_after(waits);
    const auto [ec] = timer.async_wait(asio::as_tuple(sluice::sync_wait_for(limit)));
    if (ec && ec != asio::error::timed_out) ++wrong;
    // Nothing waits any more.
    if (timer.cancel() != 0) ++wrong;
  }
  BOOST_TEST(wrong == 0);
}

// Closing -----------------------------------------------------------------------------------------

// A thread waits, is too late, or gets something, while the channel is closed or loses its last
// handle.
BOOST_AUTO_TEST_CASE(closing_reaches_threads_that_wait) {
  const int rounds = times(400);
  tally all;
  ledger alive;
  for (int round = 0; round != rounds; ++round) {
    asio::io_context context;
    auto channel = sluice::make_channel<message>(context, static_cast<std::size_t>(round % 3));
    crew threads;
    threads.add([&, tx = channel.first]() mutable {
      for (int i = 0;; ++i) {
        const auto [ec] = i % 4 == 0 ? tx.async_send(message(i, alive), soon(i))
                                     : tx.async_send(message(i, alive), patient);
        if (!ec) ++all.sent;
        if (ec == sluice::error::closed) return;
        if (ec && !all.was_late(ec)) ++all.wrong;
      }
    });
    threads.add([&, rx = channel.second, round]() mutable {
      for (int i = 0;; ++i) {
        const auto [ec, value] = i % 4 == 0 ? rx.async_receive(soon(i)) : rx.async_receive(patient);
        if (value) ++all.received;
        // Who was told so by the reason for closing is told again.
        if (round % 2 == 0 && ec == asio::error::host_not_found) return;
        if (!ec && !value) return;
        if (ec && !all.was_late(ec)) ++all.wrong;
      }
    });
    threads.add([rx = std::move(channel.second), round]() mutable {
      do_something(round * 11);
      if (round % 2 == 0)
        rx.close(asio::error::host_not_found);
      else
        rx.close();
    });
    channel.first = {};
    threads.run();
  }
  BOOST_TEST(all.wrong == 0);
  BOOST_TEST(all.sent == all.received);
  BOOST_TEST(alive.alive() == 0);
}

// B3 ----------------------------------------------------------------------------------------------

// The woken thread destroys everything while the one that woke it is about to leave.
BOOST_AUTO_TEST_CASE(B3_the_context_goes_as_soon_as_a_thread_is_woken) {
  const int rounds = times(1500);
  for (int round = 0; round != rounds; ++round) {
    std::thread other;
    {
      asio::io_context context;
      auto [tx, rx] = sluice::make_channel<int>(context, static_cast<std::size_t>(round % 2));
      std::atomic<bool> has_it{false};
      // Its own end belongs to no context that goes.
      other = std::thread([&own = tx, &has_it]() mutable {
        auto sending = own.with_executor(asio::system_executor());
        has_it = true;
        static_cast<void>(sending.async_send(1, patient));
      });
      BOOST_TEST(rx.async_receive(sync_wait).value() == 1);
      while (!has_it) std::this_thread::yield();
    }
    other.join();
  }
}

// The deadline passes, a message comes and the context goes at the same moment.
BOOST_AUTO_TEST_CASE(B3_the_context_goes_when_the_time_is_over) {
  const int rounds = times(300);
  std::atomic<int> aborted{0}, late{0}, received{0}, wrong{0};
  for (int round = 0; round != rounds; ++round) {
    auto context = std::make_unique<asio::io_context>();
    auto channel = sluice::make_channel<message>(*context, 1);
    telling_clock::reset();
    // It sleeps for so long again and again, until its own clock is set.
    const auto deadline = telling_clock::start() + 20us;
    std::thread waiting([&, rx = channel.second]() mutable {
      const auto [ec, value] = rx.async_receive(asio::as_tuple(sluice::sync_wait_until(deadline)));
      if (value.has_value() == static_cast<bool>(ec)) ++wrong;
      if (value) ++received;
      if (ec == asio::error::operation_aborted) ++aborted;
      if (ec == asio::error::timed_out) ++late;
    });
    telling_clock::wait_for_waiting();
    telling_clock::set(deadline);
    for (int i = 0; i < round % 150; ++i) do_something(199);
    int sent = 0;
    if (round % 3 == 0) sent = channel.first.try_send(message(round)) ? 0 : 1;
    do_something(round);
    context.reset();
    waiting.join();
    received += channel.second.try_receive() ? 1 : 0;
    received -= sent;
  }
  BOOST_TEST(wrong == 0);
  BOOST_TEST(received == 0);
  BOOST_TEST_MESSAGE(aborted << " aborted, " << late << " too late");
}

// Threads wait, with deadlines and without, at several channels of a context that is destroyed.
BOOST_AUTO_TEST_CASE(B3_threads_wake_when_a_pool_is_destroyed) {
  const int rounds = times(60);
  for (int round = 0; round != rounds; ++round) {
    ledger alive;
    tally all;
    auto pool = std::make_unique<asio::thread_pool>(1);
    auto full = sluice::make_channel<message>(*pool, 1);
    auto empty = sluice::make_channel<message>(*pool, 1);
    sluice::watch_sender<int> watched(*pool, 0);
    BOOST_TEST(!full.first.try_send(message(0, alive)));
    telling_clock::reset();
    const auto never = asio::as_tuple(sluice::sync_wait_until(telling_clock::deadline()));
    const auto aborts = [&](error_code ec) {
      if (ec != asio::error::operation_aborted) ++all.wrong;
    };
    std::vector<std::thread> threads;
    threads.emplace_back([&, tx = full.first]() mutable {
      message value(1, alive);
      aborts(std::get<0>(tx.async_send(std::ref(value), never)));
      if (value.id() != 1) ++all.wrong;
    });
    threads.emplace_back(
        [&, rx = empty.second]() mutable { aborts(std::get<0>(rx.async_receive(never))); });
    threads.emplace_back([&, rx = empty.second]() mutable {
      aborts(std::get<0>(rx.async_for_each([](message) {}, never)));
    });
    threads.emplace_back(
        [&, rx = watched.subscribe()]() mutable { aborts(std::get<0>(rx.async_changed(never))); });
    telling_clock::wait_for_waiting(4);
    pool.reset();
    for (std::thread& t : threads) t.join();
    BOOST_TEST(all.wrong == 0);
    BOOST_TEST(full.second.try_receive().value().id() == 0);
    full.second = {};
    BOOST_TEST(alive.alive() == 0);
  }
}

// Bridges -----------------------------------------------------------------------------------------

namespace {

/// Occupies the only thread of a pool until it is let go.
class obstacle {
 public:
  explicit obstacle(asio::thread_pool& pool) {
    asio::post(pool, [this] {
      begun_ = true;
      while (!over_) std::this_thread::yield();
    });
    while (!begun_) std::this_thread::yield();
  }
  obstacle(const obstacle&) = delete;
  obstacle& operator=(const obstacle&) = delete;

  void remove() { over_ = true; }

 private:
  std::atomic<bool> begun_{false}, over_{false};
};

/// A function that goes back to its bridge when it is destroyed.
template <class Bridge>
class returning {
 public:
  returning(Bridge bridge, std::atomic<int>& ran, std::atomic<int>& gone)
      : bridge_(std::move(bridge)), ran_(&ran), gone_(&gone) {}
  returning(returning&& other) noexcept
      : bridge_(std::move(other.bridge_)),
        ran_(other.ran_),
        gone_(std::exchange(other.gone_, nullptr)) {}
  ~returning() {
    if (gone_ == nullptr) return;
    ++*gone_;
    static_cast<void>(bridge_.size());
    static_cast<void>(bridge_.post([ran = ran_] { ++*ran; }));
    error_code ec;
    if (bridge_.is_closed()) bridge_.call([ran = ran_] { ++*ran; }, ec);
    bridge_ = {};
  }

  void operator()() const { ++*ran_; }

 private:
  Bridge bridge_;
  std::atomic<int>* ran_;
  std::atomic<int>* gone_;
};

}  // namespace

// Callers, functions that wait, and functions that come back while they are destroyed: the pool
// goes.
BOOST_AUTO_TEST_CASE(B3_callers_wake_when_a_pool_is_destroyed) {
  const int rounds = times(100);
  for (int round = 0; round != rounds; ++round) {
    ledger alive;
    std::atomic<int> ran{0}, gone{0}, aborted{0};
    auto pool = std::make_unique<asio::thread_pool>(1);
    obstacle busy(*pool);
    sync_bridge<> bridge(*pool);
    std::vector<std::thread> callers;
    for (int t = 0; t != 3; ++t) {
      callers.emplace_back([&, bridge]() mutable {
        error_code ec;
        const auto f = [&ran, m = message(1, alive)] { ++ran; };
        if (round % 2 == 0)
          bridge.call(f, ec);
        else
          bridge.call_for(1h, f, ec);
        if (ec == asio::error::operation_aborted) ++aborted;
      });
      BOOST_TEST(!bridge.post([&ran, m = message(1, alive)] { ++ran; }));
      BOOST_TEST(!bridge.post(returning(bridge, ran, gone)));
    }
    while (bridge.size() != 9) std::this_thread::yield();
    pool->stop();
    busy.remove();
    pool.reset();
    for (std::thread& t : callers) t.join();
    BOOST_TEST(aborted == 3);
    BOOST_TEST(ran == 0);
    BOOST_TEST(gone == 3);
    BOOST_TEST(alive.alive() == 0);
  }
}

// Everything that may happen at a bridge, until a function closes it from within.
BOOST_AUTO_TEST_CASE(functions_run_or_are_refused_until_one_of_them_closes_the_bridge) {
  const int rounds = times(60);
  for (int round = 0; round != rounds; ++round) {
    ledger alive;
    std::atomic<int> ran{0}, told_ran{0}, refused{0}, late{0}, posted{0}, returned{0}, gone{0};
    std::atomic<int> wrong{0};
    {
      asio::thread_pool pool(2), other_pool(1);
      // A type-erased strand counts by fences, which ThreadSanitizer does not know.
      sync_bridge bridge(asio::make_strand(pool));
      sync_bridge<> other(other_pool);
      crew threads;
      for (int t = 0; t != 3; ++t)
        threads.add([&, t, bridge]() mutable {
          for (int i = 0; i != 60; ++i) {
            const auto f = [&ran, i, m = message(i, alive)] {
              ++ran;
              return i;
            };
            error_code ec, nested;
            switch (i % 6) {
              case 0:
                bridge.post([&ran, m = message(i, alive)] { ++ran; }) ? ++refused : ++posted;
                continue;
              case 1:
                bridge.post(returning(bridge, returned, gone)) ? ++refused : ++posted;
                continue;
              case 2:
                if (bridge.call_for(std::chrono::microseconds(i), f, ec).value_or(i) != i) ++wrong;
                break;
              case 3:
                try {
                  bridge.call([&] { throw i; }, ec);
                } catch (int thrown) {
                  if (thrown != i) ++wrong;
                  continue;
                }
                break;
              case 4:
                // From within one bridge to the other; from there back it would be a deadlock.
                if (other.call([&] { return bridge.call(f, ec).value_or(i); }) != i) ++wrong;
                break;
              default:
                if (t == 0 && i / 6 == round % 10) bridge.call([&] { bridge.close(); }, ec);
                bridge.call([&] { bridge.call(f, nested); }, ec);
                if ((nested == sluice::error::would_deadlock) == static_cast<bool>(ec)) ++wrong;
                continue;
            }
            if (!ec)
              ++told_ran;
            else if (ec == sluice::error::closed)
              ++refused;
            else if (ec == asio::error::timed_out)
              ++late;
            else
              ++wrong;
          }
        });
      threads.run();
    }
    BOOST_TEST(wrong == 0);
    BOOST_TEST(ran >= told_ran);
    BOOST_TEST(ran <= told_ran + posted);
    BOOST_TEST(alive.alive() == 0);
  }
}
