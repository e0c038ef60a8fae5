// SPDX-License-Identifier: BSL-1.0
// requires: c++20
#define BOOST_TEST_MODULE doc_batches
#include "doc/run.hpp"

#include <sluice.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/test/unit_test.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace asio = boost::asio;

namespace {

struct row {
  explicit row(int n) : number(n), text(std::make_unique<std::string>(std::to_string(n))) {}

  int number;
  std::unique_ptr<std::string> text;
};

std::vector<row> make_rows(int first, int count) {
  std::vector<row> rows;
  for (int i = 0; i != count; ++i) rows.emplace_back(first + i);
  return rows;
}

std::vector<int> numbers_of(sluice::receiver<row>& rx) {
  std::vector<int> numbers;
  while (auto next = rx.try_receive()) numbers.push_back(next->number);
  return numbers;
}

void run_ready(asio::io_context& context) {
  context.restart();
  while (context.poll_one() != 0) continue;
}

/// Something that takes many rows as easily as one.
class table {
 public:
  void insert(const std::vector<row>& rows) {
    for (const row& r : rows) numbers.push_back(r.number);
    ++inserts;
  }

  std::vector<int> numbers;
  int inserts = 0;
};

// --- async_send_all ------------------------------------------------------------------------------

// tag::send_all[]
asio::awaitable<void> send_page(sluice::sender<row> tx, std::vector<row> page) {
  co_await tx.async_send_all(std::move(page));  // waits as often as it has to
}
// end::send_all[]

// tag::receive_some[]
asio::awaitable<void> store_rows(sluice::receiver<row> rx, table& target) {
  std::vector<row> rows;
  while (co_await rx.async_receive_some(rows, 500)) {  // 0 at the end of the stream
    target.insert(rows);
    rows.clear();
  }
}
// end::receive_some[]

BOOST_AUTO_TEST_CASE(rows_travel_in_batches) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<row>(context, 64);
  table target;
  spawn(context, send_page(std::move(tx), make_rows(1, 1000)));
  run(context, store_rows(std::move(rx), target));
  BOOST_TEST_REQUIRE(target.numbers.size() == 1000u);
  for (std::size_t i = 0; i != 1000; ++i) BOOST_TEST(target.numbers[i] == static_cast<int>(i) + 1);
  BOOST_TEST(target.inserts < 100);
}

// tag::keep_the_rest[]
/// Sends what it can. What could not be sent is left in `rows`, untouched.
asio::awaitable<sluice::error_code> send_rows(sluice::sender<row>& tx, std::vector<row>& rows) {
  auto [ec, accepted] =
      co_await tx.async_send_all(std::ref(rows), asio::as_tuple(sluice::use_awaitable));
  // With an error or without: these have been sent, and have been moved from.
  rows.erase(rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(accepted));
  co_return ec;
}
// end::keep_the_rest[]

BOOST_AUTO_TEST_CASE(what_was_not_sent_is_left) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<row>(context, 3);
  std::vector<row> rows = make_rows(1, 5);
  sluice::error_code ec;
  spawn(context,
        [](sluice::sender<row>& to, std::vector<row>& all, sluice::error_code& why)
            -> asio::awaitable<void> { why = co_await send_rows(to, all); }(tx, rows, ec));
  run_ready(context);
  rx.close();
  run_ready(context);
  BOOST_TEST((ec == sluice::error::closed));
  BOOST_TEST((numbers_of(rx) == std::vector<int>{1, 2, 3}));
  BOOST_TEST_REQUIRE(rows.size() == 2u);
  BOOST_TEST(rows[0].number == 4);
  BOOST_TEST(*rows[0].text == "4");
}

BOOST_AUTO_TEST_CASE(a_cancelled_send_counts_what_it_sent) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 3);
  std::array<int, 5> values{1, 2, 3, 4, 5};
  std::string seen;
  // tag::cancel_send[]
  asio::cancellation_signal stop;
  tx.async_send_all(
      std::span<int>(values),
      asio::bind_cancellation_slot(stop.slot(), [&](sluice::error_code ec, std::size_t accepted) {
        if (ec == asio::error::operation_aborted)
          seen = std::to_string(accepted) + " of 5 were sent";
      }));
  stop.emit(asio::cancellation_type::total);     // too late, if a value has been accepted
  stop.emit(asio::cancellation_type::terminal);  // ends it at any time
  // end::cancel_send[]
  run_ready(context);
  BOOST_TEST(seen == "3 of 5 were sent");
  BOOST_TEST(rx.size() == 3u);
}

