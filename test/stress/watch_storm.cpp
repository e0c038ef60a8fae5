// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE watch_storm

// A watch among threads that do everything at once: modifiers, receivers that look, wait and search
// with predicates that look as well, that are copied and cancelled, some with a context that is
// destroyed under them. No modification is lost, nobody goes back, and who waits is told of the
// last value. See storm.hpp for how it is called.

#include "stress/storm.hpp"
#include "support/crew.hpp"
#include "support/seed.hpp"

#include <sluice/watch.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

using namespace support;
namespace asio = boost::asio;
using sluice::error_code;

namespace {

constexpr int rounds_of_each = 500;

/// A number that is copied in two steps, and destroyed in plain sight.
struct tally {
  explicit tally(int n) : number(n), same(std::make_unique<int>(n)) { ++alive; }
  tally(const tally& other) : number(other.number), same(std::make_unique<int>(*other.same)) {
    ++alive;
  }
  tally(tally&& other) noexcept : number(other.number), same(std::move(other.same)) { ++alive; }
  tally& operator=(const tally&) = delete;
  ~tally() { --alive; }

  bool whole() const { return same && *same == number; }

  int number;
  std::unique_ptr<int> same;

  static inline std::atomic<int> alive{0};
};

using sender = sluice::watch_sender<tally>;
using receiver = sluice::watch_receiver<tally>;

std::atomic<int> failures{0};

/// What one receiver sees, which is never older than before.
class eye {
 public:
  void sees(const tally& value) {
    if (!value.whole() || value.number < last_) ++failures;
    last_ = value.number;
  }

  int last() const { return last_; }

 private:
  int last_ = 0;
};

/// Searches for one value after the other, on a strand, until the end.
struct seeker : std::enable_shared_from_this<seeker> {
  explicit seeker(receiver subscribed) : rx(std::move(subscribed)) {}

  void go_on() {
    rx.async_wait_for(
        [this](const tally& value) {
          // To look meanwhile makes what is tested old, now and then.
          if (value.number % 3 == 0) seen.sees(*rx.borrow());
          return value.number >= next;
        },
        [self = shared_from_this()](error_code ec, std::shared_ptr<const tally> value) {
          if (ec) ++failures;
          if (!value) return self->finish();
          self->seen.sees(*value);
          self->next = value->number + 1;
          self->go_on();
        });
  }

  void finish() {
    ended = true;
    seen.sees(*rx.borrow());
    rx = {};
  }

  receiver rx;
  eye seen;
  int next = 1;
  bool ended = false;
};

void play_round(std::uint32_t seed, storm::totals& sum) {
  random_source random(seed);
  {
    asio::thread_pool pool(1);
    sender tx(pool, tally(0));
    const sluice::weak_watch_sender<tally> weak(tx);
    std::vector<std::shared_ptr<seeker>> seekers;
    for (int i = 0; i != 2; ++i)
      seekers.push_back(std::make_shared<seeker>(
          tx.subscribe().with_executor(asio::any_io_executor(asio::make_strand(pool)))));
    for (auto& s : seekers) s->go_on();

    std::atomic<int> watching{2};
    std::atomic<int> changes{0};
    std::atomic<int> begun{0};
    std::atomic<int> gone{0};
    crew threads;
    for (int t = 0; t != 2; ++t)
      threads.add([&, mine = tx, own = random.fork()]() mutable {
        while (watching != 0) {
          const unsigned how = own.below(8);
          const bool changed = mine.send_if_modified([&](tally& value) {
            if (!value.whole()) ++failures;
            ++value.number;
            ++*value.same;
            return how != 0;
          });
          if (changed != (how != 0)) ++failures;
          changes += changed ? 1 : 0;
        }
      });
    for (int t = 0; t != 2; ++t)
      threads.add([&, first = tx.subscribe(), own = random.fork()]() mutable {
        receiver rx = std::move(first);
        eye seen;
        for (int round = 0; round != rounds_of_each; ++round) {
          auto context = std::make_unique<asio::io_context>();
          asio::cancellation_signal signal;
          // A copy goes on from what the original has seen.
          receiver other =
              rx.with_executor(own.coin() ? asio::any_io_executor(pool.get_executor())
                                          : asio::any_io_executor(context->get_executor()));
          std::shared_ptr<void> token(nullptr, [&](void*) { ++gone; });
          ++begun;
          if (own.coin())
            other.async_changed(asio::bind_cancellation_slot(
                signal.slot(),
                asio::bind_executor(context->get_executor(),
                                    [held = std::move(token)](error_code, bool) {})));
          else
            other.async_wait_for(
                [last = seen.last()](const tally& value) { return value.number > last + 2; },
                asio::bind_cancellation_slot(
                    signal.slot(),
                    asio::bind_executor(
                        context->get_executor(),
                        [held = std::move(token)](error_code, std::shared_ptr<const tally>) {})));
          switch (own.below(7)) {
            case 0:
              context->poll();
              break;
            case 1:
              context->poll_one();
              context.reset();
              break;
            case 2:
              signal.emit(asio::cancellation_type::total);
              break;
            case 3:
              other.mark_changed();
              break;
            case 4:
              other.cancel();
              break;
            case 5:
              if (auto strong = weak.lock()) other = strong.subscribe();
              break;
            default:
              other.mark_unchanged();
          }
          if (own.coin()) seen.sees(*rx.borrow_and_update());
          if (own.coin()) rx = std::move(other);
          seen.sees(*rx.borrow());
        }
        --watching;
      });
    tx = {};
    threads.run();
    pool.join();
    BOOST_TEST(!weak.lock());
    BOOST_TEST(begun == gone);
    for (auto& s : seekers) {
      BOOST_TEST(s->ended);
      BOOST_TEST(s->seen.last() == changes);
    }
    sum.begun += static_cast<std::size_t>(begun);
  }
  BOOST_TEST(failures == 0);
  BOOST_TEST(tally::alive == 0);
  ++sum.rounds;
}

}  // namespace

BOOST_AUTO_TEST_CASE(WA6_no_change_is_lost_whatever_else_happens) {
  BOOST_TEST(storm::rage([](std::uint32_t seed, storm::totals& sum) {
               BOOST_TEST_CONTEXT("seed of the round: " << seed) {
                 play_round(seed, sum);
               }
             }).begun > 0u);
}
