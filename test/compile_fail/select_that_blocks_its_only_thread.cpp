// SPDX-License-Identifier: BSL-1.0
// expect: make it with multi_threaded
#include <sluice/channel.hpp>
#include <sluice/select.hpp>
#include <sluice/sync_wait.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <tuple>

int main() {
#if defined(SLUICE_COMPILE_FAIL_CONTROL)
  using threading = sluice::multi_threaded;
#else
  using threading = sluice::single_threaded;
#endif
  sluice::receiver<int, boost::asio::any_io_executor, threading> rx;
  auto any = sluice::select(sluice::on_receive(rx));
  return std::get<0>(any.async_wait(sluice::sync_wait)) == sluice::npos;
}
