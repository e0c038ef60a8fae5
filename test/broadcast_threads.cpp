// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE broadcast_threads

// Threads: senders that lap the ring while subscribers come, go, receive and are cancelled, on
// contexts that are destroyed. What is checked is that nobody misses anything without being told.

#include "support/broadcasts.hpp"
#include "support/crew.hpp"
#include "support/seed.hpp"
#include "support/unit_test.hpp"

#include <sluice/broadcast.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace support;
using sluice::error;

namespace {

/// What is sent: who sent it, and which of his messages it is. A string, so that it has to be
/// copied.
struct note {
  note(unsigned from, std::uint64_t which)
      : sender(from), number(which), text("message " + std::to_string(which) + " and more text") {}

  unsigned sender;
  std::uint64_t number;
  std::string text;
};

/// Checks what one subscriber receives.
class inbox {
 public:
  void add(const note& n) {
    ++received_;
    if (n.text != "message " + std::to_string(n.number) + " and more text") ++failures_;
    if (next_.size() <= n.sender) next_.resize(n.sender + 1);
    if (n.number < next_[n.sender]) ++failures_;  // out of order, or twice
    next_[n.sender] = n.number + 1;
  }

  void skip(std::uint64_t missed) {
    if (missed == 0) ++failures_;
    missed_ += missed;
  }

  std::uint64_t total() const { return received_ + missed_; }
  std::uint64_t received() const { return received_; }
  int failures() const { return failures_; }

 private:
  std::vector<std::uint64_t> next_;
  std::uint64_t received_ = 0;
  std::uint64_t missed_ = 0;
  int failures_ = 0;
};

using sender = sluice::broadcast_sender<note>;
using receiver = sluice::broadcast_receiver<note>;

/// Receives until the end, one after the other, on a strand.
class reader : public std::enable_shared_from_this<reader> {
 public:
  reader(receiver rx, std::atomic<int>& at_work) : rx_(std::move(rx)), at_work_(at_work) {
    ++at_work_;
  }

  void go_on() {
    rx_.async_receive([self = shared_from_this()](error_code ec, std::optional<note> n) {
      if (ec == error::lagged) {
        self->box.skip(self->rx_.missed());
      } else if (ec) {
        ++self->errors;
      } else if (!n) {
        --self->at_work_;
        return;
      } else {
        self->box.add(*n);
      }
      self->go_on();
    });
  }

  inbox box;
  int errors = 0;

 private:
  receiver rx_;
  std::atomic<int>& at_work_;
};

constexpr std::uint64_t messages = 4000;

}  // namespace

BOOST_AUTO_TEST_CASE(BR2_subscribers_that_stay_account_for_every_message) {
  for (const std::size_t capacity : {1u, 2u, 31u, 32u, 33u}) {
    asio::thread_pool pool(2);
    std::atomic<int> at_work{0};
    std::vector<std::shared_ptr<reader>> readers;
    {
      sender tx(pool, capacity);
      for (int i = 0; i != 4; ++i)
        readers.push_back(std::make_shared<reader>(
            tx.subscribe().with_executor(asio::any_io_executor(asio::make_strand(pool))), at_work));
      for (auto& r : readers) r->go_on();
      crew senders;
      for (unsigned s = 0; s != 2; ++s)
        senders.add([mine = tx, s]() mutable {
          for (std::uint64_t i = 0; i != messages; ++i) {
            mine.send(note(s, i));
            if (i % 64 == 0) std::this_thread::yield();
          }
        });
      senders.run();
    }
    pool.join();
    BOOST_TEST(at_work == 0);
    for (auto& r : readers) {
      BOOST_TEST(r->box.total() == 2 * messages);
      BOOST_TEST(r->box.failures() == 0);
      BOOST_TEST(r->errors == 0);
    }
  }
}

// With one sender the numbers say exactly how large each gap must be.
BOOST_AUTO_TEST_CASE(BR2_subscribers_that_come_and_go_are_told_of_each_gap) {
  random_source random;
  sender tx(asio::system_executor(), 3);
  std::atomic<int> subscribers{2};
  std::atomic<int> failures{0};
  std::atomic<std::uint64_t> received{0};
  crew threads;
  threads.add([&] {
    for (std::uint64_t i = 0; subscribers != 0; ++i) {
      tx.send(note(0, i));
      if (i % 8 == 0) std::this_thread::yield();
    }
  });
  for (int t = 0; t != 2; ++t)
    threads.add([&, own = random.fork()]() mutable {
      for (int round = 0; round != 200; ++round) {
        auto rx = tx.subscribe();
        std::optional<std::uint64_t> last;
        std::uint64_t missed = 0;
        for (unsigned n = own.below(50); n != 0;) {
          error_code ec;
          auto got = rx.try_receive(ec);
          if (got) {
            if (last && got->number != *last + missed + 1) ++failures;
            last = got->number;
            missed = 0;
            ++received;
            --n;
          } else if (ec == error::lagged) {
            missed += rx.missed();
          } else if (ec == error::empty) {
            std::this_thread::yield();
          } else {
            ++failures;
            break;
          }
        }
      }
      --subscribers;
    });
  threads.run();
  BOOST_TEST(failures == 0);
  BOOST_TEST(received > 0u);
  BOOST_TEST(tx.receiver_count() == 0u);
  BOOST_TEST(tx.size() == 0u);
}

