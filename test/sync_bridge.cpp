// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE sync_bridge

// Functions that plain threads bring to an executor. Nothing is checked on other threads than the
// main one, since the test framework is not made for that; the others only count.

#include "support/crew.hpp"
#include "support/message.hpp"
#include "support/probe.hpp"
#include "support/user_executors.hpp"

#include <sluice/sync_bridge.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/system/system_error.hpp>
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using namespace support;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using sluice::error_code;
using sluice::sync_bridge;

namespace {

/// A thread that runs a context until this object goes.
class runner {
 public:
  explicit runner(asio::io_context& context)
      : work_(asio::make_work_guard(context)), thread_([&context] { context.run(); }) {}
  runner(const runner&) = delete;
  runner& operator=(const runner&) = delete;
  ~runner() {
    work_.reset();
    thread_.join();
  }

  std::thread::id id() const { return thread_.get_id(); }

 private:
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::thread thread_;
};

template <class Call>
error_code thrown_by(Call call) {
  try {
    call();
  } catch (const boost::system::system_error& e) {
    return e.code();
  }
  return error_code();
}

/// A function that occupies an executor until it is let go.
class obstacle {
 public:
  template <class Executor>
  explicit obstacle(const Executor& ex) {
    asio::post(ex, [state = state_] {
      state->begun = true;
      while (!state->over) std::this_thread::yield();
    });
    while (!state_->begun) std::this_thread::yield();
  }
  obstacle(const obstacle&) = delete;
  obstacle& operator=(const obstacle&) = delete;
  ~obstacle() { remove(); }

  void remove() { state_->over = true; }

 private:
  struct state {
    std::atomic<bool> begun{false};
    std::atomic<bool> over{false};
  };
  std::shared_ptr<state> state_ = std::make_shared<state>();
};

}  // namespace

BOOST_AUTO_TEST_CASE(a_call_brings_back_what_the_function_returns) {
  asio::io_context context;
  runner running(context);
  sync_bridge bridge(context);
  static_assert(std::is_same_v<decltype(bridge), sync_bridge<asio::io_context::executor_type>>);

  BOOST_TEST(bridge.call([] { return 7; }) == 7);
  BOOST_TEST(*bridge.call([] { return std::make_unique<int>(7); }) == 7);
  BOOST_TEST((bridge.call([] { return std::this_thread::get_id(); }) == running.id()));
  int here = 0;
  const auto refer = [&]() -> int& { return here; };
  static_assert(std::is_same_v<decltype(bridge.call(refer)), int&>);
  BOOST_TEST(&bridge.call(refer) == &here);
  bridge.call([&] { here = 8; });
  BOOST_TEST(here == 8);

  error_code ec = asio::error::would_block;
  BOOST_TEST(bridge.call([] { return 9; }, ec).value() == 9);
  BOOST_TEST(!ec);
  BOOST_TEST(bridge.call([&]() -> int& { return here; }, ec) == &here);
  bridge.call_for(1h, [&] { here = 10; }, ec);
  BOOST_TEST(here == 10);
  BOOST_TEST(bridge.call_for(std::chrono::hours::max(), [] { return 11; }) == 11);
}

BOOST_AUTO_TEST_CASE(a_call_brings_back_the_exception_of_the_function) {
  asio::thread_pool pool(1);
  sync_bridge bridge(pool);
  error_code ec;
  BOOST_CHECK_THROW(bridge.call([] { throw std::domain_error("no"); }), std::domain_error);
  BOOST_CHECK_THROW(bridge.call([]() -> int { throw std::domain_error("no"); }, ec),
                    std::domain_error);
  BOOST_TEST(bridge.call([] { return 1; }) == 1);
}

// A function stays where it is: it may be one that can neither be copied nor moved.
BOOST_AUTO_TEST_CASE(a_call_uses_the_function_where_it_is) {
  struct fixed {
    fixed() = default;
    fixed(const fixed&) = delete;
    fixed& operator=(const fixed&) = delete;
    int operator()() & { return 1; }
    int operator()() && { return 2; }
  };
  asio::thread_pool pool(1);
  sync_bridge bridge(pool);
  fixed f;
  BOOST_TEST(bridge.call(f) == 1);
  BOOST_TEST(bridge.call(fixed()) == 2);
}

