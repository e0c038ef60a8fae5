// SPDX-License-Identifier: BSL-1.0

#include "job_queue.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>
#include <iostream>
#include <optional>
#include <utility>

namespace job_server {
namespace {

void work_on(job& next) {
  try {
    // The slot has one place and one user. It can only refuse when nobody waits for the answer.
    static_cast<void>(next.reply.try_send(count_words(next.text)));
  } catch (const std::exception& problem) {
    // The job goes, and its reply slot with it: whoever waits there sees the end of the stream.
    std::cerr << "job_server: a job failed: " << problem.what() << '\n';
  }
}

// Each consumer holds a receiver of its own; a job goes to exactly one of them.
asio::awaitable<void> consume(sluice::receiver<job> jobs, std::chrono::milliseconds delay) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  while (auto next = co_await jobs.async_receive()) {
    if (delay.count() > 0) {
      // A timer, not a sleeping thread: the consumer is busy, its thread is not.
      timer.expires_after(delay);
      co_await timer.async_wait(asio::use_awaitable);
    }
    work_on(*next);
  }
}

}  // namespace

job_queue::job_queue(asio::thread_pool& pool, std::size_t capacity, unsigned consumers,
                     std::chrono::milliseconds delay) {
  auto [jobs_in, jobs_out] = sluice::make_channel<job>(pool.get_executor(), capacity);
  jobs_ = std::move(jobs_in);
  for (unsigned started = 0; started < consumers; ++started) {
    asio::co_spawn(pool, consume(jobs_out, delay), [](std::exception_ptr problem) {
      // Nothing in consume() is expected to throw; if something does, fail loudly, not silently.
      if (problem) std::rethrow_exception(problem);
    });
  }
}

asio::awaitable<submission> job_queue::submit(std::string text) {
  const auto here = co_await asio::this_coro::executor;
  auto [reply, answer] = sluice::make_channel<word_report>(here, 1);

  if (const auto refused = jobs_.try_send(job{std::move(text), std::move(reply)})) {
    ++rejected_;
    const auto result = refused == sluice::error::full ? verdict::full : verdict::closing;
    co_return submission{result, {}};
  }

  // Both counters are kept by this coroutine and in this order, so done never runs ahead.
  ++accepted_;
  auto report = co_await answer.async_receive();
  ++done_;
  if (!report) co_return submission{verdict::failed, {}};
  co_return submission{verdict::done, std::move(*report)};
}

void job_queue::close() {
  jobs_.close();
}

queue_figures job_queue::figures() const {
  // Read in the opposite order of counting, so that a job in between cannot make done the greater.
  queue_figures result;
  result.done = done_;
  result.depth = jobs_.size();
  result.capacity = jobs_.capacity();
  result.accepted = accepted_;
  result.rejected = rejected_;
  return result;
}

std::string to_json(const queue_figures& figures) {
  std::string json;
  json += "{\"depth\":" + std::to_string(figures.depth);
  json += ",\"capacity\":" + std::to_string(figures.capacity);
  json += ",\"accepted\":" + std::to_string(figures.accepted);
  json += ",\"rejected\":" + std::to_string(figures.rejected);
  json += ",\"done\":" + std::to_string(figures.done) + "}\n";
  return json;
}

}  // namespace job_server
