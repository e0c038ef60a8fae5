// SPDX-License-Identifier: BSL-1.0

#include "routes.hpp"

#include "page.hpp"

#include <boost/beast/core/string.hpp>
#include <boost/beast/http/field.hpp>
#include <boost/beast/http/verb.hpp>

#include <utility>

namespace job_server {
namespace {

struct resource {
  std::string_view path;
  std::string_view allow;
};

constexpr resource resources[] = {
    {"/", "GET, HEAD"}, {"/jobs", "POST"}, {"/stats", "GET, HEAD"}, {"/events", "GET"}};

// The path of "/path?query" and of "http://host/path?query", which proxies send.
std::string_view path_of(std::string_view target) {
  target = target.substr(0, target.find('?'));
  if (const auto scheme = target.find("://"); !target.starts_with('/') && scheme != target.npos) {
    const auto path = target.find('/', scheme + 3);
    return path == target.npos ? "/" : target.substr(path);
  }
  return target;
}

const resource* find_resource(std::string_view target) {
  const auto path = path_of(target);
  for (const auto& candidate : resources) {
    if (candidate.path == path) return &candidate;
  }
  return nullptr;
}

bool allows(const resource& found, http::verb method) {
  switch (method) {
    case http::verb::get:
    case http::verb::head:
    case http::verb::post:
      return found.allow.find(std::string_view(http::to_string(method))) != found.allow.npos;
    default:
      return false;
  }
}

response ok_response(std::string_view type, std::string body) {
  response answer{http::status::ok, 11};
  answer.set(http::field::content_type, type);
  answer.body() = std::move(body);
  return answer;
}

response unavailable_response(std::string_view reason) {
  auto answer = error_response(http::status::service_unavailable, reason);
  answer.set(http::field::retry_after, "1");
  return answer;
}

response submission_response(const submission& result) {
  switch (result.result) {
    case verdict::done:
      return ok_response("application/json", to_json(result.report));
    case verdict::full:
      return unavailable_response("the queue is full, try again later");
    case verdict::closing:
      return unavailable_response("the server is stopping");
    case verdict::failed:
      break;
  }
  return error_response(http::status::internal_server_error, "the job failed");
}

}  // namespace

std::string what_to_try(std::string_view url) {
  std::string text = "Try, in another terminal:\n";
  text.append("  curl --data-binary @/usr/share/common-licenses/GPL-3 ").append(url);
  text.append("/jobs\n  curl --data 'the quick and the slow' ").append(url);
  text.append("/jobs\n  curl ").append(url).append("/stats\n  curl -N ").append(url);
  text.append("/events\nor open ").append(url).append("/ in a browser.\n");
  return text;
}

response error_response(http::status status, std::string_view reason) {
  response answer{status, 11};
  answer.set(http::field::content_type, "application/json");
  answer.body().append("{\"error\":\"").append(reason).append("\"}\n");
  return answer;
}

std::optional<response> refuse_early(const request::header_type& header) {
  if (header.version() == 11 && header.count(http::field::host) != 1)
    return error_response(http::status::bad_request, "exactly one Host is needed");

  const bool has_encoding = header.count(http::field::transfer_encoding) > 0;
  const bool is_chunked = boost::beast::iequals(header[http::field::transfer_encoding], "chunked");
  if (has_encoding && !is_chunked)
    return error_response(http::status::not_implemented, "of transfer encodings, chunked is known");

  if (const auto expected = header[http::field::expect];
      !expected.empty() && !boost::beast::iequals(expected, "100-continue"))
    return error_response(http::status::expectation_failed, "the one known is 100-continue");

  const auto* const found = find_resource(header.target());
  if (!found)
    return error_response(http::status::not_found, "no such path, try /, /jobs, /stats or /events");

  if (!allows(*found, header.method())) {
    auto answer = error_response(http::status::method_not_allowed, "see Allow");
    answer.set(http::field::allow, found->allow);
    return answer;
  }

  if (header.method() == http::verb::post && !has_encoding &&
      header.count(http::field::content_length) == 0)
    return error_response(http::status::length_required, "a text is needed, with its length");

  if (const auto coding = header[http::field::content_encoding];
      !coding.empty() && !boost::beast::iequals(coding, "identity"))
    return error_response(http::status::unsupported_media_type, "send plain text, uncompressed");

  return std::nullopt;
}

bool asks_for_events(const request& asked) {
  return path_of(asked.target()) == "/events";
}

bool asks_for_work(const request& asked) {
  return asked.method() == http::verb::post;
}

response respond(const job_log& log, const request& asked) {
  if (path_of(asked.target()) == "/stats") {
    auto answer = ok_response("application/json", to_json(log.figures()));
    answer.set(http::field::cache_control, "no-store");
    return answer;
  }
  auto answer = ok_response("text/html; charset=utf-8", std::string(page()));
  // The page brings all it needs, and loads nothing from elsewhere.
  answer.set("Content-Security-Policy",
             "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
             "connect-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'");
  return answer;
}

asio::awaitable<response> respond_with_work(job_queue& jobs, request asked) {
  co_return submission_response(co_await jobs.submit(std::move(asked.body())));
}

}  // namespace job_server
