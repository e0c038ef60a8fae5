// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE conformance_every_executor
#define CONFORMANCE_ONE_FORM_EACH

// Each asynchronous function, in each course of its operation, with every kind of executor, as the
// handle's and as the handler's: Asio's own, those that are made of others, and those of a user.

#include "conformance/functions.hpp"
#include "support/recorder.hpp"
#include "support/unit_test.hpp"
#include "support/user_executors.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/system_executor.hpp>
#include <boost/asio/thread_pool.hpp>

using namespace conformance;
using namespace support;

using io_executor = asio::io_context::executor_type;

namespace {

/// Runs an io_context when it is told to.
struct io_world {
  using executor_type = io_executor;
  static constexpr bool runs_inline = false;
  executor_type executor() { return context.get_executor(); }
  void finish(const recorder&) {
    context.restart();
    context.run();
  }
  asio::io_context context;
};

struct strand_world : io_world {
  using executor_type = asio::strand<io_executor>;
  executor_type executor() { return strand; }
  executor_type strand = asio::make_strand(context);
};

/// Has two threads that run already.
struct pool_world {
  using executor_type = asio::thread_pool::executor_type;
  static constexpr bool runs_inline = false;
  executor_type executor() { return pool.get_executor(); }
  void finish(const recorder& seen) { seen.wait(); }
  asio::thread_pool pool{2};
};

struct pool_strand_world : pool_world {
  using executor_type = asio::strand<asio::thread_pool::executor_type>;
  executor_type executor() { return strand; }
  executor_type strand = asio::make_strand(pool);
};

struct system_world {
  using executor_type = asio::system_executor;
  static constexpr bool runs_inline = false;
  executor_type executor() { return {}; }
  void finish(const recorder& seen) { seen.wait(); }
};

/// What a user may write, the least of it first.
struct minimal_world {
  using executor_type = minimal_executor;
  static constexpr bool runs_inline = false;
  executor_type executor() { return {&queue}; }
  void finish(const recorder&) { queue.run(); }
  task_queue queue;
};

struct context_world {
  using executor_type = context_executor;
  static constexpr bool runs_inline = false;
  executor_type executor() { return {&context}; }
  void finish(const recorder&) { context.queue.run(); }
  task_context context;
};

struct posting_world : context_world {
  using executor_type = posting_executor;
  executor_type executor() { return {&context}; }
};

struct inline_world {
  using executor_type = inline_executor;
  static constexpr bool runs_inline = true;
  executor_type executor() { return {}; }
  void finish(const recorder&) {}
};

/// Another world whose executor is held by an any_io_executor.
template <class World>
struct any_world : World {
  using executor_type = asio::any_io_executor;
  executor_type executor() { return World::executor(); }
};

/// A strand around an any_io_executor.
template <class World>
struct strand_of_any_world : World {
  using executor_type = asio::strand<asio::any_io_executor>;
  executor_type executor() { return strand; }
  executor_type strand{asio::any_io_executor(World::executor())};
};

/// An operation takes its course on the handle's executor.
template <class World, class Function>
void check_as_the_handles(const Function& function, course way) {
  World world;
  typename Function::template end<typename World::executor_type, sluice::multi_threaded> end(
      world.executor(), way);
  BOOST_TEST((end.handle.get_executor() == world.executor()));
  recorder seen;
  function.call(end, seen.get_handler());
  in_library([&] { end.steer(way); });
  world.finish(seen);
  BOOST_TEST(seen.calls() == 1);
  BOOST_TEST(!seen.dropped());
  BOOST_TEST(seen.inside_a_call() == World::runs_inline);
  BOOST_TEST(seen.last() == end.expected(way));
}

/// An operation takes its course on the executor of its handler.
template <class World, class Function>
void check_as_the_handlers(const Function& function, course way) {
  asio::io_context context;
  World world;
  typename Function::template end<io_executor, sluice::multi_threaded> end(context.get_executor(),
                                                                           way);
  recorder seen;
  function.call(end, asio::bind_executor(world.executor(), seen.get_handler()));
  in_library([&] { end.steer(way); });
  // An executor that may block is reached through this context.
  context.run();
  world.finish(seen);
  BOOST_TEST(seen.calls() == 1);
  BOOST_TEST(!seen.inside_a_call());
  BOOST_TEST(seen.last() == end.expected(way));
}

template <class World, class Function>
void check_world(const Function& function, course way) {
  check_as_the_handles<World>(function, way);
  check_as_the_handlers<World>(function, way);
}

}  // namespace

FOR_EACH_FUNCTION(works_with_io_context) {
  check_world<io_world>(function, way);
}

FOR_EACH_FUNCTION(works_with_a_strand) {
  check_world<strand_world>(function, way);
  check_world<pool_strand_world>(function, way);
}

FOR_EACH_FUNCTION(works_with_thread_pool) {
  check_world<pool_world>(function, way);
}

FOR_EACH_FUNCTION(works_with_system_executor) {
  check_world<system_world>(function, way);
}

FOR_EACH_FUNCTION(works_with_any_io_executor) {
  check_world<any_world<io_world>>(function, way);
  check_world<any_world<strand_world>>(function, way);
  check_world<any_world<pool_world>>(function, way);
  check_world<any_world<pool_strand_world>>(function, way);
  check_world<any_world<system_world>>(function, way);
  check_world<any_world<posting_world>>(function, way);
  check_world<any_world<strand_of_any_world<io_world>>>(function, way);
  check_world<strand_of_any_world<pool_world>>(function, way);
}

FOR_EACH_FUNCTION(works_with_the_least_of_executors) {
  check_world<minimal_world>(function, way);
}

FOR_EACH_FUNCTION(works_with_an_executor_that_has_a_context) {
  check_world<context_world>(function, way);
  check_world<posting_world>(function, way);
}

FOR_EACH_FUNCTION(works_with_an_inline_executor) {
  check_world<inline_world>(function, way);
}
