// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE faults

// What fails in the middle: memory, allocation by allocation, where several values or several
// handles are concerned; copies, functions and modifiers of the user's, call by call. Nothing is
// lost, everything is where it says it is, and the channel goes on. (Each asynchronous function for
// itself, with every token, is in conformance/faults.cpp.)

#include "support/heap.hpp"

#include "support/faults.hpp"
#include "support/impatient_executor.hpp"
#include "support/message.hpp"
#include "support/probe.hpp"
#include "support/unit_test.hpp"
#include "support/user_executors.hpp"

#include <sluice/broadcast.hpp>
#include <sluice/channel.hpp>
#include <sluice/oneshot.hpp>
#include <sluice/sync_bridge.hpp>
#include <sluice/sync_receiver.hpp>
#include <sluice/sync_sender.hpp>
#include <sluice/watch.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace support;

namespace {

/// An executor for which an any_io_executor needs memory.
struct fat_executor {
  task_context* context;
  void* fat[8] = {};

  explicit fat_executor(task_context& c) noexcept : context(&c) {}

  template <class F>
  void execute(F&& f) const {
    context->queue.push(std::decay_t<F>(std::forward<F>(f)));
  }

  asio::execution_context& query(asio::execution::context_t) const noexcept { return *context; }
  static constexpr asio::execution::blocking_t query(asio::execution::blocking_t) noexcept {
    return asio::execution::blocking.never;
  }
  fat_executor require(asio::execution::blocking_t::never_t) const noexcept { return *this; }

  friend bool operator==(const fat_executor& a, const fat_executor& b) noexcept {
    return a.context == b.context;
  }
  [[maybe_unused]] friend bool operator!=(const fat_executor& a, const fat_executor& b) noexcept {
    return !(a == b);
  }
};

/// Runs what there is to run, also after exceptions. How often there was one.
int run_all(asio::io_context& context, faults& memory) {
  for (int thrown = 0;; ++thrown) {
    context.restart();
    if (memory.attempt([&] { context.poll(); })) return thrown;
  }
}

template <class Receiver>
void take_all(Receiver& rx, std::vector<int>& ids) {
  while (auto received = rx.try_receive()) ids.push_back(received->id());
}

/// Whether the numbers are 1, 2, 3 and so on.
bool in_order(const std::vector<int>& ids) {
  for (std::size_t i = 0; i != ids.size(); ++i)
    if (ids[i] != static_cast<int>(i) + 1) return false;
  return true;
}

std::vector<message> some(int count, ledger& values) {
  std::vector<message> all;
  for (int i = 0; i != count; ++i) all.emplace_back(i + 1, values);
  return all;
}

}  // namespace

// Handles -----------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(what_cannot_be_made_leaves_nothing_behind) {
  task_context context;
  const fat_executor fat(context);
  const auto make_all = [](const auto& source) {
    using source_type = std::decay_t<decltype(source)>;
    auto bounded = sluice::make_channel<int>(source, 3);
    auto unbounded = sluice::make_unbounded_channel<int, source_type>(source);
    auto oneshot = sluice::make_oneshot<int, source_type>(source);
    sluice::broadcast_sender<int, source_type> lagging(source, 3);
    auto subscriber = lagging.subscribe();
    auto another = subscriber.resubscribe();
    sluice::lossless_broadcast_sender<int, source_type> lossless(source, 3);
    sluice::watch_sender<std::string, source_type> watch(source, std::string(100, 'a'));
    auto watcher = watch.subscribe();
    auto copy = watcher;
    sluice::sync_bridge<source_type> bridge(source);
    const bool all = bounded.first && unbounded.second && oneshot.first && another &&
                     lossless.receiver_count() == 0 && copy && !bridge.is_closed();
    if (!all) throw std::logic_error("something is missing");
  };
  const int points = fail_each_allocation([&](faults& memory) {
    memory.attempt([&] { make_all(fat); });
    memory.attempt([&] { make_all(asio::any_io_executor(fat)); });
  });
  BOOST_TEST(points > 40);
}

