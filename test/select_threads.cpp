// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE select_threads

// Selects on several threads at once: exactly one case of each happens, nothing is lost, nobody
// waits for what is there, and what lives in a context goes with it.

#include "support/crew.hpp"
#include "support/seed.hpp"

#include <sluice/channel.hpp>
#include <sluice/select.hpp>
#include <sluice/sync_wait.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/test/unit_test.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

using namespace support;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using sluice::after;
using sluice::biased_select;
using sluice::error_code;
using sluice::make_channel;
using sluice::npos;
using sluice::on;
using sluice::on_receive;
using sluice::on_reserve;
using sluice::on_send;
using sluice::select;

namespace {

using sender = sluice::sender<int>;
using receiver = sluice::receiver<int>;

/// What became of each of many values. Any thread may tell.
class account {
 public:
  explicit account(std::size_t most) : values_(most) {}

  /// A value that has not been used yet.
  int draw() { return next_++; }

  void accepted(int id) { tell(values_.at(static_cast<std::size_t>(id)).accepted); }
  void received(int id) { tell(values_.at(static_cast<std::size_t>(id)).received); }

  /// Receives what is left over.
  void drain(receiver& rx) {
    while (auto left = rx.try_receive()) received(*left);
  }

  /// Whether what was accepted, and nothing else, was received, once.
  bool is_even() const {
    if (again_) return false;
    for (const auto& each : values_)
      if (each.accepted != each.received) return false;
    return true;
  }

 private:
  struct fate {
    std::atomic<bool> accepted{false};
    std::atomic<bool> received{false};
  };

  void tell(std::atomic<bool>& what) {
    if (what.exchange(true)) again_ = true;
  }

  std::vector<fate> values_;
  std::atomic<int> next_{0};
  std::atomic<bool> again_{false};
};

}  // namespace

// try_now ------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(S3_what_is_moved_from_one_channel_to_another_is_always_found) {
  asio::io_context context;
  auto ends_a = make_channel<int>(context, 2);
  auto ends_b = make_channel<int>(context, 2);
  static_cast<void>(ends_a.first.try_send(1));
  std::atomic<bool> stop{false};
  int missed = 0;
  crew all;
  all.add([&] {
    const auto move_on = [&](receiver& from, sender& to) {
      static_cast<void>(to.try_send(1));
      // The other one may have it in its hands.
      while (!from.try_receive() && !stop) std::this_thread::yield();
    };
    while (!stop) {
      move_on(ends_a.second, ends_b.first);
      move_on(ends_b.second, ends_a.first);
    }
  });
  all.add([&] {
    auto both = select(on_receive(ends_a.second), on_receive(ends_b.second));
    for (int i = 0; i != 100000; ++i) {
      const auto found = both.try_now();
      if (!found) {
        ++missed;
        continue;
      }
      // What was taken goes back.
      static_cast<void>((found->index() == 0 ? ends_a : ends_b).first.try_send(1));
    }
    stop = true;
  });
  all.run();
  BOOST_TEST(missed == 0);
}

// The two ends of one rendezvous -------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(S4_selects_that_offer_both_ends_pair_up_on_several_threads) {
  for (int round = 0; round != 100; ++round) {
    asio::thread_pool pool(3);
    auto ends = make_channel<int>(pool, 0);
    std::atomic<int> sent{0};
    std::atomic<int> received{0};
    account values(44);
    crew all;
    for (int thread = 0; thread != 2; ++thread)
      all.add([&] {
        for (int i = 0; i != 22; ++i) {
          const int id = values.draw();
          select(on_send(ends.first, id), on_receive(ends.second))
              .async_wait([&, id](error_code ec, std::size_t which, auto value) {
                if (ec) return;
                if (which == 0) {
                  values.accepted(id);
                  ++sent;
                } else {
                  values.received(*std::get<1>(value));
                  ++received;
                }
              });
        }
      });
    all.run();
    pool.join();
    BOOST_TEST_REQUIRE(sent == 22);
    BOOST_TEST_REQUIRE(received == 22);
    BOOST_TEST_REQUIRE(values.is_even());
  }
}

