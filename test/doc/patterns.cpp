// SPDX-License-Identifier: BSL-1.0
// requires: c++20
#define BOOST_TEST_MODULE doc_patterns
#include "doc/run.hpp"

#include <sluice.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

void run_ready(asio::io_context& context) {
  context.restart();
  while (context.poll_one() != 0) continue;
}

struct job {
  int number = 0;
};

struct result {
  int number = 0;
  std::string problem;
};

int process(const job& j) {
  if (j.number == 13) throw std::runtime_error("no such job");
  return j.number * 2;
}

// --- Worker pool ---------------------------------------------------------------------------------

// tag::worker[]
asio::awaitable<void> work(sluice::receiver<job> jobs, sluice::sender<result> results) {
  while (auto next = co_await jobs.async_receive()) {
    result done;
    try {
      done.number = process(*next);
    } catch (const std::exception& e) {
      done.problem = e.what();  // one bad job does not end its worker
    }
    co_await results.async_send(std::move(done));
  }
}
// end::worker[]

// tag::pool[]
/// Starts the workers and returns what they find out. It ends when the jobs have.
sluice::receiver<result> start_pool(asio::thread_pool& pool, const sluice::receiver<job>& jobs,
                                    int how_many) {
  auto [results_in, results] = sluice::make_channel<result>(pool, 64);
  for (int i = 0; i != how_many; ++i)
    asio::co_spawn(pool, work(jobs, results_in), [](std::exception_ptr problem) {
      if (problem) std::rethrow_exception(problem);  // ends the program: nobody expects it
    });
  return results;
}  // `results_in` goes: now only the workers have senders, and the last one closes the channel
// end::pool[]

BOOST_AUTO_TEST_CASE(a_pool_ends_with_its_jobs) {
  asio::thread_pool pool(2);
  asio::io_context context;
  auto [jobs_in, jobs] = sluice::make_channel<job>(pool, 8);
  auto results = start_pool(pool, jobs, 3).with_executor(context.get_executor());
  jobs = {};
  int sum = 0;
  int failed = 0;
  spawn(context, [](sluice::sender<job> to) -> asio::awaitable<void> {
    for (int i = 1; i <= 100; ++i) {
      job next{i};
      co_await to.async_send(next);
    }
  }(std::move(jobs_in)));
  run(context, [](sluice::receiver<result> from, int& all, int& bad) -> asio::awaitable<void> {
    while (auto next = co_await from.async_receive()) {
      all += next->number;
      if (!next->problem.empty()) ++bad;
    }
  }(std::move(results), sum, failed));
  pool.join();
  BOOST_TEST(sum == 2 * (5050 - 13));
  BOOST_TEST(failed == 1);
}

// --- Pipeline ------------------------------------------------------------------------------------

struct record {
  std::string name;
  int count = 0;
};

record parse_line(const std::string& line) {
  const auto gap = line.find(' ');
  if (gap == std::string::npos) throw boost::system::system_error(asio::error::invalid_argument);
  return record{line.substr(0, gap), std::stoi(line.substr(gap + 1))};
}

// tag::stage[]
/// A stage receives, works, and sends, until there is nothing more to receive.
asio::awaitable<void> parse(sluice::receiver<std::string> lines, sluice::sender<record> records) {
  try {
    while (auto line = co_await lines.async_receive())
      co_await records.async_send(parse_line(*line));
  } catch (const boost::system::system_error& failed) {
    records.close(failed.code());  // whatever has ended it, those behind it shall know
  }
}
// end::stage[]

// tag::pipeline[]
asio::awaitable<std::map<std::string, int>> count(sluice::receiver<std::string> lines) {
  auto ex = co_await asio::this_coro::executor;
  auto [records_in, records] = sluice::make_channel<record>(ex, 32);
  asio::co_spawn(ex, parse(std::move(lines), std::move(records_in)), asio::detached);

  std::map<std::string, int> counts;
  while (auto next = co_await records.async_receive()) counts[next->name] += next->count;
  co_return counts;  // or it throws the reason that a stage has closed the channel with
}
// end::pipeline[]

