// SPDX-License-Identifier: BSL-1.0
// requires: c++20
#define BOOST_TEST_MODULE doc_select
#include "doc/run.hpp"

#include <sluice.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/test/unit_test.hpp>

#include <array>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

namespace asio = boost::asio;

namespace {

using namespace std::chrono_literals;

struct job {
  int number = 0;
};

/// Lets everything run that is ready, and leaves what waits.
void run_ready(asio::io_context& context) {
  context.restart();
  context.poll();
}

// tag::first[]
struct summary {
  int jobs = 0;
  int quiet_times = 0;
};

/// Works until one of the channels is at its end, or somebody says "stop".
asio::awaitable<summary> serve(sluice::receiver<job> jobs, sluice::receiver<std::string> commands) {
  summary so_far;
  auto next = sluice::select(sluice::on_receive(jobs),      // 0
                             sluice::on_receive(commands),  // 1
                             sluice::after(30s));           // 2
  for (;;) {
    auto [which, result] = co_await next.async_wait();
    if (which == 0) {
      std::optional<job>& work = std::get<0>(result);
      if (!work) co_return so_far;  // the end of the stream
      ++so_far.jobs;
    } else if (which == 1) {
      std::optional<std::string>& command = std::get<1>(result);
      if (!command || *command == "stop") co_return so_far;
    } else {
      ++so_far.quiet_times;  // 30 seconds in which nothing has happened
    }
  }
}
// end::first[]

BOOST_AUTO_TEST_CASE(S1_a_loop_around_a_select_takes_each_message_once) {
  asio::io_context context;
  auto [jobs_in, jobs] = sluice::make_channel<job>(context, 4);
  auto [commands_in, commands] = sluice::make_channel<std::string>(context, 4);
  std::optional<summary> result;
  asio::co_spawn(context, serve(jobs, commands), [&](std::exception_ptr problem, summary seen) {
    BOOST_TEST(!problem);
    result = seen;
  });
  for (int number = 1; number <= 3; ++number) BOOST_TEST(!jobs_in.try_send(job{number}));
  run_ready(context);
  BOOST_TEST(!result.has_value());
  BOOST_TEST(!commands_in.try_send("go on"));
  run_ready(context);
  BOOST_TEST(!result.has_value());
  BOOST_TEST(!commands_in.try_send("stop"));
  run_ready(context);
  BOOST_TEST_REQUIRE(result.has_value());
  BOOST_TEST(result->jobs == 3);
  BOOST_TEST(result->quiet_times == 0);

  // Nothing is left behind: the next message is received by the next one who comes.
  BOOST_TEST(!jobs_in.try_send(job{4}));
  BOOST_TEST(jobs.try_receive().value().number == 4);
}

// tag::errors[]
/// What became of it, and of which of the two.
asio::awaitable<std::string> describe_next(sluice::receiver<int>& a, sluice::receiver<int>& b) {
  auto [ec, which, result] = co_await sluice::select(sluice::on_receive(a), sluice::on_receive(b))
                                 .async_wait(asio::as_tuple(sluice::use_awaitable));
  if (which == sluice::npos) co_return "nothing: " + ec.message();  // the select was cancelled
  const std::string name = which == 0 ? "a" : "b";
  if (ec) co_return name + " fails: " + ec.message();
  const auto& number = which == 0 ? std::get<0>(result) : std::get<1>(result);
  co_return number ? name + " has " + std::to_string(*number) : name + " is at its end";
}
// end::errors[]

BOOST_AUTO_TEST_CASE(S2_a_closed_channel_counts_as_ready) {
  asio::io_context context;
  auto [a_in, a] = sluice::make_channel<int>(context, 1);
  auto [b_in, b] = sluice::make_channel<int>(context, 1);
  std::string said;
  auto next = [&, &from_a = a, &from_b = b] {
    said.clear();
    asio::co_spawn(context, describe_next(from_a, from_b),
                   [&](std::exception_ptr problem, std::string text) {
                     BOOST_TEST(!problem);
                     said = std::move(text);
                   });
    run_ready(context);
  };
  BOOST_TEST(!a_in.try_send(1));
  next();
  BOOST_TEST(said == "a has 1");
  next();
  BOOST_TEST(said.empty());
  a.cancel();
  run_ready(context);
  BOOST_TEST(said == "a fails: " + make_error_code(asio::error::operation_aborted).message());
  b_in.close(asio::error::connection_reset);
  next();
  BOOST_TEST(said == "b fails: " + make_error_code(asio::error::connection_reset).message());

  a_in.close();
  bool seen[2] = {};
  for (int round = 0; round < 1000; ++round) {
    next();
    seen[said.front() == 'b'] = true;
  }
  BOOST_TEST(seen[0]);
  BOOST_TEST(seen[1]);
}

struct sample {
  std::string text;
};

// tag::send[]
/// Passes samples on. One that nobody has taken when the next one comes is dropped.
asio::awaitable<void> pass_on_the_latest(sluice::receiver<sample> in, sluice::sender<sample> out) {
  std::optional<sample> latest = co_await in.async_receive();
  while (latest) {
    auto [which, result] =
        co_await sluice::select(sluice::on_send(out, std::ref(*latest)), sluice::on_receive(in))
            .async_wait();
    if (which == 0) {
      latest = co_await in.async_receive();  // `*latest` has been sent
    } else if (std::get<1>(result)) {
      latest = std::get<1>(std::move(result));  // it has not, and is still there
    } else {
      co_await out.async_send(std::move(*latest));
      co_return;
    }
  }
}
// end::send[]

BOOST_AUTO_TEST_CASE(S1_a_send_that_does_not_happen_leaves_its_value) {
  asio::io_context context;
  auto [in, from] = sluice::make_channel<sample>(context, 0);
  auto [to, out] = sluice::make_channel<sample>(context, 0);
  spawn(context, pass_on_the_latest(std::move(from), std::move(to)));
  run_ready(context);
  for (const char* text : {"first", "second", "third"}) {
    sample next{text};
    BOOST_TEST(!in.try_send(std::move(next)));
    run_ready(context);
  }
  std::string received;
  out.async_receive([&](sluice::error_code ec, std::optional<sample> got) {
    BOOST_TEST(!ec);
    received = got.value().text;
  });
  run_ready(context);
  BOOST_TEST(received == "third");
  sample last{"last"};
  BOOST_TEST(!in.try_send(std::move(last)));
  run_ready(context);
  in = {};
  run_ready(context);
  BOOST_TEST(out.try_receive().value().text == "last");
  run_ready(context);
  BOOST_TEST(out.is_closed());
}

// tag::once[]
/// Sends a copy to each of them, first to the one that has a place first.
asio::awaitable<void> send_to_both(sluice::sender<sample>& a, sluice::sender<sample>& b,
                                   sample value) {
  auto sends = sluice::select(sluice::on_send(a, value), sluice::on_send(b, value));
  co_await sends.async_wait();
  co_await sends.async_wait();  // the other one, since a value is sent once
}
// end::once[]

BOOST_AUTO_TEST_CASE(S1_a_value_that_the_select_owns_is_sent_once) {
  asio::io_context context;
  auto [a_in, a] = sluice::make_channel<sample>(context, 1);
  auto [b_in, b] = sluice::make_channel<sample>(context, 1);
  bool over = false;
  spawn(context,
        [](sluice::sender<sample>& to_a, sluice::sender<sample>& to_b,
           bool& done) -> asio::awaitable<void> {
          sample first{"first"};
          sample second{"second"};
          co_await send_to_both(to_a, to_b, first);
          co_await send_to_both(to_a, to_b, second);
          done = true;
        }(a_in, b_in, over));
  run_ready(context);
  BOOST_TEST(!over);
  BOOST_TEST(b.try_receive().value().text == "first");
  run_ready(context);
  BOOST_TEST(!over);
  BOOST_TEST(a.try_receive().value().text == "first");
  run_ready(context);
  BOOST_TEST(over);
  BOOST_TEST(b.try_receive().value().text == "second");
  BOOST_TEST(a.try_receive().value().text == "second");
}

BOOST_AUTO_TEST_CASE(a_select_whose_values_are_sent_has_no_case_left) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 4);
  auto send = sluice::select(sluice::on_send(tx, 1));
  auto wait = [&](sluice::error_code expected, std::size_t place) {
    bool called = false;
    send.async_wait([&](sluice::error_code ec, std::size_t which, auto) {
      BOOST_TEST(ec == expected);
      BOOST_TEST(which == place);
      called = true;
    });
    run_ready(context);
    BOOST_TEST(called);
  };
  wait({}, 0);
  wait(asio::error::invalid_argument, sluice::npos);
  BOOST_TEST(rx.size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_rendezvous_that_the_receiver_leaves_leaves_the_value) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 0);
  auto [other_in, other] = sluice::make_channel<int>(context, 1);
  std::size_t sent = sluice::npos;
  sluice::error_code received;
  auto send = sluice::select(sluice::on_send(tx, 1));
  send.async_wait([&](sluice::error_code ec, std::size_t which, auto) {
    BOOST_TEST(!ec);
    sent = which;
  });
  run_ready(context);
  BOOST_TEST(!rx.try_receive().has_value());  // nobody waits
  BOOST_TEST(sent == sluice::npos);

  asio::cancellation_signal signal;
  rx.async_receive(asio::bind_cancellation_slot(
      signal.slot(), [&](sluice::error_code ec, std::optional<int>) { received = ec; }));
  context.restart();
  while (sent == sluice::npos) context.poll_one();
  signal.emit(asio::cancellation_type::terminal);
  run_ready(context);
  // Whoever was first, there is one value.
  BOOST_TEST(rx.size() == (received ? 1u : 0u));
}

