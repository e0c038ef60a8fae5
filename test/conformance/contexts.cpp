// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE conformance_contexts
#define CONFORMANCE_ONE_FORM_EACH

// The end of execution contexts, for each asynchronous function (K5): the pending operations of a
// context are destroyed with it and never called, what they were promised goes on (D6), and the
// channel serves everybody else, whichever of several contexts goes first and at what moment.

#include "conformance/functions.hpp"
#include "support/recorder.hpp"
#include "support/unit_test.hpp"
#include "support/user_executors.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

using namespace conformance;
using namespace support;

using io_executor = asio::io_context::executor_type;

namespace {

template <class Function, class Threading = sluice::multi_threaded>
using end_of = typename Function::template end<io_executor, Threading>;

/// A handler whose destructor does something, once.
class parting_handler {
 public:
  parting_handler(recorder::handler inner, std::function<void()> at_end)
      : at_end_(std::move(at_end)), inner_(std::move(inner)) {}
  parting_handler(parting_handler&& other) noexcept
      : at_end_(std::exchange(other.at_end_, nullptr)), inner_(std::move(other.inner_)) {}
  parting_handler& operator=(parting_handler&&) = delete;

  ~parting_handler() {
    if (at_end_) at_end_();
  }

  template <class... Values>
  void operator()(Values&&... values) {
    inner_(std::forward<Values>(values)...);
  }

 private:
  std::function<void()> at_end_;
  recorder::handler inner_;
};

}  // namespace

// One context -------------------------------------------------------------------------------------

FOR_EACH_FUNCTION(K5_operations_are_destroyed_with_their_context) {
  for_each_flavour([&](auto threading) {
    auto context = std::make_unique<asio::io_context>();
    end_of<Function, decltype(threading)> end(context->get_executor(), way);
    recorder waiting;
    recorder steered;
    message value(2);
    function.call(end, steered.get_handler());
    end.steer(way);
    function.call_on(end.handle, value, waiting.get_handler());
    context.reset();
    for (const recorder& seen : {steered, waiting}) {
      BOOST_TEST(seen.dropped());
      BOOST_TEST(seen.calls() == 0);
    }
    // Nothing of them is left that the channel could trip over.
    end.handle.cancel();
    close(end);
  });
}

FOR_EACH_FUNCTION(K5_the_channel_goes_on_in_other_contexts) {
  auto context = std::make_unique<asio::io_context>();
  asio::io_context other_context;
  end_of<Function> end(context->get_executor(), way);
  recorder lost;
  recorder seen;
  message value(2);
  if (waits(way)) function.call(end, lost.get_handler());
  auto handle = with_executor(end.handle, other_context.get_executor());
  function.call_on(handle, value, seen.get_handler());
  context.reset();
  BOOST_TEST(lost.dropped() == waits(way));
  if (way == course::cancelled)
    handle.cancel();
  else
    end.steer(way);
  other_context.run();
  BOOST_TEST(seen.last() == end.expected(way));
}

FOR_EACH_FUNCTION(K5_a_thread_pool_takes_its_operations_along) {
  auto pool = std::make_unique<asio::thread_pool>(1);
  typename Function::template end<asio::any_io_executor, sluice::multi_threaded> end(
      pool->get_executor(), course::cancelled);
  recorder seen;
  function.call(end, seen.get_handler());
  pool->stop();
  pool.reset();
  BOOST_TEST(seen.dropped());
  BOOST_TEST(seen.calls() == 0);
}

// A new context may well live where the old one did.
FOR_EACH_FUNCTION(K5_a_channel_outlives_one_context_after_the_other) {
  std::optional<asio::io_context> context(std::in_place);
  asio::io_context lasting_context;
  typename Function::template end<asio::any_io_executor, sluice::multi_threaded> end(
      lasting_context.get_executor(), way);
  for (int round = 0; round != 20; ++round) {
    auto handle = with_executor(end.handle, context->get_executor());
    recorder seen;
    message value(2);
    function.call_on(handle, value, seen.get_handler());
    if (round % 2 != 0) {
      handle.cancel();
      context->poll();
      BOOST_TEST(seen.done());
    }
    context.emplace();
    BOOST_TEST(seen.done() != seen.dropped());
    if (way == course::at_once) return;
    if constexpr (!can_be_copied<decltype(handle)>)
      end.handle = std::move(handle).with_executor(lasting_context.get_executor());
  }
  recorder seen;
  function.call(end, seen.get_handler());
  end.steer(way);
  lasting_context.run();
  BOOST_TEST(seen.last() == end.expected(way));
}

