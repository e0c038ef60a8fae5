// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE select_regressions

// What went wrong once where a select waits, and what was tried to break it.

#include "support/heap.hpp"
#include "support/message.hpp"
#include "support/probe.hpp"
#include "support/user_executors.hpp"

#include <sluice/channel.hpp>
#include <sluice/select.hpp>
#include <sluice/threading.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
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

// It was begun each time, and cancelled. Once in a while it may be: then it is begun first.
BOOST_AUTO_TEST_CASE(S1_an_operation_of_others_is_not_begun_if_an_offer_can_be_met) {
  foreign op;
  for (int i = 0; i != 40; ++i) {
    asio::io_context context;
    auto [tx, rx] = make_channel<message>(context, 0);
    auto received = begin_receive(rx);
    auto waits = begin_wait(select(on_send(tx, message(i)), on(op.operation())));
    run_ready(context);
    BOOST_TEST(waits.done());
    BOOST_TEST(received.id() == i);
  }
  BOOST_TEST(op.begun < 20);
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

// Attempts ------------------------------------------------------------------------------------------

namespace {

/// Does something as soon as no lock is held any more.
struct interrupted : sluice::multi_threaded {
  struct mutex : sluice::multi_threaded::mutex {
    void lock() noexcept {
      sluice::multi_threaded::mutex::lock();
      ++held;
    }
    void unlock() noexcept {
      sluice::multi_threaded::mutex::unlock();
      if (--held != 0) return;
      if (auto f = std::exchange(interruption, nullptr)) f();
    }
  };

  static inline int held = 0;
  static inline std::function<void()> interruption;
};

}  // namespace

BOOST_AUTO_TEST_CASE(S3_what_is_moved_after_the_first_look_is_found) {
  asio::io_context context;
  auto [tx_a, rx_a] = make_channel<int, asio::any_io_executor, interrupted>(context, 1);
  auto [tx_b, rx_b] = make_channel<int, asio::any_io_executor, interrupted>(context, 1);
  static_cast<void>(tx_b.try_send(1));
  auto both = biased_select(on_receive(rx_a), on_receive(rx_b));
  auto& to = tx_a;
  auto& from = rx_b;
  bool moved = false;
  interrupted::interruption = [&] {
    static_cast<void>(to.try_send(1));
    moved = !!from.try_receive();
  };
  BOOST_TEST(both.try_now().has_value());
  BOOST_TEST(!moved);
}

// Operations of others -----------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(S1_an_operation_of_others_may_end_within_its_beginning) {
  for (const error_code ec : {error_code(), error_code(asio::error::operation_aborted)}) {
    asio::io_context context;
    auto [tx, rx] = make_channel<message>(context, 1);
    foreign op;
    op.on_begin = [&] { op.end(ec); };
    auto waits = begin_wait(select(on_receive(rx), on(op.operation())));
    BOOST_TEST(!waits.done());
    run_ready(context);
    BOOST_TEST(waits.done());
    BOOST_TEST(waits.which() == 1u);
    BOOST_TEST(waits.error() == ec);
    BOOST_TEST(!tx.try_send(message(1)));
    BOOST_TEST(rx.size() == 1u);
  }
}

BOOST_AUTO_TEST_CASE(D6_an_operation_of_others_that_cannot_be_begun_leaves_nothing_behind) {
  asio::io_context context;
  auto [tx, rx] = make_channel<message>(context, 0);
  foreign op;
  op.on_begin = [] { throw std::runtime_error("no"); };
  message kept(1);
  BOOST_CHECK_THROW(begin_wait(select(on_receive(rx), on_send(tx, std::ref(kept)), after(1h),
                                      on(op.operation()))),
                    std::runtime_error);
  op.pending = nullptr;
  BOOST_TEST(kept.id() == 1);
  BOOST_TEST(tx.full());
  auto received = begin_receive(rx);
  run_ready(context);
  BOOST_TEST(!received.done());
  BOOST_TEST(!tx.try_send(message(2)));
  run_ready(context);
  BOOST_TEST(received.id() == 2);
  BOOST_TEST(tx.sender_count() == 1u);
}

