// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_SYNC_CALL_HPP
#define SLUICE_DETAIL_SYNC_CALL_HPP

// A call that blocks its thread until an asynchronous operation is over. Everything the operation
// asks of its handler lies in the frame of that thread: the executor, on which the thread itself
// does the work, memory, and with a deadline the cancellation slot. So a message is taken by the
// thread that wants it, no other executor has to be running, and nothing is allocated.
//
// The operation is over when the handler has been called, or has been destroyed without that, as a
// context does that is destroyed. Until then the frame must stay: whatever happens, an exception
// from what runs here included, the thread goes on waiting for that.

#include <sluice/detail/blocking_executor.hpp>
#include <sluice/detail/completion_result.hpp>
#include <sluice/detail/core/channel_meter.hpp>
#include <sluice/detail/frame_arena.hpp>
#include <sluice/detail/handler_request.hpp>
#include <sluice/detail/in_place_slot.hpp>
#include <sluice/detail/running_here.hpp>
#include <sluice/error.hpp>
#include <sluice/threading.hpp>

#include <boost/asio/error.hpp>
#include <boost/asio/execution/executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/version.hpp>

#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace sluice::detail {

/// What an operation needs for itself, besides what it carries.
inline constexpr std::size_t operation_size = 512;

/// Instead of a signal, without a deadline.
struct no_signal {};

/// A signal that may stay when the call is over.
class lingering_signal {
 public:
  in_place_signal& operator*() const noexcept { return *signal_; }

  /// It stays until the executor has done what it was given before.
  template <class Executor>
  void linger_on(const Executor& ex) const {
    asio::post(ex, [kept = signal_] { static_cast<void>(kept); });
  }

 private:
  std::shared_ptr<in_place_signal> signal_ = std::make_shared<in_place_signal>();
};

/// Whether a cancellation may arrive when the operation is over. Up to Boost 1.82 Asio's coroutines
/// bring it to their executor together with a pointer into the signal. They are known by the
/// exception that they complete with, unless an operation of ours has made them.
template <class Ours, class... Args>
constexpr bool may_be_cancelled_late() {
#if BOOST_ASIO_VERSION < 102800
  if constexpr (!std::is_void_v<Ours>)
    return Ours::may_spawn;
  else if constexpr (error_place<Args...>::exists)
    return std::is_same_v<typename error_place<Args...>::type, std::exception_ptr>;
#endif
  return false;
}

template <bool HasDeadline, class Ours, class... Args>
using signal_for = std::conditional_t<
    !HasDeadline, no_signal,
    std::conditional_t<may_be_cancelled_late<Ours, Args...>(), lingering_signal, in_place_signal>>;

template <class Threading, std::size_t Size, class Signal, class... Args>
class sync_call {
  static constexpr bool has_deadline = !std::is_same_v<Signal, no_signal>;
  static constexpr bool lingers = std::is_same_v<Signal, lingering_signal>;

 public:
  class handler {
   public:
    using executor_type = blocking_executor<Threading>;
    using allocator_type = frame_allocator<void>;
    using cancellation_slot_type = in_place_slot;

    explicit handler(sync_call& call) noexcept : call_(&call) {}
    handler(handler&& other) noexcept : call_(std::exchange(other.call_, nullptr)) {}
    handler& operator=(handler&&) = delete;

    ~handler() {
      if (call_ != nullptr) call_->bench_.finish();
    }

    executor_type get_executor() const noexcept { return executor_type(call_->bench_); }
    allocator_type get_allocator() const noexcept { return allocator_type(call_->arena_); }

    cancellation_slot_type get_cancellation_slot() const noexcept {
      if constexpr (lingers)
        return cancellation_slot_type(*call_->signal_);
      else if constexpr (has_deadline)
        return cancellation_slot_type(call_->signal_);
      else
        return cancellation_slot_type();
    }

    template <class... Values>
    void operator()(Values&&... values) {
      // It is over when this has been stored, or when that has thrown an exception.
      const handler last(std::move(*this));
      last.call_->result_.emplace(std::forward<Values>(values)...);
    }

   private:
    sync_call* call_;
  };

  using result_type = std::optional<std::tuple<Args...>>;

  /// Begins the operation and waits for its end. No result if it was given up.
  template <class Deadline, class Initiation, class Begin>
  result_type run(const Deadline& deadline, const Initiation& initiation, Begin&& begin) {
    attempt([&] { std::forward<Begin>(begin)(handler(*this)); });
    bool goes_on = wait(deadline);
    if constexpr (has_deadline) {
      if (goes_on) {
        timed_out_ = true;
        attempt([&] { cancel(initiation); });
        wait(core::no_deadline());
      }
    }
    static_cast<void>(goes_on);
    static_cast<void>(initiation);
    if (problem_) std::rethrow_exception(problem_);
    return std::move(result_);
  }

  /// Whether the deadline has passed before the operation was over.
  bool timed_out() const noexcept { return timed_out_; }

