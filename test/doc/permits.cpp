// SPDX-License-Identifier: BSL-1.0
// requires: c++20
#define BOOST_TEST_MODULE doc_permits
#include "doc/run.hpp"

#include <sluice.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

struct job {
  int number = 0;
};

/// Jobs that other programs take, too: whoever takes one is responsible for it.
class job_store {
 public:
  explicit job_store(int count) {
    for (int number = 1; number <= count; ++number) jobs_.push_back(job{number});
  }

  std::optional<job> take() {
    if (jobs_.empty()) return std::nullopt;
    std::optional<job> first = jobs_.front();
    jobs_.pop_front();
    return first;
  }

  void put_back(job unused) { jobs_.push_front(unused); }

  std::size_t size() const { return jobs_.size(); }

 private:
  std::deque<job> jobs_;
};

// tag::reserve[]
asio::awaitable<void> fetch_jobs(job_store& store, sluice::sender<job> jobs) {
  for (;;) {
    auto place = co_await jobs.async_reserve();  // waits with empty hands
    std::optional<job> next = store.take();      // now it is ours to do
    if (!next) co_return;                        // the permit gives its place back
    if (place.send(std::move(*next))) {          // never waits
      store.put_back(std::move(*next));          // nobody is there to receive it any more
      co_return;
    }
  }
}
// end::reserve[]

BOOST_AUTO_TEST_CASE(a_job_is_taken_when_there_is_a_place_for_it) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<job>(context, 3);
  job_store store(10);
  spawn(context, fetch_jobs(store, std::move(tx)));
  while (context.poll_one() != 0) continue;
  BOOST_TEST(rx.size() == 3u);
  BOOST_TEST(store.size() == 7u);
  run(context, [](sluice::receiver<job> jobs) -> asio::awaitable<void> {
    int last = 0;
    while (auto next = co_await jobs.async_receive()) BOOST_TEST(next->number == ++last);
    BOOST_TEST(last == 10);
  }(std::move(rx)));
}

// tag::deadline[]
/// False if there was no place in time. Then the text is still the caller's.
asio::awaitable<bool> send_within(std::chrono::milliseconds patience, std::string& text,
                                  sluice::sender<std::string>& tx) {
  using namespace asio::experimental::awaitable_operators;
  asio::steady_timer timer(co_await asio::this_coro::executor, patience);
  auto result = co_await (tx.async_reserve() || timer.async_wait(asio::use_awaitable));
  if (result.index() == 1) co_return false;
  co_return !std::get<0>(result).send(std::move(text));
}
// end::deadline[]

BOOST_AUTO_TEST_CASE(a_place_is_waited_for_no_longer_than_one_likes) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<std::string>(context, 1);
  run(context, [](sluice::sender<std::string>& texts) -> asio::awaitable<void> {
    std::string first = "the first text of this test";
    std::string second = "the second text of this test";
    BOOST_TEST(co_await send_within(1h, first, texts));
    BOOST_TEST(!co_await send_within(1ms, second, texts));
    BOOST_TEST(second == "the second text of this test");
  }(tx));
  BOOST_TEST(rx.try_receive().value() == "the first text of this test");
  // The place that was waited for in vain is nobody's.
  BOOST_TEST(!tx.try_send("the third text of this test"));
}

BOOST_AUTO_TEST_CASE(a_place_that_will_never_come_is_no_exception) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<std::string>(context, 1);
  BOOST_TEST(!tx.try_send("the first text of this test"));
  std::optional<bool> sent;
  std::string text = "the second text of this test";
  spawn(context,
        [](sluice::sender<std::string>& to, std::string& what,
           std::optional<bool>& result) -> asio::awaitable<void> {
          result = co_await send_within(1ms, what, to);
        }(tx, text, sent));
  while (context.poll_one() != 0) continue;
  rx.close();
  context.run();
  BOOST_TEST((sent == false));
  BOOST_TEST(text == "the second text of this test");
}

struct booking {
  std::string account;
  long amount = 0;
};

// tag::several[]
/// Sends both bookings of a transfer, or neither.
sluice::error_code try_transfer(sluice::sender<booking>& bookings, booking from, booking to) {
  sluice::error_code ec;
  auto places = bookings.try_reserve_many(2, ec);
  if (!places) return ec;  // full, or closed
  ec = places->send(std::move(from));
  if (!ec) ec = places->send(std::move(to));
  return ec;  // closed, if the last receiver has gone meanwhile: then both are gone
}
// end::several[]

