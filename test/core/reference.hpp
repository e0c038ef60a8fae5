// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_CORE_REFERENCE_HPP
#define SLUICE_TEST_CORE_REFERENCE_HPP

// A channel as its rules describe it (D1 to D7, C1 to C5, K4, K5), with none of the mechanism of the
// real one: a deque, and a list of parties that wait. After each step follow() works out from scratch
// what has to happen now, so it cannot forget to hand something on.

#include <sluice/detail/core/waiter.hpp>

#include <boost/system/error_code.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>

namespace core_test {

using sluice::detail::core::outcome;

constexpr std::size_t places = 5;  // parties that exist at a time

enum class role : unsigned char { none, receive, send, closer };

enum class being : unsigned char {
  waiting,
  promised,  // woken, and promised a value
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
  unsigned char owner = 1;    // the handle it was begun through
  unsigned homes = 0;         // a bit for each context that it must not outlive
  unsigned handler_home = 0;  // the one that its handler runs in
  int number = 0;             // the value it sends, while it has it
  std::uint64_t arrival = 0;
};

/// A short list of places, in order.
class line {
 public:
  void add(std::size_t place) { entries_[size_++] = static_cast<unsigned char>(place); }
  void clear() { size_ = 0; }
  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }
  std::size_t front() const { return entries_[0]; }
  const unsigned char* begin() const { return entries_.data(); }
  const unsigned char* end() const { return entries_.data() + size_; }
  unsigned char* begin() { return entries_.data(); }
  unsigned char* end() { return entries_.data() + size_; }

  friend bool operator==(const line& a, const line& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
  }

 private:
  std::array<unsigned char, 4 * places> entries_{};
  std::size_t size_ = 0;
};

/// What happens in a step to those who wait.
struct effects {
  line woken[4];         // by role, in order
  unsigned dropped = 0;  // a bit for each place

  line& woken_as(role what) { return woken[static_cast<std::size_t>(what)]; }
};

class reference {
 public:
  explicit reference(std::size_t capacity_of_channel) : capacity(capacity_of_channel) {}

  /// Who stands in line for something, in the order of arrival.
  line in_line(role what) const {
    line result;
    for (std::size_t i = 0; i != places; ++i)
      if (parties[i].what == what && parties[i].at == being::waiting) result.add(i);
    std::sort(result.begin(), result.end(), [this](std::size_t a, std::size_t b) {
      return parties[a].arrival < parties[b].arrival;
    });
    return result;
  }

  std::size_t count(role what, being at) const {
    std::size_t n = 0;
    for (const party& p : parties) n += p.what == what && p.at == at;
    return n;
  }

  std::size_t pending() const { return count(role::send, being::waiting); }
  std::size_t promised() const { return count(role::receive, being::promised); }
  std::size_t receivable() const { return buffer.size() + pending(); }
  bool ended() const { return closed && receivable() == 0; }

  /// Whether a send that cannot wait may pass. D7: at a rendezvous a place is what a waiting receive
  /// lends that has been promised nothing.
  bool has_place() const {
    if (closed || pending() != 0) return false;
    return capacity == 0 ? count(role::receive, being::waiting) != 0 : buffer.size() < capacity;
  }

  /// The oldest value goes to whoever takes it.
  int take(effects& e) {
    if (buffer.empty()) {
      const std::size_t first = in_line(role::send).front();
      settle(first, outcome::success, e);
      return std::exchange(parties[first].number, 0);
    }
    int number = buffer.front();
    buffer.pop_front();
    return number;
  }

  void cancel(std::size_t place, effects& e) {
    party& p = parties[place];
    if (p.at == being::waiting) {
      settle(place, outcome::aborted, e);
    } else if (p.at == being::promised) {
      p.at = being::settled;
      p.fate = outcome::aborted;
    }
  }

  /// Whatever has to happen now, until nothing has to.
  void follow(effects& e) {
    while (follow_once(e) || refuse_once(e)) {
    }
  }

  const std::size_t capacity;
  std::deque<int> buffer;
  std::array<party, places> parties;
  std::size_t senders = 1;
  std::size_t receivers = 1;
  bool closed = false;
  boost::system::error_code reason;
  unsigned known = 0;  // the contexts it has met
  unsigned alive = 3;  // the contexts that exist
  std::uint64_t arrivals = 0;

 private:
  bool settle(std::size_t place, outcome fate, effects& e) {
    parties[place].at = being::settled;
    parties[place].fate = fate;
    e.woken_as(parties[place].what).add(place);
    return true;
  }

  // D6: one that is refused by its executor is destroyed, and passes on what it was promised.
  bool refuse_once(effects& e) {
    for (const line& woken : e.woken)
      for (std::size_t i : woken)
        if (parties[i].refusing && (e.dropped & 1u << i) == 0) {
          e.dropped |= 1u << i;
          parties[i].at = being::settled;
          return true;
        }
    return false;
  }

  bool follow_once(effects& e) {
    // C3: without receivers nothing can be received, nor sent.
    if (receivers == 0) {
      for (std::size_t i : in_line(role::receive)) return settle(i, outcome::aborted, e);
      buffer.clear();
      closed = true;
    }
    // K4: who waits for the end on behalf of the senders goes with the last of them.
    if (senders == 0)
      for (std::size_t i : in_line(role::closer)) return settle(i, outcome::aborted, e);
    // C2
    if (closed) {
      for (std::size_t i : in_line(role::send)) return settle(i, outcome::closed, e);
      for (std::size_t i : in_line(role::closer)) return settle(i, outcome::success, e);
      if (receivable() == 0)
        for (std::size_t i : in_line(role::receive)) return settle(i, outcome::closed, e);
    }
    // D2, D4: a free place belongs to whoever has waited for it longest.
    if (buffer.size() < capacity)
      for (std::size_t i : in_line(role::send)) {
        buffer.push_back(std::exchange(parties[i].number, 0));
        return settle(i, outcome::success, e);
      }
    // D5, D6: what is promised to nobody is promised to whoever has waited longest.
    if (receivable() > promised())
      for (std::size_t i : in_line(role::receive)) {
        parties[i].at = being::promised;
        e.woken_as(role::receive).add(i);
        return true;
      }
    // C1
    if (!closed && senders == 0 && pending() == 0) return closed = true;
    return false;
  }
};

}  // namespace core_test

#endif  // SLUICE_TEST_CORE_REFERENCE_HPP
