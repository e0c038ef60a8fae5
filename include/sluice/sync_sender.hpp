// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_SYNC_SENDER_HPP
#define SLUICE_SYNC_SENDER_HPP

#include <sluice/detail/sync_end.hpp>
#include <sluice/error.hpp>
#include <sluice/sender.hpp>
#include <sluice/sync_wait.hpp>
#include <sluice/threading.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/system/system_error.hpp>

#include <chrono>
#include <functional>
#include <type_traits>
#include <utility>

namespace sluice {

/// The sending end of a channel for plain threads: it blocks where `sender` would wait.
/**
 * Made from a `sender`, and converts back to one; either counts as a sender of its own. Copyable,
 * like those. All blocking functions have a form that throws `boost::system::system_error` and one
 * that takes an `error_code`. The errors:
 * - `error::closed`: nobody can receive any more, or the handle is empty.
 * - `error::would_deadlock`: this thread runs the executor that the handle was made with. It is
 *   asked every time, whether there is a place or not. See `sync_wait`.
 * - `asio::error::timed_out`: the deadline has passed, for those that have one.
 * - `asio::error::operation_aborted`: cancel() was called, or the context of the handle's executor
 *   is destroyed.
 * - `asio::error::no_memory`: the buffer could not grow.
 *
 * With an error the value is left untouched, else it was accepted: never both.
 *
 * Thread safety: distinct handles: safe. One shared handle: safe, except while it is assigned to,
 * moved from or destroyed. A thread that waits allocates nothing.
 *
 * @code
 * sluice::sync_sender<std::string> lines(std::move(tx));
 * while (std::getline(std::cin, line)) lines.send(std::move(line));
 * @endcode
 */
template <class T, class Executor = boost::asio::any_io_executor, class Threading = multi_threaded>
class sync_sender : public detail::sync_end<sender<T, Executor, Threading>> {
  using async_type = sender<T, Executor, Threading>;
  using base = detail::sync_end<async_type>;

 public:
  /// The same handle type with another executor.
  template <class Executor1>
  struct rebind_executor {
    using other = sync_sender<T, Executor1, Threading>;
  };

  /// Constructs an empty handle: everything that is sent through it fails with `closed`.
  sync_sender() = default;

  /// Makes a blocking end of `tx`, which is moved in. A copy of it is another sender.
  sync_sender(async_type tx) noexcept : base(std::move(tx)) {}

  /// Another handle to the same end, for coroutines and callbacks.
  operator async_type() const& { return this->end_; }
  operator async_type() && noexcept { return std::move(this->end_); }

  friend void swap(sync_sender& a, sync_sender& b) noexcept {
    using std::swap;
    swap(a.end_, b.end_);
  }

  /// Sends without waiting; as `sender::try_send`, and never `would_deadlock`.
  [[nodiscard]] error_code try_send(T&& value) noexcept {
    return this->end_.try_send(std::move(value));
  }

  /// Sends a copy without waiting. The copy is made in any case.
  [[nodiscard]] error_code try_send(const T& value) { return this->end_.try_send(value); }

  /// Sends, and blocks until the channel has accepted the value (with capacity 0: until a receive
  /// has taken it).
  template <class Value = T>
  void send(Value&& value) {
    throw_if(wait(sync_wait, std::forward<Value>(value)));
  }

  template <class Value = T>
  void send(Value&& value, error_code& ec) {
    ec = wait(sync_wait, std::forward<Value>(value));
  }

  /// Sends, and blocks for no longer than `d`. `duration::max()` is for ever.
  template <class Rep, class Period, class Value = T>
  void send_for(std::chrono::duration<Rep, Period> d, Value&& value) {
    throw_if(wait(sync_wait_for(d), std::forward<Value>(value)));
  }

  template <class Rep, class Period, class Value = T>
  void send_for(std::chrono::duration<Rep, Period> d, Value&& value, error_code& ec) {
    ec = wait(sync_wait_for(d), std::forward<Value>(value));
  }

  /// Sends, and blocks no longer than until `t`.
  template <class Clock, class Duration, class Value = T>
  void send_until(std::chrono::time_point<Clock, Duration> t, Value&& value) {
    throw_if(wait(sync_wait_until(t), std::forward<Value>(value)));
  }

  template <class Clock, class Duration, class Value = T>
  void send_until(std::chrono::time_point<Clock, Duration> t, Value&& value, error_code& ec) {
    ec = wait(sync_wait_until(t), std::forward<Value>(value));
  }

 private:
  static void throw_if(error_code ec) {
    if (ec) throw boost::system::system_error(ec);
  }

  /// An rvalue stays where it is until it is accepted. Of anything else a T is made first.
  template <class Token, class Value>
  error_code wait(const Token& token, Value&& value) {
    error_code ec;
    if constexpr (std::is_same_v<Value, T>) {
      this->end_.async_send(std::ref(value), boost::asio::redirect_error(token, ec));
    } else {
      T made(std::forward<Value>(value));
      this->end_.async_send(std::ref(made), boost::asio::redirect_error(token, ec));
    }
    return ec;
  }
};

template <class T, class Executor, class Threading>
sync_sender(sender<T, Executor, Threading>) -> sync_sender<T, Executor, Threading>;

}  // namespace sluice

#endif  // SLUICE_SYNC_SENDER_HPP
