// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE watch_completions

// Random histories of watches in which completions run one by one, in several contexts that are
// destroyed now and then, and in which predicates do whatever they like: they send, close, look,
// cancel their own operation, let their receiver go and throw. The reference knows of each
// operation whether it waits or is on its way, in which order they come, and when a predicate has
// to be called.

#include "support/flavours.hpp"
#include "support/probe.hpp"
#include "support/seed.hpp"
#include "support/unit_test.hpp"
#include "support/watches.hpp"

#include <sluice/watch.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace support;
using sluice::error;

namespace {

enum class stage { waiting, woken, decided, over };

struct cursor {
  int seen;
  int observed;
};

/// An operation: what the reference says of it, and what it has said itself.
struct deed {
  enum kind_type { changed, search, closing } kind = changed;
  stage at = stage::waiting;
  int own = 0;  // the context that it completes in
  int io = 0;   // the one of its handle
  bool lost_io = false;
  const void* handle = nullptr;
  std::shared_ptr<cursor> from;
  int tested = 0;
  int calls_left = 0;  // after so many calls of its predicate that holds
  bool must_call = false;
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
  using sender = sluice::watch_sender<int, asio::any_io_executor, Threading>;
  using receiver = sluice::watch_receiver<int, asio::any_io_executor, Threading>;

  struct subject {
    receiver rx;
    std::shared_ptr<cursor> from;
    int io;
  };

  static constexpr unsigned context_count = 3;

 public:
  explicit history(random_source& random) : random_(random) {
    for (auto& context : contexts_) context = std::make_unique<asio::io_context>();
    senders_.push_back(std::make_unique<sender>(home_, value_));
    weak_ = *senders_.front();
    subscribe();
  }

  void play(int moves) {
    for (int i = 0; i != moves; ++i) {
      move();
      check();
    }
    quiet_ = true;
    drain();
    for (const deed_ref& d : deeds_) BOOST_TEST_REQUIRE((d->at == stage::waiting));
    while (!subjects_.empty()) leave();
    while (!senders_.empty()) drop_sender();
    drain();
    BOOST_TEST_REQUIRE(deeds_.empty());
  }

 private:
  // Moves ---------------------------------------------------------------------------------------

  void move() {
    switch (random_.below(18)) {
      case 0:
        if (!senders_.empty() && subjects_.size() < 5) subscribe();
        break;
      case 1:
        if (!subjects_.empty() && subjects_.size() < 5) copy();
        break;
      case 2:
        if (!subjects_.empty() && random_.below(4) == 0) leave();
        break;
      case 3:
      case 4:
        if (!senders_.empty()) send();
        break;
      case 5:
        if (!senders_.empty()) modify();
        break;
      case 6:
      case 7:
        if (!subjects_.empty()) begin_change(any());
        break;
      case 8:
      case 9:
        if (!subjects_.empty()) begin_search(any());
        break;
      case 10:
        if (!deeds_.empty()) cancel_one(deeds_[below(deeds_.size())]);
        break;
      case 11:
        cancel_handle();
        break;
      case 12:
        if (!subjects_.empty()) look(any());
        break;
      case 13:
        if (!subjects_.empty()) mark(any());
        break;
      case 14:
        if (random_.below(5) == 0) end_context(static_cast<int>(random_.below(context_count)));
        break;
      case 15:
        come_and_go();
        break;
      case 16:
        if (!senders_.empty()) begin_closing();
        break;
      default:
        step(static_cast<int>(random_.below(context_count)));
    }
  }

  std::size_t below(std::size_t bound) { return random_.below(static_cast<unsigned>(bound)); }
  subject& any() { return subjects_[below(subjects_.size())]; }
  sender& any_sender() { return *senders_[below(senders_.size())]; }

  void add(receiver rx, cursor seen, int io) {
    subjects_.push_back({std::move(rx), std::make_shared<cursor>(seen), io});
  }

  void subscribe() {
    const int io = static_cast<int>(random_.below(context_count));
    add(any_sender().subscribe().with_executor(executor(io)), {version_, version_}, io);
  }

  void copy() {
    subject& from = any();
    const int io = static_cast<int>(random_.below(context_count));
    add(from.rx.with_executor(executor(io)), *from.from, io);
  }

  void leave() { leave(below(subjects_.size())); }

