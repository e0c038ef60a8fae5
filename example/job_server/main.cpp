// SPDX-License-Identifier: BSL-1.0
//
// An HTTP server whose job queue is a Sluice channel. Read it in this order:
//
//   word_report  the work, plain C++
//   job_queue    the channel: connections on one side, a pool of workers on the other
//   routes       what is asked and what is answered
//   session      one connection
//   server       the listener, and how everything stops
//
// This file puts the parts on their threads and waits for the end.

#include "job_queue.hpp"
#include "options.hpp"
#include "routes.hpp"
#include "server.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>

#include <csignal>
#include <exception>
#include <iostream>
#include <thread>
#include <vector>

namespace {

void run(const job_server::options& chosen) {
  namespace asio = boost::asio;

  // They go in the opposite order: a connection refers to the queue, and a job's reply slot to the
  // executor of a connection.
  asio::io_context context(static_cast<int>(chosen.threads));
  asio::thread_pool workers(chosen.workers);
  job_server::job_queue jobs(workers, chosen.queue, chosen.workers, chosen.job_delay);

  job_server::server server(context, chosen, jobs);
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
  workers.join();  // the consumers have ended with the queue

  const auto figures = jobs.figures();
  std::cout << "job_server: stopped; " << figures.accepted << " jobs accepted, " << figures.done
            << " done, " << figures.rejected << " rejected" << std::endl;
}

}  // namespace

int main(int count, char** words) {
  // Output may go through a pipe whose reader the same Ctrl-C has ended; finish the jobs all the same.
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
