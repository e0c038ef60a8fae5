// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_CORE_WORLD_HPP
#define SLUICE_TEST_CORE_WORLD_HPP

// A channel state and its reference, side by side. Each step is taken on both, and all there is to
// see is compared.
//
// The lock makes each function of the state one step, so all that threads can do to it is a
// sequence of such steps. Waiters are played: they are told to wake up, and come back when the
// sequence says so, with anything in between.

#include "stepwise.hpp"
#include "support/reference/channel.hpp"

#include <sluice/detail/core/channel_state.hpp>

#include <boost/system/errc.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace core_test {

namespace core = sluice::detail::core;
using boost::system::error_code;
using core::outcome;
using core::started;
using reference::being;
using reference::party;
using reference::role;
using reference::roles;
using small = message<8>;

constexpr std::size_t places = 5;  // parties that exist at a time
using effects = reference::basic_effects<places>;
using line = reference::basic_line<places>;

// Steps -------------------------------------------------------------------------------------------

enum class act : unsigned char {
  try_send,
  force_send,
  send,  // begins a send; the argument says in which contexts, through which handle, how many values
  try_receive,
  receive,      // begins a receive
  wait_closed,  // begins to wait for the end
  reserve,      // begins a reservation
  come_back,    // a waiter that was woken comes back to look; the argument is its place
  wait_again,   // one that found nothing goes on waiting
  lose,         // the executor destroys a waiter that was woken
  cancel,       // by the cancellation handler
  cancel_total,
  disconnect,  // the cancellation handler goes
  cancel_owner,
  add_sender,
  lock_sender,
  drop_sender,
  add_receiver,
  drop_receiver,
  close,
  evict,   // a context is destroyed
  revive,  // another one takes its place in memory
  try_reserve,
  use_permit,   // sends into a place that was reserved
  drop_permit,  // gives one place back
};

struct step {
  act what;
  unsigned char argument = 0;
};

using path = std::vector<step>;

inline std::string text_of(const path& steps) {
  static const char* const names[] = {
      "try_send",    "force_send",   "send",         "try_receive",   "receive",
      "wait_closed", "reserve",      "come_back",    "wait_again",    "lose",
      "cancel",      "cancel_total", "disconnect",   "cancel_owner",  "add_sender",
      "lock_sender", "drop_sender",  "add_receiver", "drop_receiver", "close",
      "evict",       "revive",       "try_reserve",  "use_permit",    "drop_permit"};
  std::string text;
  for (const step& s : steps)
    text += std::string(text.empty() ? "" : ", ") + names[static_cast<std::size_t>(s.what)] + "(" +
            std::to_string(s.argument) + ")";
  return text;
}

// There are two contexts. An operation lives in one of them, or its I/O object in the first and its
// handler in the second. It is begun through one of two handles. Its executor may be one that
// refuses whatever it is given.
constexpr unsigned char in_first = 0;
constexpr unsigned char in_second = 1;
constexpr unsigned char in_both = 2;
constexpr unsigned char other_handle = 4;
constexpr unsigned char refused = 8;
constexpr unsigned char several = 16;  // values to be sent, or places to be reserved

constexpr std::size_t amount(unsigned char argument) {
  return argument & several ? 2 : 1;
}

constexpr unsigned home_bits[] = {1, 2, 3};
constexpr unsigned handler_bits[] = {1, 2, 2};

struct broken {
  const char* what;
};

inline void expect(bool holds, const char* what) {
  if (!holds) throw broken{what};
}

// A channel and its reference ---------------------------------------------------------------------

class world {
 public:
  using state = core::channel_state<small, stepwise>;

  explicit world(std::size_t capacity) : rules_(capacity), channel_(new state(capacity)) {
    destroyed.fill(0);
    destroyed_under_lock = false;
    test_site::live = 0;
    stepwise::held = 0;
    stepwise::yielding = this;
    stepwise::on_yield = [](void* self) noexcept { static_cast<world*>(self)->go_on(); };
  }

  world(const world&) = delete;
  world& operator=(const world&) = delete;

