// SPDX-License-Identifier: BSL-1.0
// requires: c++20
#define BOOST_TEST_MODULE doc_oneshot
#include "doc/run.hpp"

#include <sluice.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/test/unit_test.hpp>

#include <optional>
#include <string>
#include <thread>
#include <utility>

namespace asio = boost::asio;

namespace {

// tag::request[]
struct lookup {
  lookup(std::string n, sluice::oneshot_sender<int> r) : name(std::move(n)), reply(std::move(r)) {}

  std::string name;
  sluice::oneshot_sender<int> reply;
};

asio::awaitable<std::optional<int>> ask(sluice::sender<lookup> requests, std::string name) {
  auto [tx, rx] = sluice::make_oneshot<int>(requests.get_executor());
  lookup request(std::move(name), std::move(tx));
  co_await requests.async_send(std::move(request));
  co_return co_await rx.async_receive();  // empty: nobody answered, and nobody will
}
// end::request[]

// tag::answer[]
asio::awaitable<void> answer(sluice::receiver<lookup> requests) {
  while (auto request = co_await requests.async_receive()) {
    if (request->name.empty()) continue;  // dropped, and its reply slot with it
    int length = static_cast<int>(request->name.size());
    if (request->reply.send(std::move(length))) continue;  // nobody wants it any more
  }
}
// end::answer[]

BOOST_AUTO_TEST_CASE(a_request_is_answered_or_dropped) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<lookup>(context, 4);
  std::optional<int> known;
  std::optional<int> unknown = 1;
  spawn(context, answer(std::move(rx)));
  run(context,
      [](sluice::sender<lookup> requests, std::optional<int>& a,
         std::optional<int>& b) -> asio::awaitable<void> {
        a = co_await ask(requests, "four");
        b = co_await ask(std::move(requests), "");
      }(std::move(tx), known, unknown));
  BOOST_TEST(known.value() == 4);
  BOOST_TEST(!unknown.has_value());
}

BOOST_AUTO_TEST_CASE(a_thread_answers) {
  asio::io_context context;
  int seen = 0;
  // tag::thread[]
  auto [tx, rx] = sluice::make_oneshot<int>(context);
  std::thread worker([reply = std::move(tx)]() mutable {
    static_cast<void>(reply.send(42));  // never blocks, from any thread
  });
  // end::thread[]
  run(context, [](sluice::oneshot_receiver<int> answer, int& result) -> asio::awaitable<void> {
    result = (co_await answer.async_receive()).value();
  }(std::move(rx), seen));
  worker.join();
  BOOST_TEST(seen == 42);
}

int steps = 0;

// tag::unwanted[]
asio::awaitable<void> compute(sluice::oneshot_sender<int> reply) {
  int result = 0;
  for (int step = 0; step != 1000; ++step) {
    if (reply.is_closed()) co_return;  // nobody waits for it any more
    result += step;
    ++steps;
    co_await asio::post(asio::use_awaitable);
  }
  static_cast<void>(reply.send(std::move(result)));
}
// end::unwanted[]

BOOST_AUTO_TEST_CASE(work_that_nobody_wants_ends) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_oneshot<int>(context);
  spawn(context, compute(std::move(tx)));
  for (int i = 0; i != 10; ++i) context.poll_one();
  rx.close();
  context.run();
  BOOST_TEST(steps < 1000);
}

}  // namespace
