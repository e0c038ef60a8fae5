// SPDX-License-Identifier: BSL-1.0
// requires: c++20
#define BOOST_TEST_MODULE doc_watch
#include "doc/run.hpp"

#include <sluice.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/test/unit_test.hpp>

#include <string>
#include <utility>
#include <vector>

namespace asio = boost::asio;

namespace {

struct settings {
  int connections = 1;
  std::string greeting = "hello";
};

std::vector<int> applied;

void apply(const settings& s) {
  applied.push_back(s.connections);
}

// tag::follow[]
asio::awaitable<void> follow(sluice::watch_receiver<settings> rx) {
  apply(*rx.borrow());
  while (co_await rx.async_changed()) {
    auto latest = rx.borrow();
    apply(*latest);
  }
}
// end::follow[]

BOOST_AUTO_TEST_CASE(who_follows_sees_the_latest) {
  asio::io_context context;
  // tag::make[]
  sluice::watch_sender<settings> tx(context, settings());
  spawn(context, follow(tx.subscribe()));
  context.poll();
  tx.send(settings{2, "hello"});
  tx.send(settings{3, "hello"});  // nobody has looked: the 2 is never seen
  // end::make[]
  context.poll();
  tx.close();
  context.run();
  BOOST_TEST(applied == (std::vector<int>{1, 3}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(what_is_held_does_not_change) {
  asio::io_context context;
  sluice::watch_sender<settings> tx(context, settings());
  auto rx = tx.subscribe();
  // tag::snapshot[]
  auto now = rx.borrow();  // std::shared_ptr<const settings>
  tx.send(settings{9, "goodbye"});
  // *now is still the old value, for as long as it is held
  // end::snapshot[]
  BOOST_TEST(now->greeting == "hello");
  BOOST_TEST(rx.borrow()->greeting == "goodbye");
}

BOOST_AUTO_TEST_CASE(a_value_is_modified) {
  asio::io_context context;
  sluice::watch_sender<settings> tx(context, settings());
  // tag::modify[]
  tx.send_modify([](settings& s) { ++s.connections; });
  bool changed = tx.send_if_modified([](settings& s) {
    if (s.connections >= 2) return false;  // nothing is published, nobody is woken
    ++s.connections;
    return true;
  });
  // end::modify[]
  BOOST_TEST(!changed);
  BOOST_TEST(tx.borrow()->connections == 2);
}

enum class phase { starting, running, stopping };

bool served = false;

// tag::wait_for[]
asio::awaitable<void> serve(sluice::watch_receiver<phase> rx) {
  auto now = co_await rx.async_wait_for([](phase p) { return p != phase::starting; });
  if (!now || *now != phase::running) co_return;  // null: closed, and it never came
  served = true;
}
// end::wait_for[]

BOOST_AUTO_TEST_CASE(a_phase_is_waited_for) {
  asio::io_context context;
  sluice::watch_sender<phase> tx(context, phase::starting);
  spawn(context, serve(tx.subscribe()));
  context.poll();
  BOOST_TEST(!served);
  tx.send(phase::running);
  context.restart();
  context.run();
  BOOST_TEST(served);
}

BOOST_AUTO_TEST_CASE(everybody_has_stopped) {
  asio::io_context context;
  bool stopped = false;
  // tag::shutdown[]
  sluice::watch_sender<bool> stopping(context, false);
  auto worker = [](sluice::watch_receiver<bool> rx) -> asio::awaitable<void> {
    co_await rx.async_wait_for([](bool stop) { return stop; });
  };
  for (int i = 0; i != 3; ++i) spawn(context, worker(stopping.subscribe()));
  stopping.send(true);
  stopping.async_wait_closed([&](sluice::error_code) {
    stopped = true;  // the last receiver has gone, and its worker with it
  });
  // end::shutdown[]
  context.run();
  BOOST_TEST(stopped);
}

}  // namespace