  ~world() {
    // What is broken may be who destroys it, so after a failure it stays.
    if (channel_ != nullptr && !failed_) channel_->release();
  }

  /// Takes a step on both; if `checked`, compares all there is to see.
  void take(step s, bool checked) {
    try {
      expected_ = effects();
      seen_ = effects();
      perform(s);
      if (violation_ != nullptr) throw broken{violation_};
      for (std::size_t i = 0; i != roles; ++i)
        expect(seen_.woken[i] == expected_.woken[i], "others were woken, or in another order");
      expect(seen_.dropped == expected_.dropped, "others were dropped");
      if (checked) compare();
    } catch (const broken&) {
      failed_ = true;
      throw;
    }
  }

  bool possible(step s) const {
    const bool room = find_place() != places && issued_ + 2 < most_values;
    const party& p = rules_.parties[s.argument < places ? s.argument : 0];
    switch (s.what) {
      case act::try_send:
      case act::force_send:
        return rules_.senders != 0 && issued_ + 1 < most_values;
      case act::send:
        return room && rules_.senders != 0 && lives(s.argument);
      case act::try_receive:
        return rules_.receivers != 0;
      case act::receive:
      case act::wait_closed:
      case act::reserve:
        return room && lives(s.argument);
      case act::try_reserve:
        return rules_.senders != 0 && held_ < 3;
      case act::use_permit:
        return held_ != 0 && issued_ + 1 < most_values;
      case act::drop_permit:
        return held_ != 0;
      case act::come_back:
        return p.what != role::none && p.at != being::waiting && !p.pausing;
      case act::wait_again:
        return p.what != role::none && p.pausing;
      case act::lose:
        return p.what != role::none && p.at != being::waiting;
      case act::cancel:
      case act::cancel_total:
      case act::disconnect:
        return p.what != role::none && p.linked;
      case act::cancel_owner:
      case act::close:
        return rules_.senders + rules_.receivers != 0;
      case act::add_sender:
        return rules_.senders == 1;
      case act::lock_sender:
        return rules_.senders < 2;
      case act::drop_sender:
        return rules_.senders != 0;
      case act::add_receiver:
        return rules_.receivers == 1;
      case act::drop_receiver:
        return rules_.receivers != 0;
      case act::evict:
        // Nobody destroys a context that is just running something.
        for (const party& other : rules_.parties)
          if (other.what != role::none && other.pausing &&
              other.handler_home == home_bits[s.argument])
            return false;
        return (rules_.alive & home_bits[s.argument]) != 0;
      case act::revive:
        return (rules_.alive & home_bits[s.argument]) == 0;
    }
    return false;
  }

  void list_steps(const path& alphabet, path& out) const {
    out.clear();
    for (step s : alphabet) {
      const bool of_a_waiter = s.what == act::come_back || s.what == act::wait_again ||
                               s.what == act::lose || s.what == act::cancel ||
                               s.what == act::cancel_total || s.what == act::disconnect;
      for (unsigned char i = 0; i != (of_a_waiter ? places : 1); ++i) {
        if (of_a_waiter) s.argument = i;
        if (possible(s)) out.push_back(s);
      }
    }
  }

  /// Lets everybody come back, takes the handles away, and looks what is left: nobody may wait for
  /// what is there, no waiter may be forgotten, and each value must have gone exactly one way.
  void end() {
    try {
      settle_down();
      const std::size_t waiting = rules_.count(role::receive, being::waiting);
      expect(waiting == 0 || (rules_.receivable() == 0 && !rules_.ended()),
             "a receive waits although it need not");
      while (rules_.senders != 0) take({act::drop_sender}, false);
      settle_down();
      while (held_ != 0) take({act::drop_permit}, false);
      settle_down();
      expect(rules_.permits == 0, "a place stays reserved for nobody");
      expect(rules_.count(role::receive, being::waiting) == 0, "P2: the end does not come");
      while (rules_.receivers != 0) take({act::drop_receiver}, false);
      settle_down();
      for (const party& p : rules_.parties) expect(p.what == role::none, "a waiter is left behind");
      [[maybe_unused]] const std::size_t with_channel = live_allocations;
      std::exchange(channel_, nullptr)->release();
#if !defined(SLUICE_TEST_HEAP_IS_TAKEN)
      expect(live_allocations < with_channel, "the state is not freed with its last reference");
#endif
      expect(test_site::live == 0, "a site outlives its state");
      for (std::size_t i = 1; i <= issued_; ++i)
        expect(gone_[i] + destroyed[i] == 1, "a value was lost, or went two ways");
      expect(!destroyed_under_lock, "a value was destroyed under the lock");
    } catch (const broken&) {
      failed_ = true;
      throw;
    }
  }

