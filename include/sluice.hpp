// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_HPP
#define SLUICE_HPP

#include <sluice/broadcast.hpp>
#include <sluice/channel.hpp>
#include <sluice/error.hpp>
#include <sluice/measured.hpp>
#include <sluice/oneshot.hpp>
#include <sluice/overflow.hpp>
#include <sluice/permit.hpp>
#include <sluice/select.hpp>
#include <sluice/select_cases.hpp>
#include <sluice/sync_bridge.hpp>
#include <sluice/sync_receiver.hpp>
#include <sluice/sync_sender.hpp>
#include <sluice/sync_wait.hpp>
#include <sluice/threading.hpp>
#include <sluice/use_awaitable.hpp>
#include <sluice/version.hpp>
#include <sluice/watch.hpp>
#include <sluice/watch_receiver.hpp>
#include <sluice/watch_sender.hpp>

#endif  // SLUICE_HPP
