// SPDX-License-Identifier: BSL-1.0

// Channels through their handles, with everything that Asio adds: operations that are submitted to
// executors, handles that are counted, contexts that go away.

#define BOOST_TEST_MODULE model_channel
#include "asio_operations.hpp"
#include "scenario.hpp"

#include <boost/asio/bind_executor.hpp>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

using namespace model;

#define MODEL_SCENARIO_OF_EACH_KIND(name, bounds)              \
  static void name(world& w, std::size_t capacity);            \
  MODEL_SCENARIO_OF(name##_bounded, bounds, name, 1)           \
  MODEL_SCENARIO_OF(name##_rendezvous, bounds, name, 0)        \
  MODEL_SCENARIO_OF(name##_unbounded, bounds, name, unbounded) \
  static void name([[maybe_unused]] world& w, [[maybe_unused]] std::size_t capacity)

// Delivery ----------------------------------------------------------------------------------------

MODEL_SCENARIO_OF_EACH_KIND(D1_a_send_meets_a_receive, preempted(2)) {
  context c;
  channel<int> ch(c, capacity);
  completed sent;
  received<int> got;
  w.worker("worker", c);
  w.thread("sends", [&] { ch.tx.async_send(1, sent.handler()); });
  w.thread("receives", [&] { ch.rx.async_receive(got.handler()); });
  w.run();
  MODEL_EXPECT(sent.is(no_error) && got.is_value(1));
}

MODEL_SCENARIO_OF_EACH_KIND(D1_two_workers, preempted(2)) {
  context c;
  channel<int> ch(c, capacity);
  completed sent[2];
  received<int> got[2];
  for (auto& g : got) ch.rx.async_receive(g.handler());
  w.worker("worker", c);
  w.worker("another worker", c);
  w.thread("sends", [&] {
    ch.tx.async_send(1, sent[0].handler());
    ch.tx.async_send(2, sent[1].handler());
  });
  w.run();
  MODEL_EXPECT(sent[0].is(no_error) && sent[1].is(no_error));
  MODEL_EXPECT(got[0].value_or_zero() + got[1].value_or_zero() == 3);
}

// A promise, a receive of another handle that waits, a third one that only tries.
MODEL_SCENARIO_OF_EACH_KIND(D6_a_cancelled_handle_hands_on, preempted(1)) {
  context c;
  channel<int> ch(c, capacity);
  receiver<int> another(ch.rx);
  completed sent;
  received<int> cancelled;
  received<int> next;
  std::optional<int> tried;
  ch.rx.async_receive(cancelled.handler());
  another.async_receive(next.handler());
  w.worker("worker", c);
  w.thread("sends", [&] {
    ch.tx.async_send(1, sent.handler());
    ch.tx = sender<int>();
  });
  w.thread("cancels", [&] {
    ch.rx.cancel();
    tried = ch.rx.try_receive();
  });
  w.run();
  MODEL_EXPECT(sent.is(no_error) && !tried);
  if (cancelled.is(aborted))
    MODEL_EXPECT(next.is_value(1));
  else
    MODEL_EXPECT(cancelled.is_value(1) && next.is_end());
}

MODEL_SCENARIO_OF_EACH_KIND(D3_a_cancelled_receive_leaves_its_value, preempted(2)) {
  context c;
  channel<int> ch(c, capacity);
  completed sent;
  received<int> cancelled;
  received<int> next;
  ch.rx.async_receive(cancelled.handler());
  ch.rx.async_receive(next.handler());
  w.worker("worker", c);
  w.thread("sends", [&] {
    ch.tx.async_send(1, sent.handler());
    ch.tx = sender<int>();
  });
  w.thread("cancels", [&] { c.get_executor().execute([&] { cancelled.cancel(); }); });
  w.run();
  MODEL_EXPECT(sent.is(no_error));
  if (cancelled.is(aborted))
    MODEL_EXPECT(next.is_value(1));
  else
    MODEL_EXPECT(cancelled.is_value(1) && next.is_end());
}

MODEL_SCENARIO_OF_EACH_KIND(D4_a_cancelled_send_tells_the_truth, preempted(2)) {
  context c;
  channel<int> ch(c, capacity);
  completed sent;
  received<int> got;
  ch.rx.async_receive(got.handler());
  w.worker("worker", c);
  w.thread("sends", [&] {
    ch.tx.async_send(1, sent.handler());
    ch.tx.cancel();
    ch.tx = sender<int>();
  });
  w.thread("tries", [&] { MODEL_EXPECT(!ch.rx.try_receive()); });
  w.run();
  MODEL_EXPECT(sent.is(no_error) ? got.is_value(1) : sent.is(aborted) && got.is_end());
}

// Closing and handles -----------------------------------------------------------------------------

MODEL_SCENARIO_OF_EACH_KIND(C2_everything_against_close, preempted(2)) {
  context c;
  channel<int> ch(c, capacity);
  completed sent;
  completed waited;
  received<int> got;
  ch.tx.async_wait_closed(waited.handler());
  w.worker("worker", c);
  w.thread("sends", [&] { ch.tx.async_send(1, sent.handler()); });
  w.thread("receives", [&] {
    ch.rx.async_receive(got.handler());
    ch.rx.close();
  });
  w.run();
  MODEL_EXPECT(waited.is(no_error) && (sent.is(no_error) || sent.is(closed)));
  const bool is_left = ch.rx.size() != 0;
  MODEL_EXPECT(got.is_over() && sent.is(no_error) == (got.is_value(1) || is_left));
}

MODEL_SCENARIO_OF_EACH_KIND(C1_last_sender_against_the_receive, preempted(1, true)) {
  context c;
  channel<int> ch(c, capacity);
  sender<int> another(ch.tx);
  completed sent;
  received<int> got;
  received<int> end;
  w.worker("worker", c);
  w.thread("drops", [&] { another = sender<int>(); });
  w.thread("sends", [&] {
    ch.tx.async_send(1, sent.handler());
    ch.tx = sender<int>();
  });
  w.thread("receives", [&] {
    ch.rx.async_receive(got.handler());
    ch.rx.async_receive(end.handler());
  });
  w.run();
  MODEL_EXPECT(sent.is(no_error));
  MODEL_EXPECT(got.value_or_zero() + end.value_or_zero() == 1);
  MODEL_EXPECT(got.is_end() || end.is_end());
}

MODEL_SCENARIO_OF_EACH_KIND(C3_last_receiver_against_the_send, preempted(2, true)) {
  {
    context c;
    channel<counted<int>> ch(c, capacity);
    completed sent;
    received<counted<int>> got;
    ch.rx.async_receive(got.handler());
    w.worker("worker", c);
    w.thread("drops", [&] { ch.rx = receiver<counted<int>>(); });
    w.thread("sends", [&] { ch.tx.async_send(counted<int>(1), sent.handler()); });
    w.run();
    MODEL_EXPECT(sent.is(no_error) || sent.is(closed));
    MODEL_EXPECT(got.is(aborted) || got.is_value(1));
    // What nobody can receive any more is gone at once.
    MODEL_EXPECT(counted<int>::alive == (got.is_value(1) ? 1 : 0));
  }
  MODEL_EXPECT(counted<int>::alive == 0);
}

// Both ends go at once, and the last of all is an operation.
MODEL_SCENARIO_OF_EACH_KIND(C3_both_ends_go, preempted(2, true)) {
  context c;
  auto ch = std::make_unique<channel<counted<int>>>(c, capacity);
  completed sent;
  w.worker("worker", c);
  w.thread("receiver", [&] { ch->rx = receiver<counted<int>>(); });
  w.thread("sender", [&] {
    ch->tx.async_send(counted<int>(1), sent.handler());
    ch->tx = sender<counted<int>>();
  });
  w.run();
  MODEL_EXPECT(sent.is(no_error) || sent.is(closed));
  MODEL_EXPECT(counted<int>::alive == 0);
}

MODEL_SCENARIO(C5_a_weak_sender_against_the_last_one, preempted(2, true)) {
  context c;
  channel<int> ch(c, 1);
  sluice::weak_sender<int, executor, threading> weak(ch.tx);
  received<int> got;
  bool locked = false;
  ch.rx.async_receive(got.handler());
  w.worker("worker", c);
  w.thread("drops", [&] { ch.tx = sender<int>(); });
  w.thread("locks", [&] {
    if (auto tx = weak.lock()) {
      locked = true;
      MODEL_EXPECT(!tx.try_send(1));
    }
  });
  w.run();
  MODEL_EXPECT(locked ? got.is_value(1) : got.is_end());
}

// Batches -----------------------------------------------------------------------------------------

MODEL_SCENARIO_OF_EACH_KIND(D4_a_send_of_several_against_close, preempted(2)) {
  context c;
  channel<int> ch(c, capacity);
  outcome_of<std::size_t> sent;
  std::vector<int> seen;
  w.worker("worker", c);
  w.thread("sends", [&] { ch.tx.async_send_all(std::vector<int>{1, 2, 3}, sent.handler()); });
  w.thread("receives", [&] {
    for (int i = 0; i != 2; ++i)
      if (auto value = ch.rx.try_receive()) seen.push_back(*value);
    ch.rx.close();
  });
  w.run();
  while (auto value = ch.rx.try_receive()) seen.push_back(*value);
  MODEL_EXPECT(sent.get() == seen.size());
  MODEL_EXPECT(sent.is(seen.size() == 3 ? no_error : closed));
  for (std::size_t i = 0; i != seen.size(); ++i) MODEL_EXPECT(seen[i] == static_cast<int>(i) + 1);
}

MODEL_SCENARIO_OF_EACH_KIND(K4_a_send_of_several_against_cancel, preempted(2)) {
  context c;
  channel<int> ch(c, capacity);
  outcome_of<std::size_t> sent;
  completed behind;
  std::vector<int> seen;
  ch.tx.async_send_all(std::vector<int>{1, 2}, sent.handler());
  sender<int> another(ch.tx);
  another.async_send(3, behind.handler());
  w.worker("worker", c);
  w.thread("cancels", [&] { ch.tx.cancel(); });
  w.thread("receives", [&] {
    for (int i = 0; i != 3; ++i)
      if (auto value = ch.rx.try_receive()) seen.push_back(*value);
    ch.rx.close();
  });
  w.run();
  while (auto value = ch.rx.try_receive()) seen.push_back(*value);
  MODEL_EXPECT(sent.get() + behind.is(no_error) == seen.size());
  MODEL_EXPECT(std::is_sorted(seen.begin(), seen.end()));
}

MODEL_SCENARIO_OF_EACH_KIND(D6_a_receive_of_several_against_cancel, preempted(1)) {
  context c;
  channel<int> ch(c, capacity);
  receiver<int> another(ch.rx);
  outcome_of<std::size_t> some;
  received<int> next;
  completed sent[2];
  std::vector<int> out;
  ch.rx.async_receive_some(out, 2, some.handler());
  another.async_receive(next.handler());
  w.worker("worker", c);
  w.thread("cancels", [&] { ch.rx.cancel(); });
  w.thread("sends", [&] {
    ch.tx.async_send(1, sent[0].handler());
    ch.tx.async_send(2, sent[1].handler());
    ch.tx = sender<int>();
  });
  w.run_until_quiet();
  MODEL_EXPECT(some.get() == out.size() && next.is_over());
  int sum = next.value_or_zero();
  for (int value : out) sum += value;
  // The second send of a rendezvous may still be pending.
  while (auto value = ch.rx.try_receive()) sum += *value;
  MODEL_EXPECT(sum == 3);
  c.poll();
  MODEL_EXPECT(sent[0].is(no_error) && sent[1].is(no_error));
}

// A loop claims what there is, and gives back what it has not passed on.
MODEL_SCENARIO_OF_EACH_KIND(D8_a_loop_that_is_stopped, preempted(1)) {
  context c;
  channel<int> ch(c, capacity);
  receiver<int> another(ch.rx);
  completed looped;
  received<int> next;
  completed sent[3];
  std::vector<int> passed;
  for (int i = 0; i != 3; ++i) ch.tx.async_send(i + 1, sent[i].handler());
  w.worker("worker", c);
  w.thread("begins", [&] {
    ch.rx.async_for_each(
        [&](int value) {
          passed.push_back(value);
          // Others may come in between two messages.
          stop_at("in the loop", 0, access::writes);
          return passed.size() != 2;
        },
        looped.handler());
  });
  w.thread("receives", [&] {
    another.async_receive(next.handler());
    another.cancel();
    ch.tx = sender<int>();
  });
  w.thread("cancels", [&] {
    stop_at("when it likes", 0, access::writes);
    ch.rx.cancel();
  });
  w.run_until_quiet();
  MODEL_EXPECT(looped.is(no_error) || looped.is(aborted));
  std::vector<int> seen(passed);
  if (next.got_something()) seen.push_back(next.value_or_zero());
  while (auto value = ch.rx.try_receive()) seen.push_back(*value);
  MODEL_EXPECT(std::is_sorted(passed.begin(), passed.end()));
  std::sort(seen.begin(), seen.end());
  MODEL_EXPECT((seen == std::vector<int>{1, 2, 3}));
  c.poll();
  for (auto& s : sent) MODEL_EXPECT(s.is(no_error));
}

// A measured channel takes back nothing that it has counted, whatever becomes of its loop.
MODEL_SCENARIO(D8_what_a_loop_passes_on_is_counted_once, preempted(2)) {
  using measured = sluice::measured<threading>;
  context c;
  auto [tx, rx] = sluice::make_channel<int, executor, measured>(c.get_executor(), 2);
  const sluice::weak_sender<int, executor, measured> known(tx);
  completed looped;
  std::size_t passed = 0;
  MODEL_EXPECT(!tx.try_send(1) && !tx.try_send(2));
  w.worker("worker", c);
  w.thread("begins and leaves", [&, &end = rx] {
    end.async_for_each(
        [&](int) {
          ++passed;
          stop_at("in the loop", 0, access::writes);
        },
        looped.handler());
    end = {};
  });
  w.thread("watches", [&] {
    const auto before = known.metrics();
    const auto after = known.metrics();
    MODEL_EXPECT(before.received <= after.received);
    MODEL_EXPECT(after.accepted == 2);
    MODEL_EXPECT(after.received + after.destroyed + after.buffered == 2);
  });
  w.run();
  const auto all = known.metrics();
  MODEL_EXPECT(looped.is(aborted));
  MODEL_EXPECT(all.received == passed && all.destroyed == 2 - passed && all.buffered == 0);
}

// Permits -----------------------------------------------------------------------------------------

MODEL_SCENARIO(P1_a_reservation_against_cancel, preempted(2)) {
  context c;
  channel<int> ch(c, 1);
  sender<int> another(ch.tx);
  MODEL_EXPECT(!ch.tx.try_send(1));
  outcome_of<sluice::permit<int, threading>> reserved;
  completed sent;
  ch.tx.async_reserve(reserved.handler());
  another.async_send(2, sent.handler());
  w.worker("worker", c);
  w.thread("receives", [&] { MODEL_EXPECT(ch.rx.try_receive() == 1); });
  w.thread("cancels", [&] { ch.tx.cancel(); });
  w.run_until_quiet();
  if (reserved.is(no_error)) {
    MODEL_EXPECT(reserved.get().size() == 1);
    MODEL_EXPECT(!sent.is_over());
    reserved.get() = sluice::permit<int, threading>();
    c.poll();
  }
  MODEL_EXPECT(sent.is(no_error));
}

static void a_permit_against_close(world& w, bool is_used) {
  context c;
  channel<int> ch(c, 1);
  error_code ec;
  auto permit = ch.tx.try_reserve(ec);
  received<int> got[2];
  for (auto& g : got) ch.rx.async_receive(g.handler());
  w.worker("worker", c);
  w.thread("drops", [&] { ch.tx = sender<int>(); });
  w.thread("has the permit", [&] {
    if (is_used) MODEL_EXPECT(!permit->send(1));
    permit.reset();
  });
  w.run();
  MODEL_EXPECT(is_used ? got[0].is_value(1) : got[0].is_end());
  MODEL_EXPECT(got[1].is_end());
}

MODEL_SCENARIO_OF(P2_a_permit_that_is_used_against_the_end, preempted(3, true),
                  a_permit_against_close, true)
MODEL_SCENARIO_OF(P2_a_permit_that_is_dropped_against_the_end, preempted(3, true),
                  a_permit_against_close, false)

MODEL_SCENARIO(P2_a_permit_against_the_last_receiver, preempted(3, true)) {
  context c;
  channel<counted<int>> ch(c, 1);
  error_code ec;
  auto permit = ch.tx.try_reserve(ec);
  completed waited;
  ch.tx.async_wait_closed(waited.handler());
  error_code used;
  w.worker("worker", c);
  w.thread("drops", [&] { ch.rx = receiver<counted<int>>(); });
  w.thread("has the permit", [&] { used = permit->send(counted<int>(1)); });
  w.run();
  MODEL_EXPECT(waited.is(no_error) && (used == no_error || used == closed));
  MODEL_EXPECT(counted<int>::alive == 0);
}

// Contexts ----------------------------------------------------------------------------------------

// What a receive was promised whose context is destroyed goes to one that lives elsewhere.
MODEL_SCENARIO_OF_EACH_KIND(K5_a_context_goes_against_a_wake_up, preempted(2)) {
  context c;
  auto dying = std::make_unique<context>();
  channel<int> ch(c, capacity);
  completed sent;
  received<int> dropped;
  received<int> next;
  ch.rx.with_executor(dying->get_executor()).async_receive(dropped.handler());
  ch.rx.async_receive(next.handler());
  w.worker("worker", c);
  w.thread("sends", [&] {
    ch.tx.async_send(1, sent.handler());
    ch.tx = sender<int>();
  });
  w.thread("destroys", [&] { dying.reset(); });
  w.run();
  MODEL_EXPECT(sent.is(no_error) && dropped.was_dropped() && next.is_value(1));
}

// It has done some of its work before it is destroyed.
MODEL_SCENARIO_OF_EACH_KIND(K5_a_context_stops_and_goes, preempted(1)) {
  context c;
  auto dying = std::make_unique<context>();
  channel<int> ch(c, capacity);
  completed sent;
  received<int> first;
  received<int> next;
  ch.rx.with_executor(dying->get_executor()).async_receive(first.handler());
  ch.rx.async_receive(next.handler());
  w.worker("worker", c);
  w.thread("sends", [&] {
    ch.tx.async_send(1, sent.handler());
    ch.tx = sender<int>();
  });
  w.thread("destroys", [&] {
    dying->poll();
    dying.reset();
  });
  w.run();
  MODEL_EXPECT(sent.is(no_error));
  if (first.is_over())
    MODEL_EXPECT(first.is_value(1) ? next.is_end() : first.is_end() && next.is_value(1));
  else
    MODEL_EXPECT(first.was_dropped() && next.is_value(1));
}

// A pending send goes with its context: it was the last sender.
MODEL_SCENARIO(K5_a_context_takes_the_last_send_along, preempted(2)) {
  context c;
  auto dying = std::make_unique<context>();
  channel<counted<int>> ch(c, 0);
  completed sent;
  received<counted<int>> got;
  ch.tx.with_executor(dying->get_executor()).async_send(counted<int>(1), sent.handler());
  ch.tx = sender<counted<int>>();
  w.worker("worker", c);
  w.thread("receives", [&] { ch.rx.async_receive(got.handler()); });
  w.thread("destroys", [&] { dying.reset(); });
  w.run();
  MODEL_EXPECT(sent.was_dropped());
  MODEL_EXPECT(got.is_value(1) || got.is_end());
  MODEL_EXPECT(counted<int>::alive == (got.is_value(1) ? 1 : 0));
}

// The handler has a context of its own. Either of the two goes.
static void one_of_two_contexts_goes(world& w, bool handlers) {
  context c;
  auto io = std::make_unique<context>();
  auto own = std::make_unique<context>();
  channel<int> ch(c, 1);
  completed sent;
  received<int> first;
  received<int> next;
  ch.rx.with_executor(io->get_executor())
      .async_receive(asio::bind_executor(own->get_executor(), first.handler()));
  ch.rx.async_receive(next.handler());
  w.worker("worker", c);
  w.thread("sends", [&] {
    ch.tx.async_send(1, sent.handler());
    ch.tx = sender<int>();
  });
  w.thread("destroys", [&] {
    if (handlers) return own.reset();
    io.reset();
    own->poll();
    own.reset();
  });
  w.run();
  MODEL_EXPECT(sent.is(no_error));
  if (first.is_over())
    MODEL_EXPECT(!handlers && first.is_value(1) && next.is_end());
  else
    MODEL_EXPECT(first.was_dropped() && next.is_value(1));
}

MODEL_SCENARIO_OF(K5_the_context_of_the_handler_goes, preempted(2), one_of_two_contexts_goes, true)
MODEL_SCENARIO_OF(K5_the_context_of_the_handle_goes, preempted(2), one_of_two_contexts_goes, false)

// Two contexts of one operation go at once.
MODEL_SCENARIO(K5_both_contexts_go, preempted(1)) {
  context c;
  auto io = std::make_unique<context>();
  auto own = std::make_unique<context>();
  channel<int> ch(c, 1);
  completed sent;
  received<int> first;
  received<int> next;
  ch.rx.with_executor(io->get_executor())
      .async_receive(asio::bind_executor(own->get_executor(), first.handler()));
  ch.rx.async_receive(next.handler());
  w.worker("worker", c);
  w.thread("destroys one", [&] { io.reset(); });
  w.thread("destroys the other", [&] { own.reset(); });
  w.thread("sends", [&] { ch.tx.async_send(1, sent.handler()); });
  w.run();
  MODEL_EXPECT(sent.is(no_error) && first.was_dropped() && next.is_value(1));
}

// A state dies while a context that it knows is destroyed.
MODEL_SCENARIO(K5_a_context_goes_and_so_does_the_channel, every_schedule(true)) {
  auto dying = std::make_unique<context>();
  auto ch = std::make_unique<channel<int>>(*dying, 1);
  received<int> got;
  ch->rx.async_receive(got.handler());
  w.thread("destroys", [&] { dying.reset(); });
  w.thread("drops", [&] {
    ch->tx = sender<int>();
    ch.reset();
  });
  w.run();
  MODEL_EXPECT(got.was_dropped());
}

MODEL_SCENARIO(K5_a_context_goes_and_so_does_a_channel_where_nobody_waits, every_schedule(true)) {
  auto dying = std::make_unique<context>();
  auto ch = std::make_unique<channel<int>>(*dying, 1);
  received<int> got;
  ch->rx.async_receive(got.handler());
  ch->rx.cancel();
  dying->poll();
  w.thread("destroys", [&] { dying.reset(); });
  w.thread("drops", [&] {
    ch->tx = sender<int>();
    ch.reset();
  });
  w.run();
  MODEL_EXPECT(got.is(aborted));
}

// Everything at once ------------------------------------------------------------------------------

MODEL_SCENARIO_OF_EACH_KIND(everything_at_random, at_random_with(600, 4)) {
  {
    context c;
    auto dying = std::make_unique<context>();
    channel<counted<int>> ch(c, capacity);
    using tx_type = sender<counted<int>>;
    using rx_type = receiver<counted<int>>;
    completed sent[4];
    received<counted<int>> got[4];
    completed waited;
    ch.tx.async_wait_closed(waited.handler());
    ch.rx.with_executor(dying->get_executor()).async_receive(got[3].handler());
    w.worker("worker", c);
    w.worker("another worker", c);
    w.thread("sends", [&, tx = tx_type(ch.tx)]() mutable {
      tx.async_send(counted<int>(1), sent[0].handler());
      tx.async_send(counted<int>(2), sent[1].handler());
      tx.cancel();
      tx = tx_type();
    });
    w.thread("sends, too", [&] {
      ch.tx.async_send(counted<int>(4), sent[2].handler());
      if (auto weak = sluice::weak_sender<counted<int>, executor, threading>(ch.tx);
          auto tx = weak.lock())
        tx.async_send(counted<int>(8), sent[3].handler());
      ch.tx = tx_type();
    });
    w.thread("receives", [&, rx = rx_type(ch.rx)]() mutable {
      rx.async_receive(got[0].handler());
      rx.async_receive(got[1].handler());
      rx.cancel();
      rx = rx_type();
    });
    w.thread("receives, too", [&] {
      ch.rx.async_receive(got[2].handler());
      ch.rx = rx_type();
    });
    w.thread("destroys", [&] { dying.reset(); });
    w.run();
    MODEL_EXPECT(waited.is(no_error) || waited.is(aborted));
    MODEL_EXPECT(got[3].was_dropped());
    int taken = 0;
    for (auto& g : got) {
      const int value = g.got_something() ? static_cast<int>(*g.get()) : 0;
      MODEL_EXPECT((taken & value) == 0);
      taken |= value;
    }
    for (int i = 0; i != 4; ++i)
      if (!sent[i].is_over() || !sent[i].is(no_error)) MODEL_EXPECT((taken & (1 << i)) == 0);
  }
  MODEL_EXPECT(counted<int>::alive == 0);
}