BOOST_AUTO_TEST_CASE(the_end_of_a_pipeline_runs_through_it) {
  for (const bool is_good : {true, false}) {
    asio::io_context context;
    auto [in, out] = sluice::make_channel<std::string>(context, 4);
    std::map<std::string, int> counts;
    std::exception_ptr failed;
    asio::co_spawn(context, count(std::move(out)),
                   [&](std::exception_ptr problem, std::map<std::string, int> all) {
                     failed = problem;
                     counts = std::move(all);
                   });
    for (const char* line : {"a 1", "b 2", "a 3"}) BOOST_TEST(!in.try_send(line));
    if (!is_good) BOOST_TEST(!in.try_send("nonsense"));
    run_ready(context);
    if (!is_good) {
      BOOST_CHECK_THROW(std::rethrow_exception(failed), boost::system::system_error);
      BOOST_TEST(in.is_closed());  // what comes before the broken stage has heard of it, too
    } else {
      in = {};
      context.restart();
      context.run();
      BOOST_TEST(!failed);
      BOOST_TEST((counts == std::map<std::string, int>{{"a", 4}, {"b", 2}}));
    }
  }
}

// --- Actor ---------------------------------------------------------------------------------------

// tag::actor[]
/// A stock of goods. All of its state belongs to one coroutine; this is a handle to it.
class stock {
 public:
  explicit stock(const asio::any_io_executor& ex) {
    auto [requests_in, requests] = sluice::make_channel<request>(ex, 64);
    requests_ = std::move(requests_in);
    asio::co_spawn(ex, live(std::move(requests)), asio::detached);
  }

  asio::awaitable<void> add(std::string what, int how_many) {
    request order = addition{std::move(what), how_many};
    co_await requests_.async_send(std::move(order));
  }

  /// False if there are not enough.
  asio::awaitable<bool> take(std::string what, int how_many) {
    auto [reply, answer] = sluice::make_oneshot<bool>(requests_.get_executor());
    request order = removal{std::move(what), how_many, std::move(reply)};
    co_await requests_.async_send(std::move(order));
    co_return (co_await answer.async_receive()).value_or(false);  // empty: nobody answers any more
  }

 private:
  struct addition {
    std::string what;
    int how_many;
  };
  struct removal {
    std::string what;
    int how_many;
    sluice::oneshot_sender<bool> enough;
  };
  using request = std::variant<addition, removal>;

  static asio::awaitable<void> live(sluice::receiver<request> requests) {
    std::map<std::string, int> goods;  // no lock: nobody else sees it
    while (auto next = co_await requests.async_receive()) {
      if (auto* a = std::get_if<addition>(&*next)) {
        goods[a->what] += a->how_many;
      } else if (auto* r = std::get_if<removal>(&*next)) {
        bool enough = goods[r->what] >= r->how_many;
        if (enough) goods[r->what] -= r->how_many;
        static_cast<void>(r->enough.send(std::move(enough)));  // who asked may have gone
      }
    }
  }

  sluice::sender<request> requests_;  // with the last copy the coroutine ends
};
// end::actor[]

BOOST_AUTO_TEST_CASE(an_actor_ends_with_its_last_handle) {
  asio::io_context context;
  std::vector<bool> answers;
  run(context, [](stock goods, std::vector<bool>& given) -> asio::awaitable<void> {
    co_await goods.add("apples", 3);
    given.push_back(co_await goods.take("apples", 2));
    given.push_back(co_await goods.take("apples", 2));
    given.push_back(co_await goods.take("pears", 1));
  }(stock(context.get_executor()), answers));
  BOOST_TEST((answers == std::vector<bool>{true, false, false}));
}

// --- Fan-out and fan-in --------------------------------------------------------------------------

struct event {
  std::string key;
  int value = 0;
};

