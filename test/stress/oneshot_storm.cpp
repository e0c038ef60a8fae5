// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE oneshot_storm

// Many oneshots at once, each between two threads that send at the same moment and one that
// receives, in a context that goes, by blocking, by a coroutine, several times at once, or not at
// all, and cancels, closes or leaves meanwhile. Of two sends at most one wins (O1). Its letter
// arrives if the receiver goes on until it has it or hears of the end; else it is destroyed with
// the oneshot. See storm.hpp for how it is called.

#include "stress/storm.hpp"

#include <sluice/oneshot.hpp>
#include <sluice/sync_wait.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#if defined(BOOST_ASIO_HAS_CO_AWAIT)
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#endif

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace storm;

using sender = sluice::oneshot_sender<letter>;
using receiver = sluice::oneshot_receiver<letter>;

constexpr std::size_t oneshots = 60;

struct game {
  sender tx;
  receiver rx;
  bool patient = false;  // it is received from until there is a value or the end
  bool silent = false;   // nobody sends
  std::atomic<int> won{0};
  std::atomic<int> received{0};
  std::atomic<int> senders{2};
};

void receive(game& g, letter& l) {
  ++g.received;
  l.receive();
}

// Senders -----------------------------------------------------------------------------------------

/// Both threads that send do this with the same handle; who is the last lets it go. What they wait
/// for lives in a context of their own, since a slot is for one thread.
void send(round_state& r, std::vector<std::unique_ptr<game>>& games, std::uint32_t seed) {
  random_choice random(seed);
  author from(r);
  std::vector<std::unique_ptr<asio::cancellation_signal>> signals;
  std::optional<asio::io_context> context(std::in_place);
  for (const std::unique_ptr<game>& each : games) {
    game& g = *each;
    if (random.one_in(4)) {
      signals.push_back(std::make_unique<asio::cancellation_signal>());
      g.tx.async_wait_closed(asio::bind_cancellation_slot(
          signals.back()->slot(),
          asio::bind_executor(*context, [w = witness(r, witness::in_short_lived_context),
                                         &r](error_code ec) mutable {
            w.call();
            if (ec && ec != asio::error::operation_aborted) ++r.wrong_result;
          })));
      if (random.one_in(2))
        signals[random.below(static_cast<unsigned>(signals.size()))]->emit(
            asio::cancellation_type::total);
    }
    if (random.one_in(4)) {
      context->poll();
      context->restart();
    }
    if (random.one_in(16)) context.emplace();
    if (!g.silent) {
      std::optional<letter> l = from.write();
      const error_code ec = g.tx.send(std::move(*l));
      settle(r, *l, ec);
      if (!ec) ++g.won;
    }
    for (unsigned n = random.below(4); n != 0; --n) std::this_thread::yield();
    if (--g.senders == 0) sender gone(std::move(g.tx));
  }
}

// Receivers ---------------------------------------------------------------------------------------

#if defined(BOOST_ASIO_HAS_CO_AWAIT)
asio::awaitable<void> receive_awaiting(round_state& r, game& g) {
  ++r.begun;
  auto [ec, l] = co_await g.rx.async_receive(asio::as_tuple(sluice::use_awaitable));
  if (ec) ++r.wrong_result;
  if (l) receive(g, *l);
  ++r.completed;
}
#endif

/// Until there is a value, or the end.
void receive_patiently(round_state& r, game& g, random_choice& random) {
  for (;;) {
    ++r.begun;
    const std::chrono::nanoseconds soon(static_cast<int>(random.below(20000)));
    auto [ec, l] = random.one_in(3)
                       ? g.rx.async_receive(asio::as_tuple(sluice::sync_wait))
                       : g.rx.async_receive(asio::as_tuple(sluice::sync_wait_for(soon)));
    ++r.completed;
    if (l) return receive(g, *l);
    if (!ec) return;
    if (ec != asio::error::timed_out) ++r.wrong_result;
  }
}

