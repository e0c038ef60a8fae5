// SPDX-License-Identifier: BSL-1.0
// expect: ignoring return value
// expect: async_wait
#include <sluice/channel.hpp>
#include <sluice/select.hpp>

#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>

// A deferred wait that is dropped never begins.
int main() {
  sluice::receiver<int> rx;
  auto any = sluice::select(sluice::on_receive(rx));
#if defined(SLUICE_COMPILE_FAIL_CONTROL)
  any.async_wait(boost::asio::deferred)(boost::asio::detached);
#else
  any.async_wait(boost::asio::deferred);
#endif
}
