// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_BROADCAST_HPP
#define SLUICE_BROADCAST_HPP

// Every subscriber gets every message.

#include <sluice/broadcast_receiver.hpp>
#include <sluice/broadcast_sender.hpp>
#include <sluice/error.hpp>
#include <sluice/overflow.hpp>
#include <sluice/threading.hpp>

#endif  // SLUICE_BROADCAST_HPP
