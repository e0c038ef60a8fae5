// SPDX-License-Identifier: BSL-1.0
//
// sluice        oneshots as they come: any_io_executor, no token named
// sluice-typed  the same, handles and coroutines typed on io_context's executor

#include "frame/run_context.hpp"
#include "oneshot/oneshot.hpp"

#include <sluice.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <utility>

namespace bench {
namespace {

namespace asio = boost::asio;
using typed = asio::io_context::executor_type;

template <class Executor>
using sender = sluice::oneshot_sender<message, Executor>;

template <class Executor>
asio::awaitable<void, Executor> ready(Executor ex, message count, message& sum) {
  for (message value = 0; value != count; ++value) {
    auto [tx, rx] = sluice::make_oneshot<message, Executor>(ex);
    static_cast<void>(tx.send(message(value)));
    auto received = co_await rx.async_receive();
    sum += received.value_or(0);
  }
}

template <class Executor>
timing run_ready(std::uint64_t messages) {
  asio::io_context context(1);
  message sum = 0;
  asio::co_spawn(context, ready<Executor>(context.get_executor(), messages, sum), asio::detached);
  const timing result = run_context(context, 1);
  check_sum(messages, sum);
  return result;
}

template <class Executor>
asio::awaitable<void, Executor> wait_first(Executor ex, message count, sender<Executor>& slot,
                                           message& sum) {
  for (; count != 0; --count) {
    auto [tx, rx] = sluice::make_oneshot<message, Executor>(ex);
    slot = std::move(tx);
    auto received = co_await rx.async_receive();
    sum += received.value_or(0);
  }
}

template <class Executor>
asio::awaitable<void, Executor> fill(message count, sender<Executor>& slot) {
  for (message value = 0; value != count;) {
    if (slot) {
      auto tx = std::move(slot);
      static_cast<void>(tx.send(message(value)));
      ++value;
    }
    co_await asio::post(asio::use_awaitable_t<Executor>());
  }
}

template <class Executor>
timing run_waits(std::uint64_t messages) {
  asio::io_context context(1);
  sender<Executor> slot;
  message sum = 0;
  asio::co_spawn(context, wait_first<Executor>(context.get_executor(), messages, slot, sum),
                 asio::detached);
  asio::co_spawn(context, fill<Executor>(messages, slot), asio::detached);
  const timing result = run_context(context, 1);
  check_sum(messages, sum);
  return result;
}

template <class Executor>
struct request {
  message value;
  sender<Executor> reply;
};

template <class Executor>
asio::awaitable<void, Executor> actor(sluice::receiver<request<Executor>, Executor> requests) {
  while (auto next = co_await requests.async_receive())
    static_cast<void>(next->reply.send(message(next->value)));
}

template <class Executor>
asio::awaitable<void, Executor> client(sluice::sender<request<Executor>, Executor> requests,
                                       Executor ex, message count, message& sum) {
  for (message value = 0; value != count; ++value) {
    auto [tx, rx] = sluice::make_oneshot<message, Executor>(ex);
    request<Executor> next{value, std::move(tx)};
    co_await requests.async_send(std::move(next));
    auto received = co_await rx.async_receive();
    sum += received.value_or(0);
  }
}

template <class Executor>
timing run_reply(std::uint64_t messages) {
  asio::io_context context(1);
  message sum = 0;
  auto [tx, rx] = sluice::make_channel<request<Executor>, Executor>(context, actor_capacity);
  asio::co_spawn(context, actor<Executor>(std::move(rx)), asio::detached);
  asio::co_spawn(context, client<Executor>(std::move(tx), context.get_executor(), messages, sum),
                 asio::detached);
  const timing result = run_context(context, 1);
  check_sum(messages, sum);
  return result;
}

const bool added[] = {
    add_contender(oneshot_ready, "sluice", run_ready<asio::any_io_executor>),
    add_contender(oneshot_ready, "sluice-typed", run_ready<typed>),
    add_contender(oneshot_waits, "sluice", run_waits<asio::any_io_executor>),
    add_contender(oneshot_waits, "sluice-typed", run_waits<typed>),
    add_contender(oneshot_reply, "sluice", run_reply<asio::any_io_executor>),
    add_contender(oneshot_reply, "sluice-typed", run_reply<typed>),
};

}  // namespace
}  // namespace bench
