// SPDX-License-Identifier: BSL-1.0
// requires: c++20
#define BOOST_TEST_MODULE doc_migrating

// What the page about migrating shows side by side. Its tables quote lines of this file, too.

#include "doc/run.hpp"

#include <sluice.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/concurrent_channel.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

std::vector<std::string> handled;

void handle(const std::string& text) {
  handled.push_back(text);
}

void run_ready(asio::io_context& context) {
  context.restart();
  while (context.poll_one() != 0) continue;
}

// --- asio::experimental::concurrent_channel ------------------------------------------------------

namespace before {

// tag::channel_before[]
using channel = asio::experimental::concurrent_channel<void(sluice::error_code, std::string)>;

asio::awaitable<void> produce(std::shared_ptr<channel> ch) {
  for (int i = 0; i != 3; ++i)
    co_await ch->async_send({}, "line " + std::to_string(i), asio::use_awaitable);
  co_await ch->async_send(asio::error::eof, "", asio::use_awaitable);  // close() might lose lines
}

asio::awaitable<void> consume(std::shared_ptr<channel> ch) {
  for (;;) {
    auto [ec, line] = co_await ch->async_receive(asio::as_tuple(asio::use_awaitable));
    if (ec) break;  // the end, or something else
    handle(line);
  }
}
// end::channel_before[]

}  // namespace before

namespace after {

// tag::channel_after[]
asio::awaitable<void> produce(sluice::sender<std::string> tx) {
  for (int i = 0; i != 3; ++i) co_await tx.async_send("line " + std::to_string(i));
}  // the channel closes with its last sender

asio::awaitable<void> consume(sluice::receiver<std::string> rx) {
  while (auto line = co_await rx.async_receive()) handle(*line);
}
// end::channel_after[]

}  // namespace after

BOOST_AUTO_TEST_CASE(a_channel_of_asio_and_one_of_ours) {
  const std::vector<std::string> expected{"line 0", "line 1", "line 2"};
  asio::io_context context;
  handled.clear();
  auto shared = std::make_shared<before::channel>(context, 2);
  spawn(context, before::produce(shared));
  run(context, before::consume(shared));
  BOOST_TEST((handled == expected));

  handled.clear();
  auto [tx, rx] = sluice::make_channel<std::string>(context, 2);
  spawn(context, after::produce(std::move(tx)));
  run(context, after::consume(std::move(rx)));
  BOOST_TEST((handled == expected));
}

// --- A mutex, a deque and a post -----------------------------------------------------------------

namespace before {

// tag::queue_before[]
class inbox : public std::enable_shared_from_this<inbox> {
 public:
  explicit inbox(asio::io_context& context) : context_(context) {}

  void push(std::string line) {  // called by any thread
    std::lock_guard lock(mutex_);
    lines_.push_back(std::move(line));
    if (std::exchange(is_posted_, true)) return;
    asio::post(context_, [self = shared_from_this()] { self->drain(); });
  }

 private:
  void drain() {
    for (;;) {
      std::unique_lock lock(mutex_);
      if (lines_.empty()) {
        is_posted_ = false;
        return;
      }
      std::string next = std::move(lines_.front());
      lines_.pop_front();
      lock.unlock();
      handle(next);
    }
  }

  asio::io_context& context_;
  std::mutex mutex_;
  std::deque<std::string> lines_;
  bool is_posted_ = false;
};
// end::queue_before[]

}  // namespace before

namespace after {

// tag::queue_after[]
sluice::sender<std::string> open_inbox(asio::io_context& context) {
  auto [tx, rx] = sluice::make_channel<std::string>(context, 1000);
  auto read = [](sluice::receiver<std::string> lines) -> asio::awaitable<void> {
    co_await lines.async_for_each([](const std::string& line) { handle(line); });
  };
  asio::co_spawn(context, read(std::move(rx)), asio::detached);
  return tx;  // try_send(line) takes the place of push(line), on any thread
}
// end::queue_after[]

}  // namespace after

BOOST_AUTO_TEST_CASE(a_queue_by_hand_and_a_channel) {
  const std::vector<std::string> expected{"a", "b", "c"};
  asio::io_context context;
  handled.clear();
  auto by_hand = std::make_shared<before::inbox>(context);
  for (const char* line : {"a", "b", "c"}) by_hand->push(line);
  run_ready(context);
  BOOST_TEST((handled == expected));

  handled.clear();
  auto tx = after::open_inbox(context);
  for (const char* line : {"a", "b", "c"}) BOOST_TEST(!tx.try_send(line));
  run_ready(context);
  BOOST_TEST((handled == expected));
  tx = {};
  run_ready(context);
}

// --- The tables ----------------------------------------------------------------------------------

struct job {
  int number = 0;
};

bool is_ready(int state) {
  return state == 2;
}

asio::awaitable<void> serve() {
  co_return;
}

