// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_STRESS_STORM_HPP
#define SLUICE_TEST_STRESS_STORM_HPP

// What all storms have in common. A storm is a number of rounds. In each of them several threads do
// everything at once with one primitive, or a few, and what is checked afterwards is that nothing
// was lost or came twice: letters, operations and their handlers.
//
// SLUICE_STRESS_SECONDS says how long each storm goes on; one that is long says every second how far
// it has come. SLUICE_SEED repeats the choices of a run, though not when its threads meet. Nothing is
// checked on other threads than the main one, the others only count.

#include <sluice/error.hpp>

#include <boost/asio/error.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
// Asio counts the copies of a type-erased executor with a fence, which ThreadSanitizer does not
// know.
extern "C" __attribute__((used)) inline const char* __tsan_default_suppressions() {
  return "race:boost::asio::execution::detail::shared_target_executor";
}
#endif
#endif

namespace storm {

namespace asio = boost::asio;
using boost::system::error_code;

inline unsigned number_from_environment(const char* name, unsigned otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? static_cast<unsigned>(std::strtoul(text, nullptr, 10)) : otherwise;
}

class random_choice {
 public:
  explicit random_choice(std::uint32_t seed) : engine_(seed) {}
  unsigned below(unsigned limit) { return static_cast<unsigned>(engine_() % limit); }
  bool one_in(unsigned n) { return below(n) == 0; }
  std::uint32_t fork() { return static_cast<std::uint32_t>(engine_()); }

 private:
  std::mt19937 engine_;
};

// Letters, and what becomes of them ---------------------------------------------------------------

/// The ends of all letters of a round. Any thread may write.
class account {
 public:
  explicit account(std::size_t most) : entries_(most) {}

  /// A number for a new letter, if there is one left.
  std::optional<std::size_t> open() {
    const std::size_t index = opened_.fetch_add(1);
    if (index >= entries_.size()) return std::nullopt;
    return index;
  }

  void accepted(std::size_t i) { entries_[i].accepted.fetch_add(1); }
  void refused(std::size_t i) { entries_[i].refused.fetch_add(1); }
  void received(std::size_t i) { entries_[i].received.fetch_add(1); }
  void handed_back(std::size_t i) { entries_[i].handed_back.fetch_add(1); }
  void destroyed(std::size_t i) noexcept { entries_[i].destroyed.fetch_add(1); }

  struct totals {
    std::size_t letters = 0;
    std::size_t accepted = 0;
    std::size_t received = 0;
    std::size_t handed_back = 0;
    std::size_t destroyed = 0;
    std::size_t lost_or_doubled = 0;     // no end, or more than one
    std::size_t refused_but_gone = 0;    // its sender was told that it was not sent
    std::size_t accepted_destroyed = 0;  // sent, and received by nobody
  };

  totals sum_up() const {
    totals t;
    t.letters = std::min(opened_.load(), entries_.size());
    for (std::size_t i = 0; i != t.letters; ++i) {
      const entry& e = entries_[i];
      const unsigned ends = e.received + e.handed_back + e.destroyed;
      t.accepted += e.accepted;
      t.received += e.received;
      t.handed_back += e.handed_back;
      t.destroyed += e.destroyed;
      t.lost_or_doubled += ends != 1 || e.accepted + e.refused > 1;
      t.refused_but_gone += e.refused == 1 && e.received != 0;
      t.accepted_destroyed += e.accepted == 1 && e.destroyed != 0;
    }
    return t;
  }

 private:
  struct entry {
    std::atomic<unsigned char> accepted{0};
    std::atomic<unsigned char> refused{0};
    std::atomic<unsigned char> received{0};
    std::atomic<unsigned char> handed_back{0};
    std::atomic<unsigned char> destroyed{0};
  };

  std::vector<entry> entries_;
  std::atomic<std::size_t> opened_{0};
};

class letter {
 public:
  letter(account& a, std::size_t index, unsigned producer, unsigned number) noexcept
      : account_(&a), index_(index), producer_(producer), number_(number) {}
  letter(letter&& other) noexcept
      : account_(std::exchange(other.account_, nullptr)),
        index_(other.index_),
        producer_(other.producer_),
        number_(other.number_) {}
  letter& operator=(letter&&) = delete;
  ~letter() {
    if (account_ != nullptr) account_->destroyed(index_);
  }

