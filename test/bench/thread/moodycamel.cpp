// SPDX-License-Identifier: BSL-1.0
//
// moodycamel  its BlockingConcurrentQueue, which has no limit, with a token on either side

#include "thread/thread.hpp"

#include <concurrentqueue/blockingconcurrentqueue.h>

namespace bench {
namespace {

timing run(const hand_over&, std::uint64_t messages) {
  moodycamel::BlockingConcurrentQueue<message> queue;
  return run_sides(
      messages,
      [&] {
        moodycamel::ProducerToken token(queue);
        for (message value = 0; value != messages; ++value) queue.enqueue(token, value);
      },
      [&] {
        moodycamel::ConsumerToken token(queue);
        message sum = 0;
        message value = 0;
        for (std::uint64_t left = messages; left != 0; --left) {
          queue.wait_dequeue(token, value);
          sum += value;
        }
        return sum;
      });
}

bool is_unbounded(const hand_over& h) {
  return h.capacity == never_full;
}

const bool added = add_hand_overs("moodycamel", is_unbounded, run);

}  // namespace
}  // namespace bench
