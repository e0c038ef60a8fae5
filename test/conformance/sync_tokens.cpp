// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE conformance_sync_tokens

// Each asynchronous function, in each course of its operation, with the tokens that block the
// thread. Another thread makes the operation take its course, at any moment before or after it
// waits.

#include "conformance/functions.hpp"
#include "support/recorder.hpp"
#include "support/telling_clock.hpp"
#include "support/unit_test.hpp"

#include <sluice/sync_wait.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/append.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/system/system_error.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <tuple>
#include <type_traits>
#include <utility>

using namespace conformance;
using namespace support;

namespace {

template <class Function, class Executor>
using end_on = typename Function::template end<Executor, sluice::multi_threaded>;

/// What was returned, with an error that was stored beside it.
template <class Call>
result result_with(const error_code& error, Call call) {
  if constexpr (std::is_void_v<decltype(call())>) {
    call();
    return {error, false};
  } else {
    const auto value = call();
    return result_of(error, value);
  }
}

/// Turns an exception into the error that it stands for.
template <class Call>
result result_or_thrown(Call call) {
  const error_code none;
  try {
    return result_with(none, call);
  } catch (const boost::system::system_error& e) {
    return {e.code(), false};
  }
}

template <class Function, class End, class Token>
result in_tuple(const Function& function, End& end, const Token& token) {
  return std::apply([](const auto&... values) { return result_of(values...); },
                    function.call(end, asio::as_tuple(token)));
}

template <class Function, class End, class Token>
result redirected(const Function& function, End& end, const Token& token) {
  error_code error = asio::error::would_block;
  auto adapted = asio::redirect_error(token, error);
  return result_with(error, [&] { return function.call(end, adapted); });
}

/// Sees that an operation that blocks this thread takes its course. Nobody runs the context.
template <class Function, class Block>
void check_blocking(const Function&, course way, Block block) {
  asio::io_context context;
  end_on<Function, asio::any_io_executor> end(context.get_executor(), way);
  std::atomic<bool> over{false};
  std::thread other([&] {
    if (!waits(way)) return;
    // To cancel what has not begun yet does nothing.
    do {
      end.steer(way);
      std::this_thread::yield();
    } while (way == course::cancelled && !over);
  });
  const result seen = block(end);
  over = true;
  other.join();
  BOOST_TEST(seen == end.expected(way));
  BOOST_TEST(context.poll() == 0u);
}

constexpr auto for_ever = std::chrono::nanoseconds::max();

}  // namespace

FOR_EACH_FUNCTION(sync_wait) {
  check_blocking(function, way, [&](auto& end) {
    return result_or_thrown([&] { return function.call(end, sluice::sync_wait); });
  });
}

FOR_EACH_FUNCTION(sync_wait_for) {
  check_blocking(function, way, [&](auto& end) {
    return result_or_thrown([&] { return function.call(end, sluice::sync_wait_for(for_ever)); });
  });
}

FOR_EACH_FUNCTION(as_tuple_of_sync_wait) {
  check_blocking(function, way,
                 [&](auto& end) { return in_tuple(function, end, sluice::sync_wait); });
  check_blocking(function, way, [&](auto& end) {
    return in_tuple(function, end, sluice::sync_wait_for(for_ever));
  });
}

FOR_EACH_FUNCTION(redirect_error_of_sync_wait) {
  check_blocking(function, way,
                 [&](auto& end) { return redirected(function, end, sluice::sync_wait); });
  check_blocking(function, way, [&](auto& end) {
    return redirected(function, end, sluice::sync_wait_for(for_ever));
  });
}

namespace {

/// Whether the first of these values carry something.
template <class Values, std::size_t... I>
bool carries(const Values& values, std::index_sequence<I...>) {
  return result_of({}, std::get<I>(values)...).carries;
}

}  // namespace

// An adapter that Asio itself applies: the token sees neither the operation nor its signature.
FOR_EACH_FUNCTION(nested_adapters_of_sync_wait) {
  check_blocking(function, way, [&](auto& end) {
    return result_or_thrown([&] {
      const auto all = function.call(end, asio::append(sluice::sync_wait, 7));
      if constexpr (std::is_same_v<std::decay_t<decltype(all)>, int>) {
        BOOST_TEST(all == 7);
        return false;
      } else {
        constexpr std::size_t inner = std::tuple_size_v<std::decay_t<decltype(all)>> - 1;
        BOOST_TEST(std::get<inner>(all) == 7);
        return carries(all, std::make_index_sequence<inner>());
      }
    });
  });
}

// The completion runs where the handler is bound to, and the thread only waits for it.
FOR_EACH_FUNCTION(sync_wait_bound_to_another_executor) {
  asio::thread_pool pool(1);
  check_blocking(function, way, [&](auto& end) {
    return std::apply(
        [](const auto&... values) { return result_of(values...); },
        function.call(end, asio::bind_executor(pool, asio::as_tuple(sluice::sync_wait))));
  });
}

FOR_EACH_FUNCTION(as_default_on_sync_wait) {
  asio::io_context context;
  using executor = sluice::sync_wait_t::executor_with_default<asio::io_context::executor_type>;
  end_on<Function, executor> end(context.get_executor(), way);
  if (waits(way)) return;
  BOOST_TEST(result_or_thrown([&] { return function.call(end); }) == end.expected(way));
}

FOR_EACH_FUNCTION(B2_a_deadline_in_the_past) {
  asio::io_context context;
  end_on<Function, asio::any_io_executor> end(context.get_executor(), way);
  const auto past = std::chrono::system_clock::time_point::min();
  const result seen = in_tuple(function, end, sluice::sync_wait_until(past));
  const result timed_out{asio::error::timed_out, false};
  BOOST_TEST(seen == (waits(way) ? timed_out : end.expected(way)));
}

FOR_EACH_FUNCTION(B1_would_deadlock) {
  if (way == course::on_empty_handle) return;
  const result refused{sluice::error::would_deadlock, false};
  asio::io_context context;
  end_on<Function, asio::any_io_executor> end(context.get_executor(), way);
  asio::post(context, [&] {
    BOOST_TEST(in_tuple(function, end, sluice::sync_wait) == refused);
    BOOST_TEST(redirected(function, end, sluice::sync_wait_for(for_ever)) == refused);
    BOOST_TEST(result_or_thrown([&] { return function.call(end, sluice::sync_wait); }) == refused);
    BOOST_TEST(result_or_thrown([&] {
                 static_cast<void>(function.call(end, asio::append(sluice::sync_wait, 7)));
               }) == refused);
  });
  context.run();
  // Nothing has been begun.
  recorder seen;
  function.call(end, seen.get_handler());
  end.steer(way);
  context.restart();
  context.run();
  BOOST_TEST(seen.last() == end.expected(way));
}

FOR_EACH_FUNCTION(B3_the_context_is_destroyed) {
  if (!waits(way)) return;
  auto context = std::make_unique<asio::io_context>();
  end_on<Function, asio::any_io_executor> end(context->get_executor(), way);
  telling_clock::reset();
  std::thread other([&] {
    telling_clock::wait_for_waiting();
    context.reset();
  });
  const result seen = in_tuple(function, end, sluice::sync_wait_until(telling_clock::deadline()));
  other.join();
  BOOST_TEST(seen == aborted);
}