// tag::receive_within[]
/// Sets `expired` and returns nothing if no message came in time. No message is lost.
asio::awaitable<std::optional<std::string>> receive_within(sluice::receiver<std::string>& rx,
                                                           std::chrono::milliseconds time,
                                                           bool& expired) {
  auto [which, result] =
      co_await sluice::select(sluice::on_receive(rx), sluice::after(time)).async_wait();
  expired = which == 1;
  if (expired) co_return std::nullopt;
  co_return std::get<0>(std::move(result));  // empty at the end of the stream
}
// end::receive_within[]

// tag::send_within[]
/// False if it was not sent in time; then `text` is still the caller's.
asio::awaitable<bool> send_within(sluice::sender<std::string>& tx, std::string& text,
                                  std::chrono::milliseconds time) {
  auto [which, result] =
      co_await sluice::select(sluice::on_send(tx, std::ref(text)), sluice::after(time))
          .async_wait();
  co_return which == 0;
}
// end::send_within[]

BOOST_AUTO_TEST_CASE(S1_a_deadline_loses_neither_a_message_nor_a_value) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<std::string>(context, 1);
  run(context,
      [](sluice::sender<std::string>& to,
         sluice::receiver<std::string>& from) -> asio::awaitable<void> {
        bool expired = false;
        BOOST_TEST(!(co_await receive_within(from, 1ms, expired)).has_value());
        BOOST_TEST(expired);
        std::string text = "a text that is no short one, to be seen when it is moved from";
        const std::string same = text;
        BOOST_TEST(co_await send_within(to, text, 1h));
        text = same;
        BOOST_TEST(!(co_await send_within(to, text, 1ms)));
        BOOST_TEST(text == same);
        BOOST_TEST((co_await receive_within(from, 1h, expired) == same));
        BOOST_TEST(!expired);

        // At the same time: whoever wins, there is one.
        for (int round = 0; round < 300; ++round) {
          text = same;
          const bool sent = co_await send_within(to, text, 0ms);
          BOOST_TEST(from.size() == (sent ? 1u : 0u));
          if (!sent) BOOST_TEST(text == same);
          const auto received = co_await receive_within(from, 0ms, expired);
          BOOST_TEST(received.has_value() == !expired);
          BOOST_TEST(from.size() == (sent && expired ? 1u : 0u));
          static_cast<void>(from.try_receive());
        }
      }(tx, rx));
}