  /// Two worlds with the same key go on alike. Which values are where has been compared already.
  std::string key() const {
    std::string k;
    auto add = [&k](std::size_t number) { k += static_cast<char>(number); };
    add(rules_.buffer.size());
    add(rules_.senders * 4 + rules_.receivers);
    add((rules_.closed ? 1u : 0u) | (rules_.reason ? 2u : 0u) | (displaced_order_ ? 4u : 0u));
    add(rules_.known | rules_.alive << 2);
    add(rules_.permits * 16 + held_);
    line present;
    for (std::size_t i = 0; i != places; ++i)
      if (rules_.parties[i].what != role::none) present.add(i);
    std::sort(present.begin(), present.end(), [this](std::size_t a, std::size_t b) {
      return rules_.parties[a].arrival < rules_.parties[b].arrival;
    });
    for (std::size_t i : present) {
      const party& p = rules_.parties[i];
      add(static_cast<std::size_t>(p.what) | static_cast<std::size_t>(p.at) << 3 |
          static_cast<std::size_t>(p.fate) << 5);
      add(p.homes | p.handler_home << 2 | (p.owner == 2 ? 16u : 0u) | (p.linked ? 32u : 0u) |
          (p.pausing ? 64u : 0u) | (p.refusing ? 128u : 0u));
      add((p.homeless ? 1u : 0u) | p.wanted << 1 | p.accepted << 3);
    }
    return k;
  }

 private:
  // What every waiter has that is played here.
  struct acting {
    acting(world& w, std::size_t place, const party& p, core::waiter& waits) noexcept
        : home(w), index(place), self(waits), store{small(value(p, 0)), small(value(p, 1))} {}

    static int value(const party& p, std::size_t i) noexcept {
      return p.what == role::send && i < p.wanted ? p.number + static_cast<int>(i) : 0;
    }

    world& home;
    const std::size_t index;
    core::waiter& self;
    small store[2];
    core::cancel_link link;
    unsigned phase = 0;
  };

  template <class Waiter>
  class actor final : public Waiter, public acting {
   public:
    template <class... Arguments>
    actor(world& w, std::size_t place, const party& p, Arguments... arguments) noexcept
        : Waiter(&actor::on_wake, &actor::on_drop, p.owner, arguments...),
          acting(w, place, p, *this) {
      this->connect(link);
    }

   private:
    static void on_wake(core::waiter& w) noexcept {
      auto& self = static_cast<actor&>(w);
      world& home = self.home;
      if (stepwise::held != 0) home.violation_ = "woken under the lock";
      // Else a thousand refusals would take a thousand stack frames.
      if (home.waking_) home.violation_ = "woken inside another wake-up";
      const party& p = home.rules_.parties[self.index];
      home.seen_.woken_as(p.what).add(self.index);
      home.waking_ = true;
      if (p.refusing) w.drop();
      home.waking_ = false;
    }
    static void on_drop(core::waiter& w) noexcept {
      auto& self = static_cast<actor&>(w);
      if (stepwise::held != 0) self.home.violation_ = "dropped under the lock";
      self.home.seen_.dropped |= 1u << self.index;
      self.home.abandon(self);
      self.home.leave_stage(self.index);
    }
  };

