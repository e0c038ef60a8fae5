// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE channel_state

// The state of a channel against a plain reference, over every order in which things can happen to
// it. A sequence of steps that fails is printed.

#include "world.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <deque>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <unordered_set>
#include <vector>

namespace {

using namespace core_test;

constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();

// Exploration -------------------------------------------------------------------------------------

// Takes the steps and ends the world. `next`, if wanted, is what could have come instead of the
// end.
void run(std::size_t capacity, const path& steps, const path& alphabet = {}, path* next = nullptr,
         std::string* key = nullptr) {
  try {
    world w(capacity);
    for (std::size_t i = 0; i != steps.size(); ++i) w.take(steps[i], i + 1 == steps.size());
    if (next != nullptr) w.list_steps(alphabet, *next);
    if (key != nullptr) *key = w.key();
    w.end();
  } catch (const broken& b) {
    BOOST_FAIL(b.what << " (capacity " << capacity << "): " << text_of(steps));
  }
}

constexpr std::size_t capacities[] = {0, 1, 2, unlimited};

// For who has more time: how many steps deeper to go.
std::size_t deeper() {
  const char* text = std::getenv("SLUICE_EXPLORE_DEEPER");
  return text != nullptr ? std::strtoul(text, nullptr, 10) : 0;
}

// Most of what can happen, happens in each kind of channel. So one kind is explored to the full
// depth, the one in which a mix of steps is most interesting, and the others one step less deep.
std::size_t depth_for(std::size_t capacity, std::size_t most_interesting, std::size_t depth) {
  return depth + deeper() - (capacity == most_interesting ? 0 : 1);
}

// Every sequence of up to `depth` steps.
void explore(const path& alphabet, std::size_t most_interesting, std::size_t depth) {
  struct explorer {
    void below(path& steps, std::size_t left) {
      path next;
      ++sequences;
      run(capacity, steps, alphabet, left == 0 ? nullptr : &next);
      for (step s : next) {
        steps.push_back(s);
        below(steps, left - 1);
        steps.pop_back();
      }
    }
    const path& alphabet;
    std::size_t capacity;
    std::size_t sequences;
  };
  for (std::size_t capacity : capacities) {
    explorer e{alphabet, capacity, 0};
    path steps;
    const std::size_t most = depth_for(capacity, most_interesting, depth);
    e.below(steps, most);
    BOOST_TEST_MESSAGE("capacity " << capacity << ": " << e.sequences << " sequences of up to "
                                   << most << " steps");
    BOOST_TEST(e.sequences > 1000u);
  }
}

// Every situation that can be reached in up to `depth` steps, by one of the shortest ways.
void explore_situations(const path& alphabet, std::size_t most_interesting, std::size_t depth) {
  struct situation {
    path steps;
    path next;  // what can come after it
  };
  for (std::size_t capacity : capacities) {
    std::unordered_set<std::string> met;
    std::vector<situation> frontier(1);
    run(capacity, {}, alphabet, &frontier[0].next);
    std::size_t steps_taken = 0;
    const std::size_t most = depth_for(capacity, most_interesting, depth);
    for (std::size_t length = 1; length <= most; ++length) {
      std::vector<situation> beyond;
      for (situation& from : frontier) {
        for (step s : from.next) {
          situation to;
          from.steps.push_back(s);
          std::string key;
          run(capacity, from.steps, alphabet, length == most ? nullptr : &to.next, &key);
          ++steps_taken;
          if (met.insert(key).second && length != most) {
            to.steps = from.steps;
            beyond.push_back(std::move(to));
          }
          from.steps.pop_back();
        }
      }
      frontier = std::move(beyond);
    }
    BOOST_TEST_MESSAGE("capacity " << capacity << ": " << met.size() << " situations, "
                                   << steps_taken << " steps between them, depth " << most);
    BOOST_TEST(met.size() > 1000u);
  }
}

// Long random sequences, from a fixed seed.
void wander(const path& alphabet, unsigned seed, std::size_t walks, std::size_t length) {
  std::mt19937 random(seed);
  std::size_t taken = 0;
  for (std::size_t i = 0; i != walks; ++i) {
    const std::size_t capacity = i % 5 == 4 ? unlimited : i % 5;
    path steps;
    path next;
    try {
      world w(capacity);
      for (std::size_t j = 0; j != length; ++j) {
        w.list_steps(alphabet, next);
        if (next.empty()) break;
        steps.push_back(next[random() % next.size()]);
        w.take(steps.back(), true);
      }
      taken += steps.size();
      w.end();
    } catch (const broken& b) {
      BOOST_FAIL(b.what << " (capacity " << capacity << ", walk " << i << " of seed " << seed
                        << "): " << text_of(steps));
    }
  }
  BOOST_TEST_MESSAGE(walks << " walks of up to " << length << " steps, " << taken
                           << " in all, seed " << seed);
  BOOST_TEST(taken > 10 * walks);
}

const path traffic = {{act::try_send}, {act::force_send}, {act::send},       {act::try_receive},
                      {act::receive},  {act::come_back},  {act::wait_again}, {act::cancel}};

const path closing = {{act::try_send},    {act::send},         {act::receive},
                      {act::wait_closed}, {act::come_back},    {act::wait_again},
                      {act::lose},        {act::cancel},       {act::try_receive},
                      {act::lock_sender}, {act::drop_sender},  {act::add_receiver},
                      {act::close, 1},    {act::drop_receiver}};

const path dying_contexts = {
    {act::try_send},          {act::send, in_first},   {act::send, in_second},
    {act::receive, in_first}, {act::receive, in_both}, {act::come_back},
    {act::wait_again},        {act::cancel},           {act::drop_sender},
    {act::evict, 0},          {act::evict, 1},         {act::revive, 0}};

const path refusing = {{act::try_send},
                       {act::send},
                       {act::send, refused},
                       {act::receive},
                       {act::come_back},
                       {act::receive, refused},
                       {act::wait_closed, refused},
                       {act::wait_again},
                       {act::lose},
                       {act::cancel},
                       {act::drop_sender},
                       {act::close, 0},
                       {act::drop_receiver}};

const path owners = {{act::try_send},
                     {act::send},
                     {act::send, other_handle},
                     {act::receive},
                     {act::receive, other_handle},
                     {act::come_back},
                     {act::wait_again},
                     {act::disconnect},
                     {act::drop_sender},
                     {act::cancel_owner, 1},
                     {act::cancel_owner, 2}};

const path reserving = {{act::try_reserve}, {act::reserve},     {act::reserve, several},
                        {act::use_permit},  {act::drop_permit}, {act::send},
                        {act::try_receive}, {act::receive},     {act::come_back},
                        {act::cancel},      {act::drop_sender}, {act::close, 0}};

const path losing_places = {{act::try_reserve, several},
                            {act::reserve, in_first},
                            {act::reserve, in_second + refused},
                            {act::drop_permit},
                            {act::send, in_first},
                            {act::receive},
                            {act::come_back},
                            {act::lose},
                            {act::evict, 0},
                            {act::cancel_owner, 1},
                            {act::drop_sender},
                            {act::drop_receiver},
                            {act::close, 1}};

const path several_values = {{act::try_send},      {act::force_send},  {act::send},
                             {act::send, several}, {act::try_receive}, {act::receive},
                             {act::come_back},     {act::wait_again},  {act::cancel},
                             {act::cancel_total},  {act::drop_sender}, {act::close, 0}};

const path one_line = {{act::send, several},    {act::send, other_handle}, {act::reserve},
                       {act::reserve, several}, {act::try_reserve},        {act::use_permit},
                       {act::drop_permit},      {act::force_send},         {act::try_receive},
                       {act::come_back},        {act::cancel_owner, 2},    {act::cancel}};

const path everything = {{act::try_send},
                         {act::force_send},
                         {act::send, in_first},
                         {act::send, in_both + other_handle},
                         {act::try_receive},
                         {act::receive, in_second},
                         {act::receive, in_both},
                         {act::receive, in_first + other_handle},
                         {act::wait_closed, in_second},
                         {act::come_back},
                         {act::wait_again},
                         {act::lose},
                         {act::cancel},
                         {act::disconnect},
                         {act::cancel_owner, 1},
                         {act::cancel_owner, 2},
                         {act::add_sender},
                         {act::lock_sender},
                         {act::drop_sender},
                         {act::add_receiver},
                         {act::drop_receiver},
                         {act::close, 0},
                         {act::close, 1},
                         {act::evict, 0},
                         {act::evict, 1},
                         {act::revive, 0},
                         {act::revive, 1},
                         {act::receive, in_first + refused},
                         {act::send, in_second + refused},
                         {act::send, in_first + several},
                         {act::cancel_total},
                         {act::try_reserve},
                         {act::reserve, in_first + several},
                         {act::reserve, in_both + other_handle},
                         {act::reserve, in_second + refused},
                         {act::use_permit},
                         {act::drop_permit}};

}  // namespace

