// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE channel_threads

// Channels between threads. Nothing is checked on other threads than the main one, since the test
// framework is not made for that; the others only count.

#include "support/crew.hpp"
#include "support/flavours.hpp"
#include "support/message.hpp"
#include "support/seed.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

using namespace support;
namespace asio = boost::asio;
using boost::system::error_code;

namespace {

using pool_strand = asio::strand<asio::thread_pool::executor_type>;

/// What happened to each message, by its id. Any thread may write.
class account {
 public:
  explicit account(int messages) : entries_(static_cast<std::size_t>(messages)) {}

  void accepted(int id) { of(id).accepted.fetch_add(1); }
  void not_sent(int id) { of(id).not_sent.fetch_add(1); }
  void received(int id) { of(id).received.fetch_add(1); }
  void given_back(int id) { of(id).given_back.fetch_add(1); }

  /// How many messages have another fate than exactly one of those they may have. `destroyed`: they
  /// may have been destroyed in the channel, so not all that was accepted was received.
  int wrong(bool destroyed = false) const {
    int count = 0;
    for (const entry& e : entries_) {
      const int ends = e.received + e.given_back;
      const bool sent_once = e.accepted + e.not_sent == 1;
      const bool ended_once = destroyed ? ends <= e.accepted : ends == e.accepted;
      count += sent_once && ended_once ? 0 : 1;
    }
    return count;
  }

  int sum_received() const {
    int sum = 0;
    for (const entry& e : entries_) sum += e.received;
    return sum;
  }

 private:
  struct entry {
    std::atomic<int> accepted{0};
    std::atomic<int> not_sent{0};
    std::atomic<int> received{0};
    std::atomic<int> given_back{0};
  };

  entry& of(int id) { return entries_[static_cast<std::size_t>(id)]; }

  std::vector<entry> entries_;
};

/// Sends its messages in all the ways there are, some of which it cancels, on a strand of its own.
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
  void go_on() {
    while (next_ != last_) {
      const int id = next_++;
      message value(id, counted_);
      switch (random_.below(6)) {
        case 0: {
          error_code ec = tx_.try_send(std::move(value));
          if (!ec) {
            book_.accepted(id);
            break;
          }
          if (value.id() != id) book_.accepted(id);  // This makes it wrong.
          book_.not_sent(id);
          break;
        }
        case 1: {
          error_code ec;
          auto displaced = tx_.force_send(std::move(value), ec);
          if (displaced) book_.given_back(displaced->id());
          ec ? book_.not_sent(id) : book_.accepted(id);
          break;
        }
        case 2:
          lent_.emplace(std::move(value));
          tx_.async_send(std::ref(*lent_), completion(id, true));
          maybe_cancel();
          return;
        default:
          tx_.async_send(std::move(value), completion(id, false));
          maybe_cancel();
          return;
      }
    }
    tx_ = {};
  }

  auto completion(int id, bool by_reference) {
    return asio::bind_cancellation_slot(
        signal_.slot(), [self = this->shared_from_this(), id, by_reference](error_code ec) {
          ec ? self->book_.not_sent(id) : self->book_.accepted(id);
          // A value that was lent is still there exactly if it was not sent.
          if (by_reference && (self->lent_->id() == id) != static_cast<bool>(ec))
            self->book_.not_sent(id);
          self->go_on();
        });
  }

  void maybe_cancel() {
    switch (random_.below(8)) {
      case 0:
        signal_.emit(asio::cancellation_type::total);
        break;
      case 1:
        tx_.cancel();
        break;
      case 2:
        asio::post(tx_.get_executor(), [self = this->shared_from_this()] {
          self->signal_.emit(asio::cancellation_type::total);
        });
        break;
    }
  }

  using strand_sender = typename Sender::template rebind_executor<pool_strand>::other;

  strand_sender tx_;
  random_source random_;
  account& book_;
  ledger& counted_;
  int next_;
  const int last_;
  std::optional<message> lent_;
  asio::cancellation_signal signal_;
};

/// Receives until the end, with receives some of which it cancels, on a strand of its own.
template <class Receiver>
class consumer : public std::enable_shared_from_this<consumer<Receiver>> {
 public:
  /// It leaves early when it has received `most` messages.
  consumer(const Receiver& rx, const pool_strand& strand, random_source random, account& book,
           int most, std::atomic<int>& ended)
      : rx_(rx.with_executor(strand)),
        random_(std::move(random)),
        book_(book),
        most_(most),
        ended_(ended) {}

