// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_FUZZ_CHANNEL_HPP
#define SLUICE_TEST_FUZZ_CHANNEL_HPP

// Plays a channel beside its reference: sends and batches of them, permits, receives, batches with
// an allocator that fails, loops that stop, throw or cancel themselves, handles that come and go,
// closing.

#include "fuzz/stage.hpp"
#include "support/reference/channel.hpp"

#include <sluice/channel.hpp>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <utility>
#include <vector>

namespace fuzz {

enum class failure { none, of_allocation, of_construction };

/// An allocator that fails when the input says so.
template <class T>
struct moody_allocator {
  using value_type = T;

  moody_allocator(bytes& choices, failure& how) noexcept : input(&choices), failed(&how) {}
  template <class U>
  moody_allocator(const moody_allocator<U>& other) noexcept
      : input(other.input), failed(other.failed) {}

  T* allocate(std::size_t count) {
    fail_sometimes(failure::of_allocation);
    return std::allocator<T>().allocate(count);
  }
  void deallocate(T* memory, std::size_t count) { std::allocator<T>().deallocate(memory, count); }

  template <class U, class... Arguments>
  void construct(U* place, Arguments&&... arguments) {
    fail_sometimes(failure::of_construction);
    ::new (static_cast<void*>(place)) U(std::forward<Arguments>(arguments)...);
  }

  void fail_sometimes(failure how) {
    expect(watched::held == 0, "K6: an allocator is called under the lock");
    if (input->below(6) != 5) return;
    *failed = how;
    throw std::bad_alloc();
  }

  friend bool operator==(const moody_allocator& a, const moody_allocator& b) {
    return a.input == b.input;
  }
  friend bool operator!=(const moody_allocator& a, const moody_allocator& b) { return !(a == b); }

  bytes* input;
  failure* failed;
};

class channel_player : public stage<channel_player, reference::channel<places>> {
  using executor = asio::any_io_executor;
  using sender = sluice::sender<letter, executor, watched>;
  using receiver = sluice::receiver<letter, executor, watched>;
  using permit = sluice::permit<letter, watched>;
  using moody_vector = std::vector<letter, moody_allocator<letter>>;

 public:
  explicit channel_player(bytes input) : stage(input) {
    auto [tx, rx] =
        sluice::make_channel<letter, executor, watched>(executor_of(lasting), rules_.capacity);
    watcher_ = tx;
    txs_.push_back({std::move(tx), next_owner_++});
    rxs_.push_back({std::move(rx), next_owner_++});
  }

 private:
  friend class stage<channel_player, reference::channel<places>>;

  enum class form { plain, some, moody, loop };

  /// What the reference need not know of an operation.
  struct detail {
    form how = form::plain;
    std::size_t limit = 0;
    bool begun = false;              // a loop, with its first message
    bool stopped = false;            // by its function
    bool thrown = false;             // by its function
    failure failed = failure::none;  // its allocator
    bool owns = true;
    std::vector<letter> kept;
    std::vector<letter> out;
    std::unique_ptr<moody_vector> moody_out;
  };

  static reference::channel<places> make_rules(bytes& input) {
    constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();
    constexpr std::size_t capacities[] = {0, 1, 2, 3, unlimited};
    const unsigned i = input.below(5);
    tell("capacity", i == 4 ? 99 : static_cast<long>(capacities[i]));
    return reference::channel<places>(capacities[i]);
  }

  // Steps -----------------------------------------------------------------------------------------

