// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_MODEL_SEARCH_HPP
#define SLUICE_TEST_MODEL_SEARCH_HPP

// In which order threads take their steps: all orders that can make a difference, all orders with a
// few preemptions, some at random, or one that is given.
//
// A program is run again for each schedule, from its beginning. It has to be deterministic: the
// same choices lead to the same steps. A step is an access to objects that threads share, together
// with all that its thread does until its next one.
//
// Two steps are independent if it makes no difference which of them comes first: they touch no
// object in common, or only read it. Schedules that differ in the order of independent steps alone
// are equivalent, and `every_interleaving` takes one of each class: it runs on, looks which steps
// raced with each other, and adds the schedules in which such a pair comes the other way round
// (dynamic partial order reduction with source sets). A thread whose step has been tried in one
// place stays asleep behind the others that are tried there, until one of them touches what it
// touches (sleep sets).
//
// What bounds preemptions knows no such reduction, because a class may have members on both sides
// of a bound.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

namespace model {

constexpr int most_threads = 8;
constexpr int nobody = -1;
constexpr int never = -1;

/// One bit for each thread.
using thread_set = std::uint32_t;

constexpr thread_set only(int thread) {
  return thread_set{1} << thread;
}
constexpr bool has(thread_set set, int thread) {
  return (set & only(thread)) != 0;
}
constexpr int first_of(thread_set set) {
  int thread = 0;
  while (!has(set, thread)) ++thread;
  return thread;
}

enum class access : unsigned char {
  none,
  reads,
  writes,
  counts,  // adds or subtracts
};

struct touch {
  unsigned object = 0;
  access how = access::none;
};

/// A step that a thread takes, or is about to take.
struct action {
  const char* name = "";
  std::array<touch, 4> touches{};

  bool touches_something() const { return touches[0].how != access::none; }
};

/// Whether the order of two steps may make a difference.
inline bool conflict(const action& a, const action& b, bool counts_commute) {
  for (const touch& x : a.touches) {
    if (x.how == access::none) break;
    for (const touch& y : b.touches) {
      if (y.how == access::none) break;
      if (x.object != y.object) continue;
      if (x.how == access::reads && y.how == access::reads) continue;
      if (counts_commute && x.how == access::counts && y.how == access::counts) continue;
      return true;
    }
  }
  return false;
}

/// What there is to choose from.
struct situation {
  std::array<action, most_threads> next;  // of those that are not at their end
  thread_set unfinished = 0;
  thread_set ready = 0;
  int previous = nobody;  // who took the step before

  bool same_as(const situation& other) const {
    if (unfinished != other.unfinished || ready != other.ready) return false;
    for (int t = 0; t != most_threads; ++t)
      if (has(unfinished, t) &&
          next[static_cast<std::size_t>(t)].name != other.next[static_cast<std::size_t>(t)].name)
        return false;
    return true;
  }

  /// The one who goes on without being preempted, or the first.
  int natural_choice(thread_set among) const {
    return previous != nobody && has(among, previous) ? previous : first_of(among);
  }
};

/// Earlier steps, by their numbers, without which a step could not be taken.
struct causes {
  int must = never;     // it would not exist: the news that wakes a sleeper
  int release = never;  // it would have to wait, but might have come before all that: an unlocking
};

/// Chooses one schedule after the other.
class search {
 public:
  search() = default;
  search(const search&) = delete;
  search& operator=(const search&) = delete;
  virtual ~search() = default;

  /// Begins the next schedule. False if there is none.
  virtual bool begin() = 0;

  /// Who takes the next step; nobody if the program did not do the same as before.
  virtual int choose(const situation& s) = 0;

  /// The step that was chosen is taken now.
  virtual void taken(const causes&) {}

  /// Schedules that turned out to be equivalent to others.
  virtual std::size_t redundant() const { return 0; }
};

// All interleavings -------------------------------------------------------------------------------

class every_interleaving final : public search {
 public:
  explicit every_interleaving(bool counts_commute) : counts_commute_(counts_commute) {}

  bool begin() override {
    depth_ = 0;
    is_redundant_ = false;
    if (!begun_) return begun_ = true;
    while (!nodes_.empty()) {
      node& n = nodes_.back();
      n.done |= only(n.chosen);
      if (const thread_set left = n.wanted & ~n.done & ~n.asleep) {
        n.chosen = first_of(left);
        known_ = nodes_.size() - 1;
        return true;
      }
      nodes_.pop_back();
    }
    return false;
  }

