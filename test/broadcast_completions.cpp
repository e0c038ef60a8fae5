// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE broadcast_completions

// Random histories of broadcasts in which completions run one by one: between being woken and
// taking something anything may happen to a receive. It may be cancelled, alone or with its handle,
// its subscriber or its context may go, the broadcast may close, messages may be given up, their
// copies may fail. The reference knows for each operation whether it waits, was woken, or was
// decided, and what each step makes of that.

#include "support/broadcasts.hpp"
#include "support/seed.hpp"
#include "support/unit_test.hpp"

#include <sluice/broadcast.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace support;
using sluice::error;

namespace {

enum class stage { waiting, woken, decided, over };

/// An operation: what the reference says of it, and what it has said itself.
struct deed {
  stage at = stage::waiting;
  std::string expected;  // once it is decided
  int context = 0;
  const void* handle = nullptr;  // through which it was begun
  std::string told;              // once it has completed
  bool dropped = false;
  asio::cancellation_signal signal;
  std::optional<letter> mine;  // of a send that leaves its message with the caller
  bool by_value = false;
  bool accepted = false;
  int id = 0;
};
using deed_ref = std::shared_ptr<deed>;

/// Says so if it goes without having been called.
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
    deed_->told = ec ? describe(ec) : otherwise;
    deed_.reset();
  }

  static std::string describe(const error_code& ec) {
    if (ec == error::lagged) return "lagged";
    if (ec == error::copy_failed) return "copy_failed";
    return word_of(ec);
  }

 private:
  deed_ref deed_;
};

struct wanted {
  int id;
  std::set<int> by;
};

struct listener {
  int name;
  std::uint64_t gap = 0;
  std::uint64_t missed = 0;
  std::deque<deed_ref> waiting{};
  std::deque<deed_ref> woken{};
};

template <class Sender>
class history {
  using receiver = typename Sender::receiver_type;
  static constexpr bool lossless =
      std::is_same_v<Sender, sluice::lossless_broadcast_sender<letter, asio::any_io_executor,
                                                               typename Sender::threading_type>>;

  struct subject {
    receiver rx;
    listener model;
  };

 public:
  history(std::size_t capacity, random_source& random) : capacity_(capacity), random_(random) {
    for (auto& context : contexts_) context = std::make_unique<asio::io_context>();
    senders_.push_back(std::make_unique<Sender>(home_, capacity));
    weak_ = *senders_.front();
  }

  void play(int moves) {
    for (int i = 0; i != moves; ++i) {
      move();
      check();
    }
    while (step_context(random_.below(2) == 0 ? 0 : 1) || step_context(0) || step_context(1))
      check();
    for (const deed_ref& d : deeds_)
      BOOST_TEST_REQUIRE((d->at == stage::waiting || d->at == stage::over));
    // Everything goes, in either order.
    if (random_.coin()) {
      while (!senders_.empty()) drop_sender();
      while (!subjects_.empty()) leave();
    } else {
      while (!subjects_.empty()) leave();
      while (!senders_.empty()) drop_sender();
    }
    while (step_context(0) || step_context(1)) check();
    for (const deed_ref& d : deeds_) BOOST_TEST_REQUIRE((d->at == stage::over));
    BOOST_TEST_REQUIRE(office_.alive == 0);
  }

 private:
  // Moves ---------------------------------------------------------------------------------------

  void move() {
    switch (random_.below(16)) {
      case 0:
        if (subjects_.size() < 5) subscribe();
        break;
      case 1:
        if (!subjects_.empty() && random_.below(3) == 0) leave();
        break;
      case 2:
      case 3:
      case 4:
        if (!senders_.empty()) send();
        break;
      case 5:
        if (!subjects_.empty()) look(any());
        break;
      case 6:
      case 7:
        if (!subjects_.empty()) receive(any());
        break;
      case 8:
        cancel_one();
        break;
      case 9:
        cancel_handle();
        break;
      case 10:
        if (random_.below(6) == 0) end_context();
        break;
      case 11:
        if (random_.below(8) == 0)
          drop_sender();
        else
          lock();
        break;
      case 12:
        if (random_.below(20) == 0 && !senders_.empty()) close();
        break;
      case 13:
        if (!senders_.empty()) wait_closed();
        break;
      default:
        step_context(static_cast<int>(random_.below(2)));
    }
  }

