// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE oneshot_completions

// Random histories of oneshots in which completions run one by one, in several contexts that are
// destroyed now and then. Between being promised the value and taking it anything may happen to a
// receive. The reference knows of each operation whether it waits, was promised the value, or was
// decided, and where the value is.

#include "support/flavours.hpp"
#include "support/message.hpp"
#include "support/oneshots.hpp"
#include "support/probe.hpp"
#include "support/seed.hpp"
#include "support/unit_test.hpp"

#include <sluice/oneshot.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using namespace support;
using sluice::error;

namespace {

enum class stage { waiting, promised, decided };

/// An operation: what the reference says of it, and what it has said itself.
struct deed {
  bool receives = false;
  stage at = stage::waiting;
  int own = 0;  // the context that it completes in
  int io = 0;   // the one of its handle
  std::string expected;
  std::string told;
  bool dropped = false;
  asio::cancellation_signal signal;
};
using deed_ref = std::shared_ptr<deed>;

class witness {
 public:
  explicit witness(deed_ref of) : deed_(std::move(of)) {}
  witness(witness&&) noexcept = default;
  witness& operator=(witness&&) = delete;
  ~witness() {
    if (deed_) deed_->dropped = true;
  }

  void operator()(const error_code& ec, const std::string& otherwise) {
    if (!deed_->told.empty()) BOOST_ERROR("completed twice");
    deed_->told = ec ? word_of(ec) : otherwise;
    deed_.reset();
  }

 private:
  deed_ref deed_;
};

template <class Threading>
class history {
  using sender = sluice::oneshot_sender<message, asio::any_io_executor, Threading>;
  using receiver = sluice::oneshot_receiver<message, asio::any_io_executor, Threading>;

  static constexpr int context_count = 3;

 public:
  explicit history(random_source& random) : random_(random) {
    for (auto& context : contexts_) context = std::make_unique<asio::io_context>();
    auto ends = sluice::make_oneshot<message, asio::any_io_executor, Threading>(executor(0));
    tx_ = std::move(ends.first);
    rx_ = std::move(ends.second);
  }

  void play(int moves) {
    for (int i = 0; i != moves; ++i) {
      move();
      check();
    }
    drain();
    for (const deed_ref& d : deeds_) BOOST_TEST_REQUIRE((d->at == stage::waiting));
    if (random_.coin()) drop_sender();
    drop_receiver();
    drop_sender();
    drain();
    BOOST_TEST_REQUIRE(deeds_.empty());
    BOOST_TEST_REQUIRE(values_.alive() == 0);
  }

 private:
  // Moves ---------------------------------------------------------------------------------------

  void move() {
    switch (random_.below(14)) {
      case 0:
        if (sender_here_ && random_.below(3) == 0) send();
        break;
      case 1:
      case 2:
      case 3:
        if (receiver_here_) receive();
        break;
      case 4:
        if (sender_here_) wait_closed();
        break;
      case 5:
      case 6:
        if (!deeds_.empty()) cancel_one();
        break;
      case 7:
        cancel_handle();
        break;
      case 8:
        if (receiver_here_) look();
        break;
      case 9:
        if (random_.below(4) == 0) end_context(static_cast<int>(random_.below(context_count)));
        break;
      case 10:
        move_handles();
        break;
      case 11:
        come_to_an_end();
        break;
      default:
        step(static_cast<int>(random_.below(context_count)));
    }
  }

  void send() {
    message value(++numbers_, values_);
    const bool refused = sent_ || closed_;
    BOOST_TEST_REQUIRE((tx_.send(std::move(value)) == error::closed) == refused);
    BOOST_TEST_REQUIRE((value.id() == numbers_) == refused);
    if (refused) return;
    sent_ = full_ = true;
    value_ = numbers_;
    pass_on();
  }

  deed_ref begin(bool receives, int io) {
    auto d = std::make_shared<deed>();
    d->receives = receives;
    d->io = io;
    d->own = random_.coin() ? io : static_cast<int>(random_.below(context_count));
    deeds_.push_back(d);
    return d;
  }

  template <class Handler>
  auto bound(const deed_ref& d, Handler handler) {
    return asio::bind_cancellation_slot(d->signal.slot(),
                                        asio::bind_executor(executor(d->own), std::move(handler)));
  }

  void receive() {
    auto d = begin(true, rx_io_);
    rx_.async_receive(bound(d, [w = witness(d)](error_code ec, std::optional<message> m) mutable {
      w(ec, m ? std::to_string(m->id()) : "end");
    }));
    pass_on();
    end_receives();
  }

  void wait_closed() {
    auto d = begin(false, tx_io_);
    tx_.async_wait_closed(bound(d, [w = witness(d)](error_code ec) mutable { w(ec, "done"); }));
    if (closed_) decide(d, "done");
  }

  void cancel_one() {
    const deed_ref d = deeds_[random_.below(static_cast<unsigned>(deeds_.size()))];
    d->signal.emit(asio::cancellation_type::partial);
    abort(d);
    pass_on();
  }

  void cancel_handle() {
    const bool receives = random_.coin();
    if (receives)
      rx_.cancel();
    else
      tx_.cancel();
    if (receives ? receiver_here_ : sender_here_)
      for (auto& d : all())
        if (d->receives == receives) abort(d);
    pass_on();
  }

