// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE watch

// The latest value: sending, looking, changes, closing, cancelling.

#include "support/flavours.hpp"
#include "support/probe.hpp"
#include "support/unit_test.hpp"
#include "support/watches.hpp"

#include <sluice/watch.hpp>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

using namespace support;
using sluice::error;

namespace {

auto at_least(int least) {
  return [least](int value) { return value >= least; };
}

}  // namespace

// WA1: what counts as seen ------------------------------------------------------------------------

FLAVOUR_TEST_CASE(WA1_the_value_at_subscription_counts_as_seen, watches) {
  asio::io_context context;
  auto tx = open_watch(flavour, context, 1);
  tx.send(2);
  auto rx = tx.subscribe();
  BOOST_TEST(!rx.has_changed());
  BOOST_TEST(*rx.borrow() == 2);
  auto changed = begin_changed(rx);
  run_ready(context);
  BOOST_TEST(!changed.done());
  tx.send(3);
  BOOST_TEST(rx.has_changed());
  run_ready(context);
  BOOST_TEST(changed.changed());
  BOOST_TEST(!rx.has_changed());
  BOOST_TEST(*rx.borrow() == 3);
}

FLAVOUR_TEST_CASE(WA1_a_copy_keeps_what_the_original_has_seen, watches) {
  asio::io_context context;
  auto tx = open_watch(flavour, context, 1);
  auto rx = tx.subscribe();
  tx.send(2);
  auto copy = rx;
  auto other = rx.with_executor(context.get_executor());
  BOOST_TEST(copy.has_changed());
  BOOST_TEST(other.has_changed());
  BOOST_TEST(*copy.borrow_and_update() == 2);
  BOOST_TEST(!copy.has_changed());
  // From here on each goes its own way.
  BOOST_TEST(rx.has_changed());
  auto seen_copy = copy;
  BOOST_TEST(!seen_copy.has_changed());
  rx = copy;
  BOOST_TEST(!rx.has_changed());
  BOOST_TEST(other.has_changed());
}

FLAVOUR_TEST_CASE(WA1_to_borrow_is_not_to_have_seen, watches) {
  asio::io_context context;
  auto tx = open_watch(flavour, context, 1);
  auto rx = tx.subscribe();
  tx.send(2);
  BOOST_TEST(*rx.borrow() == 2);
  BOOST_TEST(rx.has_changed());
  BOOST_TEST(*rx.borrow_and_update() == 2);
  BOOST_TEST(!rx.has_changed());
}

FLAVOUR_TEST_CASE(WA1_a_value_can_be_marked, watches) {
  asio::io_context context;
  auto tx = open_watch(flavour, context, 1);
  auto rx = tx.subscribe();
  // Again and again, also for the very first value.
  for (int i = 0; i != 3; ++i) {
    rx.mark_changed();
    BOOST_TEST(rx.has_changed());
  }
  auto changed = begin_changed(rx);
  run_ready(context);
  BOOST_TEST(changed.changed());
  BOOST_TEST(!rx.has_changed());
  tx.send(2);
  rx.mark_unchanged();
  BOOST_TEST(!rx.has_changed());
  auto waits = begin_changed(rx);
  run_ready(context);
  BOOST_TEST(!waits.done());
}

FLAVOUR_TEST_CASE(WA1_marking_wakes_who_waits_on_this_receiver_alone, watches) {
  asio::io_context context;
  auto tx = open_watch(flavour, context, 1);
  auto rx = tx.subscribe();
  auto other = rx;
  auto changed = begin_changed(rx);
  auto other_changed = begin_changed(other);
  auto found = begin_wait_for(rx, at_least(9));
  run_ready(context);
  rx.mark_changed();
  run_ready(context);
  BOOST_TEST(changed.changed());
  BOOST_TEST(!other_changed.done());
  BOOST_TEST(!found.done());
}

// WA2: changes ------------------------------------------------------------------------------------