  subject& any() { return subjects_[random_.below(static_cast<unsigned>(subjects_.size()))]; }
  Sender& any_sender() { return *senders_[random_.below(static_cast<unsigned>(senders_.size()))]; }

  void subscribe() {
    const bool from_another = senders_.empty() || (!subjects_.empty() && random_.coin());
    if (from_another && subjects_.empty()) return;
    receiver rx = from_another ? any().rx.resubscribe() : any_sender().subscribe();
    subjects_.push_back({std::move(rx), {names_++}});
  }

  void leave() {
    const std::size_t i = random_.below(static_cast<unsigned>(subjects_.size()));
    listener gone = std::move(subjects_[i].model);
    subjects_.erase(subjects_.begin() + static_cast<std::ptrdiff_t>(i));
    for (auto& d : gone.waiting) decide(*d, "aborted");
    for (auto& d : gone.woken) decide(*d, "aborted");
    for (auto& m : held_) m.by.erase(gone.name);
    forget();
    if (subjects_.empty())
      for (auto& d : std::exchange(closers_, {})) decide(*d, "sent");
    admit();
  }

  deed_ref begin_deed(const void* handle) {
    auto d = std::make_shared<deed>();
    d->context = static_cast<int>(random_.below(2));
    d->handle = handle;
    deeds_.push_back(d);
    return d;
  }

  template <class Handler>
  auto bound(const deed_ref& d, Handler handler) {
    return asio::bind_cancellation_slot(
        d->signal.slot(),
        asio::bind_executor(contexts_[d->context]->get_executor(), std::move(handler)));
  }

  void send() {
    Sender& tx = any_sender();
    const int id = sent_++;
    if constexpr (lossless) {
      if (random_.below(3) == 0) {
        letter mine(id, office_);
        std::size_t reached = 99;
        const error_code ec = tx.try_send(std::move(mine), reached);
        const bool place = pending_.empty() && held_.size() < capacity_;
        BOOST_TEST_REQUIRE((ec == (closed_ ? error_code(error::closed)
                                   : place ? error_code()
                                           : error_code(error::full))));
        BOOST_TEST_REQUIRE(reached == (ec ? 0 : subjects_.size()));
        BOOST_TEST_REQUIRE((mine.id() == id) == !!ec);
        if (!ec) accept(id);
        return;
      }
      auto d = begin_deed(&tx);
      d->id = id;
      d->by_value = random_.coin();
      auto handler = bound(d, [w = witness(d)](error_code ec, std::size_t reached) mutable {
        w(ec, "sent to " + std::to_string(reached));
      });
      if (d->by_value) {
        tx.async_send(letter(id, office_), std::move(handler));
      } else {
        d->mine.emplace(id, office_);
        tx.async_send(std::ref(*d->mine), std::move(handler));
      }
      if (closed_)
        decide(*d, "closed");
      else
        pending_.push_back(d);
      admit();
    } else {
      const std::size_t reached = tx.send(letter(id, office_));
      BOOST_TEST_REQUIRE(reached == (closed_ ? 0 : subjects_.size()));
      if (!closed_) accept(id);
    }
  }

  void look(subject& s) {
    fails_ = random_.below(8) == 0;
    arm();
    const bool something = receivable(s.model) > s.model.woken.size();
    const std::string expected = something ? take(s.model)
                                 : closed_ && receivable(s.model) == 0
                                     ? (reason_ ? reason_.message() : "closed")
                                     : "empty";
    error_code ec;
    auto got = s.rx.try_receive(ec);
    std::string word = got ? std::to_string(got->id()) : witness::describe(ec);
    if (!got && ec == error::empty) word = "empty";
    BOOST_TEST_REQUIRE(word == expected);
  }