// Two selects that send into each other's places, over two channels, on two threads.
BOOST_AUTO_TEST_CASE(S1_two_selects_send_to_each_other) {
  asio::io_context context;
  auto ends_x = make_channel<int>(context, 0);
  auto ends_y = make_channel<int>(context, 0);
  constexpr int rounds = 3000;
  account values(100000);
  const auto take_part = [&](sender to, receiver from) {
    for (int i = 0; i != rounds; ++i) {
      const int id = values.draw();
      auto [ec, which, value] =
          select(on_send(to, id), on_receive(from)).async_wait(asio::as_tuple(sluice::sync_wait));
      if (ec) break;
      if (which == 0) {
        values.accepted(id);
      } else {
        auto& received = std::get<1>(value);
        if (!received) break;
        values.received(*received);
      }
    }
    // The other one is not to wait for ever.
    to.close();
    from.close();
  };
  crew all;
  all.add([&, to = ends_x.first, from = ends_y.second]() mutable { take_part(to, from); });
  all.add([&, to = ends_y.first, from = ends_x.second]() mutable { take_part(to, from); });
  all.run();
  values.drain(ends_x.second);
  values.drain(ends_y.second);
  BOOST_TEST(values.is_even());
}

// Blocking -----------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(B2_a_deadline_while_a_case_happens_loses_nothing) {
  asio::io_context context;
  auto ends_a = make_channel<int>(context, 1);
  auto ends_b = make_channel<int>(context, 0);
  constexpr int rounds = 4000;
  account values(2 * rounds);
  std::atomic<bool> over{false};
  crew all;
  all.add([&] {
    for (int i = 0; i != rounds; ++i) {
      const int id = values.draw();
      auto [ec, which, none] = select(on_send(ends_a.first, id), on_send(ends_b.first, id))
                                   .async_wait(asio::as_tuple(sluice::sync_wait_for(20us)));
      if (!ec) values.accepted(id);
      if (ec && which != npos) break;
    }
    over = true;
  });
  all.add([&] {
    auto both = select(on_receive(ends_a.second), on_receive(ends_b.second));
    while (!over) {
      auto [ec, which, value] = both.async_wait(asio::as_tuple(sluice::sync_wait_for(20us)));
      if (ec) continue;
      values.received(which == 0 ? *std::get<0>(value) : *std::get<1>(value));
    }
  });
  all.run();
  values.drain(ends_a.second);
  values.drain(ends_b.second);
  BOOST_TEST(values.is_even());
}

// Everything at once -------------------------------------------------------------------------------

namespace {

/// Waits for one thing after the other, and gives up some of them.
class actor : public std::enable_shared_from_this<actor> {
 public:
  using channels = std::vector<std::pair<sender, receiver>>;

  actor(asio::thread_pool& pool, channels& all, account& values, int steps, random_source r)
      : strand_(pool.get_executor()),
        timer_(strand_),
        patience_(strand_),
        channels_(all),
        values_(values),
        steps_(steps),
        random_(r) {}

  void run() {
    asio::post(strand_, [self = shared_from_this()] { self->next(); });
  }

 private:
  static constexpr int none = -1;
  using ids = std::array<int, 3>;  // what is sent if this case happens

  void next() {
    if (steps_-- == 0) return;
    auto& [first_tx, first_rx] = any();
    auto& [second_tx, second_rx] = any();
    // Names that functions may capture.
    sender& tx = first_tx;
    sender& other_tx = second_tx;
    receiver& rx = first_rx;
    receiver& other_rx = second_rx;
    const int id = values_.draw();
    const int other = values_.draw();
    switch (random_.below(9)) {
      case 0:
        return wait(select(on_receive(rx), on_receive(other_rx)), {none, none});
      case 1:
        return wait(select(on_send(tx, id), on_receive(other_rx)), {id, none});
      case 2:
        return wait(biased_select(on_send(tx, id), on_send(other_tx, other), after(10us)),
                    {id, other, none});
      case 3:
        return wait(select(on_send(tx, id), on_receive(rx)), {id, none});
      case 4:
        timer_.expires_after(std::chrono::microseconds(random_.below(50)));
        return wait(
            select(on_reserve(tx), on_receive(other_rx), on(timer_.async_wait(asio::deferred))),
            {id, none, none});
      case 5:
        return begin([&](auto handler) {
          tx.async_send(id, handler([this, id](error_code ec) {
                          if (!ec) values_.accepted(id);
                        }));
        });
      case 6:
        return begin([&](auto handler) {
          rx.async_receive(handler([this](error_code, std::optional<int> received) {
            if (received) values_.received(*received);
          }));
        });
      case 7: {
        auto both = select(on_send(tx, id), on_receive(other_rx));
        error_code ec;
        if (auto happened = both.try_now(ec)) end(ec, happened->index(), *happened, {id, none});
        return run();
      }
      default:
        if (!tx.try_send(id)) values_.accepted(id);
        return run();
    }
  }

  std::pair<sender, receiver>& any() {
    return channels_[random_.below(static_cast<unsigned>(channels_.size()))];
  }

