// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE conformance_tokens

// Each asynchronous function, in each course of its operation, with every completion token that
// does not need a C++20 coroutine. Those are in awaitable_tokens.cpp, and futures in futures.cpp.

#include "conformance/functions.hpp"
#include "support/recorder.hpp"
#include "support/tracked_allocator.hpp"
#include "support/tracked_executor.hpp"
#include "support/unit_test.hpp"

#include <boost/asio/append.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/consign.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/experimental/promise.hpp>
#include <boost/asio/experimental/use_promise.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prepend.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/spawn.hpp>
#include <boost/asio/version.hpp>
#include <boost/system/system_error.hpp>
#if __has_include(<boost/asio/any_completion_handler.hpp>)
#include <boost/asio/any_completion_handler.hpp>
#define HAS_ANY_COMPLETION_HANDLER 1
#endif
#if BOOST_ASIO_VERSION >= 102700
#include <boost/asio/bind_immediate_executor.hpp>
#include <boost/asio/system_executor.hpp>
#endif
#if BOOST_ASIO_VERSION >= 103200
#include <boost/asio/cancel_after.hpp>
#include <boost/asio/cancel_at.hpp>
#endif

#include <array>
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

using namespace conformance;
using namespace support;

using io_executor = asio::io_context::executor_type;

namespace {

template <class Function, class Threading = sluice::multi_threaded>
using end_of = typename Function::template end<io_executor, Threading>;

/// A handler of the recorder that can be copied, as some adapters of some versions of Asio want to.
auto copyable_handler(const recorder& seen) {
  return [handler = std::make_shared<recorder::handler>(seen.get_handler())](auto&&... results) {
    (*handler)(std::forward<decltype(results)>(results)...);
  };
}

/// Sees that an operation that was begun with a token takes its course.
template <class Function, class Begin>
void check_token(const Function&, course way, Begin begin) {
  for_each_flavour([&](auto threading) {
    asio::io_context context;
    end_of<Function, decltype(threading)> end(context.get_executor(), way);
    recorder seen;
    begin(end, seen, context);
    BOOST_TEST(!seen.done());
    in_library([&] { end.steer(way); });
    BOOST_TEST(!seen.done());
    context.run();
    BOOST_TEST(seen.calls() == 1);
    BOOST_TEST(!seen.inside_a_call());
    BOOST_TEST(seen.last() == end.expected(way));
  });
}

}  // namespace

FOR_EACH_FUNCTION(a_callback) {
  check_token(function, way,
              [&](auto& end, recorder& seen, auto&) { function.call(end, seen.get_handler()); });
}

FOR_EACH_FUNCTION(an_lvalue_callback_is_copied) {
  check_token(function, way, [&](auto& end, recorder& seen, auto&) {
    auto callback = copyable_handler(seen);
    function.call(end, callback);
  });
}

FOR_EACH_FUNCTION(deferred) {
  check_token(function, way, [&](auto& end, recorder& seen, auto&) {
    auto operation = function.call(end, asio::deferred);
    std::move(operation)(seen.get_handler());
  });
}

FOR_EACH_FUNCTION(deferred_with_a_continuation) {
  check_token(function, way, [&](auto& end, recorder& seen, auto&) {
    auto operation = function.call(end, asio::deferred([](auto&&... results) {
                                     return asio::deferred.values(result_of(results...));
                                   }));
    std::move(operation)(
        [handler = seen.get_handler()](const result& r) mutable { handler(r.error, r.carries); });
  });
}

FOR_EACH_FUNCTION(detached) {
  asio::io_context context;
  end_of<Function> end(context.get_executor(), way);
  function.call(end, asio::detached);
  end.steer(way);
  BOOST_TEST(context.run() == 1u);
}

FOR_EACH_FUNCTION(as_tuple) {
  check_token(function, way, [&](auto& end, recorder& seen, auto&) {
    function.call(end, asio::as_tuple([handler = copyable_handler(seen)](auto&& results) {
                    std::apply(handler, std::move(results));
                  }));
  });
}

FOR_EACH_FUNCTION(redirect_error) {
  auto error = std::make_shared<error_code>(asio::error::would_block);
  check_token(function, way, [&](auto& end, recorder& seen, auto&) {
    auto rest = [handler = copyable_handler(seen), error](auto&&... values) {
      handler(*error, std::move(values)...);
    };
    function.call(end, asio::redirect_error(std::move(rest), *error));
  });
}

