// SPDX-License-Identifier: BSL-1.0

#include "redis_server.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <exception>
#include <iostream>
#include <random>
#include <utility>

namespace broker {
namespace {

asio::awaitable<bool> wait_for_timer(milliseconds duration) {
  asio::steady_timer timer(co_await asio::this_coro::executor, duration);
  co_await timer.async_wait(asio::use_awaitable);
  co_return true;
}

}  // namespace

redis_server::redis_server(const server_settings& how, std::string name)
    : how_(how), name_(std::move(name)), pause_(wait_for_timer) {}

// tag::ask[]
asio::awaitable<replies> redis_server::ask(const request& commands, milliseconds longer) {
  for (;;) {
    std::string problem;
    try {
      if (!connection_) co_await connect();
      auto answers = co_await connection_->exchange(commands, how_.patience + longer);
      last_pause_ = milliseconds(0);
      co_return answers;
    } catch (const std::exception& what) {
      problem = what.what();
    }
    // Also if the server has only refused: it may be loading its data, or be out of memory, and
    // what is said first on a connection may be what is missing.
    connection_.reset();
    const auto pause = next_pause();
    std::clog << name_ + ": " + problem + "; again in " + std::to_string(pause.count()) + " ms\n";
    if (!co_await pause_(pause)) co_return replies();
  }
}
// end::ask[]

asio::awaitable<void> redis_server::connect() {
  connection_.emplace(co_await asio::this_coro::executor);
  co_await connection_->open(how_.address, how_.patience);
  ++connections_;
  if (greeting_.size() == 0) co_return;
  try {
    co_await connection_->exchange(greeting_, how_.patience);
  } catch (const refused&) {
    // The command that needs it will say so.
  }
}

// Twice as long each time. A part of it is left to chance, so that those who have lost the same
// server do not all come back at the same moment.
milliseconds redis_server::next_pause() {
  last_pause_ = std::clamp(2 * last_pause_, how_.shortest_pause, how_.longest_pause);
  static thread_local std::minstd_rand chance(std::random_device{}());
  return milliseconds(std::uniform_int_distribution<milliseconds::rep>(
      last_pause_.count() / 2, last_pause_.count())(chance));
}

}  // namespace broker
