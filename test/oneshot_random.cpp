// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE oneshot_random

// Random histories of one oneshot, compared step by step with a plain reference that says what each
// operation has to end with.

#include "support/flavours.hpp"
#include "support/message.hpp"
#include "support/oneshots.hpp"
#include "support/probe.hpp"
#include "support/reference/oneshot.hpp"
#include "support/seed.hpp"
#include "support/unit_test.hpp"

#include <boost/asio/io_context.hpp>

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

using namespace support;
using sluice::error;

namespace {

using rules = reference::oneshot<1>;

/// What the next receive to run is told; "waits" if it has to wait. Who waits is told when it runs.
std::string receive(rules& expected) {
  using reference::outcome;
  const outcome told = expected.receive();
  if (told == outcome::success) return "7";
  if (told == outcome::closed) return "end";
  return told == outcome::aborted ? "aborted" : "waits";
}

}  // namespace

FLAVOUR_TEST_CASE(O1_random_histories_agree_with_the_reference, oneshots) {
  random_source random;
  for (int history = 0; history != 3000; ++history) {
    asio::io_context context;
    ledger values;
    rules expected;
    auto [tx, rx] = open_oneshot(flavour, context);
    std::vector<receive_probe<message>> receives;
    std::vector<std::string> words;
    auto settle = [&] {
      run_ready(context);
      // All run in the order in which they were begun.
      for (std::string& word : words)
        if (word == "waits") word = receive(expected);
      for (std::size_t i = 0; i != words.size(); ++i)
        BOOST_TEST_REQUIRE(word_of(receives[i]) == words[i]);
    };
    for (int step = 0; step != 12; ++step) {
      switch (random.below(8)) {
        case 0:
        case 1: {
          if (!expected.sender_here) break;
          message value(7, values);
          const bool sent = !tx.send(std::move(value));
          BOOST_TEST_REQUIRE(sent == expected.send());
          BOOST_TEST_REQUIRE((value.id() == 7) == !sent);
          settle();
          break;
        }
        case 2:
        case 3:
          if (!expected.receiver_here) break;
          receives.push_back(begin_receive(rx));
          words.emplace_back("waits");
          // Some are begun while the ones before have not run.
          if (random.coin()) settle();
          break;
        case 4: {
          settle();
          if (!expected.receiver_here) break;
          const taken got = take(rx);
          const std::string word = receive(expected);
          BOOST_TEST_REQUIRE(got.id == (word == "7" ? 7 : message::none));
          if (word != "7")
            BOOST_TEST_REQUIRE(got.error == (word == "waits" ? error::empty : error::closed));
          settle();
          break;
        }
        case 5:
          settle();
          if (!words.empty()) {
            const std::size_t i = random.below(static_cast<unsigned>(words.size()));
            receives[i].cancel();
            if (words[i] == "waits") words[i] = "aborted";
            settle();
          }
          break;
        case 6:
          if (random.coin()) break;
          settle();
          if (expected.receiver_here && random.coin()) {
            rx.close();
            expected.closed = true;
          } else if (expected.receiver_here) {
            rx = {};
            expected.receiver_here = expected.full = false;
            expected.closed = true;
          }
          settle();
          break;
        default:
          if (random.coin()) break;
          settle();
          tx = {};
          expected.sender_here = false;
          settle();
      }
      if (expected.sender_here) BOOST_TEST_REQUIRE(tx.is_closed() == expected.closed);
    }
    settle();
    rx = {};
    BOOST_TEST_REQUIRE(values.alive() <= static_cast<int>(receives.size()));
  }
}
