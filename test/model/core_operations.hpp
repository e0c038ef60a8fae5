// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_MODEL_CORE_OPERATIONS_HPP
#define SLUICE_TEST_MODEL_CORE_OPERATIONS_HPP

// Operations at the core of a channel, without Asio: waiters that come back on a queue, commit, and
// note what they got. They do with a state what detail/operation.hpp and the steps do with it.
//
// An operation is begun at most once, and stays until the scenario is over.

#include "explore.hpp"

#include <sluice/detail/core/channel_state.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace model {

namespace core = sluice::detail::core;
using core::outcome;
using core::started;

/// A message. A number that is not zero; zero is one that was moved from.
class number {
 public:
  explicit number(int value) noexcept : value_(value) {}
  number(number&& other) noexcept : value_(std::exchange(other.value_, 0)) {}
  number& operator=(number&&) = delete;

  int value() const noexcept { return value_; }

 private:
  int value_;
};

using channel = core::channel_state<number, threading>;

/// The end of a channel, of which the scenario counts the handles, like the handles do.
class core_channel {
 public:
  explicit core_channel(std::size_t capacity) : state_(new channel(capacity)) {}

  channel& operator*() const { return *state_; }
  channel* operator->() const { return state_.get(); }

  core::state_ref<channel> share() const { return state_; }

 private:
  core::state_ref<channel> state_;
};

/// What operations have in common.
template <class Waiter>
class core_operation : public Waiter {
 public:
  core_operation(const core_operation&) = delete;
  core_operation& operator=(const core_operation&) = delete;

  bool is_over() const { return result_.has_value(); }

  /// What came of it, once it is over.
  outcome result() const {
    MODEL_EXPECT(is_over());
    return *result_;
  }

  /// As a cancellation slot does it.
  void cancel() { state_->cancel(link_, false); }

  /// Its executor destroys it instead of letting it come back: after it was woken.
  void refuse_from_now_on() { is_refused_ = true; }

 protected:
  template <class... Arguments>
  core_operation(core_channel& c, work_queue& q, std::uint64_t handle, Arguments... arguments)
      : Waiter(&core_operation::on_wake, &core_operation::on_drop, handle, arguments...),
        state_(c.share()),
        queue_(q) {
    this->connect(link_);
  }
  ~core_operation() = default;

  template <class Start>
  void begin(Start start) {
    auto& s = scheduler::get();
    s.begin_work();
    if (start() == started::ready) this->wake();
  }

  void end(outcome result) {
    MODEL_EXPECT(!is_over());
    result_ = result;
    scheduler::get().end_work();
  }

  virtual void come_back() = 0;
  virtual void abandon() { state_->abandon(*this); }

  const core::state_ref<channel> state_;

 private:
  static void on_wake(core::waiter& w) noexcept {
    auto& self = static_cast<core_operation&>(w);
    self.queue_.post([&self] {
      if (!self.is_refused_) return self.come_back();
      self.abandon();
      self.end(outcome::orphaned);
    });
  }

  static void on_drop(core::waiter&) noexcept {}

  work_queue& queue_;
  core::cancel_link link_;
  std::optional<outcome> result_;
  bool is_refused_ = false;
};

class core_receive final : public core_operation<core::waiter> {
 public:
  core_receive(core_channel& c, work_queue& q, std::uint64_t handle = 0)
      : core_operation(c, q, handle) {}

  void begin() {
    core_operation::begin([this] { return state_->start_receive(*this); });
  }

  /// What it has received; 0 if nothing.
  int value() const { return value_; }

 private:
  void come_back() override {
    for (;;) {
      bool linked = false;
      unsigned phase = 0;
      const outcome seen = state_->finish_receive(
          *this, 1, [this](number&& n) { value_ = number(std::move(n)).value(); }, linked, phase);
      if (seen != outcome::none) return end(seen);
      const auto kept = state_;
      const started again = kept->wait_again(*this);
      kept->leave_gate(phase);
      if (again == started::waiting) return;
    }
  }

  int value_ = 0;
};

/// A receive of several values at once.
class core_batch_receive final : public core_operation<core::batch_waiter> {
 public:
  core_batch_receive(core_channel& c, work_queue& q, std::size_t most, std::uint64_t handle = 0)
      : core_operation(c, q, handle), most_(most) {}

  void begin() {
    core_operation::begin([this] { return state_->start_receive(*this); });
  }

  const std::vector<int>& values() const { return values_; }

 private:
  void come_back() override {
    for (;;) {
      bool linked = false;
      unsigned phase = 0;
      const outcome seen = state_->finish_receive(
          *this, most_, [this](number&& n) { values_.push_back(number(std::move(n)).value()); },
          linked, phase);
      if (seen != outcome::none) return end(seen);
      const auto kept = state_;
      const started again = kept->wait_again(*this);
      kept->leave_gate(phase);
      if (again == started::waiting) return;
    }
  }

  const std::size_t most_;
  std::vector<int> values_;
};

/// A send of one value or of several.
class core_send final : public core_operation<core::send_waiter<number>> {
 public:
  core_send(core_channel& c, work_queue& q, std::vector<int> values, std::uint64_t handle = 0)
      : core_operation(c, q, handle) {
    for (int v : values) values_.emplace_back(v);
    offered = values_.data();
    remaining = values_.size();
  }

  void begin() {
    core_operation::begin([this] { return state_->start_send(*this); });
  }

 private:
  void come_back() override {
    bool linked = false;
    end(state_->finish(*this, linked));
  }

  std::vector<number> values_;
};

/// A reservation. What it was granted is given back when it comes back with it.
class core_reserve final : public core_operation<core::reserve_waiter> {
 public:
  core_reserve(core_channel& c, work_queue& q, std::size_t count = 1, std::uint64_t handle = 0)
      : core_operation(c, q, handle, count) {}

  void begin() {
    core_operation::begin([this] { return state_->start_reserve(*this); });
  }

 private:
  void come_back() override {
    bool linked = false;
    const outcome seen = state_->finish(*this, linked);
    if (seen == outcome::success) state_->release_permits(places);
    end(seen);
  }

  void abandon() override {
    state_->abandon(*this);
    if (fate == outcome::success) state_->release_permits(places);
  }
};

class core_wait_closed final : public core_operation<core::waiter> {
 public:
  core_wait_closed(core_channel& c, work_queue& q, std::uint64_t handle = 0)
      : core_operation(c, q, handle) {}

  void begin() {
    core_operation::begin([this] { return state_->start_wait_closed(*this); });
  }

 private:
  void come_back() override {
    bool linked = false;
    end(state_->finish(*this, linked));
  }
};

inline outcome try_send(core_channel& c, int value) {
  number n(value);
  return c->try_send(n);
}

/// The value, 0 if there is nothing now, or -1 at the end of the stream.
inline int try_receive(core_channel& c) {
  int value = 0;
  const outcome seen = c->try_receive(1, [&](number&& n) { value = number(std::move(n)).value(); });
  return seen == outcome::closed ? -1 : value;
}

}  // namespace model

#endif  // SLUICE_TEST_MODEL_CORE_OPERATIONS_HPP
