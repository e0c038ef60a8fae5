// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE channel_for_each

// The loop that calls a function with each message. It claims several messages at a time; what it
// has not passed on yet is still in the channel, and comes back to the front if the loop stops
// (D8).

#include "support/flavours.hpp"
#include "support/message.hpp"
#include "support/probe.hpp"

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace support;

namespace {

/// Begins a loop that is watched.
template <class Receiver, class Function>
send_probe begin_for_each(Receiver& rx, Function f) {
  send_probe p;
  rx.async_for_each(std::move(f), p.get_handler());
  return p;
}

/// What a loop was called with: "1 2 3".
class diary {
 public:
  void write(int id) { text_ += (text_.empty() ? "" : " ") + std::to_string(id); }
  const std::string& text() const noexcept { return text_; }

 private:
  std::string text_;
};

/// A function that writes down what it is called with.
auto writes_to(diary& seen) {
  return [&seen](const message& m) { seen.write(m.id()); };
}

/// As above, and stops after a certain message.
auto writes_until(diary& seen, int last) {
  return [&seen, last](const message& m) {
    seen.write(m.id());
    return m.id() != last;
  };
}

/// As above, and does something at a certain message.
template <class Function>
auto writes_and_at(diary& seen, int id, Function f) {
  return [&seen, id, own = std::move(f)](const message& m) mutable {
    seen.write(m.id());
    if (m.id() == id) own();
  };
}

/// Runs what is ready, and what it throws comes to nothing.
template <class Exception>
std::size_t count_thrown(asio::io_context& context) {
  std::size_t thrown = 0;
  for (;;) {
    try {
      run_ready(context);
      return thrown;
    } catch (const Exception&) {
      ++thrown;
    }
  }
}

}  // namespace

// Until the channel closes ------------------------------------------------------------------------

FLAVOUR_TEST_CASE(D2_the_function_is_called_with_each_message_in_order, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  diary seen;
  auto sent = begin_sends(tx, 1, 3);
  auto loop = begin_for_each(rx, writes_to(seen));
  BOOST_TEST(seen.text() == "");
  run_ready(context);
  begin_sends(tx, 4, 3);
  run_ready(context);
  BOOST_TEST(seen.text() == "1 2 3 4 5 6");
  BOOST_TEST(words_of(sent) == "sent sent sent");
  BOOST_TEST(!loop.done());
  tx = {};
  run_ready(context);
  BOOST_TEST(loop.succeeded());
}

FLAVOUR_TEST_CASE(C2_a_loop_ends_after_the_last_message, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  diary seen;
  begin_sends(tx, 1, 3);
  tx = {};
  auto loop = begin_for_each(rx, writes_to(seen));
  run_ready(context);
  BOOST_TEST(seen.text() == "1 2 3");
  BOOST_TEST(loop.succeeded());
}

FLAVOUR_TEST_CASE(C2_a_loop_ends_with_the_reason_after_the_last_message, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  diary seen;
  const int accepted = static_cast<int>(flavour.accepts(3));
  begin_sends(tx, 0, accepted);
  tx.close(asio::error::connection_reset);
  auto first = begin_for_each(rx, writes_to(seen));
  auto second = begin_for_each(rx, writes_to(seen));
  run_ready(context);
  BOOST_TEST(first.error() == asio::error::connection_reset);
  BOOST_TEST(second.error() == asio::error::connection_reset);
  BOOST_TEST(seen.text() == (accepted == 0 ? "" : accepted == 1 ? "0" : "0 1 2"));
}

FLAVOUR_TEST_CASE(C2_a_loop_that_is_closed_from_its_function_passes_on_the_rest, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  diary seen;
  const int accepted = static_cast<int>(flavour.accepts(3));
  auto sent = begin_sends(tx, 1, 3);
  auto loop = begin_for_each(rx, writes_and_at(seen, 1, [r = &rx] { r->close(); }));
  run_ready(context);
  BOOST_TEST(loop.succeeded());
  // What was pending when it closed has failed, and only that.
  std::string passed;
  for (std::size_t i = 0; i != sent.size(); ++i)
    if (sent[i].succeeded()) passed += (i == 0 ? "" : " ") + std::to_string(i + 1);
  BOOST_TEST(seen.text() == passed);
  BOOST_TEST(sent[0].succeeded());
  BOOST_TEST((accepted != 3 || passed == "1 2 3"));
}

FLAVOUR_TEST_CASE(K4_a_loop_on_an_empty_handle_says_closed, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto moved = std::move(rx);
  diary seen;
  auto loop = begin_for_each(rx, writes_to(seen));
  run_ready(context);
  BOOST_TEST(loop.error() == sluice::error::closed);
}

