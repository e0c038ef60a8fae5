// SPDX-License-Identifier: BSL-1.0

#include "try_pair/try_pair.hpp"

#include <boost/fiber/buffered_channel.hpp>

#include <memory>

namespace bench {
namespace {

using channel_type = boost::fibers::buffered_channel<message>;

const bool added = add_try_pair("fiber", [] {
  return [channel = std::make_unique<channel_type>(try_pair_capacity)](message value) {
    message taken = 0;
    channel->try_push(value);
    channel->try_pop(taken);
    return taken;
  };
});

}  // namespace
}  // namespace bench