  void leave(std::size_t i) {
    subject gone = std::move(subjects_[i]);
    subjects_.erase(subjects_.begin() + static_cast<std::ptrdiff_t>(i));
    for (auto& d : deeds_)
      if (d->handle == gone.from.get()) d->handle = nullptr;
    gone.rx = {};
    if (!subjects_.empty()) return;
    for (auto& d : in_order())
      if (d->kind != deed::closing && d->at != stage::decided) decide(d, "aborted");
    for (auto& d : in_order())
      if (d->kind == deed::closing && d->at == stage::waiting) decide(d, "done");
  }

  void send() {
    sender& tx = any_sender();
    const int next = ++numbers_;
    if (random_.coin()) {
      BOOST_TEST_REQUIRE((tx.send(next) == (closed_ ? error_code(error::closed) : error_code())));
    } else {
      const auto before = tx.send_replace(next);
      BOOST_TEST_REQUIRE((before == nullptr) == closed_);
      if (before) BOOST_TEST_REQUIRE(*before == value_);
    }
    published(next);
  }

  void published(int next) {
    if (closed_) return;
    value_ = next;
    ++version_;
    wake_all();
  }

  void modify() {
    sender& tx = any_sender();
    int calls = 0;
    const unsigned how = random_.below(5);
    const int next = ++numbers_;
    const bool was_closed = closed_;
    auto modifier = [&](int& value) {
      BOOST_TEST_REQUIRE(value == value_);
      value = next;
      if (++calls == 1 && how == 1) send();
      if (how == 2) throw std::runtime_error("not today");
      if (how == 3) close();
      return how != 4;
    };
    try {
      const bool replaced = tx.send_if_modified(modifier);
      BOOST_TEST_REQUIRE(replaced == (!was_closed && how < 2));
    } catch (const std::runtime_error&) {
      BOOST_TEST_REQUIRE(how == 2);
    }
    BOOST_TEST_REQUIRE(calls == (was_closed ? 0 : how == 1 ? 2 : 1));
    if (how < 2) published(next);
  }

  deed_ref begin(const subject& s, deed::kind_type kind) {
    auto d = std::make_shared<deed>();
    d->kind = kind;
    d->io = s.io;
    d->own = random_.coin() ? s.io : static_cast<int>(random_.below(context_count));
    d->handle = s.from.get();
    d->from = s.from;
    deeds_.push_back(d);
    return d;
  }

  template <class Handler>
  auto bound(const deed_ref& d, Handler handler) {
    return asio::bind_cancellation_slot(d->signal.slot(),
                                        asio::bind_executor(executor(d->own), std::move(handler)));
  }

  void begin_change(subject& s) {
    auto d = begin(s, deed::changed);
    s.rx.async_changed(bound(d, [w = witness(d)](error_code ec, bool changed) mutable {
      w(ec, changed ? "changed" : "end");
    }));
    if (version_ != d->from->seen)
      wake(d);
    else if (closed_)
      decide(d, "end");
    move_handle(s);
  }

  void begin_search(subject& s) {
    auto d = begin(s, deed::search);
    d->calls_left = static_cast<int>(random_.below(4));
    s.rx.async_wait_for(
        [this, weak = std::weak_ptr<deed>(d)](int value) { return test(*weak.lock(), value); },
        bound(d, [w = witness(d)](error_code ec, std::shared_ptr<const int> found) mutable {
          w(ec, found ? std::to_string(*found) : "end");
        }));
    wake(d);
    move_handle(s);
  }

  void move_handle(subject& s) {
    if (random_.below(3) != 0) return;
    receiver elsewhere(std::move(s.rx));
    s.rx = std::move(elsewhere);
  }

  void begin_closing() {
    sender& tx = any_sender();
    auto d = std::make_shared<deed>();
    d->kind = deed::closing;
    d->own = static_cast<int>(random_.below(context_count));
    d->io = d->own;  // that of the handle is never destroyed
    d->handle = &tx;
    deeds_.push_back(d);
    tx.async_wait_closed(bound(d, [w = witness(d)](error_code ec) mutable { w(ec, "done"); }));
    if (closed_ || subjects_.empty()) decide(d, "done");
  }

  void cancel_one(const deed_ref& d) {
    d->signal.emit(asio::cancellation_type::total);
    abort(d);
  }

  void cancel_handle() {
    const void* handle = nullptr;
    if (!subjects_.empty() && random_.coin()) {
      subject& s = any();
      s.rx.cancel();
      handle = s.from.get();
    } else if (!senders_.empty()) {
      sender& tx = any_sender();
      tx.cancel();
      handle = &tx;
    }
    // They are told in the order in which they stand in their lines: receives, then who waits for
    // the end. Those that are woken are on their way already.
    for (auto& d : in_order())
      if (handle != nullptr && d->handle == handle) abort(d);
  }