// Senders lap the ring while subscribers are made, receive, are cancelled and destroyed.
BOOST_AUTO_TEST_CASE(BR4_subscribers_are_destroyed_while_senders_lap_the_ring) {
  random_source random;
  letter::office office;
  std::atomic<int> begun{0};
  std::atomic<int> ended{0};
  {
    asio::thread_pool pool(2);
    sluice::broadcast_sender<letter> tx(pool, 2);
    std::atomic<int> subscribers{2};
    crew threads;
    for (int s = 0; s != 2; ++s)
      threads.add([&, mine = tx]() mutable {
        for (int i = 0; subscribers != 0; ++i) {
          mine.send(letter(i, office));
          if (i % 64 == 0) std::this_thread::yield();
        }
      });
    for (int t = 0; t != 2; ++t)
      threads.add([&, own = random.fork()]() mutable {
        for (int round = 0; round != 150; ++round) {
          auto rx = tx.subscribe();
          std::vector<std::unique_ptr<asio::cancellation_signal>> signals;
          std::vector<std::future<void>> done;
          auto strand = asio::make_strand(pool);
          for (unsigned n = 1 + own.below(4); n-- != 0;) {
            signals.push_back(std::make_unique<asio::cancellation_signal>());
            auto finished = std::make_shared<std::promise<void>>();
            done.push_back(finished->get_future());
            // On one strand: a slot is for one thread at a time.
            asio::post(strand, [&, finished, slot = signals.back()->slot()] {
              ++begun;
              rx.async_receive(asio::bind_cancellation_slot(
                  slot,
                  asio::bind_executor(strand, [&, finished](error_code, std::optional<letter>) {
                    ++ended;
                    finished->set_value();
                  })));
            });
          }
          const unsigned how = own.below(3);
          if (how == 0)
            for (auto& signal : signals)
              asio::post(strand, [&] { signal->emit(asio::cancellation_type::total); });
          if (how == 1) asio::post(strand, [&] { rx.cancel(); });
          auto all_begun = std::make_shared<std::promise<void>>();
          auto seen = all_begun->get_future();
          asio::post(strand, [all_begun] { all_begun->set_value(); });
          seen.wait();
          if (how == 2) {
            auto moved = std::move(rx);
            static_cast<void>(moved.try_receive());
          }
          rx.cancel();
          for (auto& d : done) d.wait();
        }
        --subscribers;
      });
    threads.run();
    tx.close();
    pool.join();
    BOOST_TEST(tx.receiver_count() == 0u);
    BOOST_TEST(tx.size() == 0u);
  }
  BOOST_TEST(begun == ended);
  BOOST_TEST(begun > 0);
  BOOST_TEST(office.alive == 0);
}

BOOST_AUTO_TEST_CASE(BR4_a_lossless_broadcast_loses_nothing_among_threads) {
  for (const std::size_t capacity : {1u, 3u, 32u}) {
    asio::thread_pool pool(2);
    std::atomic<int> at_work{0};
    std::atomic<int> refused{0};
    std::vector<std::shared_ptr<reader>> readers;
    {
      sluice::lossless_broadcast_sender<note> tx(pool, capacity);
      for (int i = 0; i != 3; ++i)
        readers.push_back(std::make_shared<reader>(
            tx.subscribe().with_executor(asio::any_io_executor(asio::make_strand(pool))), at_work));
      for (auto& r : readers) r->go_on();

      struct writer : std::enable_shared_from_this<writer> {
        void go_on() {
          if (next == messages / 4) return;
          tx.async_send(note(name, next++),
                        [self = shared_from_this()](error_code ec, std::size_t reached) {
                          if (ec || reached < 3) ++self->refused;
                          self->go_on();
                        });
        }
        writer(decltype(tx) sends, unsigned who, std::atomic<int>& counted)
            : tx(std::move(sends)), name(who), refused(counted) {}
        sluice::lossless_broadcast_sender<note> tx;
        unsigned name;
        std::atomic<int>& refused;
        std::uint64_t next = 0;
      };
      for (unsigned s = 0; s != 2; ++s) std::make_shared<writer>(tx, s, refused)->go_on();
      // One that never receives holds everybody up, until it goes.
      std::thread([rx = tx.subscribe()]() mutable { rx = {}; }).join();
    }
    pool.join();
    BOOST_TEST(refused == 0);
    for (auto& r : readers) {
      BOOST_TEST(r->box.received() == 2 * (messages / 4));
      BOOST_TEST(r->box.total() == r->box.received());
      BOOST_TEST(r->box.failures() == 0);
    }
  }
}

// K5: contexts with pending receives are destroyed while senders send.
BOOST_AUTO_TEST_CASE(K5_contexts_are_destroyed_while_senders_send) {
  sluice::broadcast_sender<note> tx(asio::system_executor(), 4);
  std::atomic<bool> over{false};
  std::atomic<int> begun{0};
  std::atomic<int> gone{0};
  auto stays = tx.subscribe();
  crew threads;
  threads.add([&] {
    std::uint64_t i = 0;
    while (!over) tx.send(note(0, i++));
  });
  for (int t = 0; t != 2; ++t)
    threads.add([&] {
      for (int round = 0; round != 300; ++round) {
        auto context = std::make_unique<asio::io_context>();
        auto rx = tx.subscribe().with_executor(context->get_executor());
        for (int k = 0; k != 3; ++k) {
          ++begun;
          std::shared_ptr<void> token(nullptr, [&](void*) { ++gone; });
          rx.async_receive([token](error_code, std::optional<note>) {});
        }
        if (round % 3 == 0) context->poll();
        if (round % 3 == 1) context.reset();
      }
    });
  std::thread ends([&] {
    while (begun != 2 * 300 * 3) std::this_thread::yield();
    over = true;
  });
  threads.run();
  ends.join();
  BOOST_TEST(begun == gone);
  BOOST_TEST(tx.receiver_count() == 1u);
  BOOST_TEST(stays.size() == 4u);
}
