// SPDX-License-Identifier: BSL-1.0
//
// The queue between the connections and the workers: the place where this server uses Sluice.
//
// - The queue is one bounded channel. Producers are the HTTP connections, on an io_context; consumers
//   are coroutines on a thread pool. Neither side knows the other's executor.
// - Overload is decided by try_send: it takes the job or says `full`, and never waits.
// - Every job carries a reply slot, the sending end of a channel of its own with one place. Whatever
//   becomes of a job, its reply slot is used or destroyed, so a waiting connection always hears back.
// - Closing the queue is the whole of a graceful stop: no job can enter any more, those that did are
//   still received, and after the last of them each consumer's loop ends by itself.

#ifndef JOB_SERVER_JOB_QUEUE_HPP
#define JOB_SERVER_JOB_QUEUE_HPP

#include "word_report.hpp"

#include <sluice/channel.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace job_server {

namespace asio = boost::asio;

struct job {
  std::string text;
  sluice::sender<word_report> reply;
};

enum class verdict {
  done,     // the report is there
  full,     // not accepted: every place in the queue is taken
  closing,  // not accepted: the server is stopping
  failed    // accepted, but the work ended without a report
};

struct submission {
  verdict result = verdict::failed;
  word_report report;
};

struct queue_figures {
  std::size_t depth = 0;       // jobs waiting now, without those being worked on
  std::size_t capacity = 0;    // jobs that can wait
  std::uint64_t accepted = 0;  // jobs taken into the queue since the start
  std::uint64_t rejected = 0;  // jobs refused since the start
  std::uint64_t done = 0;      // accepted jobs that are finished; never more than `accepted`
};

class job_queue {
 public:
  // Starts `consumers` coroutines on the pool; they end after close(), and only then can the pool be
  // joined. `delay` is added to every job, to make overload easy to watch.
  job_queue(asio::thread_pool& pool, std::size_t capacity, unsigned consumers,
            std::chrono::milliseconds delay);

  // Refuses at once or completes when the job is finished. Awaited by a connection, on its own
  // executor.
  asio::awaitable<submission> submit(std::string text);

  // Call from any thread, any number of times.
  void close();
  queue_figures figures() const;

 private:
  sluice::sender<job> jobs_;
  std::atomic<std::uint64_t> accepted_{0};
  std::atomic<std::uint64_t> rejected_{0};
  std::atomic<std::uint64_t> done_{0};
};

std::string to_json(const queue_figures& figures);

}  // namespace job_server

#endif