namespace {

/// Calls the handler with all values but the first and the last.
template <class Handler, class Values, std::size_t... I>
void call_with_inner(Handler& handler, Values& values, std::index_sequence<I...>) {
  handler(std::move(std::get<I + 1>(values))...);
}

}  // namespace

FOR_EACH_FUNCTION(append_and_prepend) {
  check_token(function, way, [&](auto& end, recorder& seen, auto&) {
    auto last = [handler = copyable_handler(seen)](auto&&... values) {
      auto all = std::forward_as_tuple(values...);
      constexpr std::size_t count = sizeof...(values);
      BOOST_TEST(std::get<0>(all) == 7);
      BOOST_TEST(std::get<count - 1>(all) == 8);
      call_with_inner(handler, all, std::make_index_sequence<count - 2>());
    };
    function.call(end, asio::prepend(asio::append(last, 8), 7));
  });
}

FOR_EACH_FUNCTION(consign) {
  auto kept = std::make_shared<int>(1);
  std::weak_ptr<int> observed = kept;
  check_token(function, way, [&](auto& end, recorder& seen, auto&) {
    function.call(end, asio::consign(seen.get_handler(), std::move(kept)));
    kept = observed.lock();
  });
  kept.reset();
  BOOST_TEST(observed.expired());
}

// Binders, one inside the other, on a token that is no handler yet.
FOR_EACH_FUNCTION(bound_tokens) {
  asio::io_context own_context;
  allocator_log memory;
  executor_log log;
  asio::cancellation_signal signal;
  recorder seen;
  {
    asio::io_context context;
    end_of<Function> end(context.get_executor(), way);
    auto take = [handler = copyable_handler(seen)](auto&& results) {
      std::apply(handler, std::move(results));
    };
    function.call(end,
                  asio::bind_executor(
                      tracked_executor<io_executor>(own_context.get_executor(), log),
                      asio::bind_allocator(tracked_allocator<void>(memory),
                                           asio::bind_cancellation_slot(
                                               signal.slot(), asio::as_tuple(std::move(take))))));
    if (way == course::cancelled)
      signal.emit(asio::cancellation_type::total);
    else
      end.steer(way);
    own_context.run();
    BOOST_TEST(seen.last() == end.expected(way));
  }
  BOOST_TEST(seen.ran_on() == &log);
  BOOST_TEST(memory.total == 2);
  BOOST_TEST(memory.blocks == 0);
  BOOST_TEST(!signal.slot().has_handler());
}

// Stackful coroutines -----------------------------------------------------------------------------

namespace {

/// What a yield_context returns, with the error that it stored.
template <class Call>
result result_with(error_code& error, Call call) {
  if constexpr (std::is_void_v<decltype(call())>) {
    call();
    return {error, false};
  } else {
    auto value = call();
    return result_of(error, value);
  }
}

/// Runs `body(end, yield)` in a stackful coroutine, and steers when it waits.
template <class Function, class Body>
void check_spawned(const Function&, course way, Body body) {
  asio::io_context context;
  end_of<Function> end(context.get_executor(), way);
  std::optional<result> seen;
  asio::spawn(
      context, [&](asio::yield_context yield) { seen = body(end, yield); },
      [](std::exception_ptr e) {
        if (e) std::rethrow_exception(e);
      });
  asio::post(context, [&] { in_library([&] { end.steer(way); }); });
  context.run();
  BOOST_TEST_REQUIRE(seen.has_value());
  BOOST_TEST(*seen == end.expected(way));
}

}  // namespace

FOR_EACH_FUNCTION(yield_context) {
  check_spawned(function, way, [&](auto& end, asio::yield_context yield) {
    error_code error = asio::error::would_block;
    return result_with(error, [&] { return function.call(end, yield[error]); });
  });
}

FOR_EACH_FUNCTION(yield_context_that_throws) {
  check_spawned(function, way, [&](auto& end, asio::yield_context yield) {
    error_code none;
    try {
      return result_with(none, [&] { return function.call(end, yield); });
    } catch (const boost::system::system_error& e) {
      return result{e.code(), false};
    }
  });
}

