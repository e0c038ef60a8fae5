// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE select

// Several things at once, of which exactly one happens: the rules of select, whatever its cases
// are. What each kind of case does is in select_cases.cpp.

#include "support/flavours.hpp"
#include "support/message.hpp"
#include "support/probe.hpp"
#include "support/selects.hpp"
#include "support/unit_test.hpp"

#include <sluice/channel.hpp>
#include <sluice/select.hpp>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <boost/system/system_error.hpp>

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

using namespace support;
using sluice::error;
using sluice::on_closed;
using sluice::on_receive;
using sluice::on_send;

// S1: exactly one case happens --------------------------------------------------------------------

FLAVOUR_TEST_CASE(S1_the_case_that_is_ready_happens, buffered_flavours) {
  asio::io_context context;
  auto [tx1, rx1] = flavour.open(context);
  auto [tx2, rx2] = flavour.open(context);
  BOOST_TEST(!tx2.try_send(message(7)));
  auto selected = begin_select(sluice::select(on_receive(rx1), on_receive(rx2)));
  BOOST_TEST(!selected.done());
  run_ready(context);
  BOOST_TEST(word_of(selected) == "1 7");
  BOOST_TEST(rx2.empty());
}

FLAVOUR_TEST_CASE(S1_it_waits_until_a_case_is_ready, flavours) {
  asio::io_context context;
  auto [tx1, rx1] = flavour.open(context);
  auto [tx2, rx2] = flavour.open(context);
  auto selected = begin_select(sluice::select(on_receive(rx1), on_receive(rx2)));
  run_ready(context);
  BOOST_TEST(!selected.done());
  auto sent = begin_send(tx2, 7);
  run_ready(context);
  BOOST_TEST(word_of(selected) == "1 7");
  BOOST_TEST(sent.succeeded());
  BOOST_TEST(tx1.try_send(message(1)) ==
             (flavour.is_rendezvous() ? error_code(error::full) : error_code()));
}

FLAVOUR_TEST_CASE(S1_of_two_ready_cases_one_happens, flavours) {
  asio::io_context context;
  auto [tx1, rx1] = flavour.open(context);
  auto [tx2, rx2] = flavour.open(context);
  for (const bool waits : {false, true}) {
    std::optional<sluice::basic_select<asio::any_io_executor, sluice::detail::fair_order,
                                       decltype(on_receive(rx1)), decltype(on_receive(rx2))>>
        s;
    s.emplace(sluice::select(on_receive(rx1), on_receive(rx2)));
    std::optional<decltype(begin_select(*s))> selected;
    if (waits) selected.emplace(begin_select(*s));
    auto sent1 = begin_send(tx1, 1);
    auto sent2 = begin_send(tx2, 2);
    if (!waits) selected.emplace(begin_select(*s));
    run_ready(context);
    const bool first = selected->which() == 0;
    BOOST_TEST(word_of(*selected) == (first ? "0 1" : "1 2"));
    // The other one keeps its message, at its place.
    auto& left = first ? rx2 : rx1;
    BOOST_TEST(take(left).id == (first ? 2 : 1));
    BOOST_TEST(take(first ? rx1 : rx2).error == error::empty);
    run_ready(context);
    BOOST_TEST((sent1.succeeded() && sent2.succeeded()));
  }
}

FLAVOUR_TEST_CASE(S1_of_four_ready_cases_three_keep_what_they_have, flavours) {
  asio::io_context context;
  auto first = flavour.open(context);
  std::vector<decltype(first)> ends{first, flavour.open(context), flavour.open(context),
                                    flavour.open(context)};
  auto s = sluice::select(on_receive(ends[0].second), on_receive(ends[1].second),
                          on_receive(ends[2].second), on_receive(ends[3].second));
  for (int round = 0; round != 200; ++round) {
    std::optional<decltype(begin_select(s))> selected;
    if (round % 2 == 0) selected.emplace(begin_select(s));
    std::vector<send_probe> sent;
    for (int i = 0; i != 4; ++i)
      sent.push_back(begin_send(ends[static_cast<std::size_t>(i)].first, i));
    if (!selected) selected.emplace(begin_select(s));
    run_ready(context);
    const std::size_t which = selected->which();
    BOOST_TEST_REQUIRE(word_of(*selected) == std::to_string(which) + ' ' + std::to_string(which));
    for (std::size_t i = 0; i != 4; ++i) {
      const auto left = take(ends[i].second);
      BOOST_TEST_REQUIRE(left.id == (i == which ? message::none : static_cast<int>(i)));
    }
    run_ready(context);
    for (const auto& each : sent) BOOST_TEST_REQUIRE(each.succeeded());
  }
}

