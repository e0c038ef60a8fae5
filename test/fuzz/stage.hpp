// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_FUZZ_STAGE_HPP
#define SLUICE_TEST_FUZZ_STAGE_HPP

// What the players of all primitives have in common. A player does with a primitive, and with its
// reference, what the input says, and everything there is to see is compared: results, sizes, who
// is called in which order, who is destroyed uncalled, and where each value has gone.
//
// There are no threads and no clock. Completions run when the input says so, one at a time, in one
// of two contexts. One lives as long as the player; the other one is destroyed now and then, with
// everything that waits in it, and another one takes its place.
//
// Who must come back next is predicted only among those that stand in one line, since nothing is
// said about the order of others.

#include "fuzz/bytes.hpp"
#include "support/reference/crowd.hpp"

#include <sluice/error.hpp>
#include <sluice/threading.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace fuzz {

namespace asio = boost::asio;
using sluice::error_code;

/// What is seen is not what the reference says.
struct disagreement : std::runtime_error {
  using std::runtime_error::runtime_error;
};

inline void expect(bool holds, const char* what) {
  if (!holds) throw disagreement(what);
}

/// Whether each step is printed, for who wants to read what an input does.
inline bool tells = false;

inline void tell(const char* what, long a = -1, long b = -1) {
  if (!tells) return;
  std::cerr << "  " << what;
  if (a != -1) std::cerr << ' ' << a;
  if (b != -1) std::cerr << ", " << b;
  std::cerr << '\n';
}

/// A threading policy whose lock knows whether it is held (K6).
struct watched : sluice::single_threaded {
  struct mutex {
    void lock() noexcept {
      if (held++ != 0) {
        std::cerr << "the lock is taken twice\n";
        std::abort();
      }
    }
    void unlock() noexcept { --held; }
  };

  static void yield() noexcept {
    std::cerr << "waits for another thread, and there is none\n";
    std::abort();
  }

  static inline int held = 0;
};

/// Where values have gone, by their numbers, which begin at 1.
class ledger {
 public:
  int open() {
    ends_.push_back(0);
    return static_cast<int>(ends_.size());
  }
  void end(int number) { ++ends_[static_cast<std::size_t>(number) - 1]; }
  bool ended(int number) const { return ends_[static_cast<std::size_t>(number) - 1] == 1; }
  void destroy(int number) noexcept {
    end(number);
    if (watched::held != 0) destroyed_under_lock_ = true;
  }
  bool destroyed_under_lock() const { return destroyed_under_lock_; }

  /// Each has come to one end.
  bool balances() const {
    for (const unsigned char each : ends_)
      if (each != 1) return false;
    return true;
  }

 private:
  std::vector<unsigned char> ends_;
  bool destroyed_under_lock_ = false;
};

/// A value that can only be moved. One that was moved from has no number.
class letter {
 public:
  letter(int number, ledger& l) noexcept : number_(number), ledger_(&l) {}
  letter(letter&& other) noexcept
      : number_(std::exchange(other.number_, 0)), ledger_(other.ledger_) {}
  letter& operator=(letter&&) = delete;
  ~letter() {
    if (number_ != 0) ledger_->destroy(number_);
  }

  int number() const noexcept { return number_; }

  /// Its holder has looked at it; that is its end.
  int take() {
    if (number_ != 0) ledger_->end(number_);
    return std::exchange(number_, 0);
  }

 private:
  int number_;
  ledger* ledger_;
};

/// Thrown by what a player has called, to leave through the executor.
struct thrown_on_purpose {};

constexpr std::size_t places = 8;  // operations that are pending at a time

constexpr unsigned home_bits[] = {1, 2};
constexpr std::size_t lasting = 0;
constexpr std::size_t mortal = 1;

/// `Player` is what derives from this. It has these functions:
///   make_rules(input)                    makes the reference
///   act(), end()                         one step; what comes after the last one
///   completed(place, error, results...)  an operation was called
///   ran(context, place)                  a completion has run, and was of this place, if of any
///   cancelled(place, total)              an operation is about to be cancelled by its signal
///   leave(place)                         an operation was destroyed uncalled
///   compare()                            looks at all there is to see
template <class Player, class Rules>
class stage {
 public:
  using being = reference::being;
  using effects = typename Rules::effects;
  using outcome = reference::outcome;
  using party = reference::party;
  using role = reference::role;

  stage(const stage&) = delete;
  stage& operator=(const stage&) = delete;

