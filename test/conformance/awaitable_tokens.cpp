// SPDX-License-Identifier: BSL-1.0
// requires: c++20
#define BOOST_TEST_MODULE conformance_awaitable_tokens
#define CONFORMANCE_ONE_FORM_EACH

// Each asynchronous function, in each course of its operation, with the completion tokens of C++20
// coroutines: Asio's, the library's own, which is the default, and both of them adapted.

#include "conformance/awaitables.hpp"
#include "conformance/functions.hpp"
#include "support/unit_test.hpp"

#include <sluice/use_awaitable.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/version.hpp>
#if BOOST_ASIO_VERSION >= 103200
#include <boost/asio/cancel_after.hpp>
#endif

#include <chrono>
#include <type_traits>

using namespace conformance;

using io_executor = asio::io_context::executor_type;

namespace {

/// Sees that an operation takes its course that `begin(end)` makes an awaitable of.
template <class Function, class Begin>
void check_awaitable(const Function&, course way, Begin begin) {
  for_each_flavour([&](auto threading) {
    asio::io_context context;
    typename Function::template end<io_executor, decltype(threading)> end(context.get_executor(),
                                                                          way);
    result seen = run(context, asio::any_io_executor(context.get_executor()), end, way, begin(end));
    BOOST_TEST(seen == end.expected(way));
  });
}

}  // namespace

FOR_EACH_FUNCTION(use_awaitable_of_asio) {
  check_awaitable(function, way,
                  [&](auto& end) { return outcome_of(function.call(end, asio::use_awaitable)); });
}

FOR_EACH_FUNCTION(as_tuple_of_use_awaitable_of_asio) {
  check_awaitable(function, way, [&](auto& end) {
    return outcome_of(function.call(end, asio::as_tuple(asio::use_awaitable)));
  });
}

FOR_EACH_FUNCTION(redirect_error_of_use_awaitable_of_asio) {
  error_code error = asio::error::would_block;
  check_awaitable(function, way, [&](auto& end) {
    return outcome_of(function.call(end, asio::redirect_error(asio::use_awaitable, error)), error);
  });
}

FOR_EACH_FUNCTION(use_awaitable) {
  check_awaitable(function, way,
                  [&](auto& end) { return outcome_of(function.call(end, sluice::use_awaitable)); });
}

FOR_EACH_FUNCTION(as_tuple_of_use_awaitable) {
  check_awaitable(function, way, [&](auto& end) {
    return outcome_of(function.call(end, asio::as_tuple(sluice::use_awaitable)));
  });
}

FOR_EACH_FUNCTION(redirect_error_of_use_awaitable) {
  error_code error = asio::error::would_block;
  check_awaitable(function, way, [&](auto& end) {
    return outcome_of(function.call(end, asio::redirect_error(sluice::use_awaitable, error)),
                      error);
  });
}

FOR_EACH_FUNCTION(the_default_token) {
  check_awaitable(function, way, [&](auto& end) {
    auto operation = function.call(end);
    // The operations differ in type if a function of the test does.
    using named = decltype(function.call(end, sluice::use_awaitable));
    static_assert(std::is_same_v<typename awaitable_of<decltype(operation)>::type,
                                 typename awaitable_of<named>::type>);
    return outcome_of(std::move(operation));
  });
}

FOR_EACH_FUNCTION(bind_executor_of_use_awaitable) {
  check_awaitable(function, way, [&](auto& end) {
    return outcome_of(
        function.call(end, asio::bind_executor(end.handle.get_executor(), asio::use_awaitable)));
  });
}

#if BOOST_ASIO_VERSION >= 103200
FOR_EACH_FUNCTION(cancel_after_of_use_awaitable) {
  check_awaitable(function, way, [&](auto& end) {
    return outcome_of(
        function.call(end, asio::cancel_after(std::chrono::hours(1), asio::use_awaitable)));
  });
  check_awaitable(function, way, [&](auto& end) {
    return outcome_of(
        function.call(end, asio::cancel_after(std::chrono::hours(1), sluice::use_awaitable)));
  });
}
#endif