namespace {

/// Converts a handle, by copying it if that is possible and by moving it. `count` says how many
/// there are of its kind.
template <class To, class From, class Count>
void check_conversions(faults& memory, From from, Count count) {
  const std::size_t before = count();
  if constexpr (std::is_constructible_v<To, const From&>) {
    std::optional<To> copy;
    const bool copied = memory.attempt([&] { copy.emplace(std::as_const(from)); });
    memory.expect(count() == before + (copied ? 1 : 0), "a copy is counted wrongly");
    memory.expect(static_cast<bool>(from), "to copy it has emptied a handle");
  }
  std::optional<To> moved;
  const bool was_moved = memory.attempt([&] { moved.emplace(std::move(from)); });
  memory.expect(count() == before, "a handle that was moved is counted wrongly");
  memory.expect(static_cast<bool>(from) != was_moved, "a handle is lost, or there twice");
}

}  // namespace

BOOST_AUTO_TEST_CASE(what_cannot_be_converted_stays_as_it_is) {
  task_context context;
  const int points = fail_each_allocation([&](faults& memory) {
    const fat_executor fat(context);
    auto [tx, rx] = sluice::make_channel<int, fat_executor>(fat, 1);
    check_conversions<sluice::sender<int>>(memory, tx, [&c = tx] { return c.sender_count(); });
    check_conversions<sluice::receiver<int>>(memory, rx, [&c = rx] { return c.receiver_count(); });
    auto [answer, question] = sluice::make_oneshot<int, fat_executor>(fat);
    check_conversions<sluice::oneshot_sender<int>>(memory, std::move(answer), [] { return 1u; });
    check_conversions<sluice::oneshot_receiver<int>>(memory, std::move(question),
                                                     [] { return 1u; });
    sluice::broadcast_sender<int, fat_executor> news(fat, 1);
    check_conversions<sluice::broadcast_sender<int>>(memory, news,
                                                     [&] { return news.sender_count(); });
    check_conversions<sluice::broadcast_receiver<int>>(memory, news.subscribe(),
                                                       [&] { return news.receiver_count(); });
    sluice::watch_sender<int, fat_executor> latest(fat, 1);
    check_conversions<sluice::watch_sender<int>>(memory, latest,
                                                 [&] { return latest.sender_count(); });
    check_conversions<sluice::watch_receiver<int>>(memory, latest.subscribe(),
                                                   [&] { return latest.receiver_count(); });
    // These need none, and do without it.
    const sluice::weak_sender<int, fat_executor> weak(tx);
    auto locked = weak.lock();
    memory.expect(tx.sender_count() == 2, "a weak handle was not locked");
  });
  BOOST_TEST(points > 20);
}

// Several values ----------------------------------------------------------------------------------

namespace {

/// With the number that came beside the error.
class counting_probe : public probe<std::size_t> {
 public:
  std::size_t count() const { return std::get<1>(results()); }
};

/// Sends five through a channel of two, while somebody takes them.
template <class Begin>
int check_send_all(bool is_lent, Begin begin) {
  return fail_each_allocation([&](faults& memory) {
    ledger values;
    std::vector<int> received;
    received.reserve(10);
    {
      asio::io_context context;
      make_services(context);
      auto [tx, rx] = sluice::make_channel<message>(context, 2);
      counting_probe sent;
      std::vector<message> lent = some(5, values);
      memory.attempt([&, &from = tx] { begin(from, lent, sent); });
      memory.attempt([&, &to = rx] { take_all(to, received); });
      run_all(context, memory);
      memory.end();
      take_all(rx, received);
      run_all(context, memory);
      memory.expect(in_order(received), "values are lost, or come in the wrong order");
      memory.expect(sent.done() != sent.dropped(), "neither completed nor destroyed");
      if (sent.done()) {
        const std::size_t accepted = sent.count();
        memory.expect(accepted == received.size(), "it has counted wrongly");
        memory.expect(accepted == 5 || sent.error() == asio::error::no_memory, "it fails");
      }
      std::size_t left = 0;
      for (const message& m : lent) left += m.id() != message::none ? 1 : 0;
      if (is_lent) memory.expect(left + received.size() == 5, "a value is lost, or there twice");
      memory.expect(tx.sender_count() == 1 && !rx.is_closed(), "a sender is counted wrongly");
      memory.expect(!tx.try_send(message(6, values)) && rx.try_receive()->id() == 6,
                    "the channel does not go on");
    }
    memory.expect(values.alive() == 0, "a value is never destroyed");
  });
}

}  // namespace

