// SPDX-License-Identifier: BSL-1.0
// expect: since a value would be lost with a case that does not happen: drop the value, by
#include <sluice/select_cases.hpp>

#include <boost/asio/deferred.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/system_executor.hpp>

namespace asio = boost::asio;

// The number of a signal is a value.
int main() {
  asio::signal_set signals{asio::system_executor()};
#if defined(SLUICE_COMPILE_FAIL_CONTROL)
  static_cast<void>(sluice::on(signals.async_wait(
      asio::deferred([](sluice::error_code ec, int) { return asio::deferred.values(ec); }))));
#else
  static_cast<void>(sluice::on(signals.async_wait(asio::deferred)));
#endif
}
