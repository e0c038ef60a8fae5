// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_FUZZ_WATCH_HPP
#define SLUICE_TEST_FUZZ_WATCH_HPP

// Plays a watch beside its reference: sends, modifiers and predicates that send, look, throw or
// cancel themselves, receivers that are copied, closing.

#include "fuzz/stage.hpp"
#include "support/reference/watch.hpp"

#include <sluice/watch.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace fuzz {

/// A value that is counted, and never touched under the lock.
class reading {
 public:
  explicit reading(int n) : number(n) { count(1); }
  reading(const reading& other) : number(other.number) { count(1); }
  reading(reading&& other) noexcept : number(other.number) { count(1); }
  reading& operator=(const reading&) = delete;
  ~reading() { count(-1); }

  int number;

  static inline long alive = 0;
  static inline bool touched_under_lock = false;

 private:
  static void count(int change) noexcept {
    alive += change;
    if (watched::held != 0) touched_under_lock = true;
  }
};

class watch_player : public stage<watch_player, reference::watch<places>> {
  using executor = asio::any_io_executor;
  using sender = sluice::watch_sender<reading, executor, watched>;
  using receiver = sluice::watch_receiver<reading, executor, watched>;
  using pointer = std::shared_ptr<const reading>;

 public:
  explicit watch_player(bytes input) : stage(input) {
    reading::touched_under_lock = false;
    sender tx(executor_of(lasting), reading(rules_.value));
    watcher_ = tx;
    txs_.push_back({std::move(tx), next_owner_++});
  }

 private:
  friend class stage<watch_player, reference::watch<places>>;

  struct observer : owned<receiver> {
    unsigned cursor;
  };

  /// What the reference need not know of a search.
  struct search {
    int least = 0;
    bool held = false;        // what the predicate said last
    bool was_closed = false;  // when it said so
  };

  static reference::watch<places> make_rules(bytes& input) {
    return reference::watch<places>(static_cast<int>(input.below(16)));
  }

  // Steps -----------------------------------------------------------------------------------------

  void act() {
    switch (input_.below(28)) {
      case 0:
      case 1:
      case 2:
        return send();
      case 3:
        return modify();
      case 4:
      case 5:
        return subscribe();
      case 6:
        return unsubscribe();
      case 7:
      case 8:
        return look();
      case 9:
      case 10:
      case 11:
      case 12:
        return changed();
      case 13:
      case 14:
      case 15:
        return wait_for();
      case 16:
        return wait_closed();
      case 17:
      case 18:
        return emit(input_.below(places));
      case 19:
        return cancel_by_handle();
      case 20:
        if (input_.below(4) == 0) close();
        return;
      case 21:
        return change_handles();
      case 22:
        return kill();
      default:
        if (!is_inside()) poll(input_.coin() ? mortal : lasting);
    }
  }

  void send() {
    if (txs_.empty()) return;
    const int next = static_cast<int>(input_.below(16));
    tell("send", next);
    const pointer before = txs_.back().handle.borrow();
    const bool sends = rules_.send(next);
    follow();
    if (input_.coin()) {
      const error_code ec = any(txs_).handle.send(reading(next));
      expect(ec == (sends ? error_code() : sluice::error::closed), "the outcome of send");
    } else {
      expect(any(txs_).handle.send_replace(reading(next)) == (sends ? before : nullptr),
             "what send_replace gave back");
    }
  }

