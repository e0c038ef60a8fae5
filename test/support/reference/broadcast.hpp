// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_SUPPORT_REFERENCE_BROADCAST_HPP
#define SLUICE_TEST_SUPPORT_REFERENCE_BROADCAST_HPP

// A broadcast as its rules describe it (BR1 to BR4), and a plain reference that counts nothing: it
// keeps, for each message, the set of those who have still to receive it.

#include "support/reference/crowd.hpp"

#include <boost/system/error_code.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <utility>

namespace reference {

/// What messages there are for whom.
class backlog {
 public:
  explicit backlog(std::size_t capacity) : capacity_(capacity) {}

  void subscribe(int who) { gaps_[who] = 0; }

  void leave(int who) {
    gaps_.erase(who);
    for (auto& m : held_) m.wanted_by.erase(who);
    forget();
  }

  std::size_t capacity() const { return capacity_; }
  bool full() const { return held_.size() == capacity_; }

  void send(int id) {
    if (gaps_.empty()) return;
    if (full()) {
      for (int who : held_.front().wanted_by) ++gaps_[who];
      held_.pop_front();
    }
    held_.push_back({id, {}});
    for (const auto& entry : gaps_) held_.back().wanted_by.insert(entry.first);
  }

  std::size_t held() const { return held_.size(); }
  std::size_t subscribers() const { return gaps_.size(); }
  bool subscribes(int who) const { return gaps_.count(who) != 0; }

  std::size_t backlog_of(int who) const {
    std::size_t count = 0;
    for (const auto& m : held_) count += m.wanted_by.count(who);
    return count;
  }

  std::size_t receivable(int who) const { return backlog_of(who) + (gaps_.at(who) != 0); }

  struct next {
    int id = 0;
    std::uint64_t missed = 0;  // if not 0, this is the news of a gap, and no message
  };

  /// What a subscriber receives next; there is something.
  next receive(int who) {
    if (const std::uint64_t gap = std::exchange(gaps_.at(who), 0)) return {0, gap};
    for (auto& m : held_) {
      if (m.wanted_by.erase(who) == 0) continue;
      const int id = m.id;
      forget();
      return {id, 0};
    }
    return {};
  }

 private:
  struct wanted {
    int id;
    std::set<int> wanted_by;
  };

  void forget() {
    while (!held_.empty() && held_.front().wanted_by.empty()) held_.pop_front();
  }

  std::size_t capacity_;
  std::deque<wanted> held_;
  std::map<int, std::uint64_t> gaps_;
};

/// The same, with those who wait: receives, each for a subscriber, and, if it is lossless, sends.
template <std::size_t Places>
class broadcast : public crowd<Places> {
  using base = crowd<Places>;

 public:
  static constexpr bool has_subjects = true;

  using base::next_in;
  using base::parties;
  using base::places;
  using typename base::effects;

  broadcast(std::size_t capacity, bool is_lossless) : messages(capacity), lossless(is_lossless) {}

  /// Sends without waiting; `none` if there is no place. `reached` is how many will see it.
  outcome send(int id, std::size_t& reached) {
    reached = 0;
    if (closed) return outcome::closed;
    if (lossless && !has_place()) return outcome::none;
    accept(id, reached);
    return outcome::success;
  }

  bool has_place() const { return !closed && next_in(role::send) == places && !messages.full(); }

  /// How many receives of a subscriber have been promised something.
  std::size_t promised(int who) const {
    std::size_t count = 0;
    for (const party& p : parties)
      if (p.what == role::receive && p.at == being::promised && p.subject == unsigned(who)) ++count;
    return count;
  }

  bool ended(int who) const { return closed && messages.receivable(who) == 0; }

  outcome try_receive(int who, backlog::next& got) {
    if (messages.receivable(who) <= promised(who))
      return ended(who) ? outcome::closed : outcome::none;
    got = messages.receive(who);
    return outcome::success;
  }

  /// True if it has to wait.
  bool begin(party& p) {
    p.arrival = base::arrivals++;
    p.at = being::settled;
    const int who = static_cast<int>(p.subject);
    switch (p.what) {
      case role::receive:
        if (!messages.subscribes(who))
          p.fate = outcome::aborted;
        else if (messages.receivable(who) > promised(who))
          p.at = being::promised;
        else if (ended(who))
          p.fate = outcome::closed;
        else
          p.at = being::waiting;
        break;
      case role::send:
        p.fate = send(p.number, p.accepted);
        if (p.fate == outcome::none) p.at = being::waiting;
        break;
      default:
        if (closed || messages.subscribers() == 0)
          p.fate = outcome::success;
        else if (senders == 0)
          p.fate = outcome::aborted;
        else
          p.at = being::waiting;
    }
    return p.at == being::waiting;
  }

  /// A receive that was woken: what is promised is always there.
  outcome come_back(std::size_t place, backlog::next& got) {
    party& p = parties[place];
    if (p.at != being::promised) return p.fate;
    p.at = being::settled;
    const int who = static_cast<int>(p.subject);
    if (!messages.subscribes(who)) return outcome::aborted;
    got = messages.receive(who);
    return outcome::success;
  }

  /// All receives of a subscriber.
  void cancel_receives(int who, effects& e) {
    for (std::uint64_t after = 0;;) {
      std::size_t found = places;
      for (std::size_t i = 0; i != places; ++i)
        if (parties[i].what == role::receive && parties[i].subject == unsigned(who) &&
            parties[i].at != being::settled && parties[i].arrival >= after &&
            (found == places || parties[i].arrival < parties[found].arrival))
          found = i;
      if (found == places) return;
      after = parties[found].arrival + 1;
      base::cancel(found, e);
    }
  }

  void leave(int who, effects& e) {
    messages.leave(who);
    // Those that are on their way are told when they come back.
    for (std::size_t i = next_in(role::receive); i != places;) {
      const std::uint64_t after = parties[i].arrival + 1;
      if (parties[i].subject == unsigned(who)) settle(i, outcome::aborted, e);
      i = next_in(role::receive, after);
    }
  }

  void lose(std::size_t place) { parties[place].at = being::settled; }

  void follow(effects& e) {
    while (follow_once(e)) {
    }
  }

  backlog messages;
  const bool lossless;
  bool closed = false;
  std::size_t senders = 1;
  boost::system::error_code reason;

 private:
  using base::settle;
  using base::settle_first;

  void accept(int id, std::size_t& reached) {
    reached = messages.subscribers();
    messages.send(id);
  }

  bool follow_once(effects& e) {
    if (senders == 0 && settle_first(role::closer, outcome::aborted, e)) return true;
    if (closed && settle_first(role::send, outcome::closed, e)) return true;
    if ((closed || messages.subscribers() == 0) && settle_first(role::closer, outcome::success, e))
      return true;
    // BR4: a free place belongs to whoever has waited longest.
    const std::size_t send = next_in(role::send);
    if (send != places && !messages.full()) {
      accept(parties[send].number, parties[send].accepted);
      return settle(send, outcome::success, e);
    }
    for (std::size_t i = next_in(role::receive); i != places;
         i = next_in(role::receive, parties[i].arrival + 1)) {
      const int who = static_cast<int>(parties[i].subject);
      if (messages.receivable(who) > promised(who)) return base::promise(i, e);
      if (ended(who)) return settle(i, outcome::closed, e);
    }
    if (!closed && senders == 0 && send == places) return closed = true;
    return false;
  }
};

}  // namespace reference

#endif  // SLUICE_TEST_SUPPORT_REFERENCE_BROADCAST_HPP
