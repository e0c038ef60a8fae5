// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_FUZZ_BROADCAST_HPP
#define SLUICE_TEST_FUZZ_BROADCAST_HPP

// Plays a broadcast, one that lags or one that waits, beside its reference: subscribers that come
// and go, copies that throw, sends that wait, closing.

#include "fuzz/stage.hpp"
#include "support/reference/broadcast.hpp"

#include <sluice/broadcast.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <new>
#include <optional>
#include <utility>
#include <vector>

namespace fuzz {

/// Counts notes, and says when copying one fails.
struct office {
  explicit office(bytes& choices) : input(&choices) {}

  bytes* input;
  bool armed = false;
  long alive = 0;
  error_code failure;
  bool seen_under_lock = false;
};

/// A message that can be copied. One that was moved from has no number.
class note {
 public:
  note(int number, office& o) noexcept : number_(number), office_(&o) { ++office_->alive; }
  note(const note& other) : number_(other.number_), office_(other.office_) {
    if (watched::held != 0) office_->seen_under_lock = true;
    const unsigned what = office_->armed ? office_->input->below(8) : 0;
    if (what == 6) {
      office_->failure = sluice::error::copy_failed;
      throw thrown_on_purpose();
    }
    if (what == 7) {
      office_->failure = asio::error::no_memory;
      throw std::bad_alloc();
    }
    ++office_->alive;
  }
  note(note&& other) noexcept : number_(std::exchange(other.number_, 0)), office_(other.office_) {}
  note& operator=(note&&) = delete;
  ~note() {
    if (number_ == 0) return;
    --office_->alive;
    if (watched::held != 0) office_->seen_under_lock = true;
  }

  int number() const noexcept { return number_; }

 private:
  int number_;
  office* office_;
};

template <sluice::overflow Overflow>
class broadcast_player : public stage<broadcast_player<Overflow>, reference::broadcast<places>> {
  using executor = asio::any_io_executor;
  using sender = sluice::broadcast_sender<note, executor, watched, Overflow>;
  using receiver = typename sender::receiver_type;
  using base = stage<broadcast_player<Overflow>, reference::broadcast<places>>;
  using base::emit, base::find_place, base::follow, base::begin, base::any, base::poll_all;
  using base::input_, base::rules_, base::next_owner_, base::come_back_decided;
  using typename base::effects, typename base::outcome, typename base::party;
  using being = reference::being;
  using role = reference::role;
  template <class Handle>
  using owned = typename base::template owned<Handle>;
  static constexpr bool lossless = Overflow == sluice::overflow::wait;

 public:
  explicit broadcast_player(bytes input) : base(input), office_(input_) {
    sender tx(base::executor_of(lasting), capacity_of(rules_));
    watcher_ = tx;
    txs_.push_back({std::move(tx), next_owner_++});
    office_.armed = true;
  }

 private:
  friend base;

  struct subscriber : owned<receiver> {
    int who;
    std::uint64_t missed;
  };

  static reference::broadcast<places> make_rules(bytes& input) {
    return reference::broadcast<places>(1 + input.below(3), lossless);
  }

  static std::size_t capacity_of(const reference::broadcast<places>& r) {
    return r.messages.capacity();
  }

  // Steps -----------------------------------------------------------------------------------------

  void act() {
    switch (input_.below(26)) {
      case 0:
      case 1:
      case 2:
        return send();
      case 3:
      case 4:
        if constexpr (lossless) return async_send(input_.coin());
        return send();
      case 5:
      case 6:
      case 7:
        return subscribe();
      case 8:
        return unsubscribe();
      case 9:
      case 10:
        return try_receive();
      case 11:
      case 12:
      case 13:
      case 14:
        return receive();
      case 15:
        return wait_closed();
      case 16:
      case 17:
        return emit(input_.below(places));
      case 18:
        return cancel_by_handle();
      case 19:
        if (input_.below(4) == 0) close(input_.below(3));
        return;
      case 20:
        return change_senders();
      case 21:
        return base::kill();
      default:
        if (!base::is_inside()) base::poll(input_.coin() ? mortal : lasting);
    }
  }

  void send() {
    if (txs_.empty()) return;
    note n(++sent_, office_);
    tell("send", sent_);
    std::size_t right_reached = 0;
    const outcome right = rules_.send(sent_, right_reached);
    follow();
    std::size_t reached = 0;
    if constexpr (lossless) {
      const error_code ec = any(txs_).handle.try_send(std::move(n), reached);
      expect(ec == base::error_of(right, sluice::error::full), "the outcome of try_send");
      expect((n.number() == 0) == (right == outcome::success), "whether it was moved from");
    } else {
      reached = any(txs_).handle.send(std::move(n));
    }
    expect(reached == right_reached, "how many will see it");
  }