// Two contexts ------------------------------------------------------------------------------------

FOR_EACH_FUNCTION(K5_a_waiting_operation_goes_with_either_context) {
  if (!waits(way)) return;
  for (bool handles_first : {true, false}) {
    auto context = std::make_unique<asio::io_context>();
    auto own_context = std::make_unique<asio::io_context>();
    end_of<Function> end(context->get_executor(), way);
    recorder seen;
    function.call(end, asio::bind_executor(*own_context, seen.get_handler()));
    let_wait(end, *own_context);
    (handles_first ? context : own_context).reset();
    BOOST_TEST(seen.dropped());
    // It is no work for the other one any more.
    asio::io_context& rest = handles_first ? *own_context : *context;
    BOOST_TEST(rest.run() == 0u);
    end.steer(way);
    BOOST_TEST(rest.poll() == 0u);
    BOOST_TEST(seen.calls() == 0);
  }
}

FOR_EACH_FUNCTION(K5_a_posted_operation_goes_with_the_handlers_context_only) {
  for (bool handles_first : {true, false}) {
    auto context = std::make_unique<asio::io_context>();
    auto own_context = std::make_unique<asio::io_context>();
    end_of<Function> end(context->get_executor(), way);
    recorder seen;
    function.call(end, asio::bind_executor(*own_context, seen.get_handler()));
    end.steer(way);
    if (handles_first) {
      context.reset();
      BOOST_TEST(!seen.dropped());
      own_context->run();
      BOOST_TEST(seen.last() == end.expected(way));
    } else {
      own_context.reset();
      BOOST_TEST(seen.dropped());
      BOOST_TEST(context->run() == 0u);
    }
  }
}

// A strand must not be destroyed after its context, so an operation that is posted elsewhere must
// not keep one.
FOR_EACH_FUNCTION(K5_a_posted_operation_keeps_no_strand_of_the_handle) {
  asio::io_context own_context;
  recorder seen;
  result expected;
  using end_type = typename Function::template end<asio::any_io_executor, sluice::multi_threaded>;
  {
    asio::io_context context;
    end_type end(asio::make_strand(context), way);
    function.call(end, asio::bind_executor(own_context, seen.get_handler()));
    end.steer(way);
    expected = end.expected(way);
    // The handles go here, before the context, and the channel with them.
  }
  own_context.run();
  BOOST_TEST(seen.calls() == 1);
  // What a receive was to take, or to see, has gone with the last receiver.
  const bool would_take = way == course::at_once || way == course::after_waiting;
  if (stays_open<end_type>::value)
    BOOST_TEST((seen.last() == aborted || (seen.last() == expected && !expected.carries)));
  else if (!would_take || !can_be_left<end_type>::value)
    BOOST_TEST(seen.last() == expected);
  else
    BOOST_TEST(seen.last() == aborted);
}

FOR_EACH_FUNCTION(K5_one_that_was_passed_on_by_the_handles_context_does_not_need_it) {
  auto context = std::make_unique<asio::io_context>();
  task_context own_context;
  end_of<Function> end(context->get_executor(), way);
  recorder seen;
  function.call(end, asio::bind_executor(context_executor{&own_context}, seen.get_handler()));
  end.steer(way);
  context->run();
  context.reset();
  BOOST_TEST(!seen.dropped());
  own_context.queue.run();
  BOOST_TEST(seen.last() == end.expected(way));
}

FOR_EACH_FUNCTION(K5_one_that_was_not_passed_on_yet_goes_with_the_handles_context) {
  auto context = std::make_unique<asio::io_context>();
  task_context own_context;
  end_of<Function> end(context->get_executor(), way);
  recorder seen;
  function.call(end, asio::bind_executor(context_executor{&own_context}, seen.get_handler()));
  end.steer(way);
  context.reset();
  BOOST_TEST(seen.dropped());
  BOOST_TEST(own_context.queue.run() == 0u);
}