BOOST_AUTO_TEST_CASE(an_empty_bridge_is_closed) {
  sync_bridge<> bridge;
  sync_bridge<asio::io_context::executor_type> narrow;
  BOOST_TEST(bridge.is_closed());
  BOOST_TEST(bridge.size() == 0u);
  BOOST_TEST(bridge.post([] {}) == sluice::error::closed);
  BOOST_TEST(thrown_by([&] { bridge.call([] {}); }) == sluice::error::closed);
  BOOST_TEST(thrown_by([&] { narrow.call([] {}); }) == sluice::error::closed);
  bridge.close();
}

BOOST_AUTO_TEST_CASE(copies_are_the_same_bridge) {
  asio::thread_pool pool(1);
  sync_bridge<> bridge(pool.get_executor());
  sync_bridge<> copy = bridge;
  copy.close();
  BOOST_TEST(bridge.is_closed());
  sync_bridge<> another(pool);
  swap(another, copy);
  BOOST_TEST(copy.call([] { return 1; }) == 1);
  BOOST_TEST(another.is_closed());
}

// post() ------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(post_never_runs_the_function_inside) {
  asio::io_context context;
  sync_bridge bridge(context);
  bool ran = false;
  // On a thread that runs the executor, too: nothing blocks.
  asio::post(context, [&] {
    BOOST_TEST(!bridge.post([&ran] { ran = true; }));
    BOOST_TEST(!ran);
  });
  context.run();
  BOOST_TEST(ran);
}

BOOST_AUTO_TEST_CASE(what_was_posted_runs_after_the_bridge_is_gone) {
  asio::io_context context;
  int ran = 0;
  {
    sync_bridge bridge(context);
    for (int i = 0; i != 100; ++i) BOOST_TEST(!bridge.post([&ran] { ++ran; }));
  }
  context.run();
  BOOST_TEST(ran == 100);
}

BOOST_AUTO_TEST_CASE(an_exception_leaves_through_the_executor_and_the_others_run) {
  asio::io_context context;
  sync_bridge bridge(context);
  int ran = 0;
  BOOST_TEST(!bridge.post([] { throw std::domain_error("no"); }));
  BOOST_TEST(!bridge.post([&ran] { ++ran; }));
  BOOST_CHECK_THROW(context.run(), std::domain_error);
  BOOST_TEST(ran == 0);
  context.restart();
  context.run();
  BOOST_TEST(ran == 1);
}

BOOST_AUTO_TEST_CASE(others_have_their_turn_between_functions) {
  asio::io_context context;
  sync_bridge bridge(context);
  int ran = 0;
  std::optional<int> ran_before;
  for (int i = 0; i != 100; ++i) BOOST_TEST(!bridge.post([&ran] { ++ran; }));
  asio::post(context, [&] { ran_before = ran; });
  context.run();
  BOOST_TEST(ran == 100);
  BOOST_TEST(ran_before.value() < 100);
}

// Order -------------------------------------------------------------------------------------------

// Also on a pool: what comes through one bridge runs one after the other.
BOOST_AUTO_TEST_CASE(functions_of_one_thread_run_in_order) {
  constexpr int threads = 3;
  constexpr int functions = 2000;
  asio::thread_pool pool(4);
  sync_bridge bridge(pool);
  int last[threads] = {};
  int wrong = 0;
  crew all;
  for (int t = 0; t != threads; ++t)
    all.add([&, t] {
      for (int i = 1; i <= functions; ++i) {
        auto f = [&, t, i] { wrong += std::exchange(last[t], i) == i - 1 ? 0 : 1; };
        if (i % 50 == 0)
          bridge.call(f);
        else if (bridge.post(f))
          return;
      }
    });
  all.run();
  for (int t = 0; t != threads; ++t)
    BOOST_TEST(bridge.call([&last, t] { return last[t]; }) == functions);
  BOOST_TEST(bridge.call([&wrong] { return wrong; }) == 0);
}

