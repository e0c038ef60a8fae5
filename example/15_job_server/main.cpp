// SPDX-License-Identifier: BSL-1.0
//
// An HTTP server whose job queue is a Sluice channel. Read it in this order:
//
//   word_report   the work, plain C++
//   job_log       a broadcast: what happens to jobs, for all who listen
//   job_queue     the channel: connections on one side, workers on the other; a oneshot answers
//   workers       coroutines on a thread pool, and plain threads
//   event_stream  one client that listens
//   page          what a browser shows of it
//   routes        what is asked and what is answered
//   session       one connection
//   server        the listener, and how everything stops
//
// This file puts the parts on their threads and waits for the end.

#include "job_log.hpp"
#include "job_queue.hpp"
#include "options.hpp"
#include "routes.hpp"
#include "server.hpp"
#include "workers.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>

#include <csignal>
#include <cstddef>
#include <exception>
#include <iostream>
#include <thread>
#include <vector>

namespace {

// How many events a client may be behind. It is told what it misses beyond that.
constexpr std::size_t most_events_behind = 256;

void run(const job_server::options& chosen) {
  namespace asio = boost::asio;

  // They go in the opposite order: a worker refers to the log, a connection to the queue, and a
  // job's reply slot to the executor of a connection.
  asio::io_context context(static_cast<int>(chosen.threads));
  job_server::event_sender events(context, most_events_behind);
  job_server::job_log log(events, chosen.queue);
  asio::thread_pool pool(chosen.workers);
  job_server::job_queue jobs(pool.get_executor(), chosen.queue, log);

  job_server::server server(context, chosen, jobs, log);
  job_server::start_coroutines(pool, chosen.workers, jobs, log, events, chosen.job_delay);
  job_server::plain_threads threads(jobs);
  threads.start(chosen.legacy_threads, log, events, chosen.job_delay);
  events = {};  // only the workers keep the broadcast open now, so it closes when they have ended

  server.start();
  std::cout << "job_server: listening on " << server.url() << '\n'
            << job_server::what_to_try(server.url()) << std::flush;

  {
    // What leaves the io_context as an exception is a mistake in this program, not in a request:
    // noexcept ends the process there and then.
    const auto serve = [&context]() noexcept { context.run(); };
    std::vector<std::jthread> helpers;
    for (unsigned started = 1; started < chosen.threads; ++started) helpers.emplace_back(serve);
    serve();  // until a signal came and the last connection is gone
  }
  // The workers have ended with the queue.
  pool.join();
  threads.join();

  const auto figures = log.figures();
  std::cout << "job_server: stopped; " << figures.accepted << " jobs accepted, " << figures.done
            << " done, " << figures.failed << " failed, " << figures.abandoned << " abandoned, "
            << figures.rejected << " rejected" << std::endl;
}

}  // namespace

int main(int count, char** words) {
  // Output may go through a pipe whose reader the same Ctrl-C has ended; finish the jobs all the
  // same.
  std::signal(SIGPIPE, SIG_IGN);
  try {
    const auto chosen = job_server::parse_options(count, words);
    if (chosen.help)
      std::cout << job_server::help_text();
    else
      run(chosen);
    return 0;
  } catch (const job_server::bad_option& problem) {
    std::cerr << "job_server: " << problem.what() << "\nTry 'job_server --help'.\n";
    return 2;
  } catch (const std::exception& problem) {
    std::cerr << "job_server: " << problem.what() << '\n';
    return 1;
  }
}