  template <class Select>
  void wait(Select&& s, ids sent) {
    begin([&](auto handler) {
      std::forward<Select>(s).async_wait(
          handler([this, sent](error_code ec, std::size_t which, auto value) {
            this->end(ec, which, value, sent);
          }));
    });
  }

  /// Begins an operation that has a handler like `f`, and cancels it soon.
  template <class Begin>
  void begin(Begin&& f) {
    f([&](auto handle) {
      return asio::bind_cancellation_slot(
          signal_.slot(), asio::bind_executor(strand_, [self = shared_from_this(),
                                                        handle](auto... results) mutable {
            self->patience_.cancel();
            handle(std::move(results)...);
            self->next();
          }));
    });
    auto cancel = [self = shared_from_this(), now = steps_](auto...) {
      if (self->steps_ == now) self->signal_.emit(asio::cancellation_type::total);
    };
    if (random_.coin()) asio::post(strand_, cancel);
    patience_.expires_after(100us);
    patience_.async_wait(cancel);
  }

  template <class Value>
  void end(error_code ec, std::size_t which, Value& value, const ids& sent) {
    if (ec || which == npos) return;
    std::visit([&](auto& each) { this->end(each, sent.at(which)); }, value);
  }

  void end(std::optional<int>& received, int) {
    if (received) values_.received(*received);
  }
  void end(sluice::permit<int>& place, int id) {
    if (!place.send(int(id))) values_.accepted(id);
  }
  void end(std::monostate, int id) {
    if (id != none) values_.accepted(id);
  }

  asio::strand<asio::thread_pool::executor_type> strand_;
  asio::steady_timer timer_;
  asio::steady_timer patience_;
  asio::cancellation_signal signal_;
  channels& channels_;
  account& values_;
  int steps_;
  random_source random_;
};

}  // namespace

BOOST_AUTO_TEST_CASE(S1_selects_plain_operations_and_cancellations_lose_nothing) {
  random_source random;
  constexpr int actors = 8;
  constexpr int steps = 1500;
  asio::thread_pool pool(3);
  account values(2 * actors * steps);
  actor::channels all;
  for (std::size_t capacity : {0u, 0u, 1u, 3u}) all.push_back(make_channel<int>(pool, capacity));
  for (int i = 0; i != actors; ++i)
    std::make_shared<actor>(pool, all, values, steps, random.fork())->run();
  pool.join();
  for (auto& each : all) values.drain(each.second);
  BOOST_TEST(values.is_even());
}

// Contexts -----------------------------------------------------------------------------------------

namespace {

/// A context goes, on one thread, while another sends and a third one runs the other context. The
/// handles and their times live in `there`, the handlers in `here`.
template <class Goes>
void destroy_while_sending(Goes&& goes, std::chrono::microseconds time) {
  constexpr std::size_t selects = 6;
  for (int round = 0; round != 200; ++round) {
    auto here = std::make_unique<asio::io_context>();
    auto there = std::make_unique<asio::io_context>();
    auto ends = make_channel<int>(*there, 0);
    auto buffered = make_channel<int>(*there, selects);
    account values(4 * selects);
    for (std::size_t i = 0; i != selects; ++i) {
      const int id = values.draw();
      auto s = select(on_receive(ends.second), on_receive(buffered.second), on_send(ends.first, id),
                      after(time));
      std::move(s).async_wait(
          asio::bind_executor(*here, [&values, id](error_code ec, std::size_t which, auto value) {
            if (ec) return;
            if (which == 0) values.received(*std::get<0>(value));
            if (which == 1) values.received(*std::get<1>(value));
            if (which == 2) values.accepted(id);
          }));
    }
    crew all;
    all.add([&] {
      for (std::size_t i = 0; i != selects; ++i) {
        const int id = values.draw();
        if (!buffered.first.try_send(int(id))) values.accepted(id);
        const int other = values.draw();
        if (!ends.first.try_send(int(other))) values.accepted(other);
      }
    });
    std::unique_ptr<asio::io_context>& going = goes(here, there);
    std::unique_ptr<asio::io_context>& staying = &going == &here ? there : here;
    all.add([&] { going.reset(); });
    all.add([&] { staying->run_for(1ms); });
    all.run();
    staying->restart();
    staying->poll();
    values.drain(ends.second);
    values.drain(buffered.second);
    BOOST_TEST_REQUIRE(values.is_even());
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(K5_the_context_of_the_handles_goes_while_cases_are_woken) {
  destroy_while_sending([](auto&, auto& there) -> auto& { return there; }, 1h);
}

BOOST_AUTO_TEST_CASE(K5_the_context_of_the_handlers_goes_while_cases_are_woken) {
  destroy_while_sending([](auto& here, auto&) -> auto& { return here; }, 20us);
}
