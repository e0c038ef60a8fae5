// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE broadcast_memory_operations

// Operations of broadcasts that find no memory: one allocation after the other fails, that of an
// operation, of its registration, of its submission, of a place for a message.

#include "support/broadcasts.hpp"
#include "support/heap.hpp"
#include "support/probe.hpp"
#include "support/unit_test.hpp"

#include <sluice/broadcast.hpp>

#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <new>
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

// A message is received in any case, by that operation or by the next one.
FLAVOUR_TEST_CASE(D6_a_receive_that_finds_no_memory_leaves_the_message, one_broadcast) {
  for (const bool on_strand : {false, true}) {
    for (const bool waits : {false, true}) {
      bool failed = true;
      for (long n = 0; failed; ++n) {
        BOOST_TEST_REQUIRE(n < 100);
        asio::io_context context;
        letter::office office;
        const asio::any_io_executor ex =
            on_strand ? asio::any_io_executor(asio::make_strand(context)) : context.get_executor();
        auto tx = open_broadcast(flavour, context);
        auto rx = tx.subscribe().with_executor(ex);
        auto other = tx.subscribe();
        auto steady = begin_receive(other);
        receive_probe<letter> first;
        bool sent = false;
        {
          failing_heap failing(n);
          if (!waits) sent = !finds_none([&] { tx.send(letter(7, office)); });
          if (finds_none([&] { rx.async_receive(fresh(first)); })) BOOST_TEST(first.dropped());
          if (waits) sent = !finds_none([&] { tx.send(letter(7, office)); });
          failed = failing.has_failed();
        }
        if (!sent) BOOST_TEST(tx.send(letter(7, office)) == 2u);
        finds_none([&] { run_ready(context); });
        BOOST_TEST(first.done() == !first.dropped());
        if (!failed) BOOST_TEST(first.id() == 7);
        BOOST_TEST(steady.id() == 7);
        BOOST_TEST(all_of(rx) == (first.id() == 7 ? "empty" : "7 empty"));
        BOOST_TEST(tx.size() == 0u);
      }
    }
  }
}

// A send says that it was accepted, that it was not, or is gone: then its message may have been
// sent, but not twice. Those that come after it are not touched.
FLAVOUR_TEST_CASE(D6_a_send_that_finds_no_memory_is_over_and_no_other_is, one_broadcast) {
  for (const int way : {0, 1, 2, 3}) {
    const bool on_strand = way % 2 != 0;
    const bool when_it_is_accepted = way / 2 != 0;
    bool failed = true;
    for (long n = 0; failed; ++n) {
      BOOST_TEST_REQUIRE(n < 100);
      asio::io_context context;
      letter::office office;
      const asio::any_io_executor ex =
          on_strand ? asio::any_io_executor(asio::make_strand(context)) : context.get_executor();
      auto opened = open_lossless_broadcast(flavour, context);
      auto tx = opened.with_executor(ex);
      auto rx = opened.subscribe();
      auto steady = begin_wait_closed(opened);
      while (!tx.full()) BOOST_TEST(!tx.try_send(letter(0, office)));
      probe<std::size_t> first;
      probe<std::size_t> second;
      letter mine(7, office);
      bool began = false;
      std::string seen;
      auto begin = [&] {
        began = !finds_none([&] { tx.async_send(std::ref(mine), fresh(first)); });
      };
      auto make_place = [&] {
        if (auto got = rx.try_receive()) seen += std::to_string(got->id()) + " ";
      };
      if (when_it_is_accepted) {
        begin();
        failing_heap failing(n);
        make_place();
        failed = failing.has_failed();
      } else {
        failing_heap failing(n);
        begin();
        failed = failing.has_failed();
      }
      if (!began) {
        BOOST_TEST(first.dropped());
        BOOST_TEST(mine.id() == 7);
      }
      tx.async_send(letter(8, office), second.get_handler());
      seen += all_of(rx);
      finds_none([&] { run_ready(context); });
      seen += " " + all_of(rx);
      BOOST_TEST(first.done() == !first.dropped());
      BOOST_TEST(second.succeeded());
      const bool received = seen.find('7') != std::string::npos;
      BOOST_TEST(received == (mine.id() != 7));
      if (first.done()) BOOST_TEST(received == first.succeeded());
      BOOST_TEST(seen.find('8') != std::string::npos);
      BOOST_TEST(office.alive == (mine.id() == 7 ? 1 : 0));
      BOOST_TEST(!tx.full());
    }
  }
}