  void async_send([[maybe_unused]] bool owns) {
    if constexpr (lossless) {
      const std::size_t place = find_place();
      if (place == places || txs_.empty()) return;
      party& p = begin_party(place, role::send);
      p.number = ++sent_;
      kept_[place].emplace(sent_, office_);
      owns_[place] = owns;
      tell("async_send", static_cast<long>(place), sent_);
      begin(place, any(txs_), [&](auto& tx, auto h) {
        if (owns)
          tx.async_send(std::move(*kept_[place]), std::move(h));
        else
          tx.async_send(std::ref(*kept_[place]), std::move(h));
      });
      if (owns) kept_[place].reset();
    }
  }

  void subscribe() {
    if (rxs_.size() == 4) return;
    const bool from_another = !rxs_.empty() && (txs_.empty() || input_.coin());
    if (!from_another && txs_.empty()) return;
    tell("subscribe", subscribers_);
    receiver rx = from_another ? any(rxs_).handle.resubscribe() : any(txs_).handle.subscribe();
    rules_.messages.subscribe(subscribers_);
    follow();
    rxs_.push_back({{std::move(rx), 0}, subscribers_++, 0});
  }

  void unsubscribe() {
    if (rxs_.empty()) return;
    subscriber& chosen = any(rxs_);
    tell("unsubscribe", chosen.who);
    effects e;
    rules_.leave(chosen.who, e);
    follow(e);
    const receiver gone = std::move(chosen.handle);
    if (&chosen != &rxs_.back()) chosen = std::move(rxs_.back());
    rxs_.pop_back();
  }

  void try_receive() {
    if (rxs_.empty()) return;
    subscriber& s = any(rxs_);
    tell("try_receive", s.who);
    reference::backlog::next next;
    const outcome right = rules_.try_receive(s.who, next);
    follow();
    office_.failure = {};
    error_code ec;
    auto got = s.handle.try_receive(ec);
    expect_received(s.who, ec, got, right, next, true);
  }

  void receive() {
    const std::size_t place = find_place();
    if (place == places || rxs_.empty()) return;
    subscriber& s = any(rxs_);
    tell("receive", static_cast<long>(place), s.who);
    begin_party(place, role::receive).subject = static_cast<unsigned>(s.who);
    begin(place, s, [](auto& rx, auto h) { rx.async_receive(std::move(h)); });
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
    if (input_.coin()) {
      if (txs_.empty()) return;
      auto& from = any(txs_);
      base::cancel_all_of(from.owner);
      from.handle.cancel();
    } else {
      if (rxs_.empty()) return;
      subscriber& s = any(rxs_);
      tell("cancel receives of", s.who);
      effects e;
      rules_.cancel_receives(s.who, e);
      follow(e);
      s.handle.cancel();
    }
  }

  void close(unsigned how) {
    if (txs_.empty()) return;
    tell("close", how);
    const error_code reason = how == 2 ? error_code(asio::error::connection_reset) : error_code();
    if (!rules_.closed) rules_.reason = reason;
    rules_.closed = true;
    follow();
    if (how == 0)
      any(txs_).handle.close();
    else
      any(txs_).handle.close(how == 1 ? error_code(sluice::error::closed) : reason);
  }

  void change_senders() {
    switch (input_.below(6)) {
      case 0:
        if (txs_.empty() || txs_.size() == 3) return;
        ++rules_.senders;
        return base::add_copy(txs_);
      case 1:
        if (txs_.size() > 1 || input_.below(3) == 0) drop_sender();
        return;
      case 2:
        if (txs_.size() != 3) lock();
        return;
      case 3:
        if (!txs_.empty()) base::move_around(any(txs_).handle);
        return;
      case 4:
        if (!rxs_.empty()) base::move_around(any(rxs_).handle);
        return;
      default:
        base::swap_first(txs_);
        if (rxs_.size() < 2) return;
        swap(rxs_[0].handle, rxs_[1].handle);
        std::swap(rxs_[0].who, rxs_[1].who);
        std::swap(rxs_[0].missed, rxs_[1].missed);
    }
  }

