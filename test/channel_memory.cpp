// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE channel_memory

// How much memory a channel takes, and that nothing is lost when it gets none.

#include "support/flavours.hpp"
#include "support/heap.hpp"
#include "support/message.hpp"
#include "support/probe.hpp"

#include <boost/test/unit_test.hpp>

#include <memory>
#include <new>
#include <vector>

using namespace support;

namespace {

/// A message that is as large as many are.
struct large {
  explicit large(int number) noexcept : id_(number) {}
  int id() const noexcept { return id_; }

  int id_;
  unsigned char rest[600 - sizeof(int)] = {};
};

}  // namespace

// How much it takes -------------------------------------------------------------------------------

FLAVOUR_TEST_CASE(a_channel_that_carries_two_messages_is_small, buffered_flavours) {
  asio::io_context context;
  const std::size_t before = heap::bytes;
  auto [tx, rx] = flavour.template open<large>(context);
  for (int i = 0; i != 2 && !tx.full(); ++i) BOOST_TEST(!tx.try_send(large(i)));
  BOOST_TEST(heap::bytes - before < 5 * sizeof(large));
}

FLAVOUR_TEST_CASE(a_channel_without_messages_takes_at_most_256_bytes, flavours) {
  asio::io_context context;
  const std::size_t before = heap::bytes;
  auto [tx, rx] = flavour.open(context);
  BOOST_TEST(heap::bytes - before <= 256u);
}

FLAVOUR_TEST_CASE(the_memory_of_a_channel_goes_with_its_last_handle, flavours) {
  asio::io_context context;
  // The context keeps what it needs to hear of the channels in it.
  {
    auto [tx, rx] = flavour.open(context);
    begin_receive(rx);
  }
  run_ready(context);
  const std::size_t before = heap::blocks;
  {
    auto [tx, rx] = flavour.open(context);
    for (int i = 0; i != 100 && !tx.full(); ++i) BOOST_TEST_REQUIRE(!tx.try_send(message(i)));
    rx = {};
    BOOST_TEST(heap::blocks == before + 1);
  }
  BOOST_TEST(heap::blocks == before);
}

