// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE blocked_storm

// Threads that block, coroutines, batches and permits at the same channel: some with deadlines that
// are mostly about when something happens, some without, some in contexts that are destroyed while
// a thread is blocked there. Each letter comes to one end, each consumer sees the letters of one
// producer in their order (D2), a call with a deadline has what it returns and nothing else (B2),
// and nobody who waits for ever is forgotten, or a round would not end. See storm.hpp for how it is
// called.

#include "stress/storm.hpp"

#include <sluice/channel.hpp>
#include <sluice/sync_bridge.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#if defined(BOOST_ASIO_HAS_CO_AWAIT)
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/this_coro.hpp>
#endif

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

namespace {

using namespace storm;
using sluice::sync_wait;
using sluice::sync_wait_for;

using sender = sluice::sender<letter>;
using receiver = sluice::receiver<letter>;
using permit = sluice::permit<letter>;

/// A time after which mostly nothing, or something, has happened.
std::chrono::nanoseconds soon(random_choice& random) {
  return std::chrono::nanoseconds(static_cast<int>(random.below(30000)) - 500);
}

/// What is sent by a permit may overtake what is pending, and counts as another producer's.
void use(round_state& r, permit& given, author& from) {
  while (given) {
    std::optional<letter> l = from.write_forced();
    if (!l) return;
    const error_code ec = given.send(std::move(*l));
    settle(r, *l, ec);
    if (ec) return;
  }
}

bool is_over(error_code ec) {
  return ec == sluice::error::closed;
}

// Threads -----------------------------------------------------------------------------------------

/// Sends in all the ways in which a thread can, until it has no letter left.
void send_blocked(round_state& r, sender own, attendance::badge, std::uint32_t seed) {
  random_choice random(seed);
  author from(r);
  sluice::sync_sender<letter> tx(std::move(own));
  for (error_code ec; !is_over(ec); ++r.completed) {
    ++r.begun;
    ec = {};
    if (random.one_in(16)) tx = sluice::sync_sender<letter>(tx);
    const unsigned how = random.below(8);
    if (how == 0) {
      std::vector<letter> some;
      for (unsigned n = random.below(4); n != 0; --n)
        if (std::optional<letter> l = from.write()) some.push_back(std::move(*l));
      sender async = tx;
      std::size_t accepted = 0;
      if (random.one_in(2))
        std::tie(ec, accepted) =
            async.async_send_all(std::ref(some), asio::as_tuple(sync_wait_for(soon(random))));
      else
        std::tie(ec, accepted) = async.async_send_all(std::ref(some), asio::as_tuple(sync_wait));
      for (std::size_t i = 0; i != some.size(); ++i)
        settle(r, some[i], i < accepted ? error_code() : ec);
      if (!ec && accepted != some.size()) ++r.wrong_result;
      continue;
    }
    if (how == 1) {
      if (tx.capacity() == 0) continue;
      sender async = tx;
      const std::size_t places = tx.capacity() < 2 ? 1 : 1 + random.below(2);
      auto [failed, given] =
          async.async_reserve_many(places, asio::as_tuple(sync_wait_for(soon(random))));
      ec = failed;
      if (static_cast<bool>(failed) == static_cast<bool>(given)) ++r.wrong_result;
      if (!random.one_in(3)) use(r, given, from);
      continue;
    }
    std::optional<letter> l = from.write();
    if (!l) {
      ++r.completed;
      return;
    }
    if (how == 2)
      ec = tx.try_send(std::move(*l));
    else if (how < 5)
      tx.send_for(soon(random), std::move(*l), ec);
    else
      tx.send(std::move(*l), ec);
    settle(r, *l, ec);
  }
}

/// Receives in all the ways in which a thread can, until the end, or `leave_after` letters.
void receive_blocked(round_state& r, receiver own, attendance::badge, std::uint32_t seed,
                     std::size_t leave_after) {
  random_choice random(seed);
  order_check order(r);
  sluice::sync_receiver<letter> rx(std::move(own));
  std::size_t had = 0;
  auto take = [&](letter& l) {
    order.receive(l);
    ++had;
  };
  for (bool ended = false; !ended && had < leave_after; ++r.completed) {
    ++r.begun;
    if (random.one_in(16)) rx = sluice::sync_receiver<letter>(rx);
    error_code ec;
    switch (random.below(7)) {
      case 0: {
        std::vector<letter> some;
        const std::size_t count = rx.receive_some(some, 1 + random.below(4), ec);
        if (count != some.size()) ++r.wrong_result;
        for (letter& l : some) take(l);
        ended = !ec && count == 0;
        break;
      }
      case 1: {
        if (r.is_ordered) break;
        // Stops by itself now and then, or is stopped by time.
        receiver async = rx;
        bool stopped = false;
        std::tie(ec) = async.async_for_each(
            [&](letter l) {
              take(l);
              stopped = random.one_in(8) || had >= leave_after;
              return !stopped;
            },
            asio::as_tuple(sync_wait_for(soon(random))));
        ended = !ec && !stopped;
        break;
      }
      case 2:
        if (std::optional<letter> l = rx.try_receive()) take(*l);
        break;
      case 3:
      case 4: {
        std::optional<letter> l = rx.receive_for(soon(random), ec);
        if (l) take(*l);
        if (l && ec) ++r.wrong_result;
        ended = !ec && !l;
        break;
      }
      default: {
        std::optional<letter> l = rx.receive(ec);
        if (l) take(*l);
        if (l && ec) ++r.wrong_result;
        ended = !ec && !l;
      }
    }
    if (ec == asio::error::connection_reset) ended = true;
    if (ec && !ended && ec != asio::error::timed_out) ++r.wrong_result;
  }
}

/// The steady clock, which tells that it was asked: what a thread blocks for has been begun then.
struct asked_clock {
  using duration = std::chrono::steady_clock::duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<asked_clock>;
  [[maybe_unused]] static constexpr bool is_steady = true;

