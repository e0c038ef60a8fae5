// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE channel_storm

// Everything at once, from many threads: sends of all forms, receives, cancellations by slot and by
// handle, closing, handles that come and go, contexts that die with operations pending. What is
// checked is that each letter comes to exactly one end, the right one; that each consumer sees the
// letters of one producer in their order (D2); and that each operation is completed or, with its
// context, destroyed, once. See storm.hpp for how it is called.

#include "stress/storm.hpp"

#include <sluice/channel.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#if defined(BOOST_ASIO_HAS_CO_AWAIT)
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#endif

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace storm;

using sender = sluice::sender<letter>;
using receiver = sluice::receiver<letter>;
using weak_sender = sluice::weak_sender<letter>;

enum class ending {
  senders_leave,    // and everything that was accepted is received
  somebody_closes,  // the same, but pending sends fail
  receivers_leave,  // and what nobody receives is destroyed
  pool_dies,        // with all that is pending in it
};

// Sends without waiting, by one of the two ways. False at the end.
bool send_now(round_state& r, sender& tx, author& from, random_choice& random) {
  if (random.one_in(4)) {
    std::optional<letter> l = from.write_forced();
    if (!l) return false;
    error_code ec;
    std::optional<letter> displaced = tx.force_send(std::move(*l), ec);
    settle(r, *l, ec);
    if (displaced) displaced->hand_back();
    return ec != sluice::error::closed;
  }
  std::optional<letter> l = from.write();
  if (!l) return false;
  const error_code ec = tx.try_send(std::move(*l));
  settle(r, *l, ec);
  return ec != sluice::error::closed;
}

using pool_strand = asio::strand<asio::thread_pool::executor_type>;
using signal = std::shared_ptr<asio::cancellation_signal>;

/// Cancels an operation of a strand at some time, or too late.
void cancel_later(const pool_strand& strand, const signal& s, random_choice& random) {
  if (!random.one_in(4)) return;
  asio::post(strand, [s] { s->emit(asio::cancellation_type::terminal); });
}

/// Sends through the pool, one letter after the other.
class pool_producer : public std::enable_shared_from_this<pool_producer> {
 public:
  pool_producer(round_state& r, asio::thread_pool& pool, sender tx, std::uint32_t seed)
      : round_(r),
        badge_(r.present, attendance::producer),
        strand_(asio::make_strand(pool)),
        tx_(std::move(tx)),
        random_(seed),
        author_(r) {}

  void start() {
    asio::post(strand_, [self = shared_from_this()] { self->go_on(); });
  }

 private:
  void go_on() {
    // Several sends may be pending at a time; the last one to come back goes on.
    const unsigned count = 1 + random_.below(3);
    bool open = true;
    for (unsigned i = 0; i != count && open; ++i) {
      switch (random_.below(4)) {
        case 0:
          open = send_now(round_, tx_, author_, random_);
          break;
        case 1:
          open = send_reference();
          break;
        default:
          open = send_value();
      }
    }
    if (!open || finished_) {
      finished_ = true;
      tx_ = sender();
      return;
    }
    if (random_.one_in(8)) churn();
    if (pending_ == 0) start();
  }

  void came_back(error_code ec) {
    if (ec == sluice::error::closed) finished_ = true;
    if (--pending_ == 0) go_on();
  }

  bool send_value() {
    std::optional<letter> l = author_.write();
    if (!l) return false;
    const std::size_t index = l->index();
    auto s = std::make_shared<asio::cancellation_signal>();
    ++pending_;
    tx_.async_send(
        std::move(*l),
        asio::bind_executor(
            strand_, asio::bind_cancellation_slot(s->slot(), [self = shared_from_this(),
                                                              w = witness(round_, witness::in_pool),
                                                              s, index](error_code ec) mutable {
              w.call();
              if (ec)
                self->round_.letters.refused(index);
              else
                self->round_.letters.accepted(index);
              self->came_back(ec);
            })));
    cancel_later(strand_, s, random_);
    return true;
  }

  bool send_reference() {
    auto l = std::make_unique<std::optional<letter>>(author_.write());
    if (!*l) return false;
    auto s = std::make_shared<asio::cancellation_signal>();
    letter& value = **l;
    ++pending_;
    tx_.async_send(
        std::ref(value),
        asio::bind_executor(strand_, asio::bind_cancellation_slot(
                                         s->slot(), [self = shared_from_this(),
                                                     w = witness(round_, witness::in_pool), s,
                                                     l = std::move(l)](error_code ec) mutable {
                                           w.call();
                                           settle(self->round_, **l, ec);
                                           self->came_back(ec);
                                         })));
    cancel_later(strand_, s, random_);
    return true;
  }

