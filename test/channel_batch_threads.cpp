// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE channel_batch_threads

// Receives of several messages, and loops, on several threads: nothing is lost, nothing comes
// twice, and a consumer that is alone sees what one producer has sent in its order, whatever stops
// in between.

#include "support/crew.hpp"
#include "support/flavours.hpp"
#include "support/message.hpp"
#include "support/seed.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <memory_resource>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

using namespace support;
namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr int producers = 2;
constexpr int per_producer = 1500;
constexpr int all = producers * per_producer;

int producer_of(int id) {
  return id / per_producer;
}

/// What came of each message, and what one consumer has seen last of each producer.
class book {
 public:
  book() : times_(static_cast<std::size_t>(all)) {}

  void write(int id) {
    if (times_[static_cast<std::size_t>(id)].fetch_add(1) != 0) ++wrong_;
    ++count_;
  }

  int count() const { return count_.load(); }
  int wrong() const { return wrong_.load(); }
  void complain() { ++wrong_; }

 private:
  std::vector<std::atomic<int>> times_;
  std::atomic<int> count_{0};
  std::atomic<int> wrong_{0};
};

class reader {
 public:
  /// What another consumer gives back may be older than what this one has seen.
  reader(book& b, bool is_alone) : book_(b), is_alone_(is_alone) {}

  void read(int id) {
    int& last = last_[producer_of(id)];
    if (is_alone_ && id <= last) book_.complain();
    last = id;
    book_.write(id);
  }

 private:
  book& book_;
  const bool is_alone_;
  int last_[producers] = {-1, -1};
};

/// Sends with several pending at a time, in a context of its own.
template <class Sender>
class writer {
 public:
  writer(Sender tx, int producer, book& b, random_source random)
      : book_(b),
        tx_(std::move(tx)),
        next_(producer * per_producer),
        end_(next_ + per_producer),
        random_(std::move(random)) {}

  void run(asio::io_context& context) {
    go_on();
    context.run();
  }

 private:
  void go_on() {
    const int most = 1 + static_cast<int>(random_.below(5));
    for (int i = 0; i != most && next_ != end_; ++i) {
      message m(next_++);
      if (random_.coin() && pending_ == 0 && !tx_.try_send(std::move(m))) continue;
      ++pending_;
      tx_.async_send(std::move(m), [this](error_code ec) {
        if (ec) book_.complain();
        if (--pending_ == 0) go_on();
      });
    }
    if (pending_ == 0 && next_ != end_) return go_on();
    if (next_ == end_) tx_ = Sender();
  }

  book& book_;
  Sender tx_;
  int next_;
  const int end_;
  random_source random_;
  int pending_ = 0;
};

/// A consumer of one kind or another, in a context of its own.
template <class Receiver>
class consumer {
 public:
  enum kind { loops, loops_that_stop, receives_some, receives_some_elsewhere, kinds };

  consumer(kind k, Receiver rx, book& b, bool is_alone, random_source random)
      : kind_(k), rx_(std::move(rx)), book_(b), reader_(b, is_alone), random_(std::move(random)) {}

  void run(asio::io_context& context) {
    begin();
    for (;;) {
      try {
        context.run();
        return;
      } catch (const std::runtime_error&) {
        // The function of a loop, which is over.
        context.restart();
        begin();
      }
    }
  }

 private:
  void begin() {
    if (kind_ == loops)
      rx_.async_for_each([this](const message& m) { reader_.read(m.id()); },
                         [this](error_code ec) { end(ec); });
    else if (kind_ == loops_that_stop)
      rx_.async_for_each([this](const message& m) { return read_and_stop(m); },
                         [this](error_code ec) {
                           if (ec == asio::error::operation_aborted || stopped_)
                             begin_again();
                           else
                             end(ec);
                         });
    else if (kind_ == receives_some)
      rx_.async_receive_some(some_, 1 + random_.below(40),
                             [this](error_code ec, std::size_t n) { read(some_, ec, n); });
    else
      rx_.async_receive_some(elsewhere_, 1 + random_.below(40),
                             [this](error_code ec, std::size_t n) { read(elsewhere_, ec, n); });
  }

  void begin_again() {
    stopped_ = false;
    begin();
  }

  template <class Vector>
  void read(Vector& messages, error_code ec, std::size_t n) {
    if (n != messages.size()) book_.complain();
    for (const message& m : messages) reader_.read(m.id());
    messages.clear();
    if (n == 0) return end(ec);
    begin();
  }

  bool read_and_stop(const message& m) {
    reader_.read(m.id());
    switch (random_.below(12)) {
      case 0:
        stopped_ = true;
        return false;
      case 1:
        rx_.cancel();
        return true;
      case 2:
        throw std::runtime_error("the function");
      default:
        return true;
    }
  }