FLAVOUR_TEST_CASE(K1_the_function_is_not_called_by_the_functions_of_the_library, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  bool inside = true;
  bool called_inside = false;
  begin_send(tx, 1);
  rx.async_for_each([&](const message&) { called_inside = called_inside || inside; },
                    [](error_code) {});
  static_cast<void>(tx.try_send(message(2)));
  inside = false;
  run_ready(context);
  inside = true;
  begin_send(tx, 3);
  BOOST_TEST(!called_inside);
}

FLAVOUR_TEST_CASE(K2_the_function_runs_on_the_executor_of_the_handler, flavours) {
  asio::io_context context;
  asio::io_context other;
  auto [tx, rx] = flavour.open(context);
  diary seen;
  send_probe loop;
  rx.async_for_each(writes_to(seen), asio::bind_executor(other, loop.get_handler()));
  begin_sends(tx, 1, 2);
  run_ready(context);
  BOOST_TEST(seen.text() == "");
  run_ready(other);
  BOOST_TEST(seen.text() == "1 2");
}

// How the function may look -----------------------------------------------------------------------

FLAVOUR_TEST_CASE(a_function_may_be_one_that_can_only_be_moved, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  int sum = 0;
  auto total = std::make_unique<int*>(&sum);
  auto loop = begin_for_each(rx, [own = std::move(total)](message m) mutable { **own += m.id(); });
  begin_sends(tx, 1, 3);
  tx = {};
  run_ready(context);
  BOOST_TEST(loop.succeeded());
  BOOST_TEST(sum == 6);
}

FLAVOUR_TEST_CASE(a_function_may_take_the_message_by_value_or_by_reference, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  diary seen;
  begin_sends(tx, 1, 2);
  rx.async_for_each([&](message m) { return seen.write(m.id()), false; }, [](error_code) {});
  run_ready(context);
  rx.async_for_each([&](message&& m) { return seen.write(m.id()), false; }, [](error_code) {});
  run_ready(context);
  BOOST_TEST(seen.text() == "1 2");
}

FLAVOUR_TEST_CASE(a_function_may_be_anything_that_can_be_invoked, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.template open<std::shared_ptr<diary>>(context);
  auto text = std::make_shared<diary>();
  send_probe loop;
  rx.async_for_each(std::bind(&diary::write, std::placeholders::_1, 7), loop.get_handler());
  tx.async_send(text, [](error_code) {});
  tx = {};
  run_ready(context);
  BOOST_TEST(loop.succeeded());
  BOOST_TEST(text->text() == "7");
}

FLAVOUR_TEST_CASE(D1_a_message_is_destroyed_once_its_function_has_had_it, flavours) {
  asio::io_context context;
  ledger kept;
  auto [tx, rx] = flavour.open(context);
  std::vector<int> alive;
  for (int id : {1, 2}) begin_send(tx, message(id, kept));
  rx.async_for_each([&](const message&) { alive.push_back(kept.alive()); }, [](error_code) {});
  run_ready(context);
  BOOST_TEST(alive == (std::vector<int>{2, 1}), boost::test_tools::per_element());
  BOOST_TEST(kept.alive() == 0);
}

// D8: what is claimed -----------------------------------------------------------------------------

FLAVOUR_TEST_CASE(D8_a_message_is_taken_when_the_function_is_called_with_it, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  std::vector<std::size_t> sizes;
  begin_sends(tx, 1, 3);
  rx.async_for_each([&sizes, r = &rx](const message&) { sizes.push_back(r->size()); },
                    [](error_code) {});
  run_ready(context);
  // The place of one that was taken belongs to the first of the pending sends.
  const std::size_t places = flavour.capacity < 3 ? flavour.capacity : 3;
  std::vector<std::size_t> expected;
  for (std::size_t left : {2u, 1u, 0u}) expected.push_back(left < places ? left : places);
  BOOST_TEST(sizes == expected, boost::test_tools::per_element());
}

FLAVOUR_TEST_CASE(D8_the_place_of_a_message_is_free_when_the_function_is_called_with_it,
                  bounded_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  diary seen;
  std::vector<bool> full;
  error_code refused;
  begin_sends(tx, 1, static_cast<int>(flavour.capacity));
  BOOST_TEST(tx.full());
  rx.async_for_each(
      [&, t = &tx](const message& m) {
        seen.write(m.id());
        full.push_back(t->full());
        if (m.id() < 10 && !refused) refused = t->try_send(message(m.id() + 10));
        full.push_back(t->full());
      },
      [](error_code) {});
  run_ready(context);
  BOOST_TEST(!refused);
  BOOST_TEST(seen.text() == (flavour.capacity == 1 ? "1 11" : "1 2 3 11 12 13"));
  for (std::size_t i = 0; i != flavour.capacity; ++i) {
    BOOST_TEST(!full[2 * i]);
    BOOST_TEST(full[2 * i + 1]);
  }
}

