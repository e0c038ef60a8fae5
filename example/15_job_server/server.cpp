// SPDX-License-Identifier: BSL-1.0

#include "server.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/system/system_error.hpp>

#include <csignal>
#include <exception>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

namespace job_server {
namespace {

constexpr auto as_result = asio::as_tuple(sluice::use_awaitable);

asio::ip::tcp::acceptor listen_on(asio::io_context& context, const asio::ip::tcp::endpoint& where) {
  try {
    return asio::ip::tcp::acceptor(asio::make_strand(context), where);
  } catch (const boost::system::system_error& problem) {
    std::ostringstream text;
    text << "cannot listen on " << where << ": " << problem.code().message();
    throw std::runtime_error(text.str());
  }
}

std::string url_of(const asio::ip::tcp::acceptor& acceptor) {
  std::ostringstream text;
  text << "http://" << acceptor.local_endpoint();
  return text.str();
}

// An exception ends one connection, never the server.
void report_end(std::exception_ptr problem) {
  try {
    if (problem) std::rethrow_exception(problem);
  } catch (const std::exception& what) {
    // In one piece, since the workers report failures, too.
    std::cerr << "job_server: a connection failed: " + std::string(what.what()) + '\n';
  }
}

// Without these coroutines there is no server: the exception leaves through the io_context.
void end_loudly(std::exception_ptr problem) {
  if (problem) std::rethrow_exception(problem);
}

}  // namespace

server::server(asio::io_context& context, const options& chosen, job_queue& jobs, job_log& log)
    : context_(context),
      jobs_(jobs),
      log_(log),
      acceptor_(listen_on(context, {chosen.address, chosen.port})),
      signals_(acceptor_.get_executor(), SIGINT, SIGTERM),
      shared_{jobs, log, chosen.body_limit, chosen.timeout} {
  auto [stop, stopped] = sluice::make_channel<std::monostate>(context, 1);
  stop_ = std::move(stop);
  stopped_ = std::move(stopped);
}

std::string server::url() const {
  return url_of(acceptor_);
}

void server::start() {
  const auto strand = acceptor_.get_executor();
  asio::co_spawn(strand, accept_connections(), end_loudly);
  asio::co_spawn(strand, stop_on_signal(), end_loudly);
}

asio::awaitable<void> server::accept_connections() {
  asio::steady_timer pause(acceptor_.get_executor());
  while (acceptor_.is_open()) {
    // Each connection gets a strand, because a session is more than one coroutine.
    const asio::any_io_executor strand = asio::make_strand(context_);
    auto [error, socket] = co_await acceptor_.async_accept(strand, as_result);
    if (!error) {
      asio::co_spawn(strand,
                     serve_connection(std::move(socket), shared_, stopped_.with_executor(strand)),
                     report_end);
    } else if (acceptor_.is_open()) {
      // Most likely there are too many open files. Trying again at once would only burn the
      // processor.
      std::cerr << "job_server: cannot accept: " + error.message() + '\n';
      pause.expires_after(std::chrono::milliseconds(100));
      co_await pause.async_wait(as_result);
    }
  }
}

asio::awaitable<void> server::stop_on_signal() {
  const auto number = co_await signals_.async_wait(sluice::use_awaitable);
  // From here on a second signal does what it does by default: it ends the process.
  signals_.clear();

  // tag::stop[]
  acceptor_.close();
  log_.stopping();  // while there is still somebody to hear it: idle workers end at once
  jobs_.close();
  stop_.close();
  // end::stop[]
  const auto figures = log_.figures();
  std::cout << "job_server: " << (number == SIGINT ? "SIGINT" : "SIGTERM")
            << ": accepting no more, finishing " << figures.depth + figures.running << " jobs"
            << std::endl;
}

}  // namespace job_server
