// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_OPERATION_HPP
#define SLUICE_DETAIL_OPERATION_HPP

// The one asynchronous operation. What it does is a `Step`, the part that talks to a core state:
//
//   Step::start()        stands in line, or is ready at once
//   Step::finish(...)    commits, on the handler's executor, as the last step before the handler
//   Step::wait_again()   for steps whose promise may have come to nothing
//   Step::abandon()      gives back what it was promised
//
// What it adds is everything Asio asks for: the handler and its executor, outstanding work, memory
// from the associated allocator, the cancellation slot, and the contexts it must not outlive.
//
// An operation has exactly one owner: the queue it stands in, then the thread that wakes it, then
// the `posted` function object, then complete(). Only the owner touches it, except for the fields
// of core::waiter, which the lock of the state protects.

#include <sluice/detail/block_cache.hpp>
#include <sluice/detail/core/waiter.hpp>
#include <sluice/detail/executor.hpp>
#include <sluice/detail/handler_request.hpp>
#include <sluice/detail/operation_executors.hpp>
#include <sluice/detail/submission.hpp>
#include <sluice/detail/tracking.hpp>

#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/detail/handler_tracking.hpp>
#include <boost/asio/version.hpp>
#if BOOST_ASIO_VERSION >= 102700
#include <boost/asio/associated_immediate_executor.hpp>
#endif

#include <cstdint>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace sluice::detail {

/// The cancellation handler that an operation puts into its slot.
template <class State>
class slot_canceller : public core::cancel_link {
 public:
  slot_canceller(State* state, core::waiter& w) noexcept : state_(state) { w.connect(*this); }
  slot_canceller(const slot_canceller&) = delete;
  slot_canceller& operator=(const slot_canceller&) = delete;

  ~slot_canceller() {
    if (target() != nullptr) state_->disconnect(*this);
  }

  void operator()(asio::cancellation_type_t type) {
    using type_t = asio::cancellation_type;
    if ((type & (type_t::terminal | type_t::partial | type_t::total)) == type_t::none) return;
    if (target() == nullptr) return;
    // An executor that runs inline may complete the operation in here, and so destroy this object.
    auto state = core::state_ref<State>::share(state_);
    const bool only_total = (type & (type_t::terminal | type_t::partial)) == type_t::none;
    state->cancel(*this, only_total);
  }

 private:
  State* const state_;
};

#if BOOST_ASIO_VERSION >= 102700
/// Only asked for what a handler associates with it.
struct probe_executor {
  template <class Function>
  void execute(Function&&) const {}
  probe_executor require(asio::execution::blocking_t::never_t) const noexcept { return *this; }
  static constexpr asio::execution::blocking_t query(asio::execution::blocking_t) noexcept {
    return asio::execution::blocking_t::never;
  }
  friend bool operator==(probe_executor, probe_executor) noexcept { return true; }
  friend bool operator!=(probe_executor, probe_executor) noexcept { return false; }
};

/// Whether a handler brings an immediate executor of its own. The default depends on the other
/// executor, so one that nobody else uses tells them apart.
template <class Handler>
inline constexpr bool has_immediate_executor =
    !std::is_same_v<asio::associated_immediate_executor_t<Handler, probe_executor>,
                    asio::associated_immediate_executor_t<void (*)(), probe_executor>>;
#endif

