// SPDX-License-Identifier: BSL-1.0
//
// moodycamel  its ConcurrentQueue, with a token on either side, which is its fastest use

#include "try_pair/try_pair.hpp"

#include <concurrentqueue/concurrentqueue.h>

#include <memory>

namespace bench {
namespace {

struct queue_and_tokens {
  moodycamel::ConcurrentQueue<message> queue{try_pair_capacity};
  moodycamel::ProducerToken producer{queue};
  moodycamel::ConsumerToken consumer{queue};
};

const bool added = add_try_pair("moodycamel", [] {
  return [all = std::make_unique<queue_and_tokens>()](message value) {
    message taken = 0;
    all->queue.enqueue(all->producer, value);
    all->queue.try_dequeue(all->consumer, taken);
    return taken;
  };
});

}  // namespace
}  // namespace bench
