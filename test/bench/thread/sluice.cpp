// SPDX-License-Identifier: BSL-1.0
//
// sluice       as it comes: any_io_executor, sync_sender and sync_receiver, the coroutine's default
// token sluice-some  as sluice, but the receiving thread takes up to 64 messages at a time

#include "thread/thread.hpp"

#include <sluice.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include <utility>
#include <vector>

namespace bench {
namespace {

namespace asio = boost::asio;

asio::awaitable<void> send_all(sluice::sender<message> tx, std::uint64_t messages) {
  for (message value = 0; value != messages; ++value) co_await tx.async_send(value);
}

asio::awaitable<void> receive_all(sluice::receiver<message> rx, message& sum) {
  while (auto value = co_await rx.async_receive()) sum += *value;
}

template <bool Several>
timing run(const hand_over& h, std::uint64_t messages) {
  asio::io_context context(1);
  auto [tx, rx] = h.capacity == never_full ? sluice::make_unbounded_channel<message>(context)
                                           : sluice::make_channel<message>(context, h.capacity);
  message sum = 0;
  if (h.producer == side::coroutine)
    asio::co_spawn(context, send_all(std::move(tx), messages), asio::detached);
  if (h.consumer == side::coroutine)
    asio::co_spawn(context, receive_all(std::move(rx), sum), asio::detached);

  sluice::sync_sender sending(std::move(tx));
  sluice::sync_receiver receiving(std::move(rx));
  return run_sides(
      messages,
      [&] {
        if (h.producer == side::coroutine) {
          context.run();
          return;
        }
        for (message value = 0; value != messages; ++value) sending.send(value);
        sending = {};
      },
      [&] {
        if (h.consumer == side::coroutine) {
          context.run();
        } else if constexpr (Several) {
          std::vector<message> some;
          while (receiving.receive_some(some, 64) != 0) {
            for (const message value : some) sum += value;
            some.clear();
          }
        } else {
          while (auto value = receiving.receive()) sum += *value;
        }
        return sum;
      });
}

asio::awaitable<void> answer_all(sluice::receiver<message> rx, sluice::sender<message> tx) {
  while (auto value = co_await rx.async_receive()) co_await tx.async_send(*value);
}

timing run_round_trips(std::uint64_t messages) {
  asio::io_context context(1);
  auto [tx, rx] = sluice::make_channel<message>(context, 1);
  auto [back_tx, back_rx] = sluice::make_channel<message>(context, 1);
  asio::co_spawn(context, answer_all(std::move(rx), std::move(back_tx)), asio::detached);
  sluice::sync_sender sending(std::move(tx));
  sluice::sync_receiver receiving(std::move(back_rx));
  return run_sides(
      messages, [&] { context.run(); },
      [&] {
        message sum = 0;
        for (message value = 0; value != messages; ++value) {
          sending.send(value);
          sum += receiving.receive().value();
        }
        sending = {};
        return sum;
      });
}

bool thread_receives(const hand_over& h) {
  return h.consumer == side::thread;
}

const bool added[] = {
    add_hand_overs("sluice", every_hand_over, run<false>),
    add_hand_overs("sluice-some", thread_receives, run<true>),
    add_contender(round_trip, "sluice", run_round_trips),
};

}  // namespace
}  // namespace bench
