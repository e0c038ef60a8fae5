// SPDX-License-Identifier: BSL-1.0

// The core of a channel, whose operations are brought back by a worker. The scenarios are small
// enough for all their interleavings, and compiled soon enough to be compiled again with each of
// the mutations that they have to find.

#define BOOST_TEST_MODULE model_core_channel
#include "core_operations.hpp"
#include "scenario.hpp"

#include <boost/system/error_code.hpp>

#include <algorithm>
#include <optional>

namespace {

using namespace model;

constexpr std::size_t unbounded = channel::unlimited;

/// One scenario for each kind of channel.
#define MODEL_SCENARIO_OF_EACH_KIND(name, bounds)              \
  static void name(world& w, std::size_t capacity);            \
  MODEL_SCENARIO_OF(name##_bounded, bounds, name, 1)           \
  MODEL_SCENARIO_OF(name##_rendezvous, bounds, name, 0)        \
  MODEL_SCENARIO_OF(name##_unbounded, bounds, name, unbounded) \
  static void name(world& w, std::size_t capacity)

}  // namespace

// Delivery ----------------------------------------------------------------------------------------

MODEL_SCENARIO_OF_EACH_KIND(D1_a_send_meets_a_receive, every_schedule()) {
  core_channel c(capacity);
  work_queue queue;
  core_send send(c, queue, {1});
  core_receive receive(c, queue);
  w.worker("worker", queue);
  w.thread("sends", [&] { send.begin(); });
  w.thread("receives", [&] { receive.begin(); });
  w.run();
  MODEL_EXPECT(send.result() == outcome::success);
  MODEL_EXPECT(receive.result() == outcome::success && receive.value() == 1);
}

// At a rendezvous a send that cannot wait passes only if it comes second.
MODEL_SCENARIO_OF_EACH_KIND(D7_a_send_that_does_not_wait_meets_a_receive, every_schedule()) {
  core_channel c(capacity);
  work_queue queue;
  core_receive receive(c, queue);
  bool sent = false;
  w.worker("worker", queue);
  w.thread("sends", [&] {
    sent = try_send(c, 1) == outcome::success;
    MODEL_EXPECT(sent || capacity == 0);
    if (!sent) c->remove_sender();
  });
  w.thread("receives", [&] { receive.begin(); });
  w.run();
  MODEL_EXPECT(receive.result() == (sent ? outcome::success : outcome::closed));
}

MODEL_SCENARIO_OF_EACH_KIND(D2_two_sends_and_two_receives, every_schedule()) {
  core_channel c(capacity);
  work_queue queue;
  core_send first(c, queue, {1});
  core_send second(c, queue, {2});
  core_receive one(c, queue);
  core_receive other(c, queue);
  other.begin();
  w.worker("worker", queue);
  w.thread("sends", [&] {
    first.begin();
    second.begin();
  });
  w.thread("receives", [&] { one.begin(); });
  w.run();
  MODEL_EXPECT(first.result() == outcome::success && second.result() == outcome::success);
  MODEL_EXPECT(one.result() == outcome::success && other.result() == outcome::success);
  MODEL_EXPECT(one.value() + other.value() == 3 && one.value() * other.value() == 2);
}

MODEL_SCENARIO_OF_EACH_KIND(D5_try_receive_does_not_overtake, every_schedule()) {
  core_channel c(capacity);
  work_queue queue;
  core_receive receive(c, queue);
  receive.begin();
  w.worker("worker", queue);
  w.thread("sends", [&] { MODEL_EXPECT(try_send(c, 1) == outcome::success); });
  w.thread("tries", [&] { MODEL_EXPECT(try_receive(c) == 0); });
  w.run();
  MODEL_EXPECT(receive.value() == 1);
}

// What a woken receive has been promised goes to the next one when it is cancelled.
MODEL_SCENARIO_OF_EACH_KIND(D6_a_cancelled_receive_hands_on, every_schedule()) {
  core_channel c(capacity);
  work_queue queue;
  core_receive cancelled(c, queue);
  core_receive next(c, queue);
  core_send send(c, queue, {1});
  cancelled.begin();
  next.begin();
  w.worker("worker", queue);
  w.thread("sends", [&] {
    send.begin();
    c->remove_sender();
  });
  w.thread("cancels", [&] { cancelled.cancel(); });
  w.run();
  MODEL_EXPECT(send.result() == outcome::success);
  if (cancelled.result() == outcome::aborted)
    MODEL_EXPECT(next.value() == 1);
  else
    MODEL_EXPECT(cancelled.value() == 1 && next.result() == outcome::closed);
}

// The same when its executor destroys it.
MODEL_SCENARIO_OF_EACH_KIND(D6_a_destroyed_receive_hands_on, every_schedule()) {
  core_channel c(capacity);
  work_queue queue;
  core_receive refused(c, queue);
  core_receive next(c, queue);
  core_send send(c, queue, {1});
  refused.refuse_from_now_on();
  refused.begin();
  w.worker("worker", queue);
  w.thread("sends", [&] { send.begin(); });
  w.thread("receives", [&] { next.begin(); });
  w.run();
  if (next.value() == 1) return;
  MODEL_EXPECT(false);
}

// A promise that came to nothing: the pending send is cancelled before its value is taken.
MODEL_SCENARIO_OF_EACH_KIND(D4_a_cancelled_send_tells_the_truth, every_schedule()) {
  core_channel c(capacity);
  work_queue queue;
  core_send send(c, queue, {1});
  core_receive receive(c, queue);
  w.worker("worker", queue);
  w.thread("sends", [&] {
    send.begin();
    send.cancel();
    c->close(boost::system::error_code());
  });
  w.thread("receives", [&] { receive.begin(); });
  w.run();
  const bool sent = send.result() == outcome::success;
  MODEL_EXPECT(sent || send.result() == outcome::aborted);
  MODEL_EXPECT(receive.result() == (sent ? outcome::success : outcome::closed));
}

// A receive that was woken for nothing finds what has come since, or waits on.
MODEL_SCENARIO_OF_EACH_KIND(D5_a_promise_that_came_to_nothing, every_schedule()) {
  core_channel c(capacity);
  work_queue queue;
  core_receive one(c, queue);
  core_receive other(c, queue);
  one.begin();
  other.begin();
  core_send cancelled(c, queue, {1});
  core_send send(c, queue, {2});
  w.worker("worker", queue);
  w.thread("sends", [&] {
    cancelled.begin();
    cancelled.cancel();
    send.begin();
    c->remove_sender();
  });
  w.run();
  MODEL_EXPECT(send.result() == outcome::success);
  const int sum = cancelled.result() == outcome::success ? 3 : 2;
  MODEL_EXPECT(one.value() + other.value() == sum);
  MODEL_EXPECT(one.is_over() && other.is_over());
}

MODEL_SCENARIO(D1_a_value_is_displaced_or_received, every_schedule()) {
  core_channel c(1);
  work_queue queue;
  core_receive receive(c, queue);
  number old(1);
  MODEL_EXPECT(c->try_send(old) == outcome::success);
  std::optional<number> displaced;
  int tried = 0;
  w.worker("worker", queue);
  w.thread("forces", [&] {
    number forced(2);
    MODEL_EXPECT(c->force_send(forced, displaced) == outcome::success);
    c->remove_sender();
  });
  w.thread("receives", [&] { receive.begin(); });
  w.thread("tries", [&] { tried = try_receive(c); });
  w.run();
  const int gone = displaced ? displaced->value() : 0;
  const int left = try_receive(c);
  MODEL_EXPECT(receive.is_over());
  MODEL_EXPECT(gone + std::max(tried, 0) + receive.value() + std::max(left, 0) == 3);
}

// Cancelling everything of a handle does not lose what has been promised.
MODEL_SCENARIO_OF_EACH_KIND(K4_cancel_of_a_handle_hands_on, every_schedule()) {
  core_channel c(capacity);
  work_queue queue;
  core_receive first(c, queue, 7);
  core_receive second(c, queue, 7);
  core_receive next(c, queue, 8);
  first.begin();
  second.begin();
  next.begin();
  core_send send(c, queue, {1});
  w.worker("worker", queue);
  w.thread("sends", [&] {
    send.begin();
    c->remove_sender();
  });
  w.thread("cancels", [&] { c->cancel_owner(7); });
  w.run();
  MODEL_EXPECT(second.value() == 0);
  MODEL_EXPECT(first.value() + next.value() == 1);
  MODEL_EXPECT(send.result() == outcome::success);
}

// Batches -----------------------------------------------------------------------------------------

MODEL_SCENARIO_OF_EACH_KIND(D4_a_send_of_several_counts_what_was_accepted, every_schedule()) {
  core_channel c(capacity);
  work_queue queue;
  core_send send(c, queue, {1, 2});
  std::vector<int> seen;
  send.begin();
  w.worker("worker", queue);
  w.thread("cancels", [&] { send.cancel(); });
  w.thread("receives", [&] {
    for (int i = 0; i != 2; ++i)
      if (int value = try_receive(c); value > 0) seen.push_back(value);
  });
  w.run();
  MODEL_EXPECT(send.accepted == seen.size() + c->look().buffered);
  MODEL_EXPECT((send.result() == outcome::success) == (send.accepted == 2));
  MODEL_EXPECT(seen.empty() || seen.front() == 1);
}

MODEL_SCENARIO(D6_a_cancelled_receive_of_several_hands_on, every_schedule()) {
  core_channel c(2);
  work_queue queue;
  core_batch_receive batch(c, queue, 2);
  core_receive next(c, queue);
  batch.begin();
  next.begin();
  w.worker("worker", queue);
  w.thread("sends", [&] {
    MODEL_EXPECT(try_send(c, 1) == outcome::success);
    MODEL_EXPECT(try_send(c, 2) == outcome::success);
    c->remove_sender();
  });
  w.thread("cancels", [&] { batch.cancel(); });
  w.run();
  const std::size_t received = batch.values().size() + (next.value() != 0) + c->look().buffered;
  MODEL_EXPECT(received == 2);
  if (batch.result() == outcome::aborted) MODEL_EXPECT(next.value() == 1);
  MODEL_EXPECT(next.is_over());
}

// Closing -----------------------------------------------------------------------------------------

MODEL_SCENARIO_OF_EACH_KIND(C4_data_comes_before_the_end, every_schedule()) {
  core_channel c(capacity);
  work_queue queue;
  core_receive one(c, queue);
  core_receive other(c, queue);
  core_send send(c, queue, {1});
  w.worker("worker", queue);
  w.thread("sends", [&] {
    send.begin();
    c->remove_sender();
  });
  w.thread("receives", [&] {
    one.begin();
    other.begin();
  });
  w.run();
  MODEL_EXPECT(send.result() == outcome::success);
  MODEL_EXPECT(one.value() + other.value() == 1);
  MODEL_EXPECT(one.result() == outcome::closed || other.result() == outcome::closed);
}

MODEL_SCENARIO(C4_trying_never_misses_data, every_schedule()) {
  core_channel c(1);
  int seen = 0;
  w.thread("sends", [&] {
    MODEL_EXPECT(try_send(c, 1) == outcome::success);
    c->close(boost::system::error_code());
  });
  w.thread("tries", [&] {
    for (int i = 0; i != 3 && seen == 0; ++i) seen = try_receive(c);
  });
  w.run();
  MODEL_EXPECT(seen != -1);
}

MODEL_SCENARIO_OF_EACH_KIND(C1_the_last_sender_closes, every_schedule()) {
  core_channel c(capacity);
  work_queue queue;
  c->add_sender();
  core_receive receives[3] = {{c, queue}, {c, queue}, {c, queue}};
  for (auto& r : receives) r.begin();
  core_send sends[2] = {{c, queue, {1}}, {c, queue, {2}}};
  w.worker("worker", queue);
  for (auto& s : sends)
    w.thread("sends", [&] {
      s.begin();
      c->remove_sender();
    });
  w.run();
  int sum = 0;
  for (auto& r : receives) {
    MODEL_EXPECT(r.is_over());
    sum += r.value();
  }
  MODEL_EXPECT(sum == 3);
  for (auto& s : sends) MODEL_EXPECT(s.result() == outcome::success);
}

MODEL_SCENARIO(C5_a_sender_from_nothing_or_the_end, every_schedule()) {
  core_channel c(1);
  work_queue queue;
  core_receive receive(c, queue);
  receive.begin();
  bool locked = false;
  w.worker("worker", queue);
  w.thread("drops", [&] { c->remove_sender(); });
  w.thread("locks", [&] {
    locked = c->add_sender_if_open() != 0;
    if (!locked) return;
    MODEL_EXPECT(try_send(c, 1) == outcome::success);
    c->remove_sender();
  });
  w.run();
  MODEL_EXPECT(receive.result() == (locked ? outcome::success : outcome::closed));
}

MODEL_SCENARIO_OF_EACH_KIND(C3_the_last_receiver_fails_sends, every_schedule()) {
  core_channel c(capacity);
  work_queue queue;
  core_wait_closed waits(c, queue);
  core_send send(c, queue, {1});
  core_receive receive(c, queue);
  w.worker("worker", queue);
  w.thread("sends", [&] {
    waits.begin();
    send.begin();
  });
  w.thread("receives", [&] {
    receive.begin();
    c->remove_receiver();
  });
  w.run();
  MODEL_EXPECT(waits.result() == outcome::success);
  MODEL_EXPECT(send.is_over() && receive.is_over());
  if (receive.result() == outcome::success) MODEL_EXPECT(send.result() == outcome::success);
  MODEL_EXPECT(c->look().buffered == 0);
}

MODEL_SCENARIO_OF_EACH_KIND(C2_closing_fails_sends_and_ends_receives, every_schedule()) {
  core_channel c(capacity);
  work_queue queue;
  core_send send(c, queue, {1});
  core_receive receive(c, queue);
  core_receive another(c, queue);
  w.worker("worker", queue);
  w.thread("sends", [&] { send.begin(); });
  w.thread("receives", [&] {
    receive.begin();
    another.begin();
  });
  w.thread("closes", [&] { c->close(boost::system::error_code()); });
  w.run();
  const bool sent = send.result() == outcome::success;
  MODEL_EXPECT(sent || send.result() == outcome::closed);
  MODEL_EXPECT(receive.value() + another.value() == (sent ? 1 : 0));
}

// Permits -----------------------------------------------------------------------------------------

MODEL_SCENARIO(P1_a_place_that_is_given_back_goes_to_the_next, every_schedule()) {
  core_channel c(1);
  work_queue queue;
  MODEL_EXPECT(c->try_reserve(1) == outcome::success);
  core_send send(c, queue, {1});
  core_reserve reserve(c, queue);
  w.worker("worker", queue);
  w.thread("gives back", [&] { c->release_permits(1); });
  w.thread("waits", [&] {
    reserve.begin();
    send.begin();
  });
  w.run();
  MODEL_EXPECT(reserve.result() == outcome::success && send.result() == outcome::success);
  MODEL_EXPECT(c->look().buffered == 1);
}

MODEL_SCENARIO(P1_a_cancelled_reservation_passes_its_place_on, every_schedule()) {
  core_channel c(1);
  work_queue queue;
  MODEL_EXPECT(try_send(c, 1) == outcome::success);
  core_reserve reserve(c, queue);
  core_send send(c, queue, {2});
  reserve.begin();
  send.begin();
  w.worker("worker", queue);
  w.thread("receives", [&] { MODEL_EXPECT(try_receive(c) == 1); });
  w.thread("cancels", [&] { reserve.cancel(); });
  w.run();
  MODEL_EXPECT(reserve.is_over() && send.result() == outcome::success);
}

MODEL_SCENARIO(P1_a_destroyed_reservation_passes_its_place_on, every_schedule()) {
  core_channel c(1);
  work_queue queue;
  MODEL_EXPECT(c->try_reserve(1) == outcome::success);
  core_reserve reserve(c, queue);
  core_send send(c, queue, {2});
  reserve.refuse_from_now_on();
  w.worker("worker", queue);
  w.thread("gives back", [&] { c->release_permits(1); });
  w.thread("waits", [&] {
    reserve.begin();
    send.begin();
  });
  w.run();
  MODEL_EXPECT(send.result() == outcome::success);
}

static void end_of_stream_waits_for_a_permit(world& w, bool is_used) {
  core_channel c(1);
  work_queue queue;
  MODEL_EXPECT(c->try_reserve(1) == outcome::success);
  core_receive one(c, queue);
  core_receive other(c, queue);
  w.worker("worker", queue);
  w.thread("closes", [&] { c->close(boost::system::error_code()); });
  w.thread("holds the permit", [&] {
    number n(1);
    if (is_used)
      MODEL_EXPECT(c->send_reserved(n) == outcome::success);
    else
      c->release_permits(1);
  });
  w.thread("receives", [&] {
    one.begin();
    other.begin();
  });
  w.run();
  MODEL_EXPECT(one.is_over() && other.is_over());
  MODEL_EXPECT(one.value() + other.value() == (is_used ? 1 : 0));
}

MODEL_SCENARIO_OF(P2_the_end_waits_for_a_permit_that_is_used, every_schedule(),
                  end_of_stream_waits_for_a_permit, true)
MODEL_SCENARIO_OF(P2_the_end_waits_for_a_permit_that_is_dropped, every_schedule(),
                  end_of_stream_waits_for_a_permit, false)

// Everything at once ------------------------------------------------------------------------------

MODEL_SCENARIO_OF_EACH_KIND(everything_at_random, at_random_with(2000, 4)) {
  core_channel c(capacity);
  work_queue queue;
  c->add_sender();
  c->add_receiver();
  core_receive receives[4] = {{c, queue, 1}, {c, queue, 1}, {c, queue, 2}, {c, queue, 2}};
  core_send sends[4] = {
      {c, queue, {1}, 3}, {c, queue, {2, 4}, 3}, {c, queue, {8}, 4}, {c, queue, {16}, 4}};
  core_wait_closed waits(c, queue);
  w.worker("worker", queue);
  w.worker("another worker", queue);
  for (int i = 0; i != 2; ++i) {
    w.thread("sends", [&, i] {
      sends[2 * i].begin();
      if (i == 0) waits.begin();
      sends[2 * i + 1].begin();
      sends[2 * i].cancel();
      c->remove_sender();
    });
    w.thread("receives", [&, i] {
      receives[2 * i].begin();
      receives[2 * i + 1].begin();
      receives[2 * i].cancel();
      if (i == 0) c->cancel_owner(1);
      c->remove_receiver();
    });
  }
  w.run();
  // Each value has come out at most once, and none that was not sent.
  int sum = 0;
  for (auto& r : receives) {
    MODEL_EXPECT(r.is_over() && (sum & r.value()) == 0);
    sum |= r.value();
  }
  int sent = 0;
  for (auto& s : sends) MODEL_EXPECT(s.is_over());
  if (sends[0].result() == outcome::success) sent |= 1;
  if (sends[1].accepted > 0) sent |= 2;
  if (sends[1].accepted > 1) sent |= 4;
  if (sends[2].result() == outcome::success) sent |= 8;
  if (sends[3].result() == outcome::success) sent |= 16;
  MODEL_EXPECT((sum & ~sent) == 0);
  MODEL_EXPECT(waits.is_over() && c->look().buffered == 0);
}
