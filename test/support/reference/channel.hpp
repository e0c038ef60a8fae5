// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_SUPPORT_REFERENCE_CHANNEL_HPP
#define SLUICE_TEST_SUPPORT_REFERENCE_CHANNEL_HPP

// A channel as its rules describe it (D1 to D7, C1 to C5, K4, K5, P1, P2), with none of the
// mechanism of the real one: values, and a list of parties that wait. Each step says what the real
// one has to answer, and follow() works out from scratch what has to happen after it, so it cannot
// forget to hand something on.

#include <sluice/detail/core/waiter.hpp>

#include <boost/system/error_code.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

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
class channel {
  static constexpr std::size_t places = Places;

 public:
  using line = basic_line<Places>;
  using effects = basic_effects<Places>;

  explicit channel(std::size_t capacity_of_channel) : capacity(capacity_of_channel) {}

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
    std::size_t count = std::min(within_reach(), limit);
    // The promise ends together with the value, not after it.
    p.at = being::settled;
    if (right != outcome::success) return right;
    for (; count != 0; --count) sink(take(e));
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
  party parties[places];
  std::size_t permits = 0;  // places that are reserved, and neither used nor given back
  std::size_t senders = 1;
  std::size_t receivers = 1;
  bool closed = false;
  boost::system::error_code reason;
  unsigned known = 0;  // the contexts it has met
  unsigned alive = 3;  // the contexts that exist
  std::uint64_t arrivals = 0;

 private:
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
        parties[i].at = being::promised;
        e.woken_as(role::receive).add(i);
        return true;
      }
    }
    // C1
    if (!closed && senders == 0 && next_in(role::send) == places) return closed = true;
    return false;
  }
};

}  // namespace reference

#endif  // SLUICE_TEST_SUPPORT_REFERENCE_CHANNEL_HPP