BOOST_AUTO_TEST_CASE(handles) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<job>(context, 64);
  auto [give, take] = sluice::make_channel<job>(context, 0);
  auto [put, get] = sluice::make_unbounded_channel<job>(context);
  BOOST_TEST(put.same_channel(get));
  BOOST_TEST(give.same_channel(take));
  BOOST_TEST(rx.size() == 0u);
  BOOST_TEST(rx.capacity() == 64u);
  auto other = tx;
  sluice::weak_sender<job> weak(tx);
  BOOST_TEST(weak.lock().same_channel(rx));
  tx = {};
  BOOST_TEST(!rx.is_closed());
  other = {};
  BOOST_TEST(rx.is_closed());
  give.close();
  BOOST_TEST(take.is_closed());
  asio::co_spawn(context, serve(), asio::detached);
  context.run();
}

asio::awaitable<void> send(sluice::sender<job> tx) {
  job next{1};
  co_await tx.async_send(std::move(next));
  BOOST_TEST(!tx.try_send(std::move(next)));
  auto permit = co_await tx.async_reserve();
  BOOST_TEST(!permit.send(std::move(next)));
  auto places = co_await tx.async_reserve_many(3);
  BOOST_TEST(places.size() == 3u);
  std::vector<job> page(2);
  co_await tx.async_send_all(std::move(page));
}

asio::awaitable<void> receive(sluice::receiver<job> rx, int& count) {
  sluice::error_code ec;
  auto first = rx.try_receive(ec);
  BOOST_TEST(first.has_value());
  std::vector<job> batch;
  BOOST_TEST(co_await rx.async_receive_some(batch, 2) == 2u);
  BOOST_TEST(rx.try_receive_some(batch, 1, ec) == 1u);
  while (auto next = co_await rx.async_receive()) ++count;
}

asio::awaitable<void> wait_closed(sluice::sender<job> tx, bool& over) {
  co_await tx.async_wait_closed();
  over = true;
}

BOOST_AUTO_TEST_CASE(sending_and_receiving) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<job>(context, 16);
  auto watching = tx;
  int count = 0;
  bool closed = false;
  spawn(context, send(std::move(tx)));
  spawn(context, wait_closed(watching, closed));
  spawn(context, receive(std::move(rx), count));
  run_ready(context);
  BOOST_TEST(count == 1);
  watching.close();
  run_ready(context);
  BOOST_TEST(closed);
}

BOOST_AUTO_TEST_CASE(blocking) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<job>(context, 16);
  job next{1};
  sluice::sync_sender(tx).send(std::move(next));
  auto received = sluice::sync_receiver(rx).receive();
  BOOST_TEST(received.value().number == 1);
  sluice::sync_sender(tx).send(job{2});
  received = sluice::sync_receiver(rx).receive_for(1s);
  BOOST_TEST(received.value().number == 2);
  sluice::sync_sender(tx).send(job{3});
  tx = {};
  int sum = 0;
  for (job& each : sluice::sync_receiver(rx)) sum += each.number;
  BOOST_TEST(sum == 3);
}

asio::awaitable<void> others(asio::io_context& context) {
  auto [reply, answer] = sluice::make_oneshot<int>(context);
  BOOST_TEST(!reply.send(5));
  auto result = co_await answer.async_receive();
  BOOST_TEST(result.value() == 5);

  sluice::broadcast_sender<job> news(context, 1);
  auto subscriber = news.subscribe();
  BOOST_TEST(news.send(job{1}) == 1u);
  BOOST_TEST(news.send(job{2}) == 1u);
  sluice::error_code ec;
  BOOST_TEST(!subscriber.try_receive(ec).has_value());
  BOOST_TEST((ec == sluice::error::lagged));
  BOOST_TEST(subscriber.missed() == 1u);

  sluice::watch_sender<int> latest(context, 0);
  auto seen = latest.subscribe();
  BOOST_TEST(!latest.send(2));
  const bool changed = co_await seen.async_changed();
  BOOST_TEST(changed);
  BOOST_TEST(*seen.borrow() == 2);
  auto found = co_await seen.async_wait_for(is_ready);
  BOOST_TEST(*found == 2);
}

BOOST_AUTO_TEST_CASE(other_primitives) {
  asio::io_context context;
  run(context, others(context));
}

asio::awaitable<void> choose(sluice::receiver<job>& rx, sluice::sender<job>& tx) {
  {
    auto [which, result] =
        co_await sluice::select(sluice::on_receive(rx), sluice::after(1h)).async_wait();
    BOOST_TEST(which == 0u);
  }
  {
    auto either = sluice::select(sluice::on_receive(rx), sluice::on_send(tx, job{1}));
    auto [which, result] = co_await either.async_wait();
    BOOST_TEST(which == 1u);
    BOOST_TEST(!either.try_now().has_value());
  }
  {
    auto urgent = sluice::biased_select(sluice::on_receive(rx), sluice::on_closed(tx));
    BOOST_TEST(!urgent.try_now().has_value());
  }
}

BOOST_AUTO_TEST_CASE(selecting) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<job>(context, 1);
  auto [to, from] = sluice::make_channel<job>(context, 1);
  BOOST_TEST(!tx.try_send(job{1}));
  run(context, choose(rx, to));
  BOOST_TEST(from.size() == 1u);
  auto any = sluice::select(sluice::on_receive(rx), sluice::on_receive(from));
  auto [which, result] = any.async_wait(sluice::sync_wait);
  BOOST_TEST(which == 1u);
  BOOST_TEST(std::get<1>(result).has_value());
}

}  // namespace