  bool here() const noexcept { return account_ != nullptr; }
  std::size_t index() const noexcept { return index_; }
  unsigned producer() const noexcept { return producer_; }
  unsigned number() const noexcept { return number_; }

  void receive() { std::exchange(account_, nullptr)->received(index_); }
  void hand_back() { std::exchange(account_, nullptr)->handed_back(index_); }

 private:
  account* account_;
  std::size_t index_;
  unsigned producer_;
  unsigned number_;
};

// A round -----------------------------------------------------------------------------------------

/// Who is still there, and who waits for them to go.
class attendance {
 public:
  enum kind : unsigned { producer, consumer };

  class badge {
   public:
    badge(attendance& a, kind k) : attendance_(&a), kind_(k) {
      std::lock_guard<std::mutex> lock(a.mutex_);
      ++a.present_[k];
    }
    badge(badge&& other) noexcept
        : attendance_(std::exchange(other.attendance_, nullptr)), kind_(other.kind_) {}
    badge& operator=(badge&&) = delete;
    ~badge() {
      if (attendance_ == nullptr) return;
      std::lock_guard<std::mutex> lock(attendance_->mutex_);
      if (--attendance_->present_[kind_] == 0) attendance_->gone_.notify_all();
    }

   private:
    attendance* attendance_;
    kind kind_;
  };

  void wait_for_producers() {
    wait([this] { return present_[producer] == 0; });
  }
  void wait_for_either() {
    wait([this] { return present_[producer] == 0 || present_[consumer] == 0; });
  }
  void wait_for_all() {
    wait([this] { return present_[producer] == 0 && present_[consumer] == 0; });
  }

 private:
  template <class Condition>
  void wait(Condition condition) {
    std::unique_lock<std::mutex> lock(mutex_);
    gone_.wait(lock, condition);
  }

  std::mutex mutex_;
  std::condition_variable gone_;
  std::size_t present_[2] = {0, 0};
};

/// What is counted in a round. Any thread may count.
struct round_state {
  explicit round_state(std::size_t most_letters = 0) : letters(most_letters) {}

  account letters;
  attendance present;
  // These two do not change once anything is begun.
  bool pool_lives = true;  // until the end of the round
  bool is_ordered = true;  // each consumer sees the letters of one producer in their order
  std::atomic<bool> stop{false};
  std::atomic<unsigned> next_producer{0};

  // Operations, and how they ended.
  std::atomic<std::size_t> begun{0};
  std::atomic<std::size_t> completed{0};
  std::atomic<std::size_t> dropped{0};

  // What must not happen; any thread may count.
  std::atomic<std::size_t> out_of_order{0};
  std::atomic<std::size_t> touched{0};       // a refused value was not left alone
  std::atomic<std::size_t> wrong_result{0};  // an error that cannot be
  std::atomic<std::size_t> called_twice{0};
  std::atomic<std::size_t> forgotten{0};  // destroyed uncalled, though its contexts live
};

/// Part of each handler: sees to it that the handler is called once, or destroyed with its context.
class witness {
 public:
  enum kind { in_pool, in_short_lived_context };

  witness(round_state& r, kind k) : round_(&r), must_be_called_(k == in_pool && r.pool_lives) {
    ++r.begun;
  }
  witness(witness&& other) noexcept
      : round_(std::exchange(other.round_, nullptr)),
        must_be_called_(other.must_be_called_),
        called_(other.called_) {}
  witness& operator=(witness&&) = delete;
  ~witness() {
    if (round_ == nullptr || called_) return;
    ++round_->dropped;
    if (must_be_called_) ++round_->forgotten;
  }

  void call() {
    if (std::exchange(called_, true)) ++round_->called_twice;
    ++round_->completed;
  }

 private:
  round_state* round_;
  bool must_be_called_;
  bool called_ = false;
};

/// One consumer sees the letters of one producer in the order in which they were sent.
class order_check {
 public:
  explicit order_check(round_state& r) : round_(r) {}

  void receive(letter& l) {
    auto [last, first] = last_.try_emplace(l.producer(), l.number());
    if (!first) {
      if (l.number() <= last->second && round_.is_ordered) ++round_.out_of_order;
      last->second = l.number();
    }
    l.receive();
  }