FLAVOUR_TEST_CASE(WA2_a_change_that_was_not_seen_is_told_at_once, watches) {
  asio::io_context context;
  auto tx = open_watch(flavour, context, 1);
  auto rx = tx.subscribe();
  tx.send(2);
  auto changed = begin_changed(rx);
  BOOST_TEST(!changed.done());
  run_ready(context);
  BOOST_TEST(changed.changed());
}

FLAVOUR_TEST_CASE(WA2_several_changes_are_one, watches) {
  asio::io_context context;
  auto tx = open_watch(flavour, context, 1);
  auto rx = tx.subscribe();
  auto changed = begin_changed(rx);
  for (int value = 2; value <= 5; ++value) tx.send(int(value));
  run_ready(context);
  BOOST_TEST(changed.changed());
  BOOST_TEST(*rx.borrow() == 5);
  auto waits = begin_changed(rx);
  run_ready(context);
  BOOST_TEST(!waits.done());
}

FLAVOUR_TEST_CASE(WA2_the_last_change_is_told_also_after_closing, watches) {
  for (bool by_close : {true, false}) {
    asio::io_context context;
    auto tx = open_watch(flavour, context, 1);
    auto rx = tx.subscribe();
    tx.send(2);
    if (by_close)
      tx.close();
    else
      tx = {};
    BOOST_TEST(rx.is_closed());
    BOOST_TEST(rx.has_changed());
    auto changed = begin_changed(rx);
    run_ready(context);
    BOOST_TEST(changed.changed());
    BOOST_TEST(*rx.borrow() == 2);
    auto ended = begin_changed(rx);
    run_ready(context);
    BOOST_TEST(ended.ended());
    BOOST_TEST(*rx.borrow() == 2);
  }
}

FLAVOUR_TEST_CASE(WA2_closing_ends_who_waits, watches) {
  asio::io_context context;
  auto tx = open_watch(flavour, context, 1);
  auto rx = tx.subscribe();
  auto other_tx = tx;
  auto changed = begin_changed(rx);
  tx = {};
  run_ready(context);
  BOOST_TEST(!changed.done());
  other_tx = {};
  run_ready(context);
  BOOST_TEST(changed.ended());
}

FLAVOUR_TEST_CASE(WA2_a_value_that_is_sent_before_closing_is_a_change, watches) {
  asio::io_context context;
  auto tx = open_watch(flavour, context, 1);
  auto rx = tx.subscribe();
  auto changed = begin_changed(rx);
  tx.send(2);
  tx.close();
  tx.close();
  run_ready(context);
  BOOST_TEST(changed.changed());
  BOOST_TEST(tx.send(3) == error::closed);
  BOOST_TEST(*tx.borrow() == 2);
}

FLAVOUR_TEST_CASE(WA2_who_subscribes_after_closing_sees_the_end, watches) {
  asio::io_context context;
  auto tx = open_watch(flavour, context, 1);
  tx.close();
  auto rx = tx.subscribe();
  auto changed = begin_changed(rx);
  auto found = begin_wait_for(rx, at_least(1));
  auto not_found = begin_wait_for(rx, at_least(2));
  run_ready(context);
  BOOST_TEST(changed.ended());
  BOOST_TEST(found.found(1));
  BOOST_TEST(not_found.ended());
}

FLAVOUR_TEST_CASE(WA2_a_change_that_somebody_else_has_seen_meanwhile_is_none, watches) {
  asio::io_context context;
  auto tx = open_watch(flavour, context, 1);
  auto rx = tx.subscribe();
  auto changed = begin_changed(rx);
  tx.send(2);
  // It is woken, but before it runs the value counts as seen.
  static_cast<void>(rx.borrow_and_update());
  run_ready(context);
  BOOST_TEST(!changed.done());
  tx.send(3);
  run_ready(context);
  BOOST_TEST(changed.changed());
}