template <class Step, class Handler, class IoExecutor>
class operation final
    : public Step,
      private operation_executors<asio::associated_executor_t<Handler, IoExecutor>, IoExecutor,
                                  !counts_as_work<Handler>>
          BOOST_ASIO_ALSO_INHERIT_TRACKED_HANDLER {
  using handler_executor = asio::associated_executor_t<Handler, IoExecutor>;
  using executors = operation_executors<handler_executor, IoExecutor, !counts_as_work<Handler>>;
  using allocator_type = asio::associated_allocator_t<Handler, recycling_allocator<void>>;
  using storage = typename std::allocator_traits<allocator_type>::template rebind_alloc<operation>;

 public:
  /// Begins an operation. Unless this throws, the handler is called or destroyed later.
  template <class State, class Owner, class... Arguments>
  static void begin(Handler&& handler, const IoExecutor& ex, State&& state, Owner owner,
                    Arguments&&... arguments) {
    storage memory(asio::get_associated_allocator(handler, recycling_allocator<void>()));
    pending_memory raw{memory, std::allocator_traits<storage>::allocate(memory, 1)};
    operation* op = ::new (static_cast<void*>(raw.address))
        operation(std::move(handler), ex, std::forward<State>(state),
                  static_cast<std::uint64_t>(owner), std::forward<Arguments>(arguments)...);
    raw.address = nullptr;
    op->launch(was_tried(owner));
  }

 private:
  static constexpr bool is_recycled = std::is_same_v<allocator_type, recycling_allocator<void>>;

  struct pending_memory {
    storage& memory;
    operation* address;
    ~pending_memory() {
      if (address != nullptr) std::allocator_traits<storage>::deallocate(memory, address, 1);
    }
  };

  template <class... Arguments>
  explicit operation(Handler&& handler, const IoExecutor& ex, Arguments&&... arguments)
      : Step(&operation::wake_function, &operation::drop_function,
             std::forward<Arguments>(arguments)...),
        executors(asio::get_associated_executor(handler, ex), ex),
        handler_(std::move(handler)) {}

  ~operation() = default;

  void launch(bool was_tried) {
    {
      drop_guard unbegun(*this);
      track_creation();
      executors::find_homes(*this, Step::may_wait_again);
      fill_slot();
      unbegun.release();
    }
    if (executors::begin_to_wait(*this, this->state(), &operation::start_function, was_tried))
      submit_ready();
  }

  void fill_slot() {
    using canceller = slot_canceller<typename Step::state_type>;
    auto slot = asio::get_associated_cancellation_slot(handler_);
    if (slot.is_connected() && this->state() != nullptr)
      slot.template emplace<canceller>(this->state(), static_cast<core::waiter&>(*this));
  }

  allocator_type allocator() const noexcept {
    return asio::get_associated_allocator(handler_, recycling_allocator<void>());
  }

  /// Where an executor is to keep the submission: a place in here, if the handler brings no
  /// allocator.
  auto submission_memory() noexcept {
    if constexpr (is_recycled)
      return submission_allocator<void>(buffer_);
    else
      return allocator();
  }

  void submit() {
    executors::submit(*this, &operation::complete_function, &operation::relay_function,
                      submission_memory());
  }

  void submit_ready() {
#if BOOST_ASIO_VERSION >= 102700
    if constexpr (has_immediate_executor<Handler>) {
      const auto ex = asio::get_associated_immediate_executor(handler_, executors::io_executor());
      // A handler that is bound to an executor as well gets there from the immediate one.
      if (const auto bound = asio::get_associated_executor(handler_, ex);
          !is_same_executor(bound, ex)) {
        drop_guard unsubmitted(*this);
        executors::start_handler_work();
        unsubmitted.release();
        return execute_on_immediate(ex, &operation::relay_function);
      }
      [[maybe_unused]] const auto own_work = executors::take_handler_work();
      return execute_on_immediate(ex, &operation::complete_function);
    }
#endif
    submit();
  }

  template <class Executor>
  void execute_on_immediate(const Executor& ex, posted::function complete_or_relay) {
    posted self(*this, complete_or_relay);
    const allocator_type memory = allocator();
    [[maybe_unused]] const auto io_work = executors::take_io_work();
    execute_on(ex, memory, std::move(self));
  }

  /// On another executor, for a handler whose own has to be dispatched to from there.
  void relay() {
    posted self(*this, &operation::complete_function);
    const handler_executor ex = executors::handler_executor_;
    const allocator_type memory = allocator();
    [[maybe_unused]] const auto own_work = executors::take_handler_work();
    execute_on(ex, memory, std::move(self));
  }

  /// On the handler's executor: commits, frees the memory, and calls the handler.
  void complete() {
    typename Step::result_type result;
    bool linked = false;
    if constexpr (Step::may_wait_again) {
      if (!finish_or_wait(result, linked)) return;
    } else {
      this->finish(result, linked);
    }
    // The slot holds this operation's canceller, and nobody else's, exactly if it is still linked.
    if (linked) asio::get_associated_cancellation_slot(handler_).clear();
    Handler handler(std::move(handler_));
    BOOST_ASIO_HANDLER_COMPLETION((*this));
    destroy(handler);
    std::apply(
        [&](auto&&... values) {
          BOOST_ASIO_HANDLER_INVOCATION_BEGIN((first(values...)));
          std::move(handler)(std::move(values)...);
          BOOST_ASIO_HANDLER_INVOCATION_END;
        },
        std::move(result));
  }

  /// Calls finish(), which runs user code in some steps. An exception ends the operation, and
  /// leaves through the executor.
  core::outcome finish_guarded(typename Step::result_type& result, bool& linked, unsigned& phase) {
    if constexpr (noexcept(this->finish(result, linked, phase))) {
      return this->finish(result, linked, phase);
    } else {
      drop_guard unfinished(*this);
      core::outcome seen = this->finish(result, linked, phase);
      unfinished.release();
      return seen;
    }
  }

  /// Commits, or waits again, or is gone; then false.
  bool finish_or_wait(typename Step::result_type& result, bool& linked) {
    for (bool registered = false;; registered = true) {
      unsigned phase = 0;
      core::outcome seen = finish_guarded(result, linked, phase);
      if (seen == core::outcome::again) {
        // Others of its executor have their turn.
        submit();
        return false;
      }
      if (seen == core::outcome::orphaned) {
        drop_guard orphan(*this);
        if (!executors::lives_in_one_context() || registered ||
            !executors::register_homes(*this->state()))
          return false;
        orphan.release();
        continue;
      }
      if (seen != core::outcome::none) return true;
      if (executors::go_on_waiting(*this, this->state(), &operation::wait_again_function, phase))
        return false;
    }
  }

  template <class First, class... Others>
  static First& first(First& value, Others&...) noexcept {
    return value;
  }

  void track_creation() {
#if defined(BOOST_ASIO_ENABLE_HANDLER_TRACKING)
    BOOST_ASIO_HANDLER_CREATION((tracked_context(context_of(executors::io_executor())), *this,
                                 "sluice", this->state(), 0, Step::name));
#endif
  }

  /// Frees the operation. Its handler has been moved to `handler`, or is destroyed last of all.
  void destroy(const Handler& handler) noexcept {
    storage memory(asio::get_associated_allocator(handler, recycling_allocator<void>()));
    this->~operation();
    std::allocator_traits<storage>::deallocate(memory, this, 1);
  }

  static operation& self(core::waiter& w) noexcept { return static_cast<operation&>(w); }

  static void wake_function(core::waiter& w) noexcept {
    try {
      self(w).submit();
    } catch (...) {
      // The executor refused. The operation has been dropped, and what it was promised went on.
    }
  }

  static void drop_function(core::waiter& w) noexcept {
    operation& op = self(w);
    BOOST_ASIO_HANDLER_COMPLETION((op));
    op.abandon();
    // The handler may own the memory, or the last handle of this channel: it goes last.
    Handler handler(std::move(op.handler_));
    op.destroy(handler);
  }

  static core::started start_function(core::waiter& w) { return self(w).start(); }
  static core::started wait_again_function(core::waiter& w) { return self(w).wait_again(); }
  static void complete_function(core::waiter& w) { self(w).complete(); }
  static void relay_function(core::waiter& w) { self(w).relay(); }

  Handler handler_;
  std::conditional_t<is_recycled, submission_buffer, no_buffer> buffer_;
};

}  // namespace sluice::detail

#endif  // SLUICE_DETAIL_OPERATION_HPP
