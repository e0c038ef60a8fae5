// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE linear_storm

// What several threads see of a bounded channel at once could have happened one after the other, in
// an order that agrees with the clock: it is linearizable. They call what does not wait, and write
// down when each call began and ended, and what it said. A search then looks for such an order, with
// a plain queue to say what is right.

#include "stress/storm.hpp"

#include <sluice/channel.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/io_context.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace storm;

struct call {
  enum kind { send, force, receive, close } what = send;
  enum result { done, full, empty, closed } said = done;
  int value = 0;  // what was sent, or received
  int displaced = 0;
  unsigned began = 0;
  unsigned ended = 0;
};

using history = std::vector<call>;

std::string text_of(const history& calls) {
  static const char* const kinds[] = {"send", "force", "receive", "close"};
  static const char* const results[] = {"done", "full", "empty", "closed"};
  std::string text;
  for (const call& c : calls)
    text += "\n  " + std::to_string(c.began) + " to " + std::to_string(c.ended) + ": " +
            kinds[c.what] + ' ' + std::to_string(c.value) + ' ' + results[c.said] +
            (c.displaced != 0 ? ", displaces " + std::to_string(c.displaced) : "");
  return text;
}

// What is right ----------------------------------------------------------------------------------

struct queue {
  std::deque<int> values;
  bool closed = false;

  friend bool operator<(const queue& a, const queue& b) {
    return a.closed != b.closed ? a.closed < b.closed : a.values < b.values;
  }

  /// Does what the call did. False if it could not have said what it said.
  bool agrees(const call& c, std::size_t capacity) {
    switch (c.what) {
      case call::send:
        if (closed || values.size() == capacity)
          return c.said == (closed ? call::closed : call::full);
        values.push_back(c.value);
        return c.said == call::done;
      case call::force: {
        if (closed) return c.said == call::closed;
        int displaced = 0;
        if (values.size() == capacity) {
          displaced = values.front();
          values.pop_front();
        }
        values.push_back(c.value);
        return c.said == call::done && c.displaced == displaced;
      }
      case call::receive: {
        if (values.empty()) return c.said == (closed ? call::closed : call::empty);
        const int oldest = values.front();
        values.pop_front();
        return c.said == call::done && c.value == oldest;
      }
      default:
        return closed = true;
    }
  }
};

class search {
 public:
  search(const history& calls, std::size_t capacity) : calls_(calls), capacity_(capacity) {}

  bool finds_an_order() { return goes_on(0, {}); }

 private:
  bool goes_on(std::uint32_t placed, const queue& at) {
    if (placed == (std::uint32_t{1} << calls_.size()) - 1) return true;
    if (!seen_.insert({placed, at}).second) return false;
    // Next comes one that began before any other one that is left had ended.
    unsigned first_end = static_cast<unsigned>(-1);
    for (std::size_t i = 0; i != calls_.size(); ++i)
      if ((placed >> i & 1) == 0) first_end = std::min(first_end, calls_[i].ended);
    for (std::size_t i = 0; i != calls_.size(); ++i) {
      if ((placed >> i & 1) != 0 || calls_[i].began > first_end) continue;
      queue next = at;
      if (next.agrees(calls_[i], capacity_) && goes_on(placed | std::uint32_t{1} << i, next))
        return true;
    }
    return false;
  }

  const history& calls_;
  const std::size_t capacity_;
  std::set<std::pair<std::uint32_t, queue>> seen_;
};

bool is_linearizable(const history& calls, std::size_t capacity) {
  return search(calls, capacity).finds_an_order();
}

// Threads that call ------------------------------------------------------------------------------

constexpr std::size_t most_threads = 3;
constexpr std::size_t calls_of_each = 4;
constexpr std::size_t most_capacity = 3;
constexpr int windows = 200;

/// So many threads come together here, again and again.
class meeting {
 public:
  explicit meeting(std::size_t threads) : threads_(threads) {}

  void meet() {
    const unsigned turn = turn_;
    if (++present_ == threads_) {
      present_ = 0;
      ++turn_;
      return;
    }
    // Whoever sleeps here comes too late for what the others do then.
    for (int i = 0; turn_ == turn; ++i)
      if (i > 1000) std::this_thread::yield();
  }

 private:
  const std::size_t threads_;
  std::atomic<std::size_t> present_{0};
  std::atomic<unsigned> turn_{0};
};

/// A threading policy in which whoever gives a lock back lets others run, now and then: should a call
/// take it twice, there is something in between.
struct restless : sluice::multi_threaded {
  class mutex {
   public:
    void lock() noexcept { mutex_.lock(); }
    void unlock() noexcept {
      mutex_.unlock();
      static thread_local unsigned count = 0;
      if (++count % 3 == 0) std::this_thread::yield();
    }

   private:
    sluice::multi_threaded::mutex mutex_;
  };
};

using sender = sluice::sender<int, asio::any_io_executor, restless>;
using receiver = sluice::receiver<int, asio::any_io_executor, restless>;

struct window {
  std::atomic<unsigned> clock{0};
  sender tx;
  receiver rx;
  history calls[most_threads];
};