  void end(error_code ec) {
    if (ec) book_.complain();
    rx_ = Receiver();
  }

  const kind kind_;
  Receiver rx_;
  book& book_;
  reader reader_;
  random_source random_;
  bool stopped_ = false;
  std::vector<message> some_;
  std::pmr::vector<message> elsewhere_;
};

template <class Flavour>
void run_storm(Flavour flavour, random_source& random, std::size_t consumers) {
  asio::io_context contexts[producers + 3];
  auto [tx, rx] = flavour.open(contexts[0]);
  using sender_type = decltype(tx);
  using receiver_type = decltype(rx);
  using consumer_type = consumer<receiver_type>;
  book all_of_them;
  crew threads;
  for (int i = 0; i != producers; ++i) {
    auto& context = contexts[i];
    auto w = std::make_unique<writer<sender_type>>(tx.with_executor(context.get_executor()), i,
                                                   all_of_them, random.fork());
    threads.add([&context, own = std::move(w)] { own->run(context); });
  }
  for (std::size_t i = 0; i != consumers; ++i) {
    auto& context = contexts[producers + i];
    const auto k = static_cast<typename consumer_type::kind>(random.below(consumer_type::kinds));
    auto c = std::make_unique<consumer_type>(k, rx.with_executor(context.get_executor()),
                                             all_of_them, consumers == 1, random.fork());
    threads.add([&context, own = std::move(c)] { own->run(context); });
  }
  tx = sender_type();
  rx = receiver_type();
  threads.run();
  BOOST_TEST(all_of_them.count() == all);
  BOOST_TEST(all_of_them.wrong() == 0);
}

}  // namespace

FLAVOUR_TEST_CASE(D1_D2_one_consumer_sees_everything_in_order, threaded_flavours) {
  random_source random;
  for (int round = 0; round != 8; ++round) run_storm(flavour, random, 1);
}

FLAVOUR_TEST_CASE(D1_several_consumers_share_everything, threaded_flavours) {
  random_source random;
  for (int round = 0; round != 8; ++round) run_storm(flavour, random, 3);
}

// While one thread is in the function of a loop, another one cancels it.
FLAVOUR_TEST_CASE(D8_a_loop_that_another_thread_cancels_loses_nothing, threaded_flavours) {
  asio::io_context context;
  asio::io_context sending;
  auto [tx, rx] = flavour.open(context);
  book all_of_them;
  reader in_order(all_of_them, true);
  std::atomic<bool> over{false};
  crew threads;
  writer<decltype(tx)> both[] = {
      {tx.with_executor(sending.get_executor()), 0, all_of_them, random_source()},
      {tx.with_executor(sending.get_executor()), 1, all_of_them, random_source()}};
  tx = {};
  threads.add([&] {
    // One after the other, since they share a context.
    both[0].run(sending);
    sending.restart();
    both[1].run(sending);
  });
  threads.add([&, r = &rx] {
    std::function<void()> begin = [&, r] {
      r->async_for_each([&](const message& m) { in_order.read(m.id()); },
                        [&](error_code ec) {
                          if (ec == asio::error::operation_aborted) return begin();
                          if (ec) all_of_them.complain();
                          over = true;
                        });
    };
    begin();
    context.run();
  });
  threads.add([&, r = &rx] {
    while (!over) {
      r->cancel();
      std::this_thread::yield();
    }
  });
  threads.run();
  BOOST_TEST(all_of_them.count() == all);
  BOOST_TEST(all_of_them.wrong() == 0);
}

// While one thread is in the function of a loop, the last receiver goes.
FLAVOUR_TEST_CASE(C3_what_a_loop_has_is_destroyed_with_the_last_receiver, threaded_flavours) {
  for (int round = 0; round != 100; ++round) {
    asio::io_context context;
    ledger kept;
    auto [tx, rx] = flavour.open(context);
    std::atomic<bool> begun{false};
    for (int id = 0; id != 50; ++id) tx.async_send(message(id, kept), [](error_code) {});
    error_code seen;
    rx.async_for_each([&](const message&) { begun = true; }, [&](error_code ec) { seen = ec; });
    // The loop ends only because the receiver goes.
    crew threads;
    threads.add([&] { context.run(); });
    threads.add([&, own = std::move(rx)]() mutable {
      while (!begun) std::this_thread::yield();
      own = {};
    });
    threads.run();
    BOOST_TEST(seen == asio::error::operation_aborted);
    BOOST_TEST(kept.alive() == 0);
    BOOST_TEST(tx.size() == 0u);
  }
}