// A woken receive that finds nothing has to wait again, but the handle's context is gone.
BOOST_AUTO_TEST_CASE(K5_a_woken_receive_cannot_wait_again_for_a_context_that_is_gone) {
  auto context = std::make_unique<asio::io_context>();
  asio::io_context own_context;
  auto [tx, rx] = sluice::make_channel<message>(*context, 0);
  recorder received;
  recorder sent;
  rx.async_receive(asio::bind_executor(own_context, received.get_handler()));
  tx.async_send(message(1), sent.get_handler());
  context.reset();
  BOOST_TEST(sent.dropped());
  BOOST_TEST(!received.dropped());
  own_context.run();
  BOOST_TEST(received.dropped());
  BOOST_TEST(received.calls() == 0);
}

// Promises ----------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(D6_a_promise_goes_from_context_to_context) {
  constexpr std::size_t count = 5;
  std::vector<std::unique_ptr<asio::io_context>> contexts;
  asio::io_context last;
  auto [tx, rx] = sluice::make_channel<message>(last, 1);
  std::vector<recorder> seen(count);
  for (std::size_t i = 0; i != count; ++i) {
    contexts.push_back(std::make_unique<asio::io_context>());
    rx.with_executor(contexts[i]->get_executor()).async_receive(seen[i].get_handler());
  }
  BOOST_TEST(!tx.try_send(message(1)));
  for (std::size_t i = 0; i + 1 != count; ++i) {
    contexts[i].reset();
    BOOST_TEST(seen[i].dropped());
    BOOST_TEST(rx.size() == 1u);
    BOOST_TEST(!rx.try_receive().has_value());
  }
  contexts.back()->run();
  BOOST_TEST(seen.back().last() == success_with_something);
  BOOST_TEST(rx.empty());
}

BOOST_AUTO_TEST_CASE(D6_what_nobody_else_waits_for_can_be_received_after_all) {
  auto context = std::make_unique<asio::io_context>();
  auto [tx, rx] = sluice::make_channel<message, io_executor>(context->get_executor(), 1);
  recorder seen;
  rx.async_receive(seen.get_handler());
  BOOST_TEST(!tx.try_send(message(1)));
  tx.close();
  error_code error;
  BOOST_TEST(!rx.try_receive(error).has_value());
  BOOST_TEST((error == sluice::error::empty));
  context.reset();
  BOOST_TEST(rx.try_receive(error).has_value());
  BOOST_TEST(!rx.try_receive(error).has_value());
  BOOST_TEST((error == sluice::error::closed));
}

BOOST_AUTO_TEST_CASE(K5_a_pending_send_that_is_destroyed_leaves_its_place_to_the_next) {
  auto context = std::make_unique<asio::io_context>();
  asio::io_context other_context;
  auto [tx, rx] = sluice::make_channel<message>(*context, 1);
  auto other_tx = tx.with_executor(other_context.get_executor());
  recorder lost;
  recorder sent;
  BOOST_TEST(!tx.try_send(message(1)));
  tx.async_send(message(2), lost.get_handler());
  other_tx.async_send(message(3), sent.get_handler());
  context.reset();
  BOOST_TEST(lost.dropped());
  BOOST_TEST(rx.try_receive().value().id() == 1);
  other_context.run();
  BOOST_TEST(sent.last() == success);
  BOOST_TEST(rx.try_receive().value().id() == 3);
}

// Destructors of handlers -------------------------------------------------------------------------

FOR_EACH_FUNCTION(K5_handlers_may_use_the_channel_when_they_are_destroyed) {
  auto context = std::make_unique<asio::io_context>();
  end_of<Function> end(context->get_executor(), way);
  recorder seen;
  function.call(end, parting_handler(seen.get_handler(), [&] {
                  touch(end.other);
                  end.handle.cancel();
                  end.other.cancel();
                  close(end);
                  end.other = {};
                  end.handle = {};
                }));
  end.steer(way);
  context.reset();
  BOOST_TEST(seen.dropped());
  BOOST_TEST(!end.handle);
}