BOOST_AUTO_TEST_CASE(D1_of_several_values_each_is_sent_or_is_not) {
  const int lent = check_send_all(true, [](auto& tx, auto& values, auto& sent) {
    tx.async_send_all(std::ref(values), sent.get_handler());
  });
  BOOST_TEST(lent > 4);
  const int owned = check_send_all(false, [](auto& tx, auto& values, auto& sent) {
    tx.async_send_all(std::move(values), sent.get_handler());
  });
  BOOST_TEST(owned > 4);
}

namespace {

/// Not the standard one: what is received is claimed, and passed on value by value.
template <class T>
struct other_allocator : std::allocator<T> {
  template <class U>
  struct rebind {
    using other = other_allocator<U>;
  };
  other_allocator() = default;
  template <class U>
  other_allocator(const other_allocator<U>&) noexcept {}
};

template <class Vector>
int check_receive_some(bool waits) {
  return fail_each_allocation([waits](faults& memory) {
    ledger values;
    {
      asio::io_context context;
      make_services(context);
      auto [tx, rx] = sluice::make_unbounded_channel<message>(context);
      counting_probe received;
      Vector out;
      const auto send_all = [&, &from = tx] {
        for (message& m : some(5, values)) static_cast<void>(from.try_send(std::move(m)));
      };
      if (!waits) send_all();
      memory.attempt([&, &to = rx] { to.async_receive_some(out, 4, received.get_handler()); });
      if (waits) send_all();
      run_all(context, memory);
      memory.end();
      run_all(context, memory);
      memory.expect(received.done() != received.dropped(), "neither completed nor destroyed");
      if (received.succeeded())
        memory.expect(out.size() == received.count() && !out.empty(), "it has counted wrongly");
      else
        memory.expect(out.empty(), "values are received without being told");
      if (received.done() && !received.succeeded())
        memory.expect(received.error() == asio::error::no_memory, "it fails otherwise");
      std::vector<int> ids;
      for (const message& m : out) ids.push_back(m.id());
      take_all(rx, ids);
      memory.expect(ids.size() == 5 && in_order(ids), "values are lost, or in the wrong order");
    }
    memory.expect(values.alive() == 0, "a value is never destroyed");
  });
}

}  // namespace

BOOST_AUTO_TEST_CASE(D8_of_several_values_each_is_received_or_is_there) {
  for (const bool waits : {false, true}) {
    BOOST_TEST(check_receive_some<std::vector<message>>(waits) > 3);
    BOOST_TEST((check_receive_some<std::vector<message, other_allocator<message>>>(waits)) > 4);
  }
}

BOOST_AUTO_TEST_CASE(blocking_ends_say_that_there_is_no_memory) {
  const int points = fail_each_allocation([](faults& memory) {
    asio::io_context context;
    make_services(context);
    auto [from, to] = sluice::make_unbounded_channel<message>(context);
    sluice::sync_sender tx(from);
    sluice::sync_receiver rx(to);
    error_code ec;
    message kept(1);
    bool sent = memory.attempt([&] { tx.send(std::move(kept), ec); }) && !ec;
    memory.expect(sent == (kept.id() != 1), "a value is lost, or there twice");
    memory.expect(sent || ec == asio::error::no_memory, "it does not say so");
    if (!sent) static_cast<void>(from.try_send(std::move(kept)));
    std::vector<message> out;
    bool received = memory.attempt([&] { rx.receive_some(out, 4, ec); }) && !ec;
    memory.expect(received == !out.empty(), "values are received without being told");
    if (!received) memory.expect(rx.receive()->id() == 1, "a value is lost");
  });
  BOOST_TEST(points > 1);
}

// Loops -------------------------------------------------------------------------------------------