BOOST_AUTO_TEST_CASE(every_order_of_sending_receiving_and_cancelling) {
  explore(traffic, 0, 6);
}
BOOST_AUTO_TEST_CASE(every_order_of_closing) {
  explore(closing, 1, 5);
}
BOOST_AUTO_TEST_CASE(every_order_in_which_contexts_die) {
  explore(dying_contexts, 0, 5);
}
BOOST_AUTO_TEST_CASE(every_order_in_which_executors_refuse) {
  explore(refusing, 1, 5);
}
BOOST_AUTO_TEST_CASE(every_order_of_cancelling_by_handle) {
  explore(owners, 0, 5);
}

BOOST_AUTO_TEST_CASE(every_order_of_reserving) {
  explore(reserving, 1, 5);
}
BOOST_AUTO_TEST_CASE(every_order_of_losing_places) {
  explore(losing_places, 1, 5);
}
BOOST_AUTO_TEST_CASE(every_order_of_sending_several_values) {
  explore(several_values, 0, 5);
}
BOOST_AUTO_TEST_CASE(every_order_in_one_line) {
  explore(one_line, 2, 5);
}

BOOST_AUTO_TEST_CASE(every_situation_of_sending_receiving_and_cancelling) {
  explore_situations(traffic, 0, 9);
}
BOOST_AUTO_TEST_CASE(every_situation_of_closing) {
  explore_situations(closing, 1, 6);
}
BOOST_AUTO_TEST_CASE(every_situation_in_which_contexts_die) {
  explore_situations(dying_contexts, 0, 6);
}
BOOST_AUTO_TEST_CASE(every_situation_in_which_executors_refuse) {
  explore_situations(refusing, 1, 6);
}
BOOST_AUTO_TEST_CASE(every_situation_of_cancelling_by_handle) {
  explore_situations(owners, 0, 6);
}

