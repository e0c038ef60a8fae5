// SPDX-License-Identifier: BSL-1.0
//
// Remembers the last ids, to know a message that comes twice. It ends with its process: who has to
// be sure keeps the id where the effect of the message is kept, in the same transaction.

#ifndef BROKER_RECENT_IDS_HPP
#define BROKER_RECENT_IDS_HPP

#include <cstddef>
#include <deque>
#include <string>
#include <unordered_set>

namespace broker {

class recent_ids {
 public:
  explicit recent_ids(std::size_t most) : most_(most) {}

  [[nodiscard]] bool contains(const std::string& id) const { return known_.contains(id); }

  void add(const std::string& id) {
    if (!known_.insert(id).second) return;
    in_order_.push_back(id);
    if (in_order_.size() <= most_) return;
    known_.erase(in_order_.front());
    in_order_.pop_front();
  }

 private:
  std::size_t most_;
  std::unordered_set<std::string> known_;
  std::deque<std::string> in_order_;
};

}  // namespace broker

#endif