  void act() {
    switch (input_.below(36)) {
      case 0:
      case 1:
        return try_send();
      case 2:
        return force_send();
      case 3:
      case 4:
      case 5:
        return send(1, input_.coin());
      case 6:
      case 7:
        return send(input_.below(4), input_.coin());
      case 8:
        return try_reserve(input_.below(4));
      case 9:
      case 10:
        return reserve(input_.below(4));
      case 11:
      case 12:
        return use_permit();
      case 13:
        return drop_permit();
      case 14:
      case 15:
        return try_receive();
      case 16:
        return try_receive_some(input_.below(4));
      case 17:
      case 18:
      case 19:
        return receive(form::plain, 1);
      case 20:
        return receive(form::some, input_.below(5));
      case 21:
        return receive(form::moody, input_.below(5));
      case 22:
        return receive(form::loop, 0);
      case 23:
        return wait_closed();
      case 24:
      case 25:
        return emit(input_.below(places));
      case 26:
        return cancel_by_handle();
      case 27:
        if (input_.below(4) == 0) close(input_.below(4));
        return;
      case 28:
        return change_handles();
      case 29:
        return kill();
      default:
        if (!is_inside()) poll(input_.coin() ? mortal : lasting);
    }
  }

  void try_send() {
    if (txs_.empty() || is_overfull()) return;
    letter l(open(), letters_);
    const int number = l.number();
    tell("try_send", number);
    const outcome right = rules_.try_send(number);
    follow();
    const error_code ec = any(txs_).handle.try_send(std::move(l));
    expect(ec == error_of(right, sluice::error::full), "the outcome of try_send");
    offered(l, right);
  }

  void force_send() {
    if (txs_.empty() || is_overfull()) return;
    letter l(open(), letters_);
    tell("force_send", l.number());
    int displaced = 0;
    const outcome right = rules_.force_send(l.number(), displaced);
    follow();
    error_code ec;
    auto out = any(txs_).handle.force_send(std::move(l), ec);
    expect(ec == error_of(right, sluice::error::full), "the outcome of force_send");
    offered(l, right);
    expect((out ? out->number() : 0) == displaced, "what force_send gave back");
    if (out) out->take();
  }

  void send(std::size_t count, bool owns) {
    const std::size_t place = find_place();
    if (place == places || txs_.empty() || is_overfull()) return;
    detail& d = begin_detail(place);
    party& p = rules_.parties[place];
    p.what = role::send;
    p.wanted = count;
    d.owns = owns;
    for (std::size_t i = 0; i != count; ++i) {
      d.kept.emplace_back(open(), letters_);
      if (i == 0) p.number = d.kept[0].number();
    }
    tell("send", static_cast<long>(place), p.number);
    begin(place, any(txs_), [&](auto& tx, auto h) {
      // One value goes either way.
      if (count == 1 && input_.coin()) {
        if (owns)
          tx.async_send(std::move(d.kept[0]), std::move(h));
        else
          tx.async_send(std::ref(d.kept[0]), std::move(h));
      } else if (owns) {
        tx.async_send_all(std::move(d.kept), std::move(h));
      } else {
        tx.async_send_all(std::ref(d.kept), std::move(h));
      }
    });
    if (owns) d.kept.clear();
  }

  void try_reserve(std::size_t count) {
    if (txs_.empty()) return;
    tell("try_reserve", static_cast<long>(count));
    const outcome right = rules_.reserve(count);
    follow();
    error_code ec;
    auto given = any(txs_).handle.try_reserve_many(count, ec);
    expect(ec == error_of(right, sluice::error::full), "the outcome of try_reserve");
    expect(given.has_value() == (right == outcome::success), "a permit or an error");
    if (given) keep(std::move(*given), count);
  }

  void reserve(std::size_t count) {
    const std::size_t place = find_place();
    if (place == places || txs_.empty()) return;
    begin_detail(place);
    rules_.parties[place].what = role::reserve;
    rules_.parties[place].wanted = count;
    tell("reserve", static_cast<long>(place), static_cast<long>(count));
    begin(place, any(txs_), [&](auto& tx, auto h) { tx.async_reserve_many(count, std::move(h)); });
  }

  void use_permit() {
    if (permits_.empty() || is_overfull()) return;
    permit& p = any(permits_);
    letter l(open(), letters_);
    tell("permit.send", l.number());
    const outcome right = rules_.use_permit(l.number());
    follow();
    expect(p.send(std::move(l)) == error_of(right, sluice::error::full),
           "the outcome of a permit's send");
    offered(l, right);
    if (p.size() == 0) permits_.erase(permits_.begin() + (&p - permits_.data()));
  }

