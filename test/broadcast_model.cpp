// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE broadcast_model

// Random sequences of everything that can be done with a broadcast, beside a plain reference.

#include "support/broadcasts.hpp"
#include "support/probe.hpp"
#include "support/reference/broadcast.hpp"
#include "support/seed.hpp"
#include "support/unit_test.hpp"

#include <sluice/broadcast.hpp>

#include <boost/asio/io_context.hpp>

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using namespace support;
using sluice::error;

namespace {

/// The reference, which says what is received as next_of() does.
class rules : public reference::backlog {
 public:
  using backlog::backlog;

  std::string receive(int who) {
    const next got = backlog::receive(who);
    if (got.missed != 0) return "lagged(" + std::to_string(got.missed) + ")";
    return std::to_string(got.id);
  }
};

/// A subscriber, with the receives of it that are pending, in their order.
template <class Receiver>
struct subject {
  Receiver rx;
  int name;
  std::uint64_t sent_before;
  std::uint64_t received = 0;
  std::uint64_t missed = 0;
  std::deque<receive_probe<letter>> pending{};

  /// Counts what a receive, or a look, has brought.
  void count(const std::string& word) {
    if (word.compare(0, 6, "lagged") == 0)
      missed += rx.missed();
    else if (word != "empty" && word != "closed")
      ++received;
  }
};

template <class Sender>
class game {
  using receiver = typename Sender::receiver_type;

 public:
  game(asio::io_context& context, Sender tx, random_source& random)
      : context_(context), tx_(std::move(tx)), model_(tx_.capacity()), random_(random) {}

  void play(int moves) {
    for (int i = 0; i != moves; ++i) {
      move();
      check();
    }
    run();
    for (auto& s : subjects_) settle(s);
    tx_.close();
    for (auto& s : subjects_) {
      std::string word;
      while ((word = next_of(s.rx)) != "closed") {
        BOOST_TEST_REQUIRE(word == model_.receive(s.name));
        s.count(word);
      }
      // BR2: received and missed are together what was sent since the subscription.
      BOOST_TEST(s.received + s.missed == sent_ - s.sent_before);
      BOOST_TEST(model_.receivable(s.name) == 0u);
    }
    BOOST_TEST(tx_.size() == 0u);
  }

 private:
  void move() {
    switch (random_.below(10)) {
      case 0:
        if (subjects_.size() < 6) subscribe();
        break;
      case 1:
        if (!subjects_.empty() && random_.coin()) leave();
        break;
      case 2:
      case 3:
      case 4:
        for (unsigned n = random_.below(3); n-- != 0;) send();
        break;
      case 5:
      case 6:
        if (!subjects_.empty()) look(any());
        break;
      case 7:
        if (!subjects_.empty()) begin(any());
        break;
      case 8:
        if (!subjects_.empty()) cancel(any());
        break;
      default:
        run();
    }
  }

  subject<receiver>& any() {
    return subjects_[random_.below(static_cast<unsigned>(subjects_.size()))];
  }

  void subscribe() {
    const bool from_another = !subjects_.empty() && random_.coin();
    receiver rx = from_another ? any().rx.resubscribe() : tx_.subscribe();
    subjects_.push_back({std::move(rx), names_, sent_});
    model_.subscribe(names_++);
  }

  void leave() {
    const unsigned i = random_.below(static_cast<unsigned>(subjects_.size()));
    auto gone = std::move(subjects_[i].pending);
    model_.leave(subjects_[i].name);
    subjects_.erase(subjects_.begin() + static_cast<std::ptrdiff_t>(i));
    run();
    for (auto& p : gone) BOOST_TEST_REQUIRE(p.aborted());
  }

  void send() {
    BOOST_TEST_REQUIRE(tx_.send(letter(static_cast<int>(sent_))) == model_.subscribers());
    model_.send(static_cast<int>(sent_));
    ++sent_;
  }

  /// Receives without waiting what no pending receive has been promised.
  void look(subject<receiver>& s) {
    const bool something = model_.receivable(s.name) > s.pending.size();
    const std::string expected = something ? model_.receive(s.name) : "empty";
    const std::string word = next_of(s.rx);
    BOOST_TEST_REQUIRE(word == expected);
    s.count(word);
  }

  void begin(subject<receiver>& s) {
    s.pending.push_back(begin_receive(s.rx));
    // Sometimes the handle is somewhere else afterwards.
    if (random_.below(4) == 0) {
      auto moved = std::move(s.rx);
      s.rx = std::move(moved);
    }
  }

