// SPDX-License-Identifier: BSL-1.0

#include "try_pair/try_pair.hpp"

#include <boost/asio/experimental/concurrent_channel.hpp>
#include <boost/asio/io_context.hpp>

#include <memory>
#include <utility>

namespace bench {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using channel_type = asio::experimental::concurrent_channel<asio::io_context::executor_type,
                                                            void(error_code, message)>;

struct context_and_channel {
  asio::io_context context{1};
  channel_type channel{context.get_executor(), try_pair_capacity};
};

const bool added = add_try_pair("asio", [] {
  return [both = std::make_unique<context_and_channel>()](message value) {
    message taken = 0;
    both->channel.try_send(error_code(), value);
    both->channel.try_receive([&taken](error_code, message v) { taken = v; });
    return taken;
  };
});

}  // namespace
}  // namespace bench
