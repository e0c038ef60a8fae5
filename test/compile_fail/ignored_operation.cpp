// SPDX-License-Identifier: BSL-1.0
// expect: ignoring return value
// expect: async_send
#include <sluice/channel.hpp>

#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>

// A deferred operation that is dropped never begins, and sends nothing.
int main() {
  sluice::sender<int> tx;
#if defined(SLUICE_COMPILE_FAIL_CONTROL)
  tx.async_send(1, boost::asio::deferred)(boost::asio::detached);
#else
  tx.async_send(1, boost::asio::deferred);
#endif
}
