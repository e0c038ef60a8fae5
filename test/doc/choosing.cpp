// SPDX-License-Identifier: BSL-1.0
// requires: c++20
#define BOOST_TEST_MODULE doc_choosing
#include "doc/run.hpp"

#include <sluice.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>

namespace asio = boost::asio;

namespace {

struct line {
  int number = 0;
};

// tag::wait[]
asio::awaitable<void> read_lines(sluice::sender<line> lines) {
  for (int number = 1; number <= 1000; ++number) {
    line next{number};
    co_await lines.async_send(std::move(next));  // waits while the channel is full
  }
}
// end::wait[]

BOOST_AUTO_TEST_CASE(a_sender_that_waits_is_as_fast_as_its_receiver) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<line>(context, 4);
  std::size_t most = 0;
  int last = 0;
  spawn(context, read_lines(std::move(tx)));
  run(context,
      [](sluice::receiver<line> lines, std::size_t& depth, int& seen) -> asio::awaitable<void> {
        while (auto next = co_await lines.async_receive()) {
          BOOST_TEST(next->number == seen + 1);
          seen = next->number;
          depth = std::max(depth, lines.size());
        }
      }(std::move(rx), most, last));
  BOOST_TEST(last == 1000);
  BOOST_TEST(most <= 4u);
  BOOST_TEST(most > 0u);
}

struct request {
  std::string text;
};

enum class answer { accepted, busy, stopping };

// tag::refuse[]
answer accept(sluice::sender<request>& jobs, request& job) {
  sluice::error_code ec = jobs.try_send(std::move(job));
  if (ec == sluice::error::full) return answer::busy;  // `job` is untouched
  if (ec) return answer::stopping;
  return answer::accepted;
}
// end::refuse[]

BOOST_AUTO_TEST_CASE(a_refused_request_is_still_the_callers) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<request>(context, 1);
  request first{"the first request of this test"};
  request second{"the second request of this test"};
  BOOST_TEST((accept(tx, first) == answer::accepted));
  BOOST_TEST((accept(tx, second) == answer::busy));
  BOOST_TEST(second.text == "the second request of this test");
  rx.close();
  BOOST_TEST((accept(tx, second) == answer::stopping));
  BOOST_TEST(second.text == "the second request of this test");
  BOOST_TEST(rx.try_receive().value().text == "the first request of this test");
}

struct sample {
  int value = 0;
};

// tag::newest[]
bool publish(sluice::sender<sample>& samples, sample newest, std::size_t& dropped) {
  sluice::error_code ec;
  if (std::optional<sample> oldest = samples.force_send(std::move(newest), ec)) ++dropped;
  return !ec;  // false if nobody can receive any more
}
// end::newest[]

BOOST_AUTO_TEST_CASE(the_newest_samples_displace_the_oldest) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<sample>(context, 3);
  std::size_t dropped = 0;
  for (int value = 1; value <= 10; ++value) BOOST_TEST(publish(tx, sample{value}, dropped));
  BOOST_TEST(dropped == 7u);
  for (int value = 8; value <= 10; ++value) BOOST_TEST(rx.try_receive().value().value == value);
  BOOST_TEST(rx.empty());
  rx = {};
  BOOST_TEST(!publish(tx, sample{11}, dropped));
  BOOST_TEST(dropped == 7u);
}

struct job {
  int size = 0;
};

// tag::rendezvous[]
asio::awaitable<void> hand_over(sluice::sender<job> jobs, job urgent) {
  co_await jobs.async_send(std::move(urgent));  // completes when a receiver has taken the job
}
// end::rendezvous[]

BOOST_AUTO_TEST_CASE(a_rendezvous_holds_nothing) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<job>(context, 0);
  bool taken = false;
  spawn(context, [](sluice::sender<job> jobs, bool& over) -> asio::awaitable<void> {
    co_await hand_over(std::move(jobs), job{1});
    over = true;
  }(std::move(tx), taken));
  while (context.poll_one() != 0) continue;
  BOOST_TEST(!taken);
  BOOST_TEST(rx.size() == 0u);
  BOOST_TEST(rx.try_receive().has_value());
  context.restart();
  context.run();
  BOOST_TEST(taken);
}

// tag::single_threaded[]
using local_executor = asio::io_context::executor_type;
using local_sender = sluice::sender<job, local_executor, sluice::single_threaded>;
using local_receiver = sluice::receiver<job, local_executor, sluice::single_threaded>;

std::pair<local_sender, local_receiver> make_local_channel(asio::io_context& context) {
  return sluice::make_channel<job, local_executor, sluice::single_threaded>(context, 16);
}
// end::single_threaded[]

BOOST_AUTO_TEST_CASE(one_thread_needs_no_lock) {
  asio::io_context context;
  auto [tx, rx] = make_local_channel(context);
  BOOST_TEST(!tx.try_send(job{3}));
  run(context, [](local_receiver& jobs) -> asio::awaitable<void> {
    auto next = co_await jobs.async_receive();
    BOOST_TEST(next.value().size == 3);
  }(rx));
}

}  // namespace
