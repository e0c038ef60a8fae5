// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE doc_pitfalls

// What the pages about pitfalls, errors and limits show and say. What is shown as wrong is wrong in
// the way that they tell.

#include <sluice.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <boost/test/unit_test.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#if defined(BOOST_ASIO_HAS_CO_AWAIT)
#include "doc/run.hpp"
#endif

namespace asio = boost::asio;

namespace {

void run_ready(asio::io_context& context) {
  context.restart();
  while (context.poll_one() != 0) continue;
}

// --- Errors --------------------------------------------------------------------------------------

// tag::ending[]
enum class ending { regular, on_demand, failure };

/// Why a loop has ended, from what its last operation has said.
ending why(sluice::error_code ec) {
  if (!ec || ec == sluice::error::closed) return ending::regular;      // there is nothing more
  if (ec == asio::error::operation_aborted) return ending::on_demand;  // somebody has cancelled it
  return ending::failure;  // the reason that the channel was closed with, or no memory
}
// end::ending[]

BOOST_AUTO_TEST_CASE(errors_say_why) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 1);
  std::optional<ending> seen;
  auto handler = [&](sluice::error_code ec, std::optional<int>) { seen = why(ec); };
  rx.async_receive(handler);
  rx.cancel();
  run_ready(context);
  BOOST_TEST((seen == ending::on_demand));
  tx.close();
  rx.async_receive(handler);
  run_ready(context);
  BOOST_TEST((seen == ending::regular));
  BOOST_TEST((why(tx.try_send(1)) == ending::regular));
  auto [tx2, rx2] = sluice::make_channel<int>(context, 1);
  tx2.close(asio::error::connection_reset);
  rx2.async_receive(handler);
  run_ready(context);
  BOOST_TEST((seen == ending::failure));
}

BOOST_AUTO_TEST_CASE(a_result_is_dropped_on_purpose) {
  asio::io_context context;
  auto [reply, answer] = sluice::make_oneshot<int>(context);
  answer = {};
  // tag::discard[]
  static_cast<void>(reply.send(42));  // who has asked may have gone, and that is all right
  // end::discard[]
  BOOST_TEST(reply.is_closed());
}

// --- It hangs ------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_message_runs_where_its_receive_belongs) {
  asio::io_context first;
  asio::io_context second;
  int in_first = 0;
  int in_second = 0;
  // tag::two_contexts[]
  auto [tx, rx] = sluice::make_channel<int>(first, 8);
  auto there = rx.with_executor(second.get_executor());

  rx.async_receive([&](sluice::error_code, std::optional<int>) { ++in_first; });
  there.async_receive([&](sluice::error_code, std::optional<int>) { ++in_second; });
  // end::two_contexts[]
  BOOST_TEST(!tx.try_send(1));
  BOOST_TEST(!tx.try_send(2));
  run_ready(second);
  BOOST_TEST(in_second == 1);
  BOOST_TEST(in_first == 0);
  BOOST_TEST(rx.size() == 1u);  // it is kept for the first
  run_ready(first);
  BOOST_TEST(in_first == 1);
}

BOOST_AUTO_TEST_CASE(what_is_promised_is_there_and_cannot_be_taken) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 8);
  int received = 0;
  // tag::promised[]
  rx.async_receive([&](sluice::error_code, std::optional<int> number) { received = *number; });
  sluice::error_code sent = tx.try_send(1);
  bool nothing = !rx.try_receive().has_value();  // true, though rx.size() is 1
  // end::promised[]
  BOOST_TEST(!sent);
  BOOST_TEST(nothing);
  BOOST_TEST(rx.size() == 1u);
  run_ready(context);
  BOOST_TEST(received == 1);
}

// --- Messages are missing ------------------------------------------------------------------------

std::size_t lost = 0;

// tag::ignored[]
void report_badly(sluice::sender<std::string>& log, const std::string& text) {
  static_cast<void>(log.try_send(text));  // when the log is full, the text is gone
}

void report(sluice::sender<std::string>& log, const std::string& text) {
  if (log.try_send(text) == sluice::error::full) ++lost;  // gone, but it can be told
}
// end::ignored[]