  void perform(step s) {
    switch (s.what) {
      case act::try_send:
        return try_send();
      case act::force_send:
        return force_send();
      case act::send:
      case act::receive:
      case act::wait_closed:
      case act::reserve:
        return begin(s);
      case act::try_receive:
        return try_receive();
      case act::come_back:
        return come_back(s.argument);
      case act::wait_again:
        return wait_again(s.argument);
      case act::lose:
        return lose(s.argument);
      case act::cancel:
        rules_.cancel(s.argument, expected_);
        rules_.follow(expected_);
        return channel_->cancel(actors_[s.argument]->link, false);
      case act::cancel_total:
        // K4: a send of which something has been sent goes on.
        if (rules_.parties[s.argument].accepted == 0) rules_.cancel(s.argument, expected_);
        rules_.follow(expected_);
        return channel_->cancel(actors_[s.argument]->link, true);
      case act::disconnect:
        rules_.parties[s.argument].linked = false;
        return channel_->disconnect(actors_[s.argument]->link);
      case act::cancel_owner:
        return cancel_owner(s.argument);
      case act::add_sender:
        ++rules_.senders;
        expect(channel_->add_sender() != 0, "no number for the new handle");
        return;
      case act::lock_sender:
        if (!rules_.closed) ++rules_.senders;
        return expect((channel_->add_sender_if_open() != 0) == !rules_.closed, "C5: lock()");
      case act::drop_sender:
        --rules_.senders;
        rules_.follow(expected_);
        return channel_->remove_sender();
      case act::add_receiver:
        ++rules_.receivers;
        expect(channel_->add_receiver() != 0, "no number for the new handle");
        return;
      case act::drop_receiver:
        return drop_receiver();
      case act::close:
        return close(s.argument != 0);
      case act::evict:
        return evict(s.argument);
      case act::revive:
        rules_.alive |= home_bits[s.argument];
        return;
      case act::try_reserve:
        return try_reserve(amount(s.argument));
      case act::use_permit:
        return use_permit();
      case act::drop_permit:
        --held_;
        --rules_.permits;
        rules_.follow(expected_);
        return channel_->release_permits(1);
    }
  }

  void try_send() {
    small value(new_number());
    const outcome right = rules_.try_send(value.number());
    rules_.follow(expected_);
    expect(channel_->try_send(value) == right, "the outcome of try_send");
    offered(value, right);
  }

  void force_send() {
    small value(new_number());
    int displaced_number = 0;
    const outcome right = rules_.force_send(value.number(), displaced_number);
    // D2: it may overtake pending sends.
    if (right == outcome::success && rules_.pending() != 0) displaced_order_ = true;
    rules_.follow(expected_);
    std::optional<small> displaced;
    expect(channel_->force_send(value, displaced) == right, "the outcome of force_send");
    offered(value, right);
    expect((displaced ? displaced->number() : 0) == displaced_number, "what force_send gave back");
    if (displaced) left(displaced->release());
  }

  void try_reserve(std::size_t wanted) {
    const outcome right = rules_.reserve(wanted);
    rules_.follow(expected_);
    expect(channel_->try_reserve(wanted) == right, "the outcome of try_reserve");
    if (right == outcome::success) held_ += wanted;
  }

  void use_permit() {
    small value(new_number());
    const outcome right = rules_.use_permit(value.number());
    if (right == outcome::success) {
      --held_;
      if (rules_.pending() != 0) displaced_order_ = true;
    }
    rules_.follow(expected_);
    expect(channel_->send_reserved(value) == right, "the outcome of a permit's send");
    offered(value, right);
  }