// tag::shards[]
/// Spreads events over workers so that those with the same key are handled by the same one, in
/// their order.
class shards {
 public:
  sluice::receiver<event> add(const asio::any_io_executor& ex) {
    auto [in, out] = sluice::make_channel<event>(ex, 64);
    lanes_.push_back(std::move(in));
    return out;
  }

  asio::awaitable<void> send(event e) {
    auto& lane = lanes_[std::hash<std::string>()(e.key) % lanes_.size()];
    co_await lane.async_send(std::move(e));  // waits for this lane alone
  }

 private:
  std::vector<sluice::sender<event>> lanes_;
};
// end::shards[]

BOOST_AUTO_TEST_CASE(events_of_one_key_take_one_lane) {
  asio::io_context context;
  std::map<std::string, std::vector<int>> seen;
  std::map<std::string, int> lane_of;
  auto all = std::make_unique<shards>();
  for (int lane = 0; lane != 3; ++lane)
    spawn(
        context,
        [](sluice::receiver<event> events, int number, std::map<std::string, std::vector<int>>& to,
           std::map<std::string, int>& lanes) -> asio::awaitable<void> {
          while (auto next = co_await events.async_receive()) {
            to[next->key].push_back(next->value);
            BOOST_TEST(lanes.emplace(next->key, number).first->second == number);
          }
        }(all->add(context.get_executor()), lane, seen, lane_of));
  run(context, [](std::unique_ptr<shards> to) -> asio::awaitable<void> {
    for (int value = 0; value != 50; ++value)
      for (const char* key : {"a", "b", "c", "d", "e"}) {
        event next{key, value};
        co_await to->send(std::move(next));
      }
  }(std::move(all)));
  BOOST_TEST(seen.size() == 5u);
  for (const auto& [key, values] : seen) {
    BOOST_TEST(values.size() == 50u);
    for (int value = 0; value != 50; ++value)
      BOOST_TEST(values[static_cast<std::size_t>(value)] == value);
  }
}

asio::awaitable<int> measure(int what) {
  co_return what * 10;
}

// tag::gather[]
/// Does everything at once and collects the results as they come.
asio::awaitable<std::vector<int>> measure_all(std::vector<int> what) {
  auto ex = co_await asio::this_coro::executor;
  auto [in, out] = sluice::make_channel<int>(ex, what.size());
  for (int each : what) {
    auto one = [](int number, sluice::sender<int> to) -> asio::awaitable<void> {
      int measured = co_await measure(number);
      co_await to.async_send(measured);
    };
    asio::co_spawn(ex, one(each, in), asio::detached);
  }
  in = {};  // or the loop would wait for this one
  std::vector<int> all;
  while (auto next = co_await out.async_receive()) all.push_back(*next);
  co_return all;  // one that failed is missing, and nobody waits for it
}
// end::gather[]

BOOST_AUTO_TEST_CASE(results_are_gathered) {
  asio::io_context context;
  std::vector<int> all;
  asio::co_spawn(context, measure_all({1, 2, 3, 4}),
                 [&](std::exception_ptr problem, std::vector<int> found) {
                   BOOST_TEST(!problem);
                   all = std::move(found);
                 });
  context.run();
  BOOST_TEST(all.size() == 4u);
  BOOST_TEST(std::accumulate(all.begin(), all.end(), 0) == 100);
}

// --- Graceful shutdown ---------------------------------------------------------------------------

// tag::stop[]
/// Stops, and waits for the workers. False if they were not done in time.
asio::awaitable<bool> stop(sluice::sender<job>& jobs, sluice::watch_sender<bool>& stopping,
                           std::chrono::milliseconds patience) {
  jobs.close();         // nothing new comes in; what is in the queue is still done
  stopping.send(true);  // who waits for something else than the queue hears of it here
  auto [which, gone] =
      co_await sluice::select(sluice::on_closed(stopping), sluice::after(patience)).async_wait();
  co_return which == 0;  // the last worker has let go of its receiver
}
// end::stop[]