  void start() {
    asio::post(rx_.get_executor(), [self = this->shared_from_this()] { self->go_on(); });
  }

 private:
  void go_on() {
    if (random_.below(4) == 0) {
      if (auto received = rx_.try_receive()) accept(*received);
    }
    if (most_ <= 0) {
      rx_ = {};
      return;
    }
    rx_.async_receive(asio::bind_cancellation_slot(
        signal_.slot(),
        [self = this->shared_from_this()](error_code ec, std::optional<message> received) {
          if (received) {
            self->accept(*received);
          } else if (ec != asio::error::operation_aborted) {
            self->ended_.fetch_add(ec ? 1000 : 1);
            return;
          }
          self->go_on();
        }));
    switch (random_.below(8)) {
      case 0:
        signal_.emit(asio::cancellation_type::terminal);
        break;
      case 1:
        rx_.cancel();
        break;
      case 2:
        asio::post(rx_.get_executor(), [self = this->shared_from_this()] {
          self->signal_.emit(asio::cancellation_type::terminal);
        });
        break;
    }
  }

  void accept(const message& received) {
    book_.received(received.id());
    --most_;
  }

  using strand_receiver = typename Receiver::template rebind_executor<pool_strand>::other;

  strand_receiver rx_;
  random_source random_;
  account& book_;
  int most_;
  std::atomic<int>& ended_;
  asio::cancellation_signal signal_;
};

constexpr int producers = 3;
constexpr int consumers = 3;
constexpr int messages_each = 2'000;
constexpr int all_messages = producers * messages_each;

/// Lets producers and consumers run until all of them are done.
template <class Flavour>
int run_them(Flavour flavour, account& book, ledger& counted, int most_per_consumer) {
  random_source random;
  std::atomic<int> ended{0};
  asio::thread_pool pool(3);
  auto [tx, rx] = flavour.open(pool);
  for (int i = 0; i != producers; ++i)
    std::make_shared<producer<decltype(tx)>>(tx, asio::make_strand(pool), random.fork(), book,
                                             counted, i * messages_each, (i + 1) * messages_each)
        ->start();
  for (int i = 0; i != consumers; ++i)
    std::make_shared<consumer<decltype(rx)>>(rx, asio::make_strand(pool), random.fork(), book,
                                             most_per_consumer, ended)
        ->start();
  tx = {};
  rx = {};
  pool.join();
  return ended;
}

}  // namespace

// Nothing is lost ---------------------------------------------------------------------------------

FLAVOUR_TEST_CASE(D1_every_message_is_received_once_or_was_not_sent, threaded_flavours) {
  account book(all_messages);
  ledger counted;
  BOOST_TEST(run_them(flavour, book, counted, all_messages) == consumers);
  BOOST_TEST(book.wrong() == 0);
  BOOST_TEST(book.sum_received() > 0);
  BOOST_TEST(counted.alive() == 0);
}

FLAVOUR_TEST_CASE(D1_every_message_is_received_or_destroyed_when_the_receivers_leave,
                  threaded_flavours) {
  for (int most : {1, 10, 300}) {
    account book(all_messages);
    ledger counted;
    run_them(flavour, book, counted, most);
    BOOST_TEST(book.wrong(true) == 0);
    BOOST_TEST(book.sum_received() <= consumers * (most + 1));
    BOOST_TEST(counted.alive() == 0);
  }
}

// Order -------------------------------------------------------------------------------------------

namespace {

/// Receives one value after the other until the end, and looks whether each sender's are in order.
/// Several of these may share an `orders`, on a single thread.
struct orders {
  std::vector<int> last;
  int received = 0;
  int wrong = 0;

  // An id is the number of its sender times a million, plus its number there.
  void check(int id) {
    auto& previous = last.at(static_cast<std::size_t>(id / 1'000'000));
    wrong += id % 1'000'000 == previous + 1 ? 0 : 1;
    previous = id % 1'000'000;
    ++received;
  }
};

template <class Receiver>
void receive_all(const std::shared_ptr<Receiver>& rx, orders& seen) {
  rx->async_receive([rx, &seen](error_code, std::optional<message> received) {
    if (!received) return;
    seen.check(received->id());
    receive_all(rx, seen);
  });
}

/// Sends one value after the other.
template <class Sender>
void send_all(const std::shared_ptr<Sender>& tx, int id, int last) {
  if (id == last) return;
  tx->async_send(message(id), [tx, id, last](error_code) { send_all(tx, id + 1, last); });
}

}  // namespace

