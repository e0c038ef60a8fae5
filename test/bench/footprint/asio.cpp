// SPDX-License-Identifier: BSL-1.0

#include "footprint/footprint.hpp"
#include "frame/suite.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/experimental/concurrent_channel.hpp>
#include <boost/asio/io_context.hpp>

#include <cstdlib>
#include <limits>

namespace bench {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using channel_type =
    asio::experimental::concurrent_channel<asio::any_io_executor, void(error_code, message)>;

bool send(channel_type& channel) {
  return channel.try_send(error_code(), message(1));
}

footprint channel(bool used) {
  asio::io_context context(1);
  std::vector<channel_type> all;
  all.reserve(footprint_count);
  const double heap = growth([&] {
    channel_type& made = all.emplace_back(context, idle_capacity);
    if (used && !(send(made) && made.try_receive([](error_code, message) {}))) std::abort();
  });
  return {heap, sizeof(channel_type)};
}

footprint queued() {
  asio::io_context context(1);
  channel_type made(context, std::numeric_limits<std::size_t>::max());
  const double heap = growth([&made] {
    if (!send(made)) std::abort();
  });
  return {heap, 0};
}

const bool added[] = {
    add_footprint(idle_channel, "asio", [] { return channel(false); }),
    add_footprint(used_channel, "asio", [] { return channel(true); }),
    add_footprint(queued_message, "asio", queued),
};

}  // namespace
}  // namespace bench