  void drop_sender() {
    if (txs_.empty()) return;
    tell("drop a sender");
    const sender gone = base::take_out(txs_);
    --rules_.senders;
    follow();
  }

  void lock() {
    tell("lock");
    sender tx = watcher_.lock();
    expect(static_cast<bool>(tx) == !rules_.closed, "C5: lock()");
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
    expect(!office_.seen_under_lock, "K6: copied or destroyed under the lock");
    expect(office_.alive == 0, "a message is left behind, or went twice");
  }

  // Called by the library -------------------------------------------------------------------------

  void completed(std::size_t place, error_code ec) {
    expect(ec == base::error_of(come_back_decided(place)), "the outcome of async_wait_closed");
    leave(place);
  }

  void completed(std::size_t place, error_code ec, std::size_t reached) {
    const outcome right = come_back_decided(place);
    expect(ec == base::error_of(right), "the outcome of async_send");
    expect(reached == rules_.parties[place].accepted, "how many will see it");
    if (!owns_[place])
      expect((kept_[place]->number() == 0) == (right == outcome::success),
             "whether it was moved from");
    leave(place);
  }

  void completed(std::size_t place, error_code ec, std::optional<note> got) {
    base::come_back_in_line(place);
    reference::backlog::next next;
    const outcome right = rules_.come_back(place, next);
    follow();
    expect_received(static_cast<int>(rules_.parties[place].subject), ec, got, right, next, false);
    leave(place);
  }

  void ran(std::size_t, std::size_t who) {
    // What is promised is always there.
    expect(who != places, "it came back for nothing");
  }

  void expect_received(int who, error_code ec, const std::optional<note>& got, outcome right,
                       const reference::backlog::next& next, bool tries) {
    const error_code failure = std::exchange(office_.failure, error_code());
    error_code expected = base::error_of(right, sluice::error::empty);
    if (right == outcome::closed)
      expected = rules_.reason || !tries ? rules_.reason : error_code(sluice::error::closed);
    if (right == outcome::success && next.missed != 0) {
      expected = sluice::error::lagged;
      for (subscriber& s : rxs_)
        if (s.who == who) s.missed = next.missed;
    } else if (right == outcome::success && failure) {
      // BR4: the message counts as received.
      expected = failure;
    }
    expect(ec == expected, "the outcome of a receive");
    expect((got ? got->number() : 0) == (right == outcome::success && !expected ? next.id : 0),
           "what was received");
  }

  // Helpers ---------------------------------------------------------------------------------------

  party& begin_party(std::size_t place, role what) {
    party& p = rules_.parties[place];
    p = party();
    p.what = what;
    return p;
  }

  void leave(std::size_t place) {
    base::unpost(place);
    kept_[place].reset();
    rules_.parties[place].what = role::none;
  }

  template <class Handle>
  void compare_with(const Handle& h) const {
    expect(h.is_closed() == rules_.closed, "is_closed()");
    expect(h.sender_count() == rules_.senders, "sender_count()");
    expect(h.receiver_count() == rules_.messages.subscribers(), "receiver_count()");
    expect(h.capacity() == rules_.messages.capacity(), "capacity()");
  }

  void compare() const {
    if (!txs_.empty()) {
      const sender& tx = txs_.back().handle;
      compare_with(tx);
      expect(tx.size() == rules_.messages.held(), "size()");
      expect(tx.full() == (lossless && !rules_.closed && !rules_.has_place()), "full()");
    }
    for (const subscriber& s : rxs_) {
      compare_with(s.handle);
      expect(s.handle.size() == rules_.messages.backlog_of(s.who), "size() of a subscriber");
      expect(s.handle.missed() == s.missed, "BR2: missed()");
    }
  }

  office office_;
  std::optional<note> kept_[places];
  bool owns_[places] = {};
  std::vector<owned<sender>> txs_;
  std::vector<subscriber> rxs_;
  sluice::weak_broadcast_sender<note, executor, watched, Overflow> watcher_;
  int sent_ = 0;
  int subscribers_ = 0;
};

inline int run_broadcast(const std::uint8_t* data, std::size_t size) {
  if (bytes(data, size).coin())
    return play<broadcast_player<sluice::overflow::wait>>(data + 1, size - 1);
  const std::size_t used = size != 0 ? 1 : 0;
  return play<broadcast_player<sluice::overflow::lag>>(data + used, size - used);
}

}  // namespace fuzz

#endif  // SLUICE_TEST_FUZZ_BROADCAST_HPP
