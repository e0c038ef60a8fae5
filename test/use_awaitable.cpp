// SPDX-License-Identifier: BSL-1.0
// requires: c++20
#define BOOST_TEST_MODULE use_awaitable

// What sluice::use_awaitable gives: an operation that can be awaited in the frame of the coroutine,
// without being suspended if it is ready, and that becomes an asio::awaitable where one is wanted.

#include "support/flavours.hpp"
#include "support/message.hpp"
#include "support/probe.hpp"
#include "support/seed.hpp"

#include <sluice/use_awaitable.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/asio/version.hpp>
#include <boost/test/unit_test.hpp>

#include <exception>
#include <future>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

using namespace support;

namespace {

template <class Executor, class T>
void start(const Executor& ex, asio::awaitable<T> coroutine) {
  asio::co_spawn(ex, std::move(coroutine), [](std::exception_ptr thrown, auto&&...) {
    if (thrown) std::rethrow_exception(thrown);
  });
}

/// As above, for a coroutine that can be cancelled.
template <class Executor, class T>
void start(const Executor& ex, asio::cancellation_signal& signal, asio::awaitable<T> coroutine) {
  asio::co_spawn(
      ex, std::move(coroutine),
      asio::bind_cancellation_slot(signal.slot(), [](std::exception_ptr thrown, auto&&...) {
        if (thrown) std::rethrow_exception(thrown);
      }));
}

}  // namespace

// Without being suspended -------------------------------------------------------------------------

namespace {

/// Receives two messages; says whether others had a turn meanwhile.
template <class Receiver>
asio::awaitable<void> receive_twice(Receiver& rx, bool (&others)[2]) {
  auto ex = co_await asio::this_coro::executor;
  for (bool& had_a_turn : others) {
    bool ran = false;
    asio::post(ex, [&] { ran = true; });
    co_await rx.async_receive();
    had_a_turn = ran;
    // The function object refers to this frame.
    if (!ran) co_await asio::post(ex, asio::use_awaitable);
  }
}

template <class Sender>
asio::awaitable<void> send_once(Sender& tx, bool& others) {
  bool ran = false;
  auto ex = co_await asio::this_coro::executor;
  asio::post(ex, [&] { ran = true; });
  co_await tx.async_send(message(1));
  others = ran;
  if (!ran) co_await asio::post(ex, asio::use_awaitable);
}

/// Waits for one message, then receives two that are there.
template <class Receiver>
asio::awaitable<void> wait_and_receive_twice(Receiver& rx, bool (&others)[2]) {
  co_await rx.async_receive();
  auto ex = co_await asio::this_coro::executor;
  for (bool& had_a_turn : others) {
    asio::post(ex, [&] { had_a_turn = true; });
    co_await rx.async_receive();
    if (had_a_turn) co_return;
  }
  // Both function objects refer to the test, and run when this has ended.
}

}  // namespace

FLAVOUR_TEST_CASE(a_receive_that_is_ready_goes_on_at_once, buffered_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  bool others[] = {true, true};
  BOOST_TEST(!tx.try_send(message(1)));
  begin_send(tx, 2);
  start(context.get_executor(), receive_twice(rx, others));
  context.run();
  BOOST_TEST(!others[0]);
  BOOST_TEST(!others[1]);
}

FLAVOUR_TEST_CASE(a_send_that_is_ready_goes_on_at_once_in_every_coroutine, buffered_flavours) {
  asio::io_context context;
  asio::cancellation_signal signal;
  auto [tx, rx] = flavour.open(context);
  bool others = true;
  start(context.get_executor(), send_once(tx, others));
  context.run();
  BOOST_TEST(!others);
  BOOST_TEST(take(rx).id == 1);
  context.restart();
  others = true;
  start(context.get_executor(), signal, send_once(tx, others));
  context.run();
  BOOST_TEST(!others);
}

FLAVOUR_TEST_CASE(D3_a_coroutine_that_can_be_cancelled_is_suspended_while_it_is_spawned,
                  buffered_flavours) {
  asio::io_context context;
  asio::cancellation_signal signal;
  auto [tx, rx] = flavour.open(context);
  bool others[] = {false, true};
  BOOST_TEST(!tx.try_send(message(1)));
  begin_send(tx, 2);
  // Here it runs before co_spawn returns.
  asio::post(context, [&, &from = rx] {
    start(context.get_executor(), signal, receive_twice(from, others));
  });
  context.run();
  BOOST_TEST(others[0]);
  // It has waited by now.
  BOOST_TEST(!others[1]);
}