// --- try_receive_some ----------------------------------------------------------------------------

// tag::try_receive_some[]
/// What is there now, without waiting. `ended` tells that nothing more will come.
std::vector<row> take_all(sluice::receiver<row>& rx, bool& ended) {
  std::vector<row> rows;
  sluice::error_code ec;
  while (rx.try_receive_some(rows, 500, ec) != 0) continue;  // it appends
  ended = ec != sluice::error::empty;  // closed, or the reason that it was closed with
  return rows;
}
// end::try_receive_some[]

BOOST_AUTO_TEST_CASE(what_is_there_is_taken_without_waiting) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_unbounded_channel<row>(context);
  bool ended = true;
  BOOST_TEST(take_all(rx, ended).empty());
  BOOST_TEST(!ended);
  for (int number = 1; number <= 1200; ++number) BOOST_TEST(!tx.try_send(row(number)));
  tx.close();
  std::vector<row> rows = take_all(rx, ended);
  BOOST_TEST(ended);
  BOOST_TEST_REQUIRE(rows.size() == 1200u);
  BOOST_TEST(rows.back().number == 1200);
}

// --- async_for_each ------------------------------------------------------------------------------

// tag::for_each[]
asio::awaitable<long> total(sluice::receiver<row> rx) {
  long sum = 0;
  co_await rx.async_for_each([&](row next) { sum += next.number; });
  co_return sum;  // closed, and everything has been received
}
// end::for_each[]

// tag::named[]
asio::awaitable<void> collect(sluice::receiver<row> rx, std::shared_ptr<table> target) {
  auto add = [target](row next) { target->numbers.push_back(next.number); };
  co_await rx.async_for_each(add);  // not: async_for_each([target](row next) { ... })
}
// end::named[]

BOOST_AUTO_TEST_CASE(a_function_that_owns_something_has_a_name) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<row>(context, 8);
  for (int number = 1; number <= 3; ++number) BOOST_TEST(!tx.try_send(row(number)));
  tx = {};
  auto target = std::make_shared<table>();
  run(context, collect(std::move(rx), target));
  BOOST_TEST((target->numbers == std::vector<int>{1, 2, 3}));
  BOOST_TEST(target.use_count() == 1);
}

// tag::stop[]
/// Finds the first row with an empty text. What comes behind it stays in the channel.
asio::awaitable<int> find_empty(sluice::receiver<row>& rx) {
  int found = 0;
  co_await rx.async_for_each([&](const row& next) {
    if (!next.text->empty()) return true;
    found = next.number;
    return false;  // stops
  });
  co_return found;
}
// end::stop[]

BOOST_AUTO_TEST_CASE(a_loop_ends_with_the_stream_or_when_it_is_told_to) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_unbounded_channel<row>(context);
  for (int number = 1; number <= 9; ++number) {
    row next(number);
    if (number == 4) next.text->clear();
    BOOST_TEST(!tx.try_send(std::move(next)));
  }
  tx = {};
  run(context, [](sluice::receiver<row> rows) -> asio::awaitable<void> {
    BOOST_TEST(co_await find_empty(rows) == 4);
    BOOST_TEST(rows.size() == 5u);
    BOOST_TEST(co_await total(std::move(rows)) == 5 + 6 + 7 + 8 + 9);
  }(std::move(rx)));
}

struct connection {
  explicit connection(asio::io_context& context)
      : network(context, asio::steady_timer::time_point::max()) {}

  /// Takes until somebody cancels the timer.
  asio::awaitable<void> write(const row& next) {
    co_await network.async_wait(asio::as_tuple(asio::use_awaitable));
    written.push_back(next.number);
  }

  asio::steady_timer network;
  std::vector<int> written;
};

// tag::awaiting[]
asio::awaitable<void> forward(sluice::receiver<row> rx, connection& peer) {
  // The next row is taken out of the channel when this one has been written.
  co_await rx.async_for_each([&](row next) -> asio::awaitable<void> { co_await peer.write(next); });
}
// end::awaiting[]

