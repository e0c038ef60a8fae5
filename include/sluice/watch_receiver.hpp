// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_WATCH_RECEIVER_HPP
#define SLUICE_WATCH_RECEIVER_HPP

#include <sluice/detail/default_token.hpp>
#include <sluice/detail/initiation.hpp>
#include <sluice/detail/watch_end.hpp>
#include <sluice/detail/watch_step.hpp>
#include <sluice/error.hpp>
#include <sluice/threading.hpp>
#include <sluice/use_awaitable.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>

#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

namespace sluice {

template <class T, class Executor, class Threading>
class watch_sender;

/// The receiving end of a watch: it sees the latest value, and is told of changes.
/**
 * Made by watch_sender::subscribe(). Copyable: a copy begins with what the original has seen, and
 * goes its own way from there. Values that were replaced before a receiver looked are never seen by
 * it; no receiver ever sees an older value than one it has seen.
 *
 * Thread safety (`multi_threaded`): distinct handles: safe. One shared handle: safe, except while
 * it is assigned to, moved from or destroyed. (`single_threaded`): everything in one implicit
 * strand.
 *
 * @code
 * while (co_await rx.async_changed()) {
 *   auto latest = rx.borrow();
 *   use(*latest);
 * }
 * @endcode
 */
template <class T, class Executor = boost::asio::any_io_executor, class Threading = multi_threaded>
class watch_receiver : public detail::watch_end<detail::receiver_role, T, Executor, Threading> {
  using base = detail::watch_end<detail::receiver_role, T, Executor, Threading>;
  using typename base::state_type;
  using cursor_type = typename state_type::cursor_type;
  using cursor_ref = detail::core::state_ref<cursor_type>;

 public:
  /// The same handle type with another executor.
  template <class Executor1>
  struct rebind_executor {
    using other = watch_receiver<T, Executor1, Threading>;
  };

  /// Constructs an empty handle: everything that is begun on it says `closed`.
  watch_receiver() = default;

  watch_receiver(const watch_receiver& other) : base(other), cursor_(copy_cursor(other)) {}
  watch_receiver(watch_receiver&& other) noexcept = default;

  watch_receiver& operator=(const watch_receiver& other) {
    watch_receiver copy(other);
    swap(copy);
    return *this;
  }

  watch_receiver& operator=(watch_receiver&& other) noexcept {
    watch_receiver taken(std::move(other));
    swap(taken);
    return *this;
  }

  /// Converts from a handle with another executor.
  template <class Executor1,
            class = std::enable_if_t<!std::is_same_v<Executor1, Executor> &&
                                     std::is_constructible_v<Executor, const Executor1&>>>
  watch_receiver(const watch_receiver<T, Executor1, Threading>& other)
      : base(other), cursor_(copy_cursor(other)) {}

  template <class Executor1,
            class = std::enable_if_t<!std::is_same_v<Executor1, Executor> &&
                                     std::is_constructible_v<Executor, const Executor1&>>>
  watch_receiver(watch_receiver<T, Executor1, Threading>&& other)
      : base(std::move(other)), cursor_(std::move(other.cursor_)) {}

  friend void swap(watch_receiver& a, watch_receiver& b) noexcept { a.swap(b); }
  void swap(watch_receiver& other) noexcept {
    this->swap_ends(other);
    std::swap(cursor_, other.cursor_);
  }

  /// Another receiver of this watch, as a copy is, whose completions run on `ex` by default.
  template <class Executor1>
  [[nodiscard]] watch_receiver<T, Executor1, Threading> with_executor(const Executor1& ex) const {
    cursor_ref cursor = copy_cursor(*this);
    return watch_receiver<T, Executor1, Threading>(this->state_, base::add(this->state_), ex,
                                                   std::move(cursor));
  }

  /// The latest value. Whether it counts as seen does not change. Null for an empty handle.
  /**
   * What it returns stays valid and unchanged for as long as it is held, and delays nobody.
   * Complexity: constant; nothing is copied.
   */
  [[nodiscard]] std::shared_ptr<const T> borrow() const noexcept {
    return this->state_ ? this->state_->borrow(*cursor_, false) : nullptr;
  }

  /// The latest value, which counts as seen from now on.
  [[nodiscard]] std::shared_ptr<const T> borrow_and_update() noexcept {
    return this->state_ ? this->state_->borrow(*cursor_, true) : nullptr;
  }

  /// Whether there is a value that this receiver has not seen; also after closing.
  [[nodiscard]] bool has_changed() const noexcept {
    return this->state_ && this->state_->has_changed(*cursor_);
  }

  /// The latest value counts as not seen, whatever it was. Doing so twice is the same as once.
  void mark_changed() noexcept {
    if (this->state_) this->state_->mark_changed(*cursor_);
  }

  /// The latest value counts as seen.
  void mark_unchanged() noexcept {
    if (this->state_) this->state_->mark_unchanged(*cursor_);
  }

