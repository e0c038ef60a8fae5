// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_SUPPORT_REFERENCE_CROWD_HPP
#define SLUICE_TEST_SUPPORT_REFERENCE_CROWD_HPP

// Those who wait at something, as the references of all primitives know them: what for, how far
// they have come, and what has to be said to them.

#include <sluice/detail/core/waiter.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace reference {

using sluice::detail::core::outcome;
using sluice::detail::core::started;

enum class role : unsigned char { none, receive, send, closer, reserve };
constexpr std::size_t roles = 5;

enum class being : unsigned char {
  waiting,
  promised,  // woken, and promised a value
  busy,      // it came back, and takes one value after the other
  settled,   // its outcome is fixed
};

struct party {
  role what = role::none;
  being at = being::waiting;
  outcome fate = outcome::none;
  bool pausing = false;       // came back, found nothing, and has not begun to wait again
  bool linked = true;         // with a cancellation handler
  bool refusing = false;      // its executor does not take it when it is woken
  bool homeless = false;      // one of its contexts has gone since it was woken
  unsigned owner = 1;         // the handle it was begun through
  unsigned homes = 0;         // a bit for each context that it must not outlive
  unsigned handler_home = 0;  // the one that its handler runs in
  unsigned subject = 0;       // the subscriber, or the cursor, that it receives for
  int number = 0;             // the first of the values it sends
  std::size_t wanted = 0;     // how many values it sends, or places it reserves
  std::size_t accepted = 0;   // how many of its values have gone
  std::uint64_t arrival = 0;
};

/// A short list of places, in order.
template <std::size_t Places>
class basic_line {
 public:
  void add(std::size_t place) { entries_[size_++] = static_cast<unsigned char>(place); }
  void clear() { size_ = 0; }
  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }
  std::size_t front() const { return entries_[0]; }
  const unsigned char* begin() const { return entries_; }
  const unsigned char* end() const { return entries_ + size_; }
  unsigned char* begin() { return entries_; }
  unsigned char* end() { return entries_ + size_; }

  friend bool operator==(const basic_line& a, const basic_line& b) {
    if (a.size_ != b.size_) return false;
    for (std::size_t i = 0; i != a.size_; ++i)
      if (a.entries_[i] != b.entries_[i]) return false;
    return true;
  }

 private:
  unsigned char entries_[4 * Places];
  std::size_t size_ = 0;
};

/// What happens in a step to those who wait.
template <std::size_t Places>
struct basic_effects {
  using line = basic_line<Places>;

  line woken[roles];     // by role, in order
  unsigned dropped = 0;  // a bit for each place

  line& woken_as(role what) { return woken[static_cast<std::size_t>(what)]; }
};

/// `Places` is how many parties exist at a time.
template <std::size_t Places>
class crowd {
 public:
  static constexpr std::size_t places = Places;
  using line = basic_line<Places>;
  using effects = basic_effects<Places>;

  /// Who stands in line for something, in the order of arrival.
  line in_line(role what) const {
    line result;
    std::uint64_t after = 0;
    for (std::size_t i = next_in(what, after); i != places; i = next_in(what, after)) {
      result.add(i);
      after = parties[i].arrival + 1;
    }
    return result;
  }

  /// Who stands in line for something, and is the first who arrived at `after`, or later.
  std::size_t next_in(role what, std::uint64_t after = 0) const {
    std::size_t found = places;
    for (std::size_t i = 0; i != places; ++i) {
      const party& p = parties[i];
      if (p.what == what && p.at == being::waiting && p.arrival >= after &&
          (found == places || p.arrival < parties[found].arrival))
        found = i;
    }
    return found;
  }

  std::size_t count(role what, being at) const {
    std::size_t n = 0;
    for (const party& p : parties)
      if (p.what == what && p.at == at) ++n;
    return n;
  }

  /// D3, D4: what has not happened yet does not.
  void cancel(std::size_t place, effects& e) {
    party& p = parties[place];
    if (p.at == being::waiting) {
      settle(place, outcome::aborted, e);
    } else if (p.at == being::promised || p.at == being::busy) {
      p.at = being::settled;
      p.fate = outcome::aborted;
    }
  }

  /// All that was begun through one handle, in the order of arrival.
  void cancel_owner(unsigned owner, effects& e) {
    line theirs;
    for (std::size_t i = 0; i != places; ++i)
      if (parties[i].what != role::none && parties[i].owner == owner) theirs.add(i);
    std::sort(theirs.begin(), theirs.end(), [this](std::size_t a, std::size_t b) {
      return parties[a].arrival < parties[b].arrival;
    });
    for (std::size_t i : theirs) cancel(i, e);
  }

  /// A context is destroyed, of which the channel has heard if it `was_known`: who waits there is
  /// dropped.
  void evict(unsigned home, bool was_known, effects& e) {
    for (std::size_t i = 0; i != places; ++i) {
      party& p = parties[i];
      if (p.what == role::none || (p.homes & home) == 0) continue;
      if (p.at != being::waiting) {
        p.homeless = p.homeless || was_known;
        continue;
      }
      e.dropped |= 1u << i;
      p.at = being::settled;
    }
    alive &= ~home;
  }

  party parties[places];
  unsigned alive = 3;  // the contexts that exist
  std::uint64_t arrivals = 0;

 protected:
  bool settle(std::size_t place, outcome fate, effects& e) {
    parties[place].at = being::settled;
    parties[place].fate = fate;
    e.woken_as(parties[place].what).add(place);
    return true;
  }

  bool settle_first(role what, outcome fate, effects& e) {
    const std::size_t i = next_in(what);
    return i != places && settle(i, fate, e);
  }

  bool promise(std::size_t place, effects& e) {
    parties[place].at = being::promised;
    e.woken_as(parties[place].what).add(place);
    return true;
  }
};

}  // namespace reference

#endif  // SLUICE_TEST_SUPPORT_REFERENCE_CROWD_HPP
