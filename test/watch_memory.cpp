// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE watch_memory

// What a watch allocates, and what happens when there is no memory: each allocation fails once.

#include "support/heap.hpp"
#include "support/probe.hpp"
#include "support/unit_test.hpp"
#include "support/watches.hpp"

#include <sluice/watch.hpp>

#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>

#include <cstddef>
#include <memory>
#include <new>
#include <optional>
#include <string>
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

/// A handler whose operation is not made of memory that has been used before.
template <class Probe>
auto fresh(const Probe& p) {
  return asio::bind_allocator(std::allocator<void>(), p.get_handler());
}

}  // namespace

FLAVOUR_TEST_CASE(K3_in_the_steady_state_a_value_takes_the_memory_of_the_one_before, watches) {
  asio::io_context context;
  auto tx = open_watch(flavour, context, 0);
  auto rx = tx.subscribe();
  auto use = [&] {
    for (int i = 0; i != 20; ++i) {
      BOOST_TEST_REQUIRE(!tx.send(i));
      BOOST_TEST_REQUIRE(*rx.borrow_and_update() == i);
      tx.send_modify([](int& value) { ++value; });
    }
  };
  use();
  const std::size_t before = heap::allocations;
  for (int round = 0; round != 10; ++round) use();
  BOOST_TEST(heap::allocations == before);
}

FLAVOUR_TEST_CASE(a_watch_of_a_number_takes_at_most_256_bytes, watches) {
  asio::io_context context;
  const std::size_t before = heap::bytes;
  auto tx = open_watch(flavour, context, 0);
  BOOST_TEST(heap::bytes - before <= 256u);
}

FLAVOUR_TEST_CASE(the_handles_of_a_watch_may_find_no_memory, watches) {
  asio::io_context context;
  const std::size_t before = heap::blocks;
  for (long n = 0, failures = n + 1; failures != 0; ++n) {
    failing_heap failing(n);
    failures = 0;
    std::optional<decltype(open_watch(flavour, context, 1))> tx;
    if (finds_none([&] { tx = open_watch(flavour, context, 1); })) {
      ++failures;
      continue;
    }
    decltype(tx->subscribe()) rx;
    decltype(rx) copy;
    failures += finds_none([&] { rx = tx->subscribe(); }) ? 1 : 0;
    const std::size_t receivers = rx ? 1 : 0;
    BOOST_TEST(tx->receiver_count() == receivers);
    const bool copied = !finds_none([&] { copy = rx; });
    failures += copied ? 0 : 1;
    BOOST_TEST(tx->receiver_count() == receivers + (copied ? receivers : 0));
    const bool converted = !finds_none([&] { copy = rx.with_executor(context.get_executor()); });
    failures += converted ? 0 : 1;
    BOOST_TEST((static_cast<bool>(copy) == (receivers != 0 && (copied || converted))));
  }
  BOOST_TEST(heap::blocks == before);
}

FLAVOUR_TEST_CASE(WA6_what_finds_no_memory_changes_nothing, watches) {
  asio::io_context context;
  using text = std::string;
  const text first = "a text that is too long to be kept in the string itself";
  const text second = first + ", and another one";
  for (int way = 0; way != 3; ++way) {
    bool failed = true;
    for (long n = 0; failed; ++n) {
      auto tx = open_watch<text>(flavour, context, first);
      auto rx = tx.subscribe();
      auto changed = begin_changed(rx);
      text next = second;
      {
        failing_heap failing(n);
        if (way == 0) {
          const error_code ec = tx.send(std::move(next));
          failed = !!ec;
          if (failed) BOOST_TEST((ec == asio::error::no_memory));
        } else if (way == 1) {
          failed = finds_none([&] { tx.send_replace(std::move(next)); });
        } else {
          failed = finds_none([&] { tx.send_modify([&](text& value) { value = second; }); });
        }
      }
      BOOST_TEST(*rx.borrow() == (failed ? first : second));
      BOOST_TEST(rx.has_changed() == !failed);
      run_ready(context);
      BOOST_TEST(changed.done() == !failed);
      // Afterwards everything is as it was.
      BOOST_TEST(!tx.send(second));
      run_ready(context);
      BOOST_TEST(changed.changed());
    }
  }
}

// One allocation after the other fails: that of an operation, of its registration, of its
// submission.
FLAVOUR_TEST_CASE(D6_operations_that_find_no_memory_are_over_and_nobody_else_is, watches) {
  for (const bool on_strand : {false, true}) {
    bool failed = true;
    for (long n = 0; failed; ++n) {
      BOOST_TEST_REQUIRE(n < 100);
      asio::io_context context;
      const asio::any_io_executor ex =
          on_strand ? asio::any_io_executor(asio::make_strand(context)) : context.get_executor();
      auto tx = open_watch(flavour, context, 1);
      auto rx = tx.subscribe().with_executor(ex);
      auto other = tx.subscribe();
      auto waits = begin_changed(other);
      changed_probe changed;
      found_probe<int> found;
      bool began = false;
      bool searched = false;
      {
        failing_heap failing(n);
        began = !finds_none([&] { rx.async_changed(fresh(changed)); });
        searched = !finds_none(
            [&] { rx.async_wait_for([](int value) { return value == 2; }, fresh(found)); });
        finds_none([&] { run_ready(context); });
        if (tx.send(2)) BOOST_TEST(failing.has_failed());
        failed = failing.has_failed();
      }
      if (*tx.borrow() == 1) BOOST_TEST(!tx.send(2));
      finds_none([&] { run_ready(context); });
      // It is told, or gone if its executor could not be reached.
      BOOST_TEST(changed.done() == !changed.dropped());
      BOOST_TEST(found.done() == !found.dropped());
      if (!began) BOOST_TEST(changed.dropped());
      if (!searched) BOOST_TEST(found.dropped());
      BOOST_TEST((changed.changed() || changed.dropped()));
      BOOST_TEST((found.found(2) || found.dropped()));
      if (!failed) BOOST_TEST((changed.changed() && found.found(2)));
      BOOST_TEST(waits.changed());
      auto next = begin_changed(rx);
      tx.send(3);
      run_ready(context);
      BOOST_TEST(next.changed());
    }
  }
}
