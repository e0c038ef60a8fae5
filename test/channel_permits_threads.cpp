// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE channel_permits_threads

// Permits, reservations and sends of several values between threads. Nothing is checked on other
// threads than the main one; the others only count.

#include "support/crew.hpp"
#include "support/flavours.hpp"
#include "support/message.hpp"
#include "support/permits.hpp"
#include "support/probe.hpp"
#include "support/seed.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/test/unit_test.hpp>

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

using namespace support;

namespace {

constexpr flavour_list<sluice::multi_threaded> threaded_buffers{
    3, {bounded_one, bounded_many, unbounded}};
constexpr flavour_list<sluice::multi_threaded> threaded_bounds{2, {bounded_one, bounded_many}};

using pool_strand = asio::strand<asio::thread_pool::executor_type>;

/// How often each message was accepted, kept by its sender, and received.
class account {
 public:
  explicit account(int messages) : entries_(static_cast<std::size_t>(messages)) {}

  void accepted(int id) { ++of(id)[0]; }
  void kept(int id) { ++of(id)[1]; }
  void received(int id) { ++of(id)[2]; }

  int wrong() const {
    int count = 0;
    for (const auto& e : entries_) count += e[0] + e[1] == 1 && e[2] == e[0] ? 0 : 1;
    return count;
  }

  int sum_received() const {
    int sum = 0;
    for (const auto& e : entries_) sum += e[2];
    return sum;
  }

 private:
  using entry = std::array<std::atomic<int>, 3>;

  entry& of(int id) { return entries_[static_cast<std::size_t>(id)]; }

  std::vector<entry> entries_;
};

/// Sends messages through permits, and several at once; some of that it cancels, or does not use.
template <class Sender>
class producer : public std::enable_shared_from_this<producer<Sender>> {
 public:
  producer(const Sender& tx, const pool_strand& strand, random_source random, account& book,
           ledger& counted, int first, int last)
      : tx_(tx.with_executor(strand)),
        random_(std::move(random)),
        book_(book),
        counted_(counted),
        next_(first),
        last_(last) {}

  void start() {
    asio::post(tx_.get_executor(), [self = this->shared_from_this()] { self->go_on(); });
  }

 private:
  using permit = permit_of<Sender>;

  void go_on() {
    while (next_ != last_) {
      switch (random_.below(6)) {
        case 0: {
          error_code ec;
          if (auto given = tx_.try_reserve_many(some_places(), ec)) use(std::move(*given));
          break;
        }
        case 1:
          send_several();
          maybe_cancel();
          return;
        case 2:
          if (held_) use(std::move(held_));
          break;
        default:
          tx_.async_reserve_many(
              some_places(),
              asio::bind_cancellation_slot(
                  signal_.slot(), [self = this->shared_from_this()](error_code ec, permit given) {
                    if (!ec) self->use(std::move(given));
                    self->go_on();
                  }));
          maybe_cancel();
          return;
      }
    }
    // One that it keeps to the end, and maybe after the end of all senders.
    if (random_.coin()) tx_ = {};
    held_ = {};
    tx_ = {};
  }

  std::size_t some_places() { return tx_.capacity() == 1 ? 1 : 1 + random_.below(3); }

  void use(permit given) {
    while (given && next_ != last_ && random_.below(4) != 0) {
      message value(next_, counted_);
      const error_code ec = given.send(std::move(value));
      ec ? book_.kept(next_) : book_.accepted(next_);
      ++next_;
    }
    // Who keeps a permit for long lets nobody else pass, so it is only kept where places never end.
    if (given && tx_.capacity() > 3) held_ = std::move(given);
  }

  void send_several() {
    values_.clear();
    const int first = next_;
    for (unsigned i = random_.below(6); i != 0 && next_ != last_; --i)
      values_.emplace_back(next_++, counted_);
    tx_.async_send_all(
        std::ref(values_),
        asio::bind_cancellation_slot(
            signal_.slot(), [self = this->shared_from_this(), first](error_code, std::size_t sent) {
              for (std::size_t i = 0; i != self->values_.size(); ++i) {
                const int id = first + static_cast<int>(i);
                const bool gone = self->values_[i].id() == message::none;
                if (gone == (i < sent)) gone ? self->book_.accepted(id) : self->book_.kept(id);
              }
              self->go_on();
            }));
  }

  void maybe_cancel() {
    switch (random_.below(8)) {
      case 0:
        return signal_.emit(asio::cancellation_type::total);
      case 1:
        return tx_.cancel();
      case 2:
        asio::post(tx_.get_executor(), [self = this->shared_from_this()] {
          self->signal_.emit(asio::cancellation_type::partial);
        });
    }
  }

  using strand_sender = typename Sender::template rebind_executor<pool_strand>::other;

  strand_sender tx_;
  random_source random_;
  account& book_;
  ledger& counted_;
  int next_;
  const int last_;
  permit held_;
  std::vector<message> values_;
  asio::cancellation_signal signal_;
};

template <class Receiver>
void receive_all(const std::shared_ptr<Receiver>& rx, account& book, std::atomic<int>& ended) {
  rx->async_receive([rx, &book, &ended](error_code ec, std::optional<message> received) {
    if (!received) {
      ended += ec ? 1000 : 1;
      return;
    }
    book.received(received->id());
    receive_all(rx, book, ended);
  });
}

}  // namespace

