// SPDX-License-Identifier: BSL-1.0
//
// An actor: one coroutine owns the accounts of a bank, and everybody else asks it.
//
//   actor [CLIENTS]
//
// What it teaches:
//   - State that only one coroutine touches needs no mutex. Here the accounts are a local variable.
//   - A request carries the slot for its answer, a oneshot. To answer never waits, so a client that
//     is slow, or gone, cannot hold the actor up.
//   - Requests of different kinds travel in one channel, as a std::variant, and so in one order.
//   - A client that nobody will answer any more is told: the slot goes with the request.
//   - Nobody tells the actor to stop. When the last client has let go of its sender, the actor
//     receives what is left, and then the end.

#include <sluice/channel.hpp>
#include <sluice/oneshot.hpp>
#include <sluice/use_awaitable.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>

#include <cstdlib>
#include <exception>
#include <iostream>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>

namespace asio = boost::asio;

namespace {

struct deposit {
  std::string account;
  long amount;
};

struct transfer {
  std::string from;
  std::string to;
  long amount;
  sluice::oneshot_sender<bool> done;  // whether there was enough money
};

struct balance {
  std::string account;
  sluice::oneshot_sender<long> amount;
};

using request = std::variant<deposit, transfer, balance>;

// --- The actor -----------------------------------------------------------------------------------

using accounts = std::map<std::string, long>;

void handle(accounts& all, deposit d) {
  all[d.account] += d.amount;
}

void handle(accounts& all, transfer t) {
  bool enough = all[t.from] >= t.amount;
  if (enough) {
    all[t.from] -= t.amount;
    all[t.to] += t.amount;
  }
  // If the client has gone this fails, which is nothing to the actor.
  static_cast<void>(t.done.send(std::move(enough)));
}

void handle(accounts& all, balance b) {
  static_cast<void>(b.amount.send(long(all[b.account])));
}

asio::awaitable<accounts> run_bank(sluice::receiver<request> requests) {
  accounts all;
  while (auto next = co_await requests.async_receive())
    std::visit([&](auto& r) { handle(all, std::move(r)); }, *next);
  co_return all;
}

// --- Its clients ---------------------------------------------------------------------------------

// An empty answer means that the bank has closed.
asio::awaitable<std::optional<bool>> pay(sluice::sender<request>& bank, std::string from,
                                         std::string to, long amount) {
  auto [done, answer] = sluice::make_oneshot<bool>(bank.get_executor());
  request order = transfer{std::move(from), std::move(to), amount, std::move(done)};
  co_await bank.async_send(std::move(order));
  co_return co_await answer.async_receive();
}

asio::awaitable<std::optional<long>> ask_balance(sluice::sender<request>& bank, std::string whose) {
  auto [amount, answer] = sluice::make_oneshot<long>(bank.get_executor());
  request question = balance{std::move(whose), std::move(amount)};
  co_await bank.async_send(std::move(question));
  co_return co_await answer.async_receive();
}

// Earns ten coins and gives three of them to its neighbour, as long as it can.
asio::awaitable<void> run_client(sluice::sender<request> bank, int number, int clients) {
  const std::string own = "client " + std::to_string(number);
  const std::string neighbour = "client " + std::to_string((number + 1) % clients);
  request wages = deposit{own, 10};
  co_await bank.async_send(std::move(wages));
  int gifts = 0;
  while (gifts != 100) {
    auto paid = co_await pay(bank, own, neighbour, 3);
    if (!paid || !*paid) break;
    ++gifts;
  }
  auto left = co_await ask_balance(bank, own);
  if (!left || *left < 0) throw std::logic_error("this bank cannot count");
}

void rethrow(std::exception_ptr problem) {
  if (problem) std::rethrow_exception(problem);
}

}  // namespace

int main(int argc, char** argv) {
  const int clients = argc > 1 ? std::atoi(argv[1]) : 8;
  asio::thread_pool pool(2);
  asio::io_context context;
  long sum = 0;

  auto [bank, requests] = sluice::make_channel<request>(context, 16);
  asio::co_spawn(context, run_bank(std::move(requests)),
                 [&](std::exception_ptr problem, accounts all) {
                   rethrow(problem);
                   for (const auto& [name, amount] : all) {
                     std::cout << name << ": " << amount << '\n';
                     sum += amount;
                   }
                 });
  // The clients run on other threads than the bank.
  for (int i = 0; i != clients; ++i)
    asio::co_spawn(pool, run_client(bank.with_executor(pool.get_executor()), i, clients), rethrow);
  bank = {};  // main() is no client

  context.run();
  pool.join();
  std::cout << "sum: " << sum << '\n';
  return sum == 10L * clients ? EXIT_SUCCESS : EXIT_FAILURE;
}
