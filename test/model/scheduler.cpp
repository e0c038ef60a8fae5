// SPDX-License-Identifier: BSL-1.0

// The model checker itself: that it counts schedules as mathematics does, that it finds what is
// wrong with textbook mistakes, and that its reduction loses nothing.

#define BOOST_TEST_MODULE model_scheduler
#include "explore.hpp"
#include "support/unit_test.hpp"

#include <cstdlib>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

// Programs that deadlock do so on purpose here, and are left with all that they have on their stacks.
extern "C" int __lsan_is_turned_off() {
  return 1;
}

namespace {

using namespace model;

struct outcome {
  std::size_t schedules = 0;
  bool failed = false;
};

/// Explores quietly.
outcome count(search& order, const std::function<void(world&)>& scenario) {
  outcome seen;
  while (order.begin() && !seen.failed) {
    ++seen.schedules;
    seen.failed = !scheduler::get().run_program(order, [&] {
      model::clock::reset();
      world w;
      scenario(w);
    });
  }
  seen.schedules -= order.redundant();
  return seen;
}

outcome count_all(const std::function<void(world&)>& scenario) {
  every_interleaving order(false);
  return count(order, scenario);
}

/// Threads that store to objects: `objects[t]` are those of thread t, one after the other.
void stores(world& w, std::vector<std::vector<int>> objects, int used) {
  std::vector<std::unique_ptr<model::atomic<int>>> all;
  for (int i = 0; i != used; ++i) all.push_back(std::make_unique<model::atomic<int>>(0));
  for (const auto& mine : objects)
    w.thread("stores", [&all, mine] {
      for (int o : mine) all[static_cast<std::size_t>(o)]->store(1);
    });
  w.run();
}

}  // namespace

BOOST_AUTO_TEST_CASE(steps_on_different_objects_have_one_order) {
  BOOST_TEST(count_all([](world& w) { stores(w, {{0, 1}, {2, 3}, {4, 5}}, 6); }).schedules == 1u);
}

BOOST_AUTO_TEST_CASE(steps_on_one_object_have_all_orders) {
  // 6! / (2! 2! 2!)
  BOOST_TEST(count_all([](world& w) { stores(w, {{0, 0}, {0, 0}, {0, 0}}, 1); }).schedules == 90u);
  // 8! / (4! 4!)
  BOOST_TEST(count_all([](world& w) { stores(w, {{0, 0, 0, 0}, {0, 0, 0, 0}}, 1); }).schedules ==
             70u);
}

BOOST_AUTO_TEST_CASE(steps_on_two_objects_have_the_orders_of_each) {
  BOOST_TEST(count_all([](world& w) { stores(w, {{0, 1}, {0, 2}, {1, 3}}, 4); }).schedules == 4u);
}

BOOST_AUTO_TEST_CASE(a_lock_is_one_step) {
  // 4! / (2! 2!)
  BOOST_TEST(count_all([](world& w) {
               model::mutex m;
               const auto body = [&] {
                 for (int i = 0; i != 2; ++i) std::lock_guard<model::mutex> lock(m);
               };
               w.thread("a", body);
               w.thread("b", body);
               w.run();
             }).schedules == 6u);
}

BOOST_AUTO_TEST_CASE(finds_a_lost_update) {
  const auto scenario = [](world& w) {
    model::atomic<int> a(0);
    const auto body = [&] { a.store(a.load() + 1); };
    w.thread("a", body);
    w.thread("b", body);
    w.run();
    MODEL_EXPECT(a.load() == 2);
  };
  BOOST_TEST(count_all(scenario).failed);
  bounded_preemption none(0, false);
  BOOST_TEST(!count(none, scenario).failed);
  bounded_preemption one(1, false);
  BOOST_TEST(count(one, scenario).failed);
  at_random any(100, 1, 1);
  BOOST_TEST(count(any, scenario).failed);
}

