// SPDX-License-Identifier: BSL-1.0

// Selects against senders, receivers, cancellation, closing, contexts that go, and other selects.
// All of them look at their cases in the order written, since a schedule has to be repeatable.

#define BOOST_TEST_MODULE model_select
#include "asio_operations.hpp"
#include "scenario.hpp"

#include <sluice/select.hpp>

#include <boost/asio/post.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <variant>

using namespace model;
using sluice::biased_select;
using sluice::on_receive;
using sluice::on_send;

namespace {

/// How a select of two cases ended.
template <class First, class Second>
class selected : public outcome_of<std::size_t, std::variant<First, Second>> {
 public:
  std::size_t which() const { return this->template get<0>(); }
  bool was_cancelled() const { return this->is(aborted) && which() == sluice::npos; }

  /// Whether this case has happened without error.
  bool happened(std::size_t i) const { return this->is(no_error) && which() == i; }

  /// What it has received by any of its cases; 0 if nothing.
  int received() const {
    if (!this->is(no_error) || which() == sluice::npos) return 0;
    return std::visit([](const auto& given) { return value_of(given); }, this->template get<1>());
  }

 private:
  static int value_of(const std::optional<int>& given) { return given ? *given : 0; }
  template <class Other>
  static int value_of(const Other&) {
    return 0;
  }
};

using receives_two = selected<std::optional<int>, std::optional<int>>;
using receives_or_sends = selected<std::optional<int>, std::monostate>;
using sends_or_receives = selected<std::monostate, std::optional<int>>;

int left_in(channel<int>& ch) {
  int sum = 0;
  while (auto value = ch.rx.try_receive()) sum += *value;
  return sum;
}

}  // namespace

// One select --------------------------------------------------------------------------------------

MODEL_SCENARIO(S1_two_senders_and_one_case_happens, preempted(2)) {
  context c;
  channel<int> a(c, 1);
  channel<int> b(c, 1);
  receives_two got;
  biased_select(on_receive(a.rx), on_receive(b.rx)).async_wait(got.handler());
  w.worker("worker", c);
  w.thread("sends", [&] { MODEL_EXPECT(!a.tx.try_send(1)); });
  w.thread("sends too", [&] { MODEL_EXPECT(!b.tx.try_send(2)); });
  w.run();
  MODEL_EXPECT(got.happened(got.which()) && got.received() == 1 + static_cast<int>(got.which()));
  MODEL_EXPECT(got.received() + left_in(a) + left_in(b) == 3);
}

MODEL_SCENARIO(S1_it_begins_while_others_send, preempted(2)) {
  context c;
  channel<int> a(c, 1);
  channel<int> b(c, 0);
  receives_two got;
  completed sent;
  w.worker("worker", c);
  w.thread("selects",
           [&] { biased_select(on_receive(a.rx), on_receive(b.rx)).async_wait(got.handler()); });
  w.thread("sends", [&] {
    b.tx.async_send(2, sent.handler());
    MODEL_EXPECT(!a.tx.try_send(1));
    b.tx.cancel();
  });
  w.run();
  MODEL_EXPECT(sent.is(no_error) ? got.received() == 2 && left_in(a) == 1
                                 : sent.is(aborted) && got.received() == 1);
}

// What it was promised goes on to who waits behind it, at each channel.
MODEL_SCENARIO(D6_what_a_select_does_not_take_goes_on, preempted(1)) {
  context c;
  channel<int> a(c, 1);
  channel<int> b(c, 1);
  receives_two got;
  received<int> next_a;
  received<int> next_b;
  biased_select(on_receive(a.rx), on_receive(b.rx)).async_wait(got.handler());
  a.rx.async_receive(next_a.handler());
  b.rx.async_receive(next_b.handler());
  w.worker("worker", c);
  w.thread("sends", [&] {
    MODEL_EXPECT(!a.tx.try_send(1));
    a.tx = sender<int>();
  });
  w.thread("sends too", [&] {
    MODEL_EXPECT(!b.tx.try_send(2));
    b.tx = sender<int>();
  });
  w.run();
  MODEL_EXPECT(got.is(no_error) && next_a.is(no_error) && next_b.is(no_error));
  MODEL_EXPECT(got.received() + next_a.value_or_zero() + next_b.value_or_zero() == 3);
}

MODEL_SCENARIO(S1_cancelled_it_takes_nothing, preempted(2)) {
  context c;
  channel<int> a(c, 1);
  channel<int> b(c, 0);
  receives_two got;
  biased_select(on_receive(a.rx), on_receive(b.rx)).async_wait(got.handler());
  w.worker("worker", c);
  w.thread("sends", [&] { MODEL_EXPECT(!a.tx.try_send(1)); });
  w.thread("cancels", [&] { asio::post(c.get_executor(), [&] { got.cancel(); }); });
  w.run();
  MODEL_EXPECT(got.was_cancelled() ? left_in(a) == 1 : got.received() == 1 && left_in(a) == 0);
}