  void look(subject& s) {
    const bool update = random_.coin();
    const auto seen = update ? s.rx.borrow_and_update() : s.rx.borrow();
    BOOST_TEST_REQUIRE(*seen == value_);
    s.from->observed = version_;
    if (update) s.from->seen = version_;
  }

  void mark(subject& s) {
    if (random_.coin()) {
      s.rx.mark_unchanged();
      s.from->seen = version_;
      return;
    }
    s.rx.mark_changed();
    s.from->seen = version_ - 1;
    for (auto& d : in_order())
      if (d->kind == deed::changed && d->at == stage::waiting && d->from == s.from) wake(d);
  }

  void end_context(int i) {
    // Those that live in it are gone, except for those that are on their way in another one. The
    // next context is, as likely as not, in the same place.
    contexts_[i].reset();
    contexts_[i] = std::make_unique<asio::io_context>();
    posted_[i].clear();
    for (auto& d : in_order()) {
      if (d->own == i || (d->io == i && d->at == stage::waiting)) {
        BOOST_TEST_REQUIRE(d->dropped);
        over(d);
      } else if (d->io == i) {
        d->lost_io = true;
      }
    }
    for (auto& s : subjects_) {
      if (s.io != i) continue;
      // The new handle is a copy; what is pending stays with what the old one had seen.
      auto old = s.from;
      receiver next = s.rx.with_executor(executor(i));
      s.rx = std::move(next);
      s.from = std::make_shared<cursor>(*old);
      for (auto& d : deeds_)
        if (d->handle == old.get()) d->handle = nullptr;
    }
  }

  void come_and_go() {
    if (!senders_.empty() && random_.below(30) == 0) return close();
    if (!senders_.empty() && random_.below(12) == 0) return drop_sender();
    auto strong = weak_.lock();
    BOOST_TEST_REQUIRE(static_cast<bool>(strong) == !closed_);
    if (strong && senders_.size() < 3)
      senders_.push_back(std::make_unique<sender>(std::move(strong)));
  }

  void close() {
    any_sender().close();
    close_now();
  }

  void drop_sender() {
    const std::size_t i = below(senders_.size());
    for (auto& d : deeds_)
      if (d->handle == senders_[i].get()) d->handle = nullptr;
    senders_.erase(senders_.begin() + static_cast<std::ptrdiff_t>(i));
    if (!senders_.empty()) return;
    for (auto& d : in_order())
      if (d->kind == deed::closing && d->at == stage::waiting) decide(d, "aborted");
    close_now();
  }

  void close_now() {
    closed_ = true;
    wake_all();
    for (auto& d : in_order())
      if (d->kind == deed::closing && d->at == stage::waiting) decide(d, "done");
  }

  // Completions ---------------------------------------------------------------------------------

  void drain() {
    bool any = true;
    while (any) {
      any = false;
      for (unsigned i = 0; i != context_count; ++i) any = step(static_cast<int>(i)) || any;
    }
  }

  /// Runs one completion: the reference knows whose.
  bool step(int i) {
    if (posted_[i].empty()) {
      contexts_[i]->restart();
      BOOST_TEST_REQUIRE(contexts_[i]->poll() == 0u);
      return false;
    }
    const deed_ref d = posted_[i].front();
    posted_[i].pop_front();
    running_ = d;
    if (d->at == stage::woken && d->kind == deed::search) {
      d->must_call = d->tested != version_ || closed_;
      if (!d->must_call) wait_again(d);
    } else if (d->at == stage::woken) {
      if (version_ != d->from->seen) {
        d->from->seen = version_;
        decide(d, "changed", false);
      } else if (closed_) {
        decide(d, "end", false);
      } else {
        wait_again(d);
      }
    }
    contexts_[i]->restart();
    bool thrown = false;
    try {
      BOOST_TEST_REQUIRE(contexts_[i]->poll_one() == 1u);
    } catch (const std::runtime_error&) {
      thrown = true;
    }
    running_.reset();
    BOOST_TEST_REQUIRE(!d->must_call);
    BOOST_TEST_REQUIRE(thrown == (d->expected == "throws"));
    if (d->at == stage::waiting) return true;
    if (d->expected == "throws" || d->expected == "orphaned") {
      BOOST_TEST_REQUIRE(d->dropped);
    } else {
      BOOST_TEST_REQUIRE(d->told == d->expected);
    }
    over(d);
    return true;
  }