FLAVOUR_TEST_CASE(D2_outstanding_sends_on_a_thread_pool_are_received_in_their_order,
                  threaded_flavours) {
  constexpr int count = 5'000;
  asio::thread_pool pool(3);
  auto [tx, rx] = flavour.open(pool);
  orders seen{{-1}};
  receive_all(std::make_shared<decltype(rx)>(std::move(rx)), seen);
  std::atomic<int> sent{0};
  // Most of these are outstanding while others complete on several threads.
  for (int i = 0; i != count; ++i)
    tx.async_send(message(i), [&sent](error_code ec) { sent += ec ? 0 : 1; });
  tx = {};
  pool.join();
  BOOST_TEST(sent == count);
  BOOST_TEST(seen.received == count);
  BOOST_TEST(seen.wrong == 0);
}

FLAVOUR_TEST_CASE(D2_order_holds_for_two_sending_threads_and_two_outstanding_receives,
                  threaded_flavours) {
  constexpr int count = 3'000;
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  orders seen{{-1, -1}};
  for (int i = 0; i != 2; ++i) receive_all(std::make_shared<decltype(rx)>(rx), seen);
  rx = {};

  crew threads;
  for (int i = 0; i != 2; ++i)
    threads.add([copy = tx, i]() mutable {
      asio::io_context own_context;
      auto own_tx = copy.with_executor(own_context.get_executor());
      copy = {};
      const int first = i * 1'000'000;
      send_all(std::make_shared<decltype(own_tx)>(std::move(own_tx)), first, first + count);
      own_context.run();
    });
  threads.add([&context] { context.run(); });
  tx = {};
  threads.run();
  BOOST_TEST(seen.received == 2 * count);
  BOOST_TEST(seen.wrong == 0);
}

// Closing -----------------------------------------------------------------------------------------

FLAVOUR_TEST_CASE(C2_asio_issue_1575_closing_completes_50_pending_sends_on_a_thread_pool,
                  threaded_flavours) {
  constexpr int pending = 50;
  for (bool by_closing : {true, false}) {
    ledger counted;
    std::atomic<int> sent{0};
    std::atomic<int> closed{0};
    std::atomic<int> others{0};
    const int accepted = static_cast<int>(flavour.accepts(pending));
    {
      asio::thread_pool pool(3);
      auto [tx, rx] = flavour.open(pool);
      for (int i = 0; i != pending; ++i)
        tx.async_send(message(i, counted), [&](error_code ec) {
          ++(!ec ? sent : ec == sluice::error::closed ? closed : others);
        });
      if (by_closing)
        rx.close();
      else
        rx = {};
      // Returns when all of them have completed.
      pool.join();
      BOOST_TEST(counted.alive() == (by_closing ? accepted : 0));
    }
    BOOST_TEST(sent == accepted);
    BOOST_TEST(closed == pending - accepted);
    BOOST_TEST(others == 0);
    BOOST_TEST(counted.alive() == 0);
  }
}

FLAVOUR_TEST_CASE(C1_the_end_is_seen_however_the_last_senders_go, threaded_flavours) {
  // Two senders go at the same time, while a receive begins.
  std::atomic<int> ended{0};
  constexpr int rounds = 1'000;
  for (int round = 0; round != rounds; ++round) {
    asio::io_context context;
    auto [tx, rx] = flavour.open(context);
    crew threads;
    for (int i = 0; i != 2; ++i) threads.add([own = tx]() mutable { own = {}; });
    threads.add([&context, &ended, own = std::move(rx)]() mutable {
      own.async_receive([&ended](error_code ec, std::optional<message> received) {
        ended += !ec && !received ? 1 : 0;
      });
      context.run();
    });
    tx = {};
    threads.run();
  }
  BOOST_TEST(ended == rounds);
}

