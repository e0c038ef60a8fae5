// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_WATCH_SENDER_HPP
#define SLUICE_WATCH_SENDER_HPP

#include <sluice/detail/closing_step.hpp>
#include <sluice/detail/default_token.hpp>
#include <sluice/detail/executor_holder.hpp>
#include <sluice/detail/initiation.hpp>
#include <sluice/detail/source.hpp>
#include <sluice/detail/watch_end.hpp>
#include <sluice/error.hpp>
#include <sluice/threading.hpp>
#include <sluice/use_awaitable.hpp>
#include <sluice/watch_receiver.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>

#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace sluice {

/// The sending end of a watch, which holds one value: the latest.
/**
 * Copyable: a copy is another sender. The watch closes by itself when the last sender is gone. All
 * functions are synchronous and may be called from any thread.
 *
 * Thread safety (`multi_threaded`): distinct handles: safe. One shared handle: safe, except while
 * it is assigned to, moved from or destroyed. (`single_threaded`): everything in one implicit
 * strand.
 *
 * @code
 * sluice::watch_sender<settings> tx(context, read_settings());
 * auto rx = tx.subscribe();
 * tx.send(read_settings());
 * @endcode
 */
template <class T, class Executor = boost::asio::any_io_executor, class Threading = multi_threaded>
class watch_sender : public detail::watch_end<detail::sender_role, T, Executor, Threading> {
  using base = detail::watch_end<detail::sender_role, T, Executor, Threading>;
  using typename base::state_type;

 public:
  /// The same handle type with another executor.
  template <class Executor1>
  struct rebind_executor {
    using other = watch_sender<T, Executor1, Threading>;
  };

  /// Constructs an empty handle: everything that is sent through it fails with `closed`.
  watch_sender() = default;

  /// Makes a watch that holds `initial`. Throws std::bad_alloc, and what moving the value throws.
  /**
   * @param source The executor on which completions run by default, or a context that has one.
   */
  template <class Source, class = detail::enable_for_executor<Executor, Source>>
  watch_sender(const Source& source, T initial) : watch_sender(made(), Executor(source), initial) {}

  template <class ExecutionContext, class = detail::enable_for_context<ExecutionContext>>
  watch_sender(ExecutionContext& context, T initial)
      : watch_sender(made(), Executor(context.get_executor()), initial) {}

  watch_sender(const watch_sender&) = default;
  watch_sender(watch_sender&&) noexcept = default;
  watch_sender& operator=(const watch_sender&) = default;
  watch_sender& operator=(watch_sender&&) noexcept = default;

  /// Converts from a handle with another executor.
  template <class Executor1,
            class = std::enable_if_t<!std::is_same_v<Executor1, Executor> &&
                                     std::is_constructible_v<Executor, const Executor1&>>>
  watch_sender(const watch_sender<T, Executor1, Threading>& other) : base(other) {}

  template <class Executor1,
            class = std::enable_if_t<!std::is_same_v<Executor1, Executor> &&
                                     std::is_constructible_v<Executor, const Executor1&>>>
  watch_sender(watch_sender<T, Executor1, Threading>&& other) : base(std::move(other)) {}

  friend void swap(watch_sender& a, watch_sender& b) noexcept { a.swap_ends(b); }
  void swap(watch_sender& other) noexcept { this->swap_ends(other); }

  /// Another sender of this watch whose completions run on `ex` by default. Pending operations keep
  /// the executor they were begun with.
  template <class Executor1>
  [[nodiscard]] watch_sender<T, Executor1, Threading> with_executor(const Executor1& ex) const {
    return detail::channel_access::make<watch_sender<T, Executor1, Threading>>(
        this->state_, base::add(this->state_), ex);
  }

  /// Replaces the value, and wakes whoever waits for that. It is stored also if nobody watches.
  /**
   * @returns No error; `error::closed` if the watch was closed, `asio::error::no_memory` if there
   * is no memory for the value. Then it is destroyed, and the watch is as it was.
   *
   * Complexity: linear in the number of receivers that wait. In the steady state nothing is
   * allocated: the memory of a value that nobody holds any more serves the next one.
   */
  error_code send(T value) {
    if (!this->state_) return error::closed;
    std::shared_ptr<const T> next;
    try {
      next = this->state_->make(std::move(value));
    } catch (const std::bad_alloc&) {
      return boost::asio::error::no_memory;
    }
    return detail::to_error_code(this->state_->publish(next));
  }

  /// Replaces the value and returns the one that it was; null if the watch was closed. Throws
  /// std::bad_alloc, and then has changed nothing.
  std::shared_ptr<const T> send_replace(T value) {
    if (!this->state_) return nullptr;
    std::shared_ptr<const T> next = this->state_->make(std::move(value));
    const auto seen = this->state_->publish(next);
    return seen == detail::core::outcome::success ? std::move(next) : nullptr;
  }

  /// Replaces the value by what `modify(T&)` makes of a copy of it.
  /**
   * The copy is made, and modified, without any lock. If somebody else has sent meanwhile, it is
   * done again with the newer value; so `modify` may be called more than once, and whatever it is
   * called with for the last time is what is published. No change of anybody is lost.
   *
   * @returns No error, or `error::closed` if the watch was closed. What `modify`, or copying the
   * value, throws is passed on, as is std::bad_alloc; the watch is as it was.
   */
  template <class Function>
  error_code send_modify(Function modify) {
    using detail::core::outcome;
    const outcome seen = modified([&](T& value) {
      modify(value);
      return true;
    });
    return detail::to_error_code(seen);
  }

  /// As send_modify, but nothing is published, and nobody woken, if `modify(T&)` returns false.
  /**
   * @returns Whether the value was replaced; false also if the watch was closed.
   */
  template <class Function>
  bool send_if_modified(Function modify) {
    return modified(modify) == detail::core::outcome::success;
  }

