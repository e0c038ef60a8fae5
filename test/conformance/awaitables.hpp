// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_CONFORMANCE_AWAITABLES_HPP
#define SLUICE_TEST_CONFORMANCE_AWAITABLES_HPP

// What the tests with C++20 coroutines share: any awaitable of an asynchronous function, whatever
// it gives to co_await, becomes one of a result; and a way to run it while its operation is
// steered.

#include "conformance/ends.hpp"
#include "support/recorder.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/system_error.hpp>
#include <boost/test/test_tools.hpp>

#include <exception>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace conformance {

inline void rethrow(std::exception_ptr e) {
  if (e) std::rethrow_exception(e);
}

/// For a token that throws the error.
template <class Executor>
asio::awaitable<result, Executor> outcome_of(asio::awaitable<void, Executor> operation) {
  try {
    co_await std::move(operation);
    co_return result{};
  } catch (const boost::system::system_error& e) {
    co_return result{e.code(), false};
  }
}

template <class T, class Executor>
asio::awaitable<result, Executor> outcome_of(asio::awaitable<T, Executor> operation) {
  try {
    T value = co_await std::move(operation);
    co_return support::result_of({}, value);
  } catch (const boost::system::system_error& e) {
    co_return result{e.code(), false};
  }
}

/// For a token that gives a tuple.
template <class... Values, class Executor>
asio::awaitable<result, Executor> outcome_of(
    asio::awaitable<std::tuple<Values...>, Executor> operation) {
  using first = std::tuple_element_t<0, std::tuple<Values...>>;
  if constexpr (std::is_same_v<first, boost::system::error_code>) {
    auto values = co_await std::move(operation);
    co_return std::apply([](const auto&... each) { return support::result_of(each...); }, values);
  } else {
    // What has several values besides its error, which it throws.
    try {
      auto values = co_await std::move(operation);
      co_return support::result_of({}, values);
    } catch (const boost::system::system_error& e) {
      co_return result{e.code(), false};
    }
  }
}

/// For a token that stores the error.
template <class Executor>
asio::awaitable<result, Executor> outcome_of(asio::awaitable<void, Executor> operation,
                                             boost::system::error_code& error) {
  co_await std::move(operation);
  co_return result{error, false};
}

template <class T, class Executor>
asio::awaitable<result, Executor> outcome_of(asio::awaitable<T, Executor> operation,
                                             boost::system::error_code& error) {
  T value = co_await std::move(operation);
  co_return support::result_of(error, value);
}

/// Runs a coroutine that uses `end`, and steers when it waits.
template <class Executor, class End>
result run(asio::io_context& context, const Executor& ex, End& end, course way,
           asio::awaitable<result, Executor> coroutine) {
  std::optional<result> seen;
  asio::co_spawn(ex, std::move(coroutine), [&](std::exception_ptr e, result r) {
    rethrow(e);
    seen = r;
  });
  asio::post(ex, [&] { support::in_library([&] { end.steer(way); }); });
  context.restart();
  context.run();
  BOOST_TEST_REQUIRE(seen.has_value());
  return *seen;
}

}  // namespace conformance

#endif  // SLUICE_TEST_CONFORMANCE_AWAITABLES_HPP
