// SPDX-License-Identifier: BSL-1.0

#include "options.hpp"

#include <charconv>
#include <iomanip>
#include <sstream>
#include <string_view>
#include <system_error>

namespace job_server {
namespace {

std::uint64_t number_between(std::uint64_t least, std::uint64_t most, std::string_view text) {
  std::uint64_t value = 0;
  const auto end = text.data() + text.size();
  const auto [stop, failure] = std::from_chars(text.data(), end, value);
  if (text.empty() || failure != std::errc{} || stop != end || value < least || value > most) {
    throw bad_option("expects a whole number from " + std::to_string(least) + " to " +
                     std::to_string(most) + ", not '" + std::string(text) + "'");
  }
  return value;
}

struct option_row {
  std::string_view name;
  std::string_view value;
  std::string_view meaning;
  void (*apply)(options&, std::string_view);
};

constexpr option_row table[] = {
    {"--address", "IP", "address to listen on (default 127.0.0.1)",
     [](options& to, std::string_view text) {
       boost::system::error_code error;
       to.address = boost::asio::ip::make_address(std::string(text), error);
       if (error)
         throw bad_option("expects an IPv4 or IPv6 address, not '" + std::string(text) + "'");
     }},
    {"--port", "N", "port to listen on, 0 for any free one (default 8080)",
     [](options& to, std::string_view text) {
       to.port = static_cast<std::uint16_t>(number_between(0, 65535, text));
     }},
    {"--threads", "N", "threads that serve connections (default 2)",
     [](options& to, std::string_view text) {
       to.threads = static_cast<unsigned>(number_between(1, 256, text));
     }},
    {"--workers", "N", "jobs worked on at the same time, a thread for each (default 2)",
     [](options& to, std::string_view text) {
       to.workers = static_cast<unsigned>(number_between(1, 256, text));
     }},
    {"--legacy-threads", "N", "plain blocking threads that work on jobs as well (default 0)",
     [](options& to, std::string_view text) {
       to.legacy_threads = static_cast<unsigned>(number_between(0, 256, text));
     }},
    {"--queue", "N", "jobs that may wait; 0 takes a job only for an idle worker (default 64)",
     [](options& to, std::string_view text) {
       to.queue = static_cast<std::size_t>(number_between(0, 1'000'000, text));
     }},
    {"--body-limit", "BYTES", "longest text accepted (default 1048576)",
     [](options& to, std::string_view text) {
       to.body_limit = static_cast<std::size_t>(number_between(1, 1'073'741'824, text));
     }},
    {"--timeout", "SECONDS",
     "longest a client may take to send, to read or to be idle (default 10)",
     [](options& to, std::string_view text) {
       to.timeout = std::chrono::seconds(number_between(1, 3600, text));
     }},
    {"--job-delay", "MS", "makes every job take this much longer, to try overload (default 0)",
     [](options& to, std::string_view text) {
       to.job_delay = std::chrono::milliseconds(number_between(0, 3'600'000, text));
     }},
};

const option_row& row_named(std::string_view name) {
  for (const auto& row : table) {
    if (row.name == name) return row;
  }
  throw bad_option("unknown option '" + std::string(name) + "'");
}

}  // namespace

options parse_options(int count, const char* const* words) {
  options result;
  for (int index = 1; index < count; ++index) {
    const std::string_view word = words[index];
    if (word == "--help" || word == "-h") {
      result.help = true;
      continue;
    }

    const auto equals = word.find('=');
    const auto& row = row_named(word.substr(0, equals));
    std::string_view value;
    if (equals != std::string_view::npos)
      value = word.substr(equals + 1);
    else if (++index < count)
      value = words[index];
    else
      throw bad_option(std::string(row.name) + " expects a value");

    try {
      row.apply(result, value);
    } catch (const bad_option& problem) {
      throw bad_option(std::string(row.name) + " " + problem.what());
    }
  }
  return result;
}

std::string help_text() {
  std::ostringstream text;
  text
      << "usage: job_server [options]\n\n"
         "Counts words for HTTP clients: POST /jobs puts a text into a bounded queue and answers\n"
         "with the counts; a full queue is answered with 503 at once; GET /stats shows the queue,\n"
         "GET /events tells of every job as it happens, and GET / is a page that shows both.\n"
         "SIGINT or SIGTERM stops accepting, finishes and answers what was accepted, and "
         "exits.\n\n";
  for (const auto& row : table) {
    const auto left = std::string(row.name) + " " + std::string(row.value);
    text << "  " << std::left << std::setw(21) << left << row.meaning << '\n';
  }
  text << "  " << std::left << std::setw(21) << "--help" << "this text\n";
  return text.str();
}

}  // namespace job_server
