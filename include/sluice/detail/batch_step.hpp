// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_BATCH_STEP_HPP
#define SLUICE_DETAIL_BATCH_STEP_HPP

// Receives that take several messages at once. Both wait like a plain receive, and when they are
// woken they take what is there.
//
// A vector with the standard allocator is appended to under the lock, which then runs no code but
// the move of a message: room is made before. In all other cases the messages are claimed first and
// then passed on one by one without the lock, to a function, or to an allocator that wants to
// construct them itself.

#include <sluice/detail/core/channel_state.hpp>
#include <sluice/detail/step.hpp>
#include <sluice/error.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <stdexcept>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace sluice::detail {

/// Makes room for `count` more elements. False if there is no memory.
template <class Vector>
bool make_room(Vector& out, std::size_t count) {
  if (out.capacity() - out.size() >= count) return true;
  try {
    // At least twice as much, or a loop of small batches would copy all over again each time.
    std::size_t wanted = out.size() + count;
    std::size_t twice = out.capacity() * 2;
    out.reserve(wanted < twice ? twice : wanted);
    return true;
  } catch (const std::bad_alloc&) {
  } catch (const std::length_error&) {
  }
  return false;
}

/// How a batch is received into a vector; `State` is a channel_state.
template <class T, class Allocator, class State>
class batch_receiver {
 public:
  using vector = std::vector<T, Allocator>;

  batch_receiver(vector& out, std::size_t most) noexcept : out_(&out), most_(most) {}

  std::size_t most() const noexcept { return most_; }

  /// Takes what is there without waiting. `none` if nothing is.
  core::outcome try_receive(State& state, std::size_t& taken) {
    taken = 0;
    if (most_ == 0) return core::outcome::invalid;
    if (room() == 0 || !is_direct) {
      std::size_t found = 0;
      core::outcome seen = state.available(found);
      if (seen != core::outcome::success) return seen;
      if (!make_room(*out_, least(found))) return core::outcome::no_memory;
    }
    if constexpr (is_direct) {
      const std::size_t limit = room();
      core::outcome seen = state.try_receive(limit, append(taken));
      if (seen == core::outcome::success && taken == limit) take_more(state, taken);
      return seen;
    } else {
      claim claimed;
      if (!make_claim(claimed)) return core::outcome::no_memory;
      core::outcome seen = state.try_claim(claimed, room());
      if (seen != core::outcome::success) return seen;
      return pass_on(claimed, taken, [&] { state.end_claim(claimed); });
    }
  }

  /// The commit of a receive that was woken, as channel_state::finish_receive().
  core::outcome finish(State& state, core::batch_waiter& w, std::size_t& taken, bool& linked,
                       unsigned& phase) {
    claim claimed;
    if (out_->capacity() == out_->size() || !is_direct) {
      const std::size_t found = state.available_to(w);
      if (found != 0 && (!make_room(*out_, least(found)) || !make_claim(claimed))) {
        state.end_batch(w, claimed, linked);
        return core::outcome::no_memory;
      }
    }
    if constexpr (is_direct) {
      const std::size_t limit = room();
      core::outcome seen = state.finish_receive(w, limit, append(taken), linked, phase);
      if (seen == core::outcome::success && taken == limit) take_more(state, taken);
      return seen;
    } else {
      core::outcome seen = state.next_batch(w, claimed, room(), false, linked, phase);
      if (seen != core::outcome::success) return seen;
      return pass_on(claimed, taken, [&] { state.end_batch(w, claimed, linked); });
    }
  }

 private:
  using claim = typename State::claim;

  static constexpr bool is_direct = std::is_same_v<Allocator, std::allocator<T>>;

  static constexpr std::size_t least(std::size_t a, std::size_t b) noexcept {
    return a < b ? a : b;
  }
  std::size_t least(std::size_t count) const noexcept { return least(count, most_); }

  /// How many may be taken now.
  std::size_t room(std::size_t most) const noexcept {
    return least(out_->capacity() - out_->size(), most);
  }
  std::size_t room() const noexcept { return room(most_); }

  auto append(std::size_t& taken) noexcept {
    return [this, &taken](T&& value) {
      out_->push_back(std::move(value));
      ++taken;
    };
  }

  /// The vector has been filled up, and may have been too small for what there is. Should it be
  /// unable to grow, this is it.
  void take_more(State& state, std::size_t& taken) {
    const std::size_t most = most_ - taken;
    std::size_t found = 0;
    if (most == 0 || state.available(found) != core::outcome::success) return;
    if (make_room(*out_, least(found, most))) state.try_receive(room(most), append(taken));
  }

  static bool make_claim(claim& claimed) noexcept {
    if constexpr (!is_direct) {
      claimed.reset(new (std::nothrow) typename State::batch_type());
      return claimed != nullptr;
    } else {
      return true;
    }
  }

