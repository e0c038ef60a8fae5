// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE conformance_reentrancy

// User code that calls back: no handler, allocator or executor of an operation is called under a
// lock, whichever asynchronous function it is (K6), so each of them may use the very channel that
// it serves. And exceptions of handlers: they leave through the executor, and the channel goes on.

#include "conformance/functions.hpp"
#include "support/recorder.hpp"
#include "support/tracked_allocator.hpp"
#include "support/unit_test.hpp"

#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/execution.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/require.hpp>

#include <functional>
#include <stdexcept>
#include <type_traits>
#include <utility>

using namespace conformance;
using namespace support;

using io_executor = asio::io_context::executor_type;

namespace {

/// Calls a function whenever anything is done with it, but not while that runs.
class hook {
 public:
  void set(std::function<void()> f) { f_ = std::move(f); }

  int calls() const { return calls_; }

  void operator()() {
    if (!f_ || runs_) return;
    runs_ = true;
    ++calls_;
    f_();
    runs_ = false;
  }

 private:
  std::function<void()> f_;
  bool runs_ = false;
  int calls_ = 0;
};

/// An executor that calls a hook when it is copied, destroyed, compared, asked or given a function.
template <class Inner>
class hooked_executor {
 public:
  hooked_executor(const Inner& inner, hook& h) noexcept : inner_(inner), hook_(&h) {}
  hooked_executor(const hooked_executor& other) noexcept
      : inner_(other.inner_), hook_(other.hook_) {
    (*hook_)();
  }
  hooked_executor& operator=(const hooked_executor&) = delete;
  ~hooked_executor() { (*hook_)(); }

  template <class F>
  void execute(F&& f) const {
    (*hook_)();
    inner_.execute(std::forward<F>(f));
    (*hook_)();
  }

  template <class Property,
            std::enable_if_t<asio::can_require<const Inner&, Property>::value, int> = 0>
  auto require(const Property& property) const {
    (*hook_)();
    using required = std::decay_t<decltype(asio::require(inner_, property))>;
    return hooked_executor<required>(asio::require(inner_, property), *hook_);
  }

  template <class Property,
            std::enable_if_t<asio::can_query<const Inner&, Property>::value, int> = 0>
  decltype(auto) query(const Property& property) const noexcept {
    (*hook_)();
    return asio::query(inner_, property);
  }

  friend bool operator==(const hooked_executor& a, const hooked_executor& b) noexcept {
    (*a.hook_)();
    return a.inner_ == b.inner_;
  }
  friend bool operator!=(const hooked_executor& a, const hooked_executor& b) noexcept {
    return !(a == b);
  }

 private:
  Inner inner_;
  hook* hook_;
};

/// A handler that calls a hook when it is moved, destroyed, asked or called.
class hooked_handler {
 public:
  hooked_handler(recorder::handler inner, hook& h) : inner_(std::move(inner)), hook_(&h) {}
  hooked_handler(hooked_handler&& other) noexcept
      : inner_(std::move(other.inner_)), hook_(other.hook_) {
    (*hook_)();
  }
  hooked_handler& operator=(hooked_handler&&) = delete;
  ~hooked_handler() { (*hook_)(); }

  template <class... Values>
  void operator()(Values&&... values) {
    (*hook_)();
    inner_(std::forward<Values>(values)...);
  }

 private:
  recorder::handler inner_;
  hook* hook_;
};

/// Takes the lock of a channel in every way that changes nothing.
template <class End>
std::function<void()> user_of(End& end) {
  return [&end] {
    touch(end.handle);
    touch(end.other);
    come_and_go(end.handle);
    come_and_go(end.other);
  };
}

}  // namespace

FOR_EACH_FUNCTION(K6_handlers_may_use_the_channel_whenever_they_are_touched) {
  asio::io_context context;
  hook touched;
  typename Function::template end<io_executor, sluice::multi_threaded> end(context.get_executor(),
                                                                           way);
  touched.set(user_of(end));
  recorder seen;
  function.call(end, hooked_handler(seen.get_handler(), touched));
  end.steer(way);
  context.run();
  BOOST_TEST(seen.last() == end.expected(way));
  BOOST_TEST(touched.calls() > 0);
}

FOR_EACH_FUNCTION(K6_allocators_may_use_the_channel) {
  asio::io_context context;
  allocator_log memory;
  hook used;
  memory.at_use = [&] { used(); };
  typename Function::template end<io_executor, sluice::multi_threaded> end(context.get_executor(),
                                                                           way);
  used.set(user_of(end));
  recorder seen;
  function.call(end, asio::bind_allocator(tracked_allocator<void>(memory), seen.get_handler()));
  end.steer(way);
  context.run();
  BOOST_TEST(seen.last() == end.expected(way));
  BOOST_TEST(used.calls() >= 4);
  BOOST_TEST(memory.blocks == 0);
}

FOR_EACH_FUNCTION(K6_the_executor_of_the_handle_may_use_the_channel) {
  asio::io_context context;
  hook used;
  typename Function::template end<hooked_executor<io_executor>, sluice::multi_threaded> end(
      hooked_executor<io_executor>(context.get_executor(), used), way);
  // Copying a handle copies its executor, so that is not what the hook does.
  used.set([&] {
    touch(end.handle);
    touch(end.other);
  });
  recorder seen;
  function.call(end, seen.get_handler());
  end.steer(way);
  context.run();
  used.set(nullptr);
  BOOST_TEST(seen.last() == end.expected(way));
  BOOST_TEST(used.calls() > 0);
}

FOR_EACH_FUNCTION(K6_the_executor_of_the_handler_may_use_the_channel) {
  asio::io_context context;
  hook used;
  typename Function::template end<io_executor, sluice::multi_threaded> end(context.get_executor(),
                                                                           way);
  used.set(user_of(end));
  recorder seen;
  function.call(end, asio::bind_executor(hooked_executor<io_executor>(context.get_executor(), used),
                                         seen.get_handler()));
  end.steer(way);
  context.run();
  BOOST_TEST(seen.last() == end.expected(way));
  BOOST_TEST(used.calls() > 0);
}

// Exceptions --------------------------------------------------------------------------------------

FOR_EACH_FUNCTION(an_exception_of_a_handler_leaves_through_run) {
  for_each_flavour([&](auto threading) {
    asio::io_context context;
    allocator_log memory;
    typename Function::template end<io_executor, decltype(threading)> end(context.get_executor(),
                                                                          way);
    recorder thrown;
    recorder next;
    message value(2);
    thrown.at_call([] { throw std::runtime_error("a handler that fails"); });
    function.call(end, asio::bind_allocator(tracked_allocator<void>(memory), thrown.get_handler()));
    end.steer(way);
    BOOST_CHECK_THROW(context.run(), std::runtime_error);
    BOOST_TEST(memory.blocks == 0);
    // That operation is over; the channel is as usable as ever.
    end.handle.cancel();
    context.restart();
    BOOST_TEST(context.run() == 0u);
    function.call_on(end.handle, value, next.get_handler());
    end.handle.cancel();
    context.restart();
    context.run();
    BOOST_TEST(next.calls() == 1);
  });
}