  void look() {
    error_code ec;
    const auto seen = rx_.try_receive(ec);
    const bool takes = full_ && !promised();
    BOOST_TEST_REQUIRE(seen.has_value() == takes);
    if (takes) {
      BOOST_TEST_REQUIRE(!ec);
      BOOST_TEST_REQUIRE(seen->id() == value_);
      full_ = false;
      end_receives();
    } else {
      BOOST_TEST_REQUIRE((ec == (ended() ? error::closed : error::empty)));
    }
  }

  void end_context(int i) {
    contexts_[i].reset();
    contexts_[i] = std::make_unique<asio::io_context>();
    posted_[i].clear();
    for (auto& d : all()) {
      if (d->own != i && (d->io != i || d->at != stage::waiting)) continue;
      BOOST_TEST_REQUIRE(d->dropped);
      over(d);
    }
    if (rx_io_ == i && receiver_here_) rx_ = std::move(rx_).with_executor(executor(i));
    if (tx_io_ == i && sender_here_) tx_ = std::move(tx_).with_executor(executor(i));
    pass_on();
  }

  void move_handles() {
    if (receiver_here_) {
      rx_io_ = static_cast<int>(random_.below(context_count));
      receiver elsewhere = std::move(rx_).with_executor(executor(rx_io_));
      BOOST_TEST_REQUIRE(!rx_);
      swap(elsewhere, rx_);
    }
    if (sender_here_) {
      sender elsewhere(std::move(tx_));
      tx_ = std::move(elsewhere);
    }
  }

  void come_to_an_end() {
    switch (random_.below(12)) {
      case 0:
        return drop_sender();
      case 1:
        return drop_receiver();
      case 2:
        rx_.close();
        if (receiver_here_) close_now();
    }
  }

  void drop_sender() {
    tx_ = {};
    if (!std::exchange(sender_here_, false)) return;
    for (auto& d : all())
      if (!d->receives && d->at == stage::waiting) decide(d, "aborted");
    end_receives();
  }

  void drop_receiver() {
    rx_ = {};
    if (!std::exchange(receiver_here_, false)) return;
    full_ = false;
    for (auto& d : all())
      if (d->receives) abort(d);
    close_now();
  }

  void close_now() {
    closed_ = true;
    for (auto& d : all())
      if (!d->receives && d->at == stage::waiting) decide(d, "done");
    end_receives();
  }

  // Completions ---------------------------------------------------------------------------------

  void drain() {
    for (bool any = true; any;) {
      any = false;
      for (int i = 0; i != context_count; ++i) any = step(i) || any;
    }
  }

  /// Runs one completion: the reference knows whose.
  bool step(int i) {
    contexts_[i]->restart();
    if (posted_[i].empty()) {
      BOOST_TEST_REQUIRE(contexts_[i]->poll() == 0u);
      return false;
    }
    const deed_ref d = posted_[i].front();
    posted_[i].pop_front();
    BOOST_TEST_REQUIRE(contexts_[i]->poll_one() == 1u);
    if (d->at == stage::promised) {
      BOOST_TEST_REQUIRE(full_);
      d->expected = std::to_string(value_);
      full_ = false;
    }
    BOOST_TEST_REQUIRE(d->told == d->expected);
    over(d);
    end_receives();
    return true;
  }

  // The reference -------------------------------------------------------------------------------

  asio::any_io_executor executor(int i) { return contexts_[i]->get_executor(); }

  std::vector<deed_ref> all() const { return {deeds_.begin(), deeds_.end()}; }

  bool promised() const {
    return std::any_of(deeds_.begin(), deeds_.end(),
                       [](const deed_ref& d) { return d->at == stage::promised; });
  }

  bool ended() const { return !full_ && (sent_ || closed_ || !sender_here_); }

  void pass_on() {
    if (!full_ || promised()) return;
    for (auto& d : deeds_) {
      if (!d->receives || d->at != stage::waiting) continue;
      d->at = stage::promised;
      posted_[d->own].push_back(d);
      return;
    }
  }

  void end_receives() {
    if (!ended()) return;
    for (auto& d : all())
      if (d->receives && d->at == stage::waiting) decide(d, "end");
  }

  void decide(const deed_ref& d, std::string what) {
    if (d->at == stage::waiting) posted_[d->own].push_back(d);
    d->at = stage::decided;
    d->expected = std::move(what);
  }

  void abort(const deed_ref& d) {
    if (d->at != stage::decided) decide(d, "aborted");
  }

  void over(const deed_ref& d) { deeds_.erase(std::find(deeds_.begin(), deeds_.end(), d)); }

  void check() {
    BOOST_TEST_REQUIRE(values_.alive() == (full_ ? 1 : 0));
    BOOST_TEST_REQUIRE(tx_.is_closed() == (!sender_here_ || closed_));
    for (auto& d : deeds_) {
      BOOST_TEST_REQUIRE(d->told.empty());
      BOOST_TEST_REQUIRE(!d->dropped);
    }
  }

  random_source& random_;
  ledger values_;
  std::unique_ptr<asio::io_context> contexts_[context_count];
  std::deque<deed_ref> posted_[context_count];
  std::deque<deed_ref> deeds_;  // in the order in which they were begun
  sender tx_;
  receiver rx_;
  int tx_io_ = 0;
  int rx_io_ = 0;
  int numbers_ = 0;
  int value_ = 0;
  bool sent_ = false;
  bool full_ = false;
  bool closed_ = false;
  bool sender_here_ = true;
  bool receiver_here_ = true;
};

}  // namespace

FLAVOUR_TEST_CASE(D3_completions_may_run_at_any_time, oneshots) {
  random_source random;
  for (int i = 0; i != 1500; ++i) history<typename Flavour::threading>(random).play(50);
}