  /// The latest value. Null for an empty handle.
  [[nodiscard]] std::shared_ptr<const T> borrow() const noexcept {
    return this->state_ ? this->state_->look_at_value().value : nullptr;
  }

  /// A new receiver, which has seen the latest value. Empty if this handle is empty. Throws
  /// std::bad_alloc.
  [[nodiscard]] watch_receiver<T, Executor, Threading> subscribe() const {
    using cursor_type = typename state_type::cursor_type;
    if (!this->state_) return {};
    detail::core::state_ref<cursor_type> cursor(new cursor_type);
    const std::uint64_t owner = this->state_->subscribe(*cursor);
    return watch_receiver<T, Executor, Threading>(this->state_, owner, *this->executor_.get(),
                                                  std::move(cursor));
  }

  /// Says that no other value will follow. Receivers still see the last one. Closing twice is
  /// harmless.
  void close() noexcept {
    if (this->state_) this->state_->close();
  }

  /// Waits until nobody watches.
  /**
   * Completes when there is no receiver, which may be so at once, or when the watch is closed.
   *
   * Completion signature: `void(error_code)`
   *
   * Errors: `asio::error::operation_aborted` if it was cancelled, or if the last sender has gone.
   * On an empty handle: `error::closed`.
   *
   * Executor: the handler's associated executor, by default that of this handle. The handler is
   * never called from within this function, unless through its own immediate executor.
   *
   * Per-operation cancellation: `terminal`, `partial` and `total`. Complexity: constant. The memory
   * comes from the handler's associated allocator.
   */
  template <BOOST_ASIO_COMPLETION_TOKEN_FOR(void(error_code))
                CompletionToken = detail::default_token_t<Executor>>
  [[nodiscard]] auto async_wait_closed(CompletionToken&& token = CompletionToken()) & {
    return initiate_wait_closed<CompletionToken>(*this, token);
  }

  /// As above, for a temporary handle: a coroutine takes it along.
  template <BOOST_ASIO_COMPLETION_TOKEN_FOR(void(error_code))
                CompletionToken = detail::default_token_t<Executor>>
  [[nodiscard]] auto async_wait_closed(CompletionToken&& token = CompletionToken()) && {
    return initiate_wait_closed<CompletionToken>(std::move(*this), token);
  }

 private:
  friend struct detail::channel_access;

  struct made {};

  watch_sender(made, const Executor& ex, T& initial)
      : watch_sender(
            detail::core::state_ref<state_type>(new state_type(std::in_place, std::move(initial))),
            state_type::first_owner, ex) {}

  watch_sender(detail::core::state_ref<state_type> counted, std::uint64_t owner,
               const Executor& ex) noexcept
      : base(std::move(counted), owner, ex) {}

  /// Publishes a modified copy, unless `modify` returns false: then `none`.
  template <class Function>
  detail::core::outcome modified(Function&& modify) {
    using detail::core::outcome;
    static_assert(std::is_copy_constructible_v<T>,
                  "sluice: only a copy of the value can be modified: make the type copyable, or "
                  "send a new value");
    // Whoever copies or modifies the value may let this handle go meanwhile.
    const auto state = this->state_;
    if (!state) return outcome::closed;
    for (;;) {
      const auto latest = state->look_at_value();
      if (latest.last) return outcome::closed;
      std::shared_ptr<T> copy = state->make(*latest.value);
      if (!modify(*copy)) return outcome::none;
      std::shared_ptr<const T> next = std::move(copy);
      const outcome seen = state->publish_after(latest.version, next);
      if (seen != outcome::none) return seen;
    }
  }

  template <class CompletionToken, class Handle>
  static auto initiate_wait_closed(Handle&& handle,
                                   std::remove_reference_t<CompletionToken>& token) {
    return boost::asio::async_initiate<CompletionToken, void(error_code)>(
        detail::initiate_from<CompletionToken, detail::start_closing, detail::channel_share>(
            std::forward<Handle>(handle)),
        token);
  }
};

/// Knows a watch without keeping it open; lock() makes a sender of it while the watch is open.
/**
 * A watch is open while a sender exists and nobody has closed it.
 */
template <class T, class Executor = boost::asio::any_io_executor, class Threading = multi_threaded>
class weak_watch_sender {
 public:
  using value_type = T;
  using executor_type = Executor;

  template <class Executor1>
  struct rebind_executor {
    using other = weak_watch_sender<T, Executor1, Threading>;
  };

  /// Constructs a handle that knows no watch.
  weak_watch_sender() = default;

  /// Knows the watch that `tx` belongs to.
  weak_watch_sender(const watch_sender<T, Executor, Threading>& tx)
      : state_(detail::channel_access::state(tx)) {
    executor_.assign(detail::channel_access::executor(tx).get());
  }

  /// A sender if the watch is open, else an empty one.
  [[nodiscard]] watch_sender<T, Executor, Threading> lock() const {
    std::uint64_t owner = state_ ? state_->add_sender_if_open() : 0;
    if (owner == 0) return {};
    return detail::channel_access::make<watch_sender<T, Executor, Threading>>(state_, owner,
                                                                              *executor_.get());
  }

  /// The executor of the senders that lock() makes. Must not be called if it knows no watch.
  executor_type get_executor() const noexcept { return *executor_.get(); }

  friend void swap(weak_watch_sender& a, weak_watch_sender& b) noexcept { std::swap(a, b); }

 private:
  detail::core::state_ref<detail::core::watch_state<T, Threading>> state_;
  detail::executor_holder<Executor> executor_;
};

}  // namespace sluice

#endif  // SLUICE_WATCH_SENDER_HPP
