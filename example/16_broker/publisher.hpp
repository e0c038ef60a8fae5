// SPDX-License-Identifier: BSL-1.0
//
// The one end: from a channel into the broker.

#ifndef BROKER_PUBLISHER_HPP
#define BROKER_PUBLISHER_HPP

#include "message.hpp"
#include "settings.hpp"

#include <sluice/channel.hpp>

#include <boost/asio/awaitable.hpp>

namespace broker {

// Appends to the stream what comes out of the channel, until the channel has ended and the server
// has confirmed the last message. While the stream is too long, or the server is away, nothing is
// taken from the channel, beyond one batch: it fills, and who sends into it waits.
//
// A message goes to the stream at least once. It goes there twice if the server has stored it and
// the connection breaks before the answer.
boost::asio::awaitable<void> publish(sluice::receiver<message> messages, publisher_settings how);

}  // namespace broker

#endif