  void receive(subject& s) {
    auto d = begin_deed(&s.rx);
    d->id = s.model.name;
    // Handles move, and take their operations along; so these are known by their subscriber.
    d->handle = nullptr;
    s.rx.async_receive(bound(d, [w = witness(d)](error_code ec, std::optional<letter> m) mutable {
      w(ec, m ? std::to_string(m->id()) : "end");
    }));
    s.model.waiting.push_back(d);
    wake(s.model);
    end(s.model);
  }

  void cancel_one() {
    if (deeds_.empty()) return;
    const auto d = deeds_[random_.below(static_cast<unsigned>(deeds_.size()))];
    const asio::cancellation_type types[] = {asio::cancellation_type::terminal,
                                             asio::cancellation_type::partial,
                                             asio::cancellation_type::total};
    if (random_.below(5) == 0) {
      d->signal.emit(asio::cancellation_type::none);
      return;
    }
    d->signal.emit(types[random_.below(3)]);
    abort(d);
    pass_on();
  }

  void cancel_handle() {
    const bool receiving = subjects_.empty() ? false : senders_.empty() || random_.coin();
    if (receiving) {
      subject& s = any();
      s.rx.cancel();
      for (auto& d : std::exchange(s.model.waiting, {})) decide(*d, "aborted");
      for (auto& d : std::exchange(s.model.woken, {})) decide(*d, "aborted");
    } else if (!senders_.empty()) {
      Sender& tx = any_sender();
      tx.cancel();
      for (auto& d : deeds_)
        if (d->handle == &tx) abort(d);
    }
    pass_on();
  }

  void end_context() {
    const int i = static_cast<int>(random_.below(2));
    contexts_[i] = std::make_unique<asio::io_context>();
    for (auto& d : deeds_) {
      if (d->context != i || d->at == stage::over) continue;
      abort(d);
      BOOST_TEST_REQUIRE(d->dropped);
      BOOST_TEST_REQUIRE(d->told.empty());
      finish(*d);
    }
    pass_on();
  }

  void drop_sender() {
    if (senders_.empty()) return;
    const auto i = random_.below(static_cast<unsigned>(senders_.size()));
    for (auto& d : deeds_)
      if (d->handle == senders_[i].get()) d->handle = nullptr;
    senders_.erase(senders_.begin() + static_cast<std::ptrdiff_t>(i));
    if (!senders_.empty()) return;
    for (auto& d : std::exchange(closers_, {})) decide(*d, "aborted");
    after_senders();
  }

  void lock() {
    auto strong = weak_.lock();
    BOOST_TEST_REQUIRE(static_cast<bool>(strong) == !closed_);
    if (strong && senders_.size() < 4)
      senders_.push_back(std::make_unique<Sender>(std::move(strong)));
    // Otherwise it goes here, and it may have been the last.
  }

  void close() {
    const error_code reason = random_.coin() ? error_code() : error_code(asio::error::eof);
    any_sender().close(reason);
    if (!closed_) reason_ = reason;
    close_now();
  }

  void wait_closed() {
    if (deeds_.size() > 400 && random_.coin()) return;
    Sender& tx = any_sender();
    auto d = begin_deed(&tx);
    tx.async_wait_closed(bound(d, [w = witness(d)](error_code ec) mutable { w(ec, "sent"); }));
    if (closed_ || subjects_.empty())
      decide(*d, "sent");
    else
      closers_.push_back(d);
  }