FLAVOUR_TEST_CASE(C1_all_see_the_reason_of_whoever_closed_first, threaded_flavours) {
  const error_code reasons[] = {asio::error::connection_reset, asio::error::timed_out,
                                asio::error::host_unreachable};
  int mixed = 0;
  for (int round = 0; round != 300; ++round) {
    asio::io_context context;
    auto [tx, rx] = flavour.open(context);
    std::vector<error_code> seen;
    for (int i = 0; i != 3; ++i)
      rx.async_receive([&seen](error_code ec, std::optional<message>) { seen.push_back(ec); });
    error_code by_trying[3];
    crew threads;
    for (int i = 0; i != 3; ++i)
      threads.add(
          [own_tx = tx, own_rx = rx, reason = reasons[i], &result = by_trying[i]]() mutable {
            own_tx.close(reason);
            (void)own_rx.try_receive(result);
          });
    threads.run();
    context.run();
    for (const error_code& ec : by_trying) seen.push_back(ec);
    for (const error_code& ec : seen) mixed += ec && ec == seen.front() ? 0 : 1;
    BOOST_TEST_REQUIRE(seen.size() == 6u);
  }
  BOOST_TEST(mixed == 0);
}

FLAVOUR_TEST_CASE(C4_who_polls_gets_everything_before_closed, threaded_flavours) {
  // In a rendezvous only a send that waits can be met by polling.
  constexpr int count = 2'000;
  for (int round = 0; round != 5; ++round) {
    asio::io_context context;
    auto [tx, rx] = flavour.open(context);
    int received = 0;
    bool plain = false;
    crew threads;
    threads.add([&context, own = std::move(tx)]() mutable {
      send_all(std::make_shared<decltype(own)>(std::move(own)), 0, count);
      context.run();
    });
    threads.add([&received, &plain, own = std::move(rx)]() mutable {
      error_code ec;
      for (;;) {
        if (own.try_receive(ec)) {
          ++received;
        } else if (ec == sluice::error::closed) {
          plain = true;
          return;
        } else if (ec != sluice::error::empty) {
          return;
        } else {
          std::this_thread::yield();
        }
      }
    });
    threads.run();
    BOOST_TEST(received == count);
    BOOST_TEST(plain);
  }
}

FLAVOUR_TEST_CASE(C4_what_a_channel_says_of_itself_is_true_while_others_use_it, threaded_flavours) {
  // Nobody else receives, so what is there stays there, and what has ended has ended.
  constexpr int count = 1'000;
  for (int round = 0; round != 5; ++round) {
    asio::io_context contexts[2];
    auto [tx, rx] = flavour.open(contexts[0]);
    int received = 0;
    int wrong = 0;
    crew threads;
    for (auto& context : contexts) {
      threads.add([&context, own = tx.with_executor(context.get_executor())]() mutable {
        send_all(std::make_shared<decltype(own)>(std::move(own)), 0, count);
        context.run();
      });
    }
    tx = {};
    threads.add([&received, &wrong, capacity = flavour.capacity, own = std::move(rx)]() mutable {
      for (bool ended = false; !ended;) {
        const bool has_ended = own.is_closed() && own.empty();
        const std::size_t size = own.size();
        // Two handles, and each of them has one send on its way.
        if (size > capacity || own.sender_count() > 4 || own.receiver_count() != 1) ++wrong;
        error_code ec;
        const bool got = own.try_receive(ec).has_value();
        ended = ec == sluice::error::closed;
        if (got) ++received;
        if (has_ended && !ended) ++wrong;
        if (size != 0 && !got) ++wrong;
        if (!got && !ended) std::this_thread::yield();
      }
      if (own.sender_count() != 0 || !own.is_closed() || own.size() != 0) ++wrong;
    });
    threads.run();
    BOOST_TEST(received == 2 * count);
    BOOST_TEST(wrong == 0);
  }
}

FLAVOUR_TEST_CASE(C5_a_weak_sender_that_locks_can_send, threaded_flavours) {
  // The last sender goes while another thread locks. Whoever gets a sender has an open channel.
  int locked = 0;
  int wrong = 0;
  for (int round = 0; round != 1'000; ++round) {
    asio::io_context context;
    auto [tx, rx] = flavour.open(context);
    sluice::weak_sender weak(tx);
    std::vector<error_code> sent;
    crew threads;
    threads.add([own = std::move(tx)]() mutable { own = {}; });
    threads.add([&weak, &sent, &locked] {
      if (auto own = weak.lock()) {
        ++locked;
        own.async_send(message(1), [&sent](error_code ec) { sent.push_back(ec); });
      }
    });
    threads.run();
    std::vector<bool> received;
    for (int i = 0; i != 2; ++i)
      rx.async_receive([&received](error_code, std::optional<message> value) {
        received.push_back(value.has_value());
      });
    context.run();
    const bool was_sent = !sent.empty();
    wrong += was_sent && sent.front() ? 1 : 0;
    wrong += received == std::vector<bool>{was_sent, false} ? 0 : 1;
    wrong += rx.is_closed() ? 0 : 1;
  }
  BOOST_TEST(wrong == 0);
  BOOST_TEST_MESSAGE("locked in " << locked << " of 1000 rounds");
}