BOOST_AUTO_TEST_CASE(functions_run_on_the_strand) {
  asio::thread_pool pool(2);
  const auto strand = asio::make_strand(pool);
  sync_bridge one(strand), two(strand);
  int unprotected = 0;
  crew all;
  for (sync_bridge<std::decay_t<decltype(strand)>>* bridge : {&one, &two})
    all.add([&unprotected, bridge] {
      for (int i = 0; i != 1000; ++i) bridge->call([&unprotected] { ++unprotected; });
    });
  for (int i = 0; i != 1000; ++i) asio::post(strand, [&unprotected] { ++unprotected; });
  all.run();
  pool.join();
  BOOST_TEST(unprotected == 3000);
}

// B1 ----------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(B1_calling_on_the_executors_own_thread_would_deadlock) {
  asio::io_context context;
  asio::thread_pool foreign(1);
  sync_bridge bridge(context);
  sync_bridge<> any(asio::any_io_executor(asio::make_strand(context)));
  int ran = 0;
  error_code seen[3];
  asio::post(context, [&] {
    bridge.call([&ran] { ++ran; }, seen[0]);
    any.call([&ran] { ++ran; }, seen[1]);
    bridge.call_for(0s, [&ran] { ++ran; }, seen[2]);
  });
  context.run();
  for (const error_code ec : seen) BOOST_TEST(ec == sluice::error::would_deadlock);
  context.restart();
  context.run();
  BOOST_TEST(ran == 0);

  // A thread of another context may.
  context.restart();
  runner running(context);
  sync_bridge to_foreign(foreign);
  BOOST_TEST(to_foreign.call([&] { return bridge.call([] { return 5; }); }) == 5);
}

// B3 ----------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(B3_a_function_whose_time_is_over_never_runs) {
  asio::thread_pool pool(1);
  sync_bridge bridge(pool);
  std::atomic<int> ran{0};
  {
    obstacle busy(pool.get_executor());
    BOOST_TEST(thrown_by([&] { bridge.call_for(1ms, [&] { ++ran; }); }) == asio::error::timed_out);
    error_code ec;
    BOOST_TEST(!bridge.call_for(-1h, [&] { return ++ran; }, ec));
    BOOST_TEST(ec == asio::error::timed_out);
  }
  bridge.call([] {});
  BOOST_TEST(ran == 0);
}

BOOST_AUTO_TEST_CASE(B3_once_begun_the_call_waits_for_the_function) {
  asio::thread_pool pool(1);
  sync_bridge bridge(pool);
  for (int round = 0; round != 300; ++round) {
    // The function begins and the time is over at the same moment.
    bool begun = false, ended = false;
    error_code ec;
    bridge.call_for(
        std::chrono::microseconds(round / 10),
        [&] {
          begun = true;
          std::this_thread::yield();
          ended = true;
        },
        ec);
    // Everything happened before the call returned, or nothing ever does.
    BOOST_TEST(begun == !ec);
    BOOST_TEST(ended == !ec);
  }
  // Closing does not interrupt what has begun, either.
  std::atomic<bool> inside{false}, may_go{false};
  std::thread other([&] {
    while (!inside) std::this_thread::yield();
    bridge.close();
    may_go = true;
  });
  error_code ec;
  BOOST_TEST(bridge.call_for(0s, [] { return 1; }, ec).value_or(2) > 0);
  BOOST_TEST(bridge.call([&] {
    inside = true;
    while (!may_go) std::this_thread::yield();
    return 3;
  }) == 3);
  other.join();
}

namespace {

/// Threads that call, and what they are told.
struct callers {
  template <class Bridge>
  void start(Bridge bridge, int count) {
    for (int i = 0; i != count; ++i)
      threads.emplace_back([this, bridge]() mutable {
        error_code ec;
        bridge.call([this] { ++ran; }, ec);
        if (ec == asio::error::operation_aborted) ++aborted;
        if (ec == sluice::error::closed) ++closed;
      });
  }
  void join() {
    for (std::thread& t : threads) t.join();
  }

  std::atomic<int> ran{0}, aborted{0}, closed{0};
  std::vector<std::thread> threads;
};

}  // namespace

