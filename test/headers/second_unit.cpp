// SPDX-License-Identifier: BSL-1.0

// See first_unit.cpp.

#include <sluice.hpp>

bool send_from_second_unit(sluice::sender<int>& tx, int value);
const boost::system::error_category& category_of_second_unit();

bool send_from_second_unit(sluice::sender<int>& tx, int value) {
  return !tx.try_send(value);
}

const boost::system::error_category& category_of_second_unit() {
  return sluice::make_error_code(sluice::error::closed).category();
}