  // WA6
  void modify() {
    if (txs_.empty()) return;
    sender& tx = any(txs_).handle;
    const int next = static_cast<int>(input_.below(16));
    const unsigned meanwhile = input_.below(4);
    const bool publishes = input_.below(4) != 0;
    tell("modify", next, meanwhile);
    unsigned calls = 0;
    const bool was_closed = rules_.closed;
    auto step = [&](reading& value) {
      expect(watched::held == 0, "K6: a modifier is called under the lock");
      expect(value.number == rules_.value, "WA6: it must see the latest value");
      if (calls++ == 0 && meanwhile == 1) send();
      if (calls == 1 && meanwhile == 2) close();
      if (calls == 1 && meanwhile == 3) throw thrown_on_purpose();
      value.number = next;
      return publishes;
    };
    bool done = false;
    bool threw = false;
    try {
      if (publishes && input_.coin()) {
        const error_code ec = tx.send_modify(step);
        done = !ec;
        expect(done || ec == sluice::error::closed, "the outcome of send_modify");
      } else {
        done = tx.send_if_modified(step);
      }
    } catch (const thrown_on_purpose&) {
      threw = true;
    }
    expect((calls == 0) == was_closed, "whether a modifier was called");
    expect(calls <= (meanwhile == 1 && publishes ? 2u : 1u), "how often a modifier was called");
    expect(done == (!threw && publishes && !rules_.closed), "whether it was published");
    if (!done) return;
    rules_.send(next);
    follow();
  }

  void subscribe() {
    if (rxs_.size() == 4) return;
    const bool copies = !rxs_.empty() && (txs_.empty() || input_.coin());
    if (!copies && txs_.empty()) return;
    tell(copies ? "copy a receiver" : "subscribe");
    if (copies) {
      observer& from = any(rxs_);
      receiver rx = from.handle;
      rxs_.push_back({{std::move(rx), next_owner_++}, rules_.copy(from.cursor)});
    } else {
      rxs_.push_back({{any(txs_).handle.subscribe(), next_owner_++}, rules_.subscribe()});
    }
  }

  void unsubscribe() {
    if (rxs_.empty()) return;
    tell("drop a receiver");
    observer& chosen = any(rxs_);
    effects e;
    rules_.receivers_left(e);
    follow(e);
    const receiver gone = std::move(chosen.handle);
    if (&chosen != &rxs_.back()) chosen = std::move(rxs_.back());
    rxs_.pop_back();
  }

  void look() {
    if (rxs_.empty()) return;
    observer& o = any(rxs_);
    const unsigned how = input_.below(4);
    tell("look", how);
    switch (how) {
      case 0:
        expect(o.handle.borrow()->number == rules_.borrow(o.cursor, false), "borrow()");
        break;
      case 1:
        expect(o.handle.borrow_and_update()->number == rules_.borrow(o.cursor, true),
               "borrow_and_update()");
        break;
      case 2:
        rules_.mark_unchanged(o.cursor);
        o.handle.mark_unchanged();
        break;
      default:
        rules_.mark_changed(o.cursor);
        follow();
        o.handle.mark_changed();
    }
  }

  void changed() {
    const std::size_t place = find_place();
    if (place == places || rxs_.empty()) return;
    observer& o = any(rxs_);
    tell("changed", static_cast<long>(place), o.cursor);
    begin_party(place, role::receive).subject = o.cursor;
    begin(place, o, [](auto& rx, auto h) { rx.async_changed(std::move(h)); });
  }

  void wait_for() {
    const std::size_t place = find_place();
    if (place == places || rxs_.empty()) return;
    observer& o = any(rxs_);
    party& p = begin_party(place, role::receive);
    p.subject = o.cursor;
    reference::watch<places>::search(p);
    searches_[place] = search();
    searches_[place].least = static_cast<int>(input_.below(20));
    tell("wait_for", static_cast<long>(place), searches_[place].least);
    begin(place, o, [this, place](auto& rx, auto h) {
      rx.async_wait_for([this, place](const reading& r) { return test(place, r); }, std::move(h));
    });
  }

  void wait_closed() {
    const std::size_t place = find_place();
    if (place == places || txs_.empty()) return;
    tell("wait_closed", static_cast<long>(place));
    begin_party(place, role::closer);
    begin(place, any(txs_), [](auto& tx, auto h) { tx.async_wait_closed(std::move(h)); });
  }

