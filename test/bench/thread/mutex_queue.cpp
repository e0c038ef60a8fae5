// SPDX-License-Identifier: BSL-1.0
//
// mutex+cv    a deque, a mutex and two condition variables, notified only if somebody waits

#include "thread/thread.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>

namespace bench {
namespace {

class mutex_queue {
 public:
  explicit mutex_queue(std::size_t capacity) : capacity_(capacity) {}

  void push(message value) {
    std::unique_lock<std::mutex> lock(mutex_);
    while (values_.size() >= capacity_) {
      ++blocked_producers_;
      not_full_.wait(lock);
      --blocked_producers_;
    }
    values_.push_back(value);
    const bool wake = blocked_consumers_ != 0;
    lock.unlock();
    if (wake) not_empty_.notify_one();
  }

  message pop() {
    std::unique_lock<std::mutex> lock(mutex_);
    while (values_.empty()) {
      ++blocked_consumers_;
      not_empty_.wait(lock);
      --blocked_consumers_;
    }
    const message value = values_.front();
    values_.pop_front();
    const bool wake = blocked_producers_ != 0;
    lock.unlock();
    if (wake) not_full_.notify_one();
    return value;
  }

 private:
  const std::size_t capacity_;
  std::mutex mutex_;
  std::condition_variable not_empty_;
  std::condition_variable not_full_;
  std::deque<message> values_;
  int blocked_producers_ = 0;
  int blocked_consumers_ = 0;
};

timing run(const hand_over& h, std::uint64_t messages) {
  mutex_queue queue(h.capacity);
  return run_sides(
      messages,
      [&] {
        for (message value = 0; value != messages; ++value) queue.push(value);
      },
      [&] {
        message sum = 0;
        for (std::uint64_t left = messages; left != 0; --left) sum += queue.pop();
        return sum;
      });
}

const bool added = add_hand_overs("mutex+cv", between_threads, run);

}  // namespace
}  // namespace bench
