// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE conformance_futures
#define CONFORMANCE_ONE_FORM_EACH

// Each asynchronous function, in each course of its operation, with futures. Their executor could
// run on the threads of the system context, but nothing here needs those: no thread is ever
// started.

#include "conformance/functions.hpp"
#include "support/recorder.hpp"
#include "support/unit_test.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/asio/version.hpp>
#include <boost/system/system_error.hpp>

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <future>
#include <iterator>
#include <memory>
#include <thread>
#include <tuple>
#include <utility>

using namespace conformance;
using namespace support;

using io_executor = asio::io_context::executor_type;

namespace {

template <class Function>
using end_of = typename Function::template end<io_executor, sluice::multi_threaded>;

std::size_t threads_of_this_process() {
  namespace fs = std::filesystem;
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator("/proc/self/task"), fs::directory_iterator()));
}

/// How many threads there are beside one that is started here. A sanitizer may have one of its own,
/// which comes with the first.
std::size_t threads_beside_one() {
  std::promise<void> end;
  std::thread thread([&] { end.get_future().wait(); });
  const std::size_t all = threads_of_this_process();
  end.set_value();
  thread.join();
  return all - 1;
}

const std::size_t threads_at_the_beginning = threads_beside_one();

template <class Future>
bool is_ready(const Future& future) {
  return future.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
}

result result_of_future(std::future<void>& future) {
  try {
    future.get();
    return {};
  } catch (const boost::system::system_error& e) {
    return {e.code(), false};
  }
}

template <class T>
result result_of_future(std::future<T>& future) {
  try {
    return result_of({}, future.get());
  } catch (const boost::system::system_error& e) {
    return {e.code(), false};
  }
}

template <class... Values>
result result_of_future(std::future<std::tuple<error_code, Values...>>& future) {
  return std::apply([](const auto&... values) { return result_of(values...); }, future.get());
}

/// Begins with a token that gives a future, and checks that and the threads.
template <class Executor, class Function, class Token>
void check_future(const Function& function, course way, asio::io_context& context,
                  const Executor& ex, Token token) {
  typename Function::template end<Executor, sluice::multi_threaded> end(ex, way);
  auto future = function.call(end, token);
  BOOST_TEST(!is_ready(future));
  in_library([&] { end.steer(way); });
  BOOST_TEST(!is_ready(future));
  context.restart();
  context.run();
  BOOST_TEST_REQUIRE(is_ready(future));
  BOOST_TEST(result_of_future(future) == end.expected(way));
  BOOST_TEST(threads_of_this_process() == threads_at_the_beginning);
}

}  // namespace

// Run first, so that a thread that is there later was not there before.
BOOST_AUTO_TEST_CASE(threads_are_counted) {
  std::promise<void> end;
  std::thread thread([&] { end.get_future().wait(); });
  BOOST_TEST(threads_of_this_process() == threads_at_the_beginning + 1);
  end.set_value();
  thread.join();
}

FOR_EACH_FUNCTION(use_future) {
  asio::io_context context;
  check_future(function, way, context, context.get_executor(), asio::use_future);
}

FOR_EACH_FUNCTION(use_future_with_other_executors) {
  asio::io_context context;
  check_future<asio::any_io_executor>(function, way, context, context.get_executor(),
                                      asio::use_future);
  check_future(function, way, context, asio::make_strand(context), asio::use_future);
  check_future<asio::any_io_executor>(function, way, context, asio::make_strand(context),
                                      asio::use_future);
}

#if BOOST_ASIO_VERSION >= 102800
FOR_EACH_FUNCTION(as_tuple_of_use_future) {
  asio::io_context context;
  check_future(function, way, context, context.get_executor(), asio::as_tuple(asio::use_future));
}
#endif

FOR_EACH_FUNCTION(redirect_error_of_use_future) {
  asio::io_context context;
  end_of<Function> end(context.get_executor(), way);
  error_code error = asio::error::would_block;
  auto future = function.call(end, asio::redirect_error(asio::use_future, error));
  end.steer(way);
  context.run();
  BOOST_TEST_REQUIRE(is_ready(future));
  result seen = result_of_future(future);
  BOOST_TEST(!seen.error);
  seen.error = error;
  BOOST_TEST(seen == end.expected(way));
  BOOST_TEST(threads_of_this_process() == threads_at_the_beginning);
}

FOR_EACH_FUNCTION(use_future_with_a_function) {
  asio::io_context context;
  end_of<Function> end(context.get_executor(), way);
  auto future =
      function.call(end, asio::use_future([](auto&&... results) { return result_of(results...); }));
  end.steer(way);
  context.run();
  BOOST_TEST_REQUIRE(is_ready(future));
  BOOST_TEST(future.get() == end.expected(way));
  BOOST_TEST(threads_of_this_process() == threads_at_the_beginning);
}

FOR_EACH_FUNCTION(use_future_bound_to_another_context) {
  asio::io_context context;
  asio::io_context own_context;
  end_of<Function> end(context.get_executor(), way);
  auto future = function.call(end, asio::bind_executor(own_context, asio::use_future));
  end.steer(way);
  BOOST_TEST(!is_ready(future));
  own_context.run();
  BOOST_TEST_REQUIRE(is_ready(future));
  BOOST_TEST(result_of_future(future) == end.expected(way));
}

// The thread that waits for the future is not the one that runs the context.
FOR_EACH_FUNCTION(a_future_is_waited_for_by_another_thread) {
  asio::io_context context;
  end_of<Function> end(context.get_executor(), way);
  auto future = function.call(end, asio::use_future);
  std::thread thread([&] { context.run(); });
  end.steer(way);
  BOOST_TEST(result_of_future(future) == end.expected(way));
  thread.join();
  BOOST_TEST(threads_of_this_process() == threads_at_the_beginning);
}

// K5: who waits for an operation that is destroyed with its context is told.
FOR_EACH_FUNCTION(K5_a_future_hears_of_the_end_of_its_context) {
  auto context = std::make_unique<asio::io_context>();
  end_of<Function> end(context->get_executor(), way);
  auto future = function.call(end, asio::use_future);
  end.steer(way);
  context.reset();
  BOOST_TEST_REQUIRE(is_ready(future));
  BOOST_CHECK_THROW(future.get(), std::future_error);
}
