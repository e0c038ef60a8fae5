// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE broadcast_storm

// A broadcast among threads that do everything at once: sends are begun and cancelled, subscribers
// come, take something or nothing, and go, some with a context that is destroyed under them, weak
// handles are locked. See storm.hpp for how it is called.
//
// In one that waits, whoever subscribes from the beginning to the end receives exactly the messages
// whose sends have said that they were accepted, in their order. In one that lags, what he receives
// and what he misses are together what was sent (BR2), and what he receives is in its order.

#include "stress/storm.hpp"
#include "support/broadcasts.hpp"
#include "support/crew.hpp"
#include "support/seed.hpp"

#include <sluice/broadcast.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

using namespace support;
using sluice::error;

namespace {

constexpr int sends_of_each = 200;

using sender = sluice::lossless_broadcast_sender<letter>;
using lagging_sender = sluice::broadcast_sender<letter>;
using receiver = sluice::broadcast_receiver<letter>;

template <sluice::overflow Overflow>
using weak_sender =
    sluice::weak_broadcast_sender<letter, asio::any_io_executor, sluice::multi_threaded, Overflow>;

/// Sends on a context of its own, and cancels some of it. The ids of the accepted messages, in
/// order.
std::vector<int> send_all(sender tx, int first, letter::office& office, random_source random) {
  asio::io_context context;
  tx = tx.with_executor(asio::any_io_executor(context.get_executor()));
  std::vector<int> accepted;
  for (int i = 0; i < sends_of_each;) {
    // Up to three at once; they are told in any order, but accepted in that of their beginning.
    const int count = static_cast<int>(1 + random.below(3));
    std::vector<asio::cancellation_signal> signals(static_cast<std::size_t>(count));
    std::vector<char> results(static_cast<std::size_t>(count), 0);
    std::vector<std::optional<letter>> mine(static_cast<std::size_t>(count));
    for (int k = 0; k != count; ++k) {
      const auto at = static_cast<std::size_t>(k);
      auto handler = asio::bind_cancellation_slot(
          signals[at].slot(),
          [&, at](error_code ec, std::size_t) { results[at] = ec ? 'n' : 'y'; });
      if (random.coin()) {
        tx.async_send(letter(first + i + k, office), std::move(handler));
      } else {
        mine[at].emplace(first + i + k, office);
        tx.async_send(std::ref(*mine[at]), std::move(handler));
      }
    }
    if (random.below(3) == 0) context.poll();
    if (random.below(3) == 0)
      signals[random.below(static_cast<unsigned>(count))].emit(asio::cancellation_type::total);
    if (random.below(8) == 0) tx.cancel();
    context.restart();
    context.run();
    for (int k = 0; k != count; ++k) {
      const auto at = static_cast<std::size_t>(k);
      const int id = first + i + k;
      if (results[at] == 'y') accepted.push_back(id);
      if (results[at] == 0) accepted.push_back(-1);
      if (mine[at] && (mine[at]->id() == id) != (results[at] == 'n')) accepted.push_back(-2);
    }
    i += count;
  }
  return accepted;
}

/// Receives until the end, on a strand.
struct reader : std::enable_shared_from_this<reader> {
  explicit reader(receiver subscribed) : rx(std::move(subscribed)) {}

  void go_on() {
    rx.async_receive([self = shared_from_this()](error_code ec, std::optional<letter> m) {
      if (ec == error::lagged)
        self->missed += self->rx.missed();
      else if (ec)
        ++self->errors;
      if (!ec && !m) return self->finish();
      if (m) self->received.push_back(m->id());
      self->go_on();
    });
  }

  void finish() {
    ended = true;
    rx = {};
  }