// It is begun again after a fruitless wake-up, and fails then.
BOOST_AUTO_TEST_CASE(D6_an_operation_of_others_that_cannot_be_begun_again_ends_the_select) {
  asio::io_context context;
  auto [tx, rx] = make_channel<message>(context, 0);
  foreign op;
  auto waits = begin_wait(select(on_receive(rx), on(op.operation())));
  op.on_begin = [] { throw std::runtime_error("no"); };
  begin_send(tx, 1).cancel();
  BOOST_CHECK_THROW(run_ready(context), std::runtime_error);
  op.pending = nullptr;
  run_ready(context);
  BOOST_TEST(waits.dropped());
  BOOST_TEST(tx.full());
}

// Closing ------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(C2_an_offer_that_is_on_its_way_when_the_channel_closes_fails) {
  asio::io_context context;
  auto [tx, rx] = make_channel<message>(context, 0);
  message kept(1);
  auto waits = begin_wait(select(on_send(tx, std::ref(kept)), after(1h)));
  auto received = begin_receive(rx);
  tx.close();
  run_ready(context);
  BOOST_TEST(waits.which() == 0u);
  BOOST_TEST(waits.error() == sluice::error::closed);
  BOOST_TEST(kept.id() == 1);
  BOOST_TEST(received.ended());
}

// Calling back -------------------------------------------------------------------------------------

namespace {

/// A value whose destructor calls back, once.
struct telling {
  explicit telling(std::function<void()> f) noexcept : last(std::move(f)) {}
  telling(telling&& other) noexcept : last(std::exchange(other.last, nullptr)) {}
  telling& operator=(telling&&) = delete;
  ~telling() {
    if (last) last();
  }

  std::function<void()> last;
};

}  // namespace

BOOST_AUTO_TEST_CASE(K6_values_of_cases_may_use_the_channels_when_they_go) {
  for (const bool is_dropped : {false, true}) {
    auto context = std::make_unique<asio::io_context>();
    auto [tx, rx] = make_channel<telling>(*context, 0);
    auto [other_tx, other_rx] = make_channel<message>(*context, 1);
    sluice::weak_sender<telling> weak(tx);
    auto& closed = rx;
    auto& sent_to = other_tx;
    int gone = 0;
    auto waits = begin_wait(select(on_send(tx, telling([&] {
                                             ++gone;
                                             closed.close();
                                             static_cast<void>(sent_to.try_send(message(2)));
                                           })),
                                   on_receive(other_rx), after(1h)));
    if (is_dropped) {
      context.reset();
      BOOST_TEST(waits.dropped());
    } else {
      BOOST_TEST(!other_tx.try_send(message(1)));
      run_ready(*context);
      BOOST_TEST(waits.id() == 1);
    }
    BOOST_TEST(gone == 1);
    BOOST_TEST(tx.is_closed());
    BOOST_TEST(other_rx.try_receive()->id() == 2);
  }
}

// Handlers run inside the wake-up, and one ends the other select.
BOOST_AUTO_TEST_CASE(K4_a_select_is_cancelled_by_one_that_runs_inline) {
  asio::io_context context;
  auto [tx, rx] = make_channel<message>(context, 1);
  select_probe first;
  select_probe second;
  first.when_done([&] { second.cancel(); });
  select(on_receive(rx), after(1h))
      .async_wait(asio::bind_executor(inline_executor(), first.get_handler()));
  select(on_receive(rx), after(1h))
      .async_wait(asio::bind_executor(inline_executor(), second.get_handler()));
  run_ready(context);
  BOOST_TEST(!tx.try_send(message(1)));
  run_ready(context);
  BOOST_TEST(first.id() == 1);
  BOOST_TEST(second.error() == asio::error::operation_aborted);
  BOOST_TEST(second.which() == npos);
}

// The executors of its cases were strands of a context that was gone when it completed elsewhere. What
// that touches is seen by AddressSanitizer.
BOOST_AUTO_TEST_CASE(K5_a_select_that_was_moved_keeps_no_strand) {
  asio::io_context here;
  auto there = std::make_unique<asio::io_context>();
  select_probe selected;
  {
    const asio::any_io_executor strand(asio::make_strand(*there));
    auto [tx, rx] = make_channel<message>(strand, 1);
    auto [other, nothing] = make_channel<message>(strand, 0);
    biased_select(on_receive(rx), on_send(other, message(2)), after(1h))
        .async_wait(asio::bind_executor(here, selected.get_handler()));
    BOOST_TEST(!tx.try_send(message(1)));
  }
  there.reset();
  run_ready(here);
  // The receiver has gone, and its message with it.
  BOOST_TEST(selected.which() == 0u);
  BOOST_TEST(selected.error() == asio::error::operation_aborted);
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
