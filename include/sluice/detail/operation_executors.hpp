// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_OPERATION_EXECUTORS_HPP
#define SLUICE_DETAIL_OPERATION_EXECUTORS_HPP

// The part of an operation that depends on its two executors, and neither on what it does nor on
// its handler: so programs have it once, and not once per operation. Where an operation runs, the
// contexts that it must not outlive, its outstanding work, and how it gets to the handler's
// executor.
//
// See operation.hpp for who owns an operation when.

#include <sluice/detail/context_service.hpp>
#include <sluice/detail/core/state.hpp>
#include <sluice/detail/core/waiter.hpp>
#include <sluice/detail/executor.hpp>
#include <sluice/detail/work.hpp>

#include <optional>
#include <type_traits>
#include <utility>

namespace sluice::detail {

template <class Executor1, class Executor2>
bool is_same_executor(const Executor1& a, const Executor2& b) noexcept {
  if constexpr (std::is_same_v<Executor1, Executor2>)
    return a == b;
  else
    return false;
}

/// Drops an operation that could not go on, unless it is released.
class drop_guard {
 public:
  explicit drop_guard(core::waiter& w) noexcept : waiter_(&w) {}
  drop_guard(const drop_guard&) = delete;
  drop_guard& operator=(const drop_guard&) = delete;

  ~drop_guard() {
    if (waiter_ != nullptr) waiter_->drop();
  }

  void release() noexcept { waiter_ = nullptr; }

 private:
  core::waiter* waiter_;
};

/// `CountsWork`: whether the operation has to count as work on the handler's executor.
template <class HandlerExecutor, class IoExecutor, bool CountsWork>
class operation_executors {
 public:
  operation_executors(const operation_executors&) = delete;
  operation_executors& operator=(const operation_executors&) = delete;

 protected:
  using start_function = core::started (*)(core::waiter&);

  operation_executors(HandlerExecutor own, const IoExecutor& io)
      : handler_executor_(std::move(own)) {
    if (!is_same_executor(handler_executor_, io)) io_executor_.emplace(io);
  }

  ~operation_executors() = default;

  /// The executor of the I/O object, as long as it has not been let go.
  const auto& io_executor() const noexcept {
    if constexpr (std::is_same_v<HandlerExecutor, IoExecutor>)
      return io_executor_ ? *io_executor_ : handler_executor_;
    else
      return *io_executor_;
  }

  void find_homes(core::waiter& w, bool may_wait_again) {
    const asio::execution_context* own = context_of(handler_executor_);
    const asio::execution_context* io = io_executor_ ? context_of(*io_executor_) : own;
    w.homes[0] = io;
    w.homes[1] = own == io ? nullptr : own;
    one_context_ = io == own && (io != nullptr || !io_executor_);
    // A step that comes back to wait for the first time knows that the context in which it runs is
    // alive. It must hear of the end of any other from the beginning.
    w.needs_homes = may_wait_again && !one_context_;
  }

  bool lives_in_one_context() const noexcept { return one_context_; }

  template <class Threading>
  bool register_homes(core::state<Threading>& state) {
    if (auto* io = context_of(io_executor()); io != nullptr && !register_state(state, *io))
      return false;
    if (one_context_) return true;
    auto* own = context_of(handler_executor_);
    return own == nullptr || register_state(state, *own);
  }

  /// Counts as work on both executors, once if they are the same.
  void start_work() {
    start_handler_work();
    if (io_executor_) io_work_.start(*io_executor_);
  }

  void start_handler_work() {
    if constexpr (CountsWork) handler_work_.start(handler_executor_);
  }

  void end_work() noexcept {
    handler_work_.reset();
    io_work_.reset();
  }

  auto take_handler_work() noexcept { return std::move(handler_work_); }
  work<IoExecutor> take_io_work() noexcept { return std::move(io_work_); }

  /// Begins to wait, or not to have to. True if the operation is to be submitted; else it may be
  /// gone.
  // An operation that is ready is submitted as it is. Only one that has to wait counts as work: to
  // count up and down again would stop a context that has no other work, and is not running yet.
  // One that was not ready just now, and is by now, might as well have begun earlier, and waited.
  template <class Threading>
  bool begin_to_wait(core::waiter& w, core::state<Threading>* state, start_function start,
                     bool was_tried) {
    drop_guard unbegun(w);
    if (was_tried) start_work();
    w.may_wait = was_tried;
    for (;;) {
      switch (start(w)) {
        case core::started::ready:
          unbegun.release();
          return true;
        case core::started::waiting:
          unbegun.release();
          return false;
        case core::started::must_wait:
          start_work();
          w.may_wait = true;
          break;
        case core::started::unknown_home:
          // A context that is going away destroys what is begun on it now, as it does with what was
          // begun before.
          if (!register_homes(*state)) return false;
      }
    }
  }

  /// Goes back to wait. False if there is something to be committed after all; else the operation
  /// may be gone.
  template <class Threading>
  bool go_on_waiting(core::waiter& w, core::state<Threading>* state, start_function wait_again,
                     unsigned phase) {
    // The gate keeps the contexts from going away until this waits again, or is gone.
    auto kept = core::state_ref<core::state<Threading>>::share(state);
    try {
      start_work();
    } catch (...) {
      end_work();
      kept->leave_gate(phase);
      w.drop();
      throw;
    }
    const core::started seen = wait_again(w);
    if (seen != core::started::waiting) end_work();
    kept->leave_gate(phase);
    // The handler that goes with a dropped operation may own a context, and destroy it.
    if (seen == core::started::unknown_home) w.drop();
    return seen != core::started::ready;
  }

  // The operation that is posted may run, and be gone, before the post returns. So everything the
  // submission needs is taken out before. Work on the handler's executor stays with the operation.
  template <class Allocator>
  void submit(core::waiter& w, posted::function complete, posted::function relay,
              const Allocator& memory) {
    if (!io_executor_) return submit_handler(w, complete, relay, memory);
    [[maybe_unused]] const work<IoExecutor> io_work = take_io_work();
    // From now on it lives in the handler's context, and the other one may go. Should it have to
    // wait again it counts as work there only if it can still name it.
    if (can_be_posted_to<HandlerExecutor> && !one_context_ && !may_outlive_context(*io_executor_))
      io_executor_.reset();
    submit_handler(w, complete, relay, memory);
  }

  const HandlerExecutor handler_executor_;

 private:
  template <class Allocator>
  void submit_handler(core::waiter& w, posted::function complete, posted::function relay,
                      const Allocator& memory) {
    posted self(w, complete);
    if constexpr (can_be_posted_to<HandlerExecutor>) {
      const HandlerExecutor ex = handler_executor_;
      post_to(ex, memory, std::move(self));
    } else {
      const IoExecutor ex = io_executor();
      start_handler_work();
      self.become(relay);
      post_to(ex, memory, std::move(self));
    }
  }

  std::optional<IoExecutor> io_executor_;  // unless it is the same
  bool one_context_ = false;
  std::conditional_t<CountsWork, work<HandlerExecutor>, counted_elsewhere> handler_work_;
  work<IoExecutor> io_work_;
};

}  // namespace sluice::detail

#endif  // SLUICE_DETAIL_OPERATION_EXECUTORS_HPP
