// SPDX-License-Identifier: BSL-1.0
//
// What the server says: which paths exist, what may be done with them, and what the answer is.
// Nothing here reads from or writes to a connection, and nothing here knows of time.

#ifndef JOB_SERVER_ROUTES_HPP
#define JOB_SERVER_ROUTES_HPP

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

// The texts for people: printed at the start and served at "/".
std::string what_to_try(std::string_view url);

// {"error": reason}. The reason is ours, never the client's words, so it needs no escaping.
response error_response(http::status status, std::string_view reason);

// Looks at a request whose header is there and whose body is not: what can be refused now need not
// be received first.
std::optional<response> refuse_early(const request::header_type& header);

// Answers a request that refuse_early() let pass.
asio::awaitable<response> respond(job_queue& jobs, std::string_view welcome, request asked);

}  // namespace job_server

#endif