// The operation that is begun then belongs to a context that is going away, too.
FOR_EACH_FUNCTION(K5_handlers_may_begin_operations_when_they_are_destroyed) {
  auto context = std::make_unique<asio::io_context>();
  asio::io_context other_context;
  end_of<Function> end(context->get_executor(), way);
  end_of<Function> other_end(context->get_executor(), course::cancelled);
  auto surviving = with_executor(other_end.handle, other_context.get_executor());
  recorder seen;
  recorder begun[3];
  message values[2] = {message(2), message(3)};
  function.call(end, parting_handler(seen.get_handler(), [&] {
                  function.call_on(end.handle, values[0], begun[0].get_handler());
                  function.call(other_end, begun[1].get_handler());
                  function.call_on(surviving, values[1], begun[2].get_handler());
                }));
  end.steer(way);
  context.reset();
  BOOST_TEST(seen.dropped());
  BOOST_TEST(begun[0].dropped());
  BOOST_TEST(begun[1].dropped());
  BOOST_TEST(!begun[2].dropped());
  surviving.cancel();
  other_end.steer(course::closed_while_waiting);
  other_context.run();
  BOOST_TEST(begun[2].last() == aborted);
  BOOST_TEST(begun[0].calls() + begun[1].calls() == 0);
}

FOR_EACH_FUNCTION(K5_that_may_go_on_for_a_while) {
  auto context = std::make_unique<asio::io_context>();
  end_of<Function> end(context->get_executor(), way);
  std::vector<std::unique_ptr<message>> values;
  std::vector<recorder> seen(50);
  std::function<void(std::size_t)> begin = [&](std::size_t i) {
    if (i == seen.size()) return;
    values.push_back(std::make_unique<message>(2));
    function.call_on(end.handle, *values.back(),
                     parting_handler(seen[i].get_handler(), [&, i] { begin(i + 1); }));
  };
  begin(0);
  context.reset();
  for (const recorder& each : seen) BOOST_TEST(each.dropped());
}

// Threads -----------------------------------------------------------------------------------------

// One thread makes contexts, waits in them and destroys them; others send and receive meanwhile and
// so wake what waits there. Each message that was accepted is received once.
BOOST_AUTO_TEST_CASE(K5_contexts_come_and_go_while_others_send_and_receive) {
  constexpr int count_each = 1500;
  ledger messages;
  std::atomic<int> sending{2};
  std::atomic<int> refused{0};
  std::atomic<int> received{0};
  {
    asio::thread_pool pool(1);
    auto [tx, rx] = sluice::make_channel<message>(pool, 4);
    auto count = [&](error_code, std::optional<message> m) {
      if (m) ++received;
    };
    auto consumer = rx;
    std::function<void()> consume = [&] {
      consumer.async_receive([&](error_code, std::optional<message> m) {
        if (!m) return;
        ++received;
        consume();
      });
    };
    std::thread producer([&, sender = tx]() mutable {
      for (int sent = 0; sent != count_each;) {
        if (!sender.try_send(message(1, messages)))
          ++sent;
        else
          std::this_thread::yield();
      }
      --sending;
    });
    std::thread asynchronous([&, sender = tx]() mutable {
      asio::io_context context;
      for (int i = 0; i != count_each; ++i) {
        sender.with_executor(context.get_executor())
            .async_send(message(1, messages), [&](error_code ec) {
              if (ec) ++refused;
            });
        context.restart();
        context.run();
      }
      --sending;
    });
    consume();
    for (int round = 0; sending != 0; ++round) {
      std::optional<asio::io_context> context(std::in_place);
      auto own_rx = rx.with_executor(context->get_executor());
      auto own_tx = tx.with_executor(context->get_executor());
      for (int i = 0; i != 3; ++i) own_rx.async_receive(count);
      own_tx.async_wait_closed(asio::detached);
      rx.async_receive(asio::bind_executor(*context, count));
      if (round % 2 == 0) context->poll();
      if (round % 3 == 0) own_rx = {};
      context.reset();
    }
    producer.join();
    asynchronous.join();
    tx = {};
    pool.join();
    // The end of the stream came, so nothing is left.
    BOOST_TEST(rx.is_closed());
    BOOST_TEST(rx.empty());
  }
  BOOST_TEST(refused == 0);
  BOOST_TEST(received == 2 * count_each);
  BOOST_TEST(messages.alive() == 0);
}
