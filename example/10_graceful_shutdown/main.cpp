// SPDX-License-Identifier: BSL-1.0
//
// How to stop: take no new jobs, do those that were accepted, but do not take for ever.
//
//   graceful_shutdown [MILLISECONDS_PER_JOB [MILLISECONDS_TO_STOP]]
//   kill -TERM PID, or Ctrl-C      stops it; a second time, at once
//
// What it teaches:
//   - To close the queue is to stop. Sends fail from then on; the workers receive what is left, and
//     then their loops end. No flag has to be looked at.
//   - All workers hold a sender of a channel that never carries a message. When that one is at its
//     end they have all gone, however they ended.
//   - A select waits for that, and for the deadline: one of the two happens.
//   - When it took too long the context is stopped. What still waits there is destroyed with it,
//     and so closes what it has open; and the program says how much was left.

#include <sluice/channel.hpp>
#include <sluice/select.hpp>
#include <sluice/use_awaitable.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <utility>
#include <variant>

namespace asio = boost::asio;
using std::chrono::milliseconds;

namespace {

struct counts {
  int accepted = 0;
  int done = 0;
};

/// Where jobs come from: here a new one every ten milliseconds, in a server its connections.
asio::awaitable<void> accept_jobs(sluice::sender<int> queue, counts& seen) {
  asio::steady_timer next(co_await asio::this_coro::executor);
  for (int job = 1;; ++job) {
    auto [closed] = co_await queue.async_send(job, asio::as_tuple(sluice::use_awaitable));
    if (closed) break;
    ++seen.accepted;
    std::cout << "job " << job << " accepted" << std::endl;
    next.expires_after(milliseconds(10));
    co_await next.async_wait(asio::use_awaitable);
  }
}

/// `present` is not used. Having it says that this worker has not ended.
asio::awaitable<void> work(sluice::receiver<int> queue,
                           [[maybe_unused]] sluice::sender<std::monostate> present,
                           milliseconds time, counts& seen) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  while (auto job = co_await queue.async_receive()) {
    timer.expires_after(time);
    co_await timer.async_wait(asio::use_awaitable);
    ++seen.done;
    std::cout << "job " << *job << " done" << std::endl;
  }
}

/// Waits for a signal, and then for the workers: true if they have all gone in time.
asio::awaitable<bool> stop_on_signal(sluice::sender<int> queue,
                                     sluice::receiver<std::monostate> present, milliseconds time) {
  asio::signal_set signals(co_await asio::this_coro::executor, SIGINT, SIGTERM);
  std::cout << "ready" << std::endl;
  co_await signals.async_wait(asio::use_awaitable);
  signals.clear();  // from now on they do what they do by default
  queue.close();
  std::cout << "stopping" << std::endl;
  auto [which, result] =
      co_await sluice::biased_select(sluice::on_receive(present), sluice::after(time)).async_wait();
  co_return which == 0;
}

void rethrow(std::exception_ptr problem) {
  if (problem) std::rethrow_exception(problem);
}

}  // namespace

int main(int argc, char** argv) {
  const milliseconds per_job(argc > 1 ? std::atoi(argv[1]) : 100);
  const milliseconds to_stop(argc > 2 ? std::atoi(argv[2]) : 5000);
  counts seen;
  bool in_time = false;

  asio::io_context context(1);
  auto [jobs, queue] = sluice::make_channel<int>(context, 100);
  auto [present, all_gone] = sluice::make_channel<std::monostate>(context, 0);
  for (int worker = 0; worker != 4; ++worker)
    asio::co_spawn(context, work(queue, present, per_job, seen), rethrow);
  queue = {};  // main() neither receives jobs nor is present
  present = {};
  asio::co_spawn(context, accept_jobs(jobs, seen), rethrow);
  asio::co_spawn(context, stop_on_signal(std::move(jobs), std::move(all_gone), to_stop),
                 [&](std::exception_ptr problem, bool result) {
                   rethrow(problem);
                   in_time = result;
                   if (!in_time) context.stop();
                 });
  context.run();

  std::cout << seen.accepted << " jobs accepted, " << seen.done << " done" << std::endl;
  return in_time ? EXIT_SUCCESS : EXIT_FAILURE;
}