MODEL_SCENARIO(C4_closing_against_a_message, preempted(2)) {
  context c;
  channel<int> a(c, 1);
  channel<int> b(c, 1);
  receives_two got;
  biased_select(on_receive(a.rx), on_receive(b.rx)).async_wait(got.handler());
  w.worker("worker", c);
  w.thread("sends", [&] {
    MODEL_EXPECT(!a.tx.try_send(1));
    a.tx = sender<int>();
  });
  w.thread("closes", [&] { b.tx.close(); });
  w.run();
  MODEL_EXPECT(got.is(no_error));
  MODEL_EXPECT(got.which() == 0 ? got.received() == 1 : got.received() == 0 && left_in(a) == 1);
}

MODEL_SCENARIO(C3_the_last_receiver_goes, preempted(2)) {
  context c;
  channel<int> a(c, 1);
  channel<int> b(c, 1);
  receives_two got;
  biased_select(on_receive(a.rx), on_receive(b.rx)).async_wait(got.handler());
  w.worker("worker", c);
  w.thread("drops", [&] { a.rx = receiver<int>(); });
  w.thread("sends", [&] { MODEL_EXPECT(!b.tx.try_send(2)); });
  w.run();
  MODEL_EXPECT(got.which() == 0 ? got.is(aborted) && left_in(b) == 2 : got.received() == 2);
}

MODEL_SCENARIO(K5_its_context_goes_against_a_wake_up, preempted(2)) {
  context c;
  auto dying = std::make_unique<context>();
  channel<int> a(c, 1);
  channel<int> b(c, 0);
  receives_two got;
  received<int> next;
  biased_select(on_receive(a.rx.with_executor(dying->get_executor())), on_receive(b.rx))
      .async_wait(got.handler());
  a.rx.async_receive(next.handler());
  w.worker("worker", c);
  w.thread("sends", [&] {
    MODEL_EXPECT(!a.tx.try_send(1));
    a.tx = sender<int>();
  });
  w.thread("destroys", [&] { dying.reset(); });
  w.run();
  MODEL_EXPECT(got.was_dropped() && next.is_value(1));
}

// Sends -------------------------------------------------------------------------------------------

MODEL_SCENARIO(S1_a_send_that_waits_against_closing, preempted(2)) {
  context c;
  channel<int> a(c, 1);
  channel<int> b(c, 0);
  MODEL_EXPECT(!a.tx.try_send(1));
  sends_or_receives done;
  int value = 2;
  biased_select(on_send(a.tx, std::ref(value)), on_receive(b.rx)).async_wait(done.handler());
  std::optional<int> first;
  w.worker("worker", c);
  w.thread("receives", [&] { first = a.rx.try_receive(); });
  w.thread("closes", [&] { a.rx.close(); });
  w.run();
  MODEL_EXPECT(first == 1 && done.which() == 0 && (done.is(no_error) || done.is(closed)));
  MODEL_EXPECT(left_in(a) == (done.is(no_error) ? 2 : 0));
}

// The end of the stream waits for a place that a select holds, and comes when it lets it go.
MODEL_SCENARIO(P2_the_end_against_a_select_that_holds_a_place, preempted(2)) {
  context c;
  channel<int> a(c, 1);
  channel<int> b(c, 1);
  receives_or_sends done;
  received<int> got;
  biased_select(on_receive(b.rx), on_send(a.tx, 2)).async_wait(done.handler());
  a.rx.async_receive(got.handler());
  w.worker("worker", c);
  w.thread("drops", [&] { a.tx = sender<int>(); });
  w.thread("sends", [&] { MODEL_EXPECT(!b.tx.try_send(1)); });
  w.run();
  MODEL_EXPECT(done.is(no_error));
  MODEL_EXPECT(done.which() == 0 ? got.is_end() : got.is_value(2) && left_in(b) == 1);
}

MODEL_SCENARIO(S4_an_offer_against_a_receive_that_is_cancelled, preempted(2)) {
  context c;
  channel<int> a(c, 0);
  channel<int> b(c, 0);
  receives_or_sends done;
  received<int> cancelled;
  received<int> got;
  biased_select(on_receive(b.rx), on_send(a.tx, 2)).async_wait(done.handler());
  // The select is the last sender.
  a.tx = sender<int>();
  receiver<int> another(a.rx);
  w.worker("worker", c);
  w.thread("receives", [&] {
    another.async_receive(cancelled.handler());
    another.cancel();
  });
  w.thread("receives too", [&] { a.rx.async_receive(got.handler()); });
  w.run();
  MODEL_EXPECT(done.happened(1));
  if (cancelled.is(aborted) || cancelled.is_end())
    MODEL_EXPECT(got.is_value(2));
  else
    MODEL_EXPECT(cancelled.is_value(2) && got.is_end());
}