FLAVOUR_TEST_CASE(D8_what_is_claimed_keeps_its_places, bounded_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  begin_sends(tx, 1, static_cast<int>(flavour.capacity));
  std::vector<error_code> said;
  rx.async_for_each(
      [&said, t = &tx](const message& m) {
        if (m.id() != 1) return;
        while (said.empty() || !said.back()) said.push_back(t->try_send(message(9)));
      },
      [](error_code) {});
  run_ready(context);
  BOOST_TEST(said.size() == 2u);
  BOOST_TEST(said.back() == sluice::error::full);
}

FLAVOUR_TEST_CASE(D8_what_is_claimed_is_not_displaced, bounded_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  diary seen;
  begin_sends(tx, 1, static_cast<int>(flavour.capacity));
  std::vector<int> displaced;
  error_code last;
  rx.async_for_each(
      [&, t = &tx](const message& m) {
        seen.write(m.id());
        if (m.id() != 1) return;
        // The first has the place of the message that is being passed on; the next one has to
        // displace it, since what was claimed cannot be displaced.
        for (int id : {10, 11, 12})
          if (auto old = t->force_send(message(id), last)) displaced.push_back(old->id());
      },
      [](error_code) {});
  run_ready(context);
  BOOST_TEST(!last);
  BOOST_TEST(displaced == (std::vector<int>{10, 11}), boost::test_tools::per_element());
  BOOST_TEST(seen.text() == (flavour.capacity == 1 ? "1 12" : "1 2 3 12"));
}

FLAVOUR_TEST_CASE(D8_what_is_claimed_is_not_there_for_others, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  diary seen;
  error_code said;
  begin_sends(tx, 1, static_cast<int>(flavour.accepts(3)));
  begin_for_each(rx, writes_and_at(seen, 1, [&said, r = &rx] { said = take(*r).error; }));
  tx.close();
  run_ready(context);
  // With one that is passed on, and nothing behind it, the channel has ended.
  if (!flavour.is_rendezvous())
    BOOST_TEST(said == (flavour.capacity == 1 ? sluice::error::closed : sluice::error::empty));
}

FLAVOUR_TEST_CASE(D8_what_a_loop_leaves_that_its_function_stops_is_first, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  diary seen;
  auto sent = begin_sends(tx, 1, 6);
  auto loop = begin_for_each(rx, writes_until(seen, 2));
  run_ready(context);
  BOOST_TEST(loop.succeeded());
  BOOST_TEST(seen.text() == "1 2");
  const std::size_t accepted = flavour.accepts(4);
  BOOST_TEST(rx.size() == accepted);
  BOOST_TEST(drain(rx) == "3 4 5 6");
}

FLAVOUR_TEST_CASE(D8_what_a_loop_leaves_that_its_handle_cancels_is_first, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  diary seen;
  begin_sends(tx, 1, 6);
  auto loop = begin_for_each(rx, writes_and_at(seen, 2, [r = &rx] { r->cancel(); }));
  run_ready(context);
  BOOST_TEST(loop.aborted());
  BOOST_TEST(seen.text() == "1 2");
  BOOST_TEST(drain(rx) == "3 4 5 6");
}

FLAVOUR_TEST_CASE(D8_what_a_loop_leaves_that_its_slot_cancels_is_first, flavours) {
  for (auto type : {asio::cancellation_type::terminal, asio::cancellation_type::partial}) {
    asio::io_context context;
    auto [tx, rx] = flavour.open(context);
    diary seen;
    begin_sends(tx, 1, 6);
    send_probe loop;
    rx.async_for_each(writes_and_at(seen, 2, [&] { loop.cancel(type); }), loop.get_handler());
    run_ready(context);
    BOOST_TEST(loop.aborted());
    BOOST_TEST(seen.text() == "1 2");
    BOOST_TEST(drain(rx) == "3 4 5 6");
  }
}

FLAVOUR_TEST_CASE(D8_what_a_loop_leaves_whose_function_throws_is_first, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  diary seen;
  begin_sends(tx, 1, 6);
  auto loop =
      begin_for_each(rx, writes_and_at(seen, 2, [] { throw std::runtime_error("the function"); }));
  BOOST_TEST(count_thrown<std::runtime_error>(context) == 1u);
  BOOST_TEST(loop.dropped());
  BOOST_TEST(seen.text() == "1 2");
  BOOST_TEST(drain(rx) == "3 4 5 6");
}