  void begin(step s) {
    const std::size_t place = find_place();
    party& p = rules_.parties[place];
    p = party();
    p.what = s.what == act::send      ? role::send
             : s.what == act::receive ? role::receive
             : s.what == act::reserve ? role::reserve
                                      : role::closer;
    p.wanted = amount(s.argument);
    if (p.what == role::send) {
      p.number = new_number();
      for (std::size_t i = 1; i != p.wanted; ++i) new_number();
    }
    p.owner = s.argument & other_handle ? 2 : 1;
    p.refusing = (s.argument & refused) != 0;
    p.homes = home_bits[s.argument & 3];
    p.handler_home = handler_bits[s.argument & 3];
    acting& player = cast(place);
    core::waiter& a = player.self;
    for (unsigned i = 0; i != 2; ++i)
      a.homes[i] = (p.homes & 1u << i) != 0 ? &contexts_[i] : nullptr;

    // One that lives in two contexts has to hear of the end of both even if it does not wait now.
    a.needs_homes = p.what == role::receive && p.homes == home_bits[in_both];
    if (a.needs_homes && (p.homes & ~rules_.known) != 0) {
      expect(start(player, p.what) == started::unknown_home,
             "it must not begin in unknown contexts");
      make_known(p, a);
    }
    const bool waits = rules_.begin(p);
    rules_.follow(expected_);

    a.may_wait = false;
    started got = start(player, p.what);
    if (!waits) return expect(got == started::ready, "it need not wait");
    expect(got == started::must_wait, "it must not wait before it may");
    a.may_wait = true;
    got = start(player, p.what);
    if ((p.homes & ~rules_.known) != 0) {
      expect(got == started::unknown_home, "it must not wait in unknown contexts");
      make_known(p, a);
      got = start(player, p.what);
    }
    expect(got == started::waiting, "it has to wait");
  }

  acting& cast(std::size_t place) {
    const party& p = rules_.parties[place];
    if (p.what == role::reserve) {
      actors_[place] = &reservers_[place].emplace(*this, place, p, p.wanted);
    } else {
      auto& a = senders_[place].emplace(*this, place, p);
      a.offered = a.store;
      a.remaining = p.wanted;
      actors_[place] = &a;
    }
    return *actors_[place];
  }

  void make_known(const party& p, const core::waiter& a) {
    rules_.known |= p.homes;
    for (const void* home : a.homes) {
      if (home == nullptr) continue;
      auto added = std::make_unique<test_site>(home);
      channel_->add_site(added);
    }
  }

  started start(acting& a, role what) {
    switch (what) {
      case role::send:
        return channel_->start_send(static_cast<core::send_waiter<small>&>(a.self));
      case role::receive:
        return channel_->start_receive(a.self);
      case role::reserve:
        return channel_->start_reserve(static_cast<core::reserve_waiter&>(a.self));
      default:
        return channel_->start_wait_closed(a.self);
    }
  }

  // As the operation does: what a reservation was granted goes with it.
  void abandon(acting& a) {
    channel_->abandon(a.self);
    const party& p = rules_.parties[a.index];
    if (p.what == role::reserve && a.self.fate == outcome::success)
      channel_->release_permits(p.wanted);
  }

  void try_receive() {
    int number = 0;
    const outcome right = rules_.try_receive(number, expected_);
    rules_.follow(expected_);
    std::optional<small> got;
    expect(channel_->try_receive(1, [&](small&& v) { got.emplace(std::move(v)); }) == right,
           "the outcome of try_receive");
    received(got, number);
  }

  void come_back(std::size_t place) {
    party& p = rules_.parties[place];
    acting& a = *actors_[place];
    int number = 0;
    const outcome right = rules_.come_back(place, 1, [&](int n) { number = n; }, expected_);
    rules_.follow(expected_);

    bool linked = false;
    outcome got;
    if (p.what == role::receive) {
      std::optional<small> value;
      auto take = [&](small&& v) { value.emplace(std::move(v)); };
      got = channel_->finish_receive(a.self, 1, take, linked, a.phase);
      if (right == outcome::none && (p.homes & ~rules_.known) != 0) {
        // It was ready when it began, and waits for the first time.
        expect(got == outcome::orphaned, "it must not wait in an unknown context");
        make_known(p, a.self);
        got = channel_->finish_receive(a.self, 1, take, linked, a.phase);
      }
      received(value, number);
    } else {
      got = channel_->finish(a.self, linked);
      for (std::size_t k = 0; k != 2; ++k)
        expect(a.store[k].number() == (k < p.accepted ? 0 : acting::value(p, k)),
               "where the values of a send are");
    }
    expect(got == right, "the outcome of a waiter that came back");
    if (right == outcome::none) {
      p.pausing = true;
    } else if (right == outcome::orphaned) {
      expected_.dropped |= 1u << place;
      a.self.drop();
    } else {
      expect(linked == p.linked, "whether it was still linked");
      if (p.what == role::reserve && right == outcome::success) held_ += p.wanted;
      leave_stage(place);
    }
  }