  void cancelled(std::size_t place, bool) {
    if (rules_.parties[place].what == role::none) return;
    effects e;
    rules_.cancel(place, e);
    follow(e);
  }

  void cancel_by_handle() {
    const bool sends = input_.coin();
    if (sends ? txs_.empty() : rxs_.empty()) return;
    if (sends) {
      auto& from = any(txs_);
      cancel_all_of(from.owner);
      from.handle.cancel();
    } else {
      observer& from = any(rxs_);
      cancel_all_of(from.owner);
      from.handle.cancel();
    }
  }

  void close() {
    if (txs_.empty()) return;
    tell("close");
    rules_.closed = true;
    follow();
    any(txs_).handle.close();
  }

  void change_handles() {
    switch (input_.below(6)) {
      case 0:
        if (txs_.empty() || txs_.size() == 3) return;
        ++rules_.senders;
        return add_copy(txs_);
      case 1:
        if (txs_.size() > 1 || input_.below(3) == 0) drop_sender();
        return;
      case 2:
        if (txs_.size() != 3) lock();
        return;
      case 3:
        if (!txs_.empty()) move_around(any(txs_).handle);
        return;
      case 4:
        if (!rxs_.empty()) move_around(any(rxs_).handle);
        return;
      default:
        swap_first(txs_);
        if (rxs_.size() < 2) return;
        swap(rxs_[0].handle, rxs_[1].handle);
        std::swap(rxs_[0].owner, rxs_[1].owner);
        std::swap(rxs_[0].cursor, rxs_[1].cursor);
    }
  }

  void drop_sender() {
    if (txs_.empty()) return;
    tell("drop a sender");
    const sender gone = take_out(txs_);
    --rules_.senders;
    follow();
  }

  void lock() {
    tell("lock");
    sender tx = watcher_.lock();
    expect(static_cast<bool>(tx) == !rules_.closed, "lock()");
    if (!tx) return;
    ++rules_.senders;
    txs_.push_back({std::move(tx), next_owner_++});
  }

  void end() {
    poll_all();
    const unsigned order = input_.below(3);
    while (!txs_.empty() && order != 0) drop_sender();
    if (order == 2) poll_all();
    while (!rxs_.empty()) unsubscribe();
    while (!txs_.empty()) drop_sender();
    poll_all();
    for (const party& p : rules_.parties) expect(p.what == role::none, "never completed");
    expect(!reading::touched_under_lock, "K6: copied, moved or destroyed under the lock");
    expect(reading::alive == 0, "WA5: a value is left behind, or went twice");
  }

  // Called by the library -------------------------------------------------------------------------

  void completed(std::size_t place, error_code ec) {
    expect(ec == error_of(come_back_decided(place)), "the outcome of async_wait_closed");
    leave(place);
  }

  void completed(std::size_t place, error_code ec, bool is_changed) {
    come_back_in_line(place);
    const outcome right = rules_.come_back(place);
    expect(right != outcome::none && right != outcome::orphaned, "there is no change");
    expect(ec == end_of(right), "the outcome of async_changed");
    expect(is_changed == (right == outcome::success), "WA2: whether there is a change");
    leave(place);
  }

  void completed(std::size_t place, error_code ec, pointer value) {
    party& p = rules_.parties[place];
    const search& s = searches_[place];
    if (is_posted(place)) come_back_in_line(place);
    outcome right = p.fate;
    if (p.at != being::settled) {
      expect(p.at == being::busy, "WA3: it ended, and has tested nothing");
      expect(s.held ? rules_.accept(p) : s.was_closed, "WA3, WA4: it ended, and must not");
      right = s.held ? outcome::success : outcome::closed;
    }
    expect(ec == end_of(right), "the outcome of async_wait_for");
    expect(static_cast<bool>(value) == (right == outcome::success), "a value or an end");
    expect(!value || value->number == tested_[place], "WA3: what was found is not what was tested");
    leave(place);
  }

