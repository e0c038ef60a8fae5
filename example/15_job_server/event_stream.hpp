// SPDX-License-Identifier: BSL-1.0
//
// One client that listens to the events, as server-sent events (text/event-stream), which a browser
// reads by itself and curl -N shows as they come.
//
// Each client has a subscription of its own and takes the events at the pace of its connection. One
// that is too slow holds up nobody: it is told how many events it has missed, and goes on with the
// oldest that is still there. That is said by an event, too:
//
//   event: missed
//   data: {"missed":17}

#ifndef JOB_SERVER_EVENT_STREAM_HPP
#define JOB_SERVER_EVENT_STREAM_HPP

#include "job_log.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/beast/core/tcp_stream.hpp>

#include <chrono>

namespace job_server {

namespace asio = boost::asio;

// Answers a request, made in this version of HTTP, by everything that happens; until nothing more
// can happen, the client leaves, or it takes nothing for longer than `patience`. After the last
// event it has as long for all that it is behind. The connection cannot be used for another request
// then.
asio::awaitable<void> stream_events(boost::beast::tcp_stream& client,
                                    job_log::subscription subscribed, unsigned version,
                                    std::chrono::seconds patience);

}  // namespace job_server

#endif