// tag::stoppable[]
/// It has a receiver of `stopping` for as long as it lives.
asio::awaitable<void> work_until_stopped(sluice::receiver<job> jobs, int& done,
                                         [[maybe_unused]] sluice::watch_receiver<bool> stopping) {
  while (auto next = co_await jobs.async_receive()) {
    process(*next);
    ++done;
  }
}
// end::stoppable[]

asio::awaitable<void> wait_for_ever(sluice::receiver<int> never, sluice::watch_receiver<bool>) {
  co_await never.async_receive();
}

BOOST_AUTO_TEST_CASE(who_stops_waits_for_the_workers) {
  for (const bool one_hangs : {false, true}) {
    asio::io_context context;
    auto [jobs_in, jobs] = sluice::make_channel<job>(context, 8);
    auto [never_in, never] = sluice::make_channel<int>(context, 1);
    sluice::watch_sender<bool> stopping(context, false);
    int done = 0;
    for (int i = 1; i <= 5; ++i) BOOST_TEST(!jobs_in.try_send(job{i}));
    for (int i = 0; i != 2; ++i)
      spawn(context, work_until_stopped(jobs, done, stopping.subscribe()));
    if (one_hangs) spawn(context, wait_for_ever(never, stopping.subscribe()));
    std::optional<bool> in_time;
    asio::co_spawn(context, stop(jobs_in, stopping, one_hangs ? 1ms : 1h),
                   [&](std::exception_ptr problem, bool seen) {
                     BOOST_TEST(!problem);
                     in_time = seen;
                     never.close();
                   });
    context.run();
    BOOST_TEST(in_time.value() == !one_hangs);
    BOOST_TEST(done == 5);
  }
}

// --- Config reload -------------------------------------------------------------------------------

struct settings {
  int factor = 1;
};

int apply(const job& j, const settings& s) {
  return j.number * s.factor;
}

// tag::settings[]
asio::awaitable<void> work_with(sluice::receiver<job> jobs, sluice::watch_receiver<settings> latest,
                                int& sum) {
  while (auto next = co_await jobs.async_receive()) {
    const auto now = latest.borrow();  // the same settings for the whole of this job
    sum += apply(*next, *now);
  }
}
// end::settings[]

BOOST_AUTO_TEST_CASE(settings_change_between_two_jobs) {
  asio::io_context context;
  auto [jobs_in, jobs] = sluice::make_channel<job>(context, 8);
  sluice::watch_sender<settings> latest(context, settings{1});
  int sum = 0;
  spawn(context, work_with(std::move(jobs), latest.subscribe(), sum));
  BOOST_TEST(!jobs_in.try_send(job{1}));
  run_ready(context);
  latest.send(settings{100});
  BOOST_TEST(!jobs_in.try_send(job{2}));
  run_ready(context);
  BOOST_TEST(sum == 201);
}

// --- Back-pressure in servers --------------------------------------------------------------------

enum class answer { accepted, busy, stopping };

// tag::within[]
/// Waits a little for a place, and says "busy" if there is none. `next` is untouched then.
asio::awaitable<answer> accept_within(sluice::sender<job>& jobs, job& next,
                                      std::chrono::milliseconds patience) {
  auto [ec, which, sent] =
      co_await sluice::select(sluice::on_send(jobs, std::ref(next)), sluice::after(patience))
          .async_wait(asio::as_tuple(sluice::use_awaitable));
  if (which == 1) co_return answer::busy;
  co_return ec ? answer::stopping : answer::accepted;
}
// end::within[]

BOOST_AUTO_TEST_CASE(who_waits_a_little_is_told_what_happened) {
  asio::io_context context;
  auto [jobs_in, jobs] = sluice::make_channel<job>(context, 1);
  run(context, [](sluice::sender<job>& to, sluice::receiver<job>& from) -> asio::awaitable<void> {
    job next{1};
    BOOST_TEST((co_await accept_within(to, next, 1h) == answer::accepted));
    BOOST_TEST((co_await accept_within(to, next, 1ms) == answer::busy));
    from.close();
    BOOST_TEST((co_await accept_within(to, next, 1h) == answer::stopping));
  }(jobs_in, jobs));
}