  receiver rx;
  std::vector<int> received;
  std::uint64_t missed = 0;
  int errors = 0;
  bool ended = false;
};

std::vector<int> between(const std::vector<int>& all, int from, int to) {
  std::vector<int> found;
  for (int id : all)
    if (id >= from && id < to) found.push_back(id);
  return found;
}

/// What has been begun by those who come and go, and where it has gone.
struct visits {
  std::atomic<int> sending{2};
  std::atomic<int> begun{0};
  std::atomic<int> gone{0};
};

/// Comes and goes as long as somebody sends.
template <sluice::overflow Overflow>
void come_and_go(visits& v, const weak_sender<Overflow>& weak, random_source own) {
  while (v.sending != 0) {
    auto strong = weak.lock();
    if (!strong) continue;
    receiver rx = strong.subscribe();
    strong = {};
    auto context = std::make_unique<asio::io_context>();
    const bool elsewhere = own.coin();
    if (!elsewhere)
      rx = std::move(rx).with_executor(asio::any_io_executor(context->get_executor()));
    asio::cancellation_signal signal;
    for (unsigned n = own.below(4); n-- != 0;) {
      ++v.begun;
      std::shared_ptr<void> token(nullptr, [&v](void*) { ++v.gone; });
      rx.async_receive(asio::bind_cancellation_slot(
          signal.slot(), asio::bind_executor(context->get_executor(),
                                             [token](error_code, std::optional<letter>) {})));
    }
    switch (own.below(6)) {
      case 0:
        context->poll();
        break;
      case 1:
        context->poll_one();
        context.reset();
        break;
      case 2:
        static_cast<void>(rx.try_receive());
        break;
      case 3:
        signal.emit(asio::cancellation_type::partial);
        break;
      case 4: {
        auto another = rx.resubscribe();
        rx = std::move(another);
        break;
      }
      default:
        rx.cancel();
    }
    // With its subscriptions it goes out of everybody's way, before or after its context.
    if (own.coin()) rx = {};
  }
}

template <class Sender>
std::vector<std::shared_ptr<reader>> subscribe_two(const Sender& tx, asio::thread_pool& pool) {
  std::vector<std::shared_ptr<reader>> readers;
  for (int i = 0; i != 2; ++i)
    readers.push_back(std::make_shared<reader>(
        tx.subscribe().with_executor(asio::any_io_executor(asio::make_strand(pool)))));
  for (auto& r : readers) r->go_on();
  return readers;
}

void play_waiting(random_source random, std::size_t capacity, storm::totals& sum) {
  letter::office office;
  {
    asio::thread_pool pool(1);
    sender tx(pool, capacity);
    const weak_sender<sluice::overflow::wait> weak(tx);
    const auto readers = subscribe_two(tx, pool);
    std::vector<int> accepted[2];
    visits v;
    crew threads;
    for (int s = 0; s != 2; ++s)
      threads.add([&, s, mine = tx, own = random.fork()]() mutable {
        accepted[s] = send_all(std::move(mine), (s + 1) * 1000000, office, std::move(own));
        --v.sending;
      });
    for (int t = 0; t != 2; ++t)
      threads.add([&, own = random.fork()]() mutable { come_and_go(v, weak, std::move(own)); });
    tx = {};
    threads.run();
    pool.join();
    BOOST_TEST(!weak.lock());
    BOOST_TEST(v.begun == v.gone);
    for (auto& r : readers) {
      BOOST_TEST(r->ended);
      BOOST_TEST(r->errors == 0);
      BOOST_TEST(r->missed == 0u);
      for (int s = 0; s != 2; ++s) {
        const int first = (s + 1) * 1000000;
        BOOST_TEST((between(r->received, first, first + 1000000) == accepted[s]));
      }
      BOOST_TEST(r->received.size() == accepted[0].size() + accepted[1].size());
    }
    BOOST_TEST(accepted[0].size() > 0u);
    sum.begun += static_cast<std::size_t>(v.begun) + 2 * sends_of_each;
  }
  BOOST_TEST(office.alive == 0);
}

void play_lagging(random_source random, std::size_t capacity, storm::totals& sum) {
  letter::office office;
  {
    asio::thread_pool pool(1);
    lagging_sender tx(pool, capacity);
    const weak_sender<sluice::overflow::lag> weak(tx);
    const auto readers = subscribe_two(tx, pool);
    visits v;
    std::atomic<int> unseen{0};
    crew threads;
    for (int s = 0; s != 2; ++s)
      threads.add([&, s, mine = tx, own = random.fork()]() mutable {
        for (int i = 0; i != sends_of_each; ++i) {
          if (own.below(4) == 0) mine = lagging_sender(mine);
          // The two who read from the beginning are always among them.
          if (mine.send(letter((s + 1) * 1000000 + i, office)) < 2) ++unseen;
        }
        --v.sending;
      });
    for (int t = 0; t != 2; ++t)
      threads.add([&, own = random.fork()]() mutable { come_and_go(v, weak, std::move(own)); });
    tx = {};
    threads.run();
    pool.join();
    BOOST_TEST(!weak.lock());
    BOOST_TEST(v.begun == v.gone);
    BOOST_TEST(unseen == 0);
    for (auto& r : readers) {
      BOOST_TEST(r->ended);
      BOOST_TEST(r->errors == 0);
      BOOST_TEST(r->received.size() + r->missed == 2u * sends_of_each);
      for (int s = 0; s != 2; ++s) {
        const int first = (s + 1) * 1000000;
        const std::vector<int> of_one = between(r->received, first, first + 1000000);
        BOOST_TEST(std::is_sorted(of_one.begin(), of_one.end(), std::less_equal<int>()));
      }
    }
    sum.begun += static_cast<std::size_t>(v.begun) + 2 * sends_of_each;
  }
  BOOST_TEST(office.alive == 0);
}

void play_round(std::uint32_t seed, storm::totals& sum) {
  random_source random(seed);
  const std::size_t capacity = 1 + random.below(3);
  const bool waits = random.coin();
  BOOST_TEST_CONTEXT("seed of the round: " << seed << ", capacity " << capacity
                                           << (waits ? ", waits" : ", lags")) {
    if (waits)
      play_waiting(random.fork(), capacity, sum);
    else
      play_lagging(random.fork(), capacity, sum);
  }
  ++sum.rounds;
}

}  // namespace

BOOST_AUTO_TEST_CASE(BR2_BR4_subscribers_receive_what_was_sent_whatever_else_happens) {
  BOOST_TEST(storm::rage(play_round).begun > 0u);
}