// Selects against selects -------------------------------------------------------------------------

MODEL_SCENARIO(S4_both_ends_of_one_rendezvous, preempted(1)) {
  context c;
  channel<int> a(c, 0);
  receives_or_sends first;
  receives_or_sends second;
  w.worker("worker", c);
  w.worker("another worker", c);
  w.thread("selects",
           [&] { biased_select(on_receive(a.rx), on_send(a.tx, 1)).async_wait(first.handler()); });
  w.thread("selects too",
           [&] { biased_select(on_receive(a.rx), on_send(a.tx, 2)).async_wait(second.handler()); });
  w.run();
  MODEL_EXPECT(first.happened(0) ? first.received() == 2 && second.happened(1)
                                 : first.happened(1) && second.received() == 1);
  MODEL_EXPECT(a.rx.empty());
}

// Each could send to the other.
MODEL_SCENARIO(S4_across_two_rendezvous, preempted(1)) {
  context c;
  channel<int> a(c, 0);
  channel<int> b(c, 0);
  sends_or_receives first;
  sends_or_receives second;
  w.worker("worker", c);
  w.worker("another worker", c);
  w.thread("selects",
           [&] { biased_select(on_send(a.tx, 1), on_receive(b.rx)).async_wait(first.handler()); });
  w.thread("selects too",
           [&] { biased_select(on_send(b.tx, 2), on_receive(a.rx)).async_wait(second.handler()); });
  w.run();
  MODEL_EXPECT(first.happened(0) ? second.received() == 1
                                 : first.received() == 2 && second.happened(0));
  MODEL_EXPECT(a.rx.empty() && b.rx.empty());
}

MODEL_SCENARIO(S4_three_at_one_rendezvous, at_random_with(3000, 3)) {
  context c;
  channel<int> a(c, 0);
  receives_or_sends done[3];
  completed sent;
  w.worker("worker", c);
  w.worker("another worker", c);
  for (int i = 0; i != 3; ++i) {
    w.thread("selects", [&, i] {
      biased_select(on_receive(a.rx), on_send(a.tx, i + 1)).async_wait(done[i].handler());
    });
  }
  w.thread("sends", [&] { a.tx.async_send(10, sent.handler()); });
  w.run();
  int received = 0;
  int sum = 0;
  for (int i = 0; i != 3; ++i) {
    MODEL_EXPECT(done[i].is(no_error));
    if (done[i].which() == 0)
      ++received;
    else
      sum += i + 1;
    sum -= done[i].received();
  }
  MODEL_EXPECT(sent.is(no_error) && received == 2 && sum + 10 == 0 && a.rx.empty());
}

MODEL_SCENARIO(D1_two_selects_share_two_channels, preempted(1)) {
  context c;
  channel<int> a(c, 1);
  channel<int> b(c, 1);
  receives_two first;
  receives_two second;
  biased_select(on_receive(a.rx), on_receive(b.rx)).async_wait(first.handler());
  biased_select(on_receive(b.rx), on_receive(a.rx)).async_wait(second.handler());
  w.worker("worker", c);
  w.worker("another worker", c);
  w.thread("sends", [&] {
    MODEL_EXPECT(!a.tx.try_send(1));
    MODEL_EXPECT(!b.tx.try_send(2));
  });
  w.run();
  MODEL_EXPECT(first.received() + second.received() == 3);
  MODEL_EXPECT(a.rx.empty() && b.rx.empty());
}

// Without waiting ---------------------------------------------------------------------------------

// One of the two channels always has the message.
MODEL_SCENARIO(S3_what_is_moved_is_found, preempted(3)) {
  context c;
  channel<int> a(c, 1);
  channel<int> b(c, 1);
  MODEL_EXPECT(!a.tx.try_send(1));
  std::size_t which = 9;
  w.thread("moves", [&] {
    MODEL_EXPECT(!b.tx.try_send(2));
    static_cast<void>(a.rx.try_receive());
  });
  w.thread("tries", [&] {
    auto s = biased_select(on_receive(b.rx), on_receive(a.rx));
    if (auto happened = s.try_now()) which = happened->index();
  });
  w.run();
  MODEL_EXPECT(which == 0 || which == 1);
}