BOOST_AUTO_TEST_CASE(the_memory_of_an_unbounded_channel_follows_its_use) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_unbounded_channel<std::unique_ptr<int>>(context);
  const std::size_t before = heap::bytes;
  for (int burst = 0; burst != 3; ++burst) {
    for (int i = 0; i != 50'000; ++i) BOOST_TEST_REQUIRE(!tx.try_send(nullptr));
    BOOST_TEST(heap::bytes - before >= 50'000 * sizeof(void*));
    while (rx.try_receive()) continue;
    BOOST_TEST(heap::bytes - before < 50'000 * sizeof(void*) / 10);
  }
}

FLAVOUR_TEST_CASE(K3_a_channel_in_use_allocates_nothing_per_message, buffered_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  std::size_t before = 0;
  for (int i = 0; i != 10'000; ++i) {
    // By then it has what it needs.
    if (i == 5'000) before = heap::allocations;
    for (int n = 0; n != 3 && !tx.full(); ++n) BOOST_TEST_REQUIRE(!tx.try_send(message(n)));
    while (rx.try_receive()) continue;
  }
  BOOST_TEST(heap::allocations == before);
}

// When there is none ------------------------------------------------------------------------------

FLAVOUR_TEST_CASE(making_a_channel_without_memory_throws, flavours) {
  asio::io_context context;
  failing_heap failing;
  BOOST_CHECK_THROW((void)flavour.open(context), std::bad_alloc);
}

FLAVOUR_TEST_CASE(a_value_that_finds_no_memory_is_left_untouched, buffered_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  message kept(1);
  error_code ec;
  std::optional<message> displaced;
  {
    failing_heap failing;
    ec = tx.try_send(std::move(kept));
    BOOST_TEST(ec == asio::error::no_memory);
    BOOST_TEST(kept.id() == 1);
  }
  {
    failing_heap failing;
    displaced = tx.force_send(std::move(kept), ec);
    BOOST_TEST(ec == asio::error::no_memory);
    BOOST_TEST(!displaced.has_value());
    BOOST_TEST(kept.id() == 1);
  }
  BOOST_TEST(tx.size() == 0u);
  BOOST_TEST(!tx.full());
  BOOST_TEST(!tx.try_send(std::move(kept)));
  BOOST_TEST(drain(rx) == "1");
}

FLAVOUR_TEST_CASE(a_full_channel_that_finds_no_memory_displaces_nothing, bounded_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.template open<large>(context);
  for (int i = 0; !tx.full(); ++i) BOOST_TEST_REQUIRE(!tx.try_send(large(i)));
  error_code ec;
  for (int i = 0; i != 4; ++i) {
    // Memory may be at hand for some of them; then the oldest value has to come back.
    failing_heap failing;
    auto oldest = tx.force_send(large(100 + i), ec);
    BOOST_TEST(oldest.has_value() == !ec);
    BOOST_TEST((!ec || ec == asio::error::no_memory));
    BOOST_TEST(tx.size() == flavour.capacity);
  }
}

FLAVOUR_TEST_CASE(a_send_that_finds_no_memory_says_so, buffered_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  // Each of the allocations that a send makes fails in turn. It throws where it could not begin.
  message lent(1);
  bool any_failed = true;
  bool said_so = false;
  for (long after = 0; any_failed; ++after) {
    send_probe sent;
    auto handler = sent.get_handler();
    {
      failing_heap failing(after);
      try {
        tx.async_send(std::ref(lent), std::move(handler));
      } catch (const std::bad_alloc&) {
        BOOST_TEST(failing.has_failed());
      }
      any_failed = failing.has_failed();
    }
    run_ready(context);
    if (!any_failed) {
      BOOST_TEST(sent.succeeded());
      BOOST_TEST(lent.id() == message::none);
      BOOST_TEST(rx.size() == 1u);
    } else if (rx.size() == 0) {
      BOOST_TEST(lent.id() == 1);
      if (sent.done()) {
        said_so = true;
        BOOST_TEST(sent.error() == asio::error::no_memory);
      }
    } else {
      // It was accepted, but could not be brought to its executor.
      BOOST_TEST(!sent.done());
      BOOST_TEST(lent.id() == message::none);
      BOOST_TEST(take(rx).id == 1);
      lent = message(1);
    }
    BOOST_TEST(rx.sender_count() == 1u);
  }
  BOOST_TEST(said_so);
}

FLAVOUR_TEST_CASE(D6_a_receive_that_finds_no_memory_leaves_nothing_behind, flavours) {
  // The allocations of a receive and of the send that wakes it fail in turn. Whatever happens, the
  // value is with one of the receives, or still in the channel, or was not sent.
  bool any_failed = true;
  for (long after = 0; any_failed; ++after) {
    asio::io_context context;
    auto [tx, rx] = flavour.open(context);
    // The context has its services already: a strand of Asio's cannot be made half.
    auto [unused, another] = flavour.open(context);
    auto waiting = begin_receive(another);
    std::vector<receive_probe<message>> received(2);
    message kept(1);
    error_code ec;
    std::optional<message> at_once;
    {
      auto first = received[0].get_handler();
      auto second = received[1].get_handler();
      failing_heap failing(after);
      try {
        rx.async_receive(std::move(first));
      } catch (const std::bad_alloc&) {
      }
      try {
        rx.async_receive(std::move(second));
      } catch (const std::bad_alloc&) {
      }
      ec = tx.try_send(std::move(kept));
      any_failed = failing.has_failed();
    }
    run_ready(context);
    at_once = rx.try_receive();
    int found = (received[0].id() == 1) + (received[1].id() == 1) + (at_once ? 1 : 0);
    BOOST_TEST(found == (ec ? 0 : 1));
    BOOST_TEST(kept.id() == (ec ? 1 : message::none));
    if (!any_failed) BOOST_TEST(words_of(received) == "1 waits");
  }
}

BOOST_AUTO_TEST_CASE(D2_a_buffer_that_cannot_grow_loses_nothing_and_changes_no_order) {
  // With each capacity, and each single allocation failing: what was accepted is received in order.
  for (std::size_t capacity = 1; capacity != 12; ++capacity) {
    bool any_failed = true;
    for (long after = 0; any_failed; ++after) {
      asio::io_context context;
      auto [tx, rx] = sluice::make_channel<large>(context, capacity);
      std::vector<int> accepted;
      std::vector<int> received;
      received.reserve(100);
      std::vector<send_probe> pending;
      auto receive = [&received, r = &rx] {
        if (auto value = r->try_receive()) received.push_back(value->id());
      };
      int id = 0;
      {
        // Sends are begun before, and completions run after, so that it is the buffer that fails.
        while (!tx.full()) {
          BOOST_TEST_REQUIRE(!tx.try_send(large(id)));
          accepted.push_back(id++);
        }
        for (int i = 0; i != 6; ++i) {
          pending.push_back(begin_send(tx, large(id)));
          accepted.push_back(id++);
        }
        failing_heap failing(after);
        for (std::size_t i = 0; i != capacity + 6; ++i) receive();
        any_failed = failing.has_failed();
      }
      for (std::size_t i = 0; i != capacity + 6; ++i) receive();
      run_ready(context);
      // A send that was taken but could not be brought to its executor is gone all the same.
      for (auto& sent : pending) BOOST_TEST((sent.dropped() || sent.succeeded()));
      BOOST_TEST(received == accepted, boost::test_tools::per_element());
    }
  }
}
