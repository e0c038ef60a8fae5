// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE doc_debugging

#include <sluice.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <sstream>
#include <string>
#include <utility>

namespace asio = boost::asio;

namespace {

struct job {
  int number;
};

// tag::channel[]
using job_sender = sluice::sender<job, asio::any_io_executor, sluice::measured<>>;
using job_receiver = sluice::receiver<job, asio::any_io_executor, sluice::measured<>>;

std::pair<job_sender, job_receiver> make_queue(asio::io_context& context) {
  return sluice::make_channel<job, asio::any_io_executor, sluice::measured<>>(context, 64);
}
// end::channel[]

// tag::metrics[]
std::string describe(const sluice::channel_metrics& seen) {
  using milliseconds = std::chrono::duration<double, std::milli>;
  std::ostringstream text;
  text << seen.accepted << " in, " << seen.received << " out, " << seen.buffered << " there, "
       << seen.most_buffered << " at most";
  if (seen.received != 0) {
    text << "; " << milliseconds(seen.times.total / seen.received).count() << " ms in the queue, "
         << milliseconds(seen.times.longest).count() << " at most";
  }
  return text.str();
}
// end::metrics[]

// tag::longer[]
/// How many values were in the channel for more than about so long, to a factor of two.
std::uint64_t longer_than(std::chrono::microseconds limit, const sluice::time_in_channel& times) {
  std::uint64_t count = 0;
  for (std::size_t i = 1; i != times.counts.size(); ++i)
    if (std::chrono::microseconds(std::int64_t{1} << (i - 1)) >= limit) count += times.counts[i];
  return count;
}
// end::longer[]

// tag::clock[]
/// Cheaper to ask than the steady clock, and no finer than some milliseconds.
struct coarse_clock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<coarse_clock>;
  static constexpr bool is_steady = true;

  static time_point now() noexcept {
    timespec read{};
    clock_gettime(CLOCK_MONOTONIC_COARSE, &read);
    return time_point(std::chrono::seconds(read.tv_sec) + duration(read.tv_nsec));
  }
};

using coarsely_measured = sluice::measured<sluice::multi_threaded, coarse_clock>;
// end::clock[]

BOOST_AUTO_TEST_CASE(a_queue_tells_what_it_has_measured) {
  asio::io_context context;
  auto [tx, rx] = make_queue(context);
  BOOST_TEST(describe(rx.metrics()) == "0 in, 0 out, 0 there, 0 at most");
  for (int number = 1; number <= 3; ++number) BOOST_TEST(!tx.try_send(job{number}));
  BOOST_TEST(rx.try_receive().has_value());
  const std::string text = describe(tx.metrics());
  const std::string begin = "3 in, 1 out, 2 there, 3 at most; ";
  BOOST_TEST(text.substr(0, begin.size()) == begin);
  BOOST_TEST(text.find(" ms in the queue, ") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(times_are_counted) {
  using std::chrono::microseconds;
  sluice::time_in_channel times;
  times.counts[0] = 1;    // less than 1 microsecond
  times.counts[3] = 10;   // 4 and more, less than 8
  times.counts[4] = 100;  // 8 and more, less than 16
  BOOST_TEST(longer_than(microseconds(1), times) == 110u);
  BOOST_TEST(longer_than(microseconds(4), times) == 110u);
  BOOST_TEST(longer_than(microseconds(5), times) == 100u);
  BOOST_TEST(longer_than(microseconds(8), times) == 100u);
  BOOST_TEST(longer_than(microseconds(9), times) == 0u);
}

BOOST_AUTO_TEST_CASE(a_clock_may_be_a_users) {
  static_assert(coarse_clock::is_steady);
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<job, asio::any_io_executor, coarsely_measured>(context, 1);
  BOOST_TEST(!tx.try_send(job{1}));
  BOOST_TEST(rx.try_receive().has_value());
  BOOST_TEST(rx.metrics().received == 1u);
}

}  // namespace
