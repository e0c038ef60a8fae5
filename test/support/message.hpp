// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_SUPPORT_MESSAGE_HPP
#define SLUICE_TEST_SUPPORT_MESSAGE_HPP

// The value that most tests send: it can be told whether it was moved from, and with a ledger, how
// many there are.

#include <atomic>
#include <utility>

namespace support {

/// Counts messages that exist, moved-from ones excepted. Any thread may ask.
class ledger {
 public:
  ledger() = default;
  ledger(const ledger&) = delete;
  ledger& operator=(const ledger&) = delete;

  int alive() const noexcept { return alive_.load(); }

 private:
  friend class message;

  std::atomic<int> alive_{0};
};

/// A value that can only be moved. One that was moved from has no id.
class message {
 public:
  static constexpr int none = -1;

  explicit message(int id) noexcept : id_(id) {}

  message(int id, ledger& counted_by) noexcept : id_(id), ledger_(&counted_by) {
    ++ledger_->alive_;
  }

  message(message&& other) noexcept
      : id_(std::exchange(other.id_, none)), ledger_(std::exchange(other.ledger_, nullptr)) {}

  message& operator=(message&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(ledger_, other.ledger_);
    return *this;
  }

  ~message() {
    if (ledger_ != nullptr) --ledger_->alive_;
  }

  int id() const noexcept { return id_; }

 private:
  int id_;
  ledger* ledger_ = nullptr;
};

}  // namespace support

#endif  // SLUICE_TEST_SUPPORT_MESSAGE_HPP
