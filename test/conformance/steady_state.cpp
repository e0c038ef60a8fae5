// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE conformance_steady_state

// In the steady state nothing is allocated per message (K3), neither by the library nor by Asio on
// its behalf, inside and outside of run(). Every way to memory that this program has is counted.

#include "support/unit_test.hpp"

#include <sluice/channel.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <functional>
#include <new>
#include <optional>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

namespace {

std::atomic<std::size_t> allocations{0};

void* allocate(std::size_t bytes) {
  ++allocations;
  if (void* p = std::malloc(bytes == 0 ? 1 : bytes)) return p;
  throw std::bad_alloc();
}

void* allocate(std::size_t bytes, std::size_t alignment) {
  ++allocations;
  void* p = nullptr;
  if (posix_memalign(&p, alignment < sizeof(void*) ? sizeof(void*) : alignment, bytes) == 0)
    return p;
  throw std::bad_alloc();
}

}  // namespace

void* operator new(std::size_t bytes) {
  return allocate(bytes);
}
void* operator new[](std::size_t bytes) {
  return allocate(bytes);
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return allocate(bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* p) noexcept {
  std::free(p);
}
void operator delete[](void* p) noexcept {
  std::free(p);
}
void operator delete(void* p, std::size_t) noexcept {
  std::free(p);
}
void operator delete[](void* p, std::size_t) noexcept {
  std::free(p);
}
void operator delete(void* p, std::align_val_t) noexcept {
  std::free(p);
}
void operator delete(void* p, std::size_t, std::align_val_t) noexcept {
  std::free(p);
}

// Asio's recycling takes its blocks from here. A sanitizer has put its own function in this place.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if !defined(SANITIZED)
extern "C" void* aligned_alloc(std::size_t alignment, std::size_t bytes) noexcept {
  return allocate(bytes, alignment);
}
#endif

namespace {

namespace asio = boost::asio;
using sluice::error_code;

using io_executor = asio::io_context::executor_type;

constexpr int warm_up = 1000;
constexpr int rounds = 2000;

/// Calls `step(next)` again and again, inside run(): each round calls `next` when it is over.
/// Returns how many allocations there were after the first rounds.
template <class Step>
std::size_t allocations_of(asio::io_context& context, Step step) {
  std::size_t before = 0;
  int round = 0;
  std::function<void()> next = [&] {
    if (round == warm_up) before = allocations;
    if (round++ != warm_up + rounds) step(next);
  };
  asio::post(context, [&] { next(); });
  context.run();
  BOOST_TEST(round == warm_up + rounds + 1);
  return allocations - before;
}

io_executor executor_of(asio::io_context& context, io_executor*) {
  return context.get_executor();
}

asio::any_io_executor executor_of(asio::io_context& context, asio::any_io_executor*) {
  return context.get_executor();
}

// Not a strand: it needs two blocks for each function, one more than what Asio keeps for that.
using executors = std::tuple<io_executor, asio::any_io_executor>;

}  // namespace

BOOST_AUTO_TEST_CASE(the_counters_count) {
  std::size_t before = allocations;
  delete new int;
  BOOST_TEST(allocations == before + 1);
#if !defined(SANITIZED)
  std::free(std::aligned_alloc(64, 64));
  BOOST_TEST(allocations == before + 2);
#endif
}

BOOST_AUTO_TEST_CASE_TEMPLATE(K3_ready_operations_allocate_nothing, Executor, executors) {
  asio::io_context context;
  auto [tx, rx] =
      sluice::make_channel<int, Executor>(executor_of(context, static_cast<Executor*>(nullptr)), 1);
  auto& sends = tx;
  auto& receives = rx;
  std::size_t count = allocations_of(context, [&](std::function<void()>& next) {
    sends.async_send(1, [&](error_code) {
      receives.async_receive([&](error_code, std::optional<int>) { next(); });
    });
  });
  BOOST_TEST(count == 0u);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(K3_receives_that_wait_allocate_nothing, Executor, executors) {
  asio::io_context context;
  auto [tx, rx] =
      sluice::make_channel<int, Executor>(executor_of(context, static_cast<Executor*>(nullptr)), 1);
  auto& sends = tx;
  auto& receives = rx;
  std::size_t count = allocations_of(context, [&](std::function<void()>& next) {
    receives.async_receive([&](error_code, std::optional<int>) { next(); });
    static_cast<void>(sends.try_send(1));
  });
  BOOST_TEST(count == 0u);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(K3_sends_that_wait_allocate_nothing, Executor, executors) {
  asio::io_context context;
  auto [tx, rx] =
      sluice::make_channel<int, Executor>(executor_of(context, static_cast<Executor*>(nullptr)), 0);
  auto& sends = tx;
  auto& receives = rx;
  std::size_t count = allocations_of(context, [&](std::function<void()>& next) {
    sends.async_send(1, [&](error_code) { next(); });
    static_cast<void>(receives.try_receive());
  });
  BOOST_TEST(count == 0u);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(K3_cancelled_operations_allocate_nothing, Executor, executors) {
  asio::io_context context;
  auto [tx, rx] =
      sluice::make_channel<int, Executor>(executor_of(context, static_cast<Executor*>(nullptr)), 1);
  auto& sends = tx;
  auto& receives = rx;
  std::size_t count = allocations_of(context, [&](std::function<void()>& next) {
    sends.async_wait_closed([&](error_code) {
      receives.async_receive([&](error_code, std::optional<int>) { next(); });
      receives.cancel();
    });
    sends.cancel();
  });
  BOOST_TEST(count == 0u);
}

// A burst, and then the steady state: what a bounded channel holds is taken again and again.
BOOST_AUTO_TEST_CASE_TEMPLATE(K3_a_channel_in_use_allocates_nothing, Executor, executors) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int, Executor>(
      executor_of(context, static_cast<Executor*>(nullptr)), 100);
  auto& sends = tx;
  auto& receives = rx;
  for (int i = 0; i != 100; ++i) BOOST_TEST(!sends.try_send(int(i)));
  std::size_t count = allocations_of(context, [&](std::function<void()>& next) {
    receives.async_receive(
        [&](error_code, std::optional<int>) { sends.async_send(1, [&](error_code) { next(); }); });
  });
  BOOST_TEST(count == 0u);
}

// Begun outside of run(), where Asio's own recycling does not work. What completes them runs
// inside.
template <class Begin>
std::size_t allocations_outside_run(asio::io_context& context, Begin begin) {
  std::size_t before = 0;
  for (int round = 0; round != warm_up + rounds; ++round) {
    if (round == warm_up) before = allocations;
    begin();
    context.poll();
    context.restart();
  }
  return allocations - before;
}

BOOST_AUTO_TEST_CASE_TEMPLATE(K3_nothing_is_allocated_outside_of_run_either, Executor, executors) {
  asio::io_context context;
  auto [tx, rx] =
      sluice::make_channel<int, Executor>(executor_of(context, static_cast<Executor*>(nullptr)), 2);
  auto& sends = tx;
  auto& receives = rx;
  int received = 0;
  auto receive = [&](auto token) { receives.async_receive(token); };
  auto count = [&](error_code, std::optional<int> value) { received += *value; };

  // Ready, waiting, with an executor of the handler's own, by a deferred operation, and detached.
  BOOST_TEST(allocations_outside_run(context, [&] {
               sends.async_send(1, [](error_code) {});
               receive(count);
             }) == 0u);
  BOOST_TEST(allocations_outside_run(context, [&] {
               receive(count);
               sends.async_send(1, [](error_code) {});
             }) == 0u);
  BOOST_TEST(allocations_outside_run(context, [&] {
               receive(asio::bind_executor(context.get_executor(), count));
               sends.async_send(1, asio::detached);
             }) == 0u);
  BOOST_TEST(allocations_outside_run(context, [&] {
               auto later = receives.async_receive(asio::deferred);
               sends.async_send(1, asio::deferred)([](error_code) {});
               std::move(later)(count);
             }) == 0u);
  std::vector<int> batch;
  batch.reserve(2);
  BOOST_TEST(allocations_outside_run(context, [&] {
               batch.clear();
               receives.async_receive_some(
                   batch, 2, [&](error_code, std::size_t) { received += batch.front(); });
               sends.async_send(1, asio::detached);
             }) == 0u);
  BOOST_TEST(received == 5 * (warm_up + rounds));
}

// One thread begins, another one completes: the blocks have to find their way back.
BOOST_AUTO_TEST_CASE(K3_nothing_is_allocated_between_two_threads) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 4);
  auto& sends = tx;
  auto& receives = rx;
  auto work = asio::make_work_guard(context);
  std::thread runner([&] { context.run(); });
  std::atomic<int> completed{0};
  auto pass_one_on = [&] {
    const int target = completed + 2;
    sends.async_send(1, [&](error_code) { ++completed; });
    receives.async_receive([&](error_code, std::optional<int>) { ++completed; });
    while (completed != target) std::this_thread::yield();
  };
  // A thread that has nothing of its own from before, and frees nothing itself.
  std::size_t before = 0;
  std::size_t after = 0;
  std::thread beginner([&] {
    for (int i = 0; i != warm_up; ++i) pass_one_on();
    before = allocations;
    for (int i = 0; i != rounds; ++i) pass_one_on();
    after = allocations;
  });
  beginner.join();
  work.reset();
  runner.join();
  BOOST_TEST(after == before);
}
