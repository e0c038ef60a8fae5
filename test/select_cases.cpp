// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE select_cases

// What each kind of case of a select does: receives of every primitive, sends, reservations,
// changes, ends, times, and operations of others.

#include "support/flavours.hpp"
#include "support/message.hpp"
#include "support/probe.hpp"
#include "support/selects.hpp"
#include "support/unit_test.hpp"

#include <sluice/broadcast.hpp>
#include <sluice/channel.hpp>
#include <sluice/oneshot.hpp>
#include <sluice/select.hpp>
#include <sluice/sync_wait.hpp>
#include <sluice/watch.hpp>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/system_timer.hpp>
#include <boost/asio/write.hpp>

#include <chrono>
#include <csignal>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

using namespace support;
using namespace std::chrono_literals;
using sluice::after;
using sluice::at;
using sluice::error;
using sluice::on;
using sluice::on_changed;
using sluice::on_closed;
using sluice::on_receive;
using sluice::on_reserve;
using sluice::on_send;

namespace {

/// A channel of which nothing ever comes, so that a select has something else to wait for.
struct silence {
  explicit silence(asio::io_context& context) {
    std::tie(tx, rx) = sluice::make_channel<message>(context, 1);
  }

  auto wait() { return on_receive(rx); }

  sluice::sender<message> tx;
  sluice::receiver<message> rx;
};

/// Runs until the select is done.
template <class Probe>
std::string outcome_of(asio::io_context& context, Probe& selected) {
  context.restart();
  while (!selected.done() && context.run_one() != 0) {
  }
  return word_of(selected);
}

}  // namespace

// Receives ----------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(S1_a_oneshot_is_received) {
  asio::io_context context;
  silence other(context);
  for (const bool waits : {false, true}) {
    auto ends = sluice::make_oneshot<message>(context);
    auto& [tx, rx] = ends;
    if (!waits) BOOST_TEST(!tx.send(message(3)));
    auto selected = begin_select(sluice::select(other.wait(), on_receive(rx)));
    if (waits) BOOST_TEST(!tx.send(message(3)));
    run_ready(context);
    BOOST_TEST(word_of(selected) == "1 3");
    auto end = sluice::select(on_receive(rx), other.wait());
    BOOST_TEST(word_of(end.try_now()) == "0 end");
  }
}

BOOST_AUTO_TEST_CASE(O2_a_oneshot_that_ends_is_a_case_that_happens) {
  asio::io_context context;
  silence other(context);
  auto [tx, rx] = sluice::make_oneshot<message>(context);
  auto selected = begin_select(sluice::select(other.wait(), on_receive(std::move(rx))));
  run_ready(context);
  BOOST_TEST(!tx.is_closed());
  tx = {};
  run_ready(context);
  BOOST_TEST(word_of(selected) == "1 end");
}

BOOST_AUTO_TEST_CASE(a_temporary_handle_goes_with_the_select) {
  asio::io_context context;
  silence other(context);
  auto [tx, rx] = sluice::make_oneshot<message>(context);
  auto selected = begin_select(sluice::select(other.wait(), on_receive(std::move(rx))));
  run_ready(context);
  BOOST_TEST(!tx.is_closed());
  selected.cancel();
  run_ready(context);
  BOOST_TEST(tx.is_closed());
}

BOOST_AUTO_TEST_CASE(BR2_a_broadcast_is_received_lag_included) {
  asio::io_context context;
  silence other(context);
  sluice::broadcast_sender<int> tx(context, 2);
  auto rx = tx.subscribe();
  auto s = sluice::select(other.wait(), on_receive(rx));
  auto waiting = begin_select(s);
  tx.send(1);
  run_ready(context);
  BOOST_TEST(word_of(waiting) == "1 1");
  for (int i = 2; i != 6; ++i) tx.send(i);
  auto lagged = begin_select(s);
  run_ready(context);
  BOOST_TEST(lagged.which() == 1u);
  BOOST_TEST(lagged.error() == error::lagged);
  BOOST_TEST(rx.missed() == 2u);
  BOOST_TEST(word_of(s.try_now()) == "1 4");
  auto ready = begin_select(s);
  tx = {};
  run_ready(context);
  BOOST_TEST(word_of(ready) == "1 5");
  auto end = begin_select(s);
  run_ready(context);
  BOOST_TEST(word_of(end) == "1 end");
}