int sessions = 0;
int most_sessions = 0;

// tag::limit[]
using ticket = sluice::permit<std::monostate>;

/// It has its ticket as long as it lives.
asio::awaitable<void> serve_client([[maybe_unused]] ticket place) {
  most_sessions = std::max(most_sessions, ++sessions);
  co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
  --sessions;
}

/// At most as many sessions at once as there are tickets. The others wait to be accepted.
asio::awaitable<void> accept_clients(sluice::sender<std::monostate> tickets, int clients) {
  for (int number = 0; number != clients; ++number) {
    ticket place = co_await tickets.async_reserve();
    // Here stands: auto socket = co_await acceptor.async_accept(asio::use_awaitable);
    asio::co_spawn(co_await asio::this_coro::executor, serve_client(std::move(place)),
                   asio::detached);
  }
}
// end::limit[]

BOOST_AUTO_TEST_CASE(permits_limit_what_goes_on_at_once) {
  asio::io_context context;
  // tag::tickets[]
  // Nobody sends or receives: the places are all that is wanted of this channel.
  auto [tickets, keeps_it_open] = sluice::make_channel<std::monostate>(context, 3);
  // end::tickets[]
  spawn(context, accept_clients(tickets, 20));
  context.run();
  BOOST_TEST(sessions == 0);
  BOOST_TEST(most_sessions == 3);
}

// --- Asking with a deadline ----------------------------------------------------------------------

struct question {
  int number = 0;
  sluice::oneshot_sender<int> reply;
};

// tag::ask_within[]
/// Empty if there is no answer in time. Then the receiver goes, and who works for the answer can see
/// by `reply.is_closed()` that nobody wants it any more.
asio::awaitable<std::optional<int>> ask(sluice::sender<question>& questions, int number,
                                        std::chrono::milliseconds patience) {
  auto [reply, answer] = sluice::make_oneshot<int>(questions.get_executor());
  question asked{number, std::move(reply)};
  const auto deadline = std::chrono::steady_clock::now() + patience;
  auto [sent, nothing] =
      co_await sluice::select(sluice::on_send(questions, std::ref(asked)), sluice::at(deadline))
          .async_wait();
  if (sent != 0) co_return std::nullopt;  // it has not even been asked
  auto [which, given] =
      co_await sluice::select(sluice::on_receive(answer), sluice::at(deadline)).async_wait();
  if (which != 0) co_return std::nullopt;
  co_return std::get<0>(std::move(given));
}
// end::ask_within[]

BOOST_AUTO_TEST_CASE(a_question_has_a_deadline) {
  asio::io_context context;
  auto [in, out] = sluice::make_channel<question>(context, 1);
  std::optional<question> kept;
  spawn(context,
        [](sluice::receiver<question> questions,
           std::optional<question>& late) -> asio::awaitable<void> {
          while (auto next = co_await questions.async_receive()) {
            if (next->number == 13)
              late.emplace(std::move(*next));
            else
              static_cast<void>(next->reply.send(next->number + 1));
          }
        }(std::move(out), kept));
  run(context, [](sluice::sender<question> questions) -> asio::awaitable<void> {
    BOOST_TEST((co_await ask(questions, 41, 1h) == 42));
    BOOST_TEST((co_await ask(questions, 13, 1ms) == std::nullopt));
  }(std::move(in)));
  BOOST_TEST_REQUIRE(kept.has_value());
  BOOST_TEST(kept->reply.is_closed());
}

// --- Batching ------------------------------------------------------------------------------------

class table {
 public:
  void insert(const std::vector<int>& rows) {
    sizes.push_back(rows.size());
    sum = std::accumulate(rows.begin(), rows.end(), sum);
  }

  std::vector<std::size_t> sizes;
  int sum = 0;
};