FLAVOUR_TEST_CASE(WA2_of_two_that_wait_on_one_receiver_each_gets_a_change, watches) {
  asio::io_context context;
  auto tx = open_watch(flavour, context, 1);
  auto rx = tx.subscribe();
  auto first = begin_changed(rx);
  auto second = begin_changed(rx);
  tx.send(2);
  run_ready(context);
  BOOST_TEST(first.changed());
  BOOST_TEST(!second.done());
  tx.send(3);
  run_ready(context);
  BOOST_TEST(second.changed());
}

FLAVOUR_TEST_CASE(WA2_moving_the_receiver_takes_what_it_has_seen_along, watches) {
  asio::io_context context;
  auto tx = open_watch(flavour, context, 1);
  auto rx = tx.subscribe();
  auto changed = begin_changed(rx);
  auto moved = std::move(rx);
  tx.send(2);
  BOOST_TEST(moved.has_changed());
  run_ready(context);
  BOOST_TEST(changed.changed());
  // The operation has marked the value as seen, wherever the receiver is now.
  BOOST_TEST(!moved.has_changed());
}

// WA3: waiting for a certain value ----------------------------------------------------------------

FLAVOUR_TEST_CASE(WA3_the_current_value_is_tested_first, watches) {
  asio::io_context context;
  auto tx = open_watch(flavour, context, 5);
  auto rx = tx.subscribe();
  auto found = begin_wait_for(rx, at_least(5));
  BOOST_TEST(!found.done());
  run_ready(context);
  BOOST_TEST(found.found(5));
}

FLAVOUR_TEST_CASE(WA3_then_the_latest_each_time_it_is_woken, watches) {
  asio::io_context context;
  auto tx = open_watch(flavour, context, 1);
  auto rx = tx.subscribe();
  std::vector<int> tested;
  auto found = begin_wait_for(rx, [&](int value) {
    tested.push_back(value);
    return value == 9;
  });
  run_ready(context);
  tx.send(2);
  run_ready(context);
  tx.send(3);
  tx.send(4);
  run_ready(context);
  tx.send(9);
  run_ready(context);
  BOOST_TEST(found.found(9));
  BOOST_TEST(tested == (std::vector<int>{1, 2, 4, 9}), boost::test_tools::per_element());
  BOOST_TEST(!rx.has_changed());
}

FLAVOUR_TEST_CASE(WA3_a_value_that_comes_and_goes_unseen_is_not_found, watches) {
  asio::io_context context;
  auto tx = open_watch(flavour, context, 1);
  auto rx = tx.subscribe();
  auto found = begin_wait_for(rx, [](int value) { return value == 2; });
  run_ready(context);
  tx.send(2);
  tx.send(3);
  run_ready(context);
  BOOST_TEST(!found.done());
}

FLAVOUR_TEST_CASE(WA3_on_closing_the_last_value_is_tested_once, watches) {
  for (bool holds : {true, false}) {
    asio::io_context context;
    auto tx = open_watch(flavour, context, 1);
    auto rx = tx.subscribe();
    int calls = 0;
    bool closing = false;
    auto found = begin_wait_for(rx, [&](int) {
      ++calls;
      return closing && holds;
    });
    run_ready(context);
    BOOST_TEST(calls == 1);
    closing = true;
    tx = {};
    run_ready(context);
    BOOST_TEST(calls == 2);
    BOOST_TEST(found.found(1) == holds);
    BOOST_TEST(found.ended() == !holds);
  }
}

FLAVOUR_TEST_CASE(WA3_a_predicate_that_throws_ends_its_operation_alone, watches) {
  asio::io_context context;
  auto tx = open_watch(flavour, context, 1);
  auto rx = tx.subscribe();
  auto thrown = begin_wait_for(rx, [](int value) -> bool {
    if (value == 2) throw std::runtime_error("a predicate that fails");
    return false;
  });
  auto found = begin_wait_for(rx, at_least(3));
  auto changed = begin_changed(rx);
  run_ready(context);
  tx.send(2);
  context.restart();
  BOOST_CHECK_THROW(context.poll(), std::runtime_error);
  BOOST_TEST(thrown.dropped());
  run_ready(context);
  BOOST_TEST(changed.changed());
  tx.send(3);
  run_ready(context);
  BOOST_TEST(found.found(3));
  BOOST_TEST(*rx.borrow() == 3);
}

