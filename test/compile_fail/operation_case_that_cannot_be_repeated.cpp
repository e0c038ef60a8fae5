// SPDX-License-Identifier: BSL-1.0
// expect: the operation of on(op) may have to be begun more than once: make it one that can be copied
#include <sluice/channel.hpp>
#include <sluice/select_cases.hpp>

#include <boost/asio/deferred.hpp>

#include <memory>
#include <utility>

// A send that has to be begun once more needs its value once more.
int main() {
#if defined(SLUICE_COMPILE_FAIL_CONTROL)
  using message = std::shared_ptr<int>;
#else
  using message = std::unique_ptr<int>;
#endif
  sluice::sender<message> tx;
  static_cast<void>(sluice::on(tx.async_send(message(), boost::asio::deferred)));
}
