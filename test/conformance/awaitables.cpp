// SPDX-License-Identifier: BSL-1.0
// requires: c++20
#define BOOST_TEST_MODULE conformance_awaitables
#define CONFORMANCE_ONE_FORM_EACH

// Coroutines that wait for each asynchronous function: on any executor, cancelled, raced, destroyed
// with their context, begun late, and with a token that is the default of the handle.

#include "conformance/awaitables.hpp"
#include "conformance/functions.hpp"
#include "support/unit_test.hpp"

#include <sluice/use_awaitable.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

using namespace conformance;

using io_executor = asio::io_context::executor_type;

namespace {

template <class Function>
using end_of = typename Function::template end<io_executor, sluice::multi_threaded>;

}  // namespace

// Default tokens of the executor ------------------------------------------------------------------

FOR_EACH_FUNCTION(as_default_on_an_object) {
  auto check = [&](auto token) {
    asio::io_context context;
    end_of<Function> end(context.get_executor(), way);
    auto handle = token.as_default_on(std::move(end.handle));
    auto coroutine = outcome_of(function.call_on(handle, end.value));
    std::optional<result> seen;
    asio::co_spawn(context, std::move(coroutine), [&](std::exception_ptr e, result r) {
      rethrow(e);
      seen = r;
    });
    asio::post(context, [&] {
      if (way == course::cancelled)
        handle.cancel();
      else
        end.steer(way);
    });
    context.run();
    BOOST_TEST_REQUIRE(seen.has_value());
    BOOST_TEST(*seen == end.expected(way));
  };
  check(asio::use_awaitable);
  check(sluice::use_awaitable);
}

FOR_EACH_FUNCTION(as_default_on_a_type) {
  using handle_type = decltype(std::declval<end_of<Function>&>().handle);
  auto check = [&](auto token) {
    using token_type = std::decay_t<decltype(token)>;
    using default_on = typename token_type::template as_default_on_t<handle_type>;
    asio::io_context context;
    end_of<Function> end(context.get_executor(), way);
    default_on handle(std::move(end.handle));
    auto coroutine = outcome_of(function.call_on(handle, end.value));
    std::optional<result> seen;
    asio::co_spawn(context, std::move(coroutine), [&](std::exception_ptr e, result r) {
      rethrow(e);
      seen = r;
    });
    asio::post(context, [&] {
      if (way == course::cancelled)
        handle.cancel();
      else
        end.steer(way);
    });
    context.run();
    BOOST_TEST_REQUIRE(seen.has_value());
    BOOST_TEST(*seen == end.expected(way));
  };
  check(asio::use_awaitable);
  check(sluice::use_awaitable);
}

// Coroutines of other executors -------------------------------------------------------------------

FOR_EACH_FUNCTION(coroutines_of_other_executors) {
  auto check = [&](auto& context, const auto& ex) {
    using executor_type = std::decay_t<decltype(ex)>;
    {
      end_of<Function> end(context.get_executor(), way);
      BOOST_TEST(run(context, ex, end, way,
                     outcome_of(function.call(end, asio::use_awaitable_t<executor_type>()))) ==
                 end.expected(way));
    }
    {
      end_of<Function> end(context.get_executor(), way);
      BOOST_TEST(run(context, ex, end, way,
                     outcome_of(function.call(end, sluice::use_awaitable_t<executor_type>()))) ==
                 end.expected(way));
    }
  };
  asio::io_context context;
  check(context, context.get_executor());
  check(context, asio::make_strand(context));
  check(context, asio::make_strand(asio::any_io_executor(context.get_executor())));
}

// A coroutine that runs on another context than the handle's, which does not run at all.
FOR_EACH_FUNCTION(K2_a_coroutine_on_another_context_needs_only_its_own) {
  asio::io_context context;
  asio::io_context own_context;
  auto check = [&](auto token) {
    end_of<Function> end(context.get_executor(), way);
    BOOST_TEST(run(own_context, asio::any_io_executor(own_context.get_executor()), end, way,
                   outcome_of(function.call(end, token))) == end.expected(way));
    BOOST_TEST(context.poll() == 0u);
    context.restart();
  };
  check(asio::use_awaitable);
  check(sluice::use_awaitable);
}

// Cancelling coroutines ---------------------------------------------------------------------------

FOR_EACH_FUNCTION(K4_a_signal_to_the_coroutine_cancels_what_it_waits_for) {
  if (!waits(way)) return;
  auto check = [&](auto token) {
    asio::io_context context;
    end_of<Function> end(context.get_executor(), way);
    asio::cancellation_signal signal;
    std::optional<result> seen;
    asio::co_spawn(context, outcome_of(function.call(end, token)),
                   asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr e, result r) {
                     rethrow(e);
                     seen = r;
                   }));
    context.poll();
    BOOST_TEST(!seen.has_value());
    signal.emit(asio::cancellation_type::terminal);
    context.restart();
    context.run();
    BOOST_TEST_REQUIRE(seen.has_value());
    BOOST_TEST(*seen == aborted);
    BOOST_TEST(!is_closed(end.handle, false));
  };
  check(asio::use_awaitable);
  check(asio::as_tuple(sluice::use_awaitable));
}