  void drop_permit() {
    if (permits_.empty()) return;
    tell("drop a permit");
    permit gone;
    swap(gone, any(permits_));
    permits_.erase(std::find_if(permits_.begin(), permits_.end(),
                                [](const permit& p) { return p.size() == 0; }));
    rules_.permits -= gone.size();
    follow();
  }

  void try_receive() {
    if (rxs_.empty()) return;
    tell("try_receive");
    int number = 0;
    effects e;
    const outcome right = rules_.try_receive(number, e);
    follow(e);
    error_code ec;
    auto got = any(rxs_).handle.try_receive(ec);
    expect(ec == end_of(right, true), "the outcome of try_receive");
    expect((got ? got->take() : 0) == number, "what try_receive gave");
  }

  void try_receive_some(std::size_t limit) {
    if (rxs_.empty()) return;
    tell("try_receive_some", static_cast<long>(limit));
    std::vector<int> numbers;
    effects e;
    outcome right = limit == 0 ? outcome::invalid : outcome::success;
    for (std::size_t n = rules_.unpromised(); n != 0 && numbers.size() != limit; --n)
      numbers.push_back(rules_.take(e));
    if (limit != 0 && numbers.empty()) right = rules_.ended() ? outcome::closed : outcome::none;
    follow(e);
    std::vector<letter> out;
    error_code ec;
    const std::size_t count = any(rxs_).handle.try_receive_some(out, limit, ec);
    expect(ec == end_of(right, true), "the outcome of try_receive_some");
    expect(count == out.size(), "how many try_receive_some gave");
    expect_numbers(out, numbers);
  }

  void receive(form how, std::size_t limit) {
    const std::size_t place = find_place();
    if (place == places || rxs_.empty()) return;
    detail& d = begin_detail(place);
    d.how = how;
    d.limit = limit;
    rules_.parties[place].what = role::receive;
    if (limit == 0 && how != form::loop) rules_.parties[place].fate = outcome::invalid;
    tell(how == form::plain  ? "receive"
         : how == form::loop ? "for_each"
         : how == form::some ? "receive_some"
                             : "receive_some, moody",
         static_cast<long>(place), static_cast<long>(limit));
    begin(place, any(rxs_), [&](auto& rx, auto h) {
      switch (how) {
        case form::plain:
          return rx.async_receive(std::move(h));
        case form::some:
          return rx.async_receive_some(d.out, limit, std::move(h));
        case form::moody:
          return rx.async_receive_some(*d.moody_out, limit, std::move(h));
        case form::loop:
          return rx.async_for_each([this, place](letter l) { return in_loop(place, std::move(l)); },
                                   std::move(h));
      }
    });
  }

  void wait_closed() {
    const std::size_t place = find_place();
    if (place == places || txs_.empty()) return;
    begin_detail(place);
    rules_.parties[place].what = role::closer;
    tell("wait_closed", static_cast<long>(place));
    begin(place, any(txs_), [](auto& tx, auto h) { tx.async_wait_closed(std::move(h)); });
  }

  /// By the signal of an operation, which may be over.
  void cancelled(std::size_t place, bool total) {
    party& p = rules_.parties[place];
    if (p.what == role::none) return;
    // K4: what has begun to send, or to pass on, goes on.
    if (total && (p.accepted != 0 || details_[place].begun)) return;
    effects e;
    rules_.cancel(place, e);
    follow(e);
  }

  void cancel_by_handle() {
    const bool sends = input_.coin();
    if (sends ? txs_.empty() : rxs_.empty()) return;
    auto cancel = [&](auto& from) {
      cancel_all_of(from.owner);
      from.handle.cancel();
    };
    if (sends)
      cancel(any(txs_));
    else
      cancel(any(rxs_));
  }

