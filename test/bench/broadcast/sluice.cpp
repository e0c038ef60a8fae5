// SPDX-License-Identifier: BSL-1.0
//
// sluice       a broadcast as it comes: any_io_executor, no token named; the sender never waits
// sluice-try   the same, but what is there is received by try_receive
// sluice-wait  a lossless one, whose sender waits for the slowest receiver

#include "broadcast/broadcast.hpp"
#include "frame/run_context.hpp"

#include <sluice.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <optional>
#include <utility>
#include <vector>

namespace bench {
namespace {

namespace asio = boost::asio;

asio::awaitable<void> produce(sluice::broadcast_sender<message> tx, message count) {
  for (message value = 0; value != count; ++value) {
    tx.send(value);
    if (value % burst != burst - 1) continue;
    // Nobody shall be overtaken: that would measure something else.
    do co_await asio::post(asio::use_awaitable);
    while (tx.size() > broadcast_capacity / 2);
  }
}

asio::awaitable<void> produce(sluice::lossless_broadcast_sender<message> tx, message count) {
  for (message value = 0; value != count; ++value) co_await tx.async_send(value);
}

template <bool TryFirst>
asio::awaitable<void> consume(sluice::broadcast_receiver<message> rx, message& sum) {
  for (;;) {
    std::optional<message> value;
    if (TryFirst) value = rx.try_receive();
    if (!value) value = co_await rx.async_receive();
    if (!value) co_return;
    sum += *value;
  }
}

template <class Sender, bool TryFirst>
timing run(std::uint64_t messages, std::vector<message>& sums) {
  asio::io_context context(1);
  {
    Sender tx(context, broadcast_capacity);
    for (message& sum : sums)
      asio::co_spawn(context, consume<TryFirst>(tx.subscribe(), sum), asio::detached);
    asio::co_spawn(context, produce(std::move(tx), messages), asio::detached);
  }
  return run_context(context, 1);
}

const bool added[] = {
    add_broadcast("sluice", run<sluice::broadcast_sender<message>, false>),
    add_broadcast("sluice-try", run<sluice::broadcast_sender<message>, true>),
    add_broadcast("sluice-wait", run<sluice::lossless_broadcast_sender<message>, false>),
};

}  // namespace
}  // namespace bench
