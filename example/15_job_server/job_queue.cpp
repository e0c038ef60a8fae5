// SPDX-License-Identifier: BSL-1.0

#include "job_queue.hpp"

#include <boost/asio/this_coro.hpp>

#include <tuple>
#include <utility>

namespace job_server {

job_queue::job_queue(const asio::any_io_executor& consumers, std::size_t capacity, job_log& log)
    : log_(log) {
  std::tie(jobs_, consumer_) =
      sluice::make_channel<job, asio::any_io_executor, sluice::measured<>>(consumers, capacity);
  log.ask_queue([jobs = jobs_] { return jobs.metrics(); });
}

// tag::submit[]
asio::awaitable<submission> job_queue::submit(std::string text) {
  auto [reply, answer] = sluice::make_oneshot<word_report>(co_await asio::this_coro::executor);

  const auto refused = log_.submit([&](std::uint64_t number) {
    return jobs_.try_send(job(number, std::move(text), std::move(reply)));
  });
  if (refused) {
    const auto result = refused == sluice::error::full ? verdict::full : verdict::closing;
    co_return submission{result, {}};
  }

  auto report = co_await answer.async_receive();
  if (!report) co_return submission{verdict::failed, {}};
  co_return submission{verdict::done, std::move(*report)};
}
// end::submit[]

void job_queue::close() {
  jobs_.close();
}

}  // namespace job_server