FOR_EACH_FUNCTION(as_tuple_of_yield_context) {
  check_spawned(function, way, [&](auto& end, asio::yield_context yield) {
    return std::apply([](auto&&... values) { return result_of(values...); },
                      function.call(end, asio::as_tuple(yield)));
  });
}

// Default tokens ----------------------------------------------------------------------------------

FOR_EACH_FUNCTION(as_default_on_a_type) {
  check_token(function, way, [&](auto& end, recorder& seen, auto&) {
    using handle_type = std::decay_t<decltype(end.handle)>;
    asio::deferred_t::as_default_on_t<handle_type> handle(std::move(end.handle));
    auto operation = function.call_on(handle, end.value);
    std::move(operation)(seen.get_handler());
    end.handle = std::move(handle);
  });
}

FOR_EACH_FUNCTION(as_default_on_an_object) {
  check_token(function, way, [&](auto& end, recorder& seen, auto&) {
    auto handle = asio::deferred.as_default_on(std::move(end.handle));
    auto operation = function.call_on(handle, end.value);
    std::move(operation)(seen.get_handler());
    end.handle = std::move(handle);
  });
}

// As tokens are taken by composed operations ------------------------------------------------------

namespace {

/// The result in the values from the First-th on.
template <std::size_t First, class Values, std::size_t... I>
result result_at(const Values& values, std::index_sequence<I...>) {
  return result_of(std::get<First + I>(values)...);
}

}  // namespace

FOR_EACH_FUNCTION(parallel_group) {
  if (way == course::on_empty_handle) return;
  asio::io_context context;
  end_of<Function> first(context.get_executor(), way);
  end_of<Function> second(context.get_executor(), course::cancelled);
  std::array<std::size_t, 2> order{9, 9};
  std::optional<result> results[2];
  asio::experimental::make_parallel_group(
      function.call(first, asio::bind_executor(context, asio::deferred)),
      function.call(second, asio::bind_executor(context, asio::deferred)))
      .async_wait(asio::experimental::wait_for_one(),
                  [&](std::array<std::size_t, 2> completed, auto&&... values) {
                    order = completed;
                    auto all = std::forward_as_tuple(values...);
                    using half = std::make_index_sequence<sizeof...(values) / 2>;
                    results[0] = result_at<0>(all, half());
                    results[1] = result_at<sizeof...(values) / 2>(all, half());
                  });
  first.steer(way);
  context.run();
  BOOST_TEST_REQUIRE(results[0].has_value());
  BOOST_TEST(*results[0] == first.expected(way));
  BOOST_TEST(*results[1] == aborted);
  BOOST_TEST(order[0] == 0u);
}

FOR_EACH_FUNCTION(promise) {
  // Asio's promise moves the results twice: what a moved-from pointer or permit was does not
  // arrive.
  if constexpr (std::is_same_v<typename Function::signature,
                               void(error_code, std::shared_ptr<const int>)> ||
                std::is_same_v<typename Function::signature,
                               void(error_code, sluice::permit<message>)>)
    return;
  check_token(function, way, [&](auto& end, recorder& seen, auto&) {
    auto promise = function.call(end, asio::experimental::use_promise);
    // Kept alive by its own completion: to let go of a promise is to cancel it.
    auto kept = std::make_shared<decltype(promise)>(std::move(promise));
    (*kept)([kept, handler = seen.get_handler()](auto&&... values) mutable {
      handler(std::move(values)...);
    });
  });
}

#if defined(HAS_ANY_COMPLETION_HANDLER)
FOR_EACH_FUNCTION(any_completion_handler) {
  check_token(function, way, [&](auto& end, recorder& seen, auto&) {
    using signature = signature_at<Function, std::decay_t<decltype(end)>>;
    function.call(end, asio::any_completion_handler<signature>(seen.get_handler()));
  });
}