  int choose(const situation& s) override {
    if (depth_ < nodes_.size()) {
      const node& n = nodes_[depth_];
      return n.now.same_as(s) ? n.chosen : nobody;
    }
    node n;
    n.now = s;
    n.asleep = who_sleeps_on(s);
    thread_set awake = s.ready & ~n.asleep;
    if (awake == 0) {
      // Whatever is done from here on has been done in another order. It is only brought to an end.
      if (!is_redundant_) ++redundant_;
      is_redundant_ = true;
    }
    n.chosen = s.natural_choice(awake != 0 ? awake : s.ready);
    n.wanted = is_redundant_ ? 0 : only(n.chosen);
    nodes_.push_back(n);
    return n.chosen;
  }

  void taken(const causes& by) override {
    // Up to the one that is different now, all has been seen in the schedule before.
    if (depth_ >= known_) happen(by);
    ++depth_;
  }

  std::size_t redundant() const override { return redundant_; }

 private:
  /// For each thread, the number of its last step that happens before, plus one.
  using clock = std::array<std::uint32_t, most_threads>;

  struct node {
    situation now;
    int chosen = nobody;
    thread_set wanted = 0;  // who has to be tried here, or was
    thread_set done = 0;    // who was
    thread_set asleep = 0;
    clock seen{};  // what happens before the step that was chosen, itself included
  };

  static std::size_t at(int thread) { return static_cast<std::size_t>(thread); }

  const action& action_of(const node& n) const { return n.now.next[at(n.chosen)]; }

  thread_set who_sleeps_on(const situation& s) const {
    if (nodes_.empty()) return 0;
    const node& before = nodes_.back();
    thread_set sleeping = 0;
    for (int t = 0; t != most_threads; ++t)
      if (t != before.chosen && has((before.asleep | before.done) & s.unfinished, t) &&
          !conflict(before.now.next[at(t)], action_of(before), counts_commute_))
        sleeping |= only(t);
    return sleeping;
  }

  bool happens_before(std::size_t earlier, const clock& later) const {
    return later[at(nodes_[earlier].chosen)] > earlier;
  }

  static void join(clock& to, const clock& from) {
    for (std::size_t i = 0; i != to.size(); ++i) to[i] = std::max(to[i], from[i]);
  }

  void join_step(clock& to, int step) const {
    if (step != never) join(to, nodes_[static_cast<std::size_t>(step)].seen);
  }

  /// Finds out what happens before the new step, and with which ones it races.
  void happen(const causes& by) {
    node& mine = nodes_[depth_];
    clock seen{};
    for (std::size_t i = depth_; i-- != 0;) {
      if (nodes_[i].chosen != mine.chosen) continue;
      seen = nodes_[i].seen;
      break;
    }
    join_step(seen, by.must);
    races_.clear();
    for (std::size_t i = depth_; i-- != 0;) {
      const node& n = nodes_[i];
      if (n.chosen == mine.chosen || happens_before(i, seen)) continue;
      if (!conflict(action_of(n), action_of(mine), counts_commute_)) continue;
      races_.push_back(i);
      join(seen, n.seen);
    }
    join_step(seen, by.release);
    seen[at(mine.chosen)] = static_cast<std::uint32_t>(depth_ + 1);
    mine.seen = seen;
    if (is_redundant_) return;
    for (std::size_t i : races_) reverse(i);
  }

  /// Wants a schedule in which the new step comes before step `i`: one that begins, in the place of
  /// that, with a step which does not depend on it.
  void reverse(std::size_t i) {
    node& n = nodes_[i];
    thread_set first = 0;
    thread_set met = 0;
    others_.clear();
    for (std::size_t k = i + 1; k <= depth_; ++k) {
      if (k != depth_ && happens_before(i, nodes_[k].seen)) continue;
      if (!has(met, nodes_[k].chosen)) {
        met |= only(nodes_[k].chosen);
        const bool depends = std::any_of(others_.begin(), others_.end(), [&](std::size_t g) {
          return happens_before(g, nodes_[k].seen);
        });
        if (!depends) first |= only(nodes_[k].chosen);
      }
      others_.push_back(k);
    }
    first &= n.now.ready;
    if (first == 0)
      n.wanted |= n.now.ready;
    else if ((first & (n.wanted | n.asleep)) == 0)
      n.wanted |= only(first_of(first));
  }

  const bool counts_commute_;
  bool begun_ = false;
  bool is_redundant_ = false;
  std::vector<node> nodes_;
  std::size_t depth_ = 0;
  std::size_t known_ = 0;
  std::size_t redundant_ = 0;
  std::vector<std::size_t> races_;
  std::vector<std::size_t> others_;
};

// Bounded preemption ------------------------------------------------------------------------------

/// All schedules in which at most so many threads are interrupted that could have gone on.
class bounded_preemption final : public search {
 public:
  bounded_preemption(unsigned bound, bool counts_commute)
      : bound_(bound), counts_commute_(counts_commute) {}