BOOST_AUTO_TEST_CASE(BR4_a_copy_of_a_broadcast_that_throws_is_told) {
  struct fragile {
    fragile() = default;
    fragile(const fragile&) { throw 1; }
    fragile(fragile&&) noexcept {}
    explicit operator bool() const { return true; }
  };
  asio::io_context context;
  sluice::broadcast_sender<fragile> tx(context, 2);
  auto rx = tx.subscribe();
  auto another = tx.subscribe();
  tx.send(fragile());
  auto s = sluice::select(on_receive(rx));
  error_code ec;
  auto tried = s.try_now(ec);
  BOOST_TEST(tried.has_value());
  BOOST_TEST(ec == error::copy_failed);
  BOOST_TEST(rx.empty());
}

// Changes and ends --------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(WA2_a_change_is_told_once) {
  asio::io_context context;
  silence other(context);
  sluice::watch_sender<int> tx(context, 0);
  auto rx = tx.subscribe();
  auto s = sluice::select(other.wait(), on_changed(rx));
  BOOST_TEST(word_of(s.try_now()) == "nothing");
  auto waiting = begin_select(s);
  tx.send(1);
  run_ready(context);
  BOOST_TEST(word_of(waiting) == "1 true");
  BOOST_TEST(!rx.has_changed());
  auto idle = begin_select(s);
  run_ready(context);
  BOOST_TEST(!idle.done());
  // A change that is seen before the select runs is none any more, and it waits on.
  tx.send(2);
  rx.mark_unchanged();
  run_ready(context);
  BOOST_TEST(!idle.done());
  tx.send(3);
  tx = {};
  run_ready(context);
  BOOST_TEST(word_of(idle) == "1 true");
  BOOST_TEST(word_of(s.try_now()) == "1 false");
}

BOOST_AUTO_TEST_CASE(S1_a_change_that_did_not_happen_is_still_to_be_seen) {
  asio::io_context context;
  silence other(context);
  sluice::watch_sender<int> tx(context, 0);
  auto rx = tx.subscribe();
  auto selected = begin_select(sluice::biased_select(other.wait(), on_changed(rx)));
  tx.send(1);
  auto sent = begin_send(other.tx, 5);
  run_ready(context);
  BOOST_TEST(word_of(selected) == "0 5");
  BOOST_TEST(rx.has_changed());
}

BOOST_AUTO_TEST_CASE(C5_the_end_is_told_by_every_kind_of_sender) {
  asio::io_context context;
  silence other(context);
  auto [tx, rx] = sluice::make_channel<message>(context, 1);
  auto [once, answer] = sluice::make_oneshot<message>(context);
  sluice::broadcast_sender<int> cast(context, 1);
  auto listener = cast.subscribe();
  sluice::watch_sender<int> watched(context, 1);
  auto watcher = watched.subscribe();
  auto s = sluice::select(on_closed(tx), on_closed(once), on_closed(cast), on_closed(watched));
  BOOST_TEST(word_of(s.try_now()) == "nothing");
  auto first = begin_select(s);
  watcher = {};
  run_ready(context);
  BOOST_TEST(word_of(first) == "3");
  BOOST_TEST(word_of(s.try_now()) == "3");
  auto rest = sluice::select(on_closed(tx), on_closed(once), on_closed(cast));
  listener = {};
  BOOST_TEST(word_of(rest.try_now()) == "2");
  auto two = sluice::select(on_closed(tx), on_closed(once));
  answer.close();
  BOOST_TEST(word_of(two.try_now()) == "1");
  auto one = sluice::select(on_closed(tx), other.wait());
  auto last = begin_select(one);
  rx = {};
  run_ready(context);
  BOOST_TEST(word_of(last) == "0");
}

