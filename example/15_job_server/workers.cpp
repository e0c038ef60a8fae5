// SPDX-License-Identifier: BSL-1.0

#include "workers.hpp"

#include <sluice/sync_wait.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>
#include <functional>
#include <iostream>
#include <string>
#include <utility>

namespace job_server {
namespace {

using ending = job_log::ending;
using blocking_receiver = decltype(sluice::sync_receiver(std::declval<job_receiver>()));

void work_on(job& next, job_log& log) {
  // The client may have hung up while the job was waiting, or just now.
  if (next.reply.is_closed()) return log.ended(next.number, ending::abandoned);
  try {
    auto report = count_words(next.text);
    // In this order, so that a client that has its answer finds it counted.
    log.ended(next.number, ending::done);
    // It is refused when the client hung up during the work. Nothing has to be done then.
    static_cast<void>(next.reply.send(std::move(report)));
  } catch (const std::exception& problem) {
    // The job goes, and its reply slot with it: whoever waits there sees the end of the stream.
    // One string, since other workers may have something to say at the same time.
    std::cerr << "job_server: job " + std::to_string(next.number) + " failed: " + problem.what() +
                     "\n";
    log.ended(next.number, ending::failed);
  }
}

// `open` is not used. Having it keeps the broadcast of events open for as long as this worker
// works.
asio::awaitable<void> work(job_receiver jobs, job_log& log, [[maybe_unused]] event_sender open,
                           std::string name, std::chrono::milliseconds delay) {
  using namespace asio::experimental::awaitable_operators;
  asio::steady_timer timer(co_await asio::this_coro::executor);
  // tag::coroutine[]
  while (auto next = co_await jobs.async_receive()) {
    log.started(next->number, name);
    if (delay.count() > 0) {
      // A timer, not a sleeping thread: the consumer is busy, its thread is not.
      timer.expires_after(delay);
      co_await (timer.async_wait(asio::use_awaitable) || next->reply.async_wait_closed());
    }
    work_on(*next, log);
  }
  // end::coroutine[]
}

void work_blocking(blocking_receiver jobs, job_log& log, [[maybe_unused]] event_sender open,
                   const std::string& name, std::chrono::milliseconds delay) {
  // tag::thread[]
  for (job& next : jobs) {
    log.started(next.number, name);
    if (delay.count() > 0) {
      // That the time is over is an error to the waiting, and what is expected here.
      static_cast<void>(next.reply.async_wait_closed(asio::as_tuple(sluice::sync_wait_for(delay))));
    }
    work_on(next, log);
  }
  // end::thread[]
}

}  // namespace

void start_coroutines(asio::thread_pool& pool, unsigned count, job_queue& jobs, job_log& log,
                      const event_sender& events, std::chrono::milliseconds delay) {
  for (unsigned number = 1; number <= count; ++number) {
    asio::co_spawn(pool,
                   work(jobs.consumer(), log, events, "coroutine " + std::to_string(number), delay),
                   [](std::exception_ptr problem) {
                     // Nothing in work() is expected to throw; if something does, fail loudly, not
                     // silently.
                     if (problem) std::rethrow_exception(problem);
                   });
  }
}

void plain_threads::start(unsigned count, job_log& log, const event_sender& events,
                          std::chrono::milliseconds delay) {
  for (unsigned number = 1; number <= count; ++number) {
    threads_.emplace_back(work_blocking, jobs_.consumer(), std::ref(log), events,
                          "thread " + std::to_string(number), delay);
  }
}

}  // namespace job_server
