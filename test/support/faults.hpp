// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_SUPPORT_FAULTS_HPP
#define SLUICE_TEST_SUPPORT_FAULTS_HPP

// Runs a scenario again and again, and each time another one of its allocations fails: the first,
// the second, and so on, until none is left to fail. Each time it is seen that the scenario finds
// nothing wrong, and that all memory comes back.
//
//   fail_each_allocation([&](faults& memory) {
//     auto [tx, rx] = sluice::make_channel<int>(context, 1);
//     const bool sent = memory.attempt([&] { tx.async_send(1, asio::detached); });
//     memory.expect(sent || rx.empty(), "a value that was not sent is there");
//   });
//
// Memory is scarce inside attempt() only. Each run has a thread of its own, and so none of the
// memory that threads keep from one operation to the next.
//
// It replaces operator new and, except under a sanitizer, aligned_alloc, from which Asio takes what
// it recycles. Programs that include it include "support/heap.hpp" themselves: by that they are
// known.

#include "support/complaints.hpp"
#include "support/heap.hpp"

#include <sluice/channel.hpp>

#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/test/test_tools.hpp>
#include <boost/test/unit_test_log.hpp>

#include <cstddef>
#include <cstdlib>
#include <exception>
#include <new>
#include <string>
#include <thread>
#include <utility>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SLUICE_TEST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SLUICE_TEST_SANITIZED 1
#endif
#endif
#if !defined(SLUICE_TEST_SANITIZED)
extern "C" void* aligned_alloc(std::size_t alignment, std::size_t bytes) noexcept {
  if (!support::heap::recycles && support::heap::fails()) return nullptr;
  void* memory = nullptr;
  const std::size_t least = alignment < sizeof(void*) ? sizeof(void*) : alignment;
  return posix_memalign(&memory, least, bytes) == 0 ? memory : nullptr;
}
#endif

namespace support {

/// Which allocations fail.
enum class scarcity {
  once,      // one, and no other
  for_good,  // one, and all that come after it
};

class faults : public complaints {
 public:
  faults(long successes, scarcity how) noexcept : left_(successes), how_(how) {}
  /// Calls `f` while memory is scarce. False if that has thrown std::bad_alloc.
  template <class F>
  bool attempt(F&& f) {
    const scope scarce(*this);
    try {
      std::forward<F>(f)();
      return true;
    } catch (const std::bad_alloc&) {
      return false;
    }
  }

  /// Calls `f`, for which there is memory.
  template <class F>
  void spare(F&& f) {
    const long countdown = std::exchange(heap::countdown, -1);
    std::forward<F>(f)();
    heap::countdown = over_ ? -1 : countdown;
  }

  /// From now on there is memory for what Asio recycles. A strand of Asio's that finds none to get
  /// going keeps what it was given, and never runs anything again.
  void spare_recycled() noexcept { recycles_ = true; }

  /// Memory is back, for good.
  void end() noexcept {
    heap::countdown = left_ = -1;
    over_ = true;
  }

  /// Whether the allocation that was to fail has come.
  bool any_failed() const noexcept { return any_failed_; }

  scarcity how() const noexcept { return how_; }

 private:
  struct scope {
    explicit scope(faults& f) noexcept : owner(f), failures_before(heap::failures) {
      heap::stays_empty = f.how_ == scarcity::for_good;
      heap::recycles = f.recycles_;
      heap::countdown = f.left_;
    }
    scope(const scope&) = delete;
    scope& operator=(const scope&) = delete;

    ~scope() {
      if (heap::failures != failures_before) owner.any_failed_ = true;
      // Unless somebody has said meanwhile that it is over.
      if (!owner.over_) owner.left_ = heap::countdown;
      heap::countdown = -1;
      heap::stays_empty = heap::recycles = false;
    }

    faults& owner;
    const std::size_t failures_before;
  };

  long left_;
  const scarcity how_;
  bool recycles_ = false;
  bool over_ = false;
  bool any_failed_ = false;
};

template <class Scenario>
void run_scenario(Scenario& scenario, faults& memory) {
  std::thread([&] {
    try {
      scenario(memory);
    } catch (const std::exception& e) {
      memory.expect(false, e.what());
    } catch (...) {
      memory.expect(false, "an exception of an unknown type");
    }
  }).join();
}

/// The services of a context are made with its first operations; a strand of Asio's cannot be made
/// half. What such an operation leaves goes with the thread.
inline void make_services(boost::asio::io_context& context) {
  std::thread([&context] {
    auto [tx, rx] = sluice::make_channel<int>(context, 1);
    rx.async_receive(boost::asio::detached);
    tx = {};
    context.run();
    context.restart();
  }).join();
}

/// Returns how many allocations could fail.
template <class Scenario>
int fail_each_allocation(Scenario scenario, bool also_for_good = true) {
  {
    // What is made once, and stays, is made now.
    faults none(-1, scarcity::once);
    run_scenario(scenario, none);
  }
  int points = 0;
  for (const scarcity how : {scarcity::once, scarcity::for_good}) {
    if (how == scarcity::for_good && !also_for_good) break;
    for (long successes = 0;; ++successes) {
      const std::size_t before = heap::blocks;
      faults memory(successes, how);
      run_scenario(scenario, memory);
      memory.expect(heap::blocks == before, "memory was lost");
      if (memory.any())
        BOOST_ERROR(std::string(memory.first()) + ", when allocation " + std::to_string(successes) +
                    (how == scarcity::once ? " fails" : " and all others fail"));
      if (!memory.any_failed()) break;
      ++points;
      if (successes == 1000) {
        BOOST_ERROR("there is no end of it");
        break;
      }
    }
  }
  return points;
}

}  // namespace support

#endif  // SLUICE_TEST_SUPPORT_FAULTS_HPP