// Places and sends --------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(P1_a_place_is_reserved) {
  asio::io_context context;
  silence other(context);
  auto [tx, rx] = sluice::make_channel<message>(context, 1);
  auto s = sluice::select(other.wait(), on_reserve(tx));
  {
    auto tried = s.try_now();
    BOOST_TEST(word_of(tried) == "1 permit");
    BOOST_TEST(word_of(s.try_now()) == "nothing");
    BOOST_TEST(!std::get<1>(*tried).send(message(1)));
  }
  auto waiting = begin_select(s);
  run_ready(context);
  BOOST_TEST(!waiting.done());
  BOOST_TEST(take(rx).id == 1);
  run_ready(context);
  BOOST_TEST(word_of(waiting) == "1 permit");
  rx.close();
  BOOST_TEST(take(rx).error == error::empty);
}

BOOST_AUTO_TEST_CASE(P1_a_place_that_a_case_did_not_want_goes_to_the_next) {
  asio::io_context context;
  silence other(context);
  auto [tx, rx] = sluice::make_channel<message>(context, 1);
  auto selected = begin_select(sluice::biased_select(other.wait(), on_reserve(tx)));
  auto sent = begin_send(other.tx, 1);
  auto waiting = begin_send(tx, 2);
  BOOST_TEST(!waiting.done());
  run_ready(context);
  BOOST_TEST(word_of(selected) == "0 1");
  BOOST_TEST(waiting.succeeded());
  BOOST_TEST(take(rx).id == 2);
}

BOOST_AUTO_TEST_CASE(P2_the_end_waits_for_a_case_that_holds_a_place) {
  asio::io_context context;
  silence other(context);
  auto [tx, rx] = sluice::make_channel<message>(context, 1);
  auto selected = begin_select(sluice::biased_select(other.wait(), on_send(tx, message(1))));
  auto sent = begin_send(other.tx, 5);
  tx = {};
  rx.close();
  // It may still send.
  BOOST_TEST(take(rx).error == error::empty);
  auto received = begin_receive(rx);
  run_ready(context);
  BOOST_TEST(word_of(selected) == "0 5");
  BOOST_TEST(received.ended());
}

BOOST_AUTO_TEST_CASE(P1_at_a_rendezvous_nothing_can_be_reserved) {
  asio::io_context context;
  silence other(context);
  auto [tx, rx] = sluice::make_channel<message>(context, 0);
  auto selected = begin_select(sluice::select(other.wait(), on_reserve(tx)));
  run_ready(context);
  BOOST_TEST(selected.which() == 1u);
  BOOST_TEST(selected.error() == asio::error::operation_not_supported);
}

BOOST_AUTO_TEST_CASE(C2_a_send_whose_receiver_goes_fails_and_keeps_its_value) {
  asio::io_context context;
  silence other(context);
  for (const std::size_t capacity : {0u, 1u}) {
    auto ends = sluice::make_channel<message>(context, capacity);
    auto& [tx, rx] = ends;
    message value(7);
    auto filled = begin_send(tx, 1);
    auto waiting = begin_select(sluice::select(other.wait(), on_send(tx, std::ref(value))));
    run_ready(context);
    BOOST_TEST(!waiting.done());
    rx = {};
    run_ready(context);
    BOOST_TEST(word_of(waiting) == "1 closed");
    BOOST_TEST(value.id() == 7);
  }
}

BOOST_AUTO_TEST_CASE(C2_a_send_that_is_on_its_way_when_the_receiver_goes_fails) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<message>(context, 1);
  message value(7);
  auto selected = begin_select(sluice::select(on_send(tx, std::ref(value))));
  rx = {};
  run_ready(context);
  BOOST_TEST(word_of(selected) == "0 closed");
  BOOST_TEST(value.id() == 7);
}

BOOST_AUTO_TEST_CASE(a_value_is_made_from_what_it_is_given) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<std::string>(context, 1);
  BOOST_TEST(sluice::select(on_send(tx, "a text")).try_now().has_value());
  BOOST_TEST(rx.try_receive().value() == "a text");
}

