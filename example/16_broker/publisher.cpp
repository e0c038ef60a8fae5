// SPDX-License-Identifier: BSL-1.0

#include "publisher.hpp"

#include "redis_server.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

namespace broker {
namespace {

// tag::room[]
// The server has no command that waits until a stream is shorter, so this asks now and then.
asio::awaitable<void> wait_for_room(redis_server& server, const publisher_settings& how,
                                    std::size_t messages) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  request length;
  length.add({"XLEN", how.stream});
  for (;;) {
    const auto answers = co_await server.ask(length);
    if (static_cast<std::size_t>(answers[0]->integer) + messages <= how.limit) co_return;
    timer.expires_after(how.look_again);
    co_await timer.async_wait(asio::use_awaitable);
  }
}
// end::room[]

}  // namespace

// tag::publish[]
asio::awaitable<void> publish(sluice::receiver<message> messages, publisher_settings how) {
  redis_server server(how.server, "publisher");
  std::vector<message> batch;
  while (co_await messages.async_receive_some(batch, std::min(how.batch, how.limit)) > 0) {
    co_await wait_for_room(server, how, batch.size());
    request append;
    for (const auto& each : batch)
      append.add({"XADD", how.stream, "*", "id", each.id, "body", each.body});
    co_await server.ask(append);
    for (auto& each : batch) static_cast<void>(each.stored.send({}));
    batch.clear();
  }
}
// end::publish[]

}  // namespace broker
