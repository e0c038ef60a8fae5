// SPDX-License-Identifier: BSL-1.0

// Oneshots, broadcasts and watches through their handles.

#define BOOST_TEST_MODULE model_primitives
#include "asio_operations.hpp"
#include "scenario.hpp"

#include <sluice/broadcast.hpp>
#include <sluice/oneshot.hpp>
#include <sluice/watch.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using namespace model;

// Oneshot -----------------------------------------------------------------------------------------

namespace {

template <class T>
using oneshot_sender = sluice::oneshot_sender<T, executor, threading>;
template <class T>
using oneshot_receiver = sluice::oneshot_receiver<T, executor, threading>;

template <class T>
struct oneshot {
  explicit oneshot(context& c) : oneshot(sluice::make_oneshot<T, executor, threading>(c)) {}
  explicit oneshot(std::pair<oneshot_sender<T>, oneshot_receiver<T>> ends)
      : tx(std::move(ends.first)), rx(std::move(ends.second)) {}

  oneshot_sender<T> tx;
  oneshot_receiver<T> rx;
};

}  // namespace

MODEL_SCENARIO(O1_a_send_meets_a_receive, every_schedule(true)) {
  context c;
  oneshot<counted<int>> o(c);
  received<counted<int>> got;
  w.worker("worker", c);
  w.thread("sends", [&] {
    MODEL_EXPECT(!o.tx.send(counted<int>(1)));
    o.tx = oneshot_sender<counted<int>>();
  });
  w.thread("receives", [&] { o.rx.async_receive(got.handler()); });
  w.run();
  MODEL_EXPECT(got.is_value(1));
}

MODEL_SCENARIO(O2_a_sender_goes_or_sends, every_schedule()) {
  context c;
  oneshot<int> o(c);
  received<int> got;
  std::optional<int> tried;
  o.rx.async_receive(got.handler());
  w.worker("worker", c);
  w.thread("drops", [&] { o.tx = oneshot_sender<int>(); });
  w.thread("cancels", [&] {
    o.rx.cancel();
    error_code ec;
    tried = o.rx.try_receive(ec);
    MODEL_EXPECT(ec == closed || ec == sluice::error::empty);
  });
  w.run();
  MODEL_EXPECT(!tried && (got.is_end() || got.is(aborted)));
}

MODEL_SCENARIO(O2_a_receive_against_the_sender_that_goes, every_schedule(true)) {
  context c;
  oneshot<int> o(c);
  received<int> got;
  w.worker("worker", c);
  w.thread("drops", [&] { o.tx = oneshot_sender<int>(); });
  w.thread("receives", [&] { o.rx.async_receive(got.handler()); });
  w.run();
  MODEL_EXPECT(got.is_end());
}

// The value is received, or comes back to its sender, or is destroyed: exactly one of these.
MODEL_SCENARIO(O2_a_send_against_close, every_schedule()) {
  context c;
  oneshot<counted<int>> o(c);
  completed waited;
  received<counted<int>> got;
  error_code sent;
  counted<int> value(1);
  o.tx.async_wait_closed(waited.handler());
  w.worker("worker", c);
  w.thread("sends", [&] { sent = o.tx.send(std::move(value)); });
  w.thread("closes", [&] {
    o.rx.close();
    o.rx.async_receive(got.handler());
  });
  w.run();
  MODEL_EXPECT(waited.is(no_error));
  MODEL_EXPECT(sent == no_error ? got.is_value(1) : sent == closed && got.is_end());
}

MODEL_SCENARIO(O2_a_send_against_the_receiver_that_goes, every_schedule(true)) {
  context c;
  oneshot<counted<int>> o(c);
  received<counted<int>> got;
  completed waited;
  o.rx.async_receive(got.handler());
  o.tx.async_wait_closed(waited.handler());
  error_code sent;
  w.worker("worker", c);
  w.thread("sends", [&] { sent = o.tx.send(counted<int>(1)); });
  w.thread("drops", [&] { o.rx = oneshot_receiver<counted<int>>(); });
  w.run();
  MODEL_EXPECT(waited.is(no_error) && (sent == no_error || sent == closed));
  MODEL_EXPECT(got.is(aborted) || got.is_value(1));
  MODEL_EXPECT(counted<int>::alive == (got.is_value(1) ? 1 : 0));
}