FLAVOUR_TEST_CASE(D6_what_a_loop_leaves_wakes_who_waits, flavours) {
  enum how { stops, cancels, throws };
  for (how way : {stops, cancels, throws}) {
    asio::io_context context;
    auto [tx, rx] = flavour.open(context);
    auto other = rx;
    diary seen;
    auto loop = begin_for_each(rx, [&, r = &rx](const message& m) {
      seen.write(m.id());
      if (way == cancels) r->cancel();
      if (way == throws) throw std::runtime_error("the function");
      return way != stops;
    });
    begin_sends(tx, 1, 3);
    auto received = begin_receives(other, 3);
    BOOST_TEST(count_thrown<std::runtime_error>(context) == (way == throws ? 1u : 0u));
    // The others were promised some of them; the loop has had one, and no more.
    BOOST_TEST(seen.text().size() == 1u);
    std::vector<int> ids;
    for (auto& r : received) ids.push_back(r.id());
    begin_send(tx, 4);
    run_ready(context);
    int sum = std::stoi(seen.text());
    for (auto& r : received) sum += r.id();
    BOOST_TEST(sum == 1 + 2 + 3 + 4);
  }
}

FLAVOUR_TEST_CASE(D8_what_the_last_receiver_leaves_is_destroyed, flavours) {
  asio::io_context context;
  ledger kept;
  auto [tx, rx] = flavour.open(context);
  diary seen;
  std::vector<send_probe> sent;
  for (int id : {1, 2, 3, 4, 5}) sent.push_back(begin_send(tx, message(id, kept)));
  std::size_t size = 99;
  auto loop = begin_for_each(rx, writes_and_at(seen, 1, [&, r = &rx, t = &tx] {
                               *r = {};
                               size = t->size();
                             }));
  run_ready(context);
  BOOST_TEST(loop.aborted());
  BOOST_TEST(seen.text() == "1");
  BOOST_TEST(size == 0u);
  BOOST_TEST(kept.alive() == 0);
  BOOST_TEST(tx.size() == 0u);
  BOOST_TEST(tx.is_closed());
}

FLAVOUR_TEST_CASE(D8_a_function_may_let_go_of_all_handles, flavours) {
  asio::io_context context;
  ledger kept;
  auto [tx, rx] = flavour.open(context);
  diary seen;
  for (int id : {1, 2, 3}) begin_send(tx, message(id, kept));
  auto loop = begin_for_each(rx, writes_and_at(seen, 1, [r = &rx, t = &tx] {
                               *t = {};
                               *r = {};
                             }));
  run_ready(context);
  BOOST_TEST(loop.aborted());
  BOOST_TEST(seen.text() == "1");
  BOOST_TEST(kept.alive() == 0);
}

FLAVOUR_TEST_CASE(K5_a_loop_goes_with_its_context_and_leaves_everything, flavours) {
  asio::io_context sending;
  auto [tx, made] = flavour.open(sending);
  diary seen;
  std::vector<send_probe> loops;
  {
    asio::io_context context;
    auto rx = made.with_executor(context.get_executor());
    loops.push_back(begin_for_each(rx, writes_to(seen)));
    run_ready(context);
    begin_sends(tx, 1, 3);  // woken, and never run
    loops.push_back(begin_for_each(rx, writes_to(seen)));
  }
  BOOST_TEST(words_of(loops) == "dropped dropped");
  BOOST_TEST(seen.text() == "");
  BOOST_TEST(drain(made) == "1 2 3");
}

FLAVOUR_TEST_CASE(K5_a_loop_between_two_runs_goes_with_its_context, buffered_flavours) {
  asio::io_context sending;
  auto [tx, made] = flavour.open(sending);
  diary seen;
  auto received = begin_receive(made);
  made.cancel();
  run_ready(sending);
  auto context = std::make_unique<asio::io_context>();
  auto rx = made.with_executor(context->get_executor());
  auto loop = begin_for_each(rx, [&](const message& m) {
    seen.write(m.id());
    context->stop();
  });
  rx = {};
  begin_send(tx, 1);
  context->run();
  auto other = begin_receive(made);
  begin_send(tx, 2);  // wakes the loop, in a context that is stopped
  context.reset();
  run_ready(sending);
  BOOST_TEST(loop.dropped());
  BOOST_TEST(seen.text() == "1");
  BOOST_TEST(other.id() == 2);
}

// The order of what comes back --------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(D8_a_part_of_what_came_back_that_comes_back_keeps_its_place) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_unbounded_channel<message>(context);
  diary seen;
  begin_sends(tx, 1, 8);
  begin_for_each(rx, writes_until(seen, 1));
  run_ready(context);
  // Now that there are two receivers, a loop claims a part only.
  auto other = rx;
  begin_for_each(rx, writes_until(seen, 2));
  run_ready(context);
  begin_for_each(rx, writes_until(seen, 3));
  run_ready(context);
  BOOST_TEST(seen.text() == "1 2 3");
  BOOST_TEST(drain(rx) == "4 5 6 7 8");
}

