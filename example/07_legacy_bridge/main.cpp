// SPDX-License-Identifier: BSL-1.0
//
// Old code with blocking threads around new code with coroutines: numbers the lines of its input.
//
//   legacy_bridge [FILE]    reads FILE, or standard input; a line  ?  asks for the figures so far,
//                           a line  !  sets them back to nothing
//   kill -TERM PID          reads no more, writes what it has read, and stops
//
// What it teaches:
//   - Plain threads hold ends of the same channels as coroutines, and block where those would wait.
//     If the output is slow, both channels fill up, and then nothing more is read.
//   - State that belongs to a strand needs no mutex, also if threads want to know it: they ask
//     across a bridge. `post` and `call` happen in the order in which they were made.
//   - If the source ends first, its sender goes. The end travels behind the last line through
//     everything.
//   - If the other side goes first, because of a signal or of an output that breaks, the thread
//     that reads finds its channel closed. One that is blocked in read() finds nothing, so it has
//     to block in something that the program can end.

#include <sluice.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <functional>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

namespace asio = boost::asio;

namespace {

using strand = asio::strand<asio::thread_pool::executor_type>;

struct figures {
  std::size_t lines = 0;
  std::size_t bytes = 0;
};

std::ostream& operator<<(std::ostream& out, const figures& seen) {
  return out << seen.lines << " lines, " << seen.bytes << " bytes";
}

// --- The old code --------------------------------------------------------------------------------

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

/// The lines of a pipe, a terminal or a file, read with calls that block.
class line_source {
 public:
  explicit line_source(int input) : input_(input) {
    if (::pipe(wake_up_.data()) != 0) fail("pipe");
  }
  line_source(const line_source&) = delete;
  line_source& operator=(const line_source&) = delete;
  ~line_source() {
    for (int end : wake_up_) ::close(end);
  }

  /// Blocks until there is a line. Empty at the end, and when somebody has stopped it.
  std::optional<std::string> next() {
    std::size_t searched = 0;
    for (;;) {
      const std::size_t end = text_.find('\n', searched);
      if (end != std::string::npos) return take(end, 1);
      searched = text_.size();
      if (!read_more()) break;
    }
    if (is_stopped_ || text_.empty()) return std::nullopt;
    return take(text_.size(), 0);  // the last line may have no end
  }

  /// Ends next(), now and for ever. Any thread may call it, also while another one blocks there.
  void stop() noexcept {
    // What is written stays in the pipe, so it does not matter who comes first.
    while (::write(wake_up_[1], "", 1) < 0 && errno == EINTR) continue;
  }

 private:
  std::string take(std::size_t length, std::size_t separator) {
    std::string line = text_.substr(0, length);
    text_.erase(0, length + separator);
    return line;
  }

  bool read_more() {
    for (;;) {
      std::array<pollfd, 2> fds{{{wake_up_[0], POLLIN, 0}, {input_, POLLIN, 0}}};
      if (::poll(fds.data(), fds.size(), -1) < 0) {
        if (errno == EINTR) continue;
        fail("poll");
      }
      is_stopped_ = fds[0].revents != 0;
      if (is_stopped_) return false;
      std::array<char, 4096> chunk;
      const auto length = ::read(input_, chunk.data(), chunk.size());
      if (length > 0) text_.append(chunk.data(), static_cast<std::size_t>(length));
      if (length >= 0) return length != 0;
      if (errno != EINTR && errno != EAGAIN) fail("read");
    }
  }