BOOST_AUTO_TEST_CASE(what_is_not_sent_is_counted) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<std::string>(context, 1);
  report(tx, "one");
  report_badly(tx, "two");
  report(tx, "three");
  BOOST_TEST(rx.size() == 1u);
  BOOST_TEST(lost == 1u);
}

BOOST_AUTO_TEST_CASE(to_close_fails_the_sends_that_wait) {
  for (const bool closes : {true, false}) {
    asio::io_context context;
    auto [tx, rx] = sluice::make_channel<int>(context, 1);
    BOOST_TEST(!tx.try_send(1));
    tx.async_send(2, asio::detached);
    if (closes) {
      // tag::close[]
      tx.close();  // what waits for a place is refused
      // end::close[]
    } else {
      // tag::let_go[]
      tx = {};  // what waits for a place is still received, and then the channel closes
      // end::let_go[]
    }
    int received = 0;
    while (rx.try_receive()) {
      ++received;
      run_ready(context);
    }
    BOOST_TEST(rx.is_closed());
    BOOST_TEST(received == (closes ? 1 : 2));
  }
}

// --- It crashes ----------------------------------------------------------------------------------

// tag::strand[]
/// Members are destroyed from the last to the first: the handles, the strand, the context.
class server {
 public:
  void run() { context_.run(); }
  sluice::sender<int> jobs() const { return jobs_; }

 private:
  asio::io_context context_;
  asio::strand<asio::io_context::executor_type> strand_{context_.get_executor()};
  std::pair<sluice::sender<int>, sluice::receiver<int>> channel_ =
      sluice::make_channel<int>(strand_, 8);
  sluice::sender<int> jobs_ = channel_.first.with_executor(context_.get_executor());
};
// end::strand[]

BOOST_AUTO_TEST_CASE(a_strand_goes_before_its_context) {
  sluice::sender<int> kept;
  {
    server s;
    kept = s.jobs();  // its executor is no strand, so it may stay
    BOOST_TEST(!kept.try_send(1));
    s.run();
  }
  BOOST_TEST(kept.is_closed());
}

void produce(sluice::sender<int> tx) {
  for (int number = 0; number != 10; ++number) static_cast<void>(tx.try_send(number));
}

BOOST_AUTO_TEST_CASE(each_thread_has_a_handle) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_unbounded_channel<int>(context);
  // tag::copies[]
  std::thread first(produce, tx);  // a copy for each, and not std::ref(tx)
  std::thread second(produce, tx);
  tx = {};  // touches no handle but this one
  // end::copies[]
  first.join();
  second.join();
  BOOST_TEST(rx.size() == 20u);
  BOOST_TEST(rx.is_closed());
}

// --- Limits --------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(handles_are_small) {
  using concrete = asio::io_context::executor_type;
  BOOST_TEST(sizeof(sluice::sender<int>) <= 80u);
  BOOST_TEST(sizeof(sluice::receiver<int>) <= 80u);
  BOOST_TEST(sizeof(sluice::oneshot_sender<int>) <= 80u);
  BOOST_TEST(sizeof(sluice::watch_receiver<int>) <= 80u);
  BOOST_TEST(sizeof(sluice::sender<int, concrete>) <= 40u);
  BOOST_TEST(sizeof(sluice::permit<int>) <= 16u);
}

BOOST_AUTO_TEST_CASE(a_capacity_may_be_anything) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, SIZE_MAX - 1);
  BOOST_TEST(tx.capacity() == SIZE_MAX - 1);
  sluice::error_code ec;
  auto many = tx.try_reserve_many(SIZE_MAX - 1, ec);
  BOOST_TEST(many.has_value());
  BOOST_TEST((tx.try_send(1) == sluice::error::full));
}

// tag::weight[]
/// A document, and as many places of the channel of tickets as it is large.
struct document {
  std::string text;
  sluice::permit<char> weight;
};

/// No more than the capacity of `tickets`, in bytes, is under way at once.
bool submit(sluice::sender<document>& documents, sluice::sender<char>& tickets, std::string text) {
  sluice::error_code ec;
  auto weight = tickets.try_reserve_many(text.size(), ec);
  if (!weight) return false;
  return !documents.try_send(document{std::move(text), std::move(*weight)});
}
// end::weight[]