call::result result_of(error_code ec) {
  if (ec == sluice::error::full) return call::full;
  if (ec == sluice::error::empty) return call::empty;
  return ec ? call::closed : call::done;
}

void act(window& w, history& calls, call::kind what, int value) {
  call c;
  c.what = what;
  c.began = w.clock++;
  error_code ec;
  switch (what) {
    case call::send:
      c.value = value;
      ec = w.tx.try_send(int(value));
      break;
    case call::force:
      c.value = value;
      if (const std::optional<int> out = w.tx.force_send(int(value), ec)) c.displaced = *out;
      break;
    case call::receive:
      if (const std::optional<int> got = w.rx.try_receive(ec)) c.value = *got;
      break;
    case call::close:
      w.tx.close();
  }
  c.ended = w.clock++;
  c.said = result_of(ec);
  calls.push_back(c);
}

void play_round(std::uint32_t seed, totals& sum) {
  random_choice random(seed);
  const std::size_t capacity = 1 + random.below(most_capacity);
  asio::io_context context;
  window w;
  // Two of them meet more often on a machine that has two cores.
  const std::size_t threads = 2 + random.below(most_threads - 1);
  meeting place(threads);
  std::vector<std::thread> crew;
  std::size_t unexplained = 0;
  std::string first;

  auto play = [&](std::size_t me, random_choice own) {
    for (int i = 0; i != windows; ++i) {
      if (me == 0) {
        auto [tx, rx] = sluice::make_channel<int, asio::any_io_executor, restless>(
            asio::any_io_executor(context.get_executor()), capacity);
        w.tx = std::move(tx);
        w.rx = std::move(rx);
        w.clock = 0;
        for (history& calls : w.calls) calls.clear();
        for (unsigned k = own.below(static_cast<unsigned>(capacity) + 1); k != 0; --k)
          act(w, w.calls[0], call::send, 1000 + static_cast<int>(k));
      }
      place.meet();
      for (std::size_t k = 0; k != calls_of_each; ++k) {
        const unsigned choice = own.below(40);
        const call::kind what = choice == 0   ? call::close
                                : choice < 4  ? call::force
                                : choice < 20 ? call::send
                                              : call::receive;
        act(w, w.calls[me], what, static_cast<int>(me * 100 + k) + 1);
      }
      place.meet();
      if (me == 0) {
        // What is left belongs to the history as well.
        for (std::size_t k = 0; k != capacity + 1; ++k) act(w, w.calls[0], call::receive, 0);
        history all;
        for (const history& calls : w.calls) all.insert(all.end(), calls.begin(), calls.end());
        if (!is_linearizable(all, capacity) && unexplained++ == 0) first = text_of(all);
        sum.begun += all.size();
      }
      place.meet();
    }
  };
  for (std::size_t i = 1; i != threads; ++i)
    crew.emplace_back([&play, i, own = random_choice(random.fork())] { play(i, own); });
  play(0, random_choice(random.fork()));
  for (std::thread& t : crew) t.join();
  BOOST_TEST_CONTEXT("seed of the round: " << seed << ", capacity " << capacity) {
    BOOST_TEST(unexplained == 0u, "no order explains" << first);
  }
  ++sum.rounds;
}

call made(call::kind what, call::result said, int value, unsigned began, unsigned ended) {
  call c;
  c.what = what;
  c.said = said;
  c.value = value;
  c.began = began;
  c.ended = ended;
  return c;
}

}  // namespace

BOOST_AUTO_TEST_CASE(what_threads_see_could_have_happened_in_one_order) {
  BOOST_TEST(rage(play_round).rounds > 0u);
}

BOOST_AUTO_TEST_CASE(the_search_tells_right_from_wrong) {
  using c = call;
  // Two sends at once may be received in either order, two that follow each other only in theirs.
  const history at_once = {made(c::send, c::done, 1, 0, 3), made(c::send, c::done, 2, 1, 2),
                           made(c::receive, c::done, 2, 4, 5), made(c::receive, c::done, 1, 6, 7)};
  BOOST_TEST(is_linearizable(at_once, 2));
  BOOST_TEST(!is_linearizable(at_once, 1));
  history in_turn = at_once;
  in_turn[0].ended = 1;
  in_turn[1].began = 2;
  in_turn[1].ended = 3;
  BOOST_TEST(!is_linearizable(in_turn, 2));
  // A value that comes twice, one that is lost, one that comes before it is sent.
  BOOST_TEST(!is_linearizable({made(c::send, c::done, 1, 0, 1), made(c::receive, c::done, 1, 2, 4),
                               made(c::receive, c::done, 1, 3, 5)},
                              2));
  BOOST_TEST(
      !is_linearizable({made(c::send, c::done, 1, 0, 1), made(c::receive, c::empty, 0, 2, 3)}, 2));
  BOOST_TEST(
      !is_linearizable({made(c::receive, c::done, 1, 0, 1), made(c::send, c::done, 1, 2, 3)}, 2));
  // C4: closed is not said as long as there is something.
  BOOST_TEST(!is_linearizable({made(c::send, c::done, 1, 0, 1), made(c::close, c::done, 0, 2, 3),
                               made(c::receive, c::closed, 0, 4, 5)},
                              2));
}