// Times -------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_time_that_passes_is_a_case_that_happens) {
  asio::io_context context;
  silence other(context);
  auto relative = begin_select(sluice::select(other.wait(), after(1ms)));
  BOOST_TEST(outcome_of(context, relative) == "1");
  auto absolute =
      begin_select(sluice::select(at(std::chrono::steady_clock::now() + 1ms), other.wait()));
  BOOST_TEST(outcome_of(context, absolute) == "0");
  auto on_the_wall =
      begin_select(sluice::select(at(std::chrono::system_clock::now() + 1ms), other.wait()));
  BOOST_TEST(outcome_of(context, on_the_wall) == "0");
}

BOOST_AUTO_TEST_CASE(a_time_that_is_over_is_ready) {
  asio::io_context context;
  silence other(context);
  auto now = begin_select(sluice::select(other.wait(), after(0s)));
  run_ready(context);
  BOOST_TEST(word_of(now) == "1");
  auto past = begin_select(sluice::select(other.wait(), at(std::chrono::steady_clock::now() - 1h)));
  run_ready(context);
  BOOST_TEST(word_of(past) == "1");
  auto sent = begin_send(other.tx, 3);
  auto first = begin_select(sluice::biased_select(other.wait(), after(-1h)));
  run_ready(context);
  BOOST_TEST(word_of(first) == "0 3");
}

BOOST_AUTO_TEST_CASE(no_time_is_too_far_away) {
  asio::io_context context;
  silence other(context);
  auto selected = begin_select(sluice::select(other.wait(), after(std::chrono::hours::max()),
                                              after(std::chrono::nanoseconds::max()),
                                              at(std::chrono::steady_clock::time_point::max()),
                                              at(std::chrono::system_clock::time_point::max())));
  run_ready(context);
  BOOST_TEST(!selected.done());
  auto sent = begin_send(other.tx, 3);
  run_ready(context);
  BOOST_TEST(word_of(selected) == "0 3");
}

BOOST_AUTO_TEST_CASE(a_timer_does_not_outlive_its_select) {
  asio::io_context context;
  silence other(context);
  auto selected = begin_select(sluice::select(other.wait(), after(1h)));
  run_ready(context);
  auto sent = begin_send(other.tx, 3);
  // Nothing is left that this could wait for.
  context.restart();
  context.run();
  BOOST_TEST(word_of(selected) == "0 3");
  auto cancelled = begin_select(sluice::select(other.wait(), after(1h)));
  cancelled.cancel();
  context.restart();
  context.run();
  BOOST_TEST(word_of(cancelled) == "npos aborted");
}

BOOST_AUTO_TEST_CASE(each_wait_begins_its_time_anew) {
  asio::io_context context;
  silence other(context);
  auto s = sluice::select(other.wait(), after(20ms));
  const auto began = std::chrono::steady_clock::now();
  for (int i = 0; i != 3; ++i) {
    auto selected = begin_select(s);
    BOOST_TEST(outcome_of(context, selected) == "1");
  }
  BOOST_TEST((std::chrono::steady_clock::now() - began >= 60ms));
}

// Operations of others ----------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(S1_a_timer_of_ones_own_happens) {
  asio::io_context context;
  silence other(context);
  asio::steady_timer timer(context, 1ms);
  auto selected = begin_select(sluice::select(other.wait(), on(timer.async_wait(asio::deferred))));
  BOOST_TEST(outcome_of(context, selected) == "1");
}

BOOST_AUTO_TEST_CASE(S1_a_socket_that_can_be_read_happens) {
  asio::io_context context;
  silence other(context);
  asio::local::stream_protocol::socket ours(context);
  asio::local::stream_protocol::socket theirs(context);
  asio::local::connect_pair(ours, theirs);
  auto s = sluice::select(other.wait(),
                          on(ours.async_wait(asio::socket_base::wait_read, asio::deferred)));
  auto first = begin_select(s);
  run_ready(context);
  BOOST_TEST(!first.done());
  auto sent = begin_send(other.tx, 3);
  BOOST_TEST(outcome_of(context, first) == "0 3");
  auto second = begin_select(s);
  asio::write(theirs, asio::buffer("x", 1));
  BOOST_TEST(outcome_of(context, second) == "1");
}