  void close(unsigned how) {
    const bool sends = !txs_.empty() && (rxs_.empty() || input_.coin());
    if (!sends && rxs_.empty()) return;
    tell("close", how);
    const error_code reason = how == 2 ? error_code(asio::error::connection_reset) : error_code();
    if (!rules_.closed) rules_.reason = reason;
    rules_.closed = true;
    follow();
    auto close_it = [&](auto& handle) {
      if (how == 0)
        handle.close();
      else
        handle.close(how == 1 ? error_code(sluice::error::closed) : reason);
    };
    if (sends)
      close_it(any(txs_).handle);
    else
      close_it(any(rxs_).handle);
  }

  void change_handles() {
    switch (input_.below(8)) {
      case 0:
        if (!txs_.empty() && txs_.size() != 3) {
          ++rules_.senders;
          add_copy(txs_);
        }
        break;
      case 1:
        if (!rxs_.empty() && rxs_.size() != 3) {
          ++rules_.receivers;
          add_copy(rxs_);
        }
        break;
      case 2:
        if (txs_.size() > 1 || input_.below(3) == 0) drop_sender();
        break;
      case 3:
        if (rxs_.size() > 1 || input_.below(3) == 0) drop_receiver();
        break;
      case 4:
        if (txs_.size() != 3) lock();
        break;
      case 5:
        // K4: moving a handle takes its operations along.
        if (!txs_.empty()) move_around(any(txs_).handle);
        break;
      case 6:
        if (!rxs_.empty()) move_around(any(rxs_).handle);
        break;
      default:
        swap_first(txs_);
        swap_first(rxs_);
    }
  }

  void drop_sender() {
    if (txs_.empty()) return;
    tell("drop a sender");
    const sender gone = take_out(txs_);
    --rules_.senders;
    follow();
  }

  void drop_receiver() {
    if (rxs_.empty()) return;
    tell("drop a receiver");
    const std::vector<int> held = rules_.buffer;
    receiver gone = take_out(rxs_);
    --rules_.receivers;
    follow();
    gone = receiver();
    if (rules_.receivers != 0) return;
    for (const int number : held) expect(letters_.ended(number), "C3: destroyed at once");
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
    const unsigned order = input_.below(4);
    while (!permits_.empty() && order != 3) drop_permit();
    while (!txs_.empty() && order != 1) drop_sender();
    if (order == 2) poll_all();
    while (!rxs_.empty()) drop_receiver();
    while (!txs_.empty()) drop_sender();
    poll_all();
    // What is reserved can be used as long as there are receivers, and given back at any time.
    while (!permits_.empty()) {
      if (input_.coin())
        use_permit();
      else
        drop_permit();
      if (rules_.receivers == 0 && !permits_.empty()) drop_permit();
    }
    poll_all();
    expect(rules_.permits == 0, "a place stays reserved for nobody");
    for (const party& p : rules_.parties) expect(p.what == role::none, "never completed");
    expect(letters_.balances(), "D1: a value was lost, or went two ways");
    expect(!letters_.destroyed_under_lock(), "K6: a value was destroyed under the lock");
  }

  // Called by the library -------------------------------------------------------------------------

  void completed(std::size_t place, error_code ec) {
    const party& p = rules_.parties[place];
    if (p.what == role::receive) return loop_completed(place, ec);
    const outcome right = come_back_decided(place);
    if (p.what == role::send) return sent(place, ec, right, ec ? 0 : 1);
    expect(ec == error_of(right), "the outcome of async_wait_closed");
    leave(place);
  }

  void completed(std::size_t place, error_code ec, std::size_t count) {
    const party& p = rules_.parties[place];
    if (p.what == role::send) return sent(place, ec, come_back_decided(place), count);
    detail& d = details_[place];
    come_back_in_line(place);
    std::vector<int> numbers;
    effects e;
    outcome right = outcome::success;
    if (p.at == being::promised && ec == asio::error::no_memory) {
      expect(d.how == form::moody && d.failed != failure::none, "there was memory");
      rules_.parties[place].at = being::settled;
      right = outcome::no_memory;
      // D8: what was claimed is there for the next one, and no longer its sender's.
      if (d.failed == failure::of_construction && rules_.buffer.empty())
        rules_.buffer.push_back(rules_.take(e));
    } else {
      // It takes what there is, up to its limit; if it has to pass on one by one it may take less.
      const std::size_t limit = d.how == form::some ? d.limit : std::min(count, d.limit);
      right = rules_.come_back(place, limit, [&](int number) { numbers.push_back(number); }, e);
      expect(right != outcome::success || !numbers.empty(), "nothing was taken");
    }
    follow(e);
    expect(ec == end_of(right), "the outcome of async_receive_some");
    expect(count == (d.how == form::some ? d.out.size() : d.moody_out->size()), "the count");
    if (d.how == form::some)
      expect_numbers(d.out, numbers);
    else
      expect_numbers(*d.moody_out, numbers);
    leave(place);
  }

