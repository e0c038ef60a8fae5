// SPDX-License-Identifier: BSL-1.0
//
// Settings that change while the program runs.
//
//   config_reload FILE        FILE has lines like  interval = 250  and  greeting = hello
//   kill -HUP PID             reads FILE again
//   kill -TERM PID            stops
//
// What it teaches:
//   - A watch holds the settings. Workers look at them when they need them, and each look is a
//     whole: never half of the old settings and half of the new ones.
//   - Who has to act when settings change waits for that. Changes that come too fast are seen as
//     one.
//   - A file that cannot be read, or makes no sense, changes nothing.
//   - Another watch says that it is time to stop. When the last worker has let go of its receiver,
//     the program knows that all have stopped.

#include <sluice/use_awaitable.hpp>
#include <sluice/watch.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <csignal>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iostream>
#include <optional>
#include <string>
#include <utility>

namespace asio = boost::asio;

namespace {

struct settings {
  int interval = 1000;
  std::string greeting = "hello";

  friend bool operator==(const settings&, const settings&) = default;
};

std::string trimmed(const std::string& text) {
  const auto begin = text.find_first_not_of(" \t");
  const auto end = text.find_last_not_of(" \t\r");
  return begin == std::string::npos ? "" : text.substr(begin, end - begin + 1);
}

/// Empty if the file cannot be read, or if it says something that nobody understands.
std::optional<settings> read_settings(const std::string& path) {
  std::ifstream file(path);
  if (!file) return std::nullopt;
  settings read;
  for (std::string line; std::getline(file, line);) {
    if (trimmed(line).empty() || line[0] == '#') continue;
    const auto separator = line.find('=');
    if (separator == std::string::npos) return std::nullopt;
    const std::string name = trimmed(line.substr(0, separator));
    const std::string value = trimmed(line.substr(separator + 1));
    if (name == "greeting") {
      read.greeting = value;
    } else if (name == "interval") {
      read.interval = std::atoi(value.c_str());
      if (read.interval <= 0) return std::nullopt;
    } else {
      return std::nullopt;
    }
  }
  return read;
}

/// Applies the settings, each time that they are others, until it is time to stop.
asio::awaitable<void> work(int number, sluice::watch_receiver<settings> latest,
                           sluice::watch_receiver<bool> stopping) {
  using namespace asio::experimental::awaitable_operators;
  auto stop = [](bool wanted) { return wanted; };
  for (;;) {
    const auto now = latest.borrow_and_update();
    std::cout << "worker " << number << ": " << now->greeting << ", every " << now->interval
              << " ms" << std::endl;
    // Neither of them takes anything away, so whichever loses has lost nothing.
    auto which = co_await (latest.async_changed() || stopping.async_wait_for(stop));
    if (which.index() == 1) break;
  }
  std::cout << "worker " << number << ": stops" << std::endl;
}

/// Reads the file again each time that it is told to, until it is told to stop.
asio::awaitable<void> listen_to_signals(std::string path, sluice::watch_sender<settings> latest) {
  asio::signal_set signals(co_await asio::this_coro::executor, SIGHUP, SIGINT, SIGTERM);
  std::cout << "ready" << std::endl;
  while (co_await signals.async_wait(asio::use_awaitable) == SIGHUP) {
    std::optional<settings> read = read_settings(path);
    if (!read) {
      std::cout << "settings that make no sense: nothing changes" << std::endl;
      continue;
    }
    const bool changed = latest.send_if_modified([&](settings& now) {
      if (now == *read) return false;
      now = *read;
      return true;
    });
    std::cout << (changed ? "new settings" : "the same settings as before") << std::endl;
  }
}

void rethrow(std::exception_ptr problem) {
  if (problem) std::rethrow_exception(problem);
}

asio::awaitable<void> run(std::string path, settings first) {
  const auto ex = co_await asio::this_coro::executor;
  sluice::watch_sender<settings> latest(ex, std::move(first));
  sluice::watch_sender<bool> stopping(ex, false);
  for (int number = 1; number <= 2; ++number)
    asio::co_spawn(ex, work(number, latest.subscribe(), stopping.subscribe()), rethrow);

  co_await listen_to_signals(std::move(path), latest);
  stopping.send(true);
  co_await stopping.async_wait_closed();  // the last worker has gone
  std::cout << "all have stopped" << std::endl;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: config_reload FILE\n";
    return EXIT_FAILURE;
  }
  std::optional<settings> first = read_settings(argv[1]);
  if (!first) {
    std::cerr << argv[1] << ": cannot be read, or makes no sense\n";
    return EXIT_FAILURE;
  }
  asio::io_context context(1);
  asio::co_spawn(context, run(argv[1], std::move(*first)), rethrow);
  context.run();
}
