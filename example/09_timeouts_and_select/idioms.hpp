// SPDX-License-Identifier: BSL-1.0
#ifndef EXAMPLE_TIMEOUTS_AND_SELECT_IDIOMS_HPP
#define EXAMPLE_TIMEOUTS_AND_SELECT_IDIOMS_HPP

// The six things of which main.cpp tells, each as it is often written, and as it should be.

#include <sluice/channel.hpp>
#include <sluice/select.hpp>
#include <sluice/use_awaitable.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <array>
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace asio = boost::asio;

using boost::asio::experimental::awaitable_operators::operator||;
using duration = std::chrono::steady_clock::duration;
using time_point = std::chrono::steady_clock::time_point;
using socket_type = asio::local::stream_protocol::socket;
using inbox = sluice::receiver<std::string>;
using outbox = sluice::sender<std::string>;

// --- 1. A receive with a deadline ----------------------------------------------------------------

namespace wrong {

inline asio::awaitable<std::optional<std::string>> receive_and_note(inbox& rx, outbox& journal) {
  auto message = co_await rx.async_receive();
  std::string note = "received";
  co_await journal.async_send(std::move(note));  // The deadline may come here, with the message
  co_return message;                             // received, and nobody to give it to.
}

inline asio::awaitable<std::optional<std::string>> receive_by(inbox& rx, outbox& journal,
                                                              time_point deadline) {
  asio::steady_timer timer(co_await asio::this_coro::executor, deadline);
  auto result = co_await (receive_and_note(rx, journal) || timer.async_wait(asio::use_awaitable));
  if (result.index() == 1) co_return std::nullopt;
  co_return std::get<0>(std::move(result));
}

}  // namespace wrong

namespace right {

inline asio::awaitable<std::optional<std::string>> receive_by(inbox& rx, outbox& journal,
                                                              time_point deadline) {
  auto [which, result] =
      co_await sluice::select(sluice::on_receive(rx), sluice::at(deadline)).async_wait();
  if (which == 1) co_return std::nullopt;
  std::string note = "received";
  co_await journal.async_send(std::move(note));  // The deadline was for the receive.
  co_return std::get<0>(std::move(result));
}

}  // namespace right

// --- 2. Several receives -------------------------------------------------------------------------

namespace wrong {

// This is (a || b) || c. When a or b has a message, the inner || still waits for the end of the
// other one, and meanwhile c may win. (Two receives, in one strand, would be safe.)
inline asio::awaitable<std::string> receive_any(inbox& a, inbox& b, inbox& c) {
  auto result = co_await (a.async_receive() || b.async_receive() || c.async_receive());
  co_return std::visit([](auto& message) { return message.value_or("the end"); }, result);
}

}  // namespace wrong

namespace right {

inline asio::awaitable<std::string> receive_any(inbox& a, inbox& b, inbox& c) {
  auto [which, result] =
      co_await sluice::select(sluice::on_receive(a), sluice::on_receive(b), sluice::on_receive(c))
          .async_wait();
  co_return std::visit([](auto& message) { return message.value_or("the end"); }, result);
}

}  // namespace right

// --- 3. A send with a deadline: false if it was not sent -----------------------------------------

namespace wrong {

// When the timer wins the value may have been sent all the same. Who sends it again sends it twice.
inline asio::awaitable<bool> send_by(outbox& tx, std::string& value, time_point deadline) {
  asio::steady_timer timer(co_await asio::this_coro::executor, deadline);
  auto result = co_await (tx.async_send(value) || timer.async_wait(asio::use_awaitable));
  co_return result.index() == 0;
}

}  // namespace wrong

namespace right {

inline asio::awaitable<bool> send_by(outbox& tx, std::string& value, time_point deadline) {
  auto [which, result] =
      co_await sluice::select(sluice::on_send(tx, std::ref(value)), sluice::at(deadline))
          .async_wait();
  co_return which == 0;  // if not, `value` is untouched
}

}  // namespace right

