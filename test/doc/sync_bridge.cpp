// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE doc_sync_bridge
#include <sluice.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/system/system_error.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <functional>
#include <future>
#include <istream>
#include <optional>
#include <ostream>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

// tag::ends[]
void read_lines(std::istream& input, sluice::sync_sender<std::string> lines) {
  std::string line;
  while (std::getline(input, line)) lines.send(std::move(line));
}  // the sender goes, and with the last one the channel closes

void write_lines(std::ostream& output, sluice::sync_receiver<std::string> lines) {
  for (const std::string& line : lines) output << line << '\n';
}
// end::ends[]

BOOST_AUTO_TEST_CASE(two_plain_threads) {
  asio::io_context context;
  std::istringstream input("a\nb\nc\n");
  std::ostringstream output;
  // tag::threads[]
  auto [tx, rx] = sluice::make_channel<std::string>(context, 64);
  std::thread reader(read_lines, std::ref(input), std::move(tx));
  std::thread writer(write_lines, std::ref(output), std::move(rx));
  // end::threads[]
  reader.join();
  writer.join();
  BOOST_TEST(output.str() == "a\nb\nc\n");
}

// tag::deadline[]
enum class outcome { done, idle, over };

outcome serve_one(sluice::sync_receiver<int>& jobs, std::vector<int>& done) {
  sluice::error_code ec;
  std::optional<int> job = jobs.receive_for(50ms, ec);
  if (ec == asio::error::timed_out) return outcome::idle;  // no job was taken
  if (ec) throw boost::system::system_error(ec);
  if (!job) return outcome::over;
  done.push_back(*job);
  return outcome::done;
}
// end::deadline[]

BOOST_AUTO_TEST_CASE(a_receive_with_a_deadline) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 4);
  sluice::sync_receiver jobs(std::move(rx));
  std::vector<int> done;
  BOOST_TEST(!tx.try_send(1));
  BOOST_TEST((serve_one(jobs, done) == outcome::done));
  BOOST_TEST((serve_one(jobs, done) == outcome::idle));
  tx = {};
  BOOST_TEST((serve_one(jobs, done) == outcome::over));
  BOOST_TEST(done.size() == 1u);
}

/// What a thread is blocked in that does not wait at a channel.
class device {
 public:
  void read() { stopped_.get_future().wait(); }
  void stop() { stopped_.set_value(); }

 private:
  std::promise<void> stopped_;
};

// tag::elsewhere[]
/// Ends the thread that reads when nobody can receive any more, or when it has let go of its
/// sender.
void stop_when_unheard(sluice::sender<std::string>& lines, device& input) {
  lines.async_wait_closed([&input](sluice::error_code) { input.stop(); });  // keeps nothing open
}
// end::elsewhere[]

BOOST_AUTO_TEST_CASE(a_thread_that_is_blocked_elsewhere) {
  for (bool closes : {true, false}) {
    asio::io_context context;
    auto [tx, rx] = sluice::make_channel<std::string>(context, 4);
    device input;
    std::thread reader([&input] { input.read(); });
    stop_when_unheard(tx, input);
    if (closes)
      rx.close();
    else
      tx = {};
    context.run();
    reader.join();
  }
}

// tag::token[]
std::optional<std::string> ask(sluice::sender<std::string>& questions,
                               sluice::receiver<std::string>& answers, std::string question) {
  questions.async_send(std::move(question), sluice::sync_wait);  // throws errors
  auto [ec, answer] = answers.async_receive(asio::as_tuple(sluice::sync_wait_for(10s)));
  if (ec) return std::nullopt;  // for example asio::error::timed_out
  return answer;
}
// end::token[]

BOOST_AUTO_TEST_CASE(the_token) {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<std::string>(context, 4);
  BOOST_TEST(ask(tx, rx, "echo").value() == "echo");
}

BOOST_AUTO_TEST_CASE(the_token_with_asio) {
  asio::thread_pool pool(1);
  // tag::asio[]
  asio::steady_timer timer(pool, 5ms);
  timer.async_wait(sluice::sync_wait);  // the pool runs it, this thread waits
  // end::asio[]
  BOOST_TEST((timer.expiry() <= std::chrono::steady_clock::now()));
}

BOOST_AUTO_TEST_CASE(the_executors_own_thread) {
  asio::io_context context;
  auto channel = sluice::make_channel<int>(context, 1);
  auto& rx = channel.second;
  std::optional<sluice::error_code> seen;
  // tag::deadlock[]
  asio::post(context, [&] {
    sluice::error_code ec;
    static_cast<void>(rx.async_receive(asio::redirect_error(sluice::sync_wait, ec)));
    seen = ec;  // sluice::error::would_deadlock: this thread runs `context`
  });
  // end::deadlock[]
  context.run();
  BOOST_TEST((seen.value() == sluice::error::would_deadlock));
}

// tag::bridge[]
class account {
 public:
  void deposit(int amount) { balance_ += amount; }
  int balance() const { return balance_; }

 private:
  int balance_ = 0;  // used on one strand only
};

template <class Executor>
int pay_in(account& target, sluice::sync_bridge<Executor>& bridge, int amount) {
  if (bridge.post([&target, amount] { target.deposit(amount); })) return -1;  // it is closed
  return bridge.call([&target] { return target.balance(); });
}
// end::bridge[]

BOOST_AUTO_TEST_CASE(a_bridge) {
  account mine;
  asio::io_context context;
  auto work = asio::make_work_guard(context);
  std::thread runner([&] { context.run(); });
  {
    // tag::make_bridge[]
    auto strand = asio::make_strand(context);
    sluice::sync_bridge bridge(strand);
    // end::make_bridge[]
    BOOST_TEST(pay_in(mine, bridge, 30) == 30);
    BOOST_TEST(pay_in(mine, bridge, 12) == 42);
    // tag::call_for[]
    sluice::error_code ec;
    std::optional<int> balance = bridge.call_for(10s, [&] { return mine.balance(); }, ec);
    // end::call_for[]
    BOOST_TEST(balance.value() == 42);
    bridge.close();
    BOOST_TEST(pay_in(mine, bridge, 1) == -1);
  }
  work.reset();
  runner.join();
}

}  // namespace
