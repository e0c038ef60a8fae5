// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_SUPPORT_PERMITS_HPP
#define SLUICE_TEST_SUPPORT_PERMITS_HPP

// Probes of reservations, and of sends of several values; see probe.hpp.

#include "support/message.hpp"
#include "support/probe.hpp"

#include <sluice/permit.hpp>

#include <boost/asio/bind_executor.hpp>

#include <cstddef>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace support {

template <class Sender>
using permit_of = sluice::permit<typename Sender::value_type, typename Sender::threading_type>;

template <class Permit>
class reserve_probe : public probe<Permit> {
 public:
  /// The permit that was given.
  Permit& permit() { return std::get<1>(this->results()); }

  /// How many places were reserved.
  std::size_t places() const { return this->done() ? std::get<1>(this->results()).size() : 0; }
};

template <class Sender>
reserve_probe<permit_of<Sender>> begin_reserve(Sender& tx) {
  reserve_probe<permit_of<Sender>> p;
  tx.async_reserve(p.get_handler());
  return p;
}

template <class Sender>
reserve_probe<permit_of<Sender>> begin_reserve(Sender& tx, std::size_t places) {
  reserve_probe<permit_of<Sender>> p;
  tx.async_reserve_many(places, p.get_handler());
  return p;
}

/// Begins one whose handler runs in an executor of its own.
template <class Sender, class Executor>
reserve_probe<permit_of<Sender>> begin_reserve_on(Sender& tx, const Executor& ex,
                                                  std::size_t places = 1) {
  reserve_probe<permit_of<Sender>> p;
  tx.async_reserve_many(places, asio::bind_executor(ex, p.get_handler()));
  return p;
}

/// Reserves what must be there to be reserved.
template <class Sender>
permit_of<Sender> reserve_now(Sender& tx, std::size_t places = 1) {
  error_code ec = asio::error::would_block;
  auto given = tx.try_reserve_many(places, ec);
  BOOST_TEST_REQUIRE(given.has_value());
  BOOST_TEST(!ec);
  BOOST_TEST(given->size() == places);
  return std::move(*given);
}

/// What try_reserve_many says when it gives nothing.
template <class Sender>
error_code refusal(Sender& tx, std::size_t places = 1) {
  error_code ec;
  BOOST_TEST(!tx.try_reserve_many(places, ec).has_value());
  return ec;
}

template <class Permit>
std::string word_of(const reserve_probe<Permit>& reserved) {
  if (!reserved.done()) return reserved.dropped() ? "dropped" : "waits";
  return reserved.error() ? word_of(reserved.error()) : std::to_string(reserved.places());
}

class send_all_probe : public probe<std::size_t> {
 public:
  /// How many values were sent, as its handler was told.
  std::size_t accepted() const { return std::get<1>(results()); }
};

/// Messages with consecutive ids.
inline std::vector<message> messages(int first_id, int count) {
  std::vector<message> values;
  for (int i = 0; i != count; ++i) values.emplace_back(first_id + i);
  return values;
}

inline std::vector<message> messages(int first_id, int count, ledger& counted_by) {
  std::vector<message> values;
  for (int i = 0; i != count; ++i) values.emplace_back(first_id + i, counted_by);
  return values;
}

inline std::string ids_of(const std::vector<message>& values) {
  std::string ids;
  for (const message& m : values) ids += (ids.empty() ? "" : " ") + std::to_string(m.id());
  return ids;
}

/// `values` is what one of the overloads of async_send_all takes.
template <class Sender, class Values>
send_all_probe begin_send_all(Sender& tx, Values values) {
  send_all_probe p;
  tx.async_send_all(std::move(values), p.get_handler());
  return p;
}

/// "3 sent", "2 closed" ...
inline std::string word_of(const send_all_probe& sent) {
  if (!sent.done()) return sent.dropped() ? "dropped" : "waits";
  return std::to_string(sent.accepted()) + ' ' + (sent.error() ? word_of(sent.error()) : "sent");
}

}  // namespace support

#endif  // SLUICE_TEST_SUPPORT_PERMITS_HPP