  void wait_again(std::size_t place) {
    party& p = rules_.parties[place];
    acting& a = *actors_[place];
    const unsigned phase = a.phase;
    const started right = rules_.wait_again(place);
    rules_.follow(expected_);
    expect(channel_->wait_again(a.self) == right, "whether it has to wait again");
    if (right == started::unknown_home) {
      expected_.dropped |= 1u << place;
      p.at = being::settled;
      rules_.follow(expected_);
      a.self.drop();
    }
    channel_->leave_gate(phase);
  }

  void lose(std::size_t place) {
    party& p = rules_.parties[place];
    acting& a = *actors_[place];
    const bool pausing = p.pausing;
    const unsigned phase = a.phase;
    rules_.lose(place);
    rules_.follow(expected_);
    abandon(a);
    leave_stage(place);
    if (pausing) channel_->leave_gate(phase);
  }

  void cancel_owner(unsigned char owner) {
    rules_.cancel_owner(owner, expected_);
    rules_.follow(expected_);
    channel_->cancel_owner(owner);
  }

  void drop_receiver() {
    const std::vector<int> held = rules_.buffer;
    --rules_.receivers;
    rules_.follow(expected_);
    channel_->remove_receiver();
    if (rules_.receivers != 0) return;
    for (int number : held)
      expect(destroyed[static_cast<std::size_t>(number)] == 1, "C3: destroyed at once");
  }

  void close(bool with_reason) {
    const error_code reason =
        with_reason ? make_error_code(boost::system::errc::connection_reset) : error_code();
    if (!rules_.closed) rules_.reason = reason;
    rules_.closed = true;
    rules_.follow(expected_);
    channel_->close(reason);
  }

  void evict(std::size_t context) {
    const unsigned bit = home_bits[context];
    const bool was_known = (rules_.known & bit) != 0;
    rules_.evict(bit, was_known, expected_);
    rules_.known &= ~bit;
    rules_.follow(expected_);
    // Only who is known is told.
    if (was_known) channel_->evict(&contexts_[context]);
    for (const party& p : rules_.parties)
      expect(p.what == role::none || !p.pausing || !was_known,
             "K5: it did not wait for whoever was inside");
    // What has been handed to the context, and has not run, goes with it.
    for (std::size_t i = 0; i != places; ++i) {
      const party& p = rules_.parties[i];
      if (p.what != role::none && p.at != being::waiting && p.handler_home == bit) lose(i);
    }
  }

  // A context that is being destroyed waits for somebody.
  void go_on() noexcept {
    for (std::size_t i = 0; i != places; ++i) {
      if (rules_.parties[i].what == role::none || !rules_.parties[i].pausing) continue;
      try {
        return wait_again(i);
      } catch (const broken& b) {
        violation_ = b.what;
        return;
      }
    }
    // Nobody would ever let it go on.
    std::fprintf(stderr, "a context waits at the gate, and nobody is inside\n");
    std::abort();
  }

