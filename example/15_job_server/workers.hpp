// SPDX-License-Identifier: BSL-1.0
//
// Who works on the jobs: coroutines on a thread pool, and plain threads that know nothing of Asio.
// All of them receive from the same channel, in the order in which they came to ask.
//
// Both kinds are the same loop, written once with co_await and once with a blocking receiver.
// Compare what each does with a job that takes long: both wait until the time is over or the client
// has hung up, whichever comes first. One waits in a coroutine and keeps its thread free, the other
// blocks.

#ifndef JOB_SERVER_WORKERS_HPP
#define JOB_SERVER_WORKERS_HPP

#include "job_log.hpp"
#include "job_queue.hpp"

#include <sluice/sync_receiver.hpp>

#include <boost/asio/thread_pool.hpp>

#include <chrono>
#include <thread>
#include <vector>

namespace job_server {

// Starts `count` coroutines on the pool. They end when the queue is closed and empty; only then can
// the pool be joined. `delay` is added to every job, to make overload easy to watch.
void start_coroutines(asio::thread_pool& pool, unsigned count, job_queue& jobs, job_log& log,
                      const event_sender& events, std::chrono::milliseconds delay);

// Plain threads, which do the same.
class plain_threads {
 public:
  explicit plain_threads(job_queue& jobs) : jobs_(jobs) {}
  // In case that something goes wrong before the queue is closed: they end with the queue only.
  ~plain_threads() { jobs_.close(); }

  void start(unsigned count, job_log& log, const event_sender& events,
             std::chrono::milliseconds delay);
  void join() { threads_.clear(); }

 private:
  job_queue& jobs_;
  std::vector<std::jthread> threads_;
};

}  // namespace job_server

#endif