FLAVOUR_TEST_CASE(a_coroutine_that_can_be_cancelled_and_has_waited_goes_on_at_once,
                  buffered_flavours) {
  asio::io_context context;
  asio::cancellation_signal signal;
  auto [tx, rx] = flavour.open(context);
  bool others[] = {false, false};
  start(context.get_executor(), signal, wait_and_receive_twice(rx, others));
  run_ready(context);
  BOOST_TEST(!tx.try_send(message(1)));
  begin_send(tx, 2);
  begin_send(tx, 3);
  context.restart();
  // One step for the message that was waited for, and all that follows it.
  BOOST_TEST(context.run_one() == 1u);
  BOOST_TEST(!others[0]);
  BOOST_TEST(!others[1]);
  context.run();
  BOOST_TEST(others[0]);
  BOOST_TEST(take(rx).id == message::none);
}

FLAVOUR_TEST_CASE(a_coroutine_that_was_cancelled_takes_nothing, buffered_flavours) {
  asio::io_context context;
  asio::cancellation_signal signal;
  auto [tx, rx] = flavour.open(context);
  bool aborted = false;
  auto receive_again = [](auto& from, asio::cancellation_signal& own,
                          bool& seen) -> asio::awaitable<void> {
    co_await from.async_receive();
    own.emit(asio::cancellation_type::terminal);
    try {
      co_await from.async_receive();
    } catch (const boost::system::system_error& e) {
      seen = e.code() == asio::error::operation_aborted;
    }
  };
  start(context.get_executor(), signal, receive_again(rx, signal, aborted));
  begin_send(tx, 1);
  begin_send(tx, 2);
  context.run();
  BOOST_TEST(aborted);
  BOOST_TEST(take(rx).id == 2);
}

// Two branches that are ready, whatever they have awaited before ----------------------------------

namespace {

/// What a coroutine awaits before it receives.
enum class first { nothing, dispatch, post, timer, receive, ready_receive, send };

constexpr first all_firsts[] = {first::nothing, first::dispatch,      first::post, first::timer,
                                first::receive, first::ready_receive, first::send};

/// Awaits something, and then a message, which it returns.
template <class Receiver, class Sender>
asio::awaitable<int> receive_after(first what, Receiver& rx, Receiver& gate, Sender& open) {
  auto ex = co_await asio::this_coro::executor;
  switch (what) {
    case first::nothing:
      break;
    case first::dispatch:
      co_await asio::dispatch(ex, asio::use_awaitable);
      break;
    case first::post:
      co_await asio::post(ex, asio::use_awaitable);
      break;
    case first::timer: {
      asio::steady_timer over(ex, asio::steady_timer::time_point::min());
      co_await over.async_wait(asio::use_awaitable);
      break;
    }
    case first::receive:
      asio::post(ex, [&] { begin_send(open, 0); });
      co_await gate.async_receive();
      break;
    case first::ready_receive:
      begin_send(open, 0);
      co_await gate.async_receive();
      break;
    case first::send:
      co_await open.async_send(message(0));
      break;
  }
  auto received = co_await rx.async_receive();
  co_return received ? received->id() : message::none;
}

template <class Receiver, class Sender>
asio::awaitable<void> receive_either(first a, first b, Receiver& rx1, Receiver& rx2,
                                     Receiver& gate1, Receiver& gate2, Sender& open1, Sender& open2,
                                     int& received) {
  using namespace asio::experimental::awaitable_operators;
  auto winner =
      co_await (receive_after(a, rx1, gate1, open1) || receive_after(b, rx2, gate2, open2));
  received = std::visit([](int id) { return id; }, winner);
}

}  // namespace

FLAVOUR_TEST_CASE(D3_of_two_coroutines_that_receive_one_takes_whatever_they_awaited_before,
                  buffered_flavours) {
  // Frames lie where others lay before them, so what is mixed up between two coroutines is met.
  random_source random;
  asio::io_context context;
  auto [tx1, rx1] = flavour.open(context);
  auto [tx2, rx2] = flavour.open(context);
  auto [open1, gate1] =
      sluice::make_unbounded_channel<message, asio::any_io_executor,
                                     typename decltype(flavour)::threading>(context);
  auto [open2, gate2] =
      sluice::make_unbounded_channel<message, asio::any_io_executor,
                                     typename decltype(flavour)::threading>(context);
  int wrong = 0;
  for (int round = 0; round != 2'000; ++round) {
    const first a = all_firsts[random.below(7)];
    const first b = all_firsts[random.below(7)];
    begin_send(tx1, 1);
    begin_send(tx2, 2);
    int received = message::none;
    start(context.get_executor(),
          receive_either(a, b, rx1, rx2, gate1, gate2, open1, open2, received));
    run_ready(context);
    const int left1 = take(rx1).id;
    const int left2 = take(rx2).id;
    wrong += (received == 1 && left1 == message::none && left2 == 2) ||
                     (received == 2 && left1 == 1 && left2 == message::none)
                 ? 0
                 : 1;
    run_ready(context);
    drain(gate1);
    drain(gate2);
  }
  BOOST_TEST(wrong == 0);
}