BOOST_AUTO_TEST_CASE(finds_a_deadlock_of_two_locks) {
  const auto scenario = [](world& w) {
    auto& a = *new model::mutex;
    auto& b = *new model::mutex;
    w.thread("ab", [&] {
      a.lock();
      b.lock();
      b.unlock();
      a.unlock();
    });
    w.thread("ba", [&] {
      b.lock();
      a.lock();
      a.unlock();
      b.unlock();
    });
    w.run();
  };
  BOOST_TEST(count_all(scenario).failed);
  const std::string schedule = scheduler::get().schedule();
  given_schedule again(schedule);
  BOOST_TEST(count(again, scenario).failed);
}

BOOST_AUTO_TEST_CASE(finds_a_wake_up_that_is_lost) {
  BOOST_TEST(count_all([](world& w) {
               auto& m = *new model::mutex;
               auto& changed = *new model::condition_variable;
               auto& ready = *new model::atomic<bool>(false);
               w.thread("sleeper", [&] {
                 if (ready.load()) return;
                 std::unique_lock<model::mutex> lock(m);
                 changed.wait(lock);
               });
               w.thread("waker", [&] {
                 ready.store(true);
                 std::lock_guard<model::mutex> lock(m);
                 changed.notify_one();
               });
               w.run();
             }).failed);
}

BOOST_AUTO_TEST_CASE(who_looks_under_the_lock_is_woken) {
  const auto scenario = [](world& w) {
    model::mutex m;
    model::condition_variable changed;
    bool ready = false;
    w.thread("sleeper", [&] {
      std::unique_lock<model::mutex> lock(m);
      while (!ready) changed.wait(lock);
    });
    w.thread("waker", [&] {
      std::lock_guard<model::mutex> lock(m);
      ready = true;
      changed.notify_one();
    });
    w.run();
  };
  const outcome seen = count_all(scenario);
  BOOST_TEST(!seen.failed);
  BOOST_TEST(seen.schedules == 2u);
}

BOOST_AUTO_TEST_CASE(a_deadline_passes_anywhere) {
  std::set<bool> in_time;
  BOOST_TEST(!count_all([&](world& w) {
                model::mutex m;
                model::condition_variable changed;
                bool ready = false;
                w.thread("sleeper", [&] {
                  std::unique_lock<model::mutex> lock(m);
                  while (!ready && model::clock::now() < model::clock::deadline())
                    changed.wait_until(lock, model::clock::deadline());
                  in_time.insert(ready);
                });
                w.thread("waker", [&] {
                  std::lock_guard<model::mutex> lock(m);
                  ready = true;
                  changed.notify_one();
                });
                w.deadline_passes();
                w.run();
              }).failed);
  BOOST_TEST(in_time.size() == 2u);
}

BOOST_AUTO_TEST_CASE(who_gives_up_its_turn_waits_for_a_change) {
  const auto scenario = [](world& w) {
    model::atomic<int> turn(0);
    w.thread("a", [&] {
      while (turn.load() != 1) threading::yield();
      turn.store(2);
    });
    w.thread("b", [&] {
      turn.store(1);
      while (turn.load() != 2) threading::yield();
    });
    w.run();
  };
  BOOST_TEST(!count_all(scenario).failed);
  bounded_preemption two(2, false);
  BOOST_TEST(!count(two, scenario).failed);
  // Nobody will ever set it.
  BOOST_TEST(count_all([](world& w) {
               auto& turn = *new model::atomic<int>(0);
               w.thread("a", [&] {
                 while (turn.load() != 1) threading::yield();
               });
               w.run();
             }).failed);
}

// The reduction against all interleavings: random programs, and everything that can come of them -

