// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_MODEL_ASIO_OPERATIONS_HPP
#define SLUICE_TEST_MODEL_ASIO_OPERATIONS_HPP

// The public types under the model's threading policy, and handlers that write down how operations
// complete.

#include "context.hpp"
#include "explore.hpp"

#include <sluice/channel.hpp>
#include <sluice/error.hpp>

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/error.hpp>
#include <boost/system/error_code.hpp>

#include <cstddef>
#include <limits>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>

namespace model {

using boost::system::error_code;

inline const error_code no_error;
inline const error_code closed = sluice::error::closed;
inline const error_code aborted = asio::error::operation_aborted;

template <class T>
using sender = sluice::sender<T, executor, threading>;
template <class T>
using receiver = sluice::receiver<T, executor, threading>;

constexpr std::size_t unbounded = std::numeric_limits<std::size_t>::max();

/// A channel with its first two handles.
template <class T>
struct channel {
  channel(context& c, std::size_t capacity)
      : channel(sluice::make_channel<T, executor, threading>(c.get_executor(), capacity)) {}
  explicit channel(std::pair<sender<T>, receiver<T>> ends)
      : tx(std::move(ends.first)), rx(std::move(ends.second)) {}

  sender<T> tx;
  receiver<T> rx;
};

/// How an operation ended. Each handler is for one operation, which may be begun later.
template <class... Results>
class outcome_of {
  struct record {
    std::optional<std::tuple<error_code, Results...>> results;
    asio::cancellation_signal signal;
    bool handler_exists = false;
  };

 public:
  class handler_type {
   public:
    using cancellation_slot_type = asio::cancellation_slot;

    explicit handler_type(std::shared_ptr<record> r) noexcept : record_(std::move(r)) {}
    handler_type(handler_type&&) noexcept = default;
    handler_type& operator=(handler_type&&) = delete;
    ~handler_type() {
      if (record_) record_->handler_exists = false;
    }

    void operator()(error_code ec, Results... results) {
      MODEL_EXPECT(!record_->results);
      record_->results.emplace(ec, std::move(results)...);
    }

    cancellation_slot_type get_cancellation_slot() const noexcept { return record_->signal.slot(); }

   private:
    std::shared_ptr<record> record_;
  };

  handler_type handler() const {
    record_->handler_exists = true;
    return handler_type(record_);
  }

  /// Cancels this operation alone: on the executor on which it completes.
  void cancel() const { record_->signal.emit(asio::cancellation_type::terminal); }

  bool is_over() const { return record_->results.has_value(); }

  /// Its handler was destroyed without having been called.
  bool was_dropped() const { return !is_over() && !record_->handler_exists; }

  bool is(error_code ec) const { return error() == ec; }

  error_code error() const {
    MODEL_EXPECT(is_over());
    return std::get<0>(*record_->results);
  }

  /// What came besides the error.
  template <std::size_t I = 0>
  auto& get() const {
    MODEL_EXPECT(is_over());
    return std::get<I + 1>(*record_->results);
  }

 private:
  std::shared_ptr<record> record_ = std::make_shared<record>();
};

/// How a receive ended.
template <class T>
class received : public outcome_of<std::optional<T>> {
 public:
  /// Whether it got that value.
  bool is_value(int value) const {
    return this->is(no_error) && this->get() && *this->get() == value;
  }
  bool is_end() const { return this->is(no_error) && !this->get(); }
  bool got_something() const { return this->is_over() && this->is(no_error) && this->get(); }
  int value_or_zero() const { return got_something() ? *this->get() : 0; }
};

using completed = outcome_of<>;

/// A message that counts how many of it there are.
template <class T>
class counted {
 public:
  explicit counted(T value) : value_(std::move(value)) { ++alive; }
  counted(const counted& other) : value_(other.value_) { ++alive; }
  counted(counted&& other) noexcept : value_(std::move(other.value_)) { ++alive; }
  counted& operator=(const counted&) = default;
  counted& operator=(counted&&) = default;
  ~counted() { --alive; }

  friend bool operator==(const counted& a, const T& b) { return a.value_ == b; }
  operator T() const { return value_; }

  inline static int alive = 0;

 private:
  T value_;
};

}  // namespace model

#endif  // SLUICE_TEST_MODEL_ASIO_OPERATIONS_HPP