  void churn() {
    sender copy(tx_);
    if (random_.one_in(2)) {
      // The operations that were begun through the old handle go on without it.
      tx_ = std::move(copy);
    } else {
      weak_sender weak(tx_);
      sender locked = weak.lock();
      if (random_.one_in(2)) tx_.cancel();
    }
  }

  round_state& round_;
  attendance::badge badge_;
  pool_strand strand_;
  sender tx_;
  random_choice random_;
  author author_;
  unsigned pending_ = 0;
  bool finished_ = false;
};

/// Receives in the pool until the end, with one or two receives outstanding.
class pool_consumer : public std::enable_shared_from_this<pool_consumer> {
 public:
  pool_consumer(round_state& r, asio::thread_pool& pool, receiver rx, std::uint32_t seed,
                unsigned leave_after)
      : round_(r),
        badge_(r.present, attendance::consumer),
        strand_(asio::make_strand(pool)),
        rx_(std::move(rx)),
        random_(seed),
        order_(r),
        left_(leave_after) {}

  void start() {
    asio::post(strand_, [self = shared_from_this()] { self->go_on(); });
  }

 private:
  void go_on() {
    if (left_ == 0 || ended_) {
      // With two outstanding the second one ends as aborted, or at the end, or with a letter.
      if (rx_) rx_ = receiver();
      return;
    }
    while (outstanding_ < 1 + random_.below(2)) receive();
    if (random_.one_in(16)) {
      receiver copy(rx_);
      if (random_.one_in(2)) rx_.cancel();
      rx_ = std::move(copy);
    }
  }

  void receive() {
    auto s = std::make_shared<asio::cancellation_signal>();
    ++outstanding_;
    rx_.async_receive(asio::bind_executor(
        strand_, asio::bind_cancellation_slot(
                     s->slot(), [self = shared_from_this(), w = witness(round_, witness::in_pool),
                                 s](error_code ec, std::optional<letter> l) mutable {
                       w.call();
                       --self->outstanding_;
                       self->take(ec, l);
                       self->go_on();
                     })));
    cancel_later(strand_, s, random_);
  }

  void take(error_code ec, std::optional<letter>& l) {
    if (l) {
      if (ec) ++round_.wrong_result;
      order_.receive(*l);
      if (left_ != 0) --left_;
    } else if (ec != asio::error::operation_aborted) {
      ended_ = true;
    }
  }

  round_state& round_;
  attendance::badge badge_;
  pool_strand strand_;
  receiver rx_;
  random_choice random_;
  order_check order_;
  unsigned left_;
  unsigned outstanding_ = 0;
  bool ended_ = false;
};

#if defined(BOOST_ASIO_HAS_CO_AWAIT)

asio::awaitable<void> consume(round_state& r, receiver rx, attendance::badge) {
  order_check order(r);
  try {
    while (std::optional<letter> l = co_await rx.async_receive(sluice::use_awaitable))
      order.receive(*l);
  } catch (const boost::system::system_error& e) {
    // The reason it was closed with.
    if (e.code() != asio::error::connection_reset) ++r.wrong_result;
  }
}

asio::awaitable<void> produce(round_state& r, sender tx, attendance::badge) {
  author from(r);
  for (;;) {
    std::optional<letter> l = from.write();
    if (!l) co_return;
    error_code ec;
    try {
      co_await tx.async_send(std::ref(*l), sluice::use_awaitable);
    } catch (const boost::system::system_error& e) {
      ec = e.code();
    }
    settle(r, *l, ec);
    if (ec) co_return;
  }
}

#endif

// Contexts that live for a moment -----------------------------------------------------------------

/// What a thread needs that makes contexts, begins operations in them, and destroys them.
struct short_lived {
  round_state& round;
  weak_sender weak;
  receiver rx;
  std::optional<pool_strand> strand;  // another place where handlers may run
  std::uint32_t seed;
};