  bool begin() override {
    depth_ = 0;
    if (!begun_) return begun_ = true;
    while (!nodes_.empty()) {
      node& n = nodes_.back();
      n.done |= only(n.chosen);
      const bool may_preempt = n.preemptions < bound_ || !n.preempts;
      if (const thread_set left = n.ready & ~n.done; left != 0 && may_preempt) {
        n.chosen = first_of(left);
        return true;
      }
      nodes_.pop_back();
    }
    return false;
  }

  int choose(const situation& s) override {
    if (depth_ == nodes_.size()) nodes_.push_back(look_at(s));
    const node& n = nodes_[depth_++];
    return n.all_ready == s.ready && has(s.ready, n.chosen) ? n.chosen : nobody;
  }

 private:
  struct node {
    thread_set all_ready = 0;
    thread_set ready = 0;  // those that are worth trying
    thread_set done = 0;
    int chosen = nobody;
    unsigned preemptions = 0;  // before this choice
    bool preempts = false;     // who does not choose the first preempts it
  };

  node look_at(const situation& s) const {
    node n;
    n.all_ready = n.ready = s.ready;
    n.chosen = s.natural_choice(s.ready);
    n.preempts = n.chosen == s.previous;
    if (!nodes_.empty()) {
      const node& before = nodes_.back();
      n.preemptions = before.preemptions + (before.preempts && before.done != 0);
    }
    // To interrupt a thread before a step that nobody cares about is to interrupt it behind.
    if (n.preempts && !matters(s.next[static_cast<std::size_t>(n.chosen)]))
      n.ready = only(n.chosen);
    return n;
  }

  bool matters(const action& a) const {
    return a.touches_something() && !(counts_commute_ && a.touches[0].how == access::counts);
  }

  const unsigned bound_;
  const bool counts_commute_;
  bool begun_ = false;
  std::vector<node> nodes_;
  std::size_t depth_ = 0;
};

// At random ---------------------------------------------------------------------------------------

/// So many schedules, each with up to so many preemptions at places that are chosen at random.
class at_random final : public search {
 public:
  at_random(std::size_t schedules, unsigned preemptions, std::uint64_t seed)
      : left_(schedules), preemptions_(preemptions), state_(seed) {}

  bool begin() override {
    if (left_ == 0) return false;
    --left_;
    length_ = std::max(length_, step_);
    step_ = 0;
    places_.clear();
    for (std::uint64_t count = below(preemptions_ + 1); count != 0; --count)
      places_.push_back(below(length_));
    return true;
  }

  int choose(const situation& s) override {
    const bool goes_on = s.previous != nobody && has(s.ready, s.previous);
    const bool preempt = std::count(places_.begin(), places_.end(), step_++) != 0;
    if (goes_on && !preempt) return s.previous;
    thread_set among = goes_on ? s.ready & ~only(s.previous) : s.ready;
    if (among == 0) return s.previous;
    for (std::uint64_t skip = below(count_of(among)); skip != 0; --skip)
      among &= ~only(first_of(among));
    return first_of(among);
  }

 private:
  static std::uint64_t count_of(thread_set set) {
    std::uint64_t count = 0;
    for (; set != 0; set &= set - 1) ++count;
    return count;
  }

  /// The same numbers everywhere (SplitMix64).
  std::uint64_t below(std::uint64_t bound) {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return (z ^ (z >> 31)) % bound;
  }

  std::size_t left_;
  const unsigned preemptions_;
  std::uint64_t state_;
  std::uint64_t length_ = 20;
  std::uint64_t step_ = 0;
  std::vector<std::uint64_t> places_;
};

// Given -------------------------------------------------------------------------------------------

// A schedule is written with a letter for each thread, and how many steps it takes in a row.

inline std::string text_of_schedule(const std::vector<int>& choices) {
  std::string text;
  for (std::size_t i = 0; i != choices.size();) {
    std::size_t end = i;
    while (end != choices.size() && choices[end] == choices[i]) ++end;
    text += static_cast<char>('a' + choices[i]);
    if (end - i != 1) text += std::to_string(end - i);
    i = end;
  }
  return text;
}

class given_schedule final : public search {
 public:
  explicit given_schedule(const std::string& text) {
    for (const char* p = text.c_str(); *p != '\0';) {
      const int thread = *p++ - 'a';
      char* end = nullptr;
      const unsigned long count = std::strtoul(p, &end, 10);
      choices_.insert(choices_.end(), end == p ? 1 : count, thread);
      p = end;
    }
  }

  bool begin() override { return !std::exchange(begun_, true); }

  int choose(const situation& s) override {
    if (depth_ == choices_.size()) return s.natural_choice(s.ready);
    const int chosen = choices_[depth_++];
    return chosen >= 0 && chosen < most_threads && has(s.ready, chosen) ? chosen : nobody;
  }

 private:
  std::vector<int> choices_;
  std::size_t depth_ = 0;
  bool begun_ = false;
};

}  // namespace model

#endif  // SLUICE_TEST_MODEL_SEARCH_HPP
