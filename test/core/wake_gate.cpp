// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE wake_gate

// Who keeps a state: references, and the gate that a dying context waits at. First every short
// sequence of entering, leaving and turning against a plain list of who is inside; then with
// threads.

#include <sluice/detail/core/wake_gate.hpp>
#include <sluice/threading.hpp>

#include <boost/test/unit_test.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace {

using sluice::multi_threaded;
using sluice::single_threaded;
using sluice::detail::core::wake_gate;

// Whoever is inside, by the number of its arrival, and who has turned the gate and waits.
class explorer {
 public:
  explicit explorer(std::size_t depth) { explore("", depth); }

  std::size_t sequences = 0;
  std::size_t turned = 0;
  std::size_t refused = 0;
  std::size_t waited = 0;
  std::size_t last_of_all = 0;

 private:
  struct wake_up {
    unsigned phase;
    std::size_t turns_before;  // how often the gate had been turned when it entered
  };

  // A letter for each step: e(nter), t(urn), p(ass) by the one who has turned it, r(elease) of the
  // only reference, and a digit for the one inside that leaves.
  void explore(const std::string& path, std::size_t depth) {
    wake_gate<single_threaded> gate;
    std::vector<wake_up> inside;
    std::size_t turns = 0;
    bool is_turned = false;
    bool is_referred_to = true;
    for (char step : path) {
      bool last = false;
      if (step == 'e') {
        inside.push_back({gate.enter(), turns});
      } else if (step == 't') {
        const bool did = gate.turn();
        expect(did != is_turned, path, "the gate turns exactly if nobody who has turned it waits");
        ++(did ? turned : refused);
        if (did) ++turns;
        is_turned = true;
      } else if (step == 'p') {
        gate.end_turn();
        is_turned = false;
      } else if (step == 'r') {
        last = gate.release();
        is_referred_to = false;
      } else {
        const auto which = static_cast<std::ptrdiff_t>(step - '0');
        last = gate.leave(inside[static_cast<std::size_t>(which)].phase);
        inside.erase(inside.begin() + which);
      }
      const bool is_over = !is_referred_to && inside.empty();
      expect(last == is_over, path, "the last of all is told so, and nobody else");
      last_of_all += last;
      if (is_turned) {
        bool someone = false;
        for (const wake_up& w : inside) someone = someone || w.turns_before < turns;
        waited += someone;
        expect(gate.passed() == !someone, path,
               "passed exactly if all who had entered before have left");
      }
    }
    ++sequences;
    // What was the last of all has destroyed the state.
    if (depth == 0 || (!is_referred_to && inside.empty())) return;
    explore(path + 'e', depth - 1);
    explore(path + 't', depth - 1);
    if (is_turned && gate.passed()) explore(path + 'p', depth - 1);
    if (is_referred_to) explore(path + 'r', depth - 1);
    for (std::size_t i = 0; i != inside.size(); ++i)
      explore(path + static_cast<char>('0' + i), depth - 1);
  }

  static void expect(bool holds, const std::string& path, const char* what) {
    if (!holds) BOOST_FAIL(what << ": " << path);
  }
};

}  // namespace

BOOST_AUTO_TEST_CASE(who_turns_the_gate_waits_for_those_before_and_for_nobody_else) {
  explorer all(10);
  BOOST_TEST_MESSAGE(all.sequences << " sequences");
  BOOST_TEST(all.sequences > 100000u);
  BOOST_TEST(all.turned > 0u);
  BOOST_TEST(all.refused > 0u);
  BOOST_TEST(all.waited > 0u);
  BOOST_TEST(all.last_of_all > 0u);
}

BOOST_AUTO_TEST_CASE(a_gate_nobody_stands_in_turns_as_often_as_one_likes) {
  wake_gate<multi_threaded> gate;
  for (int i = 0; i != 1000; ++i) {
    BOOST_TEST_REQUIRE(gate.turn());
    BOOST_TEST_REQUIRE(gate.passed());
    gate.end_turn();
  }
}

BOOST_AUTO_TEST_CASE(what_is_over_gets_no_reference_any_more) {
  wake_gate<multi_threaded> gate;
  BOOST_TEST(gate.add_reference_if_alive());
  gate.add_reference();
  BOOST_TEST(!gate.release());
  BOOST_TEST(!gate.release());
  const unsigned phase = gate.enter();
  BOOST_TEST(!gate.release());
  // A wake-up keeps the state as well.
  BOOST_TEST(gate.add_reference_if_alive());
  BOOST_TEST(!gate.leave(phase));
  BOOST_TEST(gate.release());
  BOOST_TEST(!gate.add_reference_if_alive());
}

// K5: nobody who entered before the gate was turned is inside any more when it has been passed, and
// what he wrote inside can be read without a lock then, as a destructor would.
BOOST_AUTO_TEST_CASE(a_thread_that_has_passed_sees_all_that_was_done_before) {
  constexpr std::size_t wakers = 3;
  constexpr std::size_t turns_each = 2000;

  struct shared_state {
    std::mutex mutex;
    wake_gate<multi_threaded> gate;
    // Which of the two homes exists, and what the wake-ups did to it. `exists` is protected by the
    // mutex, `done` by nothing but the gate.
    std::array<bool, 2> exists{true, true};
    std::array<std::array<std::size_t, wakers>, 2> done{};
    std::array<std::array<std::size_t, wakers>, 2> begun{};  // protected by the mutex
  } shared;

  std::atomic<bool> stop{false};
  std::atomic<std::size_t> wrong{0};
  std::atomic<std::size_t> wake_ups{0};

  auto wake = [&](std::size_t self) {
    std::size_t home = self % 2;
    while (!stop.load(std::memory_order_relaxed)) {
      home = 1 - home;
      unsigned phase = 0;
      {
        std::lock_guard<std::mutex> lock(shared.mutex);
        if (!shared.exists[home]) continue;
        phase = shared.gate.enter();
        ++shared.begun[home][self];
      }
      ++shared.done[home][self];
      wake_ups.fetch_add(1, std::memory_order_relaxed);
      shared.gate.leave(phase);
    }
  };

  auto destroy = [&](std::size_t home) {
    for (std::size_t i = 0; i != turns_each; ++i) {
      for (bool turned = false; !turned;) {
        {
          std::lock_guard<std::mutex> lock(shared.mutex);
          turned = shared.gate.turn();
          if (turned) shared.exists[home] = false;
        }
        if (!turned) multi_threaded::yield();
      }
      while (!shared.gate.passed()) multi_threaded::yield();
      // From here on the home is this thread's alone.
      for (std::size_t w = 0; w != wakers; ++w) {
        wrong.fetch_add(shared.done[home][w] != shared.begun[home][w]);
        shared.done[home][w] = shared.begun[home][w] = 0;
      }
      std::lock_guard<std::mutex> lock(shared.mutex);
      shared.gate.end_turn();
      shared.exists[home] = true;
    }
  };

  std::vector<std::thread> threads;
  for (std::size_t i = 0; i != wakers; ++i) threads.emplace_back(wake, i);
  std::thread other(destroy, 1);
  destroy(0);
  other.join();
  stop = true;
  for (std::thread& t : threads) t.join();
  BOOST_TEST(wrong == 0u);
  BOOST_TEST(wake_ups > 0u);
}
