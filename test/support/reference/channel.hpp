// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_SUPPORT_REFERENCE_CHANNEL_HPP
#define SLUICE_TEST_SUPPORT_REFERENCE_CHANNEL_HPP

// A channel as its rules describe it (D1 to D7, C1 to C5, K4, K5, P1, P2), with none of the
// mechanism of the real one: values, and a list of parties that wait. Each step says what the real
// one has to answer, and follow() works out from scratch what has to happen after it, so it cannot
// forget to hand something on.

#include "support/reference/crowd.hpp"

#include <boost/system/error_code.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace reference {

template <std::size_t Places>
class channel : public crowd<Places> {
  using base = crowd<Places>;

 public:
  static constexpr bool has_subjects = false;

  using base::arrivals;
  using base::count;
  using base::next_in;
  using base::parties;
  using base::places;
  using typename base::effects;
  using typename base::line;

  explicit channel(std::size_t capacity_of_channel) : capacity(capacity_of_channel) {}

  /// The values of pending sends.
  std::size_t pending() const {
    std::size_t n = 0;
    for (const party& p : parties)
      if (p.what == role::send && p.at == being::waiting) n += p.wanted - p.accepted;
    return n;
  }

  std::size_t promised() const { return count(role::receive, being::promised); }
  std::size_t receivable() const { return buffer.size() + pending(); }

  /// What there is for a receive that was promised nothing.
  std::size_t unpromised() const {
    const std::size_t there = receivable();
    const std::size_t theirs = promised();
    return there > theirs ? there - theirs : 0;
  }

  /// What there is for one of the receives that were promised something.
  std::size_t within_reach() const {
    const std::size_t there = receivable();
    const std::size_t others = promised() - 1;
    return there > others ? there - others : there != 0 ? 1 : 0;
  }

  // P2: what is reserved may still be used.
  bool ended() const { return closed && permits == 0 && receivable() == 0; }

  // P1: a reserved place is not free.
  bool has_free(std::size_t wanted) const { return wanted <= capacity - used(); }

  bool is_line_empty() const {
    return next_in(role::send) == places && next_in(role::reserve) == places;
  }

  /// Whether a send that cannot wait may pass. D7: at a rendezvous a place is what a waiting
  /// receive lends that has been promised nothing.
  bool has_place() const {
    if (closed || !is_line_empty()) return false;
    return capacity == 0 ? next_in(role::receive) != places : has_free(1);
  }

  // What does not wait. `none`: it would have to, or there is nothing. ---------------------------

  outcome try_send(int number) {
    if (closed) return outcome::closed;
    if (!has_place()) return outcome::none;
    buffer.push_back(number);
    return outcome::success;
  }

  /// `displaced` is the value that it costs, or 0.
  outcome force_send(int number, int& displaced) {
    displaced = 0;
    if (closed) return outcome::closed;
    if (capacity == 0 ? !has_place() : !has_free(1) && buffer.empty()) return outcome::none;
    const bool full = capacity != 0 && !has_free(1);
    buffer.push_back(number);
    if (full) {
      displaced = buffer.front();
      buffer.erase(buffer.begin());
    }
    return outcome::success;
  }

  outcome reserve(std::size_t wanted) {
    if (capacity == 0) return outcome::unsupported;
    if (wanted == 0 || wanted > capacity) return outcome::invalid;
    if (closed) return outcome::closed;
    if (!is_line_empty() || !has_free(wanted)) return outcome::none;
    permits += wanted;
    return outcome::success;
  }

  // P2: it fails only without receivers.
  outcome use_permit(int number) {
    if (receivers == 0) return outcome::closed;
    buffer.push_back(number);
    --permits;
    return outcome::success;
  }

  outcome try_receive(int& number, effects& e) {
    if (unpromised() == 0) return ended() ? outcome::closed : outcome::none;
    number = take(e);
    return outcome::success;
  }

  // What may wait ---------------------------------------------------------------------------------

  /// True if it has to.
  bool begin(party& p) {
    p.arrival = arrivals++;
    p.at = being::settled;
    switch (p.what) {
      case role::send:
        if (p.wanted == 0) {
          p.fate = outcome::success;
        } else if (closed) {
          p.fate = outcome::closed;
        } else if (capacity != 0 && is_line_empty() && has_free(p.wanted)) {
          for (; p.accepted != p.wanted; ++p.accepted)
            buffer.push_back(p.number + static_cast<int>(p.accepted));
          p.fate = outcome::success;
        } else {
          p.at = being::waiting;
        }
        break;
      case role::reserve:
        p.fate = reserve(p.wanted);
        if (p.fate == outcome::none && senders == 0) p.fate = outcome::aborted;
        if (p.fate == outcome::none) p.at = being::waiting;
        break;
      case role::receive:
        if (receivers == 0)
          p.fate = outcome::aborted;
        else if (unpromised() != 0)
          p.at = being::promised;
        else if (ended())
          p.fate = outcome::closed;
        else
          p.at = being::waiting;
        break;
      default:
        if (closed)
          p.fate = outcome::success;
        else if (senders == 0)
          p.fate = outcome::aborted;
        else
          p.at = being::waiting;
    }
    return p.at == being::waiting;
  }