// A promise passes from a receive that is cancelled to another one, never to one that tries.
MODEL_SCENARIO(D6_a_oneshot_hands_on, every_schedule()) {
  context c;
  oneshot<int> o(c);
  received<int> cancelled;
  received<int> next;
  o.rx.async_receive(cancelled.handler());
  o.rx.async_receive(next.handler());
  w.worker("worker", c);
  w.thread("sends", [&] { MODEL_EXPECT(!o.tx.send(1)); });
  w.thread("cancels", [&] { c.get_executor().execute([&] { cancelled.cancel(); }); });
  w.thread("tries", [&] { MODEL_EXPECT(!o.rx.try_receive()); });
  w.run();
  MODEL_EXPECT(cancelled.is(aborted) ? next.is_value(1) : cancelled.is_value(1) && next.is_end());
}

MODEL_SCENARIO(K5_a_oneshot_whose_context_goes, preempted(3, true)) {
  context c;
  auto dying = std::make_unique<context>();
  oneshot<counted<int>> o(*dying);
  received<counted<int>> dropped;
  o.rx.async_receive(dropped.handler());
  std::optional<counted<int>> tried;
  w.thread("sends", [&] { MODEL_EXPECT(!o.tx.send(counted<int>(1))); });
  w.thread("destroys", [&] {
    dying.reset();
    tried = o.rx.try_receive();
  });
  w.run();
  if (!tried) tried = o.rx.try_receive();
  MODEL_EXPECT(dropped.was_dropped() && tried && *tried == 1);
}

// Broadcast ---------------------------------------------------------------------------------------

namespace {

template <class T>
using broadcast_sender = sluice::broadcast_sender<T, executor, threading>;
template <class T>
using lossless_sender = sluice::broadcast_sender<T, executor, threading, sluice::overflow::wait>;
template <class T>
using broadcast_receiver = sluice::broadcast_receiver<T, executor, threading>;

/// What one subscriber has got so far: numbers, and how many it has missed.
struct subscriber_notes {
  std::vector<int> values;
  std::uint64_t missed = 0;
  bool ended = false;

  /// Receives all that there is now.
  template <class T>
  void read(broadcast_receiver<T>& rx) {
    for (;;) {
      error_code ec;
      const auto value = rx.try_receive(ec);
      if (value)
        values.push_back(static_cast<int>(*value));
      else if (ec == sluice::error::lagged)
        missed += rx.missed();
      else {
        ended = ec == closed;
        return;
      }
    }
  }

  bool is_sound(std::size_t sent) const {
    for (std::size_t i = 1; i < values.size(); ++i)
      if (values[i - 1] >= values[i]) return false;
    return values.size() + missed == sent;
  }
};

}  // namespace

// A message with a copy constructor of its own is copied without the lock.
static void every_subscriber_gets_everything(world& w, std::size_t capacity) {
  using message = counted<int>;
  {
    context c;
    broadcast_sender<message> tx(c, capacity);
    broadcast_receiver<message> rx[2] = {tx.subscribe(), tx.subscribe()};
    subscriber_notes notes[2];
    w.thread("sends", [&] {
      for (int i = 1; i <= 3; ++i) tx.send(message(i));
      tx = broadcast_sender<message>();
    });
    for (int i = 0; i != 2; ++i)
      w.thread("reads", [&, i] {
        notes[i].read(rx[i]);
        notes[i].read(rx[i]);
      });
    w.run();
    for (int i = 0; i != 2; ++i) {
      notes[i].read(rx[i]);
      MODEL_EXPECT(notes[i].is_sound(3) && notes[i].ended);
    }
  }
  MODEL_EXPECT(counted<int>::alive == 0);
}

MODEL_SCENARIO_OF(BR2_received_and_missed_with_one_place, preempted(2),
                  every_subscriber_gets_everything, 1)
MODEL_SCENARIO_OF(BR2_received_and_missed_with_two_places, preempted(2),
                  every_subscriber_gets_everything, 2)

MODEL_SCENARIO(BR2_a_receive_that_waits_is_overtaken, every_schedule()) {
  context c;
  broadcast_sender<int> tx(c, 1);
  broadcast_receiver<int> rx = tx.subscribe();
  received<int> first;
  received<int> second;
  rx.async_receive(first.handler());
  w.worker("worker", c);
  w.thread("sends", [&] {
    tx.send(1);
    tx.send(2);
    tx = broadcast_sender<int>();
  });
  w.thread("receives", [&] { rx.async_receive(second.handler()); });
  w.run();
  // Both were promised something, and come back in any order.
  const bool lagged = first.is(sluice::error::lagged) || second.is(sluice::error::lagged);
  const int sum = first.value_or_zero() + second.value_or_zero();
  MODEL_EXPECT(lagged ? rx.missed() == 1 && sum == 2 : sum == 3);
}