FOR_EACH_FUNCTION(any_completion_handler_with_everything_associated) {
  using erased = asio::any_completion_handler<typename Function::signature>;
  asio::io_context context;
  asio::io_context own_context;
  allocator_log memory;
  executor_log log;
  asio::cancellation_signal signal;
  recorder seen;
  end_of<Function> end(context.get_executor(), way);
  function.call(
      end,
      erased(asio::bind_executor(
          tracked_executor<io_executor>(own_context.get_executor(), log),
          asio::bind_allocator(tracked_allocator<void>(memory),
                               asio::bind_cancellation_slot(signal.slot(), seen.get_handler())))));
  if (way == course::cancelled)
    signal.emit(asio::cancellation_type::total);
  else
    end.steer(way);
  // What its executor may do is not known, so the way leads through the handle's.
  context.run();
  BOOST_TEST(!seen.done());
  own_context.run();
  BOOST_TEST(seen.last() == end.expected(way));
  BOOST_TEST(seen.ran_on() == &log);
  BOOST_TEST(memory.total >= 2);
  BOOST_TEST(memory.blocks == 0);
  BOOST_TEST(memory.wrong == 0);
  // Its slot is its own, and between that and this one there is still a link.
  signal.emit(asio::cancellation_type::terminal);
  BOOST_TEST(seen.calls() == 1);
}
#endif

// Immediate executors, from Boost 1.82 on ---------------------------------------------------------

#if BOOST_ASIO_VERSION >= 102700
FOR_EACH_FUNCTION(K1_a_ready_operation_uses_the_associated_immediate_executor) {
  for_each_flavour([&](auto threading) {
    asio::io_context context;
    end_of<Function, decltype(threading)> end(context.get_executor(), way);
    recorder seen;
    function.call(end, asio::bind_immediate_executor(asio::system_executor(), seen.get_handler()));
    BOOST_TEST(seen.done() == !waits(way));
    end.steer(way);
    BOOST_TEST(seen.done() == !waits(way));
    BOOST_TEST(context.run() == (waits(way) ? 1u : 0u));
    BOOST_TEST(seen.inside_a_call() == !waits(way));
    BOOST_TEST(seen.last() == end.expected(way));
  });
}

// And from there it is dispatched to the handler's own executor, if it has one.
FOR_EACH_FUNCTION(K2_an_immediate_executor_leads_to_the_associated_one) {
  asio::io_context context;
  asio::io_context own_context;
  executor_log log;
  const tracked_executor<io_executor> own(own_context.get_executor(), log);
  end_of<Function> elsewhere(context.get_executor(), way);
  recorder seen;
  function.call(elsewhere,
                asio::bind_immediate_executor(asio::system_executor(),
                                              asio::bind_executor(own, seen.get_handler())));
  BOOST_TEST(!seen.done());
  elsewhere.steer(way);
  BOOST_TEST(!seen.done());
  own_context.run();
  BOOST_TEST(seen.last() == elsewhere.expected(way));
  BOOST_TEST(seen.ran_on() == &log);
  BOOST_TEST(log.work == 0);

  // Where that one runs, dispatching means to call.
  end_of<Function> inside(context.get_executor(), way);
  recorder seen_inside;
  asio::post(own, [&] {
    function.call(
        inside, asio::bind_immediate_executor(asio::system_executor(),
                                              asio::bind_executor(own, seen_inside.get_handler())));
    BOOST_TEST(seen_inside.done() == !waits(way));
    inside.steer(way);
  });
  own_context.restart();
  own_context.run();
  BOOST_TEST(seen_inside.last() == inside.expected(way));
  BOOST_TEST(seen_inside.ran_on() == &log);
}

// Whatever its type is: that of the handle's executor says nothing.
FOR_EACH_FUNCTION(K1_an_immediate_executor_of_the_handles_type_counts_too) {
  asio::io_context context;
  asio::io_context other_context;
  end_of<Function> end(context.get_executor(), way);
  recorder seen;
  asio::post(other_context, [&] {
    function.call(end,
                  asio::bind_immediate_executor(other_context.get_executor(), seen.get_handler()));
    BOOST_TEST(seen.done() == !waits(way));
  });
  other_context.run();
  end.steer(way);
  context.run();
  BOOST_TEST(seen.calls() == 1);
  BOOST_TEST(seen.last() == end.expected(way));
}