  /// Runs one completion.
  bool step_context(int i) {
    contexts_[i]->restart();
    fails_ = random_.below(8) == 0;
    arm();
    if (contexts_[i]->poll_one() == 0) {
      // Nothing that could have run was left behind.
      for (auto& d : deeds_)
        BOOST_TEST_REQUIRE((d->context != i || d->at == stage::over || d->at == stage::waiting));
      return false;
    }
    deed_ref done;
    for (auto& d : deeds_) {
      if (d->told.empty() || d->at == stage::over) continue;
      BOOST_TEST_REQUIRE(!done);
      done = d;
    }
    BOOST_TEST_REQUIRE(static_cast<bool>(done));
    BOOST_TEST_REQUIRE((done->at == stage::woken || done->at == stage::decided));
    if (done->at == stage::woken) {
      subject& s = *std::find_if(subjects_.begin(), subjects_.end(),
                                 [&](auto& each) { return each.model.name == done->id; });
      s.model.woken.erase(std::find(s.model.woken.begin(), s.model.woken.end(), done));
      done->expected = take(s.model);
    }
    BOOST_TEST_REQUIRE(done->told == done->expected);
    if (done->mine) BOOST_TEST_REQUIRE((done->mine->id() == done->id) == !done->accepted);
    finish(*done);
    return true;
  }

  // The reference -------------------------------------------------------------------------------

  std::size_t backlog(const listener& l) const {
    return static_cast<std::size_t>(std::count_if(
        held_.begin(), held_.end(), [&](const wanted& m) { return m.by.count(l.name) != 0; }));
  }

  std::size_t receivable(const listener& l) const { return backlog(l) + (l.gap != 0 ? 1 : 0); }

  std::string take(listener& l) {
    if (l.gap != 0) {
      l.missed = std::exchange(l.gap, 0);
      return "lagged";
    }
    for (auto& m : held_) {
      if (m.by.erase(l.name) == 0) continue;
      const int id = m.id;
      // The last one to take it is given the message itself.
      const bool copied = !m.by.empty();
      forget();
      admit();
      end(l);
      return copied && fails_ ? "copy_failed" : std::to_string(id);
    }
    return "nothing";
  }

  void arm() {
    office_.at_copy = nullptr;
    if (fails_)
      office_.at_copy = [this] {
        office_.at_copy = nullptr;
        throw std::runtime_error("not today");
      };
  }

  void forget() {
    while (!held_.empty() && held_.front().by.empty()) held_.pop_front();
  }

  void accept(int id) {
    if (subjects_.empty()) return;
    if (held_.size() == capacity_) {
      for (auto& s : subjects_) s.model.gap += held_.front().by.count(s.model.name);
      held_.pop_front();
    }
    held_.push_back({id, {}});
    for (auto& s : subjects_) held_.back().by.insert(s.model.name);
    for (auto& s : subjects_) wake(s.model);
  }

  void admit() {
    while (!pending_.empty() && held_.size() < capacity_) {
      const deed_ref d = pending_.front();
      pending_.pop_front();
      d->accepted = true;
      decide(*d, "sent to " + std::to_string(subjects_.size()));
      accept(d->id);
    }
    after_senders();
  }

  void after_senders() {
    if (senders_.empty() && pending_.empty()) close_now();
  }

  void close_now() {
    if (closed_) return;
    closed_ = true;
    for (auto& d : std::exchange(pending_, {})) decide(*d, "closed");
    for (auto& d : std::exchange(closers_, {})) decide(*d, "sent");
    for (auto& s : subjects_) end(s.model);
  }

  void wake(listener& l) {
    while (!l.waiting.empty() && receivable(l) > l.woken.size()) {
      l.waiting.front()->at = stage::woken;
      l.woken.push_back(l.waiting.front());
      l.waiting.pop_front();
    }
  }

  void end(listener& l) {
    if (!closed_ || receivable(l) != 0) return;
    for (auto& d : std::exchange(l.waiting, {})) decide(*d, reason_ ? reason_.message() : "end");
  }