MODEL_SCENARIO(BR4_a_subscriber_leaves_against_the_lap, preempted(1, true)) {
  {
    context c;
    broadcast_sender<counted<int>> tx(c, 1);
    auto leaving = std::make_unique<broadcast_receiver<counted<int>>>(tx.subscribe());
    broadcast_receiver<counted<int>> staying = tx.subscribe();
    received<counted<int>> got;
    subscriber_notes notes;
    leaving->async_receive(got.handler());
    w.worker("worker", c);
    w.thread("sends", [&] {
      tx.send(counted<int>(1));
      tx.send(counted<int>(2));
    });
    w.thread("leaves", [&] { leaving.reset(); });
    w.thread("reads", [&] { notes.read(staying); });
    w.run();
    notes.read(staying);
    MODEL_EXPECT(notes.is_sound(2));
    MODEL_EXPECT(got.is(aborted) || got.got_something() || got.is(sluice::error::lagged));
  }
  MODEL_EXPECT(counted<int>::alive == 0);
}

MODEL_SCENARIO(BR4_a_lossless_send_waits_for_the_slowest, preempted(1)) {
  context c;
  lossless_sender<counted<int>> tx(c, 1);
  auto leaving = std::make_unique<broadcast_receiver<counted<int>>>(tx.subscribe());
  broadcast_receiver<counted<int>> staying = tx.subscribe();
  outcome_of<std::size_t> sent[2];
  received<counted<int>> got[2];
  w.worker("worker", c);
  w.thread("sends", [&] {
    tx.async_send(counted<int>(1), sent[0].handler());
    tx.async_send(counted<int>(2), sent[1].handler());
    tx = lossless_sender<counted<int>>();
  });
  w.thread("leaves", [&] { leaving.reset(); });
  w.thread("reads", [&] {
    for (auto& g : got) staying.async_receive(g.handler());
  });
  w.run();
  MODEL_EXPECT(sent[0].is(no_error) && sent[1].is(no_error));
  MODEL_EXPECT(got[0].value_or_zero() + got[1].value_or_zero() == 3);
}

MODEL_SCENARIO(D6_a_subscriber_that_cancels_hands_on, preempted(2)) {
  context c;
  broadcast_sender<int> tx(c, 2);
  broadcast_receiver<int> rx = tx.subscribe();
  received<int> cancelled;
  received<int> next;
  rx.async_receive(cancelled.handler());
  rx.async_receive(next.handler());
  w.worker("worker", c);
  w.thread("sends", [&] {
    tx.send(1);
    tx = broadcast_sender<int>();
  });
  w.thread("cancels", [&] { c.get_executor().execute([&] { cancelled.cancel(); }); });
  w.run();
  MODEL_EXPECT(cancelled.is(aborted) ? next.is_value(1) : cancelled.is_value(1) && next.is_end());
}

MODEL_SCENARIO(BR1_subscribing_against_a_send_and_the_end, every_schedule()) {
  context c;
  broadcast_sender<int> tx(c, 2);
  std::optional<broadcast_receiver<int>> rx;
  broadcast_sender<int> another(tx);
  subscriber_notes notes;
  std::size_t reached = 0;
  w.thread("sends", [&] {
    reached = tx.send(1);
    tx = broadcast_sender<int>();
  });
  w.thread("subscribes", [&] {
    rx.emplace(another.subscribe());
    another = broadcast_sender<int>();
    notes.read(*rx);
  });
  w.run();
  notes.read(*rx);
  MODEL_EXPECT(notes.values.size() == reached && notes.ended);
}

// Watch -------------------------------------------------------------------------------------------

namespace {

template <class T>
using watch_sender = sluice::watch_sender<T, executor, threading>;
template <class T>
using watch_receiver = sluice::watch_receiver<T, executor, threading>;

using changed = outcome_of<bool>;

}  // namespace

MODEL_SCENARIO(WA2_a_change_is_never_missed, every_schedule()) {
  context c;
  watch_sender<int> tx(c, 0);
  watch_receiver<int> rx = tx.subscribe();
  changed first;
  changed second;
  w.worker("worker", c);
  w.thread("sends", [&] {
    tx.send(1);
    tx = watch_sender<int>();
  });
  w.thread("waits", [&] {
    rx.async_changed(first.handler());
    rx.async_changed(second.handler());
  });
  w.run();
  // One of them has seen the change, the other one the end, in the order in which they came back.
  MODEL_EXPECT(first.is(no_error) && second.is(no_error));
  MODEL_EXPECT(first.get() != second.get());
}