// tag::deadline[]
/// Receives until the end of the stream, or until it is too late, whatever there is by then.
asio::awaitable<std::vector<int>> collect(sluice::receiver<int>& rx,
                                          std::chrono::steady_clock::time_point deadline) {
  std::vector<int> all;
  auto next = sluice::biased_select(sluice::at(deadline), sluice::on_receive(rx));
  for (;;) {
    auto [which, result] = co_await next.async_wait();
    if (which == 0 || !std::get<1>(result)) co_return all;
    all.push_back(*std::get<1>(result));
  }
}
// end::deadline[]

BOOST_AUTO_TEST_CASE(S2_the_first_case_written_happens) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 8);
  for (int i = 0; i < 3; ++i) BOOST_TEST(!tx.try_send(i));
  run(context, [](sluice::receiver<int>& from) -> asio::awaitable<void> {
    const auto now = std::chrono::steady_clock::now();
    BOOST_TEST((co_await collect(from, now)).empty());
    BOOST_TEST(from.size() == 3u);
    BOOST_TEST((co_await collect(from, now + 20ms)).size() == 3u);
  }(rx));
}

// tag::beat[]
/// Handles messages, and beats at regular times, however many messages there are.
asio::awaitable<int> handle_and_beat(sluice::receiver<job> jobs, std::chrono::milliseconds every) {
  int beats = 0;
  auto next_beat = std::chrono::steady_clock::now() + every;
  for (;;) {
    auto [which, result] =
        co_await sluice::select(sluice::on_receive(jobs), sluice::at(next_beat)).async_wait();
    if (which == 1) {
      ++beats;
      next_beat += every;
    } else if (!std::get<0>(result)) {
      co_return beats;
    }
  }
}
// end::beat[]