FLAVOUR_TEST_CASE(K6_a_predicate_may_use_the_watch, watches) {
  asio::io_context context;
  auto tx = open_watch(flavour, context, 1);
  auto rx = tx.subscribe();
  auto found = begin_wait_for(rx, [&](int value) {
    static_cast<void>(rx.borrow());
    static_cast<void>(tx.receiver_count());
    auto copy = rx;
    if (value < 5) tx.send(value + 1);
    return value == 5;
  });
  run_ready(context);
  BOOST_TEST(found.found(5));
}

FLAVOUR_TEST_CASE(K6_a_predicate_may_cancel_its_own_operation, watches) {
  asio::io_context context;
  auto tx = open_watch(flavour, context, 1);
  auto rx = tx.subscribe();
  for (bool holds : {true, false}) {
    auto found = begin_wait_for(rx, [&](int) {
      rx.cancel();
      return holds;
    });
    run_ready(context);
    BOOST_TEST(found.aborted());
  }
}

FLAVOUR_TEST_CASE(K6_a_predicate_may_let_the_receiver_go, watches) {
  asio::io_context context;
  auto tx = open_watch(flavour, context, 1);
  auto rx = tx.subscribe();
  auto found = begin_wait_for(rx, [&](int) {
    rx = {};
    return true;
  });
  run_ready(context);
  BOOST_TEST(found.aborted());
}

// WA4: never an older value -----------------------------------------------------------------------

FLAVOUR_TEST_CASE(WA4_a_value_is_stored_also_without_receivers, watches) {
  asio::io_context context;
  auto tx = open_watch(flavour, context, 1);
  BOOST_TEST(!tx.send(2));
  BOOST_TEST(*tx.borrow() == 2);
  auto rx = tx.subscribe();
  BOOST_TEST(*rx.borrow() == 2);
  rx = {};
  BOOST_TEST(!tx.send(3));
  BOOST_TEST(*tx.subscribe().borrow() == 3);
}

FLAVOUR_TEST_CASE(WA4_what_a_predicate_accepted_is_not_older_than_what_was_observed, watches) {
  asio::io_context context;
  auto tx = open_watch(flavour, context, 1);
  auto rx = tx.subscribe();
  std::vector<int> tested;
  auto found = begin_wait_for(rx, [&](int value) {
    tested.push_back(value);
    // While it is looked at, a newer one is sent, and observed through the same receiver.
    if (value == 1) {
      tx.send(2);
      BOOST_TEST(*rx.borrow() == 2);
    }
    return true;
  });
  run_ready(context);
  BOOST_TEST(found.found(2));
  BOOST_TEST(tested == (std::vector<int>{1, 2}), boost::test_tools::per_element());
}

// WA5: what is held -------------------------------------------------------------------------------

FLAVOUR_TEST_CASE(WA5_what_is_held_stays_as_it_is, watches) {
  asio::io_context context;
  auto tx = open_watch<std::string>(flavour, context, std::string("the first of all values"));
  auto rx = tx.subscribe();
  auto held = rx.borrow();
  auto held_by_sender = tx.borrow();
  BOOST_TEST((held == held_by_sender));
  tx.send("the second of all values");
  tx.send_modify([](std::string& value) { value += " and more"; });
  BOOST_TEST(*held == "the first of all values");
  BOOST_TEST(*rx.borrow() == "the second of all values and more");
  tx = {};
  rx = {};
  BOOST_TEST(*held == "the first of all values");
}

FLAVOUR_TEST_CASE(WA5_a_value_goes_when_it_is_replaced_and_not_held, watches) {
  asio::io_context context;
  auto tx = open_watch<std::shared_ptr<int>>(flavour, context, std::make_shared<int>(1));
  std::weak_ptr<int> first = *tx.borrow();
  auto held = tx.borrow();
  tx.send(std::make_shared<int>(2));
  BOOST_TEST(!first.expired());
  held.reset();
  BOOST_TEST(first.expired());
}

