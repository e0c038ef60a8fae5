// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_FUZZ_ONESHOT_HPP
#define SLUICE_TEST_FUZZ_ONESHOT_HPP

// Plays a oneshot beside its reference. One input plays several, one after the other.

#include "fuzz/stage.hpp"
#include "support/reference/oneshot.hpp"

#include <sluice/oneshot.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

namespace fuzz {

class oneshot_player : public stage<oneshot_player, reference::oneshot<places>> {
  using executor = asio::any_io_executor;
  using sender = sluice::oneshot_sender<letter, executor, watched>;
  using receiver = sluice::oneshot_receiver<letter, executor, watched>;

 public:
  explicit oneshot_player(bytes input) : stage(input) { open(); }

 private:
  friend class stage<oneshot_player, reference::oneshot<places>>;

  static reference::oneshot<places> make_rules(bytes&) { return {}; }

  void open() {
    tell("open");
    auto [tx, rx] = sluice::make_oneshot<letter, executor, watched>(executor_of(lasting));
    tx_ = {std::move(tx), 1};
    rx_ = {std::move(rx), 2};
    rules_ = {};
  }

  // Steps -----------------------------------------------------------------------------------------

  void act() {
    switch (input_.below(18)) {
      case 0:
      case 1:
        return send();
      case 2:
        return try_receive();
      case 3:
      case 4:
      case 5:
        return receive();
      case 6:
        return wait_closed();
      case 7:
      case 8:
        return emit(input_.below(places));
      case 9:
        return cancel_by_handle();
      case 10:
        if (input_.coin()) close();
        return;
      case 11:
        if (input_.coin()) drop_sender();
        return;
      case 12:
        if (input_.coin()) drop_receiver();
        return;
      case 13:
        if (tx_.handle) move_around(tx_.handle);
        if (rx_.handle) move_around(rx_.handle);
        return;
      case 14:
        return kill();
      case 15:
        if (is_inside()) return;
        end();
        return open();
      default:
        if (!is_inside()) poll(input_.coin() ? mortal : lasting);
    }
  }

  void send() {
    if (!tx_.handle) return;
    letter l(letters_.open(), letters_);
    tell("send", l.number());
    const int number = l.number();
    const bool sends = rules_.send();
    if (sends) number_ = number;
    follow();
    const error_code ec = tx_.handle.send(std::move(l));
    expect(ec == (sends ? error_code() : sluice::error::closed), "O1: the outcome of send");
    expect(l.number() == (sends ? 0 : number), "O1: whether the value was moved from");
    l.take();
  }

  void try_receive() {
    if (!rx_.handle) return;
    tell("try_receive");
    const outcome right = rules_.try_receive();
    follow();
    error_code ec;
    auto got = rx_.handle.try_receive(ec);
    expect(ec == error_of(right, sluice::error::empty), "the outcome of try_receive");
    expect_value(got, right);
  }

  void receive() {
    const std::size_t place = find_place();
    if (place == places || !rx_.handle) return;
    tell("receive", static_cast<long>(place));
    rules_.parties[place] = party();
    rules_.parties[place].what = role::receive;
    begin(place, rx_, [](auto& rx, auto h) { rx.async_receive(std::move(h)); });
  }

  void wait_closed() {
    const std::size_t place = find_place();
    if (place == places || !tx_.handle) return;
    tell("wait_closed", static_cast<long>(place));
    rules_.parties[place] = party();
    rules_.parties[place].what = role::closer;
    begin(place, tx_, [](auto& tx, auto h) { tx.async_wait_closed(std::move(h)); });
  }

  void cancelled(std::size_t place, bool) {
    if (rules_.parties[place].what == role::none) return;
    effects e;
    rules_.cancel(place, e);
    follow(e);
  }

  void cancel_by_handle() {
    const bool sends = input_.coin();
    if (sends ? !tx_.handle : !rx_.handle) return;
    cancel_all_of(sends ? tx_.owner : rx_.owner);
    if (sends)
      tx_.handle.cancel();
    else
      rx_.handle.cancel();
  }

  void close() {
    if (!rx_.handle) return;
    tell("close");
    rules_.closed = true;
    follow();
    rx_.handle.close();
  }

  void drop_sender() {
    if (!tx_.handle) return;
    tell("drop the sender");
    rules_.sender_here = false;
    follow();
    tx_.handle = sender();
  }

  void drop_receiver() {
    if (!rx_.handle) return;
    tell("drop the receiver");
    const bool was_full = std::exchange(rules_.full, false);
    rules_.receiver_here = false;
    rules_.closed = true;
    follow();
    rx_.handle = receiver();
    expect(!was_full || letters_.ended(number_), "C3: destroyed at once");
  }

  void end() {
    if (input_.coin()) drop_sender();
    poll_all();
    drop_receiver();
    drop_sender();
    poll_all();
    for (const party& p : rules_.parties) expect(p.what == role::none, "never completed");
    expect(letters_.balances(), "a value was lost, or went two ways");
    expect(!letters_.destroyed_under_lock(), "K6: a value was destroyed under the lock");
  }

  // Called by the library -------------------------------------------------------------------------

  void completed(std::size_t place, error_code ec) {
    expect(ec == error_of(come_back_decided(place)), "the outcome of async_wait_closed");
    leave(place);
  }

  void completed(std::size_t place, error_code ec, std::optional<letter> got) {
    come_back_in_line(place);
    const outcome right = rules_.come_back(place);
    expect(right != outcome::none, "promised what is not there");
    follow();
    // That nothing will come is no error.
    expect(ec == (right == outcome::closed ? error_code() : error_of(right)),
           "the outcome of async_receive");
    expect_value(got, right);
    leave(place);
  }

  void ran(std::size_t, std::size_t who) { expect(who != places, "it came back for nothing"); }

  void expect_value(std::optional<letter>& got, outcome right) {
    expect((got ? got->take() : 0) == (right == outcome::success ? number_ : 0),
           "what was received");
  }

  void leave(std::size_t place) {
    unpost(place);
    rules_.parties[place].what = role::none;
  }

  void compare() const {
    if (tx_.handle) expect(tx_.handle.is_closed() == rules_.closed, "is_closed()");
  }

  ledger letters_;
  owned<sender> tx_;
  owned<receiver> rx_;
  int number_ = 0;
};

inline int run_oneshot(const std::uint8_t* data, std::size_t size) {
  return play<oneshot_player>(data, size);
}

}  // namespace fuzz

#endif  // SLUICE_TEST_FUZZ_ONESHOT_HPP