// --- 4. Jobs until a signal comes ----------------------------------------------------------------

inline asio::awaitable<void> do_job(const std::string&) {
  asio::steady_timer work(co_await asio::this_coro::executor, std::chrono::milliseconds(20));
  co_await work.async_wait(asio::use_awaitable);
}

namespace wrong {

inline asio::awaitable<void> do_all(inbox& jobs, int& done) {
  while (auto job = co_await jobs.async_receive()) {
    co_await do_job(*job);  // The signal interrupts it wherever it is.
    ++done;
  }
}

inline asio::awaitable<void> work_until(asio::signal_set& signals, inbox& jobs, int& done) {
  co_await (do_all(jobs, done) || signals.async_wait(asio::use_awaitable));
}

}  // namespace wrong

namespace right {

inline asio::awaitable<void> work_until(asio::signal_set& signals, inbox& jobs, int& done) {
  auto dropping_the_number = [](sluice::error_code ec, int) { return asio::deferred.values(ec); };
  auto next = sluice::select(sluice::on_receive(jobs),
                             sluice::on(signals.async_wait(asio::deferred(dropping_the_number))));
  for (;;) {
    auto [which, result] = co_await next.async_wait();
    if (which == 1 || !std::get<0>(result)) co_return;
    co_await do_job(*std::get<0>(result));  // What was begun is done.
    ++done;
  }
}

}  // namespace right

// --- 5. A socket, from which records of five bytes come, and a channel ---------------------------

/// What has come, from either of them.
struct arrival {
  std::array<char, 5> record{};
  bool is_record = false;
  std::string message;
};

namespace wrong {

// When the channel wins in the middle of a record, the beginning of it has been read and is gone.
inline asio::awaitable<void> read_either(socket_type& peer, inbox& rx, arrival& got) {
  auto result = co_await (asio::async_read(peer, asio::buffer(got.record), asio::use_awaitable) ||
                          rx.async_receive());
  got.is_record = result.index() == 0;
  if (!got.is_record) got.message = std::get<1>(result).value_or("the end");
}

}  // namespace wrong

namespace right {

// Wait until there is something to read. Nothing has been read by then, so nothing can be gone.
inline asio::awaitable<void> read_either(socket_type& peer, inbox& rx, arrival& got) {
  auto [which, result] =
      co_await sluice::select(sluice::on(peer.async_wait(socket_type::wait_read, asio::deferred)),
                              sluice::on_receive(rx))
          .async_wait();
  got.is_record = which == 0;
  if (got.is_record)
    co_await asio::async_read(peer, asio::buffer(got.record), asio::use_awaitable);
  else
    got.message = std::get<1>(result).value_or("the end");
}

}  // namespace right

// --- 6. A beat beside messages -------------------------------------------------------------------

namespace wrong {

// The time begins anew with each message. As long as there are messages, there is no beat. (A
// select with after(every) would do the same.)
inline asio::awaitable<void> beat(inbox& rx, duration every, int& beats) {
  for (;;) {
    asio::steady_timer timer(co_await asio::this_coro::executor, every);
    auto result = co_await (rx.async_receive() || timer.async_wait(asio::use_awaitable));
    if (result.index() == 1)
      ++beats;
    else if (!std::get<0>(result))
      co_return;
  }
}

}  // namespace wrong

namespace right {

// The next beat has its time, and in a biased select it comes before any message.
inline asio::awaitable<void> beat(inbox& rx, duration every, int& beats) {
  auto next = std::chrono::steady_clock::now() + every;
  for (;;) {
    auto [which, result] =
        co_await sluice::biased_select(sluice::at(next), sluice::on_receive(rx)).async_wait();
    if (which == 0) {
      ++beats;
      next += every;
    } else if (!std::get<1>(result)) {
      co_return;
    }
  }
}

}  // namespace right

#endif  // EXAMPLE_TIMEOUTS_AND_SELECT_IDIOMS_HPP