BOOST_AUTO_TEST_CASE(a_message_weighs_what_it_has_reserved) {
  asio::io_context context;
  auto [tickets, keeps_them] = sluice::make_channel<char>(context, 10);
  auto [tx, rx] = sluice::make_unbounded_channel<document>(context);
  BOOST_TEST(submit(tx, tickets, "seventy"));
  BOOST_TEST(!submit(tx, tickets, "four"));
  BOOST_TEST(submit(tx, tickets, "one"));
  BOOST_TEST(rx.try_receive().value().text == "seventy");  // and with it goes its weight
  BOOST_TEST(submit(tx, tickets, "four"));
}

#if defined(BOOST_ASIO_HAS_CO_AWAIT)

// --- With coroutines -----------------------------------------------------------------------------

asio::awaitable<void> produce_all(sluice::sender<int> tx) {
  for (int number = 0; number != 3; ++number) co_await tx.async_send(number);
}

// tag::condition[]
asio::awaitable<void> consume_all(sluice::receiver<int> rx, bool& ended) {
  while (auto next = co_await rx.async_receive()) continue;  // not: while (co_await ...)
  ended = true;
}
// end::condition[]

BOOST_AUTO_TEST_CASE(a_forgotten_sender_keeps_a_loop_waiting) {
  asio::io_context context;
  bool ended = false;
  {
    // tag::forgotten[]
    auto [tx, rx] = sluice::make_channel<int>(context, 8);
    spawn(context, produce_all(tx));  // a copy; this `tx` is still there
    spawn(context, consume_all(std::move(rx), ended));
    // end::forgotten[]
    run_ready(context);
    BOOST_TEST(!ended);
    BOOST_TEST(tx.sender_count() == 1u);
  }
  run_ready(context);
  BOOST_TEST(ended);
  ended = false;
  // tag::moved[]
  auto [tx, rx] = sluice::make_channel<int>(context, 8);
  spawn(context, produce_all(std::move(tx)));
  spawn(context, consume_all(std::move(rx), ended));
  // end::moved[]
  context.restart();
  context.run();
  BOOST_TEST(ended);
}

// tag::cycle[]
asio::awaitable<void> double_up(sluice::receiver<int> in, sluice::sender<int> out) {
  while (auto number = co_await in.async_receive()) {
    co_await out.async_send(*number);  // two for each one that comes: if two of these send to
    co_await out.async_send(*number);  // one another, both queues are full in the end
  }
}
// end::cycle[]

BOOST_AUTO_TEST_CASE(two_that_wait_for_each_other_wait_for_ever) {
  asio::io_context context;
  auto [a_in, a] = sluice::make_channel<int>(context, 2);
  auto [b_in, b] = sluice::make_channel<int>(context, 2);
  asio::co_spawn(context, double_up(a, b_in), asio::detached);
  asio::co_spawn(context, double_up(b, a_in), asio::detached);
  BOOST_TEST(!a_in.try_send(1));
  run_ready(context);
  BOOST_TEST(a.full());
  BOOST_TEST(b.full());
  // To close one of the channels ends both.
  a.close();
  run_ready(context);
  BOOST_TEST(b.receiver_count() == 1u);
}

int turns = 0;

// tag::spinning[]
asio::awaitable<void> merge_badly(sluice::receiver<int> a, sluice::receiver<int> b, int& sum) {
  auto next = sluice::select(sluice::on_receive(a), sluice::on_receive(b));
  for (;;) {
    auto [which, result] = co_await next.async_wait();
    const auto& number = which == 0 ? std::get<0>(result) : std::get<1>(result);
    if (number) sum += *number;  // and if not? A channel at its end is ready each time
    if (++turns == 1000) co_return;
  }
}
// end::spinning[]

// tag::one_channel[]
asio::awaitable<void> add_up(sluice::receiver<int> all, int& sum) {
  while (auto number = co_await all.async_receive()) sum += *number;
}  // those who send hold copies of one sender; when all of them have gone, it ends
// end::one_channel[]

