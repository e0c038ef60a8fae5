// SPDX-License-Identifier: BSL-1.0

// Threads that block. Nobody runs a context here: what a thread waits for it does itself. Deadlines
// pass whenever they like.

#define BOOST_TEST_MODULE model_blocking
#include "asio_operations.hpp"
#include "scenario.hpp"

#include <sluice/oneshot.hpp>
#include <sluice/sync_receiver.hpp>
#include <sluice/sync_sender.hpp>
#include <sluice/sync_wait.hpp>

#include <boost/asio/as_tuple.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

using namespace model;

namespace {

template <class T>
using sync_sender = sluice::sync_sender<T, executor, threading>;
template <class T>
using sync_receiver = sluice::sync_receiver<T, executor, threading>;

const error_code timed_out = asio::error::timed_out;

/// A channel whose ends block.
template <class T>
struct blocking_channel {
  blocking_channel(context& c, std::size_t capacity)
      : blocking_channel(sluice::make_channel<T, executor, threading>(c.get_executor(), capacity)) {
  }
  explicit blocking_channel(std::pair<sender<T>, receiver<T>> ends)
      : tx(std::move(ends.first)), rx(std::move(ends.second)) {}

  sync_sender<T> tx;
  sync_receiver<T> rx;
};

}  // namespace