BOOST_AUTO_TEST_CASE(S1_a_signal_happens_without_its_number) {
  asio::io_context context;
  silence other(context);
  asio::signal_set signals(context, SIGUSR1);
  auto selected = begin_select(
      sluice::select(other.wait(), on(signals.async_wait(asio::deferred([](error_code ec, int) {
                       return asio::deferred.values(ec);
                     })))));
  run_ready(context);
  BOOST_TEST(!selected.done());
  std::raise(SIGUSR1);
  BOOST_TEST(outcome_of(context, selected) == "1");
}

BOOST_AUTO_TEST_CASE(S1_it_completes_after_the_other_operation_has_ended) {
  asio::io_context context;
  silence other(context);
  auto timer = std::make_unique<asio::steady_timer>(context, 1h);
  bool ended = false;
  auto watched = timer->async_wait(asio::deferred([&](error_code ec) {
    ended = true;
    return asio::deferred.values(ec);
  }));
  select_probe<std::variant<std::optional<message>, std::monostate>> selected;
  bool ended_before = false;
  sluice::select(other.wait(), on(watched))
      .async_wait([&, handler = selected.get_handler()](error_code ec, std::size_t which,
                                                        auto value) mutable {
        ended_before = ended;
        timer.reset();
        std::move(handler)(ec, which, std::move(value));
      });
  run_ready(context);
  auto sent = begin_send(other.tx, 3);
  run_ready(context);
  BOOST_TEST(word_of(selected) == "0 3");
  BOOST_TEST(ended_before);
}

BOOST_AUTO_TEST_CASE(S1_one_that_has_ended_already_wins) {
  asio::io_context context;
  silence other(context);
  asio::steady_timer timer(context, asio::steady_timer::time_point::min());
  auto selected =
      begin_select(sluice::biased_select(other.wait(), on(timer.async_wait(asio::deferred))));
  // Both are ready when it looks.
  auto sent = begin_send(other.tx, 3);
  run_ready(context);
  BOOST_TEST(word_of(selected) == "1");
  BOOST_TEST(take(other.rx).id == 3);
}

BOOST_AUTO_TEST_CASE(S1_it_begins_again_if_nothing_is_ready_after_all) {
  asio::io_context context;
  silence other(context);
  auto [tx, rx] = sluice::make_channel<message>(context, 0);
  asio::steady_timer timer(context, 1h);
  int begun = 0;
  auto op = asio::async_initiate<const asio::deferred_t, void(error_code)>(
      [&](auto handler) {
        ++begun;
        timer.async_wait(std::move(handler));
      },
      asio::deferred);
  auto selected = begin_select(sluice::select(on_receive(rx), on(op)));
  run_ready(context);
  BOOST_TEST(begun == 1);
  auto sent = begin_send(tx, 1);
  sent.cancel();
  run_ready(context);
  BOOST_TEST(!selected.done());
  BOOST_TEST(begun == 2);
  auto again = begin_send(tx, 2);
  run_ready(context);
  BOOST_TEST(word_of(selected) == "0 2");
  BOOST_TEST(begun == 2);
}

BOOST_AUTO_TEST_CASE(S1_one_that_somebody_else_cancels_has_happened) {
  asio::io_context context;
  silence other(context);
  asio::steady_timer timer(context, 1h);
  auto selected = begin_select(sluice::select(other.wait(), on(timer.async_wait(asio::deferred))));
  run_ready(context);
  timer.cancel();
  run_ready(context);
  BOOST_TEST(word_of(selected) == "1 aborted");
}

BOOST_AUTO_TEST_CASE(S1_cancelling_waits_for_the_other_operation) {
  asio::io_context context;
  silence other(context);
  asio::steady_timer timer(context, 1h);
  auto selected = begin_select(sluice::select(other.wait(), on(timer.async_wait(asio::deferred))));
  run_ready(context);
  selected.cancel();
  run_ready(context);
  BOOST_TEST(word_of(selected) == "npos aborted");
  BOOST_TEST(timer.cancel() == 0u);
}

