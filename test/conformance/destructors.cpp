// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE conformance_destructors
#define CONFORMANCE_ONE_FORM_EACH

// Handlers that do something when they are destroyed, called or not, at each place where the
// library destroys them: they begin other operations, close, or let the last handles go (K6). Each
// is destroyed once, and nothing else is harmed.

#include "conformance/aftermath.hpp"
#include "conformance/functions.hpp"
#include "support/tracked_allocator.hpp"
#include "support/unit_test.hpp"
#include "support/user_executors.hpp"

#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include <functional>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

using namespace conformance;
using namespace support;

using io_executor = asio::io_context::executor_type;

namespace {

/// A handler that does something when it is destroyed, and may do something when it is called.
class last_words {
 public:
  explicit last_words(const std::function<void()>& at_end, bool throws = false) noexcept
      : at_end_(&at_end), throws_(throws) {}
  last_words(last_words&& other) noexcept
      : at_end_(std::exchange(other.at_end_, nullptr)), throws_(other.throws_) {}
  last_words& operator=(last_words&&) = delete;

  ~last_words() {
    if (at_end_ != nullptr) (*at_end_)();
  }

  template <class... Results>
  void operator()(error_code, Results&&...) {
    if (throws_) throw std::runtime_error("thrown by a handler");
  }

 private:
  const std::function<void()>* at_end_;
  bool throws_;
};

/// How an operation ends, and its handler with it.
enum class ending {
  by_completing,
  by_throwing,
  by_its_slot,
  with_its_context,
  with_the_context_of_the_handler,
  without_memory,
  without_memory_for_its_submission,
  refused_by_its_executor,
};

constexpr ending endings[] = {
    ending::by_completing,
    ending::by_throwing,
    ending::by_its_slot,
    ending::with_its_context,
    ending::with_the_context_of_the_handler,
    ending::without_memory,
    ending::without_memory_for_its_submission,
    ending::refused_by_its_executor,
};

/// Begins an operation with a handler and lets it end; `action(end)` makes what the handler does.
template <class Function, class Action>
void end_one(const Function& function, course way, ending how, Action action) {
  auto context = std::make_unique<asio::io_context>();
  auto own_context = std::make_unique<asio::io_context>();
  task_context queue;
  const bool refuses = true;
  allocator_log memory;
  asio::cancellation_signal signal;
  int destroyed = 0;
  std::function<void()> at_end;
  {
    typename Function::template end<io_executor, sluice::multi_threaded> end(
        context->get_executor(), way);
    at_end = [&] {
      ++destroyed;
      action(end);
    };
    const auto call = [&](auto&& handler) {
      try {
        function.call(end, std::move(handler));
      } catch (const std::bad_alloc&) {
        BOOST_TEST(
            (how == ending::without_memory || how == ending::without_memory_for_its_submission));
      } catch (const std::runtime_error&) {
        BOOST_TEST((how == ending::refused_by_its_executor));
      }
    };
    const auto run = [&](asio::io_context& c) {
      try {
        c.restart();
        c.poll();
      } catch (const std::runtime_error&) {
        BOOST_TEST((how == ending::by_throwing));
      }
    };
    switch (how) {
      case ending::by_completing:
      case ending::with_its_context:
        call(last_words(at_end));
        break;
      case ending::by_throwing:
        call(last_words(at_end, true));
        break;
      case ending::by_its_slot:
        call(asio::bind_cancellation_slot(signal.slot(), last_words(at_end)));
        break;
      case ending::with_the_context_of_the_handler:
        call(asio::bind_executor(own_context->get_executor(), last_words(at_end)));
        break;
      case ending::without_memory:
      case ending::without_memory_for_its_submission:
        memory.left = how == ending::without_memory ? 0 : 1;
        call(asio::bind_allocator(tracked_allocator<void>(memory), last_words(at_end)));
        break;
      case ending::refused_by_its_executor:
        call(asio::bind_executor(refusing_executor{&queue, &refuses}, last_words(at_end)));
        break;
    }
    if (how == ending::by_its_slot) {
      signal.emit(asio::cancellation_type::terminal);
    } else if (how == ending::with_its_context) {
      // Some end in a context that is running, some in one that never has been.
      if (way != course::cancelled) context.reset();
    } else if (how == ending::with_the_context_of_the_handler) {
      own_context.reset();
    } else if (destroyed == 0) {
      end.steer(way);
    }
    if (context) run(*context);
    if (own_context) run(*own_context);
    if (how == ending::with_its_context) context.reset();
    BOOST_TEST(destroyed == 1);
    // What was begun meanwhile is over, too, or was never begun.
    if (context) {
      if (end.handle) end.handle.cancel();
      run(*context);
    }
  }
  BOOST_TEST(destroyed == 1);
  BOOST_TEST(memory.blocks == 0);
}

template <class Function, class Action>
void end_all(const Function& function, course way, Action action) {
  for (const ending how : endings) end_one(function, way, how, action);
}

}  // namespace

FOR_EACH_FUNCTION(K6_the_destructor_of_a_handler_may_begin_others) {
  end_all(function, way, [&](auto& end) {
    message value(2);
    function.call_on(end.handle, value, asio::detached);
    touch(end.handle);
    touch(end.other);
    end.handle.cancel();
    come_and_go(end.handle);
  });
}

FOR_EACH_FUNCTION(K6_the_destructor_of_a_handler_may_close) {
  end_all(function, way, [](auto& end) {
    using end_type = std::decay_t<decltype(end)>;
    if constexpr (can_close<decltype(std::declval<end_type&>().handle)>::value ||
                  can_close<decltype(std::declval<end_type&>().other)>::value)
      conformance::close(end);
  });
}

FOR_EACH_FUNCTION(K6_the_destructor_of_a_handler_may_let_all_handles_go) {
  end_all(function, way, [](auto& end) {
    end.handle = {};
    end.other = {};
    end.moved_to = {};
  });
}