  /// Waits until there is a value that this receiver has not seen.
  /**
   * Completes at once if there is one already, else when one is sent, when the watch is closed, or
   * when it is cancelled. With `true` the latest value counts as seen; look at it with borrow().
   *
   * Completion signature: `void(error_code, bool)`
   *
   * Errors, all of them with `false`:
   * - none: the watch is closed, and the last value has been seen. There will be no other.
   * - `asio::error::operation_aborted`: it was cancelled, or the last receiver has gone.
   * - `error::closed`: begun on an empty handle.
   *
   * Executor: the handler's associated executor, by default that of this handle. The handler is
   * never called from within this function, unless through its own immediate executor.
   *
   * Per-operation cancellation: `terminal`, `partial` and `total`. The change becomes a seen one as
   * the last step before the handler is called, on its executor. Until then a cancellation leaves
   * it for the next time.
   *
   * Complexity: constant. The memory comes from the handler's associated allocator.
   */
  template <BOOST_ASIO_COMPLETION_TOKEN_FOR(void(error_code, bool))
                CompletionToken = detail::default_token_t<Executor>>
  [[nodiscard]] auto async_changed(CompletionToken&& token = CompletionToken()) & {
    return initiate_changed<CompletionToken>(*this, token);
  }

  /// As above, for a temporary handle: a coroutine takes it along.
  template <BOOST_ASIO_COMPLETION_TOKEN_FOR(void(error_code, bool))
                CompletionToken = detail::default_token_t<Executor>>
  [[nodiscard]] auto async_changed(CompletionToken&& token = CompletionToken()) && {
    return initiate_changed<CompletionToken>(std::move(*this), token);
  }

  /// Waits for a value for which `predicate(value)` is true.
  /**
   * The current value is tested first, seen or not, and then the latest each time that it changes;
   * on closing the last one once more. Values that are replaced meanwhile are not tested. The value
   * that it completes with counts as seen.
   *
   * Completion signature: `void(error_code, std::shared_ptr<const T>)`
   *
   * Errors, all of them with a null pointer:
   * - none: the watch is closed, and the predicate does not hold for the last value.
   * - `asio::error::operation_aborted`: it was cancelled, or the last receiver has gone.
   * - `error::closed`: begun on an empty handle.
   *
   * The predicate is called on the handler's executor, without any lock, with a `const T&`. What it
   * throws leaves through that executor, and the operation is over; its handler is not called. (A
   * coroutine that awaits with `sluice::use_awaitable` may also see the predicate called, and
   * throw, at once.)
   *
   * Executor, cancellation and memory as for `async_changed`. Complexity: one call of the predicate
   * for each time it is woken.
   *
   * @code
   * auto ready = co_await rx.async_wait_for([](const status& s) { return s.is_ready; });
   * @endcode
   */
  template <class Predicate,
            BOOST_ASIO_COMPLETION_TOKEN_FOR(void(error_code, std::shared_ptr<const T>))
                CompletionToken = detail::default_token_t<Executor>>
  [[nodiscard]] auto async_wait_for(Predicate predicate,
                                    CompletionToken&& token = CompletionToken()) & {
    return initiate_wait_for<CompletionToken>(*this, token, std::move(predicate));
  }

  /// As above, for a temporary handle: a coroutine takes it along.
  template <class Predicate,
            BOOST_ASIO_COMPLETION_TOKEN_FOR(void(error_code, std::shared_ptr<const T>))
                CompletionToken = detail::default_token_t<Executor>>
  [[nodiscard]] auto async_wait_for(Predicate predicate,
                                    CompletionToken&& token = CompletionToken()) && {
    return initiate_wait_for<CompletionToken>(std::move(*this), token, std::move(predicate));
  }

 private:
  template <class, class, class>
  friend class watch_receiver;
  template <class, class, class>
  friend class watch_sender;
  friend struct detail::channel_access;

  watch_receiver(detail::core::state_ref<state_type> counted, std::uint64_t owner,
                 const Executor& ex, cursor_ref cursor) noexcept
      : base(std::move(counted), owner, ex), cursor_(std::move(cursor)) {}

  template <class Receiver>
  static cursor_ref copy_cursor(const Receiver& other) {
    if (!other.cursor_) return {};
    cursor_ref copy(new cursor_type);
    detail::channel_access::state(other)->copy_cursor(*other.cursor_, *copy);
    return copy;
  }

  template <class CompletionToken, class Handle>
  static auto initiate_changed(Handle&& handle, std::remove_reference_t<CompletionToken>& token) {
    cursor_ref cursor = handle.cursor_;
    return boost::asio::async_initiate<CompletionToken, void(error_code, bool)>(
        detail::initiate_from<CompletionToken, detail::start_watch_changed, detail::channel_share>(
            std::forward<Handle>(handle)),
        token, std::move(cursor));
  }

  template <class CompletionToken, class Handle, class Predicate>
  static auto initiate_wait_for(Handle&& handle, std::remove_reference_t<CompletionToken>& token,
                                Predicate&& predicate) {
    static_assert(std::is_invocable_r_v<bool, std::decay_t<Predicate>&, const T&>,
                  "sluice: a predicate is called with a const reference to the value, and says "
                  "whether it is the one that is waited for");
    cursor_ref cursor = handle.cursor_;
    return boost::asio::async_initiate<CompletionToken, void(error_code, std::shared_ptr<const T>)>(
        detail::initiate_from<CompletionToken, detail::start_watch_wait_for<T>,
                              detail::channel_share>(std::forward<Handle>(handle)),
        token, std::move(cursor), std::forward<Predicate>(predicate));
  }

  cursor_ref cursor_;
};

}  // namespace sluice

#endif  // SLUICE_WATCH_RECEIVER_HPP
