// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_SUPPORT_UNIT_TEST_HPP
#define SLUICE_TEST_SUPPORT_UNIT_TEST_HPP

// Boost.Test, either the compiled library or, with SLUICE_TEST_INCLUDED, its headers alone. The latter
// is for a Boost of which there are only headers, or whose library wants another standard library.
// BOOST_TEST_MODULE has to be defined before.

#if defined(SLUICE_TEST_INCLUDED)
#include <boost/test/included/unit_test.hpp>
#else
#include <boost/test/unit_test.hpp>
#endif

#endif  // SLUICE_TEST_SUPPORT_UNIT_TEST_HPP
