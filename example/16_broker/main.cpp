// SPDX-License-Identifier: BSL-1.0
//
// A channel whose ends are in two processes, with a Redis server between them.
//
//   run                 starts a server, a publisher and two consumers (a script beside this file)
//   broker publish      one side; broker --help tells the options
//   broker consume      the other
//
// What it teaches:
//   - Where a channel ends and a broker begins: each side has a channel of its own, and a coroutine
//     between the channel and the server.
//   - Back-pressure goes all the way. A slow consumer leaves its channel full, so its subscriber
//     asks for no more, the stream becomes as long as it may be, the publisher takes no more from
//     its channel, and the producer waits in `async_send`.
//   - What it takes to deliver at least once: nothing is forgotten, on either side, before the next
//     one has said that it has it.
//   - An acknowledgement that cannot wait, and cannot be forgotten: a permit of the channel back.
//
// Read it in this order:
//
//   settings          what the two sides have to be told
//   message           what travels, and the acknowledgement
//   publisher         from a channel to the server
//   subscriber        from the server to a channel
//   redis_server      asks until there is an answer
//   redis_connection  one connection; the protocol is that of a library
//   recent_ids        tells what comes twice
//   options           the command line
//
// This file has a producer, a consumer, and the end of both.

#include "options.hpp"
#include "publisher.hpp"
#include "recent_ids.hpp"
#include "subscriber.hpp"

#include <sluice.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <csignal>
#include <cstdint>
#include <exception>
#include <iostream>
#include <random>
#include <string>
#include <utility>
#include <variant>

namespace {

namespace asio = boost::asio;

using confirmation = sluice::oneshot_receiver<std::monostate>;

// A line is written at once, so that the lines of several processes do not mix.
void say(const std::string& what, const std::string& id) {
  std::cout << what + ' ' + id + '\n' << std::flush;
}

void rethrow(std::exception_ptr problem) {
  if (problem) std::rethrow_exception(problem);
}

std::string name_by_chance() {
  std::random_device chance;
  return std::to_string(chance()) + std::to_string(chance());
}

// --- Publishing ----------------------------------------------------------------------------------

// tag::produce[]
asio::awaitable<void> produce(sluice::sender<broker::message> messages,
                              sluice::sender<confirmation> confirmations, broker::options chosen) {
  const auto here = co_await asio::this_coro::executor;
  asio::steady_timer timer(here);
  for (std::uint64_t number = 1; chosen.count == 0 || number <= chosen.count; ++number) {
    auto [stored, confirmed] = sluice::make_oneshot<std::monostate>(here);
    const auto id = chosen.name + '-' + std::to_string(number);
    broker::message next{id, std::string(chosen.size, 'x'), std::move(stored)};
    sluice::error_code ec;
    co_await messages.async_send(std::move(next), asio::redirect_error(sluice::use_awaitable, ec));
    if (ec) break;  // closed: the program is to stop
    say("sent", id);
    co_await confirmations.async_send(std::move(confirmed));
    timer.expires_after(chosen.delay);
    if (chosen.delay.count() > 0) co_await timer.async_wait(asio::use_awaitable);
  }
}
// end::produce[]

// Messages are stored in the order in which they were sent, so the confirmations come in it, too.
asio::awaitable<void> tell_what_is_stored(sluice::receiver<confirmation> confirmations,
                                          std::string name) {
  for (std::uint64_t number = 1; auto next = co_await confirmations.async_receive(); ++number) {
    if (co_await next->async_receive()) say("stored", name + '-' + std::to_string(number));
  }
}

void publish(const broker::options& chosen) {
  asio::io_context context(1);
  auto [messages, messages_end] = sluice::make_channel<broker::message>(context, chosen.capacity);
  auto [confirmations, confirmations_end] = sluice::make_unbounded_channel<confirmation>(context);

  // Closing the channel ends the producer; what is in it goes to the server first. From then on a
  // second signal does what it does by default: it ends the process.
  asio::signal_set signals(context, SIGINT, SIGTERM);
  auto close = [&signals, channel = sluice::weak_sender(messages)](sluice::error_code, int) {
    signals.clear();
    channel.lock().close();
  };
  signals.async_wait(std::move(close));
  say("started", chosen.name);

  asio::co_spawn(context, produce(std::move(messages), std::move(confirmations), chosen), rethrow);
  asio::co_spawn(context, tell_what_is_stored(std::move(confirmations_end), chosen.name), rethrow);
  auto end = [&signals](std::exception_ptr problem) {
    rethrow(problem);
    signals.cancel();
  };
  asio::co_spawn(context, broker::publish(std::move(messages_end), chosen.publisher),
                 std::move(end));
  context.run();
}

// --- Consuming -----------------------------------------------------------------------------------

// tag::consume[]
asio::awaitable<void> consume(sluice::receiver<broker::delivery> deliveries,
                              broker::options chosen) {
  asio::steady_timer work(co_await asio::this_coro::executor);
  broker::recent_ids done(100'000);
  std::uint64_t tries = 0;
  std::uint64_t received = 0;
  while (auto next = co_await deliveries.async_receive()) {
    if (done.contains(next->id())) {
      say("again", next->id());
      next->acknowledge();  // or it would come for ever
      continue;
    }
    work.expires_after(chosen.delay);
    if (chosen.delay.count() > 0) co_await work.async_wait(asio::use_awaitable);
    if (chosen.fail != 0 && ++tries % chosen.fail == 0) {
      say("failed", next->id());
      continue;  // the delivery goes without an acknowledgement, and comes again
    }
    say("received", next->id());
    done.add(next->id());
    next->acknowledge();  // when all is done, and not before
    if (++received == chosen.count) break;
  }
}
// end::consume[]

void consume(const broker::options& chosen) {
  asio::io_context context(1);
  asio::thread_pool consumer(1);
  auto [deliveries, deliveries_end] =
      sluice::make_channel<broker::delivery>(context, chosen.capacity);
  auto [stop, stopped] = sluice::make_channel<std::monostate>(context, 1);

  asio::signal_set signals(context, SIGINT, SIGTERM);
  auto close = [&signals, stop](sluice::error_code, int) mutable {
    signals.clear();
    stop.close();
  };
  signals.async_wait(std::move(close));
  say("started", chosen.name);

  asio::co_spawn(consumer, consume(deliveries_end.with_executor(consumer.get_executor()), chosen),
                 rethrow);
  deliveries_end = {};
  auto end = [&signals](std::exception_ptr problem) {
    rethrow(problem);
    signals.cancel();
  };
  asio::co_spawn(context,
                 broker::subscribe(std::move(deliveries), chosen.subscriber, std::move(stopped)),
                 std::move(end));
  context.run();
  consumer.join();
}

}  // namespace

int main(int count, char** words) {
  try {
    auto chosen = broker::parse_options(count, words);
    if (chosen.name.empty()) chosen.name = name_by_chance();
    chosen.subscriber.name = chosen.name;
    switch (chosen.role) {
      case broker::options::side::none:
        std::cout << broker::help_text();
        break;
      case broker::options::side::publish:
        publish(chosen);
        break;
      case broker::options::side::consume:
        consume(chosen);
        break;
    }
    return 0;
  } catch (const broker::bad_option& problem) {
    std::cerr << "broker: " << problem.what() << "\nTry 'broker --help'.\n";
    return 2;
  } catch (const std::exception& problem) {
    std::cerr << "broker: " << problem.what() << '\n';
    return 1;
  }
}