FLAVOUR_TEST_CASE(C3_the_value_goes_with_the_last_handle, watches) {
  asio::io_context context;
  auto tx = open_watch<std::shared_ptr<int>>(flavour, context, std::make_shared<int>(1));
  std::weak_ptr<int> value = *tx.borrow();
  auto rx = tx.subscribe();
  // It keeps the memory of the watch, and no value.
  sluice::weak_watch_sender<std::shared_ptr<int>, asio::any_io_executor,
                            typename Flavour::threading>
      weak(tx);
  tx = {};
  BOOST_TEST(!value.expired());
  rx = {};
  BOOST_TEST(value.expired());
  BOOST_TEST(!weak.lock());
}

// WA6: modifying ----------------------------------------------------------------------------------

FLAVOUR_TEST_CASE(WA6_a_modifier_works_on_a_copy, watches) {
  asio::io_context context;
  auto tx = open_watch<std::vector<int>>(flavour, context, std::vector<int>{1});
  auto rx = tx.subscribe();
  auto before = rx.borrow();
  BOOST_TEST(!tx.send_modify([&](std::vector<int>& value) {
    value.push_back(2);
    BOOST_TEST(tx.borrow()->size() == 1u);
  }));
  BOOST_TEST(before->size() == 1u);
  BOOST_TEST(rx.borrow()->size() == 2u);
  BOOST_TEST(rx.has_changed());
}

FLAVOUR_TEST_CASE(WA6_a_modifier_that_says_no_changes_nothing, watches) {
  asio::io_context context;
  auto tx = open_watch(flavour, context, 1);
  auto rx = tx.subscribe();
  BOOST_TEST(!tx.send_if_modified([](int& value) {
    value = 7;
    return false;
  }));
  BOOST_TEST(!rx.has_changed());
  BOOST_TEST(*rx.borrow() == 1);
  BOOST_TEST(tx.send_if_modified([](int& value) {
    value = 7;
    return true;
  }));
  BOOST_TEST(rx.has_changed());
  BOOST_TEST(*rx.borrow() == 7);
}

FLAVOUR_TEST_CASE(WA6_a_modifier_that_throws_changes_nothing, watches) {
  asio::io_context context;
  auto tx = open_watch(flavour, context, 1);
  auto rx = tx.subscribe();
  auto changed = begin_changed(rx);
  auto fail = [](int& value) -> bool {
    value = 7;
    throw std::runtime_error("a modifier that fails");
  };
  BOOST_CHECK_THROW(tx.send_modify(fail), std::runtime_error);
  BOOST_CHECK_THROW(tx.send_if_modified(fail), std::runtime_error);
  run_ready(context);
  BOOST_TEST(!changed.done());
  BOOST_TEST(!rx.has_changed());
  BOOST_TEST(*rx.borrow() == 1);
  BOOST_TEST(!tx.send(2));
  run_ready(context);
  BOOST_TEST(changed.changed());
}

FLAVOUR_TEST_CASE(WA6_a_modifier_runs_again_on_what_was_sent_meanwhile, watches) {
  asio::io_context context;
  auto tx = open_watch(flavour, context, 1);
  std::vector<int> seen;
  tx.send_modify([&](int& value) {
    seen.push_back(value);
    if (value == 1) tx.send(10);
    ++value;
  });
  BOOST_TEST(seen == (std::vector<int>{1, 10}), boost::test_tools::per_element());
  BOOST_TEST(*tx.borrow() == 11);
}

FLAVOUR_TEST_CASE(WA6_the_same_value_again_is_another_version, watches) {
  asio::io_context context;
  auto tx = open_watch(flavour, context, 1);
  std::vector<int> seen;
  tx.send_modify([&](int& value) {
    // It looks as if nothing had happened, but it has.
    if (seen.empty()) {
      tx.send(2);
      tx.send(1);
    }
    seen.push_back(value);
  });
  BOOST_TEST(seen == (std::vector<int>{1, 1}), boost::test_tools::per_element());
}