  void compare() const {
    expect(stepwise::held == 0, "the lock is still held");
    expect(!destroyed_under_lock, "a value was destroyed under the lock");
    const auto seen = channel_->look();
    expect(seen.buffered == rules_.buffer.size(), "size()");
    expect(seen.senders == rules_.senders, "sender_count()");
    expect(seen.receivers == rules_.receivers, "receiver_count()");
    expect(seen.closed == rules_.closed, "is_closed()");
    expect(seen.full == (!rules_.closed && !rules_.has_place()), "full()");
    expect(!rules_.closed || channel_->reason() == rules_.reason, "the reason");

    for (std::size_t i = 0; i != places; ++i) {
      const party& p = rules_.parties[i];
      if (p.what == role::none) continue;
      const core::waiter& a = actors_[i]->self;
      expect((actors_[i]->link.target() == &a) == p.linked, "the link to the cancellation handler");
      switch (p.at) {
        case being::waiting:
          expect(a.current == core::stage::waiting && a.queue != nullptr, "it does not wait");
          break;
        case being::promised:
          expect(a.current == core::stage::woken && a.queue != nullptr, "it is promised nothing");
          expect(static_cast<core::counting_queue*>(a.queue)->size() == rules_.promised(),
                 "how many have been promised something");
          break;
        case being::busy:
          expect(false, "it takes one value at a time");
          break;
        case being::settled:
          expect(a.current == core::stage::decided && a.queue == nullptr, "it is not decided");
          expect(a.fate == p.fate, "another outcome was decided");
      }
    }
    for (role what : {role::receive, role::send, role::closer, role::reserve}) {
      const line right = rules_.in_line(what);
      if (right.empty()) continue;
      const core::waiter* w = actors_[right.front()]->self.queue->front();
      for (std::size_t i : right) {
        expect(w == &actors_[i]->self, "the order of those who wait");
        w = w->next;
      }
      expect(w == nullptr, "somebody waits who should not");
    }
  }

  void settle_down() {
    for (bool moved = true; moved;) {
      moved = false;
      for (unsigned char i = 0; i != places; ++i)
        for (act what : {act::come_back, act::wait_again})
          if (possible({what, i})) {
            take({what, i}, false);
            moved = true;
          }
    }
  }

  // Where values go --------------------------------------------------------------------------------

  int new_number() { return static_cast<int>(++issued_); }

  void left(int number) { ++gone_[static_cast<std::size_t>(number)]; }

  void offered(small& value, outcome result) {
    expect((value.number() == 0) == (result == outcome::success),
           "whether the value was moved from");
    if (value.number() != 0) left(value.release());
  }

  void received(std::optional<small>& value, int right) {
    expect((value ? value->number() : 0) == right, "another value was received");
    if (!value) return;
    // D2, without the help of the reference: there is one producer, and its values come in order.
    expect(displaced_order_ || right > last_received_, "the order of the values");
    last_received_ = right;
    left(value->release());
  }

  void leave_stage(std::size_t place) {
    acting& a = *actors_[place];
    for (small& value : a.store)
      if (value.number() != 0) left(value.release());
    if (a.link.target() != nullptr) violation_ = "a link to nobody";
    if (a.self.queue != nullptr) violation_ = "it has gone, and still stands in line";
    senders_[place].reset();
    reservers_[place].reset();
    rules_.parties[place].what = role::none;
  }

  std::size_t find_place() const {
    std::size_t i = 0;
    while (i != places && rules_.parties[i].what != role::none) ++i;
    return i;
  }

  bool lives(unsigned char argument) const {
    return (home_bits[argument & 3] & ~rules_.alive) == 0;
  }

  class test_site final : public core::site {
   public:
    explicit test_site(const void* home) : core::site(home) { ++live; }
    ~test_site() override { --live; }

    inline static std::size_t live = 0;
  };

  reference::channel<places> rules_;
  state* channel_;
  std::optional<actor<core::send_waiter<small>>> senders_[places];
  std::optional<actor<core::reserve_waiter>> reservers_[places];
  acting* actors_[places] = {};
  std::size_t held_ = 0;  // places that were reserved, by somebody who has been told
  effects expected_;
  effects seen_;
  const char* violation_ = nullptr;
  bool failed_ = false;
  bool waking_ = false;
  bool displaced_order_ = false;
  std::size_t issued_ = 0;
  int last_received_ = 0;
  std::array<unsigned char, most_values> gone_{};
  char contexts_[2] = {};
};

}  // namespace core_test

#endif  // SLUICE_TEST_CORE_WORLD_HPP
