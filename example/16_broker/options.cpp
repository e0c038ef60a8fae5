// SPDX-License-Identifier: BSL-1.0

#include "options.hpp"

#include <charconv>
#include <iomanip>
#include <sstream>
#include <string_view>
#include <system_error>

namespace broker {
namespace {

std::uint64_t number_of(std::string_view text, std::uint64_t least) {
  constexpr std::uint64_t most = 1'000'000'000;
  std::uint64_t value = 0;
  const auto end = text.data() + text.size();
  const auto [stop, failure] = std::from_chars(text.data(), end, value);
  if (text.empty() || failure != std::errc{} || stop != end || value < least || value > most) {
    throw bad_option("expects a whole number from " + std::to_string(least) + " to " +
                     std::to_string(most) + ", not '" + std::string(text) + "'");
  }
  return value;
}

milliseconds time_of(std::string_view text, std::uint64_t least) {
  return milliseconds(number_of(text, least));
}

struct option_row {
  std::string_view name;
  std::string_view value;
  std::string_view meaning;
  void (*apply)(options&, std::string_view);
};

constexpr option_row table[] = {
    {"--server", "ADDRESS", "HOST:PORT, or the path of a socket (default 127.0.0.1:6379)",
     [](options& to, std::string_view text) {
       to.publisher.server.address = to.subscriber.server.address = text;
     }},
    {"--patience", "MS", "a server that is silent for so long is left (default 5000)",
     [](options& to, std::string_view text) {
       to.publisher.server.patience = to.subscriber.server.patience = time_of(text, 1);
     }},
    {"--stream", "NAME", "the stream, a key of the server (default messages)",
     [](options& to, std::string_view text) { to.publisher.stream = to.subscriber.stream = text; }},
    {"--name", "NAME", "begins the ids of a publisher; tells consumers apart (default by chance)",
     [](options& to, std::string_view text) { to.name = text; }},
    {"--capacity", "N", "of the channel (default 16)",
     [](options& to, std::string_view text) { to.capacity = number_of(text, 0); }},
    {"--batch", "N", "so many messages at once, at most (default 64 to publish, 16 to consume)",
     [](options& to, std::string_view text) {
       to.publisher.batch = to.subscriber.batch = number_of(text, 1);
     }},
    {"--delay", "MS", "between two messages; for each message (default 0)",
     [](options& to, std::string_view text) { to.delay = time_of(text, 0); }},
    {"--count", "N", "ends after so many messages, 0 for no end (default 0)",
     [](options& to, std::string_view text) { to.count = number_of(text, 0); }},
    {"--limit", "N", "publish: waits while the stream is longer than this (default 1000)",
     [](options& to, std::string_view text) { to.publisher.limit = number_of(text, 1); }},
    {"--size", "BYTES", "publish: of a message (default 0)",
     [](options& to, std::string_view text) { to.size = number_of(text, 0); }},
    {"--unacknowledged", "N", "consume: so many messages without, at most (default 64)",
     [](options& to, std::string_view text) { to.subscriber.unacknowledged = number_of(text, 1); }},
    {"--claim-after", "MS", "consume: takes over what is older than this (default 30000)",
     [](options& to, std::string_view text) { to.subscriber.claim_after = time_of(text, 1); }},
    {"--fail", "N", "consume: fails with each Nth message, 0 for none (default 0)",
     [](options& to, std::string_view text) { to.fail = number_of(text, 0); }},
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
  const std::string_view role = count > 1 ? words[1] : "";
  if (role == "--help" || role == "-h") return result;
  if (role != "publish" && role != "consume") throw bad_option("expects 'publish' or 'consume'");
  result.role = role == "publish" ? options::side::publish : options::side::consume;

  for (int index = 2; index < count; index += 2) {
    const auto& row = row_named(words[index]);
    if (index + 1 == count) throw bad_option(std::string(row.name) + " expects a value");
    try {
      row.apply(result, words[index + 1]);
    } catch (const bad_option& problem) {
      throw bad_option(std::string(row.name) + " " + problem.what());
    }
  }
  return result;
}

std::string help_text() {
  std::ostringstream text;
  text << "usage: broker publish [options]\n"
          "       broker consume [options]\n\n"
          "One side of a stream in a Redis server. 'publish' sends numbered messages into a\n"
          "channel, from which they go to the server; 'consume' receives from a channel what the\n"
          "server has. SIGINT or SIGTERM lets it finish what it has begun; a second one does "
          "not.\n\n";
  for (const auto& row : table) {
    const auto left = std::string(row.name) + " " + std::string(row.value);
    text << "  " << std::left << std::setw(19) << left << row.meaning << '\n';
  }
  return text.str();
}

}  // namespace broker