/// In a context that goes, and with cancellations.
void receive_somehow(round_state& r, game& g, asio::thread_pool& pool, random_choice& random) {
  std::optional<asio::io_context> context(std::in_place);
  std::vector<std::unique_ptr<asio::cancellation_signal>> signals;
  auto begin = [&](bool in_pool) {
    signals.push_back(std::make_unique<asio::cancellation_signal>());
    auto handler = [w = witness(r, in_pool ? witness::in_pool : witness::in_short_lived_context),
                    &g](error_code, std::optional<letter> l) mutable {
      w.call();
      if (l) receive(g, *l);
    };
    // A slot is for one thread, so what runs elsewhere has none.
    if (in_pool)
      g.rx.async_receive(asio::bind_executor(pool, std::move(handler)));
    else
      g.rx.async_receive(asio::bind_executor(
          *context, asio::bind_cancellation_slot(signals.back()->slot(), std::move(handler))));
  };
  for (unsigned steps = random.below(7); steps != 0; --steps) {
    switch (random.below(8)) {
      case 0:
      case 1:
        begin(false);
        break;
      case 2:
        begin(true);
        break;
      case 3:
        if (!signals.empty())
          signals[random.below(static_cast<unsigned>(signals.size()))]->emit(
              asio::cancellation_type::partial);
        break;
      case 4:
        context->poll();
        context->restart();
        break;
      case 5:
        if (random.one_in(2))
          g.rx.cancel();
        else if (std::optional<letter> l = g.rx.try_receive())
          receive(g, *l);
        break;
      case 6:
        if (random.one_in(2)) g.rx.close();
        break;
      default: {
        receiver elsewhere(std::move(g.rx));
        std::this_thread::yield();
        g.rx = std::move(elsewhere);
      }
    }
  }
  if (random.one_in(2)) context->poll();
  if (random.one_in(2)) g.rx = receiver();
  context.reset();
}

void receive_all(round_state& r, std::vector<std::unique_ptr<game>>& games, asio::thread_pool& pool,
                 std::uint32_t seed) {
  random_choice random(seed);
  for (const std::unique_ptr<game>& each : games) {
    game& g = *each;
    if (!g.patient) {
      receive_somehow(r, g, pool, random);
      continue;
    }
#if defined(BOOST_ASIO_HAS_CO_AWAIT)
    if (random.one_in(3)) {
      asio::co_spawn(asio::make_strand(pool), receive_awaiting(r, g), asio::detached);
      continue;
    }
#endif
    receive_patiently(r, g, random);
  }
}

void play_round(std::uint32_t seed, totals& sum) {
  random_choice random(seed);
  round_state r(2 * oneshots);
  asio::thread_pool pool(1);
  // Nobody asks it anything but who it is.
  asio::io_context nobody;
  std::vector<std::unique_ptr<game>> games;
  for (std::size_t i = 0; i != oneshots; ++i) {
    games.push_back(std::make_unique<game>());
    game& g = *games.back();
    auto [tx, rx] = sluice::make_oneshot<letter>(nobody);
    g.tx = std::move(tx);
    g.rx = std::move(rx);
    g.patient = random.one_in(2);
    g.silent = random.one_in(4);
  }
  std::vector<std::thread> threads;
  for (int i = 0; i != 2; ++i) threads.emplace_back([&, s = random.fork()] { send(r, games, s); });
  threads.emplace_back([&, s = random.fork()] { receive_all(r, games, pool, s); });
  for (std::thread& t : threads) t.join();
  pool.join();
  std::size_t unfair = 0;
  for (const std::unique_ptr<game>& g : games) {
    // O1, and: who is patient has what was sent.
    unfair += g->won > 1 || g->received > g->won || (g->silent && g->won != 0) ||
              (g->patient && (g->received != g->won || (g->won == 0) != g->silent));
  }
  games.clear();
  BOOST_TEST_CONTEXT("seed of the round: " << seed) {
    BOOST_TEST(unfair == 0u);
    check(r, false);
  }
  sum.add(r);
}

}  // namespace

BOOST_AUTO_TEST_CASE(O1_O2_whatever_happens_each_letter_comes_to_one_end) {
  BOOST_TEST(rage(play_round).letters.received > 0u);
}