// A handler that runs at once is free to use the channel, again and again.
FOR_EACH_FUNCTION(K6_a_handler_that_runs_at_once_may_use_the_channel) {
  if (waits(way)) return;
  asio::io_context context;
  end_of<Function> end(context.get_executor(), way);
  recorder seen;
  recorder seen_inside;
  message value(2);
  seen.at_call([&] {
    function.call_on(
        end.handle, value,
        asio::bind_immediate_executor(asio::system_executor(), seen_inside.get_handler()));
    close(end);
    touch(end.other);
    end.handle.cancel();
  });
  function.call(end, asio::bind_immediate_executor(asio::system_executor(), seen.get_handler()));
  BOOST_TEST(seen.last() == end.expected(way));
  context.run();
  BOOST_TEST(seen_inside.done());
}

FOR_EACH_FUNCTION(K3_memory_is_freed_before_an_immediate_handler_runs) {
  asio::io_context context;
  end_of<Function> end(context.get_executor(), way);
  recorder seen;
  allocator_log memory;
  int blocks_at_call = -1;
  seen.at_call([&] { blocks_at_call = memory.blocks; });
  function.call(end, asio::bind_allocator(tracked_allocator<void>(memory),
                                          asio::bind_immediate_executor(asio::system_executor(),
                                                                        seen.get_handler())));
  end.steer(way);
  context.run();
  BOOST_TEST(seen.last() == end.expected(way));
  BOOST_TEST(blocks_at_call == 0);
  BOOST_TEST(memory.blocks == 0);
}

FOR_EACH_FUNCTION(K4_an_immediate_handler_finds_its_slot_empty) {
  asio::io_context context;
  end_of<Function> end(context.get_executor(), way);
  recorder seen;
  asio::cancellation_signal signal;
  bool empty = false;
  seen.at_call([&] { empty = !signal.slot().has_handler(); });
  function.call(end, asio::bind_cancellation_slot(
                         signal.slot(), asio::bind_immediate_executor(asio::system_executor(),
                                                                      seen.get_handler())));
  end.steer(way);
  context.run();
  BOOST_TEST(seen.last() == end.expected(way));
  BOOST_TEST(empty);
}
#endif

// Deadlines, from Boost 1.86 on -------------------------------------------------------------------

#if BOOST_ASIO_VERSION >= 103200
FOR_EACH_FUNCTION(cancel_after_a_long_time) {
  check_token(function, way, [&](auto& end, recorder& seen, auto&) {
    function.call(end, asio::cancel_after(std::chrono::hours(1), seen.get_handler()));
  });
}

FOR_EACH_FUNCTION(cancel_at_a_late_time) {
  check_token(function, way, [&](auto& end, recorder& seen, auto&) {
    function.call(end, asio::cancel_at(std::chrono::steady_clock::now() + std::chrono::hours(1),
                                       seen.get_handler()));
  });
}

FOR_EACH_FUNCTION(cancel_after_as_a_partial_token) {
  check_token(function, way, [&](auto& end, recorder& seen, auto&) {
    auto operation = function.call(end, asio::deferred);
    std::move(operation)(asio::cancel_after(std::chrono::hours(1)))(seen.get_handler());
  });
}

// Nobody steers: what waits ends by the clock.
FOR_EACH_FUNCTION(cancel_after_no_time) {
  for (auto type : {asio::cancellation_type::terminal, asio::cancellation_type::partial,
                    asio::cancellation_type::total}) {
    asio::io_context context;
    end_of<Function> end(context.get_executor(), way);
    recorder seen;
    function.call(end, asio::cancel_after(std::chrono::nanoseconds(1), type, seen.get_handler()));
    context.run();
    BOOST_TEST(seen.calls() == 1);
    if (waits(way)) BOOST_TEST(seen.last() == aborted);
  }
}

// It reports what has happened, so it loses nothing: a message that was not received is still
// there.
BOOST_AUTO_TEST_CASE(D3_cancel_after_loses_no_message) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_unbounded_channel<int>(context);
  int received = 0;
  int rounds = 0;
  for (; rounds != 300; ++rounds) {
    recorder seen;
    rx.async_receive(asio::cancel_after(std::chrono::microseconds(rounds), seen.get_handler()));
    asio::post(context, [&sender = tx] { static_cast<void>(sender.try_send(1)); });
    context.restart();
    context.run();
    if (seen.last() == success_with_something) ++received;
  }
  BOOST_TEST(static_cast<int>(rx.size()) + received == rounds);
}
#endif