BOOST_AUTO_TEST_CASE(a_heart_beats_beside_messages) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<job>(context, 1);
  int beats = 0;
  asio::co_spawn(context, handle_and_beat(std::move(rx), 1ms),
                 [&](std::exception_ptr problem, int seen) {
                   BOOST_TEST(!problem);
                   beats = seen;
                 });
  run(context, [](sluice::sender<job> jobs) -> asio::awaitable<void> {
    // The channel is never empty for long.
    const auto end = std::chrono::steady_clock::now() + 30ms;
    while (std::chrono::steady_clock::now() < end) co_await jobs.async_send(job{1});
  }(std::move(tx)));
  BOOST_TEST(beats > 0);
}

// tag::socket[]
using socket = asio::local::stream_protocol::socket;

/// Answers what comes in, and says what others have to say, in one coroutine.
asio::awaitable<void> converse(socket peer, sluice::receiver<std::string> others) {
  auto next = sluice::select(sluice::on(peer.async_wait(socket::wait_read, asio::deferred)),
                             sluice::on_receive(others));
  std::array<char, 256> buffer;
  for (;;) {
    auto [which, result] = co_await next.async_wait();
    std::string text;
    if (which == 0) {
      // There is something to read. Nothing has been read yet, so nothing could get lost.
      std::size_t size = co_await peer.async_read_some(asio::buffer(buffer), asio::use_awaitable);
      text = "you said " + std::string(buffer.data(), size) + "\n";
    } else {
      if (!std::get<1>(result)) co_return;
      text = "others say " + *std::get<1>(result) + "\n";
    }
    co_await asio::async_write(peer, asio::buffer(text), asio::use_awaitable);
  }
}
// end::socket[]

BOOST_AUTO_TEST_CASE(S1_a_socket_and_a_channel_in_one_coroutine) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<std::string>(context, 1);
  socket here(context);
  socket there(context);
  asio::local::connect_pair(here, there);
  spawn(context, converse(std::move(there), std::move(rx)));
  run(context, [](socket& peer, sluice::sender<std::string> say) -> asio::awaitable<void> {
    std::string line;
    auto expect = [&](std::string expected) -> asio::awaitable<void> {
      line.resize(expected.size());
      co_await asio::async_read(peer, asio::buffer(line), asio::use_awaitable);
      BOOST_TEST(line == expected);
    };
    for (int round = 0; round < 10; ++round) {
      co_await asio::async_write(peer, asio::buffer("hello", 5), asio::use_awaitable);
      co_await expect("you said hello\n");
      co_await say.async_send("welcome");
      co_await expect("others say welcome\n");
    }
  }(here, std::move(tx)));
}

