// SPDX-License-Identifier: BSL-1.0

// With second_unit.cpp a program of two translation units that both include all of the library: it
// links only if no function is defined twice, and what is meant to exist once is the same in both.

#include <sluice.hpp>

#include <boost/asio/io_context.hpp>

#include <iostream>

namespace asio = boost::asio;

// The other unit's side.
bool send_from_second_unit(sluice::sender<int>& tx, int value);
const boost::system::error_category& category_of_second_unit();

int main() {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 1);

  if (!send_from_second_unit(tx, 42)) {
    std::cerr << "the second unit could not send into the channel of the first\n";
    return 1;
  }
  if (rx.try_receive() != 42) {
    std::cerr << "the first unit did not receive what the second one sent\n";
    return 1;
  }
  if (sluice::make_error_code(sluice::error::closed).category() != category_of_second_unit()) {
    std::cerr << "each unit has an error category of its own\n";
    return 1;
  }
}
