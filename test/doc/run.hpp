// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_DOC_RUN_HPP
#define SLUICE_TEST_DOC_RUN_HPP

// What surrounds the excerpts that the documentation shows, and is not shown itself.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <exception>
#include <utility>

/// Begins a coroutine on a context. What it throws leaves through run().
template <class ExecutionContext>
void spawn(ExecutionContext& context, boost::asio::awaitable<void> coroutine) {
  boost::asio::co_spawn(context, std::move(coroutine), [](std::exception_ptr problem) {
    if (problem) std::rethrow_exception(problem);
  });
}

/// Runs a coroutine, and everything else that waits on the context, to its end.
inline void run(boost::asio::io_context& context, boost::asio::awaitable<void> coroutine) {
  spawn(context, std::move(coroutine));
  context.restart();
  context.run();
}

#endif  // SLUICE_TEST_DOC_RUN_HPP
