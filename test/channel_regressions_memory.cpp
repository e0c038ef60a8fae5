// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE channel_regressions_memory

// What went wrong once when there was no memory, and how it is told: one test each.

#include "support/flavours.hpp"
#include "support/heap.hpp"
#include "support/message.hpp"
#include "support/probe.hpp"
#include "support/unit_test.hpp"

#include <boost/asio/io_context.hpp>

#include <memory>
#include <new>

using namespace support;
namespace asio = boost::asio;

// A receive that was ready when it was begun, found nothing when it came, and had no memory to make
// its context known, was forgotten: neither called nor destroyed, and what it had been promised was
// nobody's any more.
FLAVOUR_TEST_CASE(D6_K5_a_receive_that_cannot_wait_again_for_lack_of_memory_is_over,
                  rendezvous_flavours) {
  asio::io_context senders;
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto own_tx = tx.with_executor(asio::any_io_executor(senders.get_executor()));
  auto sent = begin_send(own_tx, 1);
  auto received = begin_receive(rx);
  sent.cancel();
  context.restart();
  bool thrown = false;
  {
    failing_heap no_memory;
    try {
      context.poll();
    } catch (const std::bad_alloc&) {
      thrown = true;
    }
    BOOST_TEST(no_memory.has_failed());
  }
  BOOST_TEST(thrown);
  BOOST_TEST(received.dropped());
  // Nothing is promised to anybody.
  auto later = begin_send(own_tx, 2);
  BOOST_TEST(drain(rx) == "2");
  run_ready(senders);
  BOOST_TEST(later.succeeded());
}