 private:
  template <class Initiation>
  void cancel(const Initiation& initiation) {
    if constexpr (lingers) {
      (*signal_).emit(asio::cancellation_type::terminal);
      with_executor_of(initiation, [this](const auto& ex) { signal_.linger_on(ex); });
    } else {
      static_cast<void>(initiation);
      signal_.emit(asio::cancellation_type::terminal);
    }
  }

  /// Works until it is over, or until the deadline; then true.
  template <class Deadline>
  bool wait(const Deadline& deadline) {
    for (;;) {
      core::task* to_do = nullptr;
      switch (bench_.next(to_do, deadline)) {
        case core::event::task:
          attempt([&] { to_do->run(); });
          break;
        case core::event::over:
          return false;
        case core::event::late:
          return true;
      }
    }
  }

  template <class Function>
  void attempt(Function&& f) {
    try {
      std::forward<Function>(f)();
    } catch (...) {
      if (!problem_) problem_ = std::current_exception();
    }
  }

  // The bench goes first: what it drops may still use the others.
  frame_arena<Size> arena_;
  Signal signal_;
  result_type result_;
  std::exception_ptr problem_;
  bool timed_out_ = false;
  workbench<Threading> bench_;
};

/// Asks an operation whether it is ready, and takes its result.
template <class... Args>
class look_handler {
 public:
  using request_type = ready_path;
  using result_type = std::optional<std::tuple<Args...>>;

  explicit look_handler(result_type& result) noexcept : result_(&result) {}

  template <class... Values>
  void operator()(Values&&... values) {
    result_->emplace(std::forward<Values>(values)...);
  }

 private:
  result_type* result_;
};

// Which threading policy an operation has: that of its handle, if it is one of ours.
template <class Ours, class = void>
struct threading_of {
  using type = multi_threaded;
};

template <class Start, class Handle, class Holder>
class handle_initiation;

template <class Start, class Handle, class Holder>
struct threading_of<handle_initiation<Start, Handle, Holder>,
                    std::void_t<typename Handle::threading_type>> {
  using type = core::synchronisation<typename Handle::threading_type>;
};

template <class Ours>
struct threading_of<Ours, std::void_t<typename Ours::threading_type>> {
  using type = typename Ours::threading_type;
};

/// Whether an operation whose time is over looks once more. What takes effect as it begins has
/// stood in line until then; part of it may even have happened, as with a send of several values.
template <class Ours, class... Arguments>
constexpr bool takes_one_last_look() {
  if constexpr (can_be_asked<Ours, Arguments...>())
    return !Ours::takes_effect_at_start && (stays_as_it_is<Arguments> && ...);
  else
    return false;
}

/// Performs an operation on this thread. The result is what the handler was called with; where the
/// operation itself could not say what happened, that has been put into it, or is thrown.
template <class... Args, class Deadline, class Initiation, class... Arguments>
std::tuple<Args...> perform(const Deadline& deadline, Initiation&& initiation,
                            Arguments&&... arguments) {
  using ours = typename inner_initiation<std::decay_t<Initiation>>::type;
  using threading = typename threading_of<ours>::type;
  static_assert(!std::is_same_v<threading, single_threaded>,
                "sluice: a channel that is single_threaded has no other thread that a blocked one "
                "could wait for: make it with multi_threaded, or use the try_ functions");
  constexpr bool has_deadline = !std::is_same_v<Deadline, core::no_deadline>;
  constexpr bool may_ask = can_be_asked<ours, Arguments...>();

  if (waits_for_this_thread(initiation)) return failed_result<Args...>(error::would_deadlock);

  using look = look_handler<Args...>;
  if constexpr (may_ask) {
    typename look::result_type ready;
    const auto is_ready = [&] {
      initiation(look(ready), std::forward<Arguments>(arguments)...);
      return ready.has_value();
    };
    // Whoever is on the other side may be about to do its part, and to sleep takes longer. But who
    // is called back, to test a value, is asked once.
    bool seen = false;
    if (ours::calls_back_when_tried)
      seen = is_ready();
    else
      seen =
          deadline.is_far() ? threading::linger_until(is_ready) : threading::spin_until(is_ready);
    if (seen) return std::move(*ready);
  }

  constexpr std::size_t size = operation_size + (std::size_t(0) + ... + sizeof(Arguments));
  sync_call<threading, size, signal_for<has_deadline, ours, Args...>, Args...> call;
  auto result = call.run(deadline, initiation, [&](auto&& handler) {
    std::forward<Initiation>(initiation)(std::move(handler), std::forward<Arguments>(arguments)...);
  });
  if (!result) return failed_result<Args...>(asio::error::operation_aborted);
  if constexpr (has_deadline && error_place<Args...>::exists) {
    auto& error = error_place<Args...>::get(*result);
    if (call.timed_out() && code_of(error) == error_code(asio::error::operation_aborted)) {
      if constexpr (takes_one_last_look<ours, Arguments...>()) {
        // What it had been promised is somebody else's now, or is there again.
        typename look::result_type last;
        initiation(look(last), std::forward<Arguments>(arguments)...);
        if (last) return std::move(*last);
      }
      set_code(error, asio::error::timed_out);
    }
  }
  return std::move(*result);
}

}  // namespace sluice::detail

#endif  // SLUICE_DETAIL_SYNC_CALL_HPP