// Two coroutines at once, of which the one ends that is steered, and takes the other along.
FOR_EACH_FUNCTION(K4_the_loser_of_two_is_cancelled) {
  using namespace asio::experimental::awaitable_operators;
  if (way == course::on_empty_handle) return;
  auto check = [&](auto token) {
    asio::io_context context;
    end_of<Function> first(context.get_executor(), way);
    end_of<Function> second(context.get_executor(), course::cancelled);
    std::optional<std::size_t> winner;
    auto race = [&]() -> asio::awaitable<void> {
      auto results = co_await (outcome_of(function.call(first, token)) ||
                               outcome_of(function.call(second, token)));
      winner = results.index();
    };
    asio::co_spawn(context, race(), rethrow);
    asio::post(context, [&] { first.steer(way); });
    context.run();
    BOOST_TEST_REQUIRE(winner.has_value());
    BOOST_TEST(*winner == 0u);
    BOOST_TEST(!is_closed(second.handle, false));
  };
  check(asio::as_tuple(asio::use_awaitable));
  check(asio::as_tuple(sluice::use_awaitable));
}

// Lazily begun ------------------------------------------------------------------------------------

// K9: an awaitable of Asio's token holds what it needs; the handle may go elsewhere before.
FOR_EACH_FUNCTION(K9_an_awaitable_of_asio_does_not_need_the_handle) {
  asio::io_context context;
  end_of<Function> end(context.get_executor(), way);
  auto operation = function.call(end, asio::use_awaitable);
  auto moved = std::move(end.handle);
  BOOST_TEST(context.poll() == 0u);
  std::optional<result> seen;
  asio::co_spawn(context, outcome_of(std::move(operation)), [&](std::exception_ptr e, result r) {
    rethrow(e);
    seen = r;
  });
  asio::post(context, [&] {
    end.handle = std::move(moved);
    end.steer(way);
  });
  context.restart();
  context.run();
  BOOST_TEST_REQUIRE(seen.has_value());
  BOOST_TEST(*seen == end.expected(way));
}

FOR_EACH_FUNCTION(K9_an_awaitable_that_is_never_awaited_leaves_nothing_behind) {
  auto check = [&](auto token) {
    asio::io_context context;
    end_of<Function> end(context.get_executor(), way);
    const std::size_t senders = senders_of(end.other);
    const std::size_t receivers = receivers_of(end.other);
    {
      auto operation = function.call(end, token);
      static_cast<void>(operation);
    }
    BOOST_TEST(senders_of(end.other) == senders);
    BOOST_TEST(receivers_of(end.other) == receivers);
    BOOST_TEST(context.poll() == 0u);
  };
  check(asio::use_awaitable);
  check(sluice::use_awaitable);
}

// K9: the library's token borrows the handle, but not one that is about to be gone.
FOR_EACH_FUNCTION(K9_a_temporary_handle_is_moved_into_the_awaitable) {
  if (way == course::cancelled) return;
  asio::io_context context;
  end_of<Function> end(context.get_executor(), way);
  using handle_type = decltype(end.handle);
  std::unique_ptr<handle_type> temporary;
  if constexpr (can_be_copied<handle_type>)
    temporary = std::make_unique<handle_type>(end.handle);
  else
    temporary = std::make_unique<handle_type>(std::move(end.handle));
  auto operation = function.call_on(std::move(*temporary), end.value, sluice::use_awaitable);
  temporary.reset();
  BOOST_TEST(run(context, asio::any_io_executor(context.get_executor()), end, way,
                 outcome_of(std::move(operation))) == end.expected(way));
}

// K5: a coroutine that waits when its context is destroyed is destroyed, and what it owns with it.
FOR_EACH_FUNCTION(K5_a_waiting_coroutine_is_destroyed_with_its_context) {
  if (!waits(way)) return;
  auto check = [&](auto token) {
    auto owned = std::make_shared<int>();
    std::weak_ptr<int> observed = owned;
    auto context = std::make_unique<asio::io_context>();
    end_of<Function> end(context->get_executor(), way);
    auto keep = [&](std::shared_ptr<int>) -> asio::awaitable<void> {
      co_await outcome_of(function.call(end, token));
      BOOST_ERROR("this coroutine must not go on");
    };
    asio::co_spawn(*context, keep(std::move(owned)), asio::detached);
    context->poll();
    BOOST_TEST(!observed.expired());
    context.reset();
    BOOST_TEST(observed.expired());
  };
  check(asio::use_awaitable);
  check(sluice::use_awaitable);
}