FLAVOUR_TEST_CASE(S1_a_case_that_did_not_happen_passes_on_its_promise, flavours) {
  asio::io_context context;
  auto [tx1, rx1] = flavour.open(context);
  auto [tx2, rx2] = flavour.open(context);
  auto selected = begin_select(sluice::biased_select(on_receive(rx1), on_receive(rx2)));
  auto next = begin_receive(rx2);
  auto sent2 = begin_send(tx2, 2);
  auto sent1 = begin_send(tx1, 1);
  // The select was promised both, and leaves the second to who waits behind it.
  run_ready(context);
  BOOST_TEST(word_of(selected) == "0 1");
  BOOST_TEST(next.id() == 2);
}

FLAVOUR_TEST_CASE(S1_nothing_stays_registered, flavours) {
  asio::io_context context;
  auto [tx1, rx1] = flavour.open(context);
  auto [tx2, rx2] = flavour.open(context);
  auto s = sluice::select(on_receive(rx1), on_receive(rx2), on_closed(tx1));
  for (int i = 0; i != 100; ++i) {
    auto selected = begin_select(s);
    auto sent = begin_send(i % 2 == 0 ? tx1 : tx2, i);
    run_ready(context);
    BOOST_TEST_REQUIRE(word_of(selected) == std::to_string(i % 2) + ' ' + std::to_string(i));
  }
  // Who comes now is the first in line, at both.
  auto received1 = begin_receive(rx1);
  auto received2 = begin_receive(rx2);
  auto sent1 = begin_send(tx1, 1);
  auto sent2 = begin_send(tx2, 2);
  run_ready(context);
  BOOST_TEST(received1.id() == 1);
  BOOST_TEST(received2.id() == 2);
}

