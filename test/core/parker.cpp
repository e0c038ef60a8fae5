// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE core_parker

// Where a thread sleeps, and until when.

#include "support/telling_clock.hpp"

#include <sluice/detail/core/deadline.hpp>
#include <sluice/detail/core/parker.hpp>
#include <sluice/threading.hpp>

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <cstdint>
#include <limits>
#include <ratio>
#include <thread>
#include <vector>

using namespace sluice::detail::core;
using namespace support;
using namespace std::chrono_literals;
using parker_type = parker<sluice::multi_threaded>;
using std::chrono::steady_clock;

namespace {

struct recorded : task {
  recorded(int id, std::vector<int>& list) : task(&recorded::pass), id_(id), list_(list) {}

  static void pass(task& t, bool run) {
    auto& self = static_cast<recorded&>(t);
    self.list_.push_back(run ? self.id_ : -self.id_);
  }

  int id_;
  std::vector<int>& list_;
};

event next(parker_type& p) {
  task* to_do = nullptr;
  const event seen = p.next(to_do, no_deadline());
  if (seen == event::task) to_do->run();
  return seen;
}

using telling_deadline = deadline<telling_clock>;

}  // namespace

BOOST_AUTO_TEST_CASE(what_there_is_to_do_comes_in_order_and_before_the_end) {
  std::vector<int> done;
  recorded one(1, done), two(2, done);
  parker_type p;
  p.give(one);
  p.give(two);
  p.finish();
  BOOST_TEST((next(p) == event::task));
  BOOST_TEST((next(p) == event::task));
  BOOST_TEST((next(p) == event::over));
  BOOST_TEST((next(p) == event::over));
  BOOST_TEST(done == std::vector<int>({1, 2}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(what_nobody_asked_for_is_dropped) {
  std::vector<int> done;
  recorded one(1, done), two(2, done);
  {
    parker_type p;
    p.give(one);
    p.give(two);
  }
  BOOST_TEST(done == std::vector<int>({-1, -2}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(what_there_is_to_do_comes_before_a_deadline_that_has_passed) {
  std::vector<int> done;
  recorded one(1, done);
  parker_type p;
  const deadline<steady_clock> past(steady_clock::now() - 1h);
  task* to_do = nullptr;
  BOOST_TEST((p.next(to_do, past) == event::late));
  p.give(one);
  BOOST_TEST((p.next(to_do, past) == event::task));
  BOOST_TEST(to_do == &one);
  BOOST_TEST((p.next(to_do, past) == event::late));
  p.finish();
  BOOST_TEST((p.next(to_do, past) == event::over));
}

BOOST_AUTO_TEST_CASE(a_sleeping_thread_is_woken) {
  for (int round = 0; round != 200; ++round) {
    std::vector<int> done;
    recorded one(1, done);
    telling_clock::reset();
    std::thread other;
    {
      parker_type p;
      other = std::thread([&p, &one, round] {
        if (round % 2 != 0) telling_clock::wait_for_waiting();
        p.give(one);
        p.finish();
      });
      // The parker goes as soon as it is over.
      task* to_do = nullptr;
      const telling_deadline limit(telling_clock::deadline());
      BOOST_TEST((p.next(to_do, limit) == event::task));
      BOOST_TEST((p.next(to_do, limit) == event::over));
    }
    other.join();
  }
}

BOOST_AUTO_TEST_CASE(a_deadline_of_another_clock_decides) {
  telling_clock::reset();
  parker_type p;
  task* to_do = nullptr;
  const auto soon = telling_clock::start() + 1ms;
  std::thread other([&] {
    // It has slept by the steady clock, but its own one stands still.
    telling_clock::wait_for_questions(10);
    telling_clock::set(soon);
  });
  BOOST_TEST((p.next(to_do, telling_deadline(soon)) == event::late));
  other.join();
}

// What overflows elsewhere ------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(B2_no_duration_is_too_long) {
  using clock = steady_clock;
  const auto never = deadline<clock>::after(std::chrono::nanoseconds::max());
  BOOST_TEST((never.limit() == clock::time_point::max()));
  BOOST_TEST(!never.has_passed());
  BOOST_TEST(
      (deadline<clock>::after(std::chrono::hours::max()).limit() == clock::time_point::max()));
  BOOST_TEST((deadline<clock>::after(std::chrono::duration<double>(1e300)).limit() ==
              clock::time_point::max()));
  BOOST_TEST((
      deadline<clock>::after(std::chrono::duration<double>(std::numeric_limits<double>::infinity()))
          .limit() == clock::time_point::max()));
  BOOST_TEST(
      (deadline<clock>::after(std::chrono::duration<std::int64_t, std::ratio<31'556'952>>::max())
           .limit() == clock::time_point::max()));
  const auto nearly = deadline<clock>::after(std::chrono::nanoseconds::max() - 1h);
  BOOST_TEST(!nearly.has_passed());
}

BOOST_AUTO_TEST_CASE(B2_no_duration_is_too_short) {
  using clock = steady_clock;
  for (const auto limit :
       {deadline<clock>::after(std::chrono::nanoseconds::min()), deadline<clock>::after(0ns),
        deadline<clock>::after(-1h), deadline<clock>::after(std::chrono::hours::min()),
        deadline<clock>::after(std::chrono::duration<double>(-1e300))})
    BOOST_TEST(limit.has_passed());
}

BOOST_AUTO_TEST_CASE(B2_no_moment_is_too_far) {
  using std::chrono::system_clock;
  const auto never = deadline<system_clock>::at(system_clock::time_point::max());
  BOOST_TEST(!never.has_passed());
  BOOST_TEST((never.limit() == steady_time::max()));
  using coarse = std::chrono::time_point<system_clock, std::chrono::hours>;
  BOOST_TEST((deadline<system_clock>::at(coarse::max()).limit() == steady_time::max()));
  BOOST_TEST(deadline<system_clock>::at(coarse::min()).has_passed());
  BOOST_TEST(deadline<system_clock>::at(system_clock::time_point::min()).has_passed());

  // The distance from now is more than the clock can count.
  telling_clock::reset();
  telling_clock::set(telling_clock::time_point::min());
  const telling_deadline far(telling_clock::time_point::max() - 1ns);
  BOOST_TEST(!far.has_passed());
  BOOST_TEST((far.limit() == steady_time::max()));
}

BOOST_AUTO_TEST_CASE(B2_fractions_of_a_duration_count) {
  const auto limit = deadline<steady_clock>::after(std::chrono::duration<double>(3600.5));
  BOOST_TEST((limit.limit() - steady_clock::now() > 1h));
}