namespace {

/// Awaits something that completes at once, and then a message.
template <class Receiver>
asio::awaitable<int> receive_after_dispatch(Receiver& rx) {
  co_await asio::dispatch(co_await asio::this_coro::executor, asio::use_awaitable);
  auto received = co_await rx.async_receive();
  co_return received ? received->id() : message::none;
}

/// The same, in a function that it calls, and whose frame lies where others lay before.
template <class Receiver>
asio::awaitable<int> receive_in_a_function(Receiver& rx) {
  co_return co_await receive_after_dispatch(rx);
}

asio::awaitable<void> end_at_once() {
  co_await asio::dispatch(co_await asio::this_coro::executor, asio::use_awaitable);
}

/// What such coroutines leave behind after they have waited for a message, in each order of them.
template <class Sender, class Receiver>
void wait_once(asio::io_context& context, Sender& tx, Receiver& rx) {
  start(context.get_executor(), receive_in_a_function(rx));
  run_ready(context);
  begin_send(tx, 1);
  run_ready(context);
}

template <class Receiver>
asio::awaitable<void> receive_in_one_of_two_functions(Receiver& rx) {
  using namespace asio::experimental::awaitable_operators;
  co_await (receive_in_a_function(rx) || receive_in_a_function(rx));
}

template <class Receiver>
asio::awaitable<void> receive_unless_over(Receiver& rx, bool& received) {
  using namespace asio::experimental::awaitable_operators;
  auto winner = co_await (end_at_once() || receive_in_a_function(rx));
  received = winner.index() == 1;
}

}  // namespace

// Older releases of Asio do not know that a coroutine is still being spawned if it has awaited
// something, and a frame was mistaken for another one that had lain at the same place.
FLAVOUR_TEST_CASE(D3_a_function_of_a_branch_is_not_taken_for_another_that_is_over,
                  buffered_flavours) {
  if (flavour.capacity < 2) return;
  int wrong = 0;
  for (int round = 0; round != 20; ++round) {
    asio::io_context context;
    auto [tx, rx] = flavour.open(context);
    wait_once(context, tx, rx);
    begin_send(tx, 2);
    begin_send(tx, 3);
    start(context.get_executor(), receive_in_one_of_two_functions(rx));
    run_ready(context);
    wrong += rx.size() == 1 ? 0 : 1;
    drain(rx);

    wait_once(context, tx, rx);
    begin_send(tx, 2);
    bool received = false;
    start(context.get_executor(), receive_unless_over(rx, received));
    run_ready(context);
    wrong += rx.size() == (received ? 0u : 1u) ? 0 : 1;
  }
  BOOST_TEST(wrong == 0);
}

namespace {

/// Goes to another executor, by `token`, and receives there.
template <class Receiver, class Token>
asio::awaitable<int> receive_elsewhere(Receiver& rx, Token token) {
  co_await asio::post(token);
  auto received = co_await rx.async_receive();
  co_return received ? received->id() : message::none;
}

template <class Receiver, class Token>
asio::awaitable<void> receive_either_elsewhere(Receiver& rx, Token token) {
  using namespace asio::experimental::awaitable_operators;
  co_await (receive_elsewhere(rx, token) || receive_elsewhere(rx, token));
}

}  // namespace

// A branch that has gone to another executor posts its end.
FLAVOUR_TEST_CASE(D3_of_two_branches_that_have_gone_to_another_executor_one_takes,
                  buffered_flavours) {
  if (flavour.capacity < 2) return;
  int wrong = 0;
  for (int round = 0; round != 20; ++round) {
    asio::io_context context;
    asio::io_context elsewhere;
    auto [tx, rx] = flavour.open(context);
    begin_send(tx, 1);
    begin_send(tx, 2);
    start(context.get_executor(),
          receive_either_elsewhere(rx, asio::bind_executor(elsewhere, asio::use_awaitable)));
    for (int turn = 0; turn != 3; ++turn) {
      run_ready(context);
      run_ready(elsewhere);
    }
    run_ready(context);
    wrong += rx.size() == 1 ? 0 : 1;
  }
  BOOST_TEST(wrong == 0);
}

