// SPDX-License-Identifier: BSL-1.0
//
// The listener, and the order in which a server stops. On SIGINT or SIGTERM:
//   1. the acceptor closes: nobody new comes in;
//   2. the job queue closes: no new job is accepted, those in it are still worked on;
//   3. the stop channel closes: idle connections close, the others after their answer.
// After that nothing has to be waited for by hand: the workers end when they have drained the
// queue, the streams of events when the last worker has ended, and the io_context runs out of work
// when the last session has.

#ifndef JOB_SERVER_SERVER_HPP
#define JOB_SERVER_SERVER_HPP

#include "job_log.hpp"
#include "job_queue.hpp"
#include "options.hpp"
#include "session.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/signal_set.hpp>

#include <string>
#include <variant>

namespace job_server {

class server {
 public:
  // Listens when it returns. Throws std::runtime_error if the address cannot be had.
  server(asio::io_context& context, const options& chosen, job_queue& jobs, job_log& log);

  // http://address:port, with the real port where 0 was asked for.
  std::string url() const;

  // Begins to accept, and to listen for signals; runs as long as the io_context does.
  void start();

 private:
  asio::awaitable<void> accept_connections();
  asio::awaitable<void> stop_on_signal();

  asio::io_context& context_;
  job_queue& jobs_;
  job_log& log_;
  // The acceptor and the signals share one strand, so closing never meets accepting.
  asio::ip::tcp::acceptor acceptor_;
  asio::signal_set signals_;
  sluice::sender<std::monostate> stop_;
  stop_receiver stopped_;
  service shared_;
};

}  // namespace job_server

#endif
