// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE doc_callbacks

#include <sluice.hpp>

#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/spawn.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/system_executor.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/test/unit_test.hpp>
#include <boost/version.hpp>
#if BOOST_VERSION >= 108200
#include <boost/asio/bind_immediate_executor.hpp>
#endif

#include <cstddef>
#include <future>
#include <memory>
#include <memory_resource>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace asio = boost::asio;

namespace {

// tag::loop[]
/// Collects words until the channel ends.
class collector : public std::enable_shared_from_this<collector> {
 public:
  explicit collector(sluice::receiver<std::string> rx) : rx_(std::move(rx)) {}

  void next() {
    rx_.async_receive(
        [self = shared_from_this()](sluice::error_code ec, std::optional<std::string> word) {
          if (ec || !word) return;  // the end: the handler goes, and `self` with it
          self->words_.push_back(std::move(*word));
          self->next();
        });
  }

  const std::vector<std::string>& words() const { return words_; }

 private:
  sluice::receiver<std::string> rx_;
  std::vector<std::string> words_;
};
// end::loop[]

BOOST_AUTO_TEST_CASE(a_handler_may_own_the_handle_it_waits_at) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<std::string>(context, 2);
  auto words = std::make_shared<collector>(std::move(rx));
  words->next();
  BOOST_TEST(!tx.try_send("one"));
  BOOST_TEST(!tx.try_send("two"));
  while (context.poll_one() != 0) continue;
  BOOST_TEST((words->words() == std::vector<std::string>{"one", "two"}));
  std::weak_ptr<collector> seen = std::exchange(words, nullptr);
  BOOST_TEST(!seen.expired());
  tx = {};
  context.restart();
  context.run();
  BOOST_TEST(seen.expired());
}

// tag::spawn[]
int sum(sluice::receiver<int>& rx, asio::yield_context yield) {
  int result = 0;
  sluice::error_code ec;
  while (auto number = rx.async_receive(yield[ec])) result += *number;
  return result;  // `ec` is set if the channel was closed with a reason
}
// end::spawn[]

BOOST_AUTO_TEST_CASE(a_stackful_coroutine_receives_in_a_loop) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 4);
  int result = 0;
  asio::spawn(
      context,
      [numbers = rx, &result](asio::yield_context yield) mutable { result = sum(numbers, yield); },
      asio::detached);
  for (int number = 1; number <= 4; ++number) BOOST_TEST(!tx.try_send(int(number)));
  tx.close();
  context.run();
  BOOST_TEST(result == 10);
}

BOOST_AUTO_TEST_CASE(a_handler_runs_on_its_own_executor) {
  // tag::strand[]
  asio::thread_pool pool(2);
  auto strand = asio::make_strand(pool);
  auto [tx, rx] = sluice::make_channel<int>(pool, 8);

  std::vector<int> received;  // belongs to the strand
  for (int i = 0; i < 3; ++i)
    rx.async_receive(
        asio::bind_executor(strand, [&received](sluice::error_code, std::optional<int> number) {
          if (number) received.push_back(*number);
        }));
  // end::strand[]
  for (int i = 0; i < 3; ++i) BOOST_TEST(!tx.try_send(int(i)));
  pool.join();
  BOOST_TEST((received == std::vector<int>{0, 1, 2}));
}

BOOST_AUTO_TEST_CASE(a_plain_thread_can_wait_for_a_future) {
  // tag::future[]
  asio::thread_pool pool(1);
  auto [tx, rx] = sluice::make_channel<int>(pool, 1);

  std::future<std::optional<int>> next = rx.async_receive(asio::use_future);
  std::future<void> sent = tx.async_send(5, asio::use_future);
  sent.get();                             // blocks this thread, which must not be one of the pool
  std::optional<int> value = next.get();  // throws what would have been the error code
  // end::future[]
  BOOST_TEST((value == 5));
}

class counting_resource : public std::pmr::memory_resource {
 public:
  int taken = 0;
  int held = 0;