  void cancel(subject<receiver>& s) {
    if (s.pending.empty()) return;
    const auto i =
        static_cast<std::ptrdiff_t>(random_.below(static_cast<unsigned>(s.pending.size())));
    const receive_probe<letter> cancelled = s.pending[static_cast<std::size_t>(i)];
    cancelled.cancel();
    s.pending.erase(s.pending.begin() + i);
    run();
    BOOST_TEST_REQUIRE(cancelled.aborted());
  }

  void settle(subject<receiver>& s) {
    s.rx.cancel();
    run_context();
    for (auto& p : s.pending) BOOST_TEST_REQUIRE(p.aborted());
    s.pending.clear();
  }

  void run_context() { run_ready(context_); }

  /// Every pending receive for which there is something takes it now.
  void run() {
    // Being told of gaps changes missed(), so one subscriber's receives have to be looked at in
    // turn.
    std::map<int, std::vector<std::string>> expected;
    for (auto& s : subjects_) {
      for (std::size_t n = s.pending.size(); n-- != 0 && model_.receivable(s.name) != 0;)
        expected[s.name].push_back(model_.receive(s.name));
    }
    run_context();
    for (auto& s : subjects_) {
      for (const std::string& word : expected[s.name]) {
        const bool lagged = word.compare(0, 6, "lagged") == 0;
        const std::string seen = word_of(s.pending.front());
        BOOST_TEST_REQUIRE((lagged ? seen + "(" + std::to_string(s.rx.missed()) + ")" : seen) ==
                           word);
        s.count(word);
        s.pending.pop_front();
      }
      for (auto& p : s.pending) BOOST_TEST_REQUIRE(!p.done());
    }
  }

  void check() {
    BOOST_TEST_REQUIRE(tx_.size() == model_.held());
    BOOST_TEST_REQUIRE(tx_.receiver_count() == subjects_.size());
    for (auto& s : subjects_) BOOST_TEST_REQUIRE(s.rx.size() == model_.backlog_of(s.name));
  }

  asio::io_context& context_;
  Sender tx_;
  rules model_;
  random_source& random_;
  std::vector<subject<receiver>> subjects_;
  std::uint64_t sent_ = 0;
  int names_ = 0;
};

}  // namespace

FLAVOUR_TEST_CASE(BR2_a_broadcast_does_what_the_reference_does, broadcasts) {
  random_source random;
  for (int i = 0; i != 40; ++i) {
    asio::io_context context;
    game<decltype(open_broadcast(flavour, context))>(context, open_broadcast(flavour, context),
                                                     random)
        .play(500);
  }
}

FLAVOUR_TEST_CASE(BR2_a_larger_broadcast_does_what_the_reference_does, larger_broadcasts) {
  random_source random;
  for (int i = 0; i != 10; ++i) {
    asio::io_context context;
    game<decltype(open_broadcast(flavour, context))>(context, open_broadcast(flavour, context),
                                                     random)
        .play(2000);
  }
}

// The lossless one: nothing is missed, and a message is refused exactly when it would be lost.
FLAVOUR_TEST_CASE(BR4_a_lossless_broadcast_does_what_the_reference_does, broadcasts) {
  random_source random;
  for (int i = 0; i != 40; ++i) {
    asio::io_context context;
    auto tx = open_lossless_broadcast(flavour, context);
    rules model(flavour.capacity);
    std::map<int, typename decltype(tx)::receiver_type> subscribers;
    int names = 0;
    int sent = 0;
    for (int move = 0; move != 500; ++move) {
      switch (random.below(5)) {
        case 0:
          if (subscribers.size() < 5) {
            subscribers.emplace(names, tx.subscribe());
            model.subscribe(names++);
          }
          break;
        case 1:
          if (!subscribers.empty() && random.below(3) == 0) {
            model.leave(subscribers.begin()->first);
            subscribers.erase(subscribers.begin());
          }
          break;
        case 2: {
          std::size_t reached = 0;
          const bool full = model.full();
          const error_code ec = tx.try_send(letter(sent), reached);
          BOOST_TEST_REQUIRE((ec == (full ? error_code(error::full) : error_code())));
          if (!full) {
            BOOST_TEST_REQUIRE(reached == model.subscribers());
            model.send(sent++);
          }
          break;
        }
        default:
          if (!subscribers.empty()) {
            auto& [name, rx] = *std::next(
                subscribers.begin(), static_cast<std::ptrdiff_t>(
                                         random.below(static_cast<unsigned>(subscribers.size()))));
            const std::string expected =
                model.receivable(name) != 0 ? model.receive(name) : "empty";
            BOOST_TEST_REQUIRE(next_of(rx) == expected);
          }
      }
      BOOST_TEST_REQUIRE(tx.size() == model.held());
      BOOST_TEST_REQUIRE(tx.full() == model.full());
    }
  }
}