  int input_;
  std::array<int, 2> wake_up_;
  std::string text_;
  bool is_stopped_ = false;
};

/// Blocks until the text is written. False if the output is broken.
bool write_text(int output, std::string_view text) {
  while (!text.empty()) {
    const auto length = ::write(output, text.data(), text.size());
    if (length < 0 && errno != EINTR) return false;
    if (length > 0) text.remove_prefix(static_cast<std::size_t>(length));
  }
  return true;
}

// --- Where old and new code meet -----------------------------------------------------------------

/// Runs in a thread of its own. Returns how many lines the channel has taken.
std::size_t read_lines(line_source& source, sluice::sync_sender<std::string> lines,
                       sluice::sync_bridge<strand> bridge, figures& seen) {
  std::size_t taken = 0;
  sluice::error_code ec;
  try {
    while (auto line = source.next()) {
      if (*line == "?") {
        if (auto now = bridge.call([&seen] { return seen; }, ec)) std::cerr << *now << std::endl;
      } else if (*line == "!") {
        ec = bridge.post([&seen] { seen = {}; });
      } else {
        lines.send(std::move(*line), ec);  // blocks while the channel is full
        if (!ec) ++taken;
      }
      if (ec) break;  // closed: nobody wants any more
    }
  } catch (const std::system_error& problem) {
    lines.close(problem.code());  // whoever receives learns of it, after the last line
  }
  return taken;
}

/// Runs in another one. Returns how many lines were written.
std::size_t write_lines(sluice::sync_receiver<std::string> lines) {
  std::size_t written = 0;
  for (std::string& line : lines) {
    line += '\n';
    if (!write_text(STDOUT_FILENO, line)) break;
    ++written;
  }
  return written;
}  // the only receiver goes; if the output broke, that is before the end, and its channel closes

// --- The new code --------------------------------------------------------------------------------

asio::awaitable<void> number_lines(sluice::receiver<std::string> lines,
                                   sluice::sender<std::string> results, figures& seen) {
  std::size_t number = 0;
  while (auto line = co_await lines.async_receive()) {
    ++seen.lines;
    seen.bytes += line->size();
    std::string result = std::to_string(++number) + ": " + *line;
    sluice::error_code ec;
    co_await results.async_send(std::move(result), asio::redirect_error(sluice::use_awaitable, ec));
    if (ec) break;  // nobody writes any more
  }
}

int run(int input) {
  line_source source(input);
  asio::thread_pool pool(2);
  const strand ex = asio::make_strand(pool);
  auto [line_sender, line_receiver] = sluice::make_channel<std::string>(ex, 64);
  auto [result_sender, result_receiver] = sluice::make_channel<std::string>(ex, 64);
  sluice::sync_bridge<strand> bridge(ex);
  figures seen;  // belongs to the strand

  // The end travels downstream by itself. What goes upstream has to be waited for, which keeps
  // nothing open: if nobody wants results no more lines are wanted, and then the thread must not
  // read on.
  auto want_no_more = [lines = sluice::weak_sender(line_sender)] { lines.lock().close(); };
  result_sender.async_wait_closed([=](sluice::error_code) { want_no_more(); });
  line_sender.async_wait_closed([&source](sluice::error_code) { source.stop(); });

  // The first signal does the same, and the second one ends the program, as usual.
  asio::signal_set signals(ex, SIGINT, SIGTERM);
  signals.async_wait([=, &signals](sluice::error_code, int) {
    signals.clear();
    want_no_more();
  });

  std::exception_ptr problem;
  asio::co_spawn(ex, number_lines(std::move(line_receiver), std::move(result_sender), seen),
                 [&](std::exception_ptr thrown) {
                   problem = thrown;
                   bridge.close();  // from now on nobody may be there to answer
                   signals.cancel();
                 });

  std::size_t taken = 0;
  std::size_t written = 0;
  std::thread reader([&, lines = std::move(line_sender)]() mutable {
    taken = read_lines(source, std::move(lines), bridge, seen);
  });
  std::thread writer([&, results = std::move(result_receiver)]() mutable {
    written = write_lines(std::move(results));
  });
  reader.join();
  writer.join();
  pool.join();

  std::cerr << taken << " lines read, " << written << " written" << std::endl;
  if (problem) std::rethrow_exception(problem);
  return taken == written ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    std::signal(SIGPIPE, SIG_IGN);  // an output that breaks is an error like others
    const int input = argc > 1 ? ::open(argv[1], O_RDONLY) : STDIN_FILENO;
    if (input < 0) fail(argv[1]);
    return run(input);
  } catch (const std::exception& problem) {
    std::cerr << "legacy_bridge: " << problem.what() << std::endl;
    return EXIT_FAILURE;
  }
}
