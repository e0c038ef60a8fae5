// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_SUPPORT_RECORDER_HPP
#define SLUICE_TEST_SUPPORT_RECORDER_HPP

// Writes down how one operation ended: what its handler was called with, where, and whether that
// was from inside a function of the library. Unlike a probe it can be asked, and waited for, by any
// thread, it takes every completion signature, and its handler carries nothing of its own: what is
// associated with it is bound by the test.

#include "support/tracked_executor.hpp"

#include <sluice/error.hpp>

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <ostream>
#include <thread>
#include <tuple>
#include <utility>
#include <variant>

namespace support {

// Whether this thread is inside a function of the library -----------------------------------------

inline thread_local int library_calls = 0;

/// Calls a function of the library, in such a way that a handler notices if it runs inside.
template <class F>
decltype(auto) in_library(F&& f) {
  struct scope {
    scope() { ++library_calls; }
    ~scope() { --library_calls; }
    scope(const scope&) = delete;
    scope& operator=(const scope&) = delete;
  } inside;
  return std::forward<F>(f)();
}

// What an operation ended with --------------------------------------------------------------------

/// The error, and whether anything else came with it: a value, a number other than zero.
struct result {
  boost::system::error_code error;
  bool carries = false;

  friend bool operator==(const result& a, const result& b) {
    return a.error == b.error && a.carries == b.carries;
  }
  friend bool operator!=(const result& a, const result& b) { return !(a == b); }
  friend std::ostream& operator<<(std::ostream& out, const result& r) {
    return out << r.error << (r.carries ? " with something" : " with nothing");
  }
};

/// The result of an operation whose handler is called with these arguments.
template <class... Values>
result result_of(boost::system::error_code ec, const Values&... values) {
  return {ec, (static_cast<bool>(values) || ... || false)};
}

/// That of a select: which case it was says nothing about what it gave.
template <class... Alternatives>
result result_of(boost::system::error_code ec, std::size_t,
                 const std::variant<Alternatives...>& given) {
  return {ec, std::visit([](const auto& value) { return static_cast<bool>(value); }, given)};
}
template <class T>
result result_of(boost::system::error_code ec, std::size_t, const std::optional<T>& given) {
  return {ec, given.has_value()};
}

/// What a function returns that gives several values.
template <class... Values>
result result_of(boost::system::error_code ec, const std::tuple<Values...>& values) {
  return std::apply([&](const auto&... each) { return result_of(ec, each...); }, values);
}

class recorder {
  struct record {
    std::mutex mutex;
    std::condition_variable changed;
    std::function<void()> at_call;
    result last;
    int calls = 0;
    bool dropped = false;
    bool inside_a_call = false;
    const executor_log* ran_on = nullptr;
    std::thread::id thread;
  };

 public:
  /// The completion handler. Like many it can only be moved.
  class handler {
   public:
    explicit handler(std::shared_ptr<record> written) noexcept : record_(std::move(written)) {}
    handler(handler&&) noexcept = default;
    handler& operator=(handler&&) = delete;

    ~handler() {
      if (!record_) return;
      std::lock_guard<std::mutex> lock(record_->mutex);
      record_->dropped = true;
      record_->changed.notify_all();
    }

    template <class... Values>
    void operator()(boost::system::error_code ec, Values&&... values) {
      auto written = std::move(record_);
      if (written->at_call) written->at_call();
      std::lock_guard<std::mutex> lock(written->mutex);
      ++written->calls;
      written->last = result_of(ec, values...);
      written->inside_a_call = library_calls != 0;
      written->ran_on = running_on();
      written->thread = std::this_thread::get_id();
      written->changed.notify_all();
    }

   private:
    std::shared_ptr<record> record_;
  };

  handler get_handler() const { return handler(record_); }

  /// What the handler does first of all. To be said before the operation is begun.
  void at_call(std::function<void()> f) { record_->at_call = std::move(f); }

  /// Blocks until the handler has been called, or destroyed without that.
  void wait() const {
    std::unique_lock<std::mutex> lock(record_->mutex);
    record_->changed.wait(lock, [this] { return record_->calls != 0 || record_->dropped; });
  }

  int calls() const { return read(&record::calls); }
  bool done() const { return calls() != 0; }
  result last() const { return read(&record::last); }

  /// Whether the handler was destroyed without having been called.
  bool dropped() const { return read(&record::dropped); }

  /// Whether the handler was called by a function that was called through in_library().
  bool inside_a_call() const { return read(&record::inside_a_call); }

  /// The tracked executor that has called the handler; null if it was another one.
  const executor_log* ran_on() const { return read(&record::ran_on); }

  std::thread::id thread() const { return read(&record::thread); }

 private:
  template <class Value>
  Value read(Value record::* field) const {
    std::lock_guard<std::mutex> lock(record_->mutex);
    return (*record_).*field;
  }

  std::shared_ptr<record> record_ = std::make_shared<record>();
};

}  // namespace support

#endif  // SLUICE_TEST_SUPPORT_RECORDER_HPP