// tag::store[]
/// Inserts what is there, as much as there is.
asio::awaitable<void> store(sluice::receiver<int> rows, table& target) {
  std::vector<int> batch;
  while (co_await rows.async_receive_some(batch, 500)) {
    target.insert(batch);
    batch.clear();
  }
}
// end::store[]

// tag::store_slowly[]
/// Waits for more: inserts 500 rows, or what has come within `delay` after the first.
asio::awaitable<void> store_slowly(sluice::receiver<int> rows, table& target,
                                   std::chrono::milliseconds delay) {
  std::vector<int> batch;
  while (auto first = co_await rows.async_receive()) {
    batch.push_back(*first);
    const auto deadline = std::chrono::steady_clock::now() + delay;
    while (batch.size() < 500) {
      sluice::error_code ec;
      if (rows.try_receive_some(batch, 500 - batch.size(), ec) != 0) continue;
      auto [which, next] =
          co_await sluice::select(sluice::on_receive(rows), sluice::at(deadline)).async_wait();
      if (which == 1 || !std::get<0>(next)) break;
      batch.push_back(*std::get<0>(next));
    }
    target.insert(batch);
    batch.clear();
  }
}
// end::store_slowly[]

BOOST_AUTO_TEST_CASE(rows_are_stored_together) {
  for (const bool slowly : {false, true}) {
    asio::io_context context;
    auto [in, out] = sluice::make_unbounded_channel<int>(context);
    table target;
    for (int row = 1; row <= 1200; ++row) BOOST_TEST(!in.try_send(row));
    if (slowly) {
      in = {};
      run(context, store_slowly(std::move(out), target, 1h));
    } else {
      in = {};
      run(context, store(std::move(out), target));
    }
    BOOST_TEST((target.sizes == std::vector<std::size_t>{500, 500, 200}));
    BOOST_TEST(target.sum == 1200 * 1201 / 2);
  }
}

BOOST_AUTO_TEST_CASE(rows_that_wait_for_more_do_not_wait_for_ever) {
  asio::io_context context;
  auto [in, out] = sluice::make_unbounded_channel<int>(context);
  table target;
  spawn(context, store_slowly(std::move(out), target, 1ms));
  BOOST_TEST(!in.try_send(1));
  while (target.sizes.empty()) context.run_one();
  BOOST_TEST((target.sizes == std::vector<std::size_t>{1}));
}

// --- Blocking work -------------------------------------------------------------------------------

// tag::blocking[]
struct query {
  std::string text;
  sluice::oneshot_sender<int> rows;
};

/// A thread for a library that blocks. It asks nothing of the context.
void run_queries(sluice::sync_receiver<query> queries) {
  for (query& next : queries) {
    int rows = static_cast<int>(next.text.size());  // here the library blocks
    static_cast<void>(next.rows.send(std::move(rows)));
  }
}

asio::awaitable<std::optional<int>> execute(sluice::sender<query>& queries, std::string text) {
  auto [reply, answer] = sluice::make_oneshot<int>(queries.get_executor());
  query next{std::move(text), std::move(reply)};
  co_await queries.async_send(std::move(next));
  co_return co_await answer.async_receive();
}
// end::blocking[]

BOOST_AUTO_TEST_CASE(threads_do_what_blocks) {
  asio::io_context context;
  auto [in, out] = sluice::make_channel<query>(context, 4);
  std::thread first(run_queries, sluice::sync_receiver(out));
  std::thread second(run_queries, sluice::sync_receiver(std::move(out)));
  run(context, [](sluice::sender<query> queries) -> asio::awaitable<void> {
    BOOST_TEST((co_await execute(queries, "four") == 4));
    BOOST_TEST((co_await execute(queries, "seventy") == 7));
  }(std::move(in)));
  first.join();
  second.join();
}

// --- A quick look --------------------------------------------------------------------------------

// tag::look_request[]
asio::awaitable<std::optional<int>> double_up(sluice::sender<question>& questions, int number) {
  auto [reply, answer] = sluice::make_oneshot<int>(questions.get_executor());
  question asked{number, std::move(reply)};
  co_await questions.async_send(std::move(asked));
  co_return co_await answer.async_receive();  // empty if nobody will answer any more
}
// end::look_request[]