BOOST_AUTO_TEST_CASE(a_case_at_its_end_is_always_ready) {
  asio::io_context context;
  int sum = 0;
  auto [a_in, a] = sluice::make_channel<int>(context, 1);
  auto [b_in, b] = sluice::make_channel<int>(context, 1);
  BOOST_TEST(!a_in.try_send(1));
  spawn(context, merge_badly(std::move(a), std::move(b), sum));
  a_in = {};
  run_ready(context);
  BOOST_TEST(turns == 1000);
  BOOST_TEST(sum == 1);

  auto [in, out] = sluice::make_channel<int>(context, 1);
  spawn(context, add_up(std::move(out), sum));
  spawn(context, produce_all(in));
  spawn(context, produce_all(std::move(in)));
  run_ready(context);
  BOOST_TEST(sum == 1 + 3 + 3);
}

asio::awaitable<void> listen(sluice::broadcast_receiver<int> news, std::vector<int>& heard) {
  while (auto next = co_await news.async_receive()) heard.push_back(*next);
}

// tag::late[]
asio::awaitable<void> listen_late(sluice::broadcast_sender<int>& tx, std::vector<int>& heard) {
  auto news = tx.subscribe();  // when this runs, the first message may have been sent
  co_await listen(std::move(news), heard);
}
// end::late[]

BOOST_AUTO_TEST_CASE(who_subscribes_late_misses_the_beginning) {
  asio::io_context context;
  std::vector<int> late;
  std::vector<int> heard;
  sluice::broadcast_sender<int> tx(context, 8);
  spawn(context, listen_late(tx, late));
  // tag::early[]
  spawn(context, listen(tx.subscribe(), heard));  // subscribed here, whenever it may run
  tx.send(1);
  // end::early[]
  run_ready(context);
  tx.send(2);
  tx.close();
  run_ready(context);
  BOOST_TEST((late == std::vector<int>{2}));
  BOOST_TEST((heard == std::vector<int>{1, 2}));
}

asio::awaitable<void> consume_badly(sluice::receiver<int> rx) {
  while (auto number = co_await rx.async_receive())
    if (*number == 13) throw std::runtime_error("thirteen");
}

BOOST_AUTO_TEST_CASE(a_consumer_that_dies_is_not_missed) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 4);
  // tag::dies[]
  asio::co_spawn(context, consume_badly(rx), asio::detached);  // its exception is dropped
  // end::dies[]
  BOOST_TEST(!tx.try_send(13));
  run_ready(context);
  BOOST_TEST(!tx.try_send(1));  // accepted, since `rx` is still there
  std::string why;
  // tag::seen[]
  asio::co_spawn(context, consume_badly(std::move(rx)), [&](std::exception_ptr problem) {
    if (problem) std::rethrow_exception(problem);  // leaves run(), where somebody hears of it
  });
  // end::seen[]
  BOOST_TEST(!tx.try_send(13));
  BOOST_CHECK_THROW(run_ready(context), std::runtime_error);
  BOOST_TEST(tx.is_closed());
}

// tag::lambda[]
void start_badly(asio::io_context& context, sluice::receiver<int> rx, int& sum) {
  auto loop = [rx, &sum]() mutable -> asio::awaitable<void> {
    while (auto number = co_await rx.async_receive()) sum += *number;
  };
  asio::co_spawn(context, loop(), asio::detached);  // `loop` goes, and its `rx` with it
}

void start(asio::io_context& context, sluice::receiver<int> rx, int& sum) {
  auto loop = [](sluice::receiver<int> numbers, int& total) -> asio::awaitable<void> {
    while (auto number = co_await numbers.async_receive()) total += *number;
  };
  asio::co_spawn(context, loop(std::move(rx), sum), asio::detached);  // parameters are kept
}
// end::lambda[]

BOOST_AUTO_TEST_CASE(parameters_of_a_coroutine_are_kept) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 4);
  int sum = 0;
  static_cast<void>(&start_badly);  // must not run
  start(context, std::move(rx), sum);
  BOOST_TEST(!tx.try_send(4));
  tx = {};
  context.run();
  BOOST_TEST(sum == 4);
}

#endif

}  // namespace