 private:
  round_state& round_;
  std::map<unsigned, unsigned> last_;
};

/// Writes letters. What is forced into the channel overtakes, so it counts as another producer's.
class author {
 public:
  explicit author(round_state& r)
      : round_(r), usual_(r.next_producer.fetch_add(2)), forced_(usual_ + 1) {}

  std::optional<letter> write() { return write(usual_); }
  std::optional<letter> write_forced() { return write(forced_); }

 private:
  std::optional<letter> write(unsigned producer) {
    std::optional<std::size_t> index = round_.letters.open();
    if (!index) return std::nullopt;
    return std::optional<letter>(std::in_place, round_.letters, *index, producer, number_++);
  }

  round_state& round_;
  const unsigned usual_;
  const unsigned forced_;
  unsigned number_ = 0;
};

/// Enters what became of a send whose value its caller has kept, or got back.
inline void settle(round_state& r, letter& l, error_code ec) {
  if (!ec) {
    r.letters.accepted(l.index());
    if (l.here()) ++r.touched;
    return;
  }
  r.letters.refused(l.index());
  if (ec != sluice::error::closed && ec != sluice::error::full &&
      ec != asio::error::operation_aborted && ec != asio::error::timed_out)
    ++r.wrong_result;
  if (l.here())
    l.hand_back();
  else
    ++r.touched;
}

// A storm -----------------------------------------------------------------------------------------

/// The sum of all rounds.
struct totals {
  std::size_t rounds = 0;
  account::totals letters;
  std::size_t begun = 0;
  std::size_t dropped = 0;

  void add(const round_state& r) {
    const account::totals t = r.letters.sum_up();
    letters.letters += t.letters;
    letters.received += t.received;
    letters.handed_back += t.handed_back;
    letters.destroyed += t.destroyed;
    begun += r.begun;
    dropped += r.dropped;
    ++rounds;
  }

  friend std::ostream& operator<<(std::ostream& out, const totals& t) {
    out << t.rounds << " rounds, " << t.begun << " operations";
    if (t.dropped != 0) out << ", " << t.dropped << " of them went with their context";
    if (t.letters.letters != 0)
      out << "; " << t.letters.letters << " letters: " << t.letters.received << " received, "
          << t.letters.handed_back << " handed back, " << t.letters.destroyed << " destroyed";
    return out;
  }
};

/// What must be so after every round, when nothing runs any more.
inline void check(const round_state& r, bool all_received) {
  const account::totals t = r.letters.sum_up();
  BOOST_TEST(t.lost_or_doubled == 0u);
  BOOST_TEST(t.refused_but_gone == 0u);
  BOOST_TEST((!all_received || t.accepted_destroyed == 0u));
  BOOST_TEST(t.letters == t.received + t.destroyed + t.handed_back);
  BOOST_TEST(r.out_of_order == 0u);
  BOOST_TEST(r.touched == 0u);
  BOOST_TEST(r.wrong_result == 0u);
  BOOST_TEST(r.called_twice == 0u);
  BOOST_TEST(r.forgotten == 0u);
  BOOST_TEST(r.begun == r.completed + r.dropped);
}

/// Plays rounds, `play_round(seed, totals)`, until the time is over.
template <class Round>
totals rage(Round play_round) {
  using clock = std::chrono::steady_clock;
  const unsigned seconds = number_from_environment("SLUICE_STRESS_SECONDS", 1);
  const unsigned seed = number_from_environment("SLUICE_SEED", std::random_device()());
  std::cout << "SLUICE_SEED=" << seed << " SLUICE_STRESS_SECONDS=" << seconds << std::endl;
  random_choice random(seed);
  totals sum;
  const auto began = clock::now();
  const auto end = began + std::chrono::seconds(seconds);
  auto next_line = began + std::chrono::seconds(1);
  do {
    play_round(random.fork(), sum);
    if (clock::now() < next_line || seconds < 3) continue;
    std::cout << std::chrono::duration_cast<std::chrono::seconds>(clock::now() - began).count()
              << " of " << seconds << " s: " << sum << std::endl;
    next_line = clock::now() + std::chrono::seconds(1);
  } while (clock::now() < end);
  std::cout << sum << std::endl;
  return sum;
}

}  // namespace storm

#endif  // SLUICE_TEST_STRESS_STORM_HPP
