// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_SUPPORT_UNIT_TEST_HPP
#define SLUICE_TEST_SUPPORT_UNIT_TEST_HPP

// Boost.Test with a main function; BOOST_TEST_MODULE has to be defined before.

#include <boost/test/unit_test.hpp>

#endif  // SLUICE_TEST_SUPPORT_UNIT_TEST_HPP
