// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_CONFORMANCE_BATCH_ENDS_HPP
#define SLUICE_TEST_CONFORMANCE_BATCH_ENDS_HPP

// The ends for receives of several messages; see ends.hpp.

#include "conformance/ends.hpp"
#include "conformance/kept.hpp"
#include "support/message.hpp"

#include <utility>
#include <vector>

namespace conformance {

/// A vector for what is received. It stays where it is: nobody knows how long it is referred to.
inline std::vector<message>& room_for_some() {
  std::vector<message> room;
  room.reserve(1);
  return keep(std::move(room));
}

/// Waits for its first message, at which it stops, or has it.
template <class Executor, class Threading>
class looping_end : public receiving_end<Executor, Threading> {
  using base = receiving_end<Executor, Threading>;

 public:
  using base::base;

  static result expected(course way) {
    const result of_one = base::expected(way);
    return of_one == success_with_something ? success : of_one;
  }
};

}  // namespace conformance

#endif  // SLUICE_TEST_CONFORMANCE_BATCH_ENDS_HPP