namespace {

/// A loop over five values, two of which are there when it begins, with a function that may fail.
template <class MakeFunction>
int check_loop(MakeFunction make_function) {
  return fail_each_allocation(
      [&](faults& memory) {
        ledger values;
        std::vector<int> ids;
        ids.reserve(10);
        {
          asio::io_context context;
          make_services(context);
          auto [tx, rx] = sluice::make_unbounded_channel<message>(context);
          std::vector<message> all = some(5, values);
          const auto send = [&, &from = tx](std::size_t i) {
            static_cast<void>(from.try_send(std::move(all[i])));
          };
          send(0);
          send(1);
          probe<> looped;
          auto f = make_function(ids);
          memory.attempt([&, &to = rx] { to.async_for_each(f, looped.get_handler()); });
          for (std::size_t i = 2; i != 5; ++i) {
            run_all(context, memory);
            send(i);
          }
          run_all(context, memory);
          memory.end();
          tx = {};
          run_all(context, memory);
          memory.expect(looped.done() != looped.dropped(), "neither completed nor destroyed");
          if (looped.done()) memory.expect(looped.succeeded(), "the loop says that it has failed");
          if (looped.done()) memory.expect(ids.size() == 5, "the loop has ended too early");
          take_all(rx, ids);
          memory.expect(ids.size() == 5 && in_order(ids), "values are lost, or in the wrong order");
        }
        memory.expect(values.alive() == 0, "a value is never destroyed");
      },
      false);
}

}  // namespace

BOOST_AUTO_TEST_CASE(D8_a_loop_without_memory_leaves_what_it_has_not_passed_on) {
  const int points = check_loop([](std::vector<int>& ids) {
    // What it has been given it has had.
    return [&ids](message m) {
      ids.push_back(m.id());
      delete new int;
    };
  });
  BOOST_TEST(points > 6);
}

#if defined(BOOST_ASIO_HAS_CO_AWAIT)
namespace {

asio::awaitable<void> wait_a_turn() {
  co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
  delete new int;
}

}  // namespace

BOOST_AUTO_TEST_CASE(D8_so_does_a_loop_that_awaits) {
  const int points = check_loop([](std::vector<int>& ids) {
    // What it has been given it has had, also if there is no memory for the frame of a coroutine.
    return [&ids](message m) {
      ids.push_back(m.id());
      return wait_a_turn();
    };
  });
  BOOST_TEST(points > 3);
}
#endif

BOOST_AUTO_TEST_CASE(D8_a_function_that_throws_at_any_call_ends_its_loop) {
  for (int calls = 0; calls != 6; ++calls) {
    asio::io_context context;
    auto [tx, rx] = sluice::make_unbounded_channel<message>(context);
    for (int i = 1; i != 6; ++i) BOOST_TEST(!tx.try_send(message(i)));
    std::vector<int> ids;
    probe<> looped;
    rx.async_for_each(
        [&, left = calls](message m) mutable {
          ids.push_back(m.id());
          if (left-- == 0) throw std::runtime_error("thrown by a function");
        },
        looped.get_handler());
    const bool throws = calls < 5;
    if (throws)
      BOOST_CHECK_THROW(run_ready(context), std::runtime_error);
    else
      run_ready(context);
    BOOST_TEST(looped.dropped() == throws);
    BOOST_TEST(ids.size() == static_cast<std::size_t>(throws ? calls + 1 : 5));
    take_all(rx, ids);
    BOOST_TEST((ids.size() == 5 && in_order(ids)));
    BOOST_TEST(!tx.try_send(message(6)));
    BOOST_TEST(rx.size() == 1u);
  }
}

// Those that wait on ------------------------------------------------------------------------------

// A receive that was ready, and finds nothing any more, needs memory to count as work.
BOOST_AUTO_TEST_CASE(D5_a_receive_that_cannot_wait_on_is_over_and_no_other_is) {
  const int points = fail_each_allocation([](faults& memory) {
    task_context own_context;
    asio::io_context context;
    make_services(context);
    const asio::any_io_executor fat = fat_executor(own_context);
    auto [tx, opened] = sluice::make_channel<message>(context, 0);
    auto rx = opened.with_executor(fat);
    // The context hears of the channel now.
    auto forgotten = begin_receive(rx);
    rx.cancel();
    own_context.queue.run();
    auto sent = begin_send(tx, 1);
    auto first = begin_receive(rx);
    auto second = begin_receive(opened);
    sent.cancel();
    while (!memory.attempt([&] { own_context.queue.run(); })) continue;
    memory.end();
    run_all(context, memory);
    memory.expect(!first.done(), "it has received what was not sent");
    memory.expect(!second.done() && !second.dropped(), "the other one is over, too");
    auto next = begin_send(tx, 2);
    own_context.queue.run();
    run_all(context, memory);
    memory.expect(next.succeeded(), "the next send is stuck");
    memory.expect((first.dropped() ? second.id() : first.id()) == 2, "a value is lost");
    memory.expect(first.dropped() == memory.any_failed(), "it goes on although it cannot");
  });
  BOOST_TEST(points > 0);
}

