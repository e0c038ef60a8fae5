// SPDX-License-Identifier: BSL-1.0
//
// Jobs for several workers on a thread pool, and one who collects their results.
//
//   worker_pool
//
// What it teaches:
//   - A copy of the receiver is another consumer. Each job goes to one of them: who is free takes
//     the next, so none is idle while another one has a queue of its own.
//   - A copy of the sender is another producer. When the last worker has let go of its copy, the
//     results are complete, and the loop of who collects them ends.
//   - The two ends of a channel may be on different executors.
//   - With asio::use_future whoever started a worker hears of its exception, on its own thread.
//
// Prints:
//     17984 primes below 200000

#include <sluice/channel.hpp>
#include <sluice/use_awaitable.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>

#include <exception>
#include <future>
#include <iostream>
#include <utility>
#include <vector>

namespace asio = boost::asio;

namespace {

constexpr int limit = 200'000;
constexpr int step = 1'000;  // a job is to count the primes from one number up to so many more

bool is_prime(int number) {
  for (int divisor = 2; divisor * divisor <= number; ++divisor)
    if (number % divisor == 0) return false;
  return number >= 2;
}

asio::awaitable<void> make_jobs(sluice::sender<int> jobs) {
  for (int first = 0; first < limit; first += step) co_await jobs.async_send(first);
}

asio::awaitable<void> work(sluice::receiver<int> jobs, sluice::sender<int> results) {
  while (auto first = co_await jobs.async_receive()) {
    int primes = 0;
    for (int number = *first; number != *first + step; ++number) primes += is_prime(number);
    co_await results.async_send(primes);
  }
}

asio::awaitable<int> collect(sluice::receiver<int> results) {
  int sum = 0;
  while (auto primes = co_await results.async_receive()) sum += *primes;
  co_return sum;
}

}  // namespace

int main() {
  constexpr unsigned threads = 4;
  asio::io_context context;
  asio::thread_pool pool(threads);
  auto [jobs, jobs_to_do] = sluice::make_channel<int>(context, 2 * threads);
  auto [results, results_to_come] = sluice::make_channel<int>(context, 2 * threads);

  // Each coroutine goes on where it was spawned, whoever is at the other ends of its channels.
  std::vector<std::future<void>> workers;
  for (unsigned i = 0; i != threads; ++i)
    workers.push_back(asio::co_spawn(pool, work(jobs_to_do, results), asio::use_future));
  jobs_to_do = {};  // main() is no worker, and must not count as one
  results = {};

  auto maker = asio::co_spawn(context, make_jobs(std::move(jobs)), asio::use_future);
  auto sum = asio::co_spawn(context, collect(std::move(results_to_come)), asio::use_future);
  context.run();  // until all results are there
  pool.join();

  // This throws what one of them has thrown. If the last one fails, the others find their channels
  // closed, so the last one is asked first.
  const int primes = sum.get();
  for (auto& worker : workers) worker.get();
  maker.get();
  std::cout << primes << " primes below " << limit << '\n';
}
