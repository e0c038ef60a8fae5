// SPDX-License-Identifier: BSL-1.0
//
// The other end: from the broker into a channel, and the acknowledgements back.

#ifndef BROKER_SUBSCRIBER_HPP
#define BROKER_SUBSCRIBER_HPP

#include "message.hpp"
#include "settings.hpp"

#include <sluice/channel.hpp>

#include <boost/asio/awaitable.hpp>

#include <variant>

namespace broker {

// Tells of the stop by closing; the value type only has to be something.
using stop_receiver = sluice::receiver<std::monostate>;

// Sends into the channel what the broker has for this consumer: first what a consumer of this name
// has left behind, then what is new, and what other consumers have left for too long. A message is
// removed from the broker when its delivery has been acknowledged.
//
// When `stop` has closed it asks for no more, sends what it has got, and lets go of the channel; it
// returns when each delivery has been acknowledged, or has gone without. It does the same when
// nobody is left to receive.
//
// Run it on an executor that does one thing at a time. Who receives may be anywhere.
boost::asio::awaitable<void> subscribe(sluice::sender<delivery> deliveries, subscriber_settings how,
                                       stop_receiver stop);

}  // namespace broker

#endif