// After so many messages a loop lets others have their turn.
BOOST_AUTO_TEST_CASE(D8_a_loop_that_is_refused_its_next_turn_leaves_the_rest) {
  for (int turns = 0; turns != 4; ++turns) {
    task_context context;
    patience mine{turns};
    auto [tx, rx] = sluice::make_unbounded_channel<message>(
        asio::any_io_executor(impatient_executor<true>{&context, &mine}));
    for (int i = 1; i != 301; ++i) BOOST_TEST_REQUIRE(!tx.try_send(message(i)));
    std::vector<int> ids;
    probe<> looped;
    const auto f = [&ids](message m) { ids.push_back(m.id()); };
    if (turns == 0) {
      BOOST_CHECK_THROW(rx.async_for_each(f, looped.get_handler()), refusal);
    } else {
      rx.async_for_each(f, looped.get_handler());
      if (turns < 3)
        BOOST_CHECK_THROW(context.queue.run(), refusal);
      else
        context.queue.run();
    }
    BOOST_TEST(looped.dropped() == (turns < 3));
    BOOST_TEST(ids.size() + rx.size() == 300u);
    BOOST_TEST((ids.size() == 300u) == (turns == 3));
    take_all(rx, ids);
    BOOST_TEST(in_order(ids));
    mine.left = -1;
  }
}

#if defined(BOOST_ASIO_HAS_CO_AWAIT)
BOOST_AUTO_TEST_CASE(D8_so_does_a_loop_that_awaits_and_is_refused_at_any_time) {
  for (int times = 0;; ++times) {
    BOOST_TEST_REQUIRE(times < 100);
    task_context context;
    patience mine{times};
    const asio::any_io_executor ex(impatient_executor<true>{&context, &mine});
    auto [tx, rx] = sluice::make_unbounded_channel<message>(ex);
    std::vector<int> ids;
    probe<> looped;
    const auto run = [&] {
      try {
        context.queue.run();
        return true;
      } catch (const refusal&) {
        return false;
      }
    };
    try {
      rx.async_for_each(
          [&ids](message m) -> asio::awaitable<void> {
            ids.push_back(m.id());
            co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
          },
          looped.get_handler());
    } catch (const refusal&) {
      BOOST_TEST(mine.refused);
    }
    for (int i = 1; i != 6; ++i) {
      BOOST_TEST(!tx.try_send(message(i)));
      while (!run()) continue;
    }
    tx = {};
    while (!run()) continue;
    BOOST_TEST((looped.done() || looped.dropped()));
    BOOST_TEST((mine.refused || looped.succeeded()));
    take_all(rx, ids);
    BOOST_TEST((ids.size() == 5 && in_order(ids)));
    if (!mine.refused) break;
  }
}
#endif

// Functions in a strand ---------------------------------------------------------------------------

namespace {

/// Runs at once what is posted to it, so that one thread can both call and run.
struct prompt_executor {
  asio::execution_context* context;

  template <class F>
  void execute(F&& f) const {
    // Like most executors it needs memory.
    auto kept = std::make_unique<std::decay_t<F>>(std::forward<F>(f));
    std::move (*kept)();
  }

  asio::execution_context& query(asio::execution::context_t) const noexcept { return *context; }
  static constexpr asio::execution::blocking_t query(asio::execution::blocking_t) noexcept {
    return asio::execution::blocking.never;
  }
  prompt_executor require(asio::execution::blocking_t::never_t) const noexcept { return *this; }

  friend bool operator==(prompt_executor a, prompt_executor b) noexcept {
    return a.context == b.context;
  }
  [[maybe_unused]] friend bool operator!=(prompt_executor a, prompt_executor b) noexcept {
    return !(a == b);
  }
};

/// A function that says what became of it.
struct watched_function {
  int* runs;
  int* alive;

