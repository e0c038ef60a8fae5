// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE select_regressions

// What went wrong once where a select waits; each test says what.

#include "support/heap.hpp"
#include "support/message.hpp"
#include "support/probe.hpp"
#include "support/user_executors.hpp"

#include <sluice/channel.hpp>
#include <sluice/select.hpp>

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

using namespace support;
using namespace std::chrono_literals;
using sluice::after;
using sluice::biased_select;
using sluice::make_channel;
using sluice::npos;
using sluice::on;
using sluice::on_receive;
using sluice::on_send;
using sluice::select;

namespace {

/// A select that is watched.
class select_probe {
  struct record {
    asio::cancellation_signal signal;
    bool done = false;
    bool handler_exists = true;
    error_code error;
    std::size_t which = 0;
    int id = message::none;
    std::function<void()> on_done;
  };

 public:
  class handler {
   public:
    using cancellation_slot_type = asio::cancellation_slot;

    explicit handler(std::shared_ptr<record> written) noexcept : record_(std::move(written)) {}
    handler(handler&&) noexcept = default;
    handler& operator=(handler&&) = delete;
    ~handler() {
      if (record_) record_->handler_exists = false;
    }

    template <class Value>
    void operator()(error_code ec, std::size_t which, Value value) {
      BOOST_TEST_REQUIRE(!record_->done);
      record_->done = true;
      record_->error = ec;
      record_->which = which;
      if (which != npos) std::visit([this](auto& each) { this->write_down(each); }, value);
      if (record_->on_done) record_->on_done();
    }

    cancellation_slot_type get_cancellation_slot() const noexcept { return record_->signal.slot(); }

   private:
    void write_down(std::optional<message>& received) {
      if (received) record_->id = received->id();
    }
    template <class Other>
    void write_down(Other&) {}

    std::shared_ptr<record> record_;
  };

  handler get_handler() const { return handler(record_); }
  void cancel(asio::cancellation_type type = asio::cancellation_type::terminal) const {
    record_->signal.emit(type);
  }
  void when_done(std::function<void()> f) const { record_->on_done = std::move(f); }

  bool done() const noexcept { return record_->done; }
  bool dropped() const noexcept { return !record_->handler_exists && !done(); }
  error_code error() const noexcept { return record_->error; }
  std::size_t which() const noexcept { return record_->which; }
  int id() const noexcept { return record_->id; }

 private:
  std::shared_ptr<record> record_ = std::make_shared<record>();
};

template <class Select>
select_probe begin_wait(Select&& s) {
  select_probe p;
  std::forward<Select>(s).async_wait(p.get_handler());
  return p;
}

/// What a foreign operation is to a test: it ends when it is told to.
struct foreign {
  using handler_type = std::function<void(error_code)>;

  std::function<void()> on_begin;
  handler_type pending;
  int begun = 0;

  /// The operation; `kept` goes with each copy of it.
  auto operation(std::shared_ptr<int> kept = nullptr) {
    return asio::async_initiate<const asio::deferred_t&, void(error_code)>(
        [this, kept](auto handler) {
          ++begun;
          auto slot = asio::get_associated_cancellation_slot(handler);
          auto shared = std::make_shared<decltype(handler)>(std::move(handler));
          pending = [shared](error_code ec) { std::move (*shared)(ec); };
          if (slot.is_connected())
            slot.assign([this](asio::cancellation_type) { end(asio::error::operation_aborted); });
          if (on_begin) on_begin();
        },
        asio::deferred);
  }

  void end(error_code ec) {
    if (auto f = std::exchange(pending, nullptr)) f(ec);
  }
};

}  // namespace

// Contexts -----------------------------------------------------------------------------------------

// The timer was touched after the context that it lives in.
BOOST_AUTO_TEST_CASE(K5_a_select_that_was_woken_survives_the_context_of_its_time) {
  asio::io_context here;
  auto there = std::make_unique<asio::io_context>();
  auto [tx, rx] = make_channel<message>(*there, 1);
  select_probe waits;
  select(on_receive(rx), after(1h)).async_wait(asio::bind_executor(here, waits.get_handler()));
  BOOST_TEST(!tx.try_send(message(7)));
  there.reset();
  run_ready(here);
  BOOST_TEST(waits.done());
  BOOST_TEST(waits.id() == 7);
}

// A timer was begun in a context that was gone.
BOOST_AUTO_TEST_CASE(K5_a_select_that_found_nothing_goes_with_the_context_of_its_time) {
  asio::io_context here;
  auto there = std::make_unique<asio::io_context>();
  auto [tx, rx] = make_channel<message>(*there, 0);
  auto sent = begin_send(tx, 1);
  select_probe waits;
  biased_select(on_receive(rx), after(1h))
      .async_wait(asio::bind_executor(here, waits.get_handler()));
  sent.cancel();
  there.reset();
  run_ready(here);
  BOOST_TEST(waits.dropped());
}

// Cancellation -------------------------------------------------------------------------------------

