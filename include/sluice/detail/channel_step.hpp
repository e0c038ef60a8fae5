// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_CHANNEL_STEP_HPP
#define SLUICE_DETAIL_CHANNEL_STEP_HPP

// What the operations of a channel do with its state. See operation.hpp for who calls what when.

#include <sluice/detail/core/channel_state.hpp>
#include <sluice/detail/initiation.hpp>
#include <sluice/detail/step.hpp>
#include <sluice/error.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace sluice::detail {

template <class T, class State>
class receive_step : public step<State, core::waiter> {
 public:
  using result_type = std::tuple<error_code, std::optional<T>>;
  static constexpr bool may_wait_again = true;
  static constexpr const char* name = "async_receive";

  using step<State, core::waiter>::step;

  core::started start() noexcept {
    return this->state() ? this->state()->start_receive(*this) : this->empty_handle();
  }

  core::outcome finish(result_type& result, bool& linked, unsigned& phase) noexcept {
    if (!this->state()) {
      std::get<0>(result) = error::closed;
      return core::outcome::closed;
    }
    core::outcome seen = this->state()->finish_receive(
        *this, 1, [&](T&& value) { std::get<1>(result).emplace(std::move(value)); }, linked, phase);
    // The end of the stream is no error, unless a reason was given for it.
    std::get<0>(result) =
        seen == core::outcome::closed ? this->state()->reason() : to_error_code(seen);
    return seen;
  }

  core::started wait_again() noexcept { return this->state()->wait_again(*this); }
};

/// `Source` is T for a send that owns its value, or T& for one whose value stays with the caller.
template <class T, class Source, class State>
class send_step : public step<State, core::send_waiter<T>> {
  using base = step<State, core::send_waiter<T>>;

 public:
  using result_type = std::tuple<error_code>;
  static constexpr bool may_wait_again = false;
  static constexpr const char* name = "async_send";

  send_step(core::waiter::function on_wake, core::waiter::function on_drop,
            core::state_ref<State> counted, std::uint64_t owner_id, Source source) noexcept
      : base(on_wake, on_drop, std::move(counted), owner_id),
        source_(std::forward<Source>(source)) {
    this->offered = std::addressof(source_);
    this->remaining = 1;
  }

  core::started start() noexcept {
    return this->state() ? this->state()->start_send(*this) : this->empty_handle();
  }

  void finish(result_type& result, bool& linked) noexcept {
    std::get<0>(result) = to_error_code(this->decided(linked));
  }

 private:
  Source source_;
};

/// Values that stay with the caller of a send.
template <class T>
class borrowed_values {
 public:
  borrowed_values(T* first, std::size_t count) noexcept : first_(first), count_(count) {}

  T* data() const noexcept { return first_; }
  std::size_t size() const noexcept { return count_; }

 private:
  T* first_;
  std::size_t count_;
};

/// For a type that holds values: it can be copied only if they can.
template <bool can_be_copied>
struct copies_if {};

template <>
struct copies_if<false> {
  copies_if() = default;
  copies_if(copies_if&&) = default;
  copies_if& operator=(copies_if&&) = default;
};

/// Values that belong to a send. A vector claims that it can be copied whatever it holds, so a
/// token that stores the send could not tell how often it can be started.
template <class T>
class owned_values : copies_if<std::is_copy_constructible_v<T>> {
 public:
  explicit owned_values(std::vector<T> values) noexcept : values_(std::move(values)) {}

  T* data() noexcept { return values_.data(); }
  std::size_t size() const noexcept { return values_.size(); }

 private:
  std::vector<T> values_;
};

/// `Values` is owned_values or borrowed_values.
template <class T, class Values, class State>
class send_all_step : public step<State, core::send_waiter<T>> {
  using base = step<State, core::send_waiter<T>>;

 public:
  using result_type = std::tuple<error_code, std::size_t>;
  static constexpr bool may_wait_again = false;
  static constexpr const char* name = "async_send_all";

  send_all_step(core::waiter::function on_wake, core::waiter::function on_drop,
                core::state_ref<State> counted, std::uint64_t owner_id, Values&& values) noexcept
      : base(on_wake, on_drop, std::move(counted), owner_id), source_(std::move(values)) {
    this->offered = source_.data();
    this->remaining = source_.size();
  }

  core::started start() noexcept {
    return this->state() ? this->state()->start_send(*this) : this->empty_handle();
  }

  void finish(result_type& result, bool& linked) noexcept {
    std::get<0>(result) = to_error_code(this->decided(linked));
    std::get<1>(result) = this->accepted;
  }

 private:
  Values source_;
};

template <class Permit, class State>
class reserve_step : public step<State, core::reserve_waiter> {
  using base = step<State, core::reserve_waiter>;

 public:
  using result_type = std::tuple<error_code, Permit>;
  static constexpr bool may_wait_again = false;
  static constexpr const char* name = "async_reserve";

  using base::base;

  core::started start() noexcept {
    return this->state() ? this->state()->start_reserve(*this) : this->empty_handle();
  }

  void finish(result_type& result, bool& linked) noexcept {
    core::outcome seen = this->decided(linked);
    std::get<0>(result) = to_error_code(seen);
    if (seen != core::outcome::success) return;
    std::get<1>(result) = channel_access::make_permit<Permit>(
        core::state_ref<State>::share(this->state()), this->places);
  }

  bool abandon() noexcept {
    const bool waited = base::abandon();
    // Nobody else can reach it any more. What it was granted goes to the next in line.
    if (this->fate == core::outcome::success) this->state()->release_permits(this->places);
    return waited;
  }
};

}  // namespace sluice::detail

#endif  // SLUICE_DETAIL_CHANNEL_STEP_HPP
