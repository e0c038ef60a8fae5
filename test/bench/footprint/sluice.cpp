// SPDX-License-Identifier: BSL-1.0

#include "footprint/footprint.hpp"
#include "frame/suite.hpp"

#include <sluice.hpp>

#include <boost/asio/io_context.hpp>

#include <cstdlib>
#include <utility>
#include <vector>

namespace bench {
namespace {

using ends = decltype(sluice::make_channel<message>(std::declval<boost::asio::io_context&>(), 0));

footprint channel(bool used) {
  boost::asio::io_context context(1);
  std::vector<ends> all;
  all.reserve(footprint_count);
  const double heap = growth([&] {
    auto& [tx, rx] = all.emplace_back(sluice::make_channel<message>(context, idle_capacity));
    if (used && (tx.try_send(1) || !rx.try_receive())) std::abort();
  });
  return {heap, sizeof(ends)};
}

footprint oneshot() {
  boost::asio::io_context context(1);
  using both = decltype(sluice::make_oneshot<message>(context));
  std::vector<both> all;
  all.reserve(footprint_count);
  const double heap = growth([&] { all.push_back(sluice::make_oneshot<message>(context)); });
  return {heap, sizeof(both)};
}

/// A sender, made with these arguments, and one receiver.
template <class Sender, class Argument>
footprint subscribed(Argument argument) {
  boost::asio::io_context context(1);
  using both = std::pair<Sender, decltype(std::declval<Sender&>().subscribe())>;
  std::vector<both> all;
  all.reserve(footprint_count);
  const double heap = growth([&] {
    Sender tx(context, argument);
    auto rx = tx.subscribe();
    all.emplace_back(std::move(tx), std::move(rx));
  });
  return {heap, sizeof(both)};
}

footprint queued() {
  boost::asio::io_context context(1);
  auto [tx, rx] = sluice::make_unbounded_channel<message>(context);
  const double heap = growth([&tx = tx] {
    if (tx.try_send(1)) std::abort();
  });
  return {heap, 0};
}

const bool added[] = {
    add_footprint(idle_channel, "sluice", [] { return channel(false); }),
    add_footprint(used_channel, "sluice", [] { return channel(true); }),
    add_footprint(idle_oneshot, "sluice", oneshot),
    add_footprint(idle_watch, "sluice",
                  [] { return subscribed<sluice::watch_sender<message>>(message()); }),
    add_footprint(idle_broadcast, "sluice",
                  [] { return subscribed<sluice::broadcast_sender<message>>(idle_capacity); }),
    add_footprint(queued_message, "sluice", queued),
};

}  // namespace
}  // namespace bench