// tag::signal[]
/// Works until a signal comes.
asio::awaitable<int> work_until(asio::signal_set& signals, sluice::receiver<job>& jobs) {
  auto dropping_the_number = [](sluice::error_code ec, int) { return asio::deferred.values(ec); };
  auto next = sluice::select(sluice::on_receive(jobs),
                             sluice::on(signals.async_wait(asio::deferred(dropping_the_number))));
  for (int done = 0;; ++done) {
    auto [which, result] = co_await next.async_wait();
    if (which == 1 || !std::get<0>(result)) co_return done;
  }
}
// end::signal[]

BOOST_AUTO_TEST_CASE(S1_a_signal_beside_a_channel) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<job>(context, 4);
  asio::signal_set signals(context, SIGUSR1);
  int done = -1;
  asio::co_spawn(context, work_until(signals, rx), [&](std::exception_ptr problem, int seen) {
    BOOST_TEST(!problem);
    done = seen;
  });
  run_ready(context);
  for (int i = 0; i < 3; ++i) BOOST_TEST(!tx.try_send(job{i}));
  run_ready(context);
  BOOST_TEST(done == -1);
  std::raise(SIGUSR1);
  context.restart();
  context.run();
  BOOST_TEST(done == 3);
}

BOOST_AUTO_TEST_CASE(S1_a_timer_that_its_owner_cancels_has_happened) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 1);
  asio::steady_timer timer(context, 1h);
  auto next = sluice::select(sluice::on_receive(rx), sluice::on(timer.async_wait(asio::deferred)));
  std::size_t place = sluice::npos;
  sluice::error_code result;
  next.async_wait([&](sluice::error_code ec, std::size_t which, auto) {
    result = ec;
    place = which;
  });
  run_ready(context);
  timer.cancel();
  run_ready(context);
  BOOST_TEST(place == 1u);
  BOOST_TEST((result == asio::error::operation_aborted));
}

// tag::merge[]
/// Receives from all of them until each is at its end.
asio::awaitable<void> merge(std::vector<sluice::receiver<job>> sources, sluice::sender<job> all) {
  while (!sources.empty()) {
    auto [which, next] = co_await sluice::select_receive(sources).async_wait();
    if (next)
      co_await all.async_send(std::move(*next));
    else
      sources.erase(sources.begin() + static_cast<std::ptrdiff_t>(which));
  }
}
// end::merge[]

BOOST_AUTO_TEST_CASE(S1_many_receivers_of_one_kind) {
  asio::io_context context;
  auto [all, received] = sluice::make_unbounded_channel<job>(context);
  std::vector<sluice::receiver<job>> sources;
  std::vector<sluice::sender<job>> senders;
  for (int i = 0; i < 5; ++i) {
    auto [tx, rx] = sluice::make_channel<job>(context, 1);
    senders.push_back(std::move(tx));
    sources.push_back(std::move(rx));
  }
  spawn(context, merge(std::move(sources), std::move(all)));
  for (int i = 0; i < 100; ++i) {
    run_ready(context);
    BOOST_TEST(!senders[static_cast<std::size_t>(i % 5)].try_send(job{i}));
  }
  senders.clear();
  run_ready(context);
  int sum = 0;
  while (auto next = received.try_receive()) sum += next->number;
  BOOST_TEST(sum == 4950);
  BOOST_TEST(received.is_closed());
}

// tag::try_now[]
/// Takes one, preferably an urgent one; empty if there is none in either channel.
std::optional<job> take_one(sluice::receiver<job>& urgent, sluice::receiver<job>& usual) {
  auto now = sluice::biased_select(sluice::on_receive(urgent), sluice::on_receive(usual)).try_now();
  if (!now) return std::nullopt;
  return now->index() == 0 ? std::get<0>(std::move(*now)) : std::get<1>(std::move(*now));
}
// end::try_now[]