BOOST_AUTO_TEST_CASE(a_function_may_wait) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<row>(context, 8);
  connection peer(context);
  for (int number = 1; number <= 3; ++number) BOOST_TEST(!tx.try_send(row(number)));
  tx = {};
  spawn(context, forward(rx, peer));
  for (std::size_t left : {2u, 1u, 0u}) {
    run_ready(context);
    BOOST_TEST(rx.size() == left);  // it has one, and no more
    peer.network.cancel();
  }
  context.run();
  BOOST_TEST((peer.written == std::vector<int>{1, 2, 3}));
}

int parse(const row& next) {
  if (next.text->empty()) throw std::invalid_argument("an empty row");
  return next.number;
}

// tag::exceptions[]
asio::awaitable<int> sum_up(sluice::receiver<row>& rx) {
  int sum = 0;
  std::exception_ptr problem;
  co_await rx.async_for_each([&](const row& next) {
    try {
      sum += parse(next);
    } catch (const std::invalid_argument&) {
      problem = std::current_exception();
    }
    return !problem;
  });
  if (problem) std::rethrow_exception(problem);  // here, where somebody can catch it
  co_return sum;
}
// end::exceptions[]

BOOST_AUTO_TEST_CASE(an_exception_comes_out_where_it_can_be_caught) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<row>(context, 8);
  row bad(2);
  bad.text->clear();
  BOOST_TEST(!tx.try_send(row(1)));
  BOOST_TEST(!tx.try_send(std::move(bad)));
  BOOST_TEST(!tx.try_send(row(3)));
  tx.close();
  run(context, [](sluice::receiver<row>& rows) -> asio::awaitable<void> {
    bool caught = false;
    try {
      static_cast<void>(co_await sum_up(rows));
    } catch (const std::invalid_argument&) {
      caught = true;
    }
    BOOST_TEST(caught);
    BOOST_TEST(co_await sum_up(rows) == 3);
  }(rx));
}

BOOST_AUTO_TEST_CASE(an_exception_of_the_function_leaves_through_the_executor) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<row>(context, 8);
  BOOST_TEST(!tx.try_send(row(1)));
  BOOST_TEST(!tx.try_send(row(2)));
  bool came_back = false;
  spawn(context, [](sluice::receiver<row>& rows, bool& after) -> asio::awaitable<void> {
    try {
      co_await rows.async_for_each([](row) { throw std::runtime_error("the function"); });
    } catch (const std::runtime_error&) {
      after = true;
    }
    after = true;
  }(rx, came_back));
  BOOST_CHECK_THROW(context.run(), std::runtime_error);
  run_ready(context);
  BOOST_TEST(!came_back);
  BOOST_TEST((numbers_of(rx) == std::vector<int>{2}));
}

std::atomic<int> worked{0};

// tag::workers[]
void start_workers(asio::thread_pool& pool, const sluice::receiver<row>& rows, int how_many) {
  for (int i = 0; i < how_many; ++i) {
    auto own = rows.with_executor(pool.get_executor());  // each worker is a receiver of its own
    own.async_for_each([](row next) { worked += next.number; },
                       [own](sluice::error_code) {});  // which has to live as long as it receives
  }
}
// end::workers[]

BOOST_AUTO_TEST_CASE(loops_share_what_there_is) {
  asio::thread_pool pool(2);
  {
    auto [tx, rx] = sluice::make_unbounded_channel<row>(pool);
    start_workers(pool, rx, 3);
    for (int number = 1; number <= 1000; ++number) BOOST_TEST(!tx.try_send(row(number)));
  }
  pool.join();
  BOOST_TEST(worked == 500500);
}

BOOST_AUTO_TEST_CASE(what_a_loop_holds_is_still_there) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 4);
  for (int number = 1; number <= 4; ++number) BOOST_TEST(!tx.try_send(int(number)));
  std::string log;
  // tag::claimed[]
  rx.async_for_each(
      [&](int number) {
        // Four are in the hands of the loop. This one it has passed on, the others are still there,
        log += std::to_string(number) + ", " + std::to_string(rx.size()) + " are left";
        if (rx.try_receive()) log += ", or not";  // though not for somebody else,
        return false;
      },
      [&](sluice::error_code) {
        log += ", then " + std::to_string(rx.try_receive().value());  // until the loop is over
      });
  // end::claimed[]
  context.run();
  BOOST_TEST(log == "1, 3 are left, then 2");
  BOOST_TEST(rx.size() == 2u);
}

}  // namespace