BOOST_AUTO_TEST_CASE(every_situation_of_reserving) {
  explore_situations(reserving, 1, 6);
}
BOOST_AUTO_TEST_CASE(every_situation_of_losing_places) {
  explore_situations(losing_places, 1, 6);
}
BOOST_AUTO_TEST_CASE(every_situation_of_sending_several_values) {
  explore_situations(several_values, 0, 6);
}
BOOST_AUTO_TEST_CASE(every_situation_in_one_line) {
  explore_situations(one_line, 2, 6);
}

BOOST_AUTO_TEST_CASE(long_random_sequences) {
  wander(traffic, 1, 500, 300);
  wander(closing, 2, 2000, 60);
  wander(dying_contexts, 3, 2000, 60);
  wander(owners, 4, 1000, 100);
  wander(refusing, 5, 2000, 60);
  wander(reserving, 7, 2000, 60);
  wander(losing_places, 8, 2000, 60);
  wander(several_values, 9, 1000, 100);
  wander(one_line, 10, 1000, 100);
  wander(everything, 6, 5000, 80);
}

#if !defined(SLUICE_TEST_HEAP_IS_TAKEN)

// When memory runs out ----------------------------------------------------------------------------

namespace {

// So large that two of them fill the first block of a buffer.
using large = message<64>;
using large_state = core::channel_state<large, stepwise>;

class plain_waiter final : public core::send_waiter<large> {
 public:
  explicit plain_waiter(int number = 0)
      : core::send_waiter<large>(
            [](core::waiter& w) noexcept { ++static_cast<plain_waiter&>(w).wake_ups; },
            [](core::waiter&) noexcept { std::abort(); }, 1),
        store(number) {
    offered = &store;
    remaining = 1;
  }

  large store;
  int wake_ups = 0;
};

outcome outcome_of(large_state& channel, plain_waiter& w) {
  bool linked = false;
  return channel.finish(w, linked);
}

int receive_now(large_state& channel) {
  std::optional<large> value;
  auto take = [&](large&& v) { value.emplace(std::move(v)); };
  return channel.try_receive(1, take) == outcome::success ? value->release() : 0;
}

struct memory_fixture {
  memory_fixture() { destroyed.fill(0); }
  ~memory_fixture() { memory_is_out = false; }

  core::state_ref<large_state> open(std::size_t capacity) {
    return core::state_ref<large_state>(new large_state(capacity));
  }
};

}  // namespace

BOOST_FIXTURE_TEST_CASE(a_send_that_finds_no_memory_keeps_its_value, memory_fixture) {
  auto channel = open(10);
  memory_is_out = true;
  large first(1);
  outcome tried = channel->try_send(first);
  plain_waiter second(2);
  started begun = channel->start_send(second);
  large third(3);
  std::optional<large> displaced;
  outcome forced = channel->force_send(third, displaced);
  memory_is_out = false;

  BOOST_CHECK(tried == outcome::no_memory);
  BOOST_TEST(first.number() == 1);
  BOOST_CHECK(begun == started::ready);
  BOOST_CHECK(outcome_of(*channel, second) == outcome::no_memory);
  BOOST_TEST(second.store.number() == 2);
  BOOST_CHECK(forced == outcome::no_memory);
  BOOST_TEST(third.number() == 3);
  BOOST_TEST(!displaced.has_value());
  BOOST_TEST(channel->look().buffered == 0u);

  // It was only then.
  BOOST_CHECK(channel->try_send(first) == outcome::success);
  BOOST_TEST(receive_now(*channel) == 1);
}