  /// Throws a disagreement.
  void play() {
    while (!input_.empty()) {
      self().act();
      check();
    }
    self().end();
    check();
  }

 protected:
  explicit stage(bytes input) : input_(input), rules_(Player::make_rules(input_)) {
    watched::held = 0;
  }
  ~stage() = default;

  class handler {
   public:
    using executor_type = asio::any_io_executor;
    using cancellation_slot_type = asio::cancellation_slot;

    handler(Player& p, std::size_t place, executor_type ex)
        : player_(&p), place_(place), executor_(std::move(ex)) {}
    handler(handler&& other) noexcept
        : player_(std::exchange(other.player_, nullptr)),
          place_(other.place_),
          executor_(std::move(other.executor_)) {}
    handler& operator=(handler&&) = delete;
    ~handler() {
      if (player_ != nullptr) player_->drop(place_);
    }

    executor_type get_executor() const noexcept { return executor_; }
    cancellation_slot_type get_cancellation_slot() const noexcept {
      return player_->seats_[place_].signal->slot();
    }

    template <class... Results>
    void operator()(error_code ec, Results... results) {
      Player& p = *std::exchange(player_, nullptr);
      p.call(place_, ec, std::move(results)...);
    }

   private:
    Player* player_;
    std::size_t place_;
    executor_type executor_;
  };

  // Contexts --------------------------------------------------------------------------------------

  asio::any_io_executor executor_of(std::size_t context) {
    return contexts_[context]->get_executor();
  }

  /// Runs one completion. False if there is none.
  bool poll(std::size_t context) {
    tell("poll", static_cast<long>(context));
    asio::io_context& c = *contexts_[context];
    c.restart();
    running_ = context;
    active_ = places;
    std::size_t ran = 1;
    try {
      ran = c.poll_one();
    } catch (const thrown_on_purpose&) {
    }
    running_ = none;
    check_failure();
    if (ran == 0) {
      for (const seat& s : seats_) expect(!s.posted || s.context != context, "a wake-up was lost");
      return false;
    }
    self().ran(context, active_);
    check();
    return true;
  }

  void poll_all() {
    while (poll(lasting) || poll(mortal)) {
    }
  }

  bool is_running(std::size_t context) const { return running_ == context; }

  // Operations ------------------------------------------------------------------------------------

  /// What is pending is begun in one of the contexts, or its I/O object in one and its handler in
  /// the other.
  struct homes {
    std::size_t io;
    std::size_t own;
    unsigned bits() const { return home_bits[io] | home_bits[own]; }
  };

  homes choose_homes() {
    const unsigned where = input_.below(6);
    if (where < 3) return {lasting, lasting};
    if (where == 3) return {mortal, mortal};
    return where == 4 ? homes{lasting, mortal} : homes{mortal, lasting};
  }

  void seat_at(std::size_t place, std::size_t context) {
    // The signal of an operation that is over stays until then, and must have no effect.
    seats_[place].signal = std::make_unique<asio::cancellation_signal>();
    seats_[place].context = context;
    seats_[place].posted = false;
  }

  handler handler_for(std::size_t place) {
    return handler(self(), place, executor_of(seats_[place].context));
  }

  /// The reference says that it will come back.
  void post(std::size_t place) {
    expect(!seats_[place].posted, "posted twice");
    seats_[place].posted = true;
    seats_[place].ticket = ++tickets_;
  }

  bool is_posted(std::size_t place) const { return seats_[place].posted; }
  std::size_t context_of(std::size_t place) const { return seats_[place].context; }

  /// Who was posted to a context first, among those of whom `in_line(place)` is true.
  template <class InLine>
  std::size_t first_posted(std::size_t context, InLine in_line) const {
    std::size_t first = places;
    for (std::size_t i = 0; i != places; ++i)
      if (seats_[i].posted && seats_[i].context == context && in_line(i) &&
          (first == places || seats_[i].ticket < seats_[first].ticket))
        first = i;
    return first;
  }

  /// It came back: it must be the first that was posted, in its line.
  template <class InLine>
  void come_back(std::size_t place, InLine in_line) {
    expect(running_ == seats_[place].context, "K2: it runs in another context");
    expect(seats_[place].posted, "it came back, and nobody has woken it");
    expect(active_ == places, "two came back at once");
    expect(first_posted(running_, in_line) == place, "D5: it came back before another one");
    expect(watched::held == 0, "K6: called under the lock");
    seats_[place].posted = false;
    active_ = place;
  }

  void unpost(std::size_t place) { seats_[place].posted = false; }