  watched_function(int& r, int& a) noexcept : runs(&r), alive(&a) { ++a; }
  watched_function(const watched_function& other) noexcept : runs(other.runs), alive(other.alive) {
    ++*alive;
  }
  watched_function& operator=(const watched_function&) = delete;
  ~watched_function() { --*alive; }

  int operator()() const { return ++*runs; }
};

}  // namespace

BOOST_AUTO_TEST_CASE(what_a_bridge_takes_runs_or_is_destroyed) {
  const int points = fail_each_allocation([](faults& memory) {
    asio::io_context context;
    int runs = 0;
    int alive = 0;
    sluice::sync_bridge bridge(context);
    int posted = 0;
    for (int i = 0; i != 3; ++i) {
      error_code ec;
      if (memory.attempt([&] { ec = bridge.post(watched_function(runs, alive)); }) && !ec) ++posted;
    }
    run_all(context, memory);
    memory.end();
    run_all(context, memory);
    memory.expect(alive == 0, "a function is never destroyed");
    memory.expect(runs == posted, "a function was taken and did not run, or the other way");
    memory.expect(bridge.size() == 0, "a function waits for ever");
    memory.expect(!bridge.post(watched_function(runs, alive)), "the bridge does not go on");
    run_all(context, memory);
    memory.expect(runs == posted + 1, "the bridge is stuck");
  });
  BOOST_TEST(points > 4);
}

BOOST_AUTO_TEST_CASE(who_calls_across_a_bridge_hears_of_it) {
  const int points = fail_each_allocation([](faults& memory) {
    asio::io_context context;
    int runs = 0;
    int alive = 0;
    sluice::sync_bridge<prompt_executor> bridge(prompt_executor{&context});
    const watched_function f(runs, alive);
    for (int i = 0; i != 2; ++i) {
      const int before = runs;
      const bool called = memory.attempt([&] { static_cast<void>(bridge.call(f)); });
      memory.expect(runs == before + (called ? 1 : 0), "it says that it ran, and did not");
    }
    memory.expect(alive == 1, "the function was copied");
    memory.end();
    memory.expect(bridge.call(f) == runs, "the bridge does not go on");
  });
  BOOST_TEST(points > 1);
}

// Copies ------------------------------------------------------------------------------------------

namespace {

/// A value, or a predicate, whose copies fail: after so many more.
struct brittle {
  static inline int copies_left = -1;

  struct failure : std::exception {};

  explicit brittle(int number) noexcept : id_(number) {}
  brittle(const brittle& other) : id_(other.id_) {
    if (copies_left >= 0 && copies_left-- == 0) throw failure();
  }
  brittle(brittle&& other) noexcept : id_(std::exchange(other.id_, message::none)) {}
  brittle& operator=(brittle&& other) noexcept {
    id_ = std::exchange(other.id_, message::none);
    return *this;
  }

  int id() const noexcept { return id_; }

  bool operator()(const brittle& latest) const noexcept { return latest.id() == id_; }

 private:
  int id_;
};

/// A handler whose copies fail, too.
struct brittle_handler {
  template <class... Results>
  void operator()(error_code, Results&&...) {}

