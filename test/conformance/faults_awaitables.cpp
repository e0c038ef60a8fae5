// SPDX-License-Identifier: BSL-1.0
// requires: c++20
#define BOOST_TEST_MODULE conformance_faults_awaitables
#define CONFORMANCE_ONE_FORM_EACH

// As faults.cpp, with the completion tokens of C++20 coroutines. A coroutine whose operation is
// destroyed uncalled is destroyed, too.

#include "support/heap.hpp"

#include "conformance/awaitables.hpp"
#include "conformance/faults.hpp"
#include "support/unit_test.hpp"

#include <sluice/use_awaitable.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <new>
#include <utility>

using namespace conformance;
using namespace support;

namespace {

/// Awaits what `call` makes, and tells.
template <class Call>
asio::awaitable<void> watched(recorder::handler handler, Call call) {
  result seen = found_none;
  try {
    seen = co_await call();
  } catch (const std::bad_alloc&) {
    // Then it is as it was.
  }
  handler(seen.error, seen.carries);
}

/// What has waited in vain is unwound, by way of its executor, for which Asio needs memory.
struct in_coroutine : plain_use {
  static constexpr bool begins_later = true;
  static constexpr bool survives_for_good = false;

 protected:
  template <class Situation, class Call>
  static void spawn(Situation& now, Call call) {
    asio::co_spawn(now.end.handle.get_executor(), watched(now.seen.get_handler(), call),
                   asio::detached);
  }
};

/// Asio needs memory to make an exception of an error, and newer versions end the program if there
/// is none.
struct with_awaitable_of_asio : in_coroutine {
  template <class Function, class Situation>
  void begin(const Function& function, Situation& now) {
    spawn(now,
          [&] { return outcome_of(function.call(now.end, asio::as_tuple(asio::use_awaitable))); });
  }
};

struct with_awaitable : in_coroutine {
  template <class Function, class Situation>
  void begin(const Function& function, Situation& now) {
    spawn(now, [&] { return outcome_of(function.call(now.end, sluice::use_awaitable)); });
  }
};

struct with_tuple : in_coroutine {
  template <class Function, class Situation>
  void begin(const Function& function, Situation& now) {
    spawn(now, [&] {
      return outcome_of(function.call(now.end, asio::as_tuple(sluice::use_awaitable)));
    });
  }
};

struct with_redirected_error : in_coroutine {
  template <class Function, class Situation>
  void begin(const Function& function, Situation& now) {
    spawn(now, [&] {
      return outcome_of(function.call(now.end, asio::redirect_error(sluice::use_awaitable, error)),
                        error);
    });
  }

  error_code error = asio::error::would_block;
};

}  // namespace

// Under a sanitizer Asio's own memory does not fail, and what is ready needs no other.
FOR_EACH_FUNCTION(as_tuple_of_use_awaitable_of_asio) {
  const int points = check_scarcity<with_awaitable_of_asio>(function, way);
  BOOST_TEST((points > 0 || !waits(way)));
}

FOR_EACH_FUNCTION(use_awaitable) {
  const int points = check_scarcity<with_awaitable>(function, way);
  BOOST_TEST((points > 0 || !waits(way)));
}

FOR_EACH_FUNCTION(as_tuple_of_use_awaitable) {
  const int points = check_scarcity<with_tuple>(function, way);
  BOOST_TEST((points > 0 || !waits(way)));
}

FOR_EACH_FUNCTION(redirect_error_of_use_awaitable) {
  const int points = check_scarcity<with_redirected_error>(function, way);
  BOOST_TEST((points > 0 || !waits(way)));
}
