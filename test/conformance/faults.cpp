// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE conformance_faults

// Each asynchronous function, in each course of its operation, with every completion token that
// does not need a C++20 coroutine, while each allocation fails in turn; see faults.hpp for what
// must hold. Those with coroutines are in faults_awaitables.cpp.

#include "support/heap.hpp"

#include "conformance/faults.hpp"
#include "support/unit_test.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/asio/version.hpp>

#include <sluice/sync_wait.hpp>

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <new>
#include <tuple>
#include <utility>

using namespace conformance;
using namespace support;

namespace {

/// Does something at the end of a scope.
template <class F>
class at_exit {
 public:
  explicit at_exit(F f) : f_(std::move(f)) {}
  at_exit(const at_exit&) = delete;
  at_exit& operator=(const at_exit&) = delete;
  ~at_exit() { f_(); }

 private:
  F f_;
};

struct with_callback : plain_use {
  template <class Function, class Situation>
  void begin(const Function& function, Situation& now) {
    function.call(now.end, now.seen.get_handler());
  }
};

struct with_detached : plain_use {
  static constexpr bool is_silent = true;
  template <class Function, class Situation>
  void begin(const Function& function, Situation& now) {
    function.call(now.end, asio::detached);
  }
};

/// A deferred operation, as the default of a handle.
struct with_default : plain_use {
  template <class Function, class Situation>
  void begin(const Function& function, Situation& now) {
    auto handle = asio::deferred.as_default_on(std::move(now.end.handle));
    const at_exit give_back([&] { now.end.handle = std::move(handle); });
    auto operation = function.call_on(handle, now.end.value);
    std::move(operation)(now.seen.get_handler());
  }
};

/// A handler that can be copied, as some adapters of some versions of Asio want to.
template <class Situation>
auto copyable_handler(Situation& now) {
  std::shared_ptr<recorder::handler> handler;
  now.memory.spare([&] { handler = std::make_shared<recorder::handler>(now.seen.get_handler()); });
  return [handler](auto&&... results) { (*handler)(std::forward<decltype(results)>(results)...); };
}

struct with_as_tuple : plain_use {
  template <class Function, class Situation>
  void begin(const Function& function, Situation& now) {
    function.call(now.end, asio::as_tuple([handler = copyable_handler(now)](auto&& results) {
                    std::apply(handler, std::move(results));
                  }));
  }
};

struct with_redirect_error : plain_use {
  template <class Function, class Situation>
  void begin(const Function& function, Situation& now) {
    function.call(now.end, asio::redirect_error(
                               [handler = copyable_handler(now), this](auto&&... values) {
                                 handler(error, std::move(values)...);
                               },
                               error));
  }

  error_code error = asio::error::would_block;
};

/// A promise that is given up needs memory, to say so. As a tuple, because newer versions of Asio end
/// the program if there is no memory to make an exception of an error.
struct with_future : plain_use {
  static constexpr bool survives_for_good = false;

  template <class Function, class Situation>
  void begin(const Function& function, Situation& now) {
#if BOOST_ASIO_VERSION >= 102800
    auto future = function.call(now.end, asio::as_tuple(asio::use_future));
#else
    auto future = function.call(now.end, asio::use_future);
#endif
    now.memory.spare([&] {
      settle = [kept = std::make_shared<decltype(future)>(std::move(future)), &now] {
        if (kept->wait_for(std::chrono::seconds(0)) != std::future_status::ready) return;
        auto handler = now.seen.get_handler();
        try {
          const result r = result_of_future(*kept);
          handler(r.error, r.carries);
        } catch (const std::future_error&) {
          // It was given up.
        }
      };
    });
  }

  static result result_of_future(std::future<void>& future) {
    return result_or_error([&] {
      future.get();
      return result{};
    });
  }
  template <class T>
  static result result_of_future(std::future<T>& future) {
    return result_or_error([&] { return result_beside(error_code(), future.get()); });
  }

  template <class... Values>
  static result result_of_future(std::future<std::tuple<error_code, Values...>>& future) {
    return result_or_error([&] {
      return std::apply([](const auto&... each) { return result_of(each...); }, future.get());
    });
  }

  std::function<void()> settle = [] {};
};

/// In a stackful coroutine. What has waited there in vain is unwound, by way of its executor.
struct with_yield : plain_use {
  static constexpr bool begins_later = true;
  static constexpr bool survives_for_good = false;

  template <class Function, class Situation>
  void begin(const Function& function, Situation& now) {
    asio::spawn(
        now.end.handle.get_executor(),
        [&, handler = now.seen.get_handler()](asio::yield_context yield) mutable {
          const result r = result_or_error([&] {
            error_code error;
            return result_with(error, [&] { return function.call(now.end, yield[error]); });
          });
          handler(r.error, r.carries);
        },
        asio::detached);
  }
};

/// Steers when somebody who has begun to wait looks at it, and then is far beyond any deadline.
struct steering_clock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<steering_clock>;
  [[maybe_unused]] static constexpr bool is_steady = false;

  static time_point now() noexcept {
    if (auto* f = std::exchange(steer, nullptr)) {
      (*f)();
      time += std::chrono::hours(2);
    }
    return time;
  }

  static inline const std::function<void()>* steer = nullptr;
  static inline time_point time;
};

/// The operation takes its course while the thread is blocked.
struct with_sync_wait : plain_use {
  template <class Function, class Situation>
  void begin(const Function& function, Situation& now) {
    std::function<void()> steer;
    now.memory.spare([&] {
      steer = [&now] {
        try {
          now.end.steer(now.way);
        } catch (const std::bad_alloc&) {
          now.memory.end();
          now.end.steer(now.way);
        }
        now.steered = true;
      };
    });
    steering_clock::steer = now.steered ? nullptr : &steer;
    const at_exit forget([] { steering_clock::steer = nullptr; });
    const auto deadline = steering_clock::time + std::chrono::hours(1);
    const auto token = sluice::sync_wait_until(deadline);
    auto handler = now.seen.get_handler();
    const result r = std::apply([](const auto&... values) { return result_of(values...); },
                                function.call(now.end, asio::as_tuple(token)));
    // So it is told of what was given up.
    if (r.error != asio::error::operation_aborted || now.way == course::cancelled)
      handler(r.error, r.carries);
  }
};

}  // namespace

FOR_EACH_FUNCTION(a_callback) {
  BOOST_TEST(check_scarcity<with_callback>(function, way) > 0);
}

FOR_EACH_FUNCTION(detached) {
  BOOST_TEST(check_scarcity<with_detached>(function, way) > 0);
}

FOR_EACH_FUNCTION(deferred_as_default_on) {
  BOOST_TEST(check_scarcity<with_default>(function, way) > 0);
}

FOR_EACH_FUNCTION(as_tuple) {
  BOOST_TEST(check_scarcity<with_as_tuple>(function, way) > 0);
}

FOR_EACH_FUNCTION(redirect_error) {
  BOOST_TEST(check_scarcity<with_redirect_error>(function, way) > 0);
}

FOR_EACH_FUNCTION(use_future) {
  BOOST_TEST(check_scarcity<with_future>(function, way) > 0);
}

FOR_EACH_FUNCTION(yield_context) {
  BOOST_TEST(check_scarcity<with_yield>(function, way) > 0);
}

// What is ready allocates nothing here, except for the buffer.
FOR_EACH_FUNCTION(sync_wait) {
  const int points = check_scarcity<with_sync_wait>(function, way);
  BOOST_TEST((points > 0 || !waits(way)));
}