BOOST_AUTO_TEST_CASE(D8_batches_come_back_in_the_order_of_their_messages) {
  // Loops that run inside each other's functions stop in many orders.
  for (int nested : {1, 2, 3}) {
    for (bool outer_stops_first : {false, true}) {
      asio::io_context contexts[3];
      auto [tx, rx] = sluice::make_unbounded_channel<message>(contexts[0]);
      std::vector<sluice::receiver<message>> ends;
      for (auto& context : contexts) ends.emplace_back(rx.with_executor(context.get_executor()));
      diary seen;
      std::vector<int> left;
      begin_sends(tx, 1, 40);
      // Each loop passes on one, and lets the next one run while it has the rest of its share.
      std::function<void(int)> go = [&](int i) {
        ends[static_cast<std::size_t>(i)].async_for_each(
            [&, i](const message& m) {
              seen.write(m.id());
              if (i + 1 < nested) go(i + 1);
              if (outer_stops_first && i == 0) ends[0].cancel();
              return false;
            },
            [](error_code) {});
        run_ready(contexts[i]);
      };
      go(0);
      std::vector<int> ids;
      while (auto m = rx.try_receive()) ids.push_back(m->id());
      BOOST_TEST(ids.size() + static_cast<std::size_t>(nested) == 40u);
      for (std::size_t i = 1; i < ids.size(); ++i) BOOST_TEST(ids[i - 1] < ids[i]);
    }
  }
}

BOOST_AUTO_TEST_CASE(D8_what_comes_back_comes_before_what_another_batch_has_skipped) {
  // The first loop has 1 to 4 in its hands, the second one 5 and more; the first comes back, and a
  // third one takes what is there on both sides of what the second one has.
  asio::io_context context;
  asio::io_context other_context;
  auto [tx, rx] = sluice::make_unbounded_channel<message>(context);
  auto other = rx.with_executor(other_context.get_executor());
  auto third = rx;
  diary seen;
  begin_sends(tx, 1, 12);
  auto outer = begin_for_each(rx, [&, t = &tx](const message& m) {
    seen.write(m.id());
    if (m.id() != 1) return true;
    // In here another loop claims what follows, and goes on after this one has stopped.
    auto inner = begin_for_each(other, [&](const message& second) {
      seen.write(second.id());
      if (second.id() != 5) return false;
      // The outer loop cannot stop before its function returns, so a third one takes the part of
      // it that has come back.
      begin_sends(*t, 13, 2);
      return false;
    });
    run_ready(other_context);
    return false;
  });
  run_ready(context);
  BOOST_TEST(seen.text() == "1 5");
  BOOST_TEST(drain(rx) == "2 3 4 6 7 8 9 10 11 12 13 14");
}

FLAVOUR_TEST_CASE(D8_what_came_back_is_what_force_send_displaces, bounded_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  diary seen;
  const int last = static_cast<int>(flavour.capacity) + 1;
  begin_sends(tx, 1, last);
  begin_for_each(rx, writes_until(seen, 1));
  run_ready(context);
  error_code ec;
  auto displaced = tx.force_send(message(9), ec);
  BOOST_TEST(!ec);
  BOOST_TEST_REQUIRE(displaced.has_value());
  BOOST_TEST(displaced->id() == 2);
  BOOST_TEST(drain(rx) == (flavour.capacity == 1 ? "9" : "3 4 9"));
}

FLAVOUR_TEST_CASE(C3_what_came_back_is_destroyed_with_the_last_receiver, flavours) {
  asio::io_context context;
  ledger kept;
  auto [tx, rx] = flavour.open(context);
  diary seen;
  for (int id : {1, 2, 3}) begin_send(tx, message(id, kept));
  begin_for_each(rx, writes_until(seen, 1));
  run_ready(context);
  rx = {};
  run_ready(context);
  BOOST_TEST(kept.alive() == 0);
  BOOST_TEST(tx.size() == 0u);
}

// The end waits for what is claimed ---------------------------------------------------------------

FLAVOUR_TEST_CASE(C4_the_end_waits_for_what_is_claimed_and_may_come_back, flavours) {
  if (flavour.accepts(3) < 3) return;
  asio::io_context context;
  asio::io_context other_context;
  auto [tx, rx] = flavour.open(context);
  diary seen;
  begin_sends(tx, 1, 3);
  tx = {};
  std::vector<receive_probe<message>> received;
  error_code said;
  auto loop = begin_for_each(rx, [&, r = &rx](const message& m) {
    seen.write(m.id());
    auto other = r->with_executor(other_context.get_executor());
    received = begin_receives(other, 3);
    run_ready(other_context);
    BOOST_TEST(words_of(received) == "waits waits waits");
    said = take(*r).error;
    // The operations count as no receiver, the handle does.
    *r = other;
    return false;
  });
  run_ready(context);
  BOOST_TEST(loop.succeeded());
  BOOST_TEST(said == sluice::error::empty);
  run_ready(other_context);
  BOOST_TEST(seen.text() == "1");
  BOOST_TEST(words_of(received) == "2 3 end");
}