  static void decide(deed& d, std::string what) {
    d.at = stage::decided;
    d.expected = std::move(what);
  }

  /// Cancelled, if it can still be.
  void abort(const deed_ref& d) {
    if (d->at != stage::waiting && d->at != stage::woken) return;
    auto remove = [&](std::deque<deed_ref>& line) {
      line.erase(std::remove(line.begin(), line.end(), d), line.end());
    };
    for (auto& s : subjects_) {
      remove(s.model.waiting);
      remove(s.model.woken);
    }
    remove(pending_);
    remove(closers_);
    decide(*d, "aborted");
  }

  void pass_on() {
    for (auto& s : subjects_) {
      wake(s.model);
      end(s.model);
    }
    after_senders();
  }

  void finish(deed& d) {
    d.at = stage::over;
    d.mine.reset();
  }

  void check() {
    if (!senders_.empty()) {
      auto& tx = *senders_.front();
      BOOST_TEST_REQUIRE(tx.size() == held_.size());
      BOOST_TEST_REQUIRE(tx.is_closed() == closed_);
      BOOST_TEST_REQUIRE(tx.receiver_count() == subjects_.size());
      BOOST_TEST_REQUIRE(tx.sender_count() == senders_.size());
      BOOST_TEST_REQUIRE(
          tx.full() == (lossless && !closed_ && (!pending_.empty() || held_.size() == capacity_)));
    }
    for (auto& s : subjects_) {
      BOOST_TEST_REQUIRE(s.rx.size() == backlog(s.model));
      BOOST_TEST_REQUIRE(s.rx.missed() == s.model.missed);
      BOOST_TEST_REQUIRE(s.rx.is_closed() == closed_);
    }
    std::size_t messages = held_.size();
    for (auto& d : deeds_) {
      if (d->at == stage::over) continue;
      BOOST_TEST_REQUIRE(d->told.empty());
      BOOST_TEST_REQUIRE(!d->dropped);
      // A message that is sent to nobody is there until its send completes.
      const bool gone = d->accepted && d->expected != "sent to 0";
      messages += (d->by_value || d->mine) && !gone ? 1 : 0;
    }
    BOOST_TEST_REQUIRE(office_.alive == static_cast<int>(messages));
    if (deeds_.size() > 200)
      deeds_.erase(std::remove_if(deeds_.begin(), deeds_.end(),
                                  [](const deed_ref& d) { return d->at == stage::over; }),
                   deeds_.end());
  }

  letter::office office_;
  asio::io_context home_;
  std::unique_ptr<asio::io_context> contexts_[2];
  const std::size_t capacity_;
  random_source& random_;
  std::deque<deed_ref> deeds_;
  std::vector<std::unique_ptr<Sender>> senders_;
  sluice::weak_broadcast_sender<letter, asio::any_io_executor, typename Sender::threading_type,
                                lossless ? sluice::overflow::wait : sluice::overflow::lag>
      weak_;
  std::deque<subject> subjects_;
  std::deque<wanted> held_;
  std::deque<deed_ref> pending_;
  std::deque<deed_ref> closers_;
  error_code reason_;
  bool closed_ = false;
  bool fails_ = false;
  int sent_ = 0;
  int names_ = 0;
};

}  // namespace

FLAVOUR_TEST_CASE(BR2_completions_may_run_at_any_time, broadcasts) {
  random_source random;
  using sender = decltype(open_broadcast(flavour, std::declval<asio::io_context&>()));
  for (int i = 0; i != 60; ++i) history<sender>(flavour.capacity, random).play(300);
}

FLAVOUR_TEST_CASE(BR4_completions_of_a_lossless_broadcast_may_run_at_any_time, broadcasts) {
  random_source random;
  using sender = decltype(open_lossless_broadcast(flavour, std::declval<asio::io_context&>()));
  for (int i = 0; i != 60; ++i) history<sender>(flavour.capacity, random).play(300);
}