namespace {

/// Adds up messages until it is cancelled.
template <class Receiver>
asio::awaitable<void> add_up(Receiver& rx, int& sum) {
  while (auto received = co_await rx.async_receive()) sum += received->id();
}

template <class Receiver>
asio::awaitable<void> add_up_until(Receiver& rx, asio::steady_timer& stop, int& sum) {
  using namespace asio::experimental::awaitable_operators;
  co_await (add_up(rx, sum) || stop.async_wait(asio::use_awaitable));
}

}  // namespace

FLAVOUR_TEST_CASE(D3_a_loop_that_is_stopped_in_the_middle_of_ready_messages_loses_nothing,
                  buffered_flavours) {
  random_source random;
  int wrong = 0;
  for (int round = 0; round != 500; ++round) {
    asio::io_context context;
    auto [tx, rx] = flavour.open(context);
    asio::steady_timer stop(context, asio::steady_timer::time_point::max());
    int sum = 0;
    int sent = 0;
    start(context.get_executor(), add_up_until(rx, stop, sum));
    for (unsigned turns = 1 + random.below(20); turns != 0; --turns) {
      for (unsigned more = random.below(6); more != 0; --more) {
        begin_send(tx, 1);
        ++sent;
      }
      for (unsigned steps = random.below(4); steps != 0; --steps) context.poll_one();
    }
    stop.cancel();
    run_ready(context);
    while (take(rx).id == 1) ++sum;
    wrong += sum == sent ? 0 : 1;
  }
  BOOST_TEST(wrong == 0);
}

// Adapted -----------------------------------------------------------------------------------------

namespace {

/// Receives a message that is ready by an adapted token; says whether others had a turn meanwhile.
template <class Receiver, class Token>
asio::awaitable<void> receive_adapted(Receiver& rx, Token token, bool& others) {
  auto ex = co_await asio::this_coro::executor;
  // Now it has waited for an operation of ours.
  co_await rx.async_receive(token);
  bool ran = false;
  asio::post(ex, [&] { ran = true; });
  co_await rx.async_receive(token);
  others = ran;
  if (!ran) co_await asio::post(ex, asio::use_awaitable);
}

template <class Flavour, class Token>
void check_adapted(const Flavour& flavour, Token token) {
  for (const bool can_be_cancelled : {false, true}) {
    bool at_once = false;
    // Once in a while a thread goes through the executor, but not twice in a row.
    for (int attempt = 0; attempt != 2; ++attempt) {
      asio::io_context context;
      asio::cancellation_signal signal;
      auto [tx, rx] = flavour.open(context);
      bool others = true;
      if (can_be_cancelled)
        start(context.get_executor(), signal, receive_adapted(rx, token, others));
      else
        start(context.get_executor(), receive_adapted(rx, token, others));
      run_ready(context);
      begin_send(tx, 1);
      begin_send(tx, 2);
      run_ready(context);
      at_once = at_once || !others;
    }
    BOOST_TEST(at_once);
  }
}

}  // namespace

FLAVOUR_TEST_CASE(adapted_it_goes_on_at_once_as_well, buffered_flavours) {
  check_adapted(flavour, asio::as_tuple(sluice::use_awaitable));
#if BOOST_ASIO_VERSION < 102700 || BOOST_ASIO_VERSION >= 103800
  // Some releases in between hide the operation.
  error_code ec;
  check_adapted(flavour, asio::redirect_error(sluice::use_awaitable, ec));
#endif
}

namespace {

/// Receives by a token that is bound to a context; says whether that is where it goes on.
template <class Receiver>
asio::awaitable<void> receive_in(asio::io_context& there, Receiver& rx, int& arrived) {
  for (int i = 0; i != 2; ++i) {
    co_await rx.async_receive(asio::bind_executor(there, sluice::use_awaitable));
    if (there.get_executor().running_in_this_thread()) ++arrived;
    co_await asio::post(asio::use_awaitable);
  }
}

}  // namespace