FLAVOUR_TEST_CASE(C4_the_end_comes_when_nothing_comes_back, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  diary seen;
  receive_probe<message> received;
  begin_sends(tx, 1, 3);
  tx = {};
  auto loop =
      begin_for_each(rx, writes_and_at(seen, 2, [&, r = &rx] { received = begin_receive(*r); }));
  run_ready(context);
  BOOST_TEST(loop.succeeded());
  // It is promised the third one, or there is none left for it.
  BOOST_TEST(seen.text() == (received.ended() ? "1 2 3" : "1 2"));
  BOOST_TEST((received.ended() || received.id() == 3));
}

FLAVOUR_TEST_CASE(C4_there_is_no_end_to_wait_for_once_the_last_one_is_passed_on, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  begin_sends(tx, 1, 3);
  tx = {};
  std::vector<error_code> said;
  rx.async_for_each(
      [&said, r = &rx](const message& m) {
        if (m.id() == 3) said.push_back(take(*r).error);
      },
      [](error_code) {});
  run_ready(context);
  BOOST_TEST_REQUIRE(said.size() == 1u);
  BOOST_TEST(said[0] == sluice::error::closed);
}

// Others ------------------------------------------------------------------------------------------

FLAVOUR_TEST_CASE(D5_a_loop_does_not_take_what_somebody_else_is_promised, flavours) {
  asio::io_context context;
  asio::io_context other_context;
  auto [tx, rx] = flavour.open(context);
  auto other = rx.with_executor(other_context.get_executor());
  diary seen;
  begin_for_each(rx, writes_to(seen));
  run_ready(context);
  begin_send(tx, 1);
  auto received = begin_receive(other);
  begin_send(tx, 2);
  run_ready(context);
  BOOST_TEST(seen.text() == "1");
  run_ready(other_context);
  BOOST_TEST(received.id() == 2);
}

FLAVOUR_TEST_CASE(D5_a_busy_loop_does_not_take_what_somebody_else_is_promised, flavours) {
  asio::io_context context;
  asio::io_context other_context;
  auto [tx, rx] = flavour.open(context);
  auto other = rx.with_executor(other_context.get_executor());
  diary seen;
  receive_probe<message> received;
  begin_for_each(rx, writes_and_at(seen, 1, [&, t = &tx] {
                   received = begin_receive(other);
                   begin_send(*t, 2);  // wakes it
                 }));
  begin_send(tx, 1);
  run_ready(context);
  BOOST_TEST(seen.text() == "1");
  run_ready(other_context);
  BOOST_TEST(received.id() == 2);
  begin_send(tx, 3);
  run_ready(context);
  BOOST_TEST(seen.text() == "1 3");
}

FLAVOUR_TEST_CASE(D5_a_loop_that_has_had_something_goes_to_the_end_of_the_line, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  diary seen;
  begin_for_each(rx, writes_to(seen));
  auto received = begin_receives(rx, 2);
  for (int id : {1, 2, 3}) {
    begin_send(tx, id);
    run_ready(context);
  }
  BOOST_TEST(seen.text() == "1");
  BOOST_TEST(words_of(received) == "2 3");
  begin_send(tx, 4);
  run_ready(context);
  BOOST_TEST(seen.text() == "1 4");
}

FLAVOUR_TEST_CASE(D5_a_loop_that_finds_nothing_keeps_its_place, rendezvous_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  diary seen;
  begin_for_each(rx, writes_to(seen));
  auto received = begin_receive(rx);
  begin_send(tx, 1).cancel();
  run_ready(context);
  BOOST_TEST(seen.text() == "");
  begin_send(tx, 2);
  run_ready(context);
  BOOST_TEST(seen.text() == "2");
  BOOST_TEST(word_of(received) == "waits");
}

FLAVOUR_TEST_CASE(several_loops_that_are_always_busy_share_what_is_there, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto other = rx;
  std::size_t counts[2] = {0, 0};
  begin_for_each(rx, [&](const message&) { ++counts[0]; });
  begin_for_each(other, [&](const message&) { ++counts[1]; });
  run_ready(context);
  begin_sends(tx, 0, 1000);
  run_ready(context);
  BOOST_TEST(counts[0] + counts[1] == 1000u);
  // Neither of them gets less than half of its share.
  BOOST_TEST(counts[0] >= 250u);
  BOOST_TEST(counts[1] >= 250u);
}

FLAVOUR_TEST_CASE(a_loop_leaves_other_receivers_their_share, buffered_flavours) {
  if (!flavour.is_unbounded()) return;
  asio::io_context context;
  asio::io_context other_context;
  auto [tx, rx] = flavour.open(context);
  auto other = rx.with_executor(other_context.get_executor());
  diary seen;
  begin_sends(tx, 1, 40);
  std::string taken_meanwhile;
  begin_for_each(rx, writes_and_at(seen, 1, [&] { taken_meanwhile = drain(other); }));
  run_ready(context);
  std::string expected;
  for (int id = 21; id <= 40; ++id) expected += (id == 21 ? "" : " ") + std::to_string(id);
  BOOST_TEST(taken_meanwhile == expected);
}

