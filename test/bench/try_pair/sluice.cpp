// SPDX-License-Identifier: BSL-1.0

#include "try_pair/try_pair.hpp"

#include <sluice.hpp>

#include <boost/asio/io_context.hpp>

#include <memory>
#include <utility>

namespace bench {
namespace {

const bool added = add_try_pair("sluice", [] {
  auto context = std::make_unique<boost::asio::io_context>(1);
  auto [tx, rx] = sluice::make_channel<message>(*context, try_pair_capacity);
  return [context = std::move(context), tx = std::move(tx),
          rx = std::move(rx)](message value) mutable -> message {
    if (tx.try_send(value)) return 0;
    return rx.try_receive().value_or(0);
  };
});

}  // namespace
}  // namespace bench
