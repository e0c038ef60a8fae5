// SPDX-License-Identifier: BSL-1.0
//
// What the server says: which paths exist, what may be done with them, and what the answer is.
// Nothing here reads from or writes to a connection, and nothing here knows of time.

#ifndef JOB_SERVER_ROUTES_HPP
#define JOB_SERVER_ROUTES_HPP

#include "job_log.hpp"
#include "job_queue.hpp"

#include <boost/beast/http/message.hpp>
#include <boost/beast/http/status.hpp>
#include <boost/beast/http/string_body.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace job_server {

namespace http = boost::beast::http;

using request = http::request<http::string_body>;
using response = http::response<http::string_body>;

// The text for people that is printed at the start.
std::string what_to_try(std::string_view url);

// {"error": reason}. The reason is ours, never the client's words, so it needs no escaping.
response error_response(http::status status, std::string_view reason);

// Looks at a request whose header is there and whose body is not: what can be refused now need not
// be received first.
std::optional<response> refuse_early(const request::header_type& header);

// Whether a request that refuse_early() let pass wants the stream of events, which has no end that
// could be known. See event_stream.
bool asks_for_events(const request& asked);

// Whether one that wants something else asks for work, so that its answer takes time.
bool asks_for_work(const request& asked);

// Answers the others at once.
response respond(const job_log& log, const request& asked);

// Answers those that ask for work when it is done.
asio::awaitable<response> respond_with_work(job_queue& jobs, request asked);

}  // namespace job_server

#endif