FLAVOUR_TEST_CASE(a_function_may_call_back, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  diary seen;
  begin_send(tx, 8);
  std::size_t nested = 0;
  std::vector<send_probe> sent;
  auto loop = begin_for_each(rx, [&, r = &rx, t = &tx](const message& m) {
    seen.write(m.id());
    if (m.id() == 0) return r->close();
    sent.push_back(begin_send(*t, m.id() - 1));
    auto copy = *r;
    nested += take(copy).id != message::none ? 100 : 1;
    static_cast<void>(copy.receiver_count() + t->size() + (t->full() ? 1 : 0));
  });
  run_ready(context);
  // What it sent, and received at once, it did not see itself.
  BOOST_TEST(loop.succeeded() == (seen.text() == "8 7 6 5 4 3 2 1 0"));
  if (flavour.is_rendezvous() || !loop.done()) {
    BOOST_TEST(nested >= 100u);
  }
}

// Cancellation ------------------------------------------------------------------------------------

FLAVOUR_TEST_CASE(K4_total_cancellation_is_honoured_until_the_first_message, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  diary seen;
  auto idle = begin_for_each(rx, writes_to(seen));
  idle.cancel(asio::cancellation_type::total);
  run_ready(context);
  BOOST_TEST(idle.aborted());

  auto promised = begin_for_each(rx, writes_to(seen));
  begin_send(tx, 1);
  promised.cancel(asio::cancellation_type::total);
  run_ready(context);
  BOOST_TEST(promised.aborted());
  BOOST_TEST(seen.text() == "");

  auto begun = begin_for_each(rx, writes_to(seen));
  run_ready(context);
  begun.cancel(asio::cancellation_type::total);
  begin_send(tx, 2);
  run_ready(context);
  BOOST_TEST(!begun.done());
  BOOST_TEST(seen.text() == "1 2");

  begun.cancel(asio::cancellation_type::partial);
  run_ready(context);
  BOOST_TEST(begun.aborted());
}

FLAVOUR_TEST_CASE(K4_total_cancellation_by_the_function_is_too_late, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  diary seen;
  send_probe loop;
  begin_sends(tx, 1, 3);
  rx.async_for_each(writes_and_at(seen, 1, [&] { loop.cancel(asio::cancellation_type::total); }),
                    loop.get_handler());
  run_ready(context);
  BOOST_TEST(!loop.done());
  BOOST_TEST(seen.text() == "1 2 3");
}

FLAVOUR_TEST_CASE(K4_a_cancelled_loop_passes_on_nothing_more, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  diary seen;
  auto loop = begin_for_each(rx, writes_to(seen));
  run_ready(context);
  begin_sends(tx, 1, 3);
  rx.cancel();
  run_ready(context);
  BOOST_TEST(loop.aborted());
  BOOST_TEST(seen.text() == "");
  BOOST_TEST(drain(rx) == "1 2 3");
}

FLAVOUR_TEST_CASE(K4_a_loop_that_its_function_cancels_at_the_last_message_is_cancelled, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  diary seen;
  begin_sends(tx, 1, 3);
  auto loop = begin_for_each(rx, writes_and_at(seen, 3, [r = &rx] { r->cancel(); }));
  run_ready(context);
  BOOST_TEST(loop.aborted());
  BOOST_TEST(seen.text() == "1 2 3");
}

FLAVOUR_TEST_CASE(K4_cancellation_of_another_handle_does_not_concern_a_loop, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto other = rx;
  diary seen;
  begin_sends(tx, 1, 3);
  auto loop = begin_for_each(rx, writes_and_at(seen, 1, [&] { other.cancel(); }));
  run_ready(context);
  BOOST_TEST(!loop.done());
  BOOST_TEST(seen.text() == "1 2 3");
}

FLAVOUR_TEST_CASE(K4_a_loop_that_was_stopped_does_not_notice_a_later_cancellation, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  begin_sends(tx, 1, 3);
  auto loop = begin_for_each(rx, [r = &rx](const message&) {
    r->cancel();
    return false;
  });
  run_ready(context);
  BOOST_TEST(loop.succeeded());
  loop.cancel();
  BOOST_TEST(drain(rx) == "2 3");
}

FLAVOUR_TEST_CASE(K4_with_the_last_receiver_a_waiting_loop_ends, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  diary seen;
  auto fresh = begin_for_each(rx, writes_to(seen));
  auto used = begin_for_each(rx, writes_to(seen));
  begin_sends(tx, 1, 2);
  run_ready(context);
  rx = {};
  run_ready(context);
  BOOST_TEST(fresh.aborted());
  BOOST_TEST(used.aborted());
  BOOST_TEST(tx.is_closed());
}