  brittle copied{1};
};

/// Lets one copy after the other fail in what `f` does, until none is left; `check(failed)` then
/// looks. Returns how many could fail.
template <class F, class Check>
int fail_each_copy(F f, Check check) {
  for (int copies = 0;; ++copies) {
    bool failed = false;
    brittle::copies_left = copies;
    try {
      f();
    } catch (const brittle::failure&) {
      failed = true;
    }
    const bool came = brittle::copies_left < 0;
    brittle::copies_left = -1;
    BOOST_TEST(failed == came);
    check(failed);
    if (!failed) return copies;
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_value_that_cannot_be_copied_is_not_sent) {
  asio::io_context context;
  auto channel = sluice::make_unbounded_channel<brittle>(context);
  auto& [tx, rx] = channel;
  const brittle value(7);
  const auto check = [&, &from = tx, &to = rx](bool failed) {
    run_ready(context);
    BOOST_TEST(from.sender_count() == 1u);
    BOOST_TEST(to.size() == (failed ? 0u : 1u));
    BOOST_TEST(value.id() == 7);
    while (auto received = to.try_receive()) BOOST_TEST(received->id() == 7);
  };
  BOOST_TEST(fail_each_copy([&, &from = tx] { BOOST_TEST(!from.try_send(value)); }, check) > 0);
  BOOST_TEST(fail_each_copy([&, &from = tx] { from.async_send(value, asio::detached); }, check) >
             0);
  // What has not begun, and may begin more than once.
  BOOST_TEST(fail_each_copy(
                 [&, &from = tx] {
                   const auto operation = from.async_send(value, asio::deferred);
                   operation(asio::detached);
                 },
                 check) > 1);
  const std::vector<brittle> values(1, value);
  BOOST_TEST(
      fail_each_copy([&, &from = tx] { from.async_send_all(values, asio::detached); }, check) > 0);
}

BOOST_AUTO_TEST_CASE(an_operation_whose_handler_cannot_be_copied_has_not_begun) {
  asio::io_context context;
  auto channel = sluice::make_unbounded_channel<brittle>(context);
  auto& [tx, rx] = channel;
  brittle_handler handler;
  fail_each_copy([&, &to = rx] { to.async_receive(handler); },
                 [&, &from = tx, &to = rx](bool failed) {
                   BOOST_TEST(!from.try_send(brittle(7)));
                   run_ready(context);
                   BOOST_TEST(to.size() == (failed ? 1u : 0u));
                   while (to.try_receive()) continue;
                 });
  brittle lent(7);
  fail_each_copy([&, &from = tx] { from.async_send(std::ref(lent), handler); },
                 [&, &to = rx](bool failed) {
                   run_ready(context);
                   BOOST_TEST((lent.id() == 7) == failed);
                   BOOST_TEST(to.size() == (failed ? 0u : 1u));
                 });
}

BOOST_AUTO_TEST_CASE(a_predicate_that_cannot_be_copied_is_not_asked) {
  asio::io_context context;
  sluice::watch_sender<brittle> tx(context, brittle(1));
  auto rx = tx.subscribe();
  const brittle predicate(2);
  fail_each_copy([&] { rx.async_wait_for(predicate, asio::detached); },
                 [&](bool failed) {
                   BOOST_TEST(context.stopped() == false);
                   tx.send(brittle(2));
                   run_ready(context);
                   // Nobody waits any more, or nobody ever did.
                   BOOST_TEST(context.stopped());
                   BOOST_TEST(rx.has_changed() == failed);
                   tx.send(brittle(1));
                   context.restart();
                 });
  BOOST_TEST(fail_each_copy([&] { tx.send_modify([](brittle& b) { b = brittle(5); }); },
                            [&](bool failed) { BOOST_TEST((tx.borrow()->id() == 5) == !failed); }) >
             0);
  BOOST_TEST(fail_each_copy(
                 [&] {
                   tx.send_if_modified([](brittle& b) {
                     b = brittle(6);
                     return true;
                   });
                 },
                 [&](bool failed) { BOOST_TEST((tx.borrow()->id() == 6) == !failed); }) > 0);
}

BOOST_AUTO_TEST_CASE(BR4_each_copy_of_a_broadcast_may_fail_and_the_others_come) {
  for (int copies = 0; copies != 4; ++copies) {
    asio::io_context context;
    sluice::broadcast_sender<brittle> tx(context, 8);
    auto first = tx.subscribe();
    auto second = tx.subscribe();
    for (int i = 1; i != 5; ++i) tx.send(brittle(i));
    brittle::copies_left = copies;
    // The first one copies all of them; the second one is given the messages themselves.
    for (int i = 1; i != 5; ++i) {
      error_code ec;
      auto received = first.try_receive(ec);
      BOOST_TEST((ec == sluice::error::copy_failed) == (i == copies + 1));
      BOOST_TEST(received.has_value() == (i != copies + 1));
      if (received) BOOST_TEST(received->id() == i);
    }
    brittle::copies_left = -1;
    for (int i = 1; i != 5; ++i) BOOST_TEST(second.try_receive().value().id() == i);
    BOOST_TEST(tx.size() == 0u);
    BOOST_TEST(tx.send(brittle(5)) == 2u);
    BOOST_TEST(first.try_receive().value().id() == 5);
  }
}