BOOST_FIXTURE_TEST_CASE(a_full_channel_without_memory_displaces_nothing, memory_fixture) {
  auto channel = open(2);
  for (int i = 1; i != 3; ++i) {
    large value(i);
    BOOST_CHECK(channel->try_send(value) == outcome::success);
  }
  memory_is_out = true;
  large third(3);
  std::optional<large> displaced;
  outcome forced = channel->force_send(third, displaced);
  memory_is_out = false;
  BOOST_CHECK(forced == outcome::no_memory);
  BOOST_TEST(!displaced.has_value());
  BOOST_TEST(third.number() == 3);
  BOOST_TEST(receive_now(*channel) == 1);
  BOOST_TEST(receive_now(*channel) == 2);
}

// D1, D2: a place is free, but there is no memory to put the pending value into.
BOOST_FIXTURE_TEST_CASE(pending_sends_wait_for_memory_in_their_order, memory_fixture) {
  auto channel = open(2);
  for (int i = 1; i != 3; ++i) {
    large value(i);
    BOOST_CHECK(channel->try_send(value) == outcome::success);
  }
  plain_waiter third(3);
  plain_waiter fourth(4);
  BOOST_CHECK(channel->start_send(third) == started::waiting);
  BOOST_CHECK(channel->start_send(fourth) == started::waiting);
  memory_is_out = true;
  const int got = receive_now(*channel);
  memory_is_out = false;
  BOOST_TEST(got == 1);
  BOOST_TEST(third.wake_ups == 0);

  // There is a free place, and memory again; who comes now must not overtake them all the same.
  large fifth(5);
  plain_waiter sixth(6);
  BOOST_CHECK(channel->try_send(fifth) == outcome::none);
  BOOST_CHECK(channel->start_send(sixth) == started::waiting);

  // The next one to take a value lets in all that have a place.
  BOOST_TEST(receive_now(*channel) == 2);
  BOOST_TEST(third.wake_ups == 1);
  BOOST_TEST(fourth.wake_ups == 1);
  BOOST_TEST(sixth.wake_ups == 0);
  BOOST_TEST(receive_now(*channel) == 3);
  BOOST_TEST(receive_now(*channel) == 4);
  BOOST_TEST(receive_now(*channel) == 6);
  for (plain_waiter* w : {&third, &fourth, &sixth}) {
    BOOST_TEST(w->wake_ups == 1);
    BOOST_CHECK(outcome_of(*channel, *w) == outcome::success);
  }
  BOOST_TEST(receive_now(*channel) == 0);
}

// Memory comes and goes at random while values go through; whatever was accepted comes out, in
// order.
BOOST_FIXTURE_TEST_CASE(nothing_is_lost_when_memory_comes_and_goes, memory_fixture) {
  std::mt19937 random(11);
  std::size_t out_of_memory = 0;
  for (int round = 0; round != 400; ++round) {
    auto channel = open(round % 2 == 0 ? 3 : unlimited);
    std::deque<plain_waiter> sends;
    std::vector<int> accepted;
    std::vector<int> taken;
    int number = 0;
    auto receive = [&] {
      const int got = receive_now(*channel);
      if (got != 0) taken.push_back(got);
      return got != 0;
    };
    for (int i = 0; i != 200; ++i) {
      memory_is_out = false;
      const auto choice = random() % 8;
      if (choice < 3) {
        large value(++number);
        memory_is_out = random() % 2 == 0;
        const outcome got = channel->try_send(value);
        memory_is_out = false;
        if (got == outcome::success) accepted.push_back(number);
        out_of_memory += got == outcome::no_memory;
        value.release();
      } else if (choice < 5) {
        plain_waiter& w = sends.emplace_back(++number);
        memory_is_out = random() % 2 == 0;
        const started begun = channel->start_send(w);
        memory_is_out = false;
        if (begun == started::ready && w.fate == outcome::no_memory) {
          ++out_of_memory;
          w.store.release();
        } else {
          accepted.push_back(number);
        }
      } else {
        taken.reserve(1000);
        memory_is_out = random() % 2 == 0;
        receive();
        memory_is_out = false;
      }
    }
    while (receive()) {
    }
    BOOST_TEST(channel->look().buffered == 0u);
    BOOST_CHECK(taken == accepted);
    for (plain_waiter& w : sends) {
      BOOST_TEST(w.store.number() == 0);
      BOOST_TEST(w.wake_ups <= 1);
    }
  }
  BOOST_TEST(out_of_memory > 100u);
}

#endif  // !defined(SLUICE_TEST_HEAP_IS_TAKEN)