FLAVOUR_TEST_CASE(WA6_a_modifier_may_close_the_watch, watches) {
  asio::io_context context;
  auto tx = open_watch(flavour, context, 1);
  BOOST_TEST(tx.send_modify([&](int& value) {
    value = 2;
    tx.close();
  }) == error::closed);
  BOOST_TEST(*tx.borrow() == 1);
  BOOST_TEST(!tx.send_if_modified([](int&) { return true; }));
  BOOST_TEST(!tx.send_replace(3));
  BOOST_TEST(*tx.borrow() == 1);
}

FLAVOUR_TEST_CASE(WA6_replacing_gives_back_what_was_there, watches) {
  asio::io_context context;
  auto tx = open_watch(flavour, context, 1);
  auto rx = tx.subscribe();
  BOOST_TEST(*tx.send_replace(2) == 1);
  BOOST_TEST(*tx.send_replace(3) == 2);
  BOOST_TEST(*rx.borrow() == 3);
}

// C5, K4: ends ------------------------------------------------------------------------------------

FLAVOUR_TEST_CASE(C5_a_weak_sender_does_not_keep_it_open, watches) {
  asio::io_context context;
  auto tx = open_watch(flavour, context, 1);
  auto rx = tx.subscribe();
  sluice::weak_watch_sender<int, asio::any_io_executor, typename Flavour::threading> weak(tx);
  auto locked = weak.lock();
  BOOST_TEST(static_cast<bool>(locked));
  BOOST_TEST(rx.sender_count() == 2u);
  tx = {};
  BOOST_TEST(!rx.is_closed());
  BOOST_TEST(!locked.send(2));
  locked = {};
  BOOST_TEST(rx.is_closed());
  BOOST_TEST(!weak.lock());
}

FLAVOUR_TEST_CASE(C5_who_waits_until_nobody_watches, watches) {
  asio::io_context context;
  auto tx = open_watch(flavour, context, 1);
  // Nobody watches yet.
  auto at_once = begin_wait_closed(tx);
  run_ready(context);
  BOOST_TEST(at_once.succeeded());
  auto rx = tx.subscribe();
  auto copy = rx;
  BOOST_TEST(tx.receiver_count() == 2u);
  auto closed = begin_wait_closed(tx);
  rx = {};
  run_ready(context);
  BOOST_TEST(!closed.done());
  copy = {};
  run_ready(context);
  BOOST_TEST(closed.succeeded());
  BOOST_TEST(!tx.is_closed());
  // Somebody may watch again.
  auto next = tx.subscribe();
  auto closed_again = begin_wait_closed(tx);
  tx.send(2);
  run_ready(context);
  BOOST_TEST(!closed_again.done());
  BOOST_TEST(next.has_changed());
  tx.close();
  run_ready(context);
  BOOST_TEST(closed_again.succeeded());
  BOOST_TEST(tx.is_closed());
}

FLAVOUR_TEST_CASE(K4_with_the_last_sender_its_waiting_ends, watches) {
  asio::io_context context;
  auto tx = open_watch(flavour, context, 1);
  auto rx = tx.subscribe();
  auto closed = begin_wait_closed(tx);
  tx = {};
  run_ready(context);
  BOOST_TEST(closed.aborted());
}

FLAVOUR_TEST_CASE(K4_with_the_last_receiver_its_operations_end, watches) {
  asio::io_context context;
  auto tx = open_watch(flavour, context, 1);
  auto rx = tx.subscribe();
  auto copy = rx;
  auto changed = begin_changed(rx);
  auto found = begin_wait_for(rx, at_least(9));
  run_ready(context);
  rx = {};
  run_ready(context);
  BOOST_TEST(!changed.done());
  BOOST_TEST(!found.done());
  auto woken = begin_changed(copy);
  tx.send(2);
  copy = {};
  // Whoever comes later has nothing to do with them.
  auto later = tx.subscribe();
  run_ready(context);
  BOOST_TEST(changed.aborted());
  BOOST_TEST(found.aborted());
  BOOST_TEST(woken.aborted());
}

