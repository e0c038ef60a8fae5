// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_BLOCKING_EXECUTOR_HPP
#define SLUICE_DETAIL_BLOCKING_EXECUTOR_HPP

// The executor of a thread that is blocked: what is submitted to it runs on that thread, in order,
// as long as the thread waits. It must not be used after the handler it is associated with has been
// called or destroyed.
//
// An operation of ours that is woken is kept in the `workbench` itself, on the stack of the thread.
// Only what comes while its place is taken, and the functions of others, go to the heap.

#include <sluice/detail/core/parker.hpp>
#include <sluice/detail/executor.hpp>

#include <boost/asio/execution.hpp>

#include <memory>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

namespace sluice::detail {

/// A parker, and a place for one operation that comes back to it.
template <class Threading>
class workbench {
  using parker = core::parker<Threading>;

 public:
  workbench() = default;
  workbench(const workbench&) = delete;
  workbench& operator=(const workbench&) = delete;

  /// For any thread.
  void submit(posted&& operation) {
    // Whoever adds to zero owns the place until it stores zero again; see pass().
    if (place_.uses.fetch_add(1, std::memory_order_acquire) == 0) {
      place_.operation.emplace(std::move(operation));
      parker_.give(place_);
    } else {
      submit_function(std::move(operation));
    }
  }

  template <class Function>
  void submit(Function&& f) {
    submit_function(std::forward<Function>(f));
  }

  void finish() noexcept { parker_.finish(); }

  /// For the owner.
  template <class Deadline>
  core::event next(core::task*& to_do, const Deadline& deadline) noexcept {
    return parker_.next(to_do, deadline);
  }

 private:
  struct place : core::task {
    place() noexcept : core::task(&place::pass) {}

    static void pass(core::task& t, bool run) {
      auto& self = static_cast<place&>(t);
      posted operation(std::move(*self.operation));
      self.operation.reset();
      // Pairs with the acquisition in submit(): the place is empty when the next owner sees zero.
      self.uses.store(0, std::memory_order_release);
      if (run) operation();
    }

    std::optional<posted> operation;
    typename Threading::template atomic<unsigned> uses{0u};
  };

  template <class Function>
  struct heap_task : core::task {
    template <class F>
    explicit heap_task(F&& f) : core::task(&heap_task::pass), function(std::forward<F>(f)) {}

    static void pass(core::task& t, bool run) {
      std::unique_ptr<heap_task> self(static_cast<heap_task*>(&t));
      Function function(std::move(self->function));
      self.reset();
      if (run) std::move(function)();
    }

    Function function;
  };

  template <class Function>
  void submit_function(Function&& f) {
    parker_.give(*new heap_task<std::decay_t<Function>>(std::forward<Function>(f)));
  }

  place place_;
  // Last, so that it drops what it still holds while the place is there.
  parker parker_;
};

template <class Threading>
class blocking_executor {
 public:
  explicit blocking_executor(workbench<Threading>& bench) noexcept : bench_(&bench) {}

  template <class Function>
  void execute(Function&& f) const {
    bench_->submit(std::forward<Function>(f));
  }

  blocking_executor require(boost::asio::execution::blocking_t::never_t) const noexcept {
    return *this;
  }

  static constexpr boost::asio::execution::blocking_t query(
      boost::asio::execution::blocking_t) noexcept {
    return boost::asio::execution::blocking_t::never;
  }

  friend bool operator==(blocking_executor a, blocking_executor b) noexcept {
    return a.bench_ == b.bench_;
  }
  friend bool operator!=(blocking_executor a, blocking_executor b) noexcept { return !(a == b); }

 private:
  workbench<Threading>* bench_;
};

}  // namespace sluice::detail

#endif  // SLUICE_DETAIL_BLOCKING_EXECUTOR_HPP
