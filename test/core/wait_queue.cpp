// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE wait_queue

// The line in which waiters stand against a plain list; the list of those who are woken; and the
// link between a waiter and its cancellation handler.

#include <sluice/detail/core/waiter.hpp>

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <random>
#include <vector>

using namespace sluice::detail::core;

namespace {

class stub final : public waiter {
 public:
  explicit stub(std::uint64_t place) : waiter(&stub::on_wake, &stub::on_drop, 1) { order = place; }

  std::function<void(stub&)> woken;
  std::function<void(stub&)> dropped;

 private:
  static void on_wake(waiter& w) noexcept {
    auto& self = static_cast<stub&>(w);
    self.woken(self);
  }
  static void on_drop(waiter& w) noexcept {
    auto& self = static_cast<stub&>(w);
    self.dropped(self);
  }
};

std::vector<const waiter*> forwards(const wait_queue& queue) {
  std::vector<const waiter*> seen;
  for (const waiter* w = queue.front(); w != nullptr; w = w->next) seen.push_back(w);
  return seen;
}

// From whoever stands last, whom the first one knows.
std::vector<const waiter*> backwards(const wait_queue& queue) {
  std::vector<const waiter*> seen;
  if (queue.empty()) return seen;
  const waiter* w = queue.front()->previous;
  BOOST_CHECK(w->next == nullptr);
  for (; w != queue.front(); w = w->previous) seen.push_back(w);
  seen.push_back(w);
  return seen;
}

void check_same(const wait_queue& queue, const std::vector<const waiter*>& reference) {
  BOOST_TEST(queue.empty() == reference.empty());
  BOOST_CHECK(forwards(queue) == reference);
  BOOST_CHECK(backwards(queue) == std::vector<const waiter*>(reference.rbegin(), reference.rend()));
  for (const waiter* w : reference) BOOST_CHECK(w->queue == &queue);
}

void check_outside(const waiter& w) {
  BOOST_CHECK(w.queue == nullptr);
  BOOST_CHECK(w.previous == nullptr);
  BOOST_CHECK(w.next == nullptr);
}

}  // namespace

BOOST_AUTO_TEST_CASE(an_empty_line_has_no_first) {
  wait_queue queue;
  BOOST_TEST(queue.empty());
  BOOST_CHECK(queue.front() == nullptr);
}

BOOST_AUTO_TEST_CASE(who_comes_first_leaves_first) {
  wait_queue queue;
  stub a(0), b(1), c(2);
  for (stub* w : {&a, &b, &c}) queue.push_back(*w);
  check_same(queue, {&a, &b, &c});
  BOOST_CHECK(&queue.pop_front() == &a);
  check_outside(a);
  check_same(queue, {&b, &c});
  BOOST_CHECK(&queue.pop_front() == &b);
  BOOST_CHECK(&queue.pop_front() == &c);
  check_same(queue, {});
  queue.push_back(a);
  check_same(queue, {&a});
}

// Each subset of a line of five, in each order of leaving.
BOOST_AUTO_TEST_CASE(anybody_may_leave_at_any_time) {
  std::vector<std::size_t> leaving = {0, 1, 2, 3, 4};
  do {
    wait_queue queue;
    std::deque<stub> stubs;
    std::vector<const waiter*> reference;
    for (std::uint64_t i = 0; i != 5; ++i) {
      stubs.emplace_back(i);
      queue.push_back(stubs.back());
      reference.push_back(&stubs.back());
    }
    for (std::size_t which : leaving) {
      queue.erase(stubs[which]);
      check_outside(stubs[which]);
      reference.erase(std::find(reference.begin(), reference.end(), &stubs[which]));
      check_same(queue, reference);
    }
  } while (std::next_permutation(leaving.begin(), leaving.end()));
}

// D5: whatever order they come back in, they stand in the order of their numbers again.
BOOST_AUTO_TEST_CASE(who_comes_back_gets_its_old_place) {
  std::vector<std::size_t> returning = {0, 1, 2, 3, 4};
  do {
    wait_queue queue;
    std::deque<stub> stubs;
    for (std::uint64_t i = 0; i != 5; ++i) stubs.emplace_back(10 * i + 3);
    std::vector<const waiter*> reference;
    for (std::size_t which : returning) {
      queue.insert_in_order(stubs[which]);
      reference.push_back(&stubs[which]);
      std::sort(reference.begin(), reference.end(),
                [](const waiter* x, const waiter* y) { return x->order < y->order; });
      check_same(queue, reference);
    }
    stub newcomer(99);
    queue.push_back(newcomer);
    reference.push_back(&newcomer);
    check_same(queue, reference);
  } while (std::next_permutation(returning.begin(), returning.end()));
}

BOOST_AUTO_TEST_CASE(it_does_what_a_list_does) {
  std::mt19937 random(77);
  wait_queue queue;
  std::deque<stub> stubs;
  std::vector<const waiter*> reference;
  std::vector<stub*> outside;
  for (std::uint64_t i = 0; i != 30; ++i) {
    stubs.emplace_back(0);
    outside.push_back(&stubs.back());
  }
  std::uint64_t place = 1;
  for (int step = 0; step != 5000; ++step) {
    switch (random() % 4) {
      case 0:
      case 1: {
        if (outside.empty()) break;
        const std::size_t which = random() % outside.size();
        stub* w = outside[which];
        outside.erase(outside.begin() + static_cast<std::ptrdiff_t>(which));
        // One that has a place goes back to it, a new one gets the next.
        if (w->order == 0) {
          w->order = place++;
          queue.push_back(*w);
          reference.push_back(w);
        } else {
          queue.insert_in_order(*w);
          reference.insert(
              std::find_if(reference.begin(), reference.end(),
                           [&](const waiter* other) { return other->order > w->order; }),
              w);
        }
        break;
      }
      case 2: {
        if (reference.empty()) break;
        waiter& w = queue.pop_front();
        BOOST_CHECK(&w == reference.front());
        reference.erase(reference.begin());
        if (random() % 2 == 0) w.order = 0;
        outside.push_back(&static_cast<stub&>(w));
        break;
      }
      case 3: {
        if (reference.empty()) break;
        const std::size_t which = random() % reference.size();
        auto& w = const_cast<stub&>(static_cast<const stub&>(*reference[which]));
        queue.erase(w);
        reference.erase(reference.begin() + static_cast<std::ptrdiff_t>(which));
        if (random() % 2 == 0) w.order = 0;
        outside.push_back(&w);
        break;
      }
    }
    if (step % 16 == 0) check_same(queue, reference);
  }
  check_same(queue, reference);
}