// Handles that go while others are used -----------------------------------------------------------

FLAVOUR_TEST_CASE(C3_the_last_receiver_may_go_while_others_send, threaded_flavours) {
  int wrong = 0;
  for (int round = 0; round != 500; ++round) {
    ledger counted;
    asio::io_context context;
    auto [tx, rx] = flavour.open(context);
    std::atomic<int> completed{0};
    crew threads;
    // The first value, for which a block is made, may come at any moment of this.
    threads.add([own = tx, &counted]() mutable {
      for (int i = 0; own.try_send(message(i, counted)) != sluice::error::closed; ++i)
        std::this_thread::yield();
    });
    threads.add([own = tx, &counted, &completed]() mutable {
      for (int i = 0; i != 5; ++i)
        own.async_send(message(i, counted), [&completed](error_code) { ++completed; });
      own.async_wait_closed([&completed](error_code ec) { completed += ec ? 100 : 1; });
    });
    threads.add([own = std::move(rx), &completed]() mutable {
      own.async_receive([&completed](error_code, std::optional<message>) { ++completed; });
      own = {};
    });
    // Kept to the end, so that those who wait for the channel to close are not aborted.
    threads.run();
    context.run();
    wrong += completed == 7 ? 0 : 1;
    wrong += counted.alive() == 0 ? 0 : 1;
    wrong += tx.is_closed() ? 0 : 1;
  }
  BOOST_TEST(wrong == 0);
}

FLAVOUR_TEST_CASE(C5_handlers_that_own_the_handles_may_free_the_channel_under_way,
                  threaded_flavours) {
  // The receive runs on another thread as soon as the send has woken it, and with both handlers
  // goes the channel; perhaps before the function that began the send has returned.
  std::atomic<int> completed{0};
  constexpr int rounds = 2'000;
  asio::thread_pool pool(2);
  for (int round = 0; round != rounds; ++round) {
    auto [tx, rx] = flavour.open(pool);
    auto tx_owner = std::make_unique<decltype(tx)>(std::move(tx));
    auto rx_owner = std::make_unique<decltype(rx)>(std::move(rx));
    auto& sending = *tx_owner;
    auto& receiving = *rx_owner;
    receiving.async_receive(
        [&completed, owner = std::move(rx_owner)](error_code ec, std::optional<message> received) {
          completed += !ec && received ? 1 : 0;
        });
    sending.async_send(message(1), [&completed, owner = std::move(tx_owner)](error_code ec) {
      completed += ec ? 0 : 1;
    });
  }
  pool.join();
  BOOST_TEST(completed == 2 * rounds);
}

FLAVOUR_TEST_CASE(K7_one_handle_may_be_used_by_several_threads, threaded_flavours) {
  constexpr int count = 1'000;
  asio::thread_pool pool(2);
  auto [tx, rx] = flavour.open(pool);
  std::atomic<int> sent{0};
  std::atomic<int> received{0};
  std::atomic<int> begun{0};
  std::atomic<int> completed{0};
  crew threads;
  for (int i = 0; i != 2; ++i) {
    threads.add([&, t = &tx] {
      for (int n = 0; n != count; ++n) {
        if (!t->try_send(message(n))) ++sent;
        ++begun;
        t->async_send(message(n), [&](error_code ec) {
          sent += ec ? 0 : 1;
          ++completed;
        });
        auto copy = *t;
        (void)(copy.size() + t->sender_count());
        if (n % 100 == 99) t->cancel();
      }
    });
    threads.add([&, r = &rx] {
      for (int n = 0; n != count; ++n) {
        if (r->try_receive()) ++received;
        ++begun;
        r->async_receive([&](error_code, std::optional<message> value) {
          received += value ? 1 : 0;
          ++completed;
        });
        auto copy = *r;
        (void)(copy.empty() || r->full());
        if (n % 100 == 49) r->cancel();
      }
    });
  }
  threads.run();
  // The last receives may still wait, or the last sends.
  tx.close();
  pool.join();
  while (rx.try_receive()) ++received;
  BOOST_TEST(completed == begun);
  BOOST_TEST(received == sent);
}