  void completed(std::size_t place, error_code ec, permit given) {
    const outcome right = come_back_decided(place);
    expect(ec == error_of(right), "the outcome of async_reserve");
    const std::size_t wanted = rules_.parties[place].wanted;
    expect(given.size() == (right == outcome::success ? wanted : 0), "how much was reserved");
    leave(place);
    if (given.size() != 0) keep(std::move(given), wanted);
  }

  void completed(std::size_t place, error_code ec, std::optional<letter> l) {
    come_back_in_line(place);
    int number = 0;
    effects e;
    const outcome right = rules_.come_back(place, 1, [&](int n) { number = n; }, e);
    follow(e);
    expect(ec == end_of(right), "the outcome of async_receive");
    expect((l ? l->take() : 0) == number, "what async_receive gave");
    leave(place);
  }

  void sent(std::size_t place, error_code ec, outcome right, std::size_t accepted) {
    party& p = rules_.parties[place];
    detail& d = details_[place];
    expect(ec == error_of(right), "the outcome of a send");
    expect(accepted == p.accepted, "how many were accepted");
    for (std::size_t i = 0; i != p.wanted; ++i) {
      const int number = p.number + static_cast<int>(i);
      const bool here = i >= p.accepted;
      if (d.owns)
        expect(!here || letters_.ended(number), "K3: it was not sent, and is still somewhere");
      else
        expect(d.kept[i].number() == (here ? number : 0), "where the values of a send are");
    }
    leave(place);
  }

  bool in_loop(std::size_t place, letter l) {
    bool goes_on = false;
    bool throws = false;
    guarded([&] {
      party& p = rules_.parties[place];
      detail& d = details_[place];
      tell("in loop", static_cast<long>(place), l.number());
      int number = 0;
      effects e;
      if (p.at == being::busy) {
        expect(!d.stopped && !d.thrown, "a loop that was stopped goes on");
        expect(rules_.unpromised() != 0, "D5: a loop takes what others were promised");
        number = rules_.take(e);
      } else {
        come_back_in_line(place);
        const outcome right = rules_.come_back(place, 1, [&](int n) { number = n; }, e);
        expect(right == outcome::success, "a loop takes what is not there");
        p.at = being::busy;
        d.begun = true;
      }
      expect(l.take() == number, "what async_for_each gave");
      follow(e);
      switch (input_.below(8)) {
        case 5:
          emit(place);
          break;
        case 6:
          d.stopped = true;
          break;
        case 7:
          throws = d.thrown = true;
          expect_dropped(place);
          rules_.lose(place);
          follow();
      }
      goes_on = !d.stopped;
    });
    if (throws) throw thrown_on_purpose();
    return goes_on;
  }

  void loop_completed(std::size_t place, error_code ec) {
    party& p = rules_.parties[place];
    const detail& d = details_[place];
    outcome right = outcome::success;
    effects e;
    if (!d.stopped) {
      if (p.at == being::busy) {
        expect(rules_.unpromised() == 0 && rules_.ended(), "a loop ended, and there is more");
        right = outcome::closed;
      } else if (is_posted(place)) {
        come_back_in_line(place);
        right = rules_.come_back(place, 0, [](int) {}, e);
        expect(right != outcome::success, "a loop ended, and there is something for it");
      } else {
        right = p.fate;
      }
    }
    follow(e);
    expect(ec == end_of(right), "the outcome of async_for_each");
    leave(place);
  }

