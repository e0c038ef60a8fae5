// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_SUPPORT_REFERENCE_ONESHOT_HPP
#define SLUICE_TEST_SUPPORT_REFERENCE_ONESHOT_HPP

// A oneshot as its rules describe it (O1, O2, D3, D5, K4, K5): a few flags, and those who wait.

#include "support/reference/crowd.hpp"

#include <cstddef>

namespace reference {

template <std::size_t Places>
class oneshot : public crowd<Places> {
  using base = crowd<Places>;

 public:
  static constexpr bool has_subjects = false;

  using base::next_in;
  using base::parties;
  using base::places;
  using typename base::effects;

  /// O1: the first one wins.
  bool send() {
    if (sent || closed) return false;
    return sent = full = true;
  }

  /// What the next receive to run is told; `none` if it has to wait, `success` if it has taken the
  /// value.
  outcome receive() {
    if (!receiver_here) return outcome::aborted;
    if (!full) return ended() ? outcome::closed : outcome::none;
    full = false;
    return outcome::success;
  }

  /// The same for one that cannot wait: what is promised is not there for it.
  outcome try_receive() { return full && is_promised() ? outcome::none : receive(); }

  /// O2: nothing will come any more.
  bool ended() const { return !full && (sent || closed || !sender_here); }

  /// True if it has to wait.
  bool begin(party& p) {
    p.arrival = base::arrivals++;
    p.at = being::settled;
    if (p.what == role::receive) {
      if (!receiver_here)
        p.fate = outcome::aborted;
      else if (full && !is_promised())
        p.at = being::promised;
      else if (ended())
        p.fate = outcome::closed;
      else
        p.at = being::waiting;
    } else if (closed) {
      p.fate = outcome::success;
    } else if (!sender_here) {
      p.fate = outcome::aborted;
    } else {
      p.at = being::waiting;
    }
    return p.at == being::waiting;
  }

  outcome come_back(std::size_t place) {
    party& p = parties[place];
    if (p.at != being::promised) return p.fate;
    p.at = being::settled;
    return receive();
  }

  void lose(std::size_t place) { parties[place].at = being::settled; }

  /// Whatever has to happen now, until nothing has to.
  void follow(effects& e) {
    while (follow_once(e)) {
    }
  }

  bool sent = false;
  bool full = false;
  bool closed = false;
  bool sender_here = true;
  bool receiver_here = true;

 private:
  using base::settle_first;

  bool is_promised() const { return base::count(role::receive, being::promised) != 0; }

  bool follow_once(effects& e) {
    if (!receiver_here && settle_first(role::receive, outcome::aborted, e)) return true;
    // K4: who waits on behalf of the sender goes with it.
    if (!sender_here && settle_first(role::closer, outcome::aborted, e)) return true;
    if (closed && settle_first(role::closer, outcome::success, e)) return true;
    if (ended() && settle_first(role::receive, outcome::closed, e)) return true;
    const std::size_t first = next_in(role::receive);
    return full && !is_promised() && first != places && base::promise(first, e);
  }
};

}  // namespace reference

#endif  // SLUICE_TEST_SUPPORT_REFERENCE_ONESHOT_HPP
