// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE watch_random

// Random histories of one watch and several receivers, compared step by step with a plain
// reference.

#include "support/flavours.hpp"
#include "support/probe.hpp"
#include "support/seed.hpp"
#include "support/unit_test.hpp"
#include "support/watches.hpp"

#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

using namespace support;

namespace {

std::string word_of_changed(const changed_probe& p) {
  if (!p.done()) return p.dropped() ? "dropped" : "waits";
  if (p.error()) return word_of(p.error());
  return p.changed() ? "changed" : "end";
}

std::string word_of_found(const found_probe<int>& p) {
  if (!p.done()) return p.dropped() ? "dropped" : "waits";
  if (p.error()) return word_of(p.error());
  return p.value() ? std::to_string(*p.value()) : "end";
}

/// A receiver, what is pending on it, and what the reference says of it.
template <class Receiver>
struct watcher {
  struct change {
    changed_probe probe;
    std::string word = "waits";
  };
  struct search {
    found_probe<int> probe;
    int least;
    std::string word = "waits";
  };

  Receiver rx;
  int seen;  // the number of the version
  std::vector<change> changes;
  std::vector<search> searches;
};

}  // namespace

FLAVOUR_TEST_CASE(WA2_random_histories_agree_with_the_reference, watches) {
  random_source random;
  using receiver = sluice::watch_receiver<int, asio::any_io_executor, typename Flavour::threading>;
  for (int history = 0; history != 1000; ++history) {
    asio::io_context context;
    // The reference: versions are numbered, and values grow, or fall, by chance.
    int version = 1;
    int value = 10;
    bool closed = false;
    auto tx = open_watch(flavour, context, value);
    std::vector<watcher<receiver>> watchers;
    watchers.push_back({tx.subscribe(), version, {}, {}});

    // Everything runs now, so at most one version is new, and operations are told in their order.
    auto settle = [&] {
      run_ready(context);
      for (auto& w : watchers) {
        for (auto& s : w.searches) {
          if (s.word != "waits") continue;
          if (value >= s.least) {
            s.word = std::to_string(value);
            w.seen = std::max(w.seen, version);
          } else if (closed) {
            s.word = "end";
          }
        }
        for (auto& c : w.changes) {
          if (c.word != "waits") continue;
          if (w.seen != version)
            c.word = "changed";
          else if (closed)
            c.word = "end";
          w.seen = version;
        }
        for (const auto& s : w.searches) BOOST_TEST_REQUIRE(word_of_found(s.probe) == s.word);
        for (const auto& c : w.changes) BOOST_TEST_REQUIRE(word_of_changed(c.probe) == c.word);
        BOOST_TEST_REQUIRE(w.rx.has_changed() == (w.seen != version));
        BOOST_TEST_REQUIRE(*w.rx.borrow() == value);
        BOOST_TEST_REQUIRE(w.rx.is_closed() == closed);
      }
      BOOST_TEST_REQUIRE(tx.receiver_count() == watchers.size());
    };

    for (int step = 0; step != 30; ++step) {
      auto& any = watchers[random.below(static_cast<unsigned>(watchers.size()))];
      const int next = static_cast<int>(random.below(20));
      switch (random.below(14)) {
        case 0:
        case 1:
        case 2:
          if (!tx.send(int(next)) != closed) {
            value = closed ? value : next;
            version += closed ? 0 : 1;
          } else {
            BOOST_ERROR("a send is refused exactly if it is closed");
          }
          break;
        case 3: {
          const bool changed = tx.send_if_modified([&](int& v) {
            v = next;
            return next % 2 == 0;
          });
          BOOST_TEST_REQUIRE(changed == (!closed && next % 2 == 0));
          if (changed) {
            value = next;
            ++version;
          }
          break;
        }
        case 4:
          BOOST_TEST_REQUIRE(*any.rx.borrow_and_update() == value);
          any.seen = version;
          break;
        case 5:
          any.rx.mark_unchanged();
          any.seen = version;
          break;
        case 6:
          any.rx.mark_changed();
          any.seen = version - 1;
          break;
        case 7:
        case 8:
          // Never both kinds on one receiver, since what the one sees the other need not.
          if (any.searches.empty()) any.changes.push_back({begin_changed(any.rx)});
          break;
        case 9:
          if (any.changes.empty())
            any.searches.push_back(
                {begin_wait_for(any.rx, [next](int v) { return v >= next; }), next});
          break;
        case 10:
          any.rx.cancel();
          for (auto& s : any.searches)
            if (s.word == "waits") s.word = "aborted";
          for (auto& c : any.changes)
            if (c.word == "waits") c.word = "aborted";
          break;
        case 11:
          if (watchers.size() < 5) {
            const int seen = any.seen;
            watchers.push_back({any.rx, seen, {}, {}});
          }
          break;
        case 12:
          if (watchers.size() < 5) watchers.push_back({tx.subscribe(), version, {}, {}});
          break;
        default:
          if (step > 20 && random.coin()) {
            tx.close();
            closed = true;
          }
      }
      settle();
    }
  }
}