BOOST_AUTO_TEST_CASE(S3_a_select_that_does_not_wait) {
  asio::io_context context;
  auto [urgent_in, urgent] = sluice::make_channel<job>(context, 4);
  auto [usual_in, usual] = sluice::make_channel<job>(context, 4);
  BOOST_TEST(!take_one(urgent, usual).has_value());
  BOOST_TEST(!usual_in.try_send(job{1}));
  BOOST_TEST(!urgent_in.try_send(job{2}));
  BOOST_TEST(take_one(urgent, usual).value().number == 2);
  BOOST_TEST(take_one(urgent, usual).value().number == 1);
  BOOST_TEST(!take_one(urgent, usual).has_value());
}

// tag::cancel[]
/// A select whose wait can be cancelled, for those who do without coroutines.
class waiting : public std::enable_shared_from_this<waiting> {
 public:
  waiting(sluice::receiver<int>& a, sluice::receiver<int>& b)
      : next_(sluice::select(sluice::on_receive(a), sluice::on_receive(b))) {}

  void start() {
    // A select that has a name stays where it is, and has to be there until the wait is over.
    next_.async_wait(asio::bind_cancellation_slot(
        signal_.slot(),
        [self = shared_from_this()](sluice::error_code ec, std::size_t which, auto result) {
          if (which == sluice::npos) return;  // cancelled: nothing was received
          ++self->happened_;
          if (!ec && (which == 0 ? std::get<0>(result) : std::get<1>(result))) self->start();
        }));
  }

  void stop() { signal_.emit(asio::cancellation_type::terminal); }  // on the strand of the wait

  int happened() const { return happened_; }

 private:
  using cases =
      decltype(sluice::select(sluice::on_receive(std::declval<sluice::receiver<int>&>()),
                              sluice::on_receive(std::declval<sluice::receiver<int>&>())));

  cases next_;
  asio::cancellation_signal signal_;
  int happened_ = 0;
};
// end::cancel[]

BOOST_AUTO_TEST_CASE(S1_a_select_that_is_cancelled_has_received_nothing) {
  asio::io_context context;
  auto [a_in, a] = sluice::make_channel<int>(context, 1);
  auto [b_in, b] = sluice::make_channel<int>(context, 1);
  auto first = std::make_shared<waiting>(a, b);
  std::weak_ptr<waiting> observer = first;
  first->start();
  run_ready(context);
  BOOST_TEST(!a_in.try_send(1));
  run_ready(context);
  BOOST_TEST(first->happened() == 1);
  BOOST_TEST(!b_in.try_send(2));
  first->stop();  // the select has been woken, and is cancelled before it has looked
  run_ready(context);
  BOOST_TEST(first->happened() == 1);
  BOOST_TEST(b.size() == 1u);
  first.reset();
  BOOST_TEST(observer.expired());
}

// tag::thread[]
/// The loop of a plain thread. Returns how much it has done.
int work_on_this_thread(sluice::receiver<job> jobs, sluice::receiver<int> stop) {
  auto next = sluice::select(sluice::on_receive(jobs), sluice::on_receive(stop));
  for (int done = 0;; ++done) {
    auto [which, result] = next.async_wait(sluice::sync_wait);
    if (which == 1 || !std::get<0>(result)) return done;
  }
}
// end::thread[]

BOOST_AUTO_TEST_CASE(a_thread_blocks_for_several_things) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<job>(context, 0);
  auto [stop_in, stop] = sluice::make_channel<int>(context, 1);
  int done = 0;
  std::thread thread([&, &jobs = rx, &end = stop] { done = work_on_this_thread(jobs, end); });
  for (int i = 0; i < 100; ++i) tx.async_send(job{i}, sluice::sync_wait);
  stop_in.close();
  thread.join();
  BOOST_TEST(done == 100);
}