FLAVOUR_TEST_CASE(K9_a_loop_that_starts_when_no_receiver_is_left_is_cancelled, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  diary seen;
  auto begin = std::move(rx).async_for_each(writes_to(seen), asio::deferred);
  rx = {};
  begin_send(tx, 1);
  send_probe loop;
  std::move(begin)(loop.get_handler());
  run_ready(context);
  BOOST_TEST((loop.aborted() || loop.error() == sluice::error::closed));
  BOOST_TEST(seen.text() == "");
}

// K8: others have their turn ----------------------------------------------------------------------

FLAVOUR_TEST_CASE(K8_after_128_messages_others_have_their_turn, buffered_flavours) {
  if (!flavour.is_unbounded()) return;
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  begin_sends(tx, 0, 1000);
  std::vector<std::size_t> turns;
  std::size_t count = 0;
  begin_for_each(rx, [&](const message&) { ++count; });
  std::function<void()> look = [&] {
    turns.push_back(count);
    if (turns.back() != 1000) asio::post(context, [&] { look(); });
  };
  asio::post(context, [&] { look(); });
  run_ready(context);
  BOOST_TEST(turns.size() == 8u);
  for (std::size_t i = 1; i < turns.size(); ++i) BOOST_TEST(turns[i] - turns[i - 1] <= 128u);
  BOOST_TEST(turns.front() == 128u);
}

FLAVOUR_TEST_CASE(K8_a_loop_that_is_always_busy_does_not_starve_a_timer, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  // Each message makes the next one, so the loop could go on for ever.
  begin_send(tx, 0);
  auto loop = begin_for_each(rx, [t = &tx](const message& m) { begin_send(*t, m.id()); });
  asio::steady_timer timer(context, std::chrono::milliseconds(1));
  timer.async_wait([r = &rx](error_code) { r->cancel(); });
  while (!loop.done()) context.run_one();
  BOOST_TEST(loop.aborted());
}

FLAVOUR_TEST_CASE(K8_a_loop_can_be_cancelled_while_others_have_their_turn, buffered_flavours) {
  if (!flavour.is_unbounded()) return;
  for (bool by_slot : {false, true}) {
    asio::io_context context;
    auto [tx, rx] = flavour.open(context);
    begin_sends(tx, 0, 130);
    std::size_t count = 0;
    auto loop = begin_for_each(rx, [&](const message&) { ++count; });
    asio::post(context, [&, r = &rx] {
      if (by_slot)
        loop.cancel();
      else
        r->cancel();
    });
    run_ready(context);
    BOOST_TEST(loop.aborted());
    BOOST_TEST(count == 128u);
    BOOST_TEST(drain(rx) == "128 129");
  }
}

FLAVOUR_TEST_CASE(D5_a_loop_whose_turn_is_over_has_a_promise, buffered_flavours) {
  if (!flavour.is_unbounded()) return;
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  begin_sends(tx, 0, 129);
  int last = -1;
  begin_for_each(rx, [&](const message& m) { last = m.id(); });
  taken said{};
  asio::post(context, [&, r = &rx] { said = take(*r); });
  run_ready(context);
  BOOST_TEST(said.error == sluice::error::empty);
  BOOST_TEST(last == 128);
}

// A message that is large, and so not many are claimed at a time ----------------------------------

namespace {

struct page {
  explicit page(int id) : number(id) {}
  int number;
  char text[4096] = {};
};

struct alignas(64) line_of_cache {
  explicit line_of_cache(int id) : number(id) {}
  int number;
};

template <class T>
void check_values_of_type() {
  asio::io_context context;
  auto [tx, rx] = sluice::make_unbounded_channel<T>(context);
  for (int id = 0; id != 200; ++id) BOOST_TEST(!tx.try_send(T(id)));
  int next = 0;
  bool aligned = true;
  send_probe loop;
  rx.async_for_each(
      [&](T value) {
        aligned = aligned && reinterpret_cast<std::uintptr_t>(&value) % alignof(T) == 0;
        BOOST_TEST(value.number == next++);
        return value.number != 149;
      },
      loop.get_handler());
  run_ready(context);
  BOOST_TEST(loop.succeeded());
  BOOST_TEST(aligned);
  BOOST_TEST(rx.size() == 50u);
  BOOST_TEST(rx.try_receive()->number == 150);
}

}  // namespace

BOOST_AUTO_TEST_CASE(messages_may_be_large) {
  check_values_of_type<page>();
}

BOOST_AUTO_TEST_CASE(messages_may_be_aligned) {
  check_values_of_type<line_of_cache>();
}
