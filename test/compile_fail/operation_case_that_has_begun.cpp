// SPDX-License-Identifier: BSL-1.0
// expect: on(op) takes an asynchronous operation that has not begun
#include <sluice/channel.hpp>
#include <sluice/select_cases.hpp>

#include <boost/asio/deferred.hpp>
#include <boost/asio/system_executor.hpp>
#include <boost/asio/system_timer.hpp>
#include <boost/asio/use_future.hpp>

namespace asio = boost::asio;

int main() {
  asio::system_timer timer{asio::system_executor()};
#if defined(SLUICE_COMPILE_FAIL_CONTROL)
  static_cast<void>(sluice::on(timer.async_wait(asio::deferred)));
#else
  static_cast<void>(sluice::on(timer.async_wait(asio::use_future)));
#endif
}
