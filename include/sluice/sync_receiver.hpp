// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_SYNC_RECEIVER_HPP
#define SLUICE_SYNC_RECEIVER_HPP

#include <sluice/detail/sync_end.hpp>
#include <sluice/error.hpp>
#include <sluice/receiver.hpp>
#include <sluice/sync_wait.hpp>
#include <sluice/threading.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/redirect_error.hpp>

#include <chrono>
#include <cstddef>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace sluice {

/// The receiving end of a channel for plain threads: it blocks where `receiver` would wait.
/**
 * Made from a `receiver`, and converts back to one; either counts as a receiver of its own.
 * Copyable, like those. The blocking functions return an empty optional at the end of the stream.
 * All have a form that throws `boost::system::system_error` and one that takes an `error_code`. The
 * errors, all of them with an empty optional:
 * - the reason, if the channel was closed with one.
 * - `error::would_deadlock`: this thread runs the executor that the handle was made with. It is
 *   asked every time, whether there is a message or not. See `sync_wait`.
 * - `asio::error::timed_out`: the deadline has passed, for those that have one; after one last
 *   look. What is there is taken even if the deadline has passed before.
 * - `asio::error::operation_aborted`: cancel() was called, or the context of the handle's executor
 *   is destroyed.
 * - `error::closed`: the handle is empty.
 *
 * A message is taken if, and only if, it is returned.
 *
 * Thread safety: distinct handles: safe. One shared handle: safe, except while it is assigned to,
 * moved from or destroyed. A thread that waits allocates nothing. Waiting threads and waiting
 * coroutines stand in one line, in the order of their arrival.
 *
 * @code
 * for (std::string& line : sluice::sync_receiver(std::move(rx))) std::cout << line << '\n';
 * @endcode
 */
template <class T, class Executor = boost::asio::any_io_executor, class Threading = multi_threaded>
class sync_receiver : public detail::sync_end<receiver<T, Executor, Threading>> {
  using async_type = receiver<T, Executor, Threading>;
  using base = detail::sync_end<async_type>;

 public:
  /// The same handle type with another executor.
  template <class Executor1>
  struct rebind_executor {
    using other = sync_receiver<T, Executor1, Threading>;
  };

  /// Constructs an empty handle: everything that is begun on it says `closed`.
  sync_receiver() = default;

  /// Makes a blocking end of `rx`, which is moved in. A copy of it is another receiver.
  sync_receiver(async_type rx) noexcept : base(std::move(rx)) {}

  /// Another handle to the same end, for coroutines and callbacks.
  operator async_type() const& { return this->end_; }
  operator async_type() && noexcept { return std::move(this->end_); }

  friend void swap(sync_receiver& a, sync_receiver& b) noexcept {
    using std::swap;
    swap(a.end_, b.end_);
  }

  /// Receives without waiting; as `receiver::try_receive`, and never `would_deadlock`.
  [[nodiscard]] std::optional<T> try_receive() noexcept { return this->end_.try_receive(); }
  [[nodiscard]] std::optional<T> try_receive(error_code& ec) noexcept {
    return this->end_.try_receive(ec);
  }

  /// Receives, and blocks until there is a message, or the end of the stream.
  [[nodiscard]] std::optional<T> receive() { return this->end_.async_receive(sync_wait); }
  [[nodiscard]] std::optional<T> receive(error_code& ec) { return wait(sync_wait, ec); }

  /// Receives, and blocks for no longer than `d`. `duration::max()` is for ever.
  template <class Rep, class Period>
  [[nodiscard]] std::optional<T> receive_for(std::chrono::duration<Rep, Period> d) {
    return this->end_.async_receive(sync_wait_for(d));
  }

  template <class Rep, class Period>
  [[nodiscard]] std::optional<T> receive_for(std::chrono::duration<Rep, Period> d, error_code& ec) {
    return wait(sync_wait_for(d), ec);
  }

  /// Receives, and blocks no longer than until `t`.
  template <class Clock, class Duration>
  [[nodiscard]] std::optional<T> receive_until(std::chrono::time_point<Clock, Duration> t) {
    return this->end_.async_receive(sync_wait_until(t));
  }

  template <class Clock, class Duration>
  [[nodiscard]] std::optional<T> receive_until(std::chrono::time_point<Clock, Duration> t,
                                               error_code& ec) {
    return wait(sync_wait_until(t), ec);
  }

  /// Receives several messages: blocks until there is one, and appends up to `max` of them to
  /// `out`.
  /**
   * @returns How many; 0 at the end of the stream. Further errors, with 0 and nothing taken:
   * `asio::error::invalid_argument` if `max` is 0, `asio::error::no_memory` if `out` could not
   * grow.
   */
  template <class Allocator>
  std::size_t receive_some(std::vector<T, Allocator>& out, std::size_t max) {
    return this->end_.async_receive_some(out, max, sync_wait);
  }

  template <class Allocator>
  std::size_t receive_some(std::vector<T, Allocator>& out, std::size_t max, error_code& ec) {
    return this->end_.async_receive_some(out, max, boost::asio::redirect_error(sync_wait, ec));
  }

  /// Goes through the messages with receive(), to the end of the stream. For range-for.
  class iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using pointer = T*;
    using reference = T&;

    /// The message that the iterator stood at.
    struct held {
      T value;
      T&& operator*() noexcept { return std::move(value); }
    };

    iterator() = default;
    explicit iterator(sync_receiver& from) : from_(std::addressof(from)) { ++*this; }

    /// The message. It may be moved from.
    reference operator*() const noexcept { return *current_; }
    pointer operator->() const noexcept { return std::addressof(*current_); }

    iterator& operator++() {
      current_.reset();
      if (auto next = from_->receive())
        current_.emplace(std::move(*next));
      else
        from_ = nullptr;
      return *this;
    }

    held operator++(int) {
      held before{std::move(*current_)};
      ++*this;
      return before;
    }

    friend bool operator==(const iterator& a, const iterator& b) noexcept {
      return a.from_ == b.from_;
    }
    friend bool operator!=(const iterator& a, const iterator& b) noexcept { return !(a == b); }

   private:
    sync_receiver* from_ = nullptr;
    mutable std::optional<T> current_;
  };

  /// Receives the first message, and blocks until it is there. The others are received by the
  /// iterator, as it goes on; what receive() throws, it throws.
  iterator begin() { return iterator(*this); }

  /// The end of the stream.
  iterator end() noexcept { return iterator(); }

 private:
  template <class Token>
  std::optional<T> wait(const Token& token, error_code& ec) {
    return this->end_.async_receive(boost::asio::redirect_error(token, ec));
  }
};

template <class T, class Executor, class Threading>
sync_receiver(receiver<T, Executor, Threading>) -> sync_receiver<T, Executor, Threading>;

}  // namespace sluice

#endif  // SLUICE_SYNC_RECEIVER_HPP