// tag::thread_deadline[]
bool wait_on_this_thread(sluice::receiver<int>& a, sluice::receiver<int>& b,
                         std::chrono::milliseconds time) {
  auto [ec, which, result] = sluice::select(sluice::on_receive(a), sluice::on_receive(b))
                                 .async_wait(asio::as_tuple(sluice::sync_wait_for(time)));
  return ec != asio::error::timed_out;  // if so, `which` is npos, and nothing was received
}
// end::thread_deadline[]

BOOST_AUTO_TEST_CASE(B2_a_select_with_a_deadline_takes_a_message_or_none) {
  asio::io_context context;
  auto [a_in, a] = sluice::make_channel<int>(context, 1);
  auto [b_in, b] = sluice::make_channel<int>(context, 1);
  BOOST_TEST(!wait_on_this_thread(a, b, 1ms));
  BOOST_TEST(!b_in.try_send(1));
  BOOST_TEST(wait_on_this_thread(a, b, 1ms));
  BOOST_TEST(b.empty());
  auto [ec, which, result] =
      sluice::select(sluice::on_receive(a)).async_wait(asio::as_tuple(sluice::sync_wait_for(1ms)));
  BOOST_TEST((ec == asio::error::timed_out));
  BOOST_TEST(which == sluice::npos);
}

BOOST_AUTO_TEST_CASE(a_case_ends_with_its_last_receiver) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 1);
  auto [other_in, other] = sluice::make_channel<int>(context, 1);
  auto both = sluice::select(sluice::on_receive(rx), sluice::on_receive(other));
  std::size_t place = sluice::npos;
  both.async_wait([&](sluice::error_code ec, std::size_t which, auto) {
    BOOST_TEST((ec == asio::error::operation_aborted));
    place = which;
  });
  run_ready(context);
  other = {};
  run_ready(context);
  BOOST_TEST(place == 1u);
}

BOOST_AUTO_TEST_CASE(an_empty_range_has_nothing_to_wait_for) {
  asio::io_context context;
  std::vector<sluice::receiver<int>> none;
  auto [ec, which, message] =
      sluice::select_receive(none).async_wait(asio::as_tuple(sluice::sync_wait));
  BOOST_TEST((ec == asio::error::invalid_argument));
  BOOST_TEST(which == sluice::npos);
  BOOST_TEST(!message.has_value());
}

BOOST_AUTO_TEST_CASE(S4_a_select_never_meets_itself) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 0);
  int happened = 0;
  auto barter = [&, &from = rx, &to = tx] {
    sluice::select(sluice::on_receive(from), sluice::on_send(to, 1))
        .async_wait([&](sluice::error_code ec, std::size_t, auto) {
          BOOST_TEST(!ec);
          ++happened;
        });
    run_ready(context);
  };
  barter();
  BOOST_TEST(happened == 0);
  barter();  // two of them meet each other
  BOOST_TEST(happened == 2);
  BOOST_TEST(rx.size() == 0u);
}

BOOST_AUTO_TEST_CASE(D3_a_select_may_stand_in_an_or) {
  using namespace asio::experimental::awaitable_operators;
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 1);
  auto [out, sent] = sluice::make_channel<int>(context, 1);
  run(context,
      [](sluice::sender<int>& in, sluice::receiver<int>& from, sluice::sender<int>& to,
         sluice::receiver<int>& end) -> asio::awaitable<void> {
        for (int round = 0; round < 500; ++round) {
          BOOST_TEST(!in.try_send(round));
          asio::steady_timer timer(co_await asio::this_coro::executor, 0ms);
          auto any = sluice::select(sluice::on_receive(from), sluice::on_send(to, round));
          auto result = co_await (any.async_wait() || timer.async_wait(asio::use_awaitable));
          const std::size_t which =
              result.index() == 0 ? std::get<0>(std::get<0>(result)) : sluice::npos;
          BOOST_TEST(from.size() == (which == 0 ? 0u : 1u));
          BOOST_TEST(end.size() == (which == 1 ? 1u : 0u));
          static_cast<void>(from.try_receive());
          static_cast<void>(end.try_receive());
        }
      }(tx, rx, out, sent));
}

}  // namespace