// Waking ------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(those_to_be_woken_are_woken_in_order_and_once) {
  wake_list list;
  BOOST_TEST(list.empty());
  std::vector<std::uint64_t> seen;
  std::deque<stub> stubs;
  for (std::uint64_t i = 0; i != 4; ++i) {
    stubs.emplace_back(i);
    stubs.back().woken = [&](stub& w) { seen.push_back(w.order); };
    list.push(stubs.back());
  }
  BOOST_TEST(!list.empty());
  list.wake_all();
  BOOST_TEST(list.empty());
  list.wake_all();
  BOOST_TEST(seen == (std::vector<std::uint64_t>{0, 1, 2, 3}), boost::test_tools::per_element());
}

// However many there are in each of two lists, and whatever comes after.
BOOST_AUTO_TEST_CASE(a_list_takes_over_what_another_one_holds) {
  for (std::uint64_t first = 0; first != 4; ++first) {
    for (std::uint64_t second = 0; second != 4; ++second) {
      std::vector<std::uint64_t> seen;
      std::deque<stub> stubs;
      wake_list list;
      wake_list other;
      auto push = [&](wake_list& to) {
        stubs.emplace_back(stubs.size());
        stubs.back().woken = [&](stub& w) { seen.push_back(w.order); };
        to.push(stubs.back());
      };
      for (std::uint64_t i = 0; i != first; ++i) push(list);
      for (std::uint64_t i = 0; i != second; ++i) push(other);
      list.append(other);
      BOOST_TEST(other.empty());
      push(list);
      push(other);
      list.append(other);
      list.wake_all();
      other.wake_all();
      BOOST_TEST(seen.size() == first + second + 2);
      BOOST_TEST(std::is_sorted(seen.begin(), seen.end()));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_waiter_may_be_gone_when_it_has_been_woken) {
  wake_list list;
  int gone = 0;
  for (std::uint64_t i = 0; i != 3; ++i) {
    auto* w = new stub(i);
    w->woken = [&](stub& self) {
      ++gone;
      delete &self;
    };
    list.push(*w);
  }
  list.wake_all();
  BOOST_TEST(gone == 3);
}

BOOST_AUTO_TEST_CASE(a_waiter_may_be_on_another_wake_list_as_soon_as_it_has_been_woken) {
  wake_list first;
  wake_list second;
  std::vector<std::uint64_t> seen;
  stub a(0), b(1);
  a.woken = [&](stub& w) {
    if (seen.empty()) second.push(w);
    seen.push_back(w.order);
  };
  b.woken = [&](stub& w) { seen.push_back(w.order); };
  first.push(a);
  first.push(b);
  first.wake_all();
  second.wake_all();
  BOOST_TEST(seen == (std::vector<std::uint64_t>{0, 1, 0}), boost::test_tools::per_element());
}

// A line that counts -------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_counting_line_counts_however_somebody_leaves) {
  std::mt19937 random(1);
  wait_queue plain;
  counting_queue counting;
  std::deque<stub> all;
  for (std::uint64_t i = 0; i != 8; ++i) all.emplace_back(i);
  std::size_t expected = 0;
  for (int round = 0; round != 10'000; ++round) {
    stub& w = all[random() % all.size()];
    if (w.queue == nullptr && random() % 2 == 0) {
      plain.push_back(w);
    } else if (w.queue == nullptr) {
      counting.push_back(w);
      ++expected;
    } else if (w.queue == &counting && random() % 2 == 0) {
      counting.pop_front();
      --expected;
    } else {
      // As who does not know which line it is.
      if (w.queue == &counting) --expected;
      w.queue->erase(w);
      check_outside(w);
    }
    BOOST_TEST_REQUIRE(counting.size() == expected);
    BOOST_TEST_REQUIRE(forwards(counting).size() == expected);
  }
}

// The link to a cancellation handler --------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_link_ends_once) {
  cancel_link link;
  BOOST_CHECK(link.target() == nullptr);
  {
    stub w(0);
    BOOST_TEST(!w.forget_link());
    w.connect(link);
    BOOST_CHECK(link.target() == &w);
    BOOST_TEST(w.forget_link());
    BOOST_CHECK(link.target() == nullptr);
    BOOST_TEST(!w.forget_link());
  }
  BOOST_CHECK(link.target() == nullptr);
}

BOOST_AUTO_TEST_CASE(a_waiter_lives_in_each_of_its_contexts) {
  int first = 0, second = 0, third = 0;
  stub w(0);
  w.homes[0] = &first;
  w.homes[1] = &second;
  BOOST_TEST(w.lives_in(&first));
  BOOST_TEST(w.lives_in(&second));
  BOOST_TEST(!w.lives_in(&third));
}