  void emit(std::size_t place) {
    const asio::cancellation_type types[] = {asio::cancellation_type::terminal,
                                             asio::cancellation_type::partial,
                                             asio::cancellation_type::total};
    const unsigned which = input_.below(3);
    tell("cancel", static_cast<long>(place), which);
    if (!seats_[place].signal) return;
    self().cancelled(place, which == 2);
    seats_[place].signal->emit(types[which]);
  }

  /// A handle, and the number by which the reference knows what was begun through it.
  template <class Handle>
  struct owned {
    Handle handle;
    unsigned owner;
  };

  std::size_t find_place() const {
    std::size_t i = 0;
    while (i != places && rules_.parties[i].what != role::none) ++i;
    return i;
  }

  /// Begins an operation on both sides; its party says what it is. `b(handle, handler)`.
  template <class Handle, class Begin>
  void begin(std::size_t place, owned<Handle>& from, Begin b) {
    party& p = rules_.parties[place];
    const homes h = choose_homes();
    p.homes = h.bits();
    p.handler_home = home_bits[h.own];
    seat_at(place, h.own);
    // What is begun through another handle is not cancelled through this one.
    p.owner = h.io == lasting || !can_be_elsewhere<Handle> ? from.owner : next_owner_++;
    if (h.io != lasting) self().begins_elsewhere(p);
    // What cannot succeed is not begun by the rules.
    if (p.fate != outcome::none) p.at = being::settled;
    if (p.fate != outcome::none || !rules_.begin(p)) post(place);
    follow();
    if (h.io == lasting) return b(from.handle, handler_for(place));
    if constexpr (can_be_elsewhere<Handle>) {
      auto elsewhere = from.handle.with_executor(executor_of(mortal));
      b(elsewhere, handler_for(place));
    } else {
      // There is one handle only, which comes back.
      auto elsewhere = std::move(from.handle).with_executor(executor_of(mortal));
      b(elsewhere, handler_for(place));
      from.handle = std::move(elsewhere).with_executor(executor_of(lasting));
    }
  }

  /// What else changes if it is begun through a handle in another context.
  void begins_elsewhere(party&) {}

  void follow(effects& e) {
    rules_.follow(e);
    for (const auto& line : e.woken)
      for (const std::size_t i : line) post(i);
  }
  void follow() {
    effects e;
    follow(e);
  }

  /// It must be the first of those that wait for the same.
  void come_back_in_line(std::size_t place) {
    const party& p = rules_.parties[place];
    come_back(place, [&](std::size_t i) {
      const party& other = rules_.parties[i];
      return other.what == p.what && (!Rules::has_subjects || other.subject == p.subject);
    });
  }

  outcome come_back_decided(std::size_t place) {
    come_back_in_line(place);
    expect(rules_.parties[place].at == being::settled, "nothing was decided for it");
    return rules_.parties[place].fate;
  }

  void wait_again(std::size_t place) {
    party& p = rules_.parties[place];
    if (p.homeless) {
      p.at = being::settled;
      expect_dropped(place);
    } else {
      p.at = being::waiting;
    }
  }

  /// The context that may go is destroyed, with what waits in it or was handed to it.
  void kill() {
    if (is_running(mortal)) return;
    tell("destroy a context");
    effects e;
    rules_.evict(home_bits[mortal], true, e);
    for (std::size_t i = 0; i != places; ++i)
      if ((e.dropped & 1u << i) != 0) expect_dropped(i);
    e.dropped = 0;
    follow(e);
    for (;;) {
      const std::size_t i = first_posted(mortal, [](std::size_t) { return true; });
      if (i == places) break;
      unpost(i);
      rules_.lose(i);
      follow();
      expect_dropped(i);
    }
    contexts_[mortal].reset();
    contexts_[mortal] = std::make_unique<asio::io_context>();
    rules_.alive |= home_bits[mortal];
  }

  void cancel_all_of(unsigned owner) {
    tell("cancel all of", owner);
    effects e;
    rules_.cancel_owner(owner, e);
    follow(e);
  }

  // Handles ---------------------------------------------------------------------------------------

  template <class Handle>
  void add_copy(std::vector<owned<Handle>>& handles) {
    tell("copy a handle");
    Handle copy = any(handles).handle;
    handles.push_back({std::move(copy), next_owner_++});
  }

  template <class Handle>
  Handle take_out(std::vector<owned<Handle>>& handles) {
    auto& chosen = any(handles);
    Handle taken = std::move(chosen.handle);
    if (&chosen != &handles.back()) chosen = std::move(handles.back());
    handles.pop_back();
    return taken;
  }

