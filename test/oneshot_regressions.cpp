// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE oneshot_regressions

// What once went wrong with oneshots, one test each.

#include "support/flavours.hpp"
#include "support/oneshots.hpp"
#include "support/probe.hpp"
#include "support/unit_test.hpp"
#include "support/user_executors.hpp"

#include <sluice/oneshot.hpp>

#include <boost/asio/io_context.hpp>

#include <string>
#include <utility>

using namespace support;
using sluice::error;

namespace {

/// Nobody may take its address but by std::addressof.
class hidden {
 public:
  explicit hidden(int number) : text_(std::to_string(number)) {}

  hidden* operator&() = delete;
  const hidden* operator&() const = delete;

  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

/// Notices if it is copied from one that was destroyed. It cannot be assigned, as executors need
/// not.
class mortal_executor : public minimal_executor {
 public:
  explicit mortal_executor(task_queue& tasks) noexcept : minimal_executor{&tasks} {}
  // The other one is asked first, since it may have been in the same place.
  mortal_executor(const mortal_executor& other) noexcept
      : minimal_executor(other),
        life_((copies_of_the_dead += other.life_ == alive ? 0 : 1, alive)) {}
  mortal_executor& operator=(const mortal_executor&) = delete;
  ~mortal_executor() { life_ = 0; }

  static inline int copies_of_the_dead = 0;

 private:
  static constexpr int alive = 7;

  volatile int life_ = alive;
};

}  // namespace

// A value was put where `&` said that there was room for it.
FLAVOUR_TEST_CASE(a_value_may_have_an_address_operator_of_its_own, oneshots) {
  asio::io_context context;
  auto [tx, rx] = open_oneshot<hidden>(flavour, context);
  hidden value(7);
  BOOST_TEST(!tx.send(std::move(value)));
  BOOST_TEST((tx.send(hidden(8)) == error::closed));
  auto received = begin_receive(rx);
  run_ready(context);
  BOOST_TEST(received.value().text() == "7");
}

// An executor that cannot be assigned was destroyed first, and then copied from.
FLAVOUR_TEST_CASE(a_handle_may_be_swapped_with_itself, oneshots) {
  task_queue queue;
  auto [tx, rx] = open_oneshot<message, mortal_executor>(flavour, mortal_executor(queue));
  auto& same_rx = rx;
  swap(rx, same_rx);
  tx.swap(tx);
  rx = std::move(same_rx);
  BOOST_TEST(mortal_executor::copies_of_the_dead == 0);
  auto received = begin_receive(rx);
  BOOST_TEST(!tx.send(message(1)));
  queue.run();
  BOOST_TEST(received.id() == 1);
}