FLAVOUR_TEST_CASE(K4_each_operation_can_be_cancelled_alone, watches) {
  asio::io_context context;
  auto tx = open_watch(flavour, context, 1);
  auto rx = tx.subscribe();
  auto changed = begin_changed(rx);
  auto other = begin_changed(rx);
  auto found = begin_wait_for(rx, at_least(9));
  auto closed = begin_wait_closed(tx);
  run_ready(context);
  changed.cancel(asio::cancellation_type::total);
  found.cancel(asio::cancellation_type::partial);
  closed.cancel();
  run_ready(context);
  BOOST_TEST(changed.aborted());
  BOOST_TEST(found.aborted());
  BOOST_TEST(closed.aborted());
  tx.send(2);
  run_ready(context);
  BOOST_TEST(other.changed());
}

FLAVOUR_TEST_CASE(D3_a_cancelled_wait_leaves_the_change_unseen, watches) {
  asio::io_context context;
  auto tx = open_watch(flavour, context, 1);
  auto rx = tx.subscribe();
  auto changed = begin_changed(rx);
  auto found = begin_wait_for(rx, at_least(2));
  tx.send(2);
  changed.cancel();
  found.cancel();
  run_ready(context);
  BOOST_TEST(changed.aborted());
  BOOST_TEST(found.aborted());
  BOOST_TEST(rx.has_changed());
}

FLAVOUR_TEST_CASE(K4_on_an_empty_handle_everything_says_closed, watches) {
  asio::io_context context;
  auto tx = open_watch(flavour, context, 1);
  auto rx = tx.subscribe();
  auto moved_tx = std::move(tx);
  auto moved_rx = std::move(rx);
  BOOST_TEST(tx.send(2) == error::closed);
  BOOST_TEST(tx.send_modify([](int&) {}) == error::closed);
  BOOST_TEST(!tx.send_if_modified([](int&) { return true; }));
  BOOST_TEST(!tx.send_replace(2));
  BOOST_TEST(!tx.borrow());
  BOOST_TEST(!tx.subscribe());
  BOOST_TEST(tx.is_closed());
  tx.close();
  BOOST_TEST(!rx.borrow());
  BOOST_TEST(!rx.borrow_and_update());
  BOOST_TEST(!rx.has_changed());
  BOOST_TEST(rx.is_closed());
  rx.mark_changed();
  rx.mark_unchanged();
  rx.cancel();
  auto copy = rx;
  BOOST_TEST(!copy);
  BOOST_TEST(rx.receiver_count() + tx.sender_count() == 0u);
  BOOST_TEST(!rx.same_channel(rx));
  BOOST_TEST(moved_rx.same_channel(moved_tx));
  BOOST_TEST(!moved_rx.same_channel(open_watch(flavour, context, 1)));
  auto changed = begin_changed(rx);
  auto found = begin_wait_for(rx, at_least(1));
  auto closed = begin_wait_closed(tx);
  run_ready(context);
  BOOST_TEST(changed.error() == error::closed);
  BOOST_TEST(found.error() == error::closed);
  BOOST_TEST(closed.error() == error::closed);
  BOOST_TEST(!moved_tx.is_closed());
}

FLAVOUR_TEST_CASE(K5_what_waits_goes_with_its_context, watches) {
  auto context = std::make_unique<asio::io_context>();
  asio::io_context other_context;
  auto tx = open_watch(flavour, *context, 1);
  auto rx = tx.subscribe();
  auto changed = begin_changed(rx);
  auto found = begin_wait_for(rx, at_least(9));
  context->poll();
  auto woken = begin_wait_for(rx, at_least(1));
  auto other = rx.with_executor(other_context.get_executor());
  auto other_changed = begin_changed(other);
  changed_probe bound;
  rx.async_changed(asio::bind_executor(other_context.get_executor(), bound.get_handler()));
  context.reset();
  BOOST_TEST(changed.dropped());
  BOOST_TEST(found.dropped());
  BOOST_TEST(woken.dropped());
  BOOST_TEST(bound.dropped());
  tx.send(2);
  run_ready(other_context);
  BOOST_TEST(other_changed.changed());
}

