// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE threading

// What a threading policy has to offer, asked of both of them: states are written against this and
// nothing else.

#include <sluice/threading.hpp>

#include <boost/mpl/list.hpp>
#include <boost/test/unit_test.hpp>

#include <mutex>
#include <thread>
#include <vector>

using policies = boost::mpl::list<sluice::multi_threaded, sluice::single_threaded>;

BOOST_AUTO_TEST_CASE_TEMPLATE(atomic_variables_count_and_are_exchanged, Threading, policies) {
  using number = typename Threading::template atomic<unsigned>;
  const number untouched{};
  BOOST_TEST(untouched.load() == 0u);
  number n(5u);
  BOOST_TEST(n.fetch_add(3u, std::memory_order_relaxed) == 5u);
  BOOST_TEST(n.fetch_sub(1u, std::memory_order_acq_rel) == 8u);
  BOOST_TEST(n.load(std::memory_order_acquire) == 7u);
  unsigned expected = 9;
  BOOST_TEST(!n.compare_exchange_weak(expected, 1u));
  BOOST_TEST(expected == 7u);
  // The weak form may fail for no reason.
  while (!n.compare_exchange_weak(expected, 1u)) BOOST_TEST_REQUIRE(expected == 7u);
  BOOST_TEST(n.load() == 1u);
  n.store(4u, std::memory_order_release);
  BOOST_TEST(n.load() == 4u);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_thread_has_one_object_of_each_type_for_itself, Threading,
                              policies) {
  struct mine {
    int value = 0;
  };
  struct other {
    int value = 0;
  };
  auto& here = Threading::template of_this_thread<mine>();
  here.value = 1;
  BOOST_TEST(&Threading::template of_this_thread<mine>() == &here);
  BOOST_TEST(Threading::template of_this_thread<other>().value == 0);
  int elsewhere = -1;
  std::thread([&elsewhere] {
    elsewhere = Threading::template of_this_thread<mine>().value;
  }).join();
  BOOST_TEST(elsewhere == 0);
  here.value = 0;
}

BOOST_AUTO_TEST_CASE_TEMPLATE(locks_can_be_taken_one_after_the_other, Threading, policies) {
  typename Threading::mutex mutex;
  typename Threading::context_mutex context_mutex;
  for (int i = 0; i != 2; ++i) {
    std::lock_guard<typename Threading::mutex> first(mutex);
    std::lock_guard<typename Threading::context_mutex> second(context_mutex);
  }
  // To give up one's turn is no more than that.
  Threading::yield();
}

BOOST_AUTO_TEST_CASE(the_locks_of_several_threads_exclude) {
  sluice::multi_threaded::mutex mutex;
  constexpr int rounds = 10'000;
  int count = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i != 3; ++i)
    threads.emplace_back([&] {
      for (int round = 0; round != rounds; ++round) {
        std::lock_guard<sluice::multi_threaded::mutex> lock(mutex);
        ++count;
      }
    });
  for (auto& thread : threads) thread.join();
  BOOST_TEST(count == 3 * rounds);
}

BOOST_AUTO_TEST_CASE(a_look_that_sees_nothing_comes_to_an_end) {
  int looks = 0;
  BOOST_TEST(sluice::multi_threaded::spin_until([&looks] { return ++looks == 2; }));
  BOOST_TEST(looks == 2);
  BOOST_TEST(!sluice::multi_threaded::spin_until([] { return false; }));
}

BOOST_AUTO_TEST_CASE(so_does_one_that_lingers) {
  int looks = 0;
  BOOST_TEST(sluice::multi_threaded::linger_until([&looks] { return ++looks == 3; }));
  BOOST_TEST(looks == 3);
  BOOST_TEST(!sluice::multi_threaded::linger_until([] { return false; }));
}
