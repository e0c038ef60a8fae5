// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE doc_faults

// What the page about errors says of what fails. (Each function with each fault is tested in
// test/conformance.)

#include "support/tracked_allocator.hpp"
#include "support/unit_test.hpp"
#include "support/user_executors.hpp"

#include <sluice.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/system/system_error.hpp>

#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace asio = boost::asio;

namespace {

// tag::lent[]
using document = std::unique_ptr<std::string>;

/// Sends the document, or keeps it. What becomes of it, it says itself, whatever fails.
template <class Handler>
void print(sluice::sender<document>& printer, document& paper, Handler handler) {
  try {
    printer.async_send(std::ref(paper), std::move(handler));
  } catch (const std::exception&) {
    // The handler will not be called. Mostly nothing has begun, and `paper` is as it was. If it
    // was the executor that refused, it may have been accepted, and then `paper` is empty.
  }
}
// end::lent[]

struct printed {
  bool& called;
  void operator()(sluice::error_code) { called = true; }
};

}  // namespace

BOOST_AUTO_TEST_CASE(without_memory_nothing_has_begun) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<document>(context, 1);
  support::allocator_log memory;
  memory.left = 0;
  bool called = false;
  document paper = std::make_unique<std::string>("a");
  const support::tracked_allocator<void> allocator(memory);
  BOOST_CHECK_THROW(
      tx.async_send(std::ref(paper), asio::bind_allocator(allocator, printed{called})),
      std::bad_alloc);
  print(tx, paper, asio::bind_allocator(allocator, printed{called}));
  context.run();
  BOOST_TEST(!called);
  BOOST_TEST((paper != nullptr));
  BOOST_TEST(rx.empty());
}

BOOST_AUTO_TEST_CASE(an_executor_that_refuses_does_not_undo_what_has_been_accepted) {
  asio::io_context context;
  support::task_context other;
  const bool refuses = true;
  const support::refusing_executor refusing{&other, &refuses};
  auto [tx, rx] = sluice::make_channel<document>(context, 1);
  bool called = false;
  document paper = std::make_unique<std::string>("a");
  print(tx, paper, asio::bind_executor(refusing, printed{called}));
  BOOST_TEST(!called);
  BOOST_TEST((paper == nullptr));
  BOOST_TEST(rx.size() == 1u);
  // A receive takes nothing before it runs.
  BOOST_CHECK_THROW(rx.async_receive(asio::bind_executor(
                        refusing, [](sluice::error_code, std::optional<document>) {})),
                    std::runtime_error);
  BOOST_TEST(rx.size() == 1u);
}

BOOST_AUTO_TEST_CASE(who_wakes_a_receive_does_not_hear_that_it_is_refused) {
  asio::io_context context;
  support::task_context other;
  bool refuses = false;
  const support::refusing_executor refusing{&other, &refuses};
  auto [tx, rx] = sluice::make_channel<int>(context, 1);
  bool called = false;
  rx.async_receive(asio::bind_executor(
      refusing, [&](sluice::error_code, std::optional<int>) { called = true; }));
  int received = 0;
  rx.async_receive([&](sluice::error_code, std::optional<int> value) { received = *value; });
  refuses = true;
  BOOST_TEST(!tx.try_send(7));
  context.run();
  other.queue.run();
  BOOST_TEST(!called);
  BOOST_TEST(received == 7);
}

namespace {

// tag::future[]
std::string answer_of(std::future<std::optional<std::string>> reply) {
  try {
    return reply.get().value_or("no answer");
  } catch (const boost::system::system_error& failed) {
    return failed.code().message();
  } catch (const std::future_error&) {
    return "nobody can tell";  // the handler was destroyed, and not called
  }
}
// end::future[]

}  // namespace

BOOST_AUTO_TEST_CASE(a_future_is_told_that_its_handler_is_gone) {
  auto context = std::make_unique<asio::io_context>();
  auto [tx, rx] = sluice::make_channel<std::string>(*context, 1);
  auto reply = rx.async_receive(asio::use_future);
  BOOST_TEST(!tx.try_send("an answer"));
  context->run();
  BOOST_TEST(answer_of(std::move(reply)) == "an answer");
  context->restart();
  auto lost = rx.async_receive(asio::use_future);
  BOOST_TEST(!tx.try_send("another answer"));
  context.reset();
  BOOST_TEST(answer_of(std::move(lost)) == "nobody can tell");
  BOOST_TEST((rx.try_receive() == "another answer"));
  tx.close(asio::error::connection_reset);
  asio::io_context next;
  auto refused = rx.with_executor(next.get_executor()).async_receive(asio::use_future);
  next.run();
  BOOST_TEST(answer_of(std::move(refused)) ==
             make_error_code(asio::error::connection_reset).message());
}

// What an executor that runs on the spot lets out comes out of the function that begins the
// operation, and does not come out of the one that wakes it.
BOOST_AUTO_TEST_CASE(a_handler_that_throws_where_it_is_woken_is_over) {
  auto [tx, rx] =
      sluice::make_channel<int, support::inline_executor>(support::inline_executor(), 1);
  int received = 0;
  const auto throws = [&](sluice::error_code, std::optional<int> value) {
    received += *value;
    throw std::runtime_error("thrown by a handler");
  };
  rx.async_receive(throws);
  BOOST_TEST(!tx.try_send(1));
  BOOST_TEST(received == 1);
  BOOST_TEST(!tx.try_send(2));
  BOOST_CHECK_THROW(rx.async_receive(throws), std::runtime_error);
  BOOST_TEST(received == 3);
  BOOST_TEST(rx.empty());
}

#if defined(BOOST_ASIO_HAS_CO_AWAIT)
namespace {

/// Says what becomes of a coroutine.
struct witness {
  std::string& seen;
  ~witness() { seen += "destroyed"; }
};

asio::awaitable<void> receive_on(support::refusing_executor ex, sluice::receiver<int>& rx,
                                 std::string& seen) {
  const witness here{seen};
  try {
    co_await rx.async_receive(asio::bind_executor(ex, asio::use_awaitable));
    seen += "received, ";
  } catch (const std::exception&) {
    seen += "caught, ";
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_coroutine_that_is_refused_is_destroyed) {
  for (const bool is_ready : {false, true}) {
    asio::io_context context;
    support::task_context other;
    const bool refuses = true;
    auto [tx, rx] = sluice::make_channel<int>(context, 1);
    std::string seen;
    if (is_ready) BOOST_TEST(!tx.try_send(1));
    bool completed = false;
    asio::co_spawn(context, receive_on(support::refusing_executor{&other, &refuses}, rx, seen),
                   [&](std::exception_ptr) { completed = true; });
    if (is_ready) {
      BOOST_CHECK_THROW(context.run(), std::runtime_error);
    } else {
      context.poll();
      BOOST_TEST(!tx.try_send(1));
    }
    context.restart();
    context.run();
    BOOST_TEST(seen == "destroyed");
    BOOST_TEST(!completed);
    BOOST_TEST(rx.size() == 1u);
  }
}
#endif