  /// A waiter that was woken comes back. A receive takes up to `limit` values; `none`: there are
  /// none, and it goes on waiting, or is `orphaned`.
  template <class Sink>
  outcome come_back(std::size_t place, std::size_t limit, Sink&& sink, effects& e) {
    party& p = parties[place];
    if (p.at != being::promised) return p.fate;
    outcome right = outcome::success;
    if (receivers == 0)
      right = outcome::aborted;
    else if (receivable() == 0)
      right = ended() ? outcome::closed : p.homeless ? outcome::orphaned : outcome::none;
    if (right == outcome::none) return right;
    std::size_t left = std::min(within_reach(), limit);
    // The promise ends together with the value, not after it.
    p.at = being::settled;
    if (right != outcome::success) return right;
    for (; left != 0; --left) sink(take(e));
    return right;
  }

  /// One that found nothing goes on waiting. `ready`: there is something for it after all.
  started wait_again(std::size_t place) {
    party& p = parties[place];
    p.pausing = false;
    if (p.at == being::settled || receivers == 0 || receivable() != 0 || ended())
      return started::ready;
    if (p.homeless) return started::unknown_home;
    p.at = being::waiting;
    return started::waiting;
  }

  /// The oldest value goes to whoever takes it.
  int take(effects& e) {
    if (buffer.empty()) return take_from(next_in(role::send), e);
    int number = buffer.front();
    buffer.erase(buffer.begin());
    return number;
  }

  /// It goes without having completed. D6: what it was granted goes on.
  void lose(std::size_t place) {
    party& p = parties[place];
    const bool granted = p.at == being::settled && p.fate == outcome::success;
    if (p.what == role::reserve && granted) permits -= p.wanted;
    p.at = being::settled;
  }

  /// Whatever has to happen now, until nothing has to.
  void follow(effects& e) {
    while (follow_once(e) || refuse_once(e)) {
    }
  }

  const std::size_t capacity;
  std::vector<int> buffer;
  std::size_t permits = 0;  // places that are reserved, and neither used nor given back
  std::size_t senders = 1;
  std::size_t receivers = 1;
  bool closed = false;
  boost::system::error_code reason;
  unsigned known = 0;  // the contexts it has met

 private:
  using base::settle;
  using base::settle_first;

  // A rendezvous has one value at most, in a place that was lent.
  std::size_t used() const {
    const std::size_t n = buffer.size() + permits;
    return n < capacity ? n : capacity;
  }

  /// Takes the next value of a pending send.
  int take_from(std::size_t place, effects& e) {
    party& p = parties[place];
    const int number = p.number + static_cast<int>(p.accepted);
    if (++p.accepted == p.wanted) settle(place, outcome::success, e);
    return number;
  }

  // D6: one that is refused by its executor is destroyed, and passes on what it was promised.
  bool refuse_once(effects& e) {
    for (const line& woken : e.woken)
      for (std::size_t i : woken)
        if (parties[i].refusing && (e.dropped & 1u << i) == 0) {
          e.dropped |= 1u << i;
          lose(i);
          return true;
        }
    return false;
  }

  bool follow_once(effects& e) {
    // C3: without receivers nothing can be received, nor sent.
    if (receivers == 0) {
      if (settle_first(role::receive, outcome::aborted, e)) return true;
      buffer.clear();
      closed = true;
    }
    // K4: who waits for something on behalf of the senders goes with the last of them; sends stay.
    if (senders == 0 && (settle_first(role::closer, outcome::aborted, e) ||
                         settle_first(role::reserve, outcome::aborted, e)))
      return true;
    // C2
    if (closed) {
      if (settle_first(role::send, outcome::closed, e) ||
          settle_first(role::reserve, outcome::closed, e) ||
          settle_first(role::closer, outcome::success, e))
        return true;
      if (ended() && settle_first(role::receive, outcome::closed, e)) return true;
    }
    // D2, D4: free places belong to whoever has waited longest.
    const std::size_t send = next_in(role::send);
    const std::size_t reserve = next_in(role::reserve);
    if (reserve != places && (send == places || parties[reserve].arrival < parties[send].arrival)) {
      if (has_free(parties[reserve].wanted)) {
        permits += parties[reserve].wanted;
        return settle(reserve, outcome::success, e);
      }
    } else if (send != places && has_free(1)) {
      buffer.push_back(take_from(send, e));
      return true;
    }
    // D5, D6: what is promised to nobody is promised to whoever has waited longest.
    if (unpromised() != 0) {
      const std::size_t i = next_in(role::receive);
      if (i != places) {
        return base::promise(i, e);
      }
    }
    // C1
    if (!closed && senders == 0 && next_in(role::send) == places) return closed = true;
    return false;
  }
};

}  // namespace reference

#endif  // SLUICE_TEST_SUPPORT_REFERENCE_CHANNEL_HPP
