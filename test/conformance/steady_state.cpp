// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE conformance_steady_state

// In the steady state nothing is allocated per message (K3): not by the library, and inside run() not
// by Asio on its behalf either. Every way to memory that this program has is counted.

#include "support/unit_test.hpp"

#include <sluice/channel.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <cstddef>
#include <cstdlib>
#include <functional>
#include <new>
#include <optional>
#include <tuple>

namespace {

std::size_t allocations = 0;

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

/// Calls `step(next)` again and again, inside run(): each round calls `next` when it is over. Returns
/// how many allocations there were after the first rounds.
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