  /// Appends what is claimed. If the allocator throws, the rest stays in the channel.
  template <class End>
  core::outcome pass_on(claim& claimed, std::size_t& taken, End end) {
    struct guard {
      End& end;
      ~guard() { end(); }
    } at_end{end};
    try {
      for (; !claimed->empty(); claimed->drop_front(), ++taken)
        out_->push_back(std::move(claimed->front()));
    } catch (const std::bad_alloc&) {
      if (taken == 0) return core::outcome::no_memory;
    } catch (...) {
      if (taken == 0) throw;
    }
    return core::outcome::success;
  }

  vector* out_;
  std::size_t most_;
};

template <class T, class Allocator, class State>
class receive_some_step : public step<State, core::batch_waiter> {
 public:
  using result_type = std::tuple<error_code, std::size_t>;
  static constexpr bool may_wait_again = true;
  static constexpr const char* name = "async_receive_some";

  receive_some_step(core::waiter::function on_wake, core::waiter::function on_drop,
                    core::state_ref<State> counted, std::uint64_t owner_id,
                    const batch_receiver<T, Allocator, State>& target) noexcept
      : step<State, core::batch_waiter>(on_wake, on_drop, std::move(counted), owner_id),
        target_(target) {}

  core::started start() noexcept {
    if (target_.most() != 0 && this->state()) return this->state()->start_receive(*this);
    this->decide(target_.most() == 0 ? core::outcome::invalid : core::outcome::closed);
    return core::started::ready;
  }

  core::outcome finish(result_type& result, bool& linked, unsigned& phase) {
    if (target_.most() == 0 || !this->state()) {
      std::get<0>(result) = to_error_code(this->fate);
      // It has never been in touch with the state, except that its slot may have been filled.
      if (this->state()) this->state()->finish(*this, linked);
      return this->fate;
    }
    core::outcome seen = target_.finish(*this->state(), *this, std::get<1>(result), linked, phase);
    std::get<0>(result) =
        seen == core::outcome::closed ? this->state()->reason() : to_error_code(seen);
    return seen;
  }

  core::started wait_again() noexcept { return this->state()->wait_again(*this); }

 private:
  batch_receiver<T, Allocator, State> target_;
};

/// Passes each message on to a function, which may return false to stop.
template <class T, class Function, class State>
class for_each_step : public step<State, core::batch_waiter> {
  using base = step<State, core::batch_waiter>;

 public:
  using result_type = std::tuple<error_code>;
  static constexpr bool may_wait_again = true;
  static constexpr const char* name = "async_for_each";

  /// How many messages it passes on before others of its executor have their turn.
  static constexpr std::size_t in_a_row = 128;

  for_each_step(core::waiter::function on_wake, core::waiter::function on_drop,
                core::state_ref<State> counted, std::uint64_t owner_id, Function&& f)
      : base(on_wake, on_drop, std::move(counted), owner_id),
        batch_(std::make_unique<typename State::batch_type>()),
        function_(std::move(f)) {}

  core::started start() noexcept {
    return this->state() ? this->state()->start_receive(*this) : this->empty_handle();
  }

  core::outcome finish(result_type& result, bool& linked, unsigned& phase) {
    if (!this->state()) {
      std::get<0>(result) = error::closed;
      return core::outcome::closed;
    }
    for (;;) {
      core::outcome seen = this->state()->next_batch(*this, batch_, budget_, true, linked, phase);
      if (seen == core::outcome::again) budget_ = in_a_row;
      if (seen != core::outcome::success) {
        std::get<0>(result) =
            seen == core::outcome::closed ? this->state()->reason() : to_error_code(seen);
        return seen;
      }
      budget_ -= batch_->size();
      // Relaxed: whether it was cancelled is decided under the lock.
      do {
        if (pass_on()) continue;
        this->state()->end_batch(*this, batch_, linked);
        return core::outcome::success;
      } while (!batch_->empty() && !this->stop.load(std::memory_order_relaxed));
    }
  }

  core::started wait_again() noexcept {
    // Once it stands in line it may be somebody else's already.
    const std::size_t budget = std::exchange(budget_, in_a_row);
    core::started seen = this->state()->wait_again(*this);
    if (seen == core::started::ready) budget_ = budget;
    return seen;
  }

  void abandon() noexcept {
    bool linked = false;
    if (this->state()) this->state()->end_batch(*this, batch_, linked);
  }

 private:
  /// The message is taken before the function runs, so one that throws has had it.
  bool pass_on() {
    T message(std::move(batch_->front()));
    batch_->drop_front();
    if constexpr (std::is_void_v<std::invoke_result_t<Function&, T>>) {
      std::invoke(function_, std::move(message));
      return true;
    } else {
      return static_cast<bool>(std::invoke(function_, std::move(message)));
    }
  }

  typename State::claim batch_;
  Function function_;
  std::size_t budget_ = in_a_row;
};

}  // namespace sluice::detail

#endif  // SLUICE_DETAIL_BATCH_STEP_HPP