 private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    ++taken;
    ++held;
    return std::pmr::new_delete_resource()->allocate(bytes, alignment);
  }

  void do_deallocate(void* memory, std::size_t bytes, std::size_t alignment) override {
    --held;
    std::pmr::new_delete_resource()->deallocate(memory, bytes, alignment);
  }

  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override {
    return this == &other;
  }
};

BOOST_AUTO_TEST_CASE(K3_memory_comes_from_the_handlers_allocator) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 1);
  counting_resource memory;
  std::optional<int> held;
  // tag::allocator[]
  std::pmr::polymorphic_allocator<std::byte> allocator(&memory);
  rx.async_receive(asio::bind_allocator(allocator, [&](sluice::error_code, std::optional<int>) {
    held = memory.held;  // 0 blocks: they are given back before the handler runs
  }));
  // end::allocator[]
  BOOST_TEST(memory.taken > 0);
  BOOST_TEST(!tx.try_send(1));
  context.run();
  BOOST_TEST((held == 0));
}

BOOST_AUTO_TEST_CASE(K4_one_operation_can_be_cancelled) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 1);
  // tag::slot[]
  asio::cancellation_signal stop;
  sluice::error_code result;
  rx.async_receive(asio::bind_cancellation_slot(
      stop.slot(), [&](sluice::error_code ec, std::optional<int>) { result = ec; }));

  stop.emit(asio::cancellation_type::total);  // where the handler runs: see the rule on strands
  // end::slot[]
  BOOST_TEST(!tx.try_send(1));
  context.run();
  BOOST_TEST((result == asio::error::operation_aborted));
  BOOST_TEST(rx.size() == 1u);
}

BOOST_AUTO_TEST_CASE(K5_a_channel_outlives_a_context) {
  // tag::context_gone[]
  asio::io_context server;
  auto [tx, rx] = sluice::make_channel<int>(server, 4);
  bool called = false;
  sluice::error_code sent;
  {
    asio::io_context plugin;
    rx.async_receive(asio::bind_executor(
        plugin, [&called](sluice::error_code, std::optional<int>) { called = true; }));
    sent = tx.try_send(1);  // promised to that receive, which waits on `plugin`
  }  // `plugin` goes: its receive is destroyed and its handler is never called

  std::optional<int> value = rx.try_receive();  // the message is still there
  // end::context_gone[]
  BOOST_TEST(!sent);
  BOOST_TEST(!called);
  BOOST_TEST((value == 1));
}

BOOST_AUTO_TEST_CASE(K5_what_is_promised_goes_on_when_a_context_goes) {
  asio::io_context server;
  auto [tx, rx] = sluice::make_channel<int>(server, 4);
  std::optional<int> received;
  {
    asio::io_context plugin;
    rx.async_receive(asio::bind_executor(plugin, [](sluice::error_code, std::optional<int>) {
      BOOST_ERROR("a handler of a context that is gone was called");
    }));
    rx.async_receive([&](sluice::error_code, std::optional<int> value) { received = value; });
    BOOST_TEST(!tx.try_send(1));
  }
  server.run();
  BOOST_TEST((received == 1));
}

BOOST_AUTO_TEST_CASE(K1_a_handler_is_not_called_from_its_initiating_function) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 1);
  BOOST_TEST(!tx.try_send(1));
  bool called = false;
  rx.async_receive([&](sluice::error_code, std::optional<int>) { called = true; });
  BOOST_TEST(!called);
  context.run();
  BOOST_TEST(called);
}

#if BOOST_VERSION >= 108200
BOOST_AUTO_TEST_CASE(K1_an_immediate_executor_may_call_it_at_once) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 1);
  BOOST_TEST(!tx.try_send(1));
  std::optional<int> received;
  // tag::immediate[]
  // A message is there, so the handler is called before async_receive() returns.
  rx.async_receive(asio::bind_immediate_executor(
      asio::system_executor(),
      [&](sluice::error_code, std::optional<int> value) { received = value; }));
  // end::immediate[]
  BOOST_TEST((received == 1));
}
#endif

}  // namespace
