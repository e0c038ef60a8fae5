// SPDX-License-Identifier: BSL-1.0

#include <sluice/channel.hpp>
#include <sluice/version.hpp>

#include <boost/asio/io_context.hpp>

#include <iostream>
#include <optional>

namespace asio = boost::asio;

int main() {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 4);

  std::optional<int> received;
  rx.async_receive([&](sluice::error_code, std::optional<int> value) { received = value; });
  tx.async_send(42, [](sluice::error_code) {});
  context.run();

  if (received != 42) {
    std::cerr << "42 was sent, but it was not received\n";
    return 1;
  }
  std::cout << "received " << *received << " with Sluice " SLUICE_VERSION_STRING "\n";
}