#define MODEL_SCENARIO_OF_EACH_KIND(name, bounds)              \
  static void name(world& w, std::size_t capacity);            \
  MODEL_SCENARIO_OF(name##_bounded, bounds, name, 1)           \
  MODEL_SCENARIO_OF(name##_rendezvous, bounds, name, 0)        \
  MODEL_SCENARIO_OF(name##_unbounded, bounds, name, unbounded) \
  static void name([[maybe_unused]] world& w, [[maybe_unused]] std::size_t capacity)

MODEL_SCENARIO_OF_EACH_KIND(D1_two_threads_that_block, every_schedule(true)) {
  context c;
  blocking_channel<int> ch(c, capacity);
  w.thread("sends", [&] {
    error_code ec;
    ch.tx.send(1, ec);
    MODEL_EXPECT(!ec);
  });
  w.thread("receives", [&] { MODEL_EXPECT(ch.rx.receive() == 1); });
  w.run();
}

MODEL_SCENARIO_OF_EACH_KIND(C1_blocked_until_the_end, preempted(2, true)) {
  context c;
  blocking_channel<int> ch(c, capacity);
  std::vector<int> seen;
  w.thread("sends", [&] {
    error_code ec;
    for (int i = 1; i != 3; ++i) {
      ch.tx.send(i, ec);
      MODEL_EXPECT(!ec);
    }
    ch.tx = sync_sender<int>();
  });
  w.thread("receives", [&] {
    while (auto value = ch.rx.receive()) seen.push_back(*value);
  });
  w.run();
  MODEL_EXPECT((seen == std::vector<int>{1, 2}));
}

// The call returns a value if and only if it was taken.
MODEL_SCENARIO_OF_EACH_KIND(B2_a_receive_with_a_deadline, preempted(2, true)) {
  context c;
  blocking_channel<int> ch(c, capacity);
  std::optional<int> got;
  error_code ec;
  error_code sent;
  w.thread("receives", [&] { got = ch.rx.receive_until(model::clock::deadline(), ec); });
  w.thread("sends", [&] { sent = ch.tx.try_send(1); });
  w.deadline_passes();
  w.run();
  MODEL_EXPECT(got ? !ec && *got == 1 : ec == timed_out);
  const bool is_left = ch.rx.try_receive().has_value();
  MODEL_EXPECT((sent == no_error) == (got || is_left) && !(got && is_left));
}

MODEL_SCENARIO_OF_EACH_KIND(B2_a_send_with_a_deadline, preempted(2)) {
  context c;
  blocking_channel<int> ch(c, capacity);
  std::optional<int> got;
  error_code ec;
  if (capacity == 1) MODEL_EXPECT(!ch.tx.try_send(7));
  w.thread("sends", [&] { ch.tx.send_until(model::clock::deadline(), 1, ec); });
  w.thread("receives", [&] { got = ch.rx.try_receive(); });
  w.deadline_passes();
  w.run();
  if (got != 1) got = ch.rx.try_receive();
  MODEL_EXPECT(ec ? ec == timed_out && got != 1 : got == 1);
}

// What a blocked thread was promised, and has no time for, is for the next one.
MODEL_SCENARIO_OF_EACH_KIND(D6_a_deadline_hands_on, preempted(1)) {
  context c;
  blocking_channel<int> ch(c, capacity);
  sync_receiver<int> another(ch.rx);
  std::optional<int> late;
  std::optional<int> got;
  error_code ec;
  w.thread("has no time", [&] { late = ch.rx.receive_until(model::clock::deadline(), ec); });
  w.thread("has time", [&] { got = another.receive(); });
  w.thread("sends", [&] {
    error_code sent;
    ch.tx.send(1, sent);
    MODEL_EXPECT(!sent);
    ch.tx = sync_sender<int>();
  });
  w.deadline_passes();
  w.run();
  MODEL_EXPECT(late ? late == 1 && !got : got == 1 && (!ec || ec == timed_out));
}

// Beside operations of others, which a worker runs.
MODEL_SCENARIO_OF_EACH_KIND(D6_a_blocked_thread_gets_what_is_cancelled, preempted(1)) {
  context c;
  channel<int> ch(c, capacity);
  sync_receiver<int> blocking(ch.rx);
  received<int> cancelled;
  std::optional<int> got;
  ch.rx.async_receive(cancelled.handler());
  w.worker("worker", c);
  w.thread("blocks", [&] { got = blocking.receive(); });
  completed sent;
  w.thread("sends", [&] {
    ch.tx.async_send(1, sent.handler());
    ch.tx = sender<int>();
  });
  w.thread("cancels", [&] { ch.rx.cancel(); });
  w.run();
  MODEL_EXPECT(cancelled.is(aborted)
                   ? got == 1
                   : (cancelled.is_value(1) && !got) || (cancelled.is_end() && got == 1));
}

MODEL_SCENARIO_OF_EACH_KIND(C3_blocked_while_the_other_end_goes, preempted(2, true)) {
  {
    context c;
    blocking_channel<counted<int>> ch(c, capacity);
    error_code ec;
    if (capacity == 1) MODEL_EXPECT(!ch.tx.try_send(counted<int>(7)));
    w.thread("sends", [&] { ch.tx.send(counted<int>(1), ec); });
    w.thread("drops", [&] { ch.rx = sync_receiver<counted<int>>(); });
    w.run();
    MODEL_EXPECT(ec == closed || capacity == unbounded);
    MODEL_EXPECT(counted<int>::alive == 0);
  }
}

// A context is destroyed while a thread is blocked in the middle of an operation of it.
MODEL_SCENARIO(B3_a_thread_wakes_when_its_context_goes, preempted(1)) {
  context c;
  auto dying = std::make_unique<context>();
  channel<int> ch(c, 1);
  sync_receiver<int> blocking(ch.rx.with_executor(dying->get_executor()));
  received<int> next;
  completed sent;
  error_code ec;
  std::optional<int> got;
  w.worker("worker", c);
  const int blocked = w.thread("blocks", [&] { got = blocking.receive(ec); });
  w.thread("destroys", [&] {
    // Nothing may be begun on a context that is gone.
    w.wait_until_blocked(blocked);
    dying.reset();
  });
  w.thread("sends", [&] {
    w.wait_until_blocked(blocked);
    ch.rx.async_receive(next.handler());
    ch.tx.async_send(1, sent.handler());
    ch.tx = sender<int>();
  });
  w.run();
  MODEL_EXPECT(sent.is(no_error));
  if (got)
    MODEL_EXPECT(*got == 1 && next.is_end());
  else
    MODEL_EXPECT(ec == aborted && next.is_value(1));
}

MODEL_SCENARIO(B2_several_values_against_a_deadline, preempted(2)) {
  context c;
  channel<int> ch(c, 2);
  std::vector<int> out;
  std::size_t count = 0;
  error_code ec;
  w.thread("receives", [&] {
    std::tie(ec, count) = ch.rx.async_receive_some(
        out, 2, asio::as_tuple(sluice::sync_wait_until(model::clock::deadline())));
  });
  w.thread("sends", [&] {
    MODEL_EXPECT(!ch.tx.try_send(1));
    MODEL_EXPECT(!ch.tx.try_send(2));
  });
  w.deadline_passes();
  w.run();
  MODEL_EXPECT(count == out.size() && (count != 0) == !ec && (!ec || ec == timed_out));
  MODEL_EXPECT(out.size() + ch.rx.size() == 2);
}

MODEL_SCENARIO(O2_blocked_at_a_oneshot, every_schedule(true)) {
  context c;
  auto ends = sluice::make_oneshot<counted<int>, executor, threading>(c);
  std::optional<counted<int>> got;
  w.thread("sends", [&] {
    MODEL_EXPECT(!ends.first.send(counted<int>(1)));
    ends.first = {};
  });
  w.thread("waits", [&] { got = ends.second.async_receive(sluice::sync_wait); });
  w.run();
  MODEL_EXPECT(got && *got == 1);
}

MODEL_SCENARIO(B2_a_oneshot_with_a_deadline, every_schedule()) {
  context c;
  auto ends = sluice::make_oneshot<int, executor, threading>(c);
  error_code ec;
  std::optional<int> got;
  w.thread("sends", [&] { MODEL_EXPECT(!ends.first.send(1)); });
  w.thread("waits", [&] {
    std::tie(ec, got) = ends.second.async_receive(
        asio::as_tuple(sluice::sync_wait_until(model::clock::deadline())));
  });
  w.deadline_passes();
  w.run();
  if (ec) {
    MODEL_EXPECT(ec == timed_out && !got);
    got = ends.second.try_receive();
  }
  MODEL_EXPECT(got == 1);
}