  bool test(std::size_t place, const reading& r) {
    search& s = searches_[place];
    bool throws = false;
    guarded([&] {
      party& p = rules_.parties[place];
      tell("test", static_cast<long>(place), r.number);
      expect(watched::held == 0, "K6: a predicate is called under the lock");
      if (p.at == being::promised) {
        come_back_in_line(place);
        p.at = being::busy;
      } else {
        expect(p.at == being::busy, "it was cancelled, and goes on");
        // Otherwise it would test the same again and again.
        expect(s.held ? rules_.cursors[p.subject].observed > p.number : rules_.has_news(p),
               "WA3: it tests again, and nothing is new");
      }
      expect(r.number == rules_.value, "WA3: it must test the latest value");
      reference::watch<places>::tested(p, rules_.version);
      tested_[place] = r.number;
      s.was_closed = rules_.closed;
      s.held = r.number >= s.least;
      switch (input_.below(10)) {
        case 6:
          send();
          break;
        case 7:
          // To look meanwhile makes what is tested old, now and then.
          if (input_.coin()) send();
          look();
          break;
        case 8:
          emit(place);
          break;
        case 9:
          throws = true;
          expect_dropped(place);
          rules_.lose(place);
          follow();
          break;
        default:
          break;
      }
    });
    if (throws) throw thrown_on_purpose();
    return s.held;
  }

  /// A completion has run; `who` came back, if anybody was called.
  void ran(std::size_t context, std::size_t who) {
    if (who == places) {
      who = first_posted(context,
                         [this](std::size_t i) { return rules_.parties[i].what == role::receive; });
      expect(who != places, "nobody was to come back");
      unpost(who);
      party& p = rules_.parties[who];
      const outcome right = rules_.come_back(who);
      expect(!rules_.searches(p) && (right == outcome::none || right == outcome::orphaned),
             "it came back, and was not told what there is for it");
      wait_again(who);
    } else if (rules_.parties[who].what != role::none && rules_.parties[who].at == being::busy) {
      party& p = rules_.parties[who];
      expect(!searches_[who].held, "WA3: a search waits, and has found something");
      expect(p.homeless || !rules_.has_news(p), "WA3: a search waits, and something is new");
      wait_again(who);
    }
    follow();
  }

  // Helpers ---------------------------------------------------------------------------------------

  party& begin_party(std::size_t place, role what) {
    party& p = rules_.parties[place];
    p = party();
    p.what = what;
    return p;
  }

  /// A handle in another context is a copy, and has a cursor of its own.
  void begins_elsewhere(party& p) {
    if (p.what == role::receive) p.subject = rules_.copy_cursor(p.subject);
  }

  void leave(std::size_t place) {
    unpost(place);
    rules_.parties[place].what = role::none;
  }

  /// That there will be no other value is no error.
  static error_code end_of(outcome seen) {
    return seen == outcome::closed ? error_code() : error_of(seen);
  }

  void compare() const {
    if (!txs_.empty()) {
      const sender& tx = txs_.back().handle;
      expect(tx.borrow()->number == rules_.value, "the value");
      expect(tx.is_closed() == rules_.closed, "is_closed()");
      expect(tx.sender_count() == rules_.senders, "sender_count()");
      expect(tx.receiver_count() == rules_.receivers, "receiver_count()");
    }
    for (const observer& o : rxs_) {
      expect(o.handle.has_changed() == rules_.has_changed(o.cursor), "has_changed()");
      expect(o.handle.is_closed() == rules_.closed, "is_closed()");
    }
  }

  search searches_[places];
  int tested_[places] = {};
  std::vector<owned<sender>> txs_;
  std::vector<observer> rxs_;
  sluice::weak_watch_sender<reading, executor, watched> watcher_;
};

inline int run_watch(const std::uint8_t* data, std::size_t size) {
  return play<watch_player>(data, size);
}

}  // namespace fuzz

#endif  // SLUICE_TEST_FUZZ_WATCH_HPP
