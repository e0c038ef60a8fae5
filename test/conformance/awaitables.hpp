// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_CONFORMANCE_AWAITABLES_HPP
#define SLUICE_TEST_CONFORMANCE_AWAITABLES_HPP

// What the tests with C++20 coroutines share: whatever an asynchronous function gives to co_await,
// it becomes an awaitable of a result; and a way to run it while its operation is
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

/// The awaitable that something to be awaited is, or becomes if a function wants one.
template <class Operation>
struct awaitable_of {
  using type = std::invoke_result_t<Operation&>;
};

template <class T, class Executor>
struct awaitable_of<asio::awaitable<T, Executor>> {
  using type = asio::awaitable<T, Executor>;
};

template <class Operation>
using executor_of = typename awaitable_of<Operation>::type::executor_type;

template <class Operation>
using value_of = typename awaitable_of<Operation>::type::value_type;

template <class>
inline constexpr bool is_tuple_with_error = false;

template <class... Values>
inline constexpr bool is_tuple_with_error<std::tuple<boost::system::error_code, Values...>> = true;

/// For a token that throws the error, or gives it in a tuple.
template <class Operation>
asio::awaitable<result, executor_of<Operation>> outcome_of(Operation operation) {
  if constexpr (is_tuple_with_error<value_of<Operation>>) {
    auto values = co_await std::move(operation);
    co_return std::apply([](const auto&... each) { return support::result_of(each...); }, values);
  } else {
    try {
      if constexpr (std::is_void_v<value_of<Operation>>) {
        co_await std::move(operation);
        co_return result{};
      } else {
        auto value = co_await std::move(operation);
        co_return support::result_of({}, value);
      }
    } catch (const boost::system::system_error& e) {
      co_return result{e.code(), false};
    }
  }
}

/// For a token that stores the error.
template <class Operation>
asio::awaitable<result, executor_of<Operation>> outcome_of(Operation operation,
                                                           boost::system::error_code& error) {
  if constexpr (std::is_void_v<value_of<Operation>>) {
    co_await std::move(operation);
    co_return result{error, false};
  } else {
    auto value = co_await std::move(operation);
    co_return support::result_of(error, value);
  }
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