  /// What the predicate of a search does: at first whatever it likes, and then it holds, or not.
  bool test(deed& d, int value) {
    BOOST_TEST_REQUIRE(running_.get() == &d);
    BOOST_TEST_REQUIRE(d.must_call);
    BOOST_TEST_REQUIRE(value == value_);
    d.must_call = false;
    const deed_ref self = running_;
    const int version = version_;
    const bool last = closed_;
    const bool holds = d.calls_left-- == 0;
    switch (quiet_ ? 99 : random_.below(12)) {
      case 0:
        if (!senders_.empty()) send();
        break;
      case 1:
        if (!senders_.empty()) send();
        for (auto& s : subjects_) {
          if (s.from != d.from) continue;
          static_cast<void>(s.rx.borrow());
          s.from->observed = version_;
        }
        break;
      case 2:
        cancel_one(self);
        break;
      case 3:
        cancel_handle();
        break;
      case 4:
        if (!subjects_.empty()) leave();
        break;
      case 5:
        if (!senders_.empty() && random_.below(5) == 0) close();
        break;
      case 6:
        if (!subjects_.empty()) mark(any());
        break;
      case 7:
        if (random_.coin()) break;
        decide(self, "throws", false);
        throw std::runtime_error("not today");
      default:
        break;
    }
    if (d.at != stage::woken) return holds;  // it was cancelled
    if (holds) {
      if (d.from->observed > version) {
        d.must_call = true;
        d.calls_left = 0;
      } else {
        d.from->observed = version;
        d.from->seen = std::max(d.from->seen, version);
        decide(self, std::to_string(value), false);
      }
    } else if (last) {
      decide(self, "end", false);
    } else {
      d.tested = version;
      // What has come meanwhile is tested at once, unless one of its contexts has gone.
      if (!d.lost_io && (closed_ || version_ != version))
        d.must_call = true;
      else
        wait_again(self);
    }
    return holds;
  }

  void wait_again(const deed_ref& d) {
    if (d->lost_io)
      decide(d, "orphaned", false);
    else
      d->at = stage::waiting;
  }

  // The reference -------------------------------------------------------------------------------

  asio::any_io_executor executor(int i) { return contexts_[i]->get_executor(); }

  std::vector<deed_ref> in_order() const { return {deeds_.begin(), deeds_.end()}; }

  void wake(const deed_ref& d) {
    d->at = stage::woken;
    posted_[d->own].push_back(d);
  }

  void wake_all() {
    for (auto& d : in_order())
      if (d->kind != deed::closing && d->at == stage::waiting) wake(d);
  }

  void decide(const deed_ref& d, std::string what, bool posts = true) {
    if (posts && d->at == stage::waiting) posted_[d->own].push_back(d);
    d->at = stage::decided;
    d->expected = std::move(what);
  }

  void abort(const deed_ref& d) {
    if (d->at == stage::waiting || d->at == stage::woken) decide(d, "aborted");
  }

  void over(const deed_ref& d) {
    d->at = stage::over;
    deeds_.erase(std::find(deeds_.begin(), deeds_.end(), d));
  }

  void check() {
    for (auto& s : subjects_) {
      BOOST_TEST_REQUIRE(s.rx.has_changed() == (s.from->seen != version_));
      BOOST_TEST_REQUIRE(s.rx.is_closed() == closed_);
      BOOST_TEST_REQUIRE(s.rx.sender_count() == senders_.size());
    }
    for (auto& tx : senders_) {
      BOOST_TEST_REQUIRE(*tx->borrow() == value_);
      BOOST_TEST_REQUIRE(tx->receiver_count() == subjects_.size());
    }
    for (auto& d : deeds_) {
      BOOST_TEST_REQUIRE(d->told.empty());
      BOOST_TEST_REQUIRE(!d->dropped);
    }
  }

  random_source& random_;
  asio::io_context home_;
  std::unique_ptr<asio::io_context> contexts_[context_count];
  std::deque<deed_ref> posted_[context_count];
  std::deque<deed_ref> deeds_;  // in the order in which they were begun
  deed_ref running_;
  std::vector<std::unique_ptr<sender>> senders_;
  std::deque<subject> subjects_;
  sluice::weak_watch_sender<int, asio::any_io_executor, Threading> weak_;
  int version_ = 1;
  int value_ = 0;
  int numbers_ = 0;
  bool closed_ = false;
  bool quiet_ = false;
};

}  // namespace

FLAVOUR_TEST_CASE(WA3_completions_may_run_at_any_time, watches) {
  random_source random;
  for (int i = 0; i != 150; ++i) history<typename Flavour::threading>(random).play(300);
}