void live_shortly(short_lived own) {
  round_state& r = own.round;
  random_choice random(own.seed);
  author from(r);
  order_check here(r);
  auto there = std::make_shared<order_check>(r);

  while (!r.stop) {
    // What is sent by reference has to outlive the context; its end is looked up afterwards.
    std::deque<std::optional<letter>> kept;
    std::vector<signal> signals;
    std::optional<asio::io_context> context(std::in_place);

    auto receive = [&](receiver& rx) {
      auto s = std::make_shared<asio::cancellation_signal>();
      const unsigned where = own.strand ? random.below(3) : random.below(2);
      if (where == 2) {
        rx.async_receive(
            asio::bind_executor(*own.strand, [w = witness(r, witness::in_short_lived_context),
                                              there](error_code, std::optional<letter> l) mutable {
              w.call();
              if (l) there->receive(*l);
            }));
        return;
      }
      auto handler = asio::bind_cancellation_slot(
          s->slot(), [w = witness(r, witness::in_short_lived_context), &here, s](
                         error_code, std::optional<letter> l) mutable {
            w.call();
            if (l) here.receive(*l);
          });
      if (where == 0)
        rx.async_receive(asio::bind_executor(*context, std::move(handler)));
      else
        rx.async_receive(asio::bind_executor(asio::make_strand(*context), std::move(handler)));
      signals.push_back(std::move(s));
    };

    auto send = [&](sender& tx) {
      if (random.one_in(3)) {
        send_now(r, tx, from, random);
        return;
      }
      std::optional<letter> l = from.write();
      if (!l) return;
      auto s = std::make_shared<asio::cancellation_signal>();
      if (random.one_in(2)) {
        const std::size_t index = l->index();
        tx.async_send(std::move(*l),
                      asio::bind_executor(
                          *context, asio::bind_cancellation_slot(
                                        s->slot(), [w = witness(r, witness::in_short_lived_context),
                                                    &r, s, index](error_code ec) mutable {
                                          w.call();
                                          if (ec)
                                            r.letters.refused(index);
                                          else
                                            r.letters.accepted(index);
                                        })));
      } else {
        std::optional<letter>& place = kept.emplace_back(std::move(l));
        tx.async_send(std::ref(*place),
                      asio::bind_executor(
                          *context, asio::bind_cancellation_slot(
                                        s->slot(), [w = witness(r, witness::in_short_lived_context),
                                                    &r, s, &place](error_code ec) mutable {
                                          w.call();
                                          settle(r, *place, ec);
                                        })));
      }
      signals.push_back(std::move(s));
    };

    {
      // The I/O executor is the context, a strand of it, or what the handles came with.
      asio::any_io_executor ex = context->get_executor();
      if (random.one_in(3)) ex = asio::make_strand(*context);
      receiver rx = own.strand && random.one_in(4) ? own.rx : own.rx.with_executor(ex);
      sender tx = own.weak.lock();
      if (tx) tx = tx.with_executor(ex);
      const unsigned steps = random.below(12);
      for (unsigned i = 0; i != steps; ++i) {
        switch (random.below(8)) {
          case 0:
          case 1:
            receive(rx);
            break;
          case 2:
          case 3:
            if (tx) send(tx);
            break;
          case 4:
            if (tx)
              tx.async_wait_closed(asio::bind_executor(
                  *context, [w = witness(r, witness::in_short_lived_context)](error_code) mutable {
                    w.call();
                  }));
            break;
          case 5:
            if (!signals.empty())
              signals[random.below(static_cast<unsigned>(signals.size()))]->emit(
                  asio::cancellation_type::total);
            break;
          case 6:
            if (random.one_in(2))
              rx.cancel();
            else if (std::optional<letter> l = rx.try_receive())
              here.receive(*l);
            break;
          case 7:
            context->poll();
            context->restart();
            break;
        }
      }
    }
    if (random.one_in(2)) context->poll();
    // What was begun through this handle need not live in the context.
    own.rx.cancel();
    context.reset();
    for (std::optional<letter>& l : kept)
      if (l->here()) l->hand_back();
    // The others are to have a chance, where threads are many and cores few.
    std::this_thread::yield();
  }
}

