// SPDX-License-Identifier: BSL-1.0
// expect: the channels of a select have the same threading policy
#include <sluice/channel.hpp>
#include <sluice/select.hpp>
#include <sluice/threading.hpp>

#include <boost/asio/any_io_executor.hpp>

int main() {
#if defined(SLUICE_COMPILE_FAIL_CONTROL)
  using threading = sluice::multi_threaded;
#else
  using threading = sluice::single_threaded;
#endif
  sluice::receiver<int> rx;
  sluice::receiver<int, boost::asio::any_io_executor, threading> other;
  auto any = sluice::select(sluice::on_receive(rx), sluice::on_receive(other));
  static_cast<void>(any);
}