MODEL_SCENARIO(WA2_everybody_hears_of_a_change, preempted(1)) {
  context c;
  watch_sender<int> tx(c, 0);
  watch_receiver<int> one = tx.subscribe();
  watch_receiver<int> other(one);
  changed seen[2];
  one.async_changed(seen[0].handler());
  w.worker("worker", c);
  w.thread("sends", [&] { tx.send(1); });
  w.thread("waits", [&] { other.async_changed(seen[1].handler()); });
  w.thread("marks", [&] { one.mark_changed(); });
  w.run();
  MODEL_EXPECT(seen[0].is(no_error) && seen[0].get() && seen[1].is(no_error) && seen[1].get());
}

MODEL_SCENARIO(WA3_waits_for_what_it_wants, preempted(2)) {
  context c;
  watch_sender<int> tx(c, 0);
  watch_receiver<int> rx = tx.subscribe();
  outcome_of<std::shared_ptr<const int>> found;
  w.worker("worker", c);
  w.thread("sends", [&] {
    tx.send(1);
    tx.send(2);
    tx = watch_sender<int>();
  });
  w.thread("waits",
           [&] { rx.async_wait_for([](int value) { return value == 2; }, found.handler()); });
  w.run();
  MODEL_EXPECT(found.is(no_error) && *found.get() == 2);
}

MODEL_SCENARIO(WA4_nobody_sees_an_older_value, preempted(2)) {
  context c;
  watch_sender<int> tx(c, 0);
  watch_receiver<int> rx = tx.subscribe();
  // What the receiver has observed, in the order in which its executor did so.
  std::vector<int> seen;
  rx.async_wait_for([](int value) { return value != 0; },
                    [&](error_code ec, std::shared_ptr<const int> value) {
                      MODEL_EXPECT(!ec);
                      seen.push_back(*value);
                    });
  w.worker("worker", c);
  w.thread("sends", [&] {
    tx.send(1);
    tx.send(2);
  });
  w.thread("borrows", [&] {
    for (int i = 0; i != 2; ++i) c.get_executor().execute([&] { seen.push_back(*rx.borrow()); });
  });
  w.run();
  MODEL_EXPECT(seen.size() == 3 && std::is_sorted(seen.begin(), seen.end()));
}

MODEL_SCENARIO(WA6_modifiers_at_once, every_schedule()) {
  context c;
  watch_sender<int> tx(c, 0);
  watch_sender<int> another(tx);
  watch_receiver<int> rx = tx.subscribe();
  const auto add = [](int& value) { value += 1; };
  w.thread("modifies", [&] { MODEL_EXPECT(!tx.send_modify(add)); });
  w.thread("modifies, too", [&] { MODEL_EXPECT(!another.send_modify(add)); });
  w.run();
  MODEL_EXPECT(*rx.borrow() == 2);
}

MODEL_SCENARIO(WA1_receivers_go_while_somebody_waits, preempted(2, true)) {
  {
    context c;
    watch_sender<counted<int>> tx(c, counted<int>(0));
    auto rx = std::make_unique<watch_receiver<counted<int>>>(tx.subscribe());
    changed seen;
    completed deserted;
    rx->async_changed(seen.handler());
    tx.async_wait_closed(deserted.handler());
    w.worker("worker", c);
    w.thread("sends", [&] { tx.send(counted<int>(1)); });
    w.thread("drops", [&] { rx.reset(); });
    w.run();
    MODEL_EXPECT(deserted.is(no_error));
    MODEL_EXPECT(seen.is(aborted) || (seen.is(no_error) && seen.get()));
  }
  MODEL_EXPECT(counted<int>::alive == 0);
}

MODEL_SCENARIO(K5_a_watch_whose_context_goes, preempted(2, true)) {
  context c;
  auto dying = std::make_unique<context>();
  watch_sender<int> tx(c, 0);
  watch_receiver<int> rx = tx.subscribe();
  changed dropped;
  changed seen;
  rx.with_executor(dying->get_executor()).async_changed(dropped.handler());
  rx.async_changed(seen.handler());
  w.worker("worker", c);
  w.thread("sends", [&] { tx.send(1); });
  w.thread("destroys", [&] { dying.reset(); });
  w.run();
  MODEL_EXPECT(dropped.was_dropped() && seen.is(no_error) && seen.get());
}