BOOST_AUTO_TEST_CASE(S1_it_is_begun_now_and_then_if_something_is_always_ready) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 1);
  asio::steady_timer timer(context, asio::steady_timer::time_point::min());
  auto s = sluice::biased_select(on_receive(rx), on(timer.async_wait(asio::deferred)));
  // One in 64 of 10,000, with a standard deviation of 12.
  std::size_t happened[2] = {};
  for (int i = 0; i != 10'000; ++i) {
    static_cast<void>(tx.try_send(1));
    s.async_wait([&](error_code, std::size_t which, auto&&) { ++happened[which]; });
    run_ready(context);
  }
  BOOST_TEST(happened[0] + happened[1] == 10'000u);
  BOOST_TEST(happened[1] > 10u);
  BOOST_TEST(happened[1] < 400u);
}

BOOST_AUTO_TEST_CASE(S1_a_socket_is_heard_of_beside_what_is_always_ready) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<message>(context, 1);
  asio::local::stream_protocol::socket ours(context);
  asio::local::stream_protocol::socket theirs(context);
  asio::local::connect_pair(ours, theirs);
  asio::write(theirs, asio::buffer("x", 1));
  auto s = sluice::select(on_receive(rx),
                          on(ours.async_wait(asio::socket_base::wait_read, asio::deferred)));
  // One in 64 of 3,000, with a standard deviation of 7.
  std::size_t happened[2] = {};
  for (int i = 0; i != 3'000; ++i) {
    static_cast<void>(tx.try_send(message(i)));
    auto selected = begin_select(s);
    outcome_of(context, selected);
    ++happened[selected.which()];
  }
  BOOST_TEST(happened[1] > 3u);
  BOOST_TEST(happened[1] < 200u);
}

BOOST_AUTO_TEST_CASE(S1_one_whose_handler_is_dropped_is_no_case_any_more) {
  asio::io_context context;
  silence other(context);
  int begun = 0;
  auto op = asio::async_initiate<const asio::deferred_t, void(error_code)>(
      [&](auto handler) {
        ++begun;
        [[maybe_unused]] const auto gone = std::move(handler);
      },
      asio::deferred);
  auto selected = begin_select(sluice::select(on(op), other.wait()));
  run_ready(context);
  BOOST_TEST(!selected.done());
  BOOST_TEST(begun == 1);
  auto sent = begin_send(other.tx, 3);
  run_ready(context);
  BOOST_TEST(word_of(selected) == "1 3");
}

BOOST_AUTO_TEST_CASE(K2_the_other_operation_ends_on_the_handlers_executor) {
  asio::io_context context;
  asio::io_context own;
  silence other(context);
  asio::steady_timer timer(context, 1ms);
  select_probe<std::variant<std::optional<message>, std::monostate>> selected;
  sluice::select(other.wait(), on(timer.async_wait(asio::deferred)))
      .async_wait(asio::bind_executor(own.get_executor(), selected.get_handler()));
  // The timer's end, which is then handed over.
  BOOST_TEST(context.run_one() == 1u);
  BOOST_TEST(!selected.done());
  run_ready(own);
  BOOST_TEST(word_of(selected) == "1");
}

BOOST_AUTO_TEST_CASE(K5_a_context_takes_the_other_operations_along) {
  auto context = std::make_unique<asio::io_context>();
  silence other(*context);
  auto timer = std::make_unique<asio::steady_timer>(*context, 1h);
  auto selected = begin_select(sluice::select(other.wait(), on(timer->async_wait(asio::deferred)),
                                              after(std::chrono::hours(1))));
  run_ready(*context);
  timer.reset();
  context.reset();
  BOOST_TEST(selected.dropped());
}

// Blocking ----------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(B2_a_thread_waits_for_a_select_with_a_deadline) {
  asio::io_context context;
  silence other(context);
  auto s = sluice::select(other.wait(), on_closed(other.tx));
  error_code ec;
  auto [which, value] = s.async_wait(asio::redirect_error(sluice::sync_wait_for(1ms), ec));
  BOOST_TEST(ec == asio::error::timed_out);
  BOOST_TEST(which == sluice::npos);
  BOOST_TEST(!other.tx.try_send(message(4)));
  auto [now, received] = s.async_wait(sluice::sync_wait);
  BOOST_TEST(now == 0u);
  BOOST_TEST(std::get<0>(received)->id() == 4);
}
