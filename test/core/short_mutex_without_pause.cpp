// SPDX-License-Identifier: BSL-1.0

// The mutex of one byte once more, in the form that needs nothing of the processor.

#define SLUICE_NO_PAUSE
#include "short_mutex.cpp"  // NOLINT(bugprone-suspicious-include): so it is meant
