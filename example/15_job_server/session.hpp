// SPDX-License-Identifier: BSL-1.0
//
// One connection, as one coroutine: read a request, answer it, again, until somebody has enough.
// Everything that can be wrong with a client ends here: what it sends (400 and its relatives), how
// much (413), how slowly (the connection expires), and when it leaves, also while it waits for its
// answer: then nobody needs to work for it any more.
//
// The other thing to see is how a server stops. All sessions wait on one channel that never carries
// a message; closing it wakes every one of them at once. A session that is idle then closes, one
// that owes an answer gives it first.

#ifndef JOB_SERVER_SESSION_HPP
#define JOB_SERVER_SESSION_HPP

#include "job_log.hpp"
#include "job_queue.hpp"

#include <sluice/channel.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <chrono>
#include <cstddef>
#include <variant>

namespace job_server {

// What all sessions share. It outlives them.
struct service {
  job_queue& jobs;
  const job_log& log;
  std::size_t body_limit;
  std::chrono::seconds timeout;
};

// Tells of the stop by closing; the value type only has to be something.
using stop_receiver = sluice::receiver<std::monostate>;

// Serves the connection until it is over. Run it on the socket's executor, which is a strand.
asio::awaitable<void> serve_connection(asio::ip::tcp::socket socket, const service& shared,
                                       stop_receiver stop);

}  // namespace job_server

#endif