FLAVOUR_TEST_CASE(K2_handles_convert_to_ones_with_another_executor, watches) {
  using io_executor = asio::io_context::executor_type;
  using threading = typename Flavour::threading;
  asio::io_context context;
  auto tx = open_watch<int, io_executor>(flavour, context, 1);
  auto rx = tx.subscribe();
  tx.send(2);
  sluice::watch_receiver<int, asio::any_io_executor, threading> copy(rx);
  sluice::watch_sender<int, asio::any_io_executor, threading> any_tx(tx);
  BOOST_TEST(copy.has_changed());
  BOOST_TEST(tx.sender_count() == 2u);
  sluice::watch_receiver<int, asio::any_io_executor, threading> moved(std::move(rx));
  BOOST_TEST(!rx);
  BOOST_TEST(moved.has_changed());
  BOOST_TEST(tx.receiver_count() == 2u);
  swap(copy, moved);
  static_cast<void>(copy.borrow_and_update());
  BOOST_TEST(moved.has_changed());
  copy.swap(moved);
  BOOST_TEST(copy.has_changed());
  BOOST_TEST(!moved.has_changed());
}

// Values that can do little -----------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_value_need_not_be_copyable_unless_it_is_modified) {
  asio::io_context context;
  sluice::watch_sender<std::unique_ptr<int>> tx(context, std::make_unique<int>(1));
  auto rx = tx.subscribe();
  tx.send(std::make_unique<int>(2));
  BOOST_TEST(**rx.borrow() == 2);
  struct alignas(64) wide {
    int id;
  };
  sluice::watch_sender<wide> wide_tx(context.get_executor(), wide{1});
  for (int id = 2; id != 5; ++id) {
    wide_tx.send(wide{id});
    BOOST_TEST(wide_tx.borrow()->id == id);
    BOOST_TEST(reinterpret_cast<std::uintptr_t>(wide_tx.borrow().get()) % 64 == 0u);
  }
}

BOOST_AUTO_TEST_CASE(a_value_whose_move_throws_leaves_the_watch_as_it_was) {
  struct fragile {
    explicit fragile(int i) : id(i) {}
    fragile(fragile&& other) : id(other.id) {
      if (id == 2) throw std::runtime_error("a move that fails");
    }
    int id;
  };
  asio::io_context context;
  sluice::watch_sender<fragile> tx(context, fragile(1));
  BOOST_CHECK_THROW(tx.send(fragile(2)), std::runtime_error);
  BOOST_TEST(tx.borrow()->id == 1);
  BOOST_TEST(!tx.send(fragile(3)));
  BOOST_TEST(tx.borrow()->id == 3);
}

BOOST_AUTO_TEST_CASE(K6_the_destructor_of_a_value_may_use_the_watch) {
  struct nosy {
    std::shared_ptr<std::optional<sluice::watch_sender<int>>> used;
    ~nosy() {
      if (used && *used) static_cast<void>((*used)->borrow());
    }
    nosy(std::shared_ptr<std::optional<sluice::watch_sender<int>>> u) : used(std::move(u)) {}
    nosy(nosy&&) = default;
  };
  asio::io_context context;
  auto used = std::make_shared<std::optional<sluice::watch_sender<int>>>();
  used->emplace(context, 1);
  sluice::watch_sender<nosy> tx(context, nosy(used));
  auto rx = tx.subscribe();
  auto changed = begin_changed(rx);
  tx.send(nosy(used));
  tx.send_replace(nosy(used));
  run_ready(context);
  BOOST_TEST(changed.changed());
}
