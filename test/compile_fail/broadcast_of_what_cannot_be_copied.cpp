// SPDX-License-Identifier: BSL-1.0
// expect: sluice: a broadcast gives each subscriber a copy of each message
#include <sluice/broadcast.hpp>

#include <boost/asio/io_context.hpp>

#include <memory>

#if defined(SLUICE_COMPILE_FAIL_CONTROL)
using message = std::shared_ptr<const int>;
#else
using message = std::unique_ptr<const int>;
#endif

int main() {
  boost::asio::io_context context;
  sluice::broadcast_sender<message> tx(context, 1);
  return tx.is_closed();
}
