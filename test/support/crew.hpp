// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_SUPPORT_CREW_HPP
#define SLUICE_TEST_SUPPORT_CREW_HPP

// Threads that begin at the same moment, as far as that can be had, so that what they do overlaps.

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

namespace support {

class crew {
 public:
  crew() = default;
  crew(const crew&) = delete;
  crew& operator=(const crew&) = delete;

  /// Adds a thread. What its function holds is destroyed on that thread.
  template <class Function>
  void add(Function f) {
    // The function may be one that can only be moved.
    auto shared = std::make_shared<Function>(std::move(f));
    tasks_.push_back([shared]() mutable {
      Function own(std::move(*shared));
      shared.reset();
      own();
    });
  }

  /// Runs all of them and waits until they are done.
  void run() {
    std::atomic<std::size_t> missing{tasks_.size()};
    std::vector<std::thread> threads;
    for (auto& task : tasks_)
      threads.emplace_back([&missing, own = std::move(task)]() mutable {
        --missing;
        while (missing != 0) std::this_thread::yield();
        own();
      });
    tasks_.clear();
    for (auto& thread : threads) thread.join();
  }

 private:
  std::vector<std::function<void()>> tasks_;
};

}  // namespace support

#endif  // SLUICE_TEST_SUPPORT_CREW_HPP