namespace {

/// A small number that depends on a state of its own.
unsigned draw(unsigned& state, unsigned bound) {
  state = state * 1664525u + 1013904223u;
  return (state >> 16) % bound;
}

/// What threads do to two counters, two locks and a queue, at random. Each notes what it has seen.
void random_program(world& w, unsigned seed, std::set<std::string>& seen) {
  struct shared {
    model::atomic<int> number[2] = {0, 0};
    model::mutex lock[2];
    int guarded[2] = {0, 0};
    model::condition_variable changed;
    work_queue queue;
    std::string notes[4];
  };
  auto& s = *new shared;
  const unsigned threads = 2 + draw(seed, 2);
  for (unsigned t = 0; t != threads; ++t) {
    const unsigned actions = threads == 2 ? 3 : 1 + (t == 0);
    std::vector<std::pair<unsigned, unsigned>> todo;
    for (unsigned i = 0; i != actions; ++i) {
      const unsigned what = draw(seed, 10);
      todo.emplace_back(what, draw(seed, 2));
    }
    w.thread("any", [&s, t, todo] {
      const auto note = [&](int n) { s.notes[t] += std::to_string(n) + ","; };
      for (const auto& [what, which] : todo) {
        const int mine = static_cast<int>(t) + 1;
        switch (what) {
          case 0:
            s.number[which].store(mine);
            break;
          case 1:
            note(s.number[which].load());
            break;
          case 2:
            note(s.number[which].fetch_add(mine));
            break;
          case 3: {
            std::lock_guard<model::mutex> lock(s.lock[which]);
            note(std::exchange(s.guarded[which], mine));
            break;
          }
          case 4: {
            std::lock_guard<model::mutex> lock(s.lock[which]);
            note(s.number[which].fetch_add(mine));
            s.guarded[which] = mine;
            break;
          }
          case 5: {
            std::lock_guard<model::mutex> lock(s.lock[which]);
            std::lock_guard<model::mutex> other(s.lock[1 - which]);
            note(s.guarded[0] + 10 * s.guarded[1]);
            break;
          }
          case 6: {
            std::unique_lock<model::mutex> lock(s.lock[0]);
            if (s.guarded[0] == 0 && which == 0) s.changed.wait(lock);
            note(s.guarded[0]);
            break;
          }
          case 7: {
            std::lock_guard<model::mutex> lock(s.lock[0]);
            s.guarded[0] = mine;
            s.changed.notify_one();
            break;
          }
          case 9:
            while (s.number[which].load() == 0) threading::yield();
            break;
          case 8:
            s.queue.post([&s, mine] { s.notes[3] += std::to_string(mine) + ";"; });
            break;
        }
      }
    });
  }
  if (draw(seed, 2) == 0) w.worker("worker", s.queue);
  w.run();
  std::string all;
  for (const auto& n : s.notes) all += n + "|";
  all += std::to_string(s.number[0].load()) + std::to_string(s.number[1].load());
  seen.insert(all + std::to_string(s.guarded[0]) + std::to_string(s.guarded[1]));
  delete &s;
}

struct findings {
  std::set<std::string> outcomes;
  bool may_deadlock = false;
};

/// Everything that can come of a program; not more than that it may deadlock, if it may.
findings explore_random_program(search& order, unsigned seed, std::size_t& schedules) {
  findings seen;
  while (order.begin()) {
    ++schedules;
    seen.may_deadlock = !scheduler::get().run_program(order, [&] {
      world w;
      random_program(w, seed, seen.outcomes);
    });
    if (seen.may_deadlock) break;
  }
  return seen;
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_reduction_loses_nothing) {
  std::size_t reduced = 0;
  std::size_t full = 0;
  std::size_t deadlocks = 0;
  const unsigned programs = std::getenv("SLUICE_MODEL_DEEP") != nullptr ? 1500 : 80;
  for (unsigned seed = 1; seed <= programs; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      every_interleaving some(false);
      const findings found = explore_random_program(some, seed, reduced);
      bounded_preemption all(100, false);
      const findings there_are = explore_random_program(all, seed, full);
      BOOST_TEST_REQUIRE(found.may_deadlock == there_are.may_deadlock);
      deadlocks += found.may_deadlock;
      if (!found.may_deadlock) BOOST_TEST_REQUIRE((found.outcomes == there_are.outcomes));
    }
  }
  BOOST_TEST_MESSAGE(reduced << " schedules instead of " << full << ", " << deadlocks
                             << " programs may deadlock");
  BOOST_TEST(reduced * 4 < full);
  BOOST_TEST(deadlocks > 3u);
}
