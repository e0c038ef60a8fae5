// SPDX-License-Identifier: BSL-1.0
//
// Timeouts, and waiting for several things at once: what || loses, and a select does not.
//
//   timeouts_and_select
//
// What it teaches, in idioms.hpp, where each of these stands beside what is often written instead:
//   - A deadline is for the receive, not for what is done with the message afterwards.
//   - Of any number of receives exactly one happens.
//   - A send with a deadline tells the truth.
//   - A signal ends the work between two jobs, not in the middle of one.
//   - A coroutine can wait for a socket and a channel at once, if it waits for the moment at which
//     it can read, and reads afterwards.
//   - A beat that is to be regular needs a time, not a duration that begins anew.
//
// This file brings each of them into the situation in which || goes wrong, and counts.

#include "idioms.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/write.hpp>

#include <csignal>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <memory>

namespace {

using namespace std::chrono_literals;

void rethrow(std::exception_ptr problem) {
  if (problem) std::rethrow_exception(problem);
}

/// Lets everything run that is ready, and leaves what waits.
void run_ready(asio::io_context& context) {
  context.restart();
  context.poll();
}

template <class Result>
auto store(Result& result) {
  return [&result](std::exception_ptr problem, Result value) {
    rethrow(problem);
    result = std::move(value);
  };
}

// Each of these returns how much has been lost.

/// The message comes in time, but the journal is full until the deadline is over.
template <class Receive>
int receive_by_deadline(Receive receive_by) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<std::string>(context, 1);
  auto [journal, notes] = sluice::make_channel<std::string>(context, 0);
  std::string message = "hello";
  static_cast<void>(tx.try_send(std::move(message)));
  const auto deadline = std::chrono::steady_clock::now() + 5ms;
  std::optional<std::string> received;
  asio::co_spawn(context, receive_by(rx, journal, deadline), store(received));
  asio::steady_timer later(context, deadline + 5ms);
  std::optional<std::string> note;
  later.async_wait([&, &from = notes](sluice::error_code) { note = from.try_receive(); });
  context.run();
  return received || rx.size() == 1 ? 0 : 1;
}

/// Two of three messages come while it waits.
template <class Receive>
int receive_one_of_three(Receive receive_any) {
  asio::io_context context;
  auto [to_a, a] = sluice::make_channel<std::string>(context, 1);
  auto [to_b, b] = sluice::make_channel<std::string>(context, 1);
  auto [to_c, c] = sluice::make_channel<std::string>(context, 1);
  std::string received;
  asio::co_spawn(context, receive_any(a, b, c), store(received));
  run_ready(context);
  for (outbox* to : {&to_a, &to_c}) {
    std::string message = "hello";
    static_cast<void>(to->try_send(std::move(message)));
  }
  run_ready(context);
  return 1 - static_cast<int>(a.size() + b.size() + c.size());
}

/// Somebody makes room in the channel at the very moment of the deadline.
template <class Send>
int send_by_deadline(Send send_by) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<std::string>(context, 1);
  std::string first = "first";
  std::string second = "second";
  static_cast<void>(tx.try_send(std::move(first)));
  const auto deadline = std::chrono::steady_clock::now() + 5ms;
  asio::steady_timer other(context, deadline);
  std::optional<std::string> taken;
  other.async_wait([&, &from = rx](sluice::error_code) { taken = from.try_receive(); });
  bool sent = false;
  asio::co_spawn(context, send_by(tx, second, deadline), store(sent));
  context.run();
  return sent == (rx.size() == 1) ? 0 : 1;
}

/// The signal comes in the middle of a job.
template <class Work>
int work_until_signal(Work work_until) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<std::string>(context, 4);
  for (const char* text : {"a", "b", "c"}) {
    std::string job = text;
    static_cast<void>(tx.try_send(std::move(job)));
  }
  asio::signal_set signals(context, SIGTERM);
  int done = 0;
  asio::co_spawn(context, work_until(signals, rx, done), rethrow);
  run_ready(context);
  std::raise(SIGTERM);
  context.restart();
  context.run();
  return 3 - done - static_cast<int>(rx.size());
}

/// A message comes in the middle of a record.
template <class Read>
int read_socket_or_channel(Read read_either) {
  asio::io_context context;
  socket_type here(context);
  socket_type there(context);
  asio::local::connect_pair(here, there);
  auto [tx, rx] = sluice::make_channel<std::string>(context, 1);
  arrival got;
  asio::co_spawn(context, read_either(there, rx, got), rethrow);
  run_ready(context);
  asio::write(here, asio::buffer("rec", 3));
  run_ready(context);
  std::string message = "hello";
  static_cast<void>(tx.try_send(std::move(message)));
  run_ready(context);
  asio::write(here, asio::buffer("rd", 2));
  run_ready(context);
  const bool record_is_there = got.is_record || there.available() == 5;
  const bool message_is_there = !got.message.empty() || rx.size() == 1;
  return (record_is_there ? 0 : 1) + (message_is_there ? 0 : 1);
}

constexpr int enough = 5;

/// Sends one message after the other, so that the channel is hardly ever empty.
asio::awaitable<void> talk(outbox tx, duration time, const int& beats) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (beats < enough && std::chrono::steady_clock::now() < end) {
    std::string message = "hello";
    co_await tx.async_send(std::move(message));
  }
}

/// Messages come one after the other, for so long at most.
template <class Beat>
int beat_beside_messages(Beat beat, duration time) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<std::string>(context, 1);
  int beats = 0;
  asio::co_spawn(context, beat(rx, 10ms, beats), rethrow);
  asio::co_spawn(context, talk(std::move(tx), time, beats), rethrow);
  context.run();
  return beats < enough ? enough - beats : 0;
}

int failures = 0;

void compare(const char* what, int lost_by_or, int lost_by_select) {
  std::cout << what << ": " << lost_by_or << " lost with ||, " << lost_by_select
            << " with a select\n";
  if (lost_by_select != 0) ++failures;
}

}  // namespace

int main() {
  compare("a receive with a deadline", receive_by_deadline(wrong::receive_by),
          receive_by_deadline(right::receive_by));
  compare("one of three receives", receive_one_of_three(wrong::receive_any),
          receive_one_of_three(right::receive_any));
  compare("a send with a deadline", send_by_deadline(wrong::send_by),
          send_by_deadline(right::send_by));
  compare("jobs until a signal", work_until_signal(wrong::work_until),
          work_until_signal(right::work_until));
  compare("a socket and a channel", read_socket_or_channel(wrong::read_either),
          read_socket_or_channel(right::read_either));
  compare("beats beside messages", beat_beside_messages(wrong::beat, 60ms),
          beat_beside_messages(right::beat, 1h));
  return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
