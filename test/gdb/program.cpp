// SPDX-License-Identifier: BSL-1.0

// Situations to be looked at in gdb: check.py stops at each call of stop_and_look(), and compares
// what gdb prints there with the comment above the call.

#include <sluice.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>

#include <functional>
#include <utility>

namespace asio = boost::asio;

namespace {

// Not to be optimised away, and with a place to come back to.
[[gnu::noinline]] void stop_and_look() {
  static volatile int looked = 0;
  looked = looked + 1;
}

struct job {
  int number;
  char kind;
};

/// Calls something when it is moved, which a channel does under its lock.
struct when_moved {
  explicit when_moved(std::function<void()> f) : call(std::move(f)) {}
  when_moved(when_moved&& other) noexcept : call(std::move(other.call)) {
    if (call) call();
  }

  std::function<void()> call;
};

/// Lies apart from what is before it.
struct alignas(64) wide {
  int number;
};

void channels(asio::io_context& context) {
  auto [made_tx, made_rx] = sluice::make_channel<int>(context, 3);
  auto tx = std::move(made_tx);
  auto rx = std::move(made_rx);
  // (gdb) print tx
  // sluice::sender: size 0, capacity 3, senders 1, receivers 1
  // (gdb) print made_tx
  // sluice::sender: empty
  stop_and_look();

  auto another = tx;
  const sluice::weak_sender weak(tx);
  // tag::channel[]
  for (int i = 1; i != 6; ++i) tx.async_send(i * 10, asio::detached);
  tx.async_reserve(asio::detached);
  another.async_wait_closed(asio::detached);
  // (gdb) print tx
  // sluice::sender: size 3, capacity 3, senders 2, receivers 1, waiting sends 2,
  //   waiting reservations 1, waiting for the end 1 = {10, 20, 30}
  // (gdb) print rx
  // sluice::receiver: size 3, capacity 3, senders 2, receivers 1, waiting sends 2,
  //   waiting reservations 1, waiting for the end 1 = {10, 20, 30}
  // end::channel[]
  // (gdb) print weak
  // sluice::weak_sender: size 3, capacity 3, senders 2, receivers 1, waiting sends 2,
  //   waiting reservations 1, waiting for the end 1 = {10, 20, 30}
  // (gdb) print *tx.state_.state_
  // channel: size 3, capacity 3, senders 2, receivers 1, waiting sends 2,
  //   waiting reservations 1, waiting for the end 1 = {10, 20, 30}
  stop_and_look();

  rx.close(asio::error::eof);
  // (gdb) print rx
  // sluice::receiver: size 3, capacity 3, senders 2, receivers 1,
  //   closed by misc_category:2 = {10, 20, 30}
  stop_and_look();
  context.poll();
}

void receives(asio::io_context& context) {
  auto [made_tx, made_rx] = sluice::make_unbounded_channel<job>(context);
  auto tx = std::move(made_tx);
  auto rx = std::move(made_rx);
  for (int i = 0; i != 3; ++i) rx.async_receive([](auto, auto) {});
  static_cast<void>(tx.try_send(job{1, 'a'}));
  // (gdb) print tx
  // sluice::sender: size 1, unbounded, senders 1, receivers 1, waiting receives 2,
  //   promised 1 = {{number = 1, kind = 97 'a'}}
  stop_and_look();
  rx.cancel();
  context.restart();
  context.poll();
  // More values than the first block has places for.
  for (int i = 0; i != 17; ++i) static_cast<void>(tx.try_send(job{i, 'b'}));
  for (int i = 0; i != 15; ++i) static_cast<void>(rx.try_receive());
  tx.close();
  // (gdb) print tx
  // sluice::sender: size 3, unbounded, senders 1, receivers 1, closed =
  //   {{number = 14, kind = 98 'b'}, {number = 15, kind = 98 'b'}, {number = 16, kind = 98 'b'}}
  stop_and_look();
}

void rendezvous(asio::io_context& context) {
  auto [tx, rx] = sluice::make_channel<int>(context, 0);
  tx.async_send(1, asio::detached);
  // (gdb) print rx
  // sluice::receiver: size 0, capacity 0, senders 1, receivers 1, waiting sends 1
  stop_and_look();
}

void aligned(asio::io_context& context) {
  auto [tx, rx] = sluice::make_channel<wide>(context, 2);
  for (int i = 1; i != 3; ++i) static_cast<void>(tx.try_send(wide{i}));
  // (gdb) print rx
  // sluice::receiver: size 2, capacity 2, senders 1, receivers 1 = {{number = 1}, {number = 2}}
  stop_and_look();
}

void permits(asio::io_context& context) {
  auto [tx, rx] = sluice::make_channel<int>(context, 4);
  boost::system::error_code ec;
  auto reserved = tx.try_reserve_many(2, ec);
  auto& permit = *reserved;
  static_cast<void>(permit.send(7));
  // (gdb) print permit
  // sluice::permit: 1 places of a channel: size 1, capacity 4, senders 1, receivers 1,
  //   reserved 1 = {7}
  stop_and_look();
}

void batches(asio::io_context& context) {
  auto [tx, rx] = sluice::make_channel<int>(context, 8);
  for (int i = 1; i != 6; ++i) static_cast<void>(tx.try_send(i));
  rx.async_for_each(
      [&to = tx](int value) {
        if (value == 2) static_cast<void>(to.try_send(6));
        // (gdb) print to
        // sluice::sender: size 3, capacity 8, senders 1, receivers 1, in hands 2 = {6}
        if (value == 3) stop_and_look();
        return value != 3;
      },
      asio::detached);
  context.restart();
  context.poll();
  // What the loop has not passed on is there again.
  // (gdb) print tx
  // sluice::sender: size 3, capacity 8, senders 1, receivers 1 = {4, 5, 6}
  stop_and_look();
}

void measured(asio::io_context& context) {
  auto [tx, rx] = sluice::make_channel<int, asio::any_io_executor, sluice::measured<>>(context, 2);
  boost::system::error_code ec;
  for (int i = 1; i != 4; ++i) static_cast<void>(tx.force_send(std::move(i), ec));
  static_cast<void>(rx.try_receive());
  // (gdb) print rx
  // sluice::receiver: size 1, capacity 2, senders 1, receivers 1, accepted 3, received 1,
  //   displaced 1, at most 2 = {3}
  stop_and_look();
  rx = {};
  // (gdb) print tx
  // sluice::sender: size 0, capacity 2, senders 1, receivers 0, closed, accepted 3, received 1,
  //   displaced 1, destroyed 1, at most 2
  stop_and_look();
}

void locked(asio::io_context& context) {
  auto [made_tx, rx] = sluice::make_channel<when_moved>(context, 2);
  auto& tx = made_tx;
  static_cast<void>(tx.try_send(when_moved([&to = tx] {
    static_cast<void>(to);
    // The value is on its way into the buffer, and not counted yet.
    // (gdb) print to
    // sluice::sender: size 0, capacity 2, senders 1, receivers 1, locked
    stop_and_look();
  })));
}

void oneshots(asio::io_context& context) {
  auto [made_tx, made_rx] = sluice::make_oneshot<int>(context);
  auto tx = std::move(made_tx);
  auto rx = std::move(made_rx);
  rx.async_receive([](auto, auto) {});
  tx.async_wait_closed(asio::detached);
  // (gdb) print tx
  // sluice::oneshot_sender: nothing sent, waiting receives 1, waiting for the end 1
  // (gdb) print *tx.state_.state_
  // oneshot: nothing sent, waiting receives 1, waiting for the end 1
  stop_and_look();
  static_cast<void>(tx.send(5));
  // (gdb) print rx
  // sluice::oneshot_receiver: the value is there, promised 1, waiting for the end 1 = {5}
  stop_and_look();
  context.restart();
  context.poll();
  rx.close();
  tx = {};
  // (gdb) print rx
  // sluice::oneshot_receiver: it was received or destroyed, the sender has gone, closed
  stop_and_look();
  auto [lonely, gone] = sluice::make_oneshot<int>(context);
  gone = {};
  // (gdb) print lonely
  // sluice::oneshot_sender: nothing sent, the receiver has gone
  stop_and_look();
}

void broadcasts(asio::io_context& context) {
  sluice::broadcast_sender<int> tx(context, 2);
  auto slow = tx.subscribe();
  auto quick = tx.subscribe();
  for (int i = 1; i != 4; ++i) tx.send(i);
  // The news that it was overtaken, and two messages.
  for (int i = 0; i != 3; ++i) static_cast<void>(quick.try_receive());
  quick.async_receive([](auto, auto) {});
  // tag::broadcast[]
  // (gdb) print tx
  // sluice::broadcast_sender: size 2, capacity 2, senders 1, receivers 2,
  //   waiting receives 1 = {2, 3}
  // (gdb) print slow
  // sluice::broadcast_receiver: unread 2, overtaken by 1; broadcast: size 2, capacity 2, senders 1,
  //   receivers 2, waiting receives 1 = {2, 3}
  // end::broadcast[]
  // (gdb) print quick
  // sluice::broadcast_receiver: unread 0, missed before 1, waiting receives 1; broadcast: size 2,
  //   capacity 2, senders 1, receivers 2, waiting receives 1
  stop_and_look();
  tx.send(4);
  tx.close();
  // (gdb) print *tx.state_.state_
  // broadcast: size 2, capacity 2, senders 1, receivers 2, promised 1, closed = {3, 4}
  // (gdb) print quick
  // sluice::broadcast_receiver: unread 1, missed before 1, promised 1; broadcast: size 2,
  //   capacity 2, senders 1, receivers 2, promised 1, closed = {4}
  stop_and_look();

  sluice::broadcast_sender<int, asio::any_io_executor, sluice::multi_threaded,
                           sluice::overflow::wait>
      lossless(context, 1);
  auto rx = lossless.subscribe();
  for (int i = 1; i != 3; ++i) lossless.async_send(i, asio::detached);
  lossless.close(asio::error::eof);
  // (gdb) print lossless
  // sluice::broadcast_sender: size 1, capacity 1, senders 1, receivers 1, nothing is missed,
  //   closed by misc_category:2 = {1}
  stop_and_look();
  context.restart();
  context.poll();
}

void watches(asio::io_context& context) {
  sluice::watch_sender<int> tx(context, 40);
  auto rx = tx.subscribe();
  tx.send(41);
  tx.send(42);
  tx.async_wait_closed(asio::detached);
  // (gdb) print tx
  // sluice::watch_sender: version 3, senders 1, receivers 1, waiting for the end 1 = {42}
  // (gdb) print *tx.state_.state_
  // watch: version 3, senders 1, receivers 1, waiting for the end 1 = {42}
  // (gdb) print rx
  // sluice::watch_receiver: seen 1, version 3, senders 1, receivers 1,
  //   waiting for the end 1 = {42}
  stop_and_look();
  // tag::watch[]
  rx.mark_unchanged();
  rx.async_changed([](auto, auto) {});
  // (gdb) print rx
  // sluice::watch_receiver: seen 3, version 3, senders 1, receivers 1, waiting receives 1,
  //   waiting for the end 1 = {42}
  // end::watch[]
  stop_and_look();
  tx.close();
  // (gdb) print rx
  // sluice::watch_receiver: seen 3, version 3, senders 1, receivers 1, woken 1, closed = {42}
  stop_and_look();
  context.restart();
  context.poll();
}

void threads(asio::io_context& context) {
  auto [tx, rx] = sluice::make_channel<int>(context, 1);
  sluice::sync_sender sync_tx(std::move(tx));
  sluice::sync_receiver sync_rx(std::move(rx));
  sync_tx.send(3);
  // (gdb) print sync_tx
  // sluice::sync_sender: size 1, capacity 1, senders 1, receivers 1 = {3}
  // (gdb) print sync_rx
  // sluice::sync_receiver: size 1, capacity 1, senders 1, receivers 1 = {3}
  stop_and_look();
}

void selects(asio::io_context& context) {
  auto [tx, rx] = sluice::make_channel<int>(context, 2);
  sluice::broadcast_sender<int> news(context, 2);
  auto paper = news.subscribe();
  static_cast<void>(tx.try_send(1));
  const auto receives = sluice::on_receive(rx);
  const auto sends = sluice::on_send(tx, 2);
  const auto reads = sluice::on_receive(paper);
  sluice::watch_sender<int> setting(context, 1);
  auto reader = setting.subscribe();
  const auto changes = sluice::on_changed(reader);
  const auto closes = sluice::on_closed(setting);
  const auto reserves = sluice::on_reserve(tx);
  const auto select = sluice::select(sluice::on_receive(rx));
  // The case that sends counts as a sender.
  // (gdb) print select
  // sluice::basic_select = {...on_receive at a channel: size 1, capacity 2, senders 2, ...}
  // (gdb) print receives
  // on_receive at a channel: size 1, capacity 2, senders 2, receivers 1
  // (gdb) print sends
  // on_send at a channel: size 1, capacity 2, senders 2, receivers 1
  // (gdb) print reads
  // on_receive at a broadcast: size 0, capacity 2, senders 1, receivers 1
  // (gdb) print changes
  // on_changed at a watch: version 1, senders 1, receivers 1
  // (gdb) print closes
  // on_closed at a watch: version 1, senders 1, receivers 1
  // (gdb) print reserves
  // on_reserve at a channel: size 1, capacity 2, senders 2, receivers 1
  stop_and_look();
}

}  // namespace

int main() {
  asio::io_context context;
  channels(context);
  receives(context);
  rendezvous(context);
  aligned(context);
  permits(context);
  batches(context);
  measured(context);
  locked(context);
  oneshots(context);
  broadcasts(context);
  watches(context);
  threads(context);
  selects(context);
}
