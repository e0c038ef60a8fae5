// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_SUPPORT_PROBE_HPP
#define SLUICE_TEST_SUPPORT_PROBE_HPP

// Operations that are watched. Each is begun with a handler that writes down how it completed and
// has a cancellation slot of its own; the test keeps a probe and asks it.
//
//   auto received = begin_receive(rx);
//   auto sent = begin_send(tx, 7);
//   run_ready(context);
//   BOOST_TEST(received.id() == 7);
//
// For one thread only: these tests run their context by hand.

#include "support/message.hpp"

#include <sluice/error.hpp>

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/system/error_code.hpp>
#include <boost/test/test_tools.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace sluice {

/// Lets BOOST_TEST print what it compares.
inline std::ostream& boost_test_print_type(std::ostream& out, error e) {
  return out << make_error_code(e);
}

}  // namespace sluice

namespace support {

namespace asio = boost::asio;
using boost::system::error_code;

/// Runs everything that is ready now, and what becomes ready by that.
inline std::size_t run_ready(asio::io_context& context) {
  context.restart();
  return context.poll();
}

template <class... Results>
class probe {
  struct record {
    asio::cancellation_signal signal;
    std::optional<std::tuple<error_code, Results...>> results;
    bool handler_exists = true;
  };

 public:
  /// The completion handler. Like many it can only be moved.
  class handler {
   public:
    using cancellation_slot_type = asio::cancellation_slot;

    explicit handler(std::shared_ptr<record> written) noexcept : record_(std::move(written)) {}
    handler(handler&&) noexcept = default;
    handler& operator=(handler&&) = delete;

    ~handler() {
      if (record_) record_->handler_exists = false;
    }

    void operator()(error_code ec, Results... results) {
      BOOST_TEST_REQUIRE(!record_->results.has_value());
      record_->results.emplace(ec, std::move(results)...);
    }

    cancellation_slot_type get_cancellation_slot() const noexcept { return record_->signal.slot(); }

   private:
    std::shared_ptr<record> record_;
  };

  /// To be used for one operation.
  handler get_handler() const { return handler(record_); }

  void cancel(asio::cancellation_type type = asio::cancellation_type::terminal) const {
    record_->signal.emit(type);
  }

  /// Whether it has completed.
  bool done() const noexcept { return record_->results.has_value(); }

  /// Whether it has completed without error.
  bool succeeded() const noexcept { return done() && !error(); }

  bool aborted() const noexcept { return done() && error() == asio::error::operation_aborted; }

  /// Whether its handler was destroyed without having been called.
  bool dropped() const noexcept { return !record_->handler_exists && !done(); }

  error_code error() const { return std::get<0>(record_->results.value()); }

 protected:
  const std::tuple<error_code, Results...>& results() const { return record_->results.value(); }
  std::tuple<error_code, Results...>& results() { return record_->results.value(); }

 private:
  std::shared_ptr<record> record_ = std::make_shared<record>();
};

using send_probe = probe<>;

template <class T>
class receive_probe : public probe<std::optional<T>> {
 public:
  /// What was received; something must have been.
  const T& value() const { return std::get<1>(this->results()).value(); }

  /// The id of the message that was received, or message::none.
  int id() const {
    return this->done() && std::get<1>(this->results()) ? value().id() : message::none;
  }

  /// Whether it saw the end of the stream.
  bool ended() const { return this->succeeded() && !std::get<1>(this->results()); }
};

template <class Receiver>
receive_probe<typename Receiver::value_type> begin_receive(Receiver& rx) {
  receive_probe<typename Receiver::value_type> p;
  rx.async_receive(p.get_handler());
  return p;
}

template <class Sender>
send_probe begin_send(Sender& tx, typename Sender::value_type value) {
  send_probe p;
  tx.async_send(std::move(value), p.get_handler());
  return p;
}

template <class Sender>
send_probe begin_send(Sender& tx, int id) {
  return begin_send(tx, typename Sender::value_type(id));
}

template <class Sender>
send_probe begin_wait_closed(Sender& tx) {
  send_probe p;
  tx.async_wait_closed(p.get_handler());
  return p;
}

/// Begins `count` sends of messages with consecutive ids.
template <class Sender>
std::vector<send_probe> begin_sends(Sender& tx, int first_id, int count) {
  std::vector<send_probe> probes;
  for (int i = 0; i != count; ++i) probes.push_back(begin_send(tx, first_id + i));
  return probes;
}

template <class Receiver>
std::vector<receive_probe<typename Receiver::value_type>> begin_receives(Receiver& rx, int count) {
  std::vector<receive_probe<typename Receiver::value_type>> probes;
  for (int i = 0; i != count; ++i) probes.push_back(begin_receive(rx));
  return probes;
}

inline std::string word_of(error_code ec) {
  if (ec == sluice::error::closed) return "closed";
  return ec == asio::error::operation_aborted ? "aborted" : ec.message();
}

/// What became of an operation, in a word.
inline std::string word_of(const send_probe& sent) {
  if (!sent.done()) return sent.dropped() ? "dropped" : "waits";
  return sent.error() ? word_of(sent.error()) : "sent";
}

inline std::string word_of(const receive_probe<message>& received) {
  if (!received.done()) return received.dropped() ? "dropped" : "waits";
  if (received.error()) return word_of(received.error());
  return received.ended() ? "end" : std::to_string(received.id());
}

/// What became of several operations, one word for each.
template <class Probe>
std::string words_of(const std::vector<Probe>& probes) {
  std::string words;
  for (const Probe& p : probes) words += (words.empty() ? "" : " ") + word_of(p);
  return words;
}

/// What try_receive said.
struct taken {
  int id;
  error_code error;
};

template <class Receiver>
taken take(Receiver& rx) {
  error_code ec = asio::error::would_block;
  auto received = rx.try_receive(ec);
  return {received ? received->id() : message::none, ec};
}

/// Receives everything that can be received without waiting; the ids in their order.
template <class Receiver>
std::string drain(Receiver& rx) {
  std::string ids;
  while (auto received = rx.try_receive()) {
    if (!ids.empty()) ids += ' ';
    ids += std::to_string(received->id());
  }
  return ids;
}

}  // namespace support

#endif  // SLUICE_TEST_SUPPORT_PROBE_HPP
