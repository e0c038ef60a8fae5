// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE measured_mixture_threads

// Everything a channel can do, in random order, on several threads, with a channel that counts.

#define MIXTURE_IS_MEASURED
#include "channel_mixture_threads.cpp"  // NOLINT(bugprone-suspicious-include): so it is meant
