// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE channel_cancellation

// Cancelling many operations, each of them in constant time; and racing a receive against a timer
// by callbacks, where nothing is lost whoever is first (D3).

#include "support/flavours.hpp"
#include "support/guarded_arena.hpp"
#include "support/message.hpp"
#include "support/probe.hpp"
#include "support/seed.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <numeric>
#include <vector>

using namespace support;

// Cancelling one of many --------------------------------------------------------------------------

namespace {

constexpr std::size_t crowd_size = 32'000;

/// A crowd of operations that wait, each in a place of its own.
class crowd {
 public:
  /// Stands for one of them.
  class handler {
   public:
    using cancellation_slot_type = asio::cancellation_slot;
    using allocator_type = arena_allocator<void>;

    handler(crowd& owner, std::size_t index) noexcept : owner_(&owner), index_(index) {}

    void operator()(error_code ec) const { owner_->complete(index_, ec); }
    void operator()(error_code ec, const std::optional<message>&) const { (*this)(ec); }

    cancellation_slot_type get_cancellation_slot() const noexcept {
      return owner_->signals_[index_].slot();
    }
    allocator_type get_allocator() const noexcept {
      return allocator_type(owner_->arena_, owner_->gathering_);
    }

   private:
    crowd* owner_;
    std::size_t index_;
  };

  /// Lets the crowd gather: `begin` begins one operation with the handler it is given.
  template <class Begin>
  explicit crowd(Begin begin) : signals_(crowd_size), outcomes_(crowd_size) {
    for (std::size_t i = 0; i != crowd_size; ++i) {
      begin(handler(*this, i));
      places_.push_back(arena_.last());
      neighbours_.emplace_back(i - 1, i + 1);
    }
    gathering_ = false;
  }

  crowd(const crowd&) = delete;
  crowd& operator=(const crowd&) = delete;

  /// Cancels all of them in this order, one by one. While one is cancelled only it, its neighbours
  /// and the first in line, who knows the last, may be touched.
  void cancel(const std::vector<std::size_t>& order) {
    arena_.forbid_all();
    for (std::size_t index : order) {
      auto [before, after] = neighbours_[index];
      void* const places[] = {place(before), places_[index], place(after), place(front_)};
      for (void* p : places) arena_.allow(p);
      signals_[index].emit(asio::cancellation_type::terminal);
      for (void* p : places) arena_.forbid(p);
      (before < crowd_size ? neighbours_[before].second : front_) = after;
      if (after < crowd_size) neighbours_[after].first = before;
    }
    arena_.allow_all();
  }

  /// How many have completed as cancelled, and once only.
  std::size_t cancelled() const {
    return static_cast<std::size_t>(std::count(outcomes_.begin(), outcomes_.end(), 1));
  }

 private:
  // A block for an operation takes 512 bytes at most.
  static constexpr std::size_t arena_size = crowd_size * 512;

  // Beyond the ends, in both directions, nobody stands.
  void* place(std::size_t index) const { return index < crowd_size ? places_[index] : nullptr; }

  void complete(std::size_t index, error_code ec) {
    outcomes_[index] += ec == asio::error::operation_aborted ? 1 : 100;
  }

  guarded_arena arena_{arena_size};
  bool gathering_ = true;
  std::vector<asio::cancellation_signal> signals_;
  std::vector<int> outcomes_;
  std::vector<void*> places_;
  std::vector<std::pair<std::size_t, std::size_t>> neighbours_;
  std::size_t front_ = 0;
};

std::vector<std::size_t> forwards() {
  std::vector<std::size_t> order(crowd_size);
  std::iota(order.begin(), order.end(), std::size_t{0});
  return order;
}

std::vector<std::size_t> backwards() {
  auto order = forwards();
  std::reverse(order.begin(), order.end());
  return order;
}

std::vector<std::size_t> at_random(random_source& random) {
  auto order = forwards();
  std::shuffle(order.begin(), order.end(), random.engine());
  return order;
}

// How a channel keeps its values has nothing to do with this.
constexpr any_threading crowded_flavours{1, {bounded_one}};

}  // namespace

