// SPDX-License-Identifier: BSL-1.0
//
// The queue between the connections and the workers.
//
// - The queue is one bounded channel. Producers are the HTTP connections, on an io_context;
//   consumers are coroutines on a thread pool, and plain threads. No side knows the other's
//   executor.
// - Overload is decided by try_send: it takes the job or says `full`, and never waits.
// - Every job carries a reply slot, the sending end of a oneshot. Whatever becomes of a job, its
//   reply slot is used or destroyed, so a waiting connection always hears back. It works in the
//   other direction, too: when the client hangs up, the receiving end goes, and whoever holds the
//   job sees that nobody wants the answer.
// - Closing the queue is the whole of a graceful stop: no job can enter any more, those that did
//   are still received, and after the last of them each consumer's loop ends by itself.
// - The channel is one that is measured: how many jobs have gone through it, how many have waited at
//   most, and how long. Nobody has to count or to look at a clock for that.

#ifndef JOB_SERVER_JOB_QUEUE_HPP
#define JOB_SERVER_JOB_QUEUE_HPP

#include "job_log.hpp"
#include "word_report.hpp"

#include <sluice/channel.hpp>
#include <sluice/measured.hpp>
#include <sluice/oneshot.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace job_server {

namespace asio = boost::asio;

struct job {
  job(std::uint64_t n, std::string t, sluice::oneshot_sender<word_report> r)
      : number(n), text(std::move(t)), reply(std::move(r)) {}

  std::uint64_t number;
  std::string text;
  sluice::oneshot_sender<word_report> reply;
};

// tag::measured[]
using job_sender = sluice::sender<job, asio::any_io_executor, sluice::measured<>>;
using job_receiver = sluice::receiver<job, asio::any_io_executor, sluice::measured<>>;
// end::measured[]

enum class verdict {
  done,     // the report is there
  full,     // not accepted: every place in the queue is taken
  closing,  // not accepted: the server is stopping
  failed    // accepted, but the worker threw, or the job was dropped: there is no report
};

struct submission {
  verdict result = verdict::failed;
  word_report report;
};

class job_queue {
 public:
  // The executor is that of the consumers, unless they bring their own.
  job_queue(const asio::any_io_executor& consumers, std::size_t capacity, job_log& log);

  // Another consumer; each job goes to exactly one of them.
  job_receiver consumer() const { return consumer_; }

  // Refuses at once or completes when the job is finished. Awaited by a connection, on its own
  // executor. To cancel it is to do without the answer.
  asio::awaitable<submission> submit(std::string text);

  // Call from any thread, any number of times.
  void close();

 private:
  job_sender jobs_;
  job_receiver consumer_;
  job_log& log_;
};

}  // namespace job_server

#endif