FLAVOUR_TEST_CASE(D1_P2_every_message_is_received_and_the_end_comes, threaded_buffers) {
  constexpr int producers = 3;
  constexpr int consumers = 2;
  constexpr int messages_each = 3'000;
  account book(producers * messages_each);
  ledger counted;
  std::atomic<int> ended{0};
  {
    random_source random;
    asio::thread_pool pool(3);
    auto [tx, rx] = flavour.open(pool);
    for (int i = 0; i != producers; ++i)
      std::make_shared<producer<decltype(tx)>>(tx, asio::make_strand(pool), random.fork(), book,
                                               counted, i * messages_each, (i + 1) * messages_each)
          ->start();
    for (int i = 0; i != consumers; ++i)
      receive_all(std::make_shared<decltype(rx)>(rx), book, ended);
    tx = {};
    pool.join();
  }
  BOOST_TEST(ended == consumers);
  BOOST_TEST(book.wrong() == 0);
  BOOST_TEST(book.sum_received() > 0);
  BOOST_TEST(counted.alive() == 0);
}

// D2: whatever threads they come from, the values of one send stay together.
FLAVOUR_TEST_CASE(D2_the_values_of_one_send_stay_together, threaded_flavours) {
  constexpr int producers = 3;
  constexpr int sends = 400;
  constexpr int values = 5;
  int wrong = 0;
  int received = 0;
  {
    asio::thread_pool pool(2);
    asio::io_context context;
    auto [tx, rx] = flavour.open(pool);
    for (int i = 0; i != producers; ++i) {
      auto own_tx = std::make_shared<std::decay_t<decltype(tx)>>(tx);
      auto next = std::make_shared<std::function<void(int)>>();
      *next = [own_tx, next, i](int n) {
        if (n == sends) {
          *next = {};
          return;
        }
        own_tx->async_send_all(messages((i * sends + n) * values, values),
                               [next, n](error_code, std::size_t) {
                                 auto go_on = *next;
                                 go_on(n + 1);
                               });
      };
      asio::post(pool, [next] {
        auto begin = *next;
        begin(0);
      });
    }
    tx = {};
    auto own_rx = rx.with_executor(context.get_executor());
    rx = {};
    int last = values - 1;
    std::function<void()> receive = [&] {
      own_rx.async_receive([&](error_code, std::optional<message> m) {
        if (!m) return;
        ++received;
        const int id = m->id();
        wrong += last % values == values - 1 ? id % values != 0 : id != last + 1;
        last = id;
        receive();
      });
    };
    receive();
    context.run();
    pool.join();
  }
  BOOST_TEST(received == producers * sends * values);
  BOOST_TEST(wrong == 0);
}

// P2: the last permit goes on one thread while another one closes, and receives.
FLAVOUR_TEST_CASE(P2_the_end_is_seen_whenever_the_last_permit_goes, threaded_buffers) {
  random_source random;
  int late = 0;
  int lost = 0;
  int missing = 0;
  for (int round = 0; round != 1'500; ++round) {
    asio::io_context context;
    auto [tx, rx] = flavour.open(context);
    auto before = begin_receive(rx);
    receive_probe<message> after;
    auto permit = reserve_now(tx);
    const bool used = random.coin();
    const int way = static_cast<int>(random.below(3));
    error_code seen;
    crew both;
    both.add([&p = permit, used] {
      if (used) static_cast<void>(p.send(message(1)));
      p = {};
    });
    both.add([t = &tx, r = &rx, &after, &seen, way] {
      if (way == 0) *t = {};
      if (way == 1) t->close();
      if (way == 2) r->close();
      static_cast<void>(r->try_receive(seen));
      r->async_receive(after.get_handler());
    });
    both.run();
    run_ready(context);
    late += before.done() && after.done() ? 0 : 1;
    lost += (before.id() == 1) + (after.id() == 1) + !seen == (used ? 1 : 0) ? 0 : 1;
    // The end is not seen before the value that comes before it, wherever that went.
    missing += take(rx).error == sluice::error::closed ? 0 : 1;
  }
  BOOST_TEST(late == 0);
  BOOST_TEST(lost == 0);
  BOOST_TEST(missing == 0);
}

// D6: a place is granted on one thread, while on another one the reservation is cancelled, or its
// context goes. Whoever comes next gets it.
FLAVOUR_TEST_CASE(D6_a_granted_place_is_not_lost_on_the_way, threaded_bounds) {
  random_source random;
  int wrong = 0;
  for (int round = 0; round != 1'500; ++round) {
    asio::io_context context;
    auto doomed = std::make_unique<asio::io_context>();
    auto [tx, rx] = flavour.open(context);
    auto doomed_tx = tx.with_executor(doomed->get_executor());
    auto cancelled_tx = tx;
    auto permit = reserve_now(tx, flavour.capacity);
    const bool cancelled_first = random.coin();
    reserve_probe<permit_of<decltype(tx)>> cancelled;
    if (cancelled_first) cancelled = begin_reserve(cancelled_tx, flavour.capacity);
    auto dropped = begin_reserve(doomed_tx, flavour.capacity);
    if (!cancelled_first) cancelled = begin_reserve(cancelled_tx, flavour.capacity);
    auto next = begin_reserve(tx);
    crew three;
    three.add([&p = permit] { p = {}; });
    three.add([&t = cancelled_tx] { t.cancel(); });
    three.add([&doomed] { doomed.reset(); });
    three.run();
    run_ready(context);
    // It was granted before it was cancelled, or it was not.
    if (cancelled.succeeded()) {
      wrong += next.done();
      cancelled.permit() = {};
      run_ready(context);
    } else {
      wrong += !cancelled.aborted();
    }
    wrong += !next.succeeded() || !dropped.dropped();
    if (next.succeeded()) next.permit() = {};
    auto all = reserve_now(tx, flavour.capacity);
  }
  BOOST_TEST(wrong == 0);
}