  /// A completion has run; `who` came back, if anybody was called.
  void ran(std::size_t context, std::size_t who) {
    if (who == places) {
      // Only a receive can have come back and found nothing. They are woken in order.
      who = first_posted(context, [this](std::size_t i) { return is_receive(i); });
      expect(who != places, "nobody was to come back");
      unpost(who);
      effects e;
      const outcome right = rules_.come_back(who, 1, [](int) {}, e);
      follow(e);
      expect(right == outcome::none || right == outcome::orphaned,
             "it came back, and was not told what there is for it");
      wait_again(who);
    } else if (rules_.parties[who].at == being::busy && rules_.parties[who].what != role::none) {
      expect(rules_.unpromised() == 0, "a loop waits, and there is something for it");
      expect(!rules_.ended() && rules_.receivers != 0, "a loop waits for nothing");
      // It has had something, so it goes to the end of the line.
      rules_.parties[who].arrival = rules_.arrivals++;
      wait_again(who);
    }
    follow();
  }

  // Helpers ---------------------------------------------------------------------------------------

  bool is_receive(std::size_t place) const { return rules_.parties[place].what == role::receive; }

  detail& begin_detail(std::size_t place) {
    rules_.parties[place] = party();
    detail& d = details_[place];
    d = detail();
    d.moody_out = std::make_unique<moody_vector>(moody_allocator<letter>(input_, d.failed));
    return d;
  }

  void leave(std::size_t place) {
    unpost(place);
    detail& d = details_[place];
    for (letter& l : d.kept) l.take();
    expect(d.out.empty() || d.out[0].number() == 0, "something was received by nobody");
    rules_.parties[place].what = role::none;
  }

  void keep(permit p, std::size_t count) {
    expect(p.size() == count, "how many places a permit has");
    permits_.push_back(std::move(p));
  }

  int open() { return letters_.open(); }

  // So many values that a loop would have to give others their turn are another test's.
  bool is_overfull() const { return rules_.receivable() > 60; }

  void offered(letter& l, outcome result) {
    expect((l.number() == 0) == (result == outcome::success), "whether the value was moved from");
    l.take();
  }

  template <class Letters>
  static void expect_numbers(Letters& got, const std::vector<int>& right) {
    expect(got.size() == right.size(), "how many were received");
    for (std::size_t i = 0; i != right.size(); ++i)
      expect(got[i].take() == right[i], "what was received");
  }

  /// The same for who receives. `tries`: for it, the end is an error.
  error_code end_of(outcome seen, bool tries = false) const {
    if (seen != outcome::closed) return error_of(seen, sluice::error::empty);
    return rules_.reason || !tries ? rules_.reason : error_code(sluice::error::closed);
  }

  template <class Handle>
  void compare_with(const Handle& h) const {
    expect(h.capacity() == rules_.capacity, "capacity()");
    expect(h.size() == rules_.buffer.size(), "size()");
    expect(h.empty() == rules_.buffer.empty(), "empty()");
    expect(h.full() == (!rules_.closed && !rules_.has_place()), "full()");
    expect(h.is_closed() == rules_.closed, "is_closed()");
    expect(h.sender_count() == rules_.senders, "sender_count()");
    expect(h.receiver_count() == rules_.receivers, "receiver_count()");
  }

  void compare() const {
    if (!txs_.empty())
      compare_with(txs_.back().handle);
    else if (!rxs_.empty())
      compare_with(rxs_.back().handle);
  }

  ledger letters_;
  detail details_[places];
  std::vector<owned<sender>> txs_;
  std::vector<owned<receiver>> rxs_;
  std::vector<permit> permits_;
  sluice::weak_sender<letter, executor, watched> watcher_;
};

inline int run_channel(const std::uint8_t* data, std::size_t size) {
  return play<channel_player>(data, size);
}

}  // namespace fuzz

#endif  // SLUICE_TEST_FUZZ_CHANNEL_HPP