// tag::look_select[]
asio::awaitable<void> serve(sluice::receiver<job> jobs, sluice::watch_receiver<bool> stopping) {
  auto next = sluice::select(sluice::on_receive(jobs), sluice::on_changed(stopping));
  for (;;) {
    auto [which, result] = co_await next.async_wait();
    if (which == 1 || !std::get<0>(result)) co_return;
    process(*std::get<0>(result));
  }
}
// end::look_select[]

// tag::look_thread[]
void run_thread(sluice::sync_receiver<job> jobs) {
  for (job& next : jobs) process(next);  // blocks this thread, until the channel is at its end
}
// end::look_thread[]

// tag::look_batch[]
asio::awaitable<void> insert_all(sluice::receiver<int> rows, table& target) {
  std::vector<int> batch;
  while (co_await rows.async_receive_some(batch, 1000)) {  // one, and what else is there
    target.insert(batch);
    batch.clear();
  }
}
// end::look_batch[]

// tag::look_permit[]
asio::awaitable<void> feed(sluice::sender<job> jobs) {
  for (int number = 1; number <= 3; ++number) {
    auto place = co_await jobs.async_reserve();
    if (place.send(job{number})) co_return;  // made when there is a place for it; it never waits
  }
}
// end::look_permit[]

BOOST_AUTO_TEST_CASE(a_quick_look) {
  asio::io_context context;

  auto [ask_in, ask_out] = sluice::make_channel<question>(context, 1);
  spawn(context, [](sluice::receiver<question> questions) -> asio::awaitable<void> {
    while (auto next = co_await questions.async_receive())
      static_cast<void>(next->reply.send(next->number * 2));
  }(std::move(ask_out)));
  std::optional<int> answered;
  asio::co_spawn(context, double_up(ask_in, 21),
                 [&](std::exception_ptr, std::optional<int> result) { answered = result; });
  run_ready(context);
  BOOST_TEST((answered == 42));
  ask_in = {};

  for (const bool told : {true, false}) {
    auto [jobs_in, jobs] = sluice::make_channel<job>(context, 8);
    sluice::watch_sender<bool> stopping(context, false);
    bool over = false;
    asio::co_spawn(context, serve(std::move(jobs), stopping.subscribe()),
                   [&](std::exception_ptr) { over = true; });
    BOOST_TEST(!jobs_in.try_send(job{1}));
    run_ready(context);
    BOOST_TEST(!over);
    if (told)
      BOOST_TEST(!stopping.send(true));
    else
      jobs_in = {};
    run_ready(context);
    BOOST_TEST(over);
  }

  auto [jobs_in, jobs] = sluice::make_channel<job>(context, 1);
  std::thread thread(run_thread, sluice::sync_receiver(std::move(jobs)));
  run(context, feed(std::move(jobs_in)));
  thread.join();

  auto [rows_in, rows] = sluice::make_channel<int>(context, 8);
  table target;
  for (int row = 1; row <= 8; ++row) BOOST_TEST(!rows_in.try_send(row));
  rows_in = {};
  run(context, insert_all(std::move(rows), target));
  BOOST_TEST((target.sizes == std::vector<std::size_t>{8}));

  // tag::look_broadcast[]
  sluice::broadcast_sender<event> events(context, 256);
  auto subscriber = events.subscribe();  // gets a copy of everything that is sent from now on
  std::size_t reached = events.send(event{"door", 1});  // never waits
  // end::look_broadcast[]
  BOOST_TEST(reached == 1u);
  BOOST_TEST(subscriber.size() == 1u);

  // tag::look_watch[]
  sluice::watch_sender<settings> latest(context, settings{1});
  auto seen = latest.subscribe();
  latest.send(settings{2});
  std::shared_ptr<const settings> now = seen.borrow_and_update();
  // end::look_watch[]
  BOOST_TEST(now->factor == 2);
}

}  // namespace
