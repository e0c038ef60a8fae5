// SPDX-License-Identifier: BSL-1.0
//
// mutex+cv    a deque, a mutex and two condition variables: what everybody writes once

#include "try_pair/try_pair.hpp"

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>

namespace bench {
namespace {

class mutex_queue {
 public:
  explicit mutex_queue(std::size_t capacity) : capacity_(capacity) {}

  bool try_push(message value) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (values_.size() == capacity_) return false;
      values_.push_back(value);
    }
    not_empty_.notify_one();
    return true;
  }

  std::optional<message> try_pop() {
    std::optional<message> value;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (values_.empty()) return value;
      value = values_.front();
      values_.pop_front();
    }
    not_full_.notify_one();
    return value;
  }

 private:
  const std::size_t capacity_;
  std::mutex mutex_;
  std::condition_variable not_empty_;
  std::condition_variable not_full_;
  std::deque<message> values_;
};

const bool added = add_try_pair("mutex+cv", [] {
  return [queue = std::make_unique<mutex_queue>(try_pair_capacity)](message value) -> message {
    if (!queue->try_push(value)) return 0;
    return queue->try_pop().value_or(0);
  };
});

}  // namespace
}  // namespace bench