// Adapters of older releases are tried as well, and with them went that the coroutine goes where it
// is bound to, and that it counts as work there.
FLAVOUR_TEST_CASE(K2_a_coroutine_goes_where_its_token_is_bound_to, buffered_flavours) {
  asio::io_context context;
  asio::io_context there;
  auto [tx, rx] = flavour.open(context);
  int arrived = 0;
  start(context.get_executor(), receive_in(there, rx, arrived));
  run_ready(context);
  run_ready(there);
  // It has work, though nothing that is ready.
  BOOST_TEST(!there.stopped());
  begin_send(tx, 1);
  begin_send(tx, 2);
  for (int turn = 0; turn != 3; ++turn) {
    run_ready(there);
    run_ready(context);
  }
  BOOST_TEST(arrived == 2);
}

// What else can be done with it -------------------------------------------------------------------

namespace {

template <class Receiver>
asio::awaitable<int> as_an_awaitable(Receiver& rx) {
  asio::awaitable<std::optional<message>> operation = rx.async_receive();
  auto received = co_await std::move(operation);
  co_return received ? received->id() : message::none;
}

template <class Receiver>
asio::awaitable<std::optional<message>> returned(Receiver& rx) {
  return rx.async_receive();
}

template <class Receiver>
asio::awaitable<int> kept_for_later(Receiver& rx, Receiver& other) {
  auto later = other.async_receive();
  auto now = rx.async_receive();
  auto received = co_await std::move(now);
  auto received_later = co_await std::move(later);
  co_return received->id() * 10 + received_later->id();
}

}  // namespace

FLAVOUR_TEST_CASE(it_becomes_an_awaitable, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  begin_send(tx, 3);
  auto seen = asio::co_spawn(context, as_an_awaitable(rx), asio::use_future);
  run_ready(context);
  BOOST_TEST(seen.get() == 3);
  begin_send(tx, 4);
  auto seen_again = asio::co_spawn(context, returned(rx), asio::use_future);
  run_ready(context);
  BOOST_TEST(seen_again.get()->id() == 4);
}

FLAVOUR_TEST_CASE(it_can_be_kept_and_awaited_later, flavours) {
  asio::io_context context;
  auto [tx1, rx1] = flavour.open(context);
  auto [tx2, rx2] = flavour.open(context);
  begin_send(tx1, 1);
  begin_send(tx2, 2);
  auto seen = asio::co_spawn(context, kept_for_later(rx1, rx2), asio::use_future);
  run_ready(context);
  BOOST_TEST(seen.get() == 12);
}

FLAVOUR_TEST_CASE(it_can_be_spawned, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto received = asio::co_spawn(context, rx.async_receive(), asio::use_future);
  auto sent = asio::co_spawn(context, tx.async_send(message(5)), asio::use_future);
  run_ready(context);
  BOOST_TEST(received.get()->id() == 5);
  BOOST_CHECK_NO_THROW(sent.get());
}

FLAVOUR_TEST_CASE(it_can_be_begun_with_another_token, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  receive_probe<message> received;
  rx.async_receive()(received.get_handler());
  auto sent = tx.async_send(message(6))(asio::use_future);
  run_ready(context);
  BOOST_TEST(received.id() == 6);
  BOOST_CHECK_NO_THROW(sent.get());
}

namespace {

template <class Sender, class Receiver>
asio::awaitable<int> combined(Sender& tx, Receiver& rx, asio::steady_timer& never) {
  using namespace asio::experimental::awaitable_operators;
  auto both = co_await (tx.async_send(message(7)) && rx.async_receive());
  co_await (tx.async_send(message(8)) && returned(rx));
  auto either = co_await (rx.async_receive() || tx.async_wait_closed());
  auto timed = co_await (never.async_wait(asio::use_awaitable) || rx.async_receive());
  co_return both->id() * 100 + std::get<0>(either)->id() * 10 + std::get<1>(timed)->id();
}

}  // namespace

FLAVOUR_TEST_CASE(it_can_be_an_operand_of_asios_operators, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  asio::steady_timer never(context, asio::steady_timer::time_point::max());
  auto seen = asio::co_spawn(context, combined(tx, rx, never), asio::use_future);
  run_ready(context);
  begin_send(tx, 1);
  run_ready(context);
  begin_send(tx, 2);
  run_ready(context);
  BOOST_TEST(seen.get() == 712);
}

// That what is awaited later is of the same type as what is awaited at once is what makes it fast.
static_assert(!std::is_same_v<decltype(std::declval<sluice::receiver<int>&>().async_receive()),
                              asio::awaitable<std::optional<int>>>);