  /// K4: moving a handle takes its operations along.
  template <class Handle>
  static void move_around(Handle& handle) {
    tell("move a handle");
    Handle elsewhere(std::move(handle));
    expect(!handle, "moved from, and not empty");
    handle = std::move(elsewhere);
  }

  template <class Handle>
  static void swap_first(std::vector<owned<Handle>>& handles) {
    if (handles.size() < 2) return;
    using std::swap;
    swap(handles[0].handle, handles[1].handle);
    swap(handles[0].owner, handles[1].owner);
  }

  // What is to be seen ------------------------------------------------------------------------------

  void expect_dropped(std::size_t place) { must_be_dropped_ |= 1u << place; }

  bool was_dropped(std::size_t place) const { return (dropped_ & 1u << place) != 0; }

  void check_failure() {
    if (!failure_.empty()) throw disagreement(failure_);
  }

  void check() {
    check_failure();
    expect(watched::held == 0, "the lock is still held");
    expect(dropped_ == must_be_dropped_, "others were destroyed uncalled");
    const unsigned gone = std::exchange(dropped_, 0);
    must_be_dropped_ = 0;
    for (std::size_t i = 0; i != places; ++i)
      if ((gone & 1u << i) != 0) self().leave(i);
    self().compare();
  }

  /// Runs what is called by the library, from which nothing may be thrown but on purpose.
  template <class Function>
  auto guarded(Function f) -> decltype(f()) {
    try {
      return f();
    } catch (const disagreement& d) {
      if (failure_.empty()) failure_ = d.what();
    }
    return decltype(f())();
  }

  /// Now and then a handler does something itself.
  void act_inside() {
    if (depth_ == 3 || input_.below(4) != 0) return;
    ++depth_;
    tell("inside:");
    self().act();
    --depth_;
  }

  bool is_inside() const { return depth_ != 0; }

  template <class T>
  T& any(std::vector<T>& list) {
    return list[input_.below(static_cast<unsigned>(list.size()))];
  }

  /// `waits`: what is said of something that would have to wait.
  static error_code error_of(outcome seen, error_code waits = asio::error::fault) {
    switch (seen) {
      case outcome::success:
        return {};
      case outcome::closed:
        return sluice::error::closed;
      case outcome::aborted:
        return asio::error::operation_aborted;
      case outcome::unsupported:
        return asio::error::operation_not_supported;
      case outcome::invalid:
        return asio::error::invalid_argument;
      case outcome::no_memory:
        return asio::error::no_memory;
      default:
        return waits;
    }
  }

  bytes input_;
  Rules rules_;
  unsigned next_owner_ = 1;

 private:
  friend class handler;

  // Another handle of the same end, in another context.
  template <class Handle>
  static constexpr bool can_be_elsewhere = std::is_copy_constructible_v<Handle>;

  struct seat {
    std::unique_ptr<asio::cancellation_signal> signal;
    std::size_t context = lasting;
    bool posted = false;
    std::uint64_t ticket = 0;
  };

  static constexpr std::size_t none = 9;

  Player& self() { return static_cast<Player&>(*this); }

  template <class... Results>
  void call(std::size_t place, error_code ec, Results... results) {
    tell("called", static_cast<long>(place), ec.value());
    guarded([&] {
      self().completed(place, ec, std::move(results)...);
      act_inside();
    });
  }

  void drop(std::size_t place) noexcept {
    tell("dropped", static_cast<long>(place));
    if (watched::held != 0) failure_ = "K6: destroyed under the lock";
    if (was_dropped(place)) failure_ = "destroyed twice";
    dropped_ |= 1u << place;
  }

  std::unique_ptr<asio::io_context> contexts_[2] = {std::make_unique<asio::io_context>(),
                                                    std::make_unique<asio::io_context>()};
  seat seats_[places];
  std::uint64_t tickets_ = 0;
  std::size_t running_ = none;
  std::size_t active_ = places;
  unsigned dropped_ = 0;
  unsigned must_be_dropped_ = 0;
  unsigned depth_ = 0;
  std::string failure_;
};

/// One run of a player. Nothing but 0 is returned; a disagreement is thrown.
template <class Player>
int play(const std::uint8_t* data, std::size_t size) {
  Player player(bytes(data, size));
  player.play();
  return 0;
}

}  // namespace fuzz

#endif  // SLUICE_TEST_FUZZ_STAGE_HPP
