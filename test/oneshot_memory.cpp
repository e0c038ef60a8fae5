// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE oneshot_memory

// What a oneshot allocates, and what happens when there is no memory: each allocation fails once.

#include "support/heap.hpp"
#include "support/oneshots.hpp"
#include "support/probe.hpp"
#include "support/unit_test.hpp"

#include <sluice/oneshot.hpp>

#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>

#include <cstddef>
#include <memory>
#include <new>
#include <optional>
#include <utility>

using namespace support;

namespace {

/// Calls `f` and says whether it has found no memory.
template <class F>
bool finds_none(F&& f) {
  try {
    f();
    return false;
  } catch (const std::bad_alloc&) {
    return true;
  }
}

}  // namespace

FLAVOUR_TEST_CASE(K3_a_oneshot_is_one_allocation, oneshots) {
  asio::io_context context;
  const std::size_t before = heap::blocks;
  const std::size_t bytes = heap::bytes;
  {
    auto [tx, rx] = open_oneshot(flavour, context);
    BOOST_TEST(heap::blocks == before + 1);
    BOOST_TEST(heap::bytes - bytes <= 112 + sizeof(message));
    const std::size_t allocations = heap::allocations;
    BOOST_TEST(!tx.send(message(1)));
    BOOST_TEST(rx.try_receive().value().id() == 1);
    rx.close();
    BOOST_TEST(heap::allocations == allocations);
  }
  BOOST_TEST(heap::blocks == before);
  {
    failing_heap failing;
    BOOST_TEST(finds_none([&] { static_cast<void>(open_oneshot(flavour, context)); }));
  }
  BOOST_TEST(heap::blocks == before);
}

// One allocation after the other fails: that of an operation, of its registration, of its
// submission. The value is received once all the same, by that operation or by another one.
FLAVOUR_TEST_CASE(D6_a_receive_that_finds_no_memory_leaves_the_value, oneshots) {
  for (const bool on_strand : {false, true}) {
    for (const bool waits : {false, true}) {
      bool failed = true;
      for (long n = 0; failed; ++n) {
        BOOST_TEST_REQUIRE(n < 100);
        asio::io_context context;
        ledger values;
        const asio::any_io_executor ex =
            on_strand ? asio::any_io_executor(asio::make_strand(context)) : context.get_executor();
        auto [tx, opened] = open_oneshot(flavour, context);
        auto rx = std::move(opened).with_executor(ex);
        // The context has its services already: a strand of Asio's cannot be made half.
        auto [unused, another] = open_oneshot(flavour, context);
        auto waiting = begin_receive(another);
        receive_probe<message> first;
        message value(7, values);
        {
          failing_heap failing(n);
          if (!waits) BOOST_TEST(!tx.send(std::move(value)));
          const bool none = finds_none([&] {
            rx.async_receive(asio::bind_allocator(std::allocator<void>(), first.get_handler()));
          });
          if (none) BOOST_TEST(first.dropped());
          if (waits) BOOST_TEST(!tx.send(std::move(value)));
          failed = failing.has_failed();
        }
        finds_none([&] { run_ready(context); });
        BOOST_TEST(first.done() == !first.dropped());
        if (!failed) BOOST_TEST(first.id() == 7);
        auto second = begin_receive(rx);
        run_ready(context);
        BOOST_TEST((first.id() == 7) == second.ended());
        BOOST_TEST((first.id() == 7 || second.id() == 7));
        BOOST_TEST(values.alive() == 1);
      }
    }
  }
}

// Who waits until nobody wants the value is told of it, or gone.
FLAVOUR_TEST_CASE(D6_who_waits_for_the_end_may_find_no_memory, oneshots) {
  for (const bool on_strand : {false, true}) {
    bool failed = true;
    for (long n = 0; failed; ++n) {
      BOOST_TEST_REQUIRE(n < 100);
      asio::io_context context;
      const asio::any_io_executor ex =
          on_strand ? asio::any_io_executor(asio::make_strand(context)) : context.get_executor();
      auto [opened, rx] = open_oneshot(flavour, context);
      auto tx = std::move(opened).with_executor(ex);
      auto other = begin_wait_closed(tx);
      send_probe waiting;
      {
        failing_heap failing(n);
        finds_none([&] {
          tx.async_wait_closed(asio::bind_allocator(std::allocator<void>(), waiting.get_handler()));
        });
        rx = {};
        failed = failing.has_failed();
      }
      finds_none([&] { run_ready(context); });
      BOOST_TEST((waiting.succeeded() || waiting.dropped()));
      BOOST_TEST((other.succeeded() || other.dropped()));
      // The failure hits one of them at most.
      BOOST_TEST((waiting.succeeded() || other.succeeded()));
      if (!failed) BOOST_TEST((waiting.succeeded() && other.succeeded()));
    }
  }
}