// It had no effect while the cases were being begun.
BOOST_AUTO_TEST_CASE(K4_a_select_is_cancelled_while_it_begins) {
  asio::io_context context;
  auto [tx, rx] = make_channel<message>(context, 1);
  select_probe waits;
  foreign op;
  op.on_begin = [&] { waits.cancel(); };
  select(on_receive(rx), on(op.operation())).async_wait(waits.get_handler());
  run_ready(context);
  BOOST_TEST(waits.done());
  BOOST_TEST(waits.error() == asio::error::operation_aborted);
  BOOST_TEST(waits.which() == npos);
  BOOST_TEST(op.begun == 1);
}

// Offers -------------------------------------------------------------------------------------------

// An offer that had no memory for its value kept what it had been called for.
BOOST_AUTO_TEST_CASE(D6_an_offer_without_memory_leaves_its_receive_to_the_next) {
  asio::io_context context;
  auto [tx, rx] = make_channel<message>(context, 0);
  auto first = begin_wait(select(on_send(tx, message(1)), after(1h)));
  auto second = begin_wait(select(on_send(tx, message(2)), after(1h)));
  auto received = begin_receive(rx);
  {
    failing_heap no_memory;
    context.poll_one();
  }
  BOOST_TEST(first.error() == asio::error::no_memory);
  run_ready(context);
  BOOST_TEST(second.done());
  BOOST_TEST(received.id() == 2);
}

// It was begun, and cancelled.
BOOST_AUTO_TEST_CASE(S1_an_operation_of_others_is_not_begun_if_an_offer_can_be_met) {
  asio::io_context context;
  auto [tx, rx] = make_channel<message>(context, 0);
  auto received = begin_receive(rx);
  foreign op;
  auto waits = begin_wait(select(on_send(tx, message(1)), on(op.operation())));
  run_ready(context);
  BOOST_TEST(waits.done());
  BOOST_TEST(op.begun == 0);
  BOOST_TEST(received.id() == 1);
}

// An offer that could be met at once was half as likely as it should be.
BOOST_AUTO_TEST_CASE(S2_an_offer_is_as_likely_as_any_other_case) {
  int offers = 0;
  for (int i = 0; i != 4000; ++i) {
    asio::io_context context;
    auto [tx, rx] = make_channel<int>(context, 0);
    auto [other_tx, other_rx] = make_channel<int>(context, 1);
    static_cast<void>(other_tx.try_send(1));
    rx.async_receive([](error_code, std::optional<int>) {});
    select(on_send(tx, 1), on_receive(other_rx))
        .async_wait([&](error_code, std::size_t which, auto) {
          if (which == 0) ++offers;
        });
    run_ready(context);
  }
  // Six and a half standard deviations: once in 10 to the 10.
  BOOST_TEST(offers > 1794);
  BOOST_TEST(offers < 2206);
}

// Ends ---------------------------------------------------------------------------------------------

// What an operation of others held on to was kept by the timer.
BOOST_AUTO_TEST_CASE(S1_nothing_of_a_case_is_left_when_the_handler_is_called) {
  asio::io_context context;
  auto [tx, rx] = make_channel<message>(context, 1);
  auto kept = std::make_shared<int>();
  foreign op;
  auto waits = begin_wait(select(on_receive(rx), after(1h), on(op.operation(kept))));
  BOOST_TEST(op.begun == 1);
  BOOST_TEST(!tx.try_send(message(1)));
  long left = 0;
  waits.when_done([&] { left = kept.use_count(); });
  run_ready(context);
  BOOST_TEST(waits.id() == 1);
  BOOST_TEST(left == 1);
}

// The stack grew with each select that was refused.
BOOST_AUTO_TEST_CASE(D6_any_number_of_selects_may_be_refused_one_after_the_other) {
  task_context context;
  bool refuses = false;
  auto [tx, rx] = make_channel<message>(refusing_executor{&context, &refuses}, 1);
  std::vector<select_probe> selects;
  for (int i = 0; i != 20000; ++i) selects.push_back(begin_wait(select(on_receive(rx))));
  refuses = true;
  BOOST_TEST(!tx.try_send(message(1)));
  int dropped = 0;
  for (const auto& each : selects) dropped += each.dropped();
  BOOST_TEST(dropped == 20000);
  BOOST_TEST(rx.size() == 1u);
}

// Memory -------------------------------------------------------------------------------------------

// The contexts were told of each of them by a new block.
BOOST_AUTO_TEST_CASE(K3_a_select_that_waits_allocates_nothing_in_the_long_run) {
  asio::io_context context;
  auto [tx, rx] = make_channel<int>(context, 1);
  auto [other_tx, other_rx] = make_channel<int>(context, 1);
  int received = 0;
  std::size_t before = 0;
  for (int i = 0; i != 200; ++i) {
    if (i == 100) before = heap::allocations;
    select(on_receive(rx), on_receive(other_rx)).async_wait([&](error_code, std::size_t, auto) {
      ++received;
    });
    static_cast<void>(tx.try_send(i));
    run_ready(context);
  }
  BOOST_TEST(received == 200);
  BOOST_TEST(heap::allocations == before);
}