BOOST_AUTO_TEST_CASE(B3_callers_wake_when_the_context_is_destroyed) {
  for (int round = 0; round != 100; ++round) {
    ledger alive;
    auto context = std::make_unique<asio::io_context>();
    sync_bridge bridge(*context);
    // Who comes first posts to the executor, and must have done so before that goes.
    for (int i = 0; i != 3; ++i)
      BOOST_TEST(!bridge.post([m = message(i, alive)] { static_cast<void>(m); }));
    BOOST_TEST(alive.alive() == 3);
    callers all;
    all.start(bridge, 3);
    // All of them wait: nobody runs the context. One that comes later would come to a dead one.
    while (bridge.size() != 6) std::this_thread::yield();
    context.reset();
    all.join();
    BOOST_TEST(all.aborted == 3);
    BOOST_TEST(all.ran == 0);
    BOOST_TEST(alive.alive() == 0);
    BOOST_TEST(!bridge.is_closed());
  }
}

BOOST_AUTO_TEST_CASE(closing_refuses_what_has_not_begun) {
  for (int round = 0; round != 100; ++round) {
    ledger alive;
    asio::io_context context;
    sync_bridge bridge(context);
    callers all;
    all.start(bridge, 3);
    for (int i = 0; i != 3; ++i)
      BOOST_TEST(!bridge.post([m = message(i, alive)] { static_cast<void>(m); }));
    bridge.close();
    bridge.close();
    all.join();
    BOOST_TEST(all.closed == 3);
    BOOST_TEST(alive.alive() == 0);
    BOOST_TEST(bridge.post([m = message(0, alive)] { static_cast<void>(m); }) ==
               sluice::error::closed);
    BOOST_TEST(alive.alive() == 0);
    BOOST_TEST(context.run() <= 1u);
    BOOST_TEST(all.ran == 0);
  }
}

// Calls, deadlines, closing and the executor, all at once: each function runs or is refused, once.
BOOST_AUTO_TEST_CASE(each_function_runs_or_is_refused) {
  for (int round = 0; round != 50; ++round) {
    ledger alive;
    std::atomic<int> ran{0}, told_ran{0}, posted{0}, refused{0};
    {
      asio::thread_pool pool(1);
      sync_bridge bridge(pool);
      crew all;
      for (int t = 0; t != 2; ++t)
        all.add([&, t, bridge]() mutable {
          for (int i = 0; i != 40; ++i) {
            error_code ec;
            auto f = [&ran, m = message(i, alive)] { ++ran; };
            if (i % 4 == 0) {
              bridge.post(std::move(f)) ? ++refused : ++posted;
            } else if (t == 0) {
              bridge.call(f, ec);
              ec ? ++refused : ++told_ran;
            } else {
              bridge.call_for(std::chrono::microseconds(i), std::move(f), ec);
              ec ? ++refused : ++told_ran;
            }
          }
        });
      all.add([bridge, round]() mutable {
        for (int i = 0; i != round * 20; ++i) std::this_thread::yield();
        bridge.close();
      });
      all.run();
    }
    BOOST_TEST(told_ran + posted + refused == 80);
    BOOST_TEST(ran >= told_ran);
    BOOST_TEST(ran <= told_ran + posted);
    BOOST_TEST(alive.alive() == 0);
  }
}

BOOST_AUTO_TEST_CASE(a_function_may_own_its_bridge_and_its_context) {
  auto context = std::make_shared<asio::io_context>();
  std::weak_ptr<asio::io_context> observed = context;
  {
    sync_bridge bridge(*context);
    BOOST_TEST(!bridge.post([context, bridge] {}));
    context.reset();
    BOOST_TEST(!observed.expired());
    observed.lock()->run();
  }
  BOOST_TEST(observed.expired());
}

BOOST_AUTO_TEST_CASE(an_executor_that_refuses_is_heard_of_and_may_be_asked_again) {
  task_context context;
  bool refuses = true;
  sync_bridge<refusing_executor> bridge(refusing_executor{&context, &refuses});
  auto owner = std::make_shared<int>();
  bool ran = false;
  BOOST_CHECK_THROW(bridge.call([&ran] { ran = true; }), std::runtime_error);
  BOOST_CHECK_THROW((void)bridge.post([owner] {}), std::runtime_error);
  BOOST_TEST(owner.use_count() == 1);
  refuses = false;
  BOOST_TEST(!bridge.post([&ran] { ran = true; }));
  BOOST_TEST(!ran);
  context.queue.run();
  BOOST_TEST(ran);
}