/// What only looks, or cancels, or comes and goes.
void disturb(round_state& r, weak_sender weak, const sender& shared_tx, receiver& shared_rx,
             bool closes, std::uint32_t seed) {
  random_choice random(seed);
  order_check order(r);
  unsigned until_closing = 20 + random.below(400);
  while (!r.stop) {
    switch (random.below(6)) {
      case 0: {
        sender tx = weak.lock();
        sender other(tx);
        swap(tx, other);
        break;
      }
      case 1: {
        receiver copy(shared_rx);
        receiver moved(std::move(copy));
        if (std::optional<letter> l = moved.try_receive()) order.receive(*l);
        break;
      }
      case 2:
        shared_rx.cancel();
        break;
      case 3:
        if (shared_tx.capacity() != 0 && shared_tx.size() > shared_tx.capacity()) ++r.wrong_result;
        static_cast<void>(shared_tx.full());
        static_cast<void>(shared_rx.sender_count());
        break;
      default:
        std::this_thread::yield();
    }
    if (closes && --until_closing == 0) {
      if (random.one_in(2))
        shared_rx.close();
      else
        shared_rx.close(asio::error::connection_reset);
      closes = false;
    }
  }
}

void play_round(std::uint32_t seed, totals& sum) {
  random_choice random(seed);
  const auto how = static_cast<ending>(random.below(4));
  constexpr std::size_t capacities[] = {0, 1, 3, 64, static_cast<std::size_t>(-1)};
  const std::size_t capacity = capacities[random.below(5)];

  round_state r(100 + random.below(900));
  r.pool_lives = how != ending::pool_dies;
  std::optional<asio::thread_pool> pool(std::in_place, 2);
  std::vector<std::thread> threads;
  {
    auto [tx, rx] = sluice::make_channel<letter>(*pool, capacity);
    const weak_sender weak(tx);

    const unsigned consumers = 1 + random.below(3);
    for (unsigned i = 0; i != consumers; ++i) {
#if defined(BOOST_ASIO_HAS_CO_AWAIT)
      if (random.one_in(3) && how != ending::receivers_leave) {
        asio::co_spawn(asio::make_strand(*pool),
                       consume(r, rx, attendance::badge(r.present, attendance::consumer)),
                       asio::detached);
        continue;
      }
#endif
      const unsigned leave_after =
          how == ending::receivers_leave ? 1 + random.below(100) : static_cast<unsigned>(-1);
      std::make_shared<pool_consumer>(r, *pool, rx, random.fork(), leave_after)->start();
    }
    const unsigned producers = 1 + random.below(3);
    for (unsigned i = 0; i != producers; ++i) {
#if defined(BOOST_ASIO_HAS_CO_AWAIT)
      if (random.one_in(3)) {
        asio::co_spawn(asio::make_strand(*pool),
                       produce(r, tx, attendance::badge(r.present, attendance::producer)),
                       asio::detached);
        continue;
      }
#endif
      std::make_shared<pool_producer>(r, *pool, tx, random.fork())->start();
    }

    for (unsigned i = 0; i != 2; ++i) {
      // Nothing may be begun on a pool that is gone.
      std::optional<pool_strand> strand;
      if (how != ending::pool_dies) strand.emplace(asio::make_strand(*pool));
      short_lived own{r, weak, rx, std::move(strand), random.fork()};
      threads.emplace_back([own = std::move(own)]() mutable { live_shortly(std::move(own)); });
    }
    threads.emplace_back([&, weak, closes = how == ending::somebody_closes, s = random.fork(),
                          own_tx = tx,
                          own_rx = rx]() mutable { disturb(r, weak, own_tx, own_rx, closes, s); });

    if (how == ending::pool_dies) {
      // It is not waited for anything but a part of the letters.
      const unsigned turns = random.below(200);
      for (unsigned i = 0; i != turns; ++i) std::this_thread::yield();
      tx = sender();
      rx = receiver();
      pool->stop();
      pool.reset();
    }
  }
  // Producers leave when they have no letter left, or find the channel closed; consumers when they
  // have had enough, or at the end. What holds on to the channel otherwise lets go when told to
  // stop.
  if (how == ending::receivers_leave)
    r.present.wait_for_either();
  else
    r.present.wait_for_producers();
  r.stop = true;
  for (std::thread& t : threads) t.join();
  r.present.wait_for_all();
  if (pool) pool->join();
  pool.reset();

  // What is sent while there are receivers is received, unless they leave, or their threads go.
  const bool all_received = how == ending::senders_leave || how == ending::somebody_closes;
  BOOST_TEST_CONTEXT("seed of the round: " << seed << ", capacity " << capacity << ", ending "
                                           << static_cast<int>(how)) {
    check(r, all_received);
  }
  sum.add(r);
}

}  // namespace

BOOST_AUTO_TEST_CASE(whatever_happens_each_letter_comes_to_one_end) {
  BOOST_TEST(rage(play_round).letters.received > 0u);
}