FLAVOUR_TEST_CASE(K4_one_of_32000_receives_is_cancelled_without_a_look_at_the_others,
                  crowded_flavours) {
  random_source random;
  for (const auto& order : {backwards(), at_random(random)}) {
    asio::io_context context;
    auto [tx, rx] = flavour.open(context);
    crowd waiting([r = &rx](crowd::handler&& h) { r->async_receive(std::move(h)); });
    waiting.cancel(order);
    BOOST_TEST(waiting.cancelled() == 0u);
    run_ready(context);
    BOOST_TEST(waiting.cancelled() == crowd_size);
    // None of them is left in the way.
    begin_send(tx, 1);
    BOOST_TEST(take(rx).id == 1);
  }
}

FLAVOUR_TEST_CASE(K4_one_of_32000_sends_is_cancelled_without_a_look_at_the_others,
                  crowded_flavours) {
  random_source random;
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  BOOST_TEST(!tx.try_send(message(1)));
  crowd waiting([t = &tx](crowd::handler&& h) { t->async_send(message(0), std::move(h)); });
  waiting.cancel(at_random(random));
  run_ready(context);
  BOOST_TEST(waiting.cancelled() == crowd_size);
  BOOST_TEST(drain(rx) == "1");
}

FLAVOUR_TEST_CASE(D6_a_value_finds_its_way_through_32000_cancelled_receives, crowded_flavours) {
  random_source random;
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  std::vector<receive_probe<message>> waiting;
  for (std::size_t i = 0; i != crowd_size; ++i) waiting.push_back(begin_receive(rx));
  const std::size_t survivor = random.below(crowd_size);
  // The first is promised the value, and each that is cancelled passes it on.
  BOOST_TEST(!tx.try_send(message(1)));
  for (std::size_t i : at_random(random))
    if (i != survivor) waiting[i].cancel();
  run_ready(context);
  BOOST_TEST(waiting[survivor].id() == 1);
}

// A receive against a timer -----------------------------------------------------------------------

namespace {

/// Receives until it has seen the end, each time with a timer beside that may be first. Whoever is
/// first cancels the other; then comes the next round.
template <class Receiver>
class receive_or_timer {
 public:
  receive_or_timer(Receiver& rx, asio::io_context& context, random_source& random)
      : rx_(rx), timer_(context), random_(random) {}

  void begin_round() {
    ++rounds;
    pending_ = 2;
    // In the past, now, or a few microseconds from now.
    timer_.expires_after(std::chrono::microseconds(static_cast<int>(random_.below(8)) - 2));
    auto wait = [this] {
      timer_.async_wait(asio::bind_cancellation_slot(timer_signal_.slot(), [this](error_code ec) {
        if (!ec) receive_signal_.emit(asio::cancellation_type::terminal);
        end_branch();
      }));
    };
    auto receive = [this] {
      rx_.async_receive(asio::bind_cancellation_slot(
          receive_signal_.slot(), [this](error_code ec, std::optional<message> received) {
            if (!ec) timer_signal_.emit(asio::cancellation_type::terminal);
            if (received) ids.push_back(received->id());
            if (ec) ++lost_races;
            ended_ = !ec && !received;
            end_branch();
          }));
    };
    if (random_.coin()) {
      wait();
      receive();
    } else {
      receive();
      wait();
    }
  }

  std::vector<int> ids;
  int rounds = 0;
  int lost_races = 0;

 private:
  void end_branch() {
    if (--pending_ == 0 && !ended_) begin_round();
  }

  Receiver& rx_;
  asio::steady_timer timer_;
  random_source& random_;
  asio::cancellation_signal receive_signal_;
  asio::cancellation_signal timer_signal_;
  int pending_ = 0;
  bool ended_ = false;
};

}  // namespace

FLAVOUR_TEST_CASE(D3_asio_issue_1041_receive_or_timer_by_callbacks_loses_nothing, flavours) {
  constexpr int messages = 3'000;
  random_source random;
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  receive_or_timer receiver(rx, context, random);
  receiver.begin_round();

  // Each message is sent some random number of turns after the one before.
  auto sender = std::move(tx);
  int next = 0;
  std::function<void()> turn = [&] {
    if (next == messages) {
      sender = {};
      return;
    }
    if (random.below(4) == 0)
      sender.async_send(message(next++), [&turn](error_code ec) {
        BOOST_TEST_REQUIRE(!ec);
        turn();
      });
    else
      asio::post(context, turn);
  };
  turn();
  context.run();

  std::vector<int> all(messages);
  std::iota(all.begin(), all.end(), 0);
  BOOST_TEST(receiver.ids == all, boost::test_tools::per_element());
  // There was a race, and it went both ways.
  BOOST_TEST(receiver.lost_races > 0);
  BOOST_TEST(receiver.rounds >= messages);
}
