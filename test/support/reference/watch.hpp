// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_SUPPORT_REFERENCE_WATCH_HPP
#define SLUICE_TEST_SUPPORT_REFERENCE_WATCH_HPP

// A watch as its rules describe it (WA1 to WA5, K4, K5): the number of the latest version, its
// value, what each receiver has seen of it, and those who wait.

#include "support/reference/crowd.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace reference {

template <std::size_t Places>
class watch : public crowd<Places> {
  using base = crowd<Places>;

 public:
  // All who wait for a change stand in one line.
  static constexpr bool has_subjects = false;

  using base::next_in;
  using base::parties;
  using base::places;
  using typename base::effects;

  /// What a receiver has seen; `subject` of its parties is the place of it.
  struct cursor {
    int seen = 0;
    int observed = 0;  // the latest version that it was given, seen or not
  };

  explicit watch(int initial) : value(initial) {}

  bool send(int next) {
    if (closed) return false;
    value = next;
    ++version;
    return true;
  }

  unsigned subscribe() {
    ++receivers;
    cursors.push_back({version, version});
    return static_cast<unsigned>(cursors.size()) - 1;
  }

  /// WA1: it keeps what the original has seen.
  unsigned copy(unsigned from) {
    ++receivers;
    return copy_cursor(from);
  }

  unsigned copy_cursor(unsigned from) {
    cursors.push_back(cursor(cursors[from]));
    return static_cast<unsigned>(cursors.size()) - 1;
  }

  int borrow(unsigned c, bool update) {
    cursors[c].observed = version;
    if (update) cursors[c].seen = version;
    return value;
  }

  bool has_changed(unsigned c) const { return cursors[c].seen != version; }
  void mark_changed(unsigned c) { cursors[c].seen = version - 1; }
  void mark_unchanged(unsigned c) { cursors[c].seen = version; }

  /// True if it has to wait. One that searches always looks first; see tested().
  bool begin(party& p) {
    p.arrival = base::arrivals++;
    p.at = being::settled;
    if (p.what == role::receive) {
      if (receivers == 0)
        p.fate = outcome::aborted;
      else if (searches(p) || has_changed(p.subject))
        p.at = being::promised;
      else if (closed)
        p.fate = outcome::closed;
      else
        p.at = being::waiting;
    } else if (closed || receivers == 0) {
      p.fate = outcome::success;
    } else if (senders == 0) {
      p.fate = outcome::aborted;
    } else {
      p.at = being::waiting;
    }
    return p.at == being::waiting;
  }

  /// One that waits for a change comes back. `none`: it goes on waiting, or is `orphaned`.
  outcome come_back(std::size_t place) {
    party& p = parties[place];
    if (p.at != being::promised) return p.fate;
    if (!has_changed(p.subject) && !closed) return p.homeless ? outcome::orphaned : outcome::none;
    p.at = being::settled;
    if (!has_changed(p.subject)) return outcome::closed;
    cursors[p.subject].seen = version;
    return outcome::success;
  }

  /// `number` is the version that the predicate of one that searches was shown.
  static bool searches(const party& p) { return p.wanted != 0; }
  static void search(party& p) { p.wanted = 1; }
  static void tested(party& p, int number) { p.number = number; }

  /// WA4: it is given the version that was tested, unless its receiver has observed a later one.
  bool accept(party& p) {
    cursor& c = cursors[p.subject];
    if (c.observed > p.number) return false;
    c.observed = p.number;
    c.seen = std::max(c.seen, p.number);
    return true;
  }

  void receivers_left(effects& e) {
    if (--receivers != 0) return;
    for (party& p : parties)
      if (p.what == role::receive && (p.at == being::promised || p.at == being::busy)) {
        p.at = being::settled;
        p.fate = outcome::aborted;
      }
    while (base::settle_first(role::receive, outcome::aborted, e)) {
    }
    while (base::settle_first(role::closer, outcome::success, e)) {
    }
  }

  void lose(std::size_t place) { parties[place].at = being::settled; }

  void follow(effects& e) {
    if (senders == 0) {
      while (base::settle_first(role::closer, outcome::aborted, e)) {
      }
      closed = true;
    }
    while (closed && base::settle_first(role::closer, outcome::success, e)) {
    }
    for (std::size_t i = next_in(role::receive); i != places;) {
      const std::uint64_t after = parties[i].arrival + 1;
      if (has_news(parties[i])) base::promise(i, e);
      i = next_in(role::receive, after);
    }
  }

  bool has_news(const party& p) const {
    return closed || (searches(p) ? p.number != version : has_changed(p.subject));
  }

  int value;
  int version = 1;
  bool closed = false;
  std::size_t senders = 1;
  std::size_t receivers = 0;
  std::vector<cursor> cursors;
};

}  // namespace reference

#endif  // SLUICE_TEST_SUPPORT_REFERENCE_WATCH_HPP
