// SPDX-License-Identifier: BSL-1.0
//
// sluice        a watch as it comes: any_io_executor, no token named
// sluice-typed  the same, handles and coroutines typed on io_context's executor

#include "frame/run_context.hpp"
#include "watch/watch.hpp"

#include <sluice.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <utility>
#include <vector>

namespace bench {
namespace {

namespace asio = boost::asio;

template <class Executor>
asio::awaitable<void, Executor> follow(sluice::watch_receiver<message, Executor> rx, message& sum) {
  while (co_await rx.async_changed()) {
    const auto latest = rx.borrow();
    sum += *latest;
  }
}

template <class Executor>
asio::awaitable<void, Executor> produce(sluice::watch_sender<message, Executor> tx, message count) {
  for (message value = 0; value != count; ++value) {
    tx.send(value);
    // Everybody who is woken has a look before it goes on.
    co_await asio::post(asio::use_awaitable_t<Executor>());
  }
}

template <class Executor>
timing run(std::uint64_t values, std::vector<message>& sums) {
  asio::io_context context(1);
  {
    sluice::watch_sender<message, Executor> tx(context, 0);
    for (message& sum : sums)
      asio::co_spawn(context, follow<Executor>(tx.subscribe(), sum), asio::detached);
    asio::co_spawn(context, produce<Executor>(std::move(tx), values), asio::detached);
  }
  return run_context(context, 1);
}

const bool added[] = {
    add_watch("sluice", run<asio::any_io_executor>),
    add_watch("sluice-typed", run<asio::io_context::executor_type>),
};

}  // namespace
}  // namespace bench