  static time_point now() noexcept {
    ++asked;
    return time_point(std::chrono::steady_clock::now().time_since_epoch());
  }

  static inline std::atomic<unsigned> asked{0};
};

/// B3: blocks in a context of its own, which another thread destroys meanwhile. One thread at a
/// time.
void receive_where_it_ends(round_state& r, receiver rx, std::uint32_t seed) {
  random_choice random(seed);
  order_check order(r);
  while (!r.stop) {
    auto context = std::make_unique<asio::io_context>();
    receiver here = rx.with_executor(asio::any_io_executor(context->get_executor()));
    const auto deadline = asked_clock::now() + std::chrono::microseconds(random.below(400));
    const unsigned turns = random.below(30);
    asked_clock::asked = 0;
    std::atomic<bool> done{false};
    std::thread destroyer([&] {
      while (asked_clock::asked == 0 && !done) std::this_thread::yield();
      for (unsigned i = 0; i != turns; ++i) std::this_thread::yield();
      context.reset();
    });
    error_code ec;
    ++r.begun;
    std::optional<letter> l =
        here.async_receive(asio::redirect_error(sluice::sync_wait_until(deadline), ec));
    done = true;
    if (l) order.receive(*l);
    if (l && ec) ++r.wrong_result;
    ++r.completed;
    destroyer.join();
  }
}

/// Comes and goes, and closes if it is told to.
void disturb(round_state& r, sender tx, receiver rx, bool closes, std::uint32_t seed) {
  random_choice random(seed);
  order_check order(r);
  sluice::weak_sender<letter> weak(tx);
  tx = {};
  unsigned until_closing = 10 + random.below(200);
  while (!r.stop) {
    if (sender locked = weak.lock(); locked && random.one_in(4)) locked.cancel();
    receiver copy(rx);
    if (random.one_in(4)) copy.cancel();
    if (random.one_in(8))
      if (std::optional<letter> l = copy.try_receive()) order.receive(*l);
    std::this_thread::yield();
    if (!closes || --until_closing != 0) continue;
    rx.close(random.one_in(2) ? error_code() : error_code(asio::error::connection_reset));
    closes = false;
  }
}

// Coroutines --------------------------------------------------------------------------------------

#if defined(BOOST_ASIO_HAS_CO_AWAIT)

constexpr auto await = asio::as_tuple(sluice::use_awaitable);

asio::awaitable<void> send_awaiting(round_state& r, sender tx, attendance::badge,
                                    std::uint32_t seed) {
  random_choice random(seed);
  author from(r);
  for (error_code ec; !is_over(ec); ++r.completed) {
    ++r.begun;
    ec = {};
    if (random.one_in(4) && tx.capacity() != 0) {
      auto [failed, given] = co_await tx.async_reserve(await);
      ec = failed;
      use(r, given, from);
      continue;
    }
    std::optional<letter> l = from.write();
    if (!l) {
      ++r.completed;
      co_return;
    }
    std::tie(ec) = co_await tx.async_send(std::ref(*l), await);
    settle(r, *l, ec);
  }
}

asio::awaitable<void> receive_awaiting(round_state& r, receiver rx, attendance::badge,
                                       std::uint32_t seed) {
  random_choice random(seed);
  order_check order(r);
  for (;;) {
    ++r.begun;
    error_code ec;
    bool ended = false;
    if (random.one_in(2)) {
      std::vector<letter> some;
      std::size_t count = 0;
      std::tie(ec, count) = co_await rx.async_receive_some(some, 1 + random.below(6), await);
      for (letter& l : some) order.receive(l);
      ended = count == 0;
    } else {
      auto [failed, l] = co_await rx.async_receive(await);
      ec = failed;
      if (l) order.receive(*l);
      ended = !l;
    }
    ++r.completed;
    if (!ended) continue;
    if (ec && ec != asio::error::connection_reset) ++r.wrong_result;
    co_return;
  }
}

#endif

// A round -----------------------------------------------------------------------------------------

void play_round(std::uint32_t seed, totals& sum) {
  random_choice random(seed);
  constexpr std::size_t capacities[] = {0, 1, 3, 64};
  const std::size_t capacity = capacities[random.below(4)];
  const bool closes = random.one_in(4);
  const bool leaves = !closes && random.one_in(4);

  round_state r(100 + random.below(300));
  // What a loop has claimed and not passed on is received by others after what came later (D8).
  r.is_ordered = random.one_in(2);
  asio::thread_pool pool(1);
  // Of this one nobody asks anything but who it is: threads that block need nobody who runs it.
  asio::io_context nobody;
  std::vector<std::thread> threads;
  {
    auto [tx, rx] = sluice::make_channel<letter>(nobody, capacity);
    const std::size_t leave_after = leaves ? 1 + random.below(50) : static_cast<std::size_t>(-1);
    for (unsigned i = 0; i != 2; ++i) {
#if defined(BOOST_ASIO_HAS_CO_AWAIT)
      // A coroutine beside one thread, or two threads.
      if (i == 1 && random.one_in(2)) {
        const auto strand = asio::make_strand(pool);
        asio::co_spawn(
            strand,
            send_awaiting(r, tx.with_executor(asio::any_io_executor(strand)),
                          attendance::badge(r.present, attendance::producer), random.fork()),
            asio::detached);
        continue;
      }
#endif
      threads.emplace_back([&r, own = tx, s = random.fork(),
                            b = attendance::badge(r.present, attendance::producer)]() mutable {
        send_blocked(r, std::move(own), std::move(b), s);
      });
    }
    for (unsigned i = 0; i != 2; ++i) {
#if defined(BOOST_ASIO_HAS_CO_AWAIT)
      if (i == 1 && !leaves && random.one_in(2)) {
        const auto strand = asio::make_strand(pool);
        asio::co_spawn(
            strand,
            receive_awaiting(r, rx.with_executor(asio::any_io_executor(strand)),
                             attendance::badge(r.present, attendance::consumer), random.fork()),
            asio::detached);
        continue;
      }
#endif
      threads.emplace_back([&r, own = rx, s = random.fork(), leave_after,
                            b = attendance::badge(r.present, attendance::consumer)]() mutable {
        receive_blocked(r, std::move(own), std::move(b), s, leave_after);
      });
    }
    threads.emplace_back([&r, own_tx = tx, own_rx = rx, closes, s = random.fork()]() mutable {
      disturb(r, std::move(own_tx), std::move(own_rx), closes, s);
    });
    if (random.one_in(2))
      threads.emplace_back([&r, own = rx, s = random.fork()]() mutable {
        receive_where_it_ends(r, std::move(own), s);
      });
  }
  if (leaves)
    r.present.wait_for_either();
  else
    r.present.wait_for_producers();
  r.stop = true;
  for (std::thread& t : threads) t.join();
  r.present.wait_for_all();
  pool.join();
  BOOST_TEST_CONTEXT("seed of the round: " << seed << ", capacity " << capacity << ", closes "
                                           << closes << ", leaves " << leaves) {
    check(r, !leaves);
  }
  sum.add(r);
}

}  // namespace

BOOST_AUTO_TEST_CASE(B2_whoever_blocks_or_awaits_each_letter_comes_to_one_end) {
  BOOST_TEST(rage(play_round).letters.received > 0u);
}