FLAVOUR_TEST_CASE(S1_nothing_grows_in_100000_rounds, rendezvous_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.template open<int>(context);
  auto [never, nothing] = flavour.template open<int>(context);
  auto s = sluice::select(on_receive(nothing), on_receive(rx), on_send(never, 1));
  int sum = 0;
  for (int i = 0; i != 100'000; ++i) {
    s.async_wait([&](error_code, std::size_t which, auto&& value) {
      if (which == 1) sum += *std::get<1>(value);
    });
    tx.async_send(1, asio::detached);
    run_ready(context);
  }
  BOOST_TEST(sum == 100'000);
  // An offer that had stayed would be met by this receive now.
  auto received = begin_receive(nothing);
  run_ready(context);
  BOOST_TEST(!received.done());
}

FLAVOUR_TEST_CASE(S1_the_same_channel_may_stand_in_several_cases, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto selected = begin_select(sluice::select(on_receive(rx), on_receive(rx), on_receive(rx)));
  auto sent = begin_sends(tx, 1, 2);
  auto next = begin_receive(rx);
  run_ready(context);
  BOOST_TEST(selected.succeeded());
  BOOST_TEST(word_of_value(selected.value()) == " 1");
  BOOST_TEST(next.id() == 2);
}

FLAVOUR_TEST_CASE(S1_cancelling_takes_and_sends_nothing, flavours) {
  asio::io_context context;
  auto [tx1, rx1] = flavour.open(context);
  auto [tx2, rx2] = flavour.open(context);
  auto filled = begin_sends(tx2, 10, static_cast<int>(flavour.accepts(3)));
  message offered(9);
  for (const auto type : {asio::cancellation_type::terminal, asio::cancellation_type::partial,
                          asio::cancellation_type::total}) {
    auto s = sluice::select(on_receive(rx1), on_send(tx2, std::ref(offered)));
    if (flavour.is_unbounded()) break;
    auto selected = begin_select(s);
    run_ready(context);
    selected.cancel(type);
    BOOST_TEST(!selected.done());
    run_ready(context);
    BOOST_TEST(word_of(selected) == "npos aborted");
    BOOST_TEST(offered.id() == 9);
  }
}

FLAVOUR_TEST_CASE(S1_a_promise_of_a_cancelled_select_goes_on, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto [other, never] = flavour.open(context);
  auto selected = begin_select(sluice::select(on_receive(rx), on_receive(never)));
  auto next = begin_receive(rx);
  auto sent = begin_send(tx, 7);
  selected.cancel();
  run_ready(context);
  BOOST_TEST(word_of(selected) == "npos aborted");
  BOOST_TEST(next.id() == 7);
}

FLAVOUR_TEST_CASE(S1_what_was_promised_may_be_gone_and_it_waits_on, limited_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto [tx2, rx2] = flavour.open(context);
  if (!flavour.is_rendezvous()) return;
  auto selected = begin_select(sluice::select(on_receive(rx), on_receive(rx2)));
  auto sent = begin_send(tx, 1);
  sent.cancel();
  run_ready(context);
  BOOST_TEST(sent.aborted());
  BOOST_TEST(!selected.done());
  auto again = begin_send(tx2, 2);
  run_ready(context);
  BOOST_TEST(word_of(selected) == "1 2");
}

FLAVOUR_TEST_CASE(S1_a_select_is_waited_on_again_and_again, flavours) {
  asio::io_context context;
  auto [tx1, rx1] = flavour.open(context);
  auto [tx2, rx2] = flavour.open(context);
  auto s = sluice::biased_select(on_receive(rx1), on_receive(rx2));
  auto sent1 = begin_sends(tx1, 1, 2);
  auto sent2 = begin_sends(tx2, 3, 1);
  std::string words;
  for (int i = 0; i != 3; ++i) {
    auto selected = begin_select(s);
    run_ready(context);
    words += word_of(selected) + ", ";
  }
  BOOST_TEST(words == "0 1, 0 2, 1 3, ");
}

FLAVOUR_TEST_CASE(S1_two_selects_share_their_channels, flavours) {
  asio::io_context context;
  auto [tx1, rx1] = flavour.open(context);
  auto [tx2, rx2] = flavour.open(context);
  auto first = begin_select(sluice::select(on_receive(rx1), on_receive(rx2)));
  auto second = begin_select(sluice::select(on_receive(rx2), on_receive(rx1)));
  auto sent1 = begin_send(tx1, 1);
  run_ready(context);
  BOOST_TEST(word_of(first) == "0 1");
  BOOST_TEST(!second.done());
  auto sent2 = begin_send(tx1, 2);
  run_ready(context);
  BOOST_TEST(word_of(second) == "1 2");
}

FLAVOUR_TEST_CASE(S1_a_value_that_was_not_sent_is_the_callers, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto [tx2, rx2] = flavour.open(context);
  message value(5);
  auto sent = begin_send(tx2, 2);
  auto selected =
      begin_select(sluice::biased_select(on_receive(rx2), on_send(tx, std::ref(value))));
  run_ready(context);
  BOOST_TEST(word_of(selected) == "0 2");
  BOOST_TEST(value.id() == 5);
  BOOST_TEST(rx.empty());
}

FLAVOUR_TEST_CASE(S1_a_value_goes_with_the_select_that_owns_it, flavours) {
  asio::io_context context;
  ledger counted;
  auto [tx, rx] = flavour.open(context);
  auto [tx2, rx2] = flavour.open(context);
  {
    auto s = sluice::biased_select(on_receive(rx2), on_send(tx, message(5, counted)));
    auto sent = begin_send(tx2, 2);
    auto selected = begin_select(s);
    run_ready(context);
    BOOST_TEST(word_of(selected) == "0 2");
    BOOST_TEST(counted.alive() == 1);
  }
  BOOST_TEST(counted.alive() == 0);
  // One that was moved into its wait goes with that.
  auto sent = begin_send(tx2, 3);
  auto selected =
      begin_select(sluice::biased_select(on_receive(rx2), on_send(tx, message(6, counted))));
  run_ready(context);
  BOOST_TEST(word_of(selected) == "0 3");
  BOOST_TEST(counted.alive() == 0);
}

FLAVOUR_TEST_CASE(S1_when_all_values_are_sent_there_is_no_case_left, buffered_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto s = sluice::select(on_send(tx, message(1)));
  auto selected = begin_select(s);
  run_ready(context);
  BOOST_TEST(word_of(selected) == "0");
  auto again = begin_select(s);
  run_ready(context);
  BOOST_TEST(again.which() == sluice::npos);
  BOOST_TEST(again.error() == asio::error::invalid_argument);
  BOOST_TEST(drain(rx) == "1");
}

// S2: fair, and a closed channel is ready ----------------------------------------------------------

FLAVOUR_TEST_CASE(S2_each_ready_case_has_its_turn, buffered_flavours) {
  asio::io_context context;
  auto [tx1, rx1] = flavour.template open<int>(context);
  auto [tx2, rx2] = flavour.template open<int>(context);
  auto [tx3, rx3] = flavour.template open<int>(context);
  auto [tx4, rx4] = flavour.template open<int>(context);
  auto s = sluice::select(on_receive(rx1), on_receive(rx2), on_receive(rx3), on_receive(rx4));
  // The third is never ready. Each of the others has a third of 3,000 rounds, with a standard
  // deviation of 26; so 300 to either side is one in 10^30.
  for (const bool waits : {false, true}) {
    std::array<int, 4> turns{};
    for (int i = 0; i != 3'000; ++i) {
      const auto fill = [&] {
        for (auto* tx : {&tx1, &tx2, &tx4}) static_cast<void>(tx->try_send(1));
      };
      if (!waits) fill();
      s.async_wait([&](error_code, std::size_t which, auto&&) { ++turns[which]; });
      if (waits) fill();
      run_ready(context);
      for (auto* rx : {&rx1, &rx2, &rx4}) static_cast<void>(rx->try_receive());
    }
    for (const std::size_t i : {0u, 1u, 3u}) {
      BOOST_TEST(turns[i] > 700);
      BOOST_TEST(turns[i] < 1'300);
    }
    BOOST_TEST(turns[2] == 0);
  }
}

FLAVOUR_TEST_CASE(S2_a_send_and_a_receive_have_their_turns, buffered_flavours) {
  asio::io_context context;
  auto [tx1, rx1] = flavour.template open<int>(context);
  auto [tx2, rx2] = flavour.template open<int>(context);
  std::array<int, 2> turns{};
  for (int i = 0; i != 2'000; ++i) {
    static_cast<void>(tx2.try_send(1));
    sluice::select(on_send(tx1, 1), on_receive(rx2))
        .async_wait([&](error_code, std::size_t which, auto&&) { ++turns[which]; });
    run_ready(context);
    static_cast<void>(rx1.try_receive());
  }
  BOOST_TEST(turns[0] > 700);
  BOOST_TEST(turns[1] > 700);
}

FLAVOUR_TEST_CASE(S2_biased_takes_the_first_as_written, buffered_flavours) {
  asio::io_context context;
  auto [tx1, rx1] = flavour.open(context);
  auto [tx2, rx2] = flavour.open(context);
  for (int i = 0; i != 50; ++i) {
    BOOST_TEST_REQUIRE(!tx1.try_send(message(1)));
    BOOST_TEST_REQUIRE(!tx2.try_send(message(2)));
    auto selected = begin_select(sluice::biased_select(on_receive(rx2), on_receive(rx1)));
    run_ready(context);
    BOOST_TEST_REQUIRE(word_of(selected) == "0 2");
    BOOST_TEST_REQUIRE(take(rx1).id == 1);
  }
}

FLAVOUR_TEST_CASE(S2_biased_looks_in_its_order_when_it_wakes, flavours) {
  asio::io_context context;
  auto [tx1, rx1] = flavour.open(context);
  auto [tx2, rx2] = flavour.open(context);
  auto selected = begin_select(sluice::biased_select(on_receive(rx1), on_receive(rx2)));
  auto sent2 = begin_send(tx2, 2);
  auto sent1 = begin_send(tx1, 1);
  run_ready(context);
  BOOST_TEST(word_of(selected) == "0 1");
  BOOST_TEST(take(rx2).id == 2);
}

FLAVOUR_TEST_CASE(S2_a_closed_channel_is_ready, flavours) {
  asio::io_context context;
  auto [tx1, rx1] = flavour.open(context);
  auto [tx2, rx2] = flavour.open(context);
  tx2.close();
  auto selected = begin_select(sluice::select(on_receive(rx1), on_receive(rx2)));
  run_ready(context);
  BOOST_TEST(word_of(selected) == "1 end");
  // And one that is closed while the select waits.
  auto waiting = begin_select(sluice::select(on_receive(rx1), on_closed(tx1)));
  run_ready(context);
  tx1.close(asio::error::eof);
  run_ready(context);
  BOOST_TEST(waiting.done());
  if (waiting.which() == 0)
    BOOST_TEST(waiting.error() == asio::error::eof);
  else
    BOOST_TEST(!waiting.error());
}

FLAVOUR_TEST_CASE(S2_the_error_is_that_of_the_case, flavours) {
  asio::io_context context;
  auto [tx1, rx1] = flavour.open(context);
  auto [tx2, rx2] = flavour.open(context);
  tx2.close(asio::error::eof);
  auto received = begin_select(sluice::select(on_receive(rx1), on_receive(rx2)));
  run_ready(context);
  BOOST_TEST(received.which() == 1u);
  BOOST_TEST(received.error() == asio::error::eof);
  auto sent = begin_select(sluice::select(on_receive(rx1), on_send(tx2, message(3))));
  run_ready(context);
  BOOST_TEST(word_of(sent) == "1 closed");
  // A handle that was moved from belongs to nothing.
  auto moved = std::move(rx1);
  auto empty = begin_select(sluice::select(on_receive(moved), on_receive(rx1)));
  run_ready(context);
  BOOST_TEST(word_of(empty) == "1 closed");
}

// S3: at one instant -------------------------------------------------------------------------------

FLAVOUR_TEST_CASE(S3_nothing_is_ready_and_nothing_happens, flavours) {
  asio::io_context context;
  auto [tx1, rx1] = flavour.open(context);
  auto [tx2, rx2] = flavour.open(context);
  auto s = sluice::select(on_receive(rx1), on_receive(rx2), on_receive(rx1));
  BOOST_TEST(word_of(s.try_now()) == "nothing");
  auto sent = begin_send(tx2, 2);
  BOOST_TEST(word_of(s.try_now()) == "1 2");
  run_ready(context);
  BOOST_TEST(sent.succeeded());
  BOOST_TEST(word_of(s.try_now()) == "nothing");
}

FLAVOUR_TEST_CASE(S3_it_sends_if_there_is_a_place, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  message value(4);
  auto s = sluice::select(on_send(tx, std::ref(value)));
  if (flavour.is_rendezvous()) {
    BOOST_TEST(word_of(s.try_now()) == "nothing");
    BOOST_TEST(value.id() == 4);
    auto received = begin_receive(rx);
    BOOST_TEST(word_of(s.try_now()) == "0");
    run_ready(context);
    BOOST_TEST(received.id() == 4);
  } else {
    BOOST_TEST(word_of(s.try_now()) == "0");
    BOOST_TEST(drain(rx) == "4");
  }
}

FLAVOUR_TEST_CASE(S3_what_is_promised_is_not_there, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto received = begin_receive(rx);
  auto sent = begin_send(tx, 1);
  auto s = sluice::select(on_receive(rx));
  BOOST_TEST(word_of(s.try_now()) == "nothing");
  run_ready(context);
  BOOST_TEST(received.id() == 1);
}

FLAVOUR_TEST_CASE(S3_an_error_is_told_or_thrown, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  rx.close();
  auto s = sluice::select(on_send(tx, message(1)));
  error_code ec;
  BOOST_TEST(s.try_now(ec).has_value());
  BOOST_TEST(ec == error::closed);
  BOOST_CHECK_THROW(static_cast<void>(s.try_now()), boost::system::system_error);
  // The end of a stream is none.
  auto r = sluice::select(on_receive(rx));
  BOOST_TEST(word_of(r.try_now(ec)) == "0 end");
  BOOST_TEST(!ec);
  auto moved = std::move(rx);
  auto e = sluice::select(on_receive(rx));
  BOOST_TEST(e.try_now(ec).has_value());
  BOOST_TEST(ec == error::closed);
}

FLAVOUR_TEST_CASE(S3_who_is_woken_by_it_may_use_the_channels, limited_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  const int waiting = static_cast<int>(flavour.accepts(9)) + 1;
  auto sent = begin_sends(tx, 1, waiting);
  auto s = sluice::select(on_receive(rx), on_closed(tx));
  std::string ids;
  for (int i = 0; i != waiting; ++i) ids += word_of(s.try_now()) + ' ';
  run_ready(context);
  BOOST_TEST(sent.back().succeeded());
  BOOST_TEST(ids.substr(0, 4) == "0 1 ");
}

// S4: a rendezvous ---------------------------------------------------------------------------------

FLAVOUR_TEST_CASE(S4_a_select_never_meets_itself, rendezvous_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto selected =
      begin_select(sluice::select(on_receive(rx), on_send(tx, message(1)), on_receive(rx)));
  run_ready(context);
  BOOST_TEST(!selected.done());
  auto s = sluice::select(on_receive(rx), on_send(tx, message(2)));
  // try_send would meet it, and so does this.
  BOOST_TEST(word_of(s.try_now()) == "1");
  run_ready(context);
  BOOST_TEST(selected.which() != 1u);
  BOOST_TEST(word_of_value(selected.value()) == " 2");
}

FLAVOUR_TEST_CASE(S4_two_selects_that_offer_both_ends_meet, rendezvous_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto first = begin_select(sluice::select(on_receive(rx), on_send(tx, message(1))));
  run_ready(context);
  auto second = begin_select(sluice::select(on_receive(rx), on_send(tx, message(2))));
  run_ready(context);
  const bool first_received = first.which() == 0;
  BOOST_TEST(word_of(first) == (first_received ? "0 2" : "1"));
  BOOST_TEST(word_of(second) == (first_received ? "1" : "0 1"));
  BOOST_TEST(rx.empty());
}

FLAVOUR_TEST_CASE(S4_44_selects_that_offer_both_ends_pair_up, rendezvous_flavours) {
  for (int round = 0; round != 20; ++round) {
    asio::io_context context;
    auto [tx, rx] = flavour.open(context);
    std::vector<decltype(begin_select(sluice::select(on_receive(rx), on_send(tx, message(0)))))>
        selects;
    for (int i = 0; i != 44; ++i) {
      selects.push_back(begin_select(sluice::select(on_receive(rx), on_send(tx, message(i)))));
      if (i % (round + 1) == 0) run_ready(context);
    }
    run_ready(context);
    int received = 0;
    std::array<bool, 44> seen{};
    for (std::size_t i = 0; i != 44; ++i) {
      BOOST_TEST_REQUIRE(selects[i].succeeded());
      if (selects[i].which() != 0) continue;
      ++received;
      const auto id = static_cast<std::size_t>(std::get<0>(selects[i].value()).value().id());
      BOOST_TEST(!std::exchange(seen[id], true));
      BOOST_TEST(selects[id].which() == 1u);
    }
    BOOST_TEST(received == 22);
    BOOST_TEST(rx.empty());
  }
}

FLAVOUR_TEST_CASE(S4_an_offer_meets_a_receive_that_waits, rendezvous_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto [other, never] = flavour.open(context);
  auto received = begin_receive(rx);
  auto selected = begin_select(sluice::select(on_receive(never), on_send(tx, message(1))));
  run_ready(context);
  BOOST_TEST(word_of(selected) == "1");
  BOOST_TEST(received.id() == 1);
}

FLAVOUR_TEST_CASE(S4_a_receive_meets_an_offer_that_waits, rendezvous_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto [other, never] = flavour.open(context);
  auto selected = begin_select(sluice::select(on_receive(never), on_send(tx, message(1))));
  run_ready(context);
  BOOST_TEST(!selected.done());
  auto received = begin_receive(rx);
  run_ready(context);
  BOOST_TEST(word_of(selected) == "1");
  BOOST_TEST(received.id() == 1);
}

FLAVOUR_TEST_CASE(S4_an_offer_whose_receive_is_gone_waits_on, rendezvous_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto [other, never] = flavour.open(context);
  auto selected = begin_select(sluice::select(on_receive(never), on_send(tx, message(1))));
  auto received = begin_receive(rx);
  received.cancel();
  run_ready(context);
  BOOST_TEST(received.aborted());
  BOOST_TEST(!selected.done());
  auto again = begin_receive(rx);
  run_ready(context);
  BOOST_TEST(word_of(selected) == "1");
  BOOST_TEST(again.id() == 1);
}

FLAVOUR_TEST_CASE(S4_a_cancelled_offer_leaves_the_receive_to_the_next, rendezvous_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto [other, never] = flavour.open(context);
  auto first = begin_select(sluice::select(on_receive(never), on_send(tx, message(1))));
  auto second = begin_select(sluice::select(on_receive(never), on_send(tx, message(2))));
  auto received = begin_receive(rx);
  // The first was called, and does not come.
  first.cancel();
  run_ready(context);
  BOOST_TEST(word_of(first) == "npos aborted");
  BOOST_TEST(word_of(second) == "1");
  BOOST_TEST(received.id() == 2);
}

FLAVOUR_TEST_CASE(S4_a_pending_send_goes_before_an_offer, rendezvous_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto [other, never] = flavour.open(context);
  auto sent = begin_send(tx, 1);
  auto selected = begin_select(sluice::select(on_receive(never), on_send(tx, message(2))));
  auto received = begin_receives(rx, 2);
  run_ready(context);
  BOOST_TEST(words_of(received) == "1 2");
  BOOST_TEST(sent.succeeded());
  BOOST_TEST(word_of(selected) == "1");
}

FLAVOUR_TEST_CASE(S4_selects_that_could_both_send_do_not, rendezvous_flavours) {
  // Each sends where the other receives, so one of the two does.
  asio::io_context context;
  auto [tx1, rx1] = flavour.open(context);
  auto [tx2, rx2] = flavour.open(context);
  for (int i = 0; i != 50; ++i) {
    auto first = begin_select(sluice::select(on_send(tx1, message(1)), on_receive(rx2)));
    auto second = begin_select(sluice::select(on_send(tx2, message(2)), on_receive(rx1)));
    run_ready(context);
    BOOST_TEST_REQUIRE(first.which() != second.which());
    BOOST_TEST_REQUIRE(word_of(first) == (first.which() == 0 ? "0" : "1 2"));
    BOOST_TEST_REQUIRE(word_of(second) == (second.which() == 0 ? "0" : "1 1"));
    BOOST_TEST_REQUIRE((rx1.empty() && rx2.empty()));
  }
}

FLAVOUR_TEST_CASE(S4_what_a_taker_leaves_stays_for_the_next, rendezvous_flavours) {
  asio::io_context context;
  auto [tx1, rx1] = flavour.open(context);
  auto [tx2, rx2] = flavour.open(context);
  auto taker = begin_select(sluice::biased_select(on_receive(rx1), on_receive(rx2)));
  BOOST_TEST(!tx2.try_send(message(2)));
  auto sent = begin_send(tx1, 1);
  run_ready(context);
  BOOST_TEST(word_of(taker) == "0 1");
  BOOST_TEST(rx2.size() == 1u);
  BOOST_TEST(take(rx2).id == 2);
}

// As an I/O object --------------------------------------------------------------------------------

FLAVOUR_TEST_CASE(a_pending_select_completes_where_its_first_handle_says, flavours) {
  asio::io_context context;
  asio::io_context other;
  auto [tx1, rx1] = flavour.open(context);
  auto [tx2, rx2] = flavour.open(other);
  auto selected = begin_select(
      sluice::select(sluice::after(std::chrono::hours(1)), on_receive(rx1), on_receive(rx2)));
  auto sent = begin_send(tx2, 2);
  run_ready(other);
  BOOST_TEST(!selected.done());
  run_ready(context);
  BOOST_TEST(word_of(selected) == "2 2");
}

FLAVOUR_TEST_CASE(C1_a_waiting_send_case_keeps_the_channel_open, limited_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto [other, never] = flavour.open(context);
  auto filled = begin_sends(tx, 1, static_cast<int>(flavour.accepts(9)));
  auto selected = begin_select(sluice::select(on_receive(never), on_send(tx, message(9))));
  tx = {};
  auto received = begin_receives(rx, static_cast<int>(filled.size()) + 2);
  run_ready(context);
  BOOST_TEST(word_of(selected) == "1");
  BOOST_TEST(received[filled.size()].id() == 9);
  BOOST_TEST(received.back().ended());
}

FLAVOUR_TEST_CASE(K4_cancel_of_a_handle_is_told_by_its_case, flavours) {
  asio::io_context context;
  auto [tx1, rx1] = flavour.open(context);
  auto [tx2, rx2] = flavour.open(context);
  auto selected = begin_select(sluice::select(on_receive(rx1), on_receive(rx2)));
  auto copy = rx2;
  copy.cancel();
  run_ready(context);
  BOOST_TEST(!selected.done());
  rx2.cancel();
  run_ready(context);
  BOOST_TEST(word_of(selected) == "1 aborted");
}

FLAVOUR_TEST_CASE(K5_a_context_takes_its_selects_along, flavours) {
  ledger counted;
  auto context = std::make_unique<asio::io_context>();
  asio::io_context other;
  auto [tx1, rx1] = flavour.open(other);
  auto [tx2, rx2] = flavour.open(other);
  auto here = rx1.with_executor(context->get_executor());
  auto selected = begin_select(sluice::select(on_receive(here), on_receive(rx2),
                                              on_send(tx2, message(1, counted)),
                                              sluice::after(std::chrono::hours(1))));
  auto next = begin_receive(rx1);
  here = {};
  run_ready(other);
  if (!flavour.is_rendezvous()) {
    // A place was free, so it is on its way.
    context.reset();
    BOOST_TEST(selected.dropped());
    BOOST_TEST(counted.alive() == 0);
    return;
  }
  auto sent = begin_sends(tx1, 1, 1);
  context.reset();
  BOOST_TEST(selected.dropped());
  BOOST_TEST(counted.alive() == 0);
  run_ready(other);
  BOOST_TEST(next.id() == 1);
}

FLAVOUR_TEST_CASE(K9_a_select_begins_when_it_is_started, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto operation = sluice::select(on_receive(rx)).async_wait(asio::deferred);
  auto moved = std::move(rx);
  auto received = begin_receive(moved);
  auto sent = begin_sends(tx, 1, 2);
  select_probe<typename std::variant<std::optional<message>>> selected;
  std::move(operation)(selected.get_handler());
  run_ready(context);
  BOOST_TEST(received.id() == 1);
  BOOST_TEST(word_of(selected) == "0 2");
}

// A range of receivers ----------------------------------------------------------------------------

FLAVOUR_TEST_CASE(S1_one_of_a_range_receives, flavours) {
  asio::io_context context;
  using ends = decltype(flavour.open(context));
  std::vector<typename ends::first_type> senders;
  std::vector<typename ends::second_type> receivers;
  for (int i = 0; i != 20; ++i) {
    auto [tx, rx] = flavour.open(context);
    senders.push_back(std::move(tx));
    receivers.push_back(std::move(rx));
  }
  auto s = sluice::select_receive(receivers);
  auto waiting = begin_select(s);
  auto sent = begin_send(senders[13], 1);
  run_ready(context);
  BOOST_TEST(word_of(waiting) == "13 1");
  auto ready_send = begin_send(senders[7], 2);
  auto ready = begin_select(s);
  run_ready(context);
  BOOST_TEST(word_of(ready) == "7 2");
  auto cancelled = begin_select(s);
  cancelled.cancel();
  run_ready(context);
  BOOST_TEST(word_of(cancelled) == "npos aborted");
  // A temporary range goes with the select, and leaves none of its receivers behind.
  auto last = begin_select(sluice::select_receive(std::move(receivers)));
  run_ready(context);
  BOOST_TEST(!last.done());
  senders[3] = {};
  run_ready(context);
  BOOST_TEST(word_of(last) == "3 end");
  BOOST_TEST(senders[0].is_closed());
}

FLAVOUR_TEST_CASE(a_range_of_nothing_has_no_case, flavours) {
  asio::io_context context;
  using ends = decltype(flavour.open(context));
  std::vector<typename ends::second_type> none;
  auto s = sluice::select_receive(none);
  bool called = false;
  s.async_wait(asio::bind_executor(context, [&](error_code ec, std::size_t which, auto&&) {
    called = true;
    BOOST_TEST(which == sluice::npos);
    BOOST_TEST(ec == asio::error::invalid_argument);
  }));
  BOOST_TEST(!called);
  run_ready(context);
  BOOST_TEST(called);
}
