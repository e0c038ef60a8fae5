// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_WATCH_HPP
#define SLUICE_WATCH_HPP

// A watch: many may know the latest value, and wait for another one.

#include <sluice/error.hpp>
#include <sluice/threading.hpp>
#include <sluice/watch_receiver.hpp>
#include <sluice/watch_sender.hpp>

#endif  // SLUICE_WATCH_HPP