BOOST_AUTO_TEST_CASE(there_is_a_place_for_all_or_none_is_sent) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<booking>(context, 3);
  BOOST_TEST(!try_transfer(tx, {"a", -5}, {"b", 5}));
  BOOST_TEST((try_transfer(tx, {"b", -1}, {"c", 1}) == sluice::error::full));
  BOOST_TEST(rx.size() == 2u);
  BOOST_TEST(rx.try_receive().value().amount == -5);
  BOOST_TEST(!try_transfer(tx, {"b", -1}, {"c", 1}));
  rx = {};
  BOOST_TEST((try_transfer(tx, {"c", -1}, {"a", 1}) == sluice::error::closed));
}

// tag::last_word[]
/// Says how a piece of work ended, also if it is given up. The place for that is there from the
/// start.
class report {
 public:
  report(const std::string& name, sluice::permit<std::string> place)
      : done_(name + ": done"), given_up_(name + ": given up"), place_(std::move(place)) {}

  report(report&&) = default;

  ~report() {
    if (place_) say(std::move(given_up_));
  }

  void done() { say(std::move(done_)); }

 private:
  // Never waits. It is in vain only if nobody is left who could hear it.
  void say(std::string&& text) { static_cast<void>(place_.send(std::move(text))); }

  std::string done_;
  std::string given_up_;
  sluice::permit<std::string> place_;
};
// end::last_word[]

// tag::begin[]
/// Empty if so much is reported already, or under way, that there is no place for one more.
std::optional<report> begin_work(const std::string& name, sluice::sender<std::string>& reports) {
  sluice::error_code ec;
  auto place = reports.try_reserve(ec);
  if (!place) return std::nullopt;
  return report(name, std::move(*place));
}
// end::begin[]

// tag::listen[]
asio::awaitable<void> listen(sluice::receiver<std::string> reports, std::vector<std::string>& log) {
  while (auto next = co_await reports.async_receive()) log.push_back(std::move(*next));
}  // the channel is closed, and there is no work any more that could report something
// end::listen[]

BOOST_AUTO_TEST_CASE(the_end_waits_for_what_was_reserved) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<std::string>(context, 2);
  std::vector<std::string> log;
  spawn(context, listen(std::move(rx), log));
  {
    auto first = begin_work("first", tx);
    auto second = begin_work("second", tx);
    BOOST_TEST(!begin_work("third", tx).has_value());
    tx.close();
    first.value().done();
    while (context.poll_one() != 0) continue;
    BOOST_TEST((log == std::vector<std::string>{"first: done"}));
    BOOST_TEST(!context.stopped());  // somebody still listens
  }
  context.restart();
  context.run();
  BOOST_TEST((log == std::vector<std::string>{"first: done", "second: given up"}));
}

BOOST_AUTO_TEST_CASE(what_a_permit_says) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<std::string>(context, 2);
  // tag::members[]
  sluice::error_code ec;
  sluice::permit<std::string> places = tx.try_reserve_many(2, ec).value();
  std::size_t left = places.size();             // 2
  bool full = tx.full();                        // true: nobody else gets one of them
  std::size_t accepted = tx.size();             // 0: a place is not a value
  ec = places.send("one");                      // no error; one place is left
  places = {};                                  // and is given back
  ec = sluice::permit<std::string>().send("");  // error::full: it has no place
  // end::members[]
  BOOST_TEST(left == 2u);
  BOOST_TEST(full);
  BOOST_TEST(accepted == 0u);
  BOOST_TEST((ec == sluice::error::full));
  BOOST_TEST(!tx.full());
  BOOST_TEST(rx.try_receive().value() == "one");
}

BOOST_AUTO_TEST_CASE(what_cannot_be_reserved) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 2);
  auto [give, take] = sluice::make_channel<int>(context, 0);
  run(context,
      [](sluice::sender<int>& ints, sluice::sender<int>& rendezvous,
         sluice::receiver<int>& receiver) -> asio::awaitable<void> {
        const auto tuple = asio::as_tuple(sluice::use_awaitable);
        auto [too_many, none] = co_await ints.async_reserve_many(3, tuple);
        BOOST_TEST((too_many == asio::error::invalid_argument));
        BOOST_TEST(!none);
        auto [no_places, nothing] = co_await rendezvous.async_reserve(tuple);
        BOOST_TEST((no_places == asio::error::operation_not_supported));
        BOOST_TEST(!nothing);
        receiver = {};
        auto [closed, nobody] = co_await ints.async_reserve(tuple);
        BOOST_TEST((closed == sluice::error::closed));
        BOOST_TEST(!nobody);
      }(tx, give, rx));
  BOOST_TEST(take.size() == 0u);
}

}  // namespace
