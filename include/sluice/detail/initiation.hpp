// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_INITIATION_HPP
#define SLUICE_DETAIL_INITIATION_HPP

// The objects that initiating functions hand to completion tokens. A token may begin the operation
// at once, or store the initiation and begin later, or more than once, or never; the handle may be
// moved or gone by then. So an initiation shares the state and not the handle, except with
// sluice::use_awaitable, whose operations borrow the handle as the awaitables of Asio's own I/O
// objects do.

#include <sluice/detail/core/state.hpp>
#include <sluice/detail/default_token.hpp>
#include <sluice/detail/executor_holder.hpp>
#include <sluice/detail/handler_request.hpp>
#include <sluice/detail/tracking.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace sluice::detail {

/// The right to reach into handles, and to make them from a state.
struct channel_access {
  template <class Handle, class State>
  static Handle make(core::state_ref<State> counted, std::uint64_t owner,
                     const typename Handle::executor_type& ex) {
    return Handle(std::move(counted), owner, ex);
  }

  /// Becomes a handle where it is needed, which is then neither moved nor copied.
  template <class Handle, class State>
  struct unmade {
    core::state_ref<State> state;
    std::uint64_t owner;
    const typename Handle::executor_type& executor;

    operator Handle() && { return make<Handle>(std::move(state), owner, executor); }
  };

  /// The two ends of a state that nobody knows yet.
  template <class First, class Second, class State>
  static std::pair<First, Second> make_pair(core::state_ref<State> state,
                                            const typename First::executor_type& ex) {
    auto other = core::state_ref<State>::share_unshared(*state);
    return {unmade<First, State>{std::move(other), State::first_owner, ex},
            unmade<Second, State>{std::move(state), State::second_owner, ex}};
  }

  template <class Permit, class State>
  static Permit make_permit(core::state_ref<State> state, std::size_t places) noexcept {
    return Permit(std::move(state), places);
  }

  template <class Handle>
  static auto& state(const Handle& handle) noexcept {
    return handle.state_;
  }

  template <class Handle>
  static std::uint64_t owner(const Handle& handle) noexcept {
    return handle.owner_;
  }

  /// What a watch_receiver has seen.
  template <class Handle>
  static auto cursor(const Handle& handle) noexcept {
    return handle.cursor_;
  }

  template <class Handle>
  static const executor_holder<typename Handle::executor_type>& executor(
      const Handle& handle) noexcept {
    return handle.executor_;
  }
};

/// The handle an operation is begun through, and whether it was tried just before, and was not
/// ready.
struct origin {
  std::uint64_t owner;
  bool tried;

  operator std::uint64_t() const noexcept { return owner; }
};

inline bool was_tried(const origin& from) noexcept {
  return from.tried;
}
inline bool was_tried(std::uint64_t) noexcept {
  return false;
}

/// What an initiation holds on to. Made by an initiating function it only borrows; a token that
/// stores it, to begin later, makes it an owner. So a token that begins at once pays nothing.
/**
 * `Count` says what an owner keeps: channel_share only the memory, sender_share a counted sender.
 */
template <class State, class Count>
class loan {
 public:
  explicit loan(State* borrowed) noexcept : state_(borrowed) {}
  loan(const loan& other) noexcept : state_(other.state_), owned_(true) { Count::add(state_); }

  loan(loan&& other) noexcept : state_(other.state_), owned_(true) {
    if (other.owned_)
      other.state_ = nullptr;
    else
      Count::add(state_);
  }

  loan& operator=(loan other) noexcept {
    std::swap(state_, other.state_);
    std::swap(owned_, other.owned_);
    return *this;
  }

  ~loan() {
    if (owned_) Count::remove(state_);
  }

  /// Gives away what is owned; what is borrowed stays borrowed.
  loan take() noexcept {
    bool was_owned = std::exchange(owned_, false);
    return loan(was_owned ? std::exchange(state_, nullptr) : state_, was_owned);
  }

  /// A reference to the memory, for the operation.
  core::state_ref<State> share() const noexcept { return core::state_ref<State>::share(state_); }

 private:
  loan(State* state, bool owned) noexcept : state_(state), owned_(owned) {}

  State* state_;
  bool owned_ = false;
};

struct channel_share {
  template <class State>
  static void add(State* state) noexcept {
    if (state != nullptr) state->add_reference();
  }
  template <class State>
  static void remove(State* state) noexcept {
    if (state != nullptr) state->release();
  }
};

struct sender_share {
  template <class State>
  static void add(State* state) noexcept {
    channel_share::add(state);
    if (state != nullptr) state->add_sender();
  }
  template <class State>
  static void remove(State* state) noexcept {
    if (state != nullptr) state->remove_sender();
    channel_share::remove(state);
  }
};

/// Whether an operation that is ready has its effect when it is begun, as sends have, and not when
/// it completes. Then to try first changes nothing for those who may cancel it.
template <class Start, class = void>
struct takes_effect_at_start : std::false_type {};

template <class Start>
struct takes_effect_at_start<Start, std::enable_if_t<Start::takes_effect_at_start>>
    : std::true_type {};

/// Whether an operation may be a coroutine that Asio spawns.
template <class Start, class = void>
struct may_spawn : std::false_type {};

template <class Start>
struct may_spawn<Start, std::enable_if_t<Start::may_spawn>> : std::true_type {};

/// Whether to try an operation calls the user back, who may let its handle go meanwhile.
template <class Start, class = void>
struct calls_back_when_tried : std::false_type {};

template <class Start>
struct calls_back_when_tried<Start, std::enable_if_t<Start::calls_back_when_tried>>
    : std::true_type {};

/// Begins, for any token, one kind of operation; which one, `Start` says:
/**
 * Start::begin<Handler>(...)     makes an operation of it
 * Start::try_now(...)            calls the handler now if the operation is ready, else does nothing
 * Start::name                    that of the function, for handler tracking
 * Start::argument_count          how many arguments it has besides the handler
 * Start::takes_effect_at_start   true for those that do; may be missing
 * Start::may_spawn               true for those that do; may be missing
 * Start::calls_back_when_tried   true for those that do; may be missing
 */
template <class Start, class State, class Count, class Executor>
class channel_initiation {
 public:
  using executor_type = Executor;
  using sluice_initiation = channel_initiation;
  static constexpr std::size_t argument_count = Start::argument_count;
  static constexpr bool takes_effect_at_start = detail::takes_effect_at_start<Start>::value;
  static constexpr bool may_spawn = detail::may_spawn<Start>::value;
  static constexpr bool calls_back_when_tried = detail::calls_back_when_tried<Start>::value;

  channel_initiation(State* state, std::uint64_t owner, const executor_holder<Executor>& ex)
      : state_(state), owner_(owner), executor_(ex) {}

  executor_type get_executor() const noexcept { return *executor_.get(); }

  template <class Handler, class... Arguments>
  void operator()(Handler&& handler, Arguments&&... arguments) const& {
    begin(state_, std::forward<Handler>(handler), std::forward<Arguments>(arguments)...);
  }

  // A started operation stands for itself: what its initiation kept open is given back at once,
  // even if somebody still stores the initiation.
  template <class Handler, class... Arguments>
  void operator()(Handler&& handler, Arguments&&... arguments) && {
    const loan<State, Count> given = state_.take();
    begin(given, std::forward<Handler>(handler), std::forward<Arguments>(arguments)...);
  }

 private:
  // Once it has begun the operation may complete, and destroy this initiation.
  template <class Handler, class... Arguments>
  void begin(const loan<State, Count>& lent, Handler&& handler, Arguments&&... arguments) const {
    using handler_type = std::decay_t<Handler>;
    with_some_executor(executor_, [&](const auto& ex) {
      Start::template begin<handler_type>(handler_type(std::forward<Handler>(handler)), ex,
                                          lent.share(), owner_,
                                          std::forward<Arguments>(arguments)...);
    });
  }

  loan<State, Count> state_;
  std::uint64_t owner_;
  executor_holder<Executor> executor_;
};

/// What an operation needs of its handle.
template <class Handle>
struct kept_handle {
  explicit kept_handle(const Handle& handle)
      : state(channel_access::state(handle)),
        owner(channel_access::owner(handle)),
        executor(channel_access::executor(handle)) {}

  std::decay_t<decltype(channel_access::state(std::declval<const Handle&>()))> state;
  std::uint64_t owner;
  executor_holder<typename Handle::executor_type> executor;
};

/// Begins an operation whose token borrows the handle until it begins, or takes a temporary one
/// along: `Holder` is a pointer to the handle, or the handle.
template <class Start, class Handle, class Holder>
class handle_initiation {
 public:
  using executor_type = typename Handle::executor_type;
  using sluice_initiation = handle_initiation;
  static constexpr std::size_t argument_count = Start::argument_count;
  static constexpr bool calls_back_when_tried = detail::calls_back_when_tried<Start>::value;
  static constexpr bool takes_effect_at_start = detail::takes_effect_at_start<Start>::value;
  static constexpr bool may_spawn = detail::may_spawn<Start>::value;

  explicit handle_initiation(Holder holder) noexcept : holder_(std::move(holder)) {}

  executor_type get_executor() const noexcept { return *executor_if_any(); }

  /// The executor of the handle, or null if it has none.
  const executor_type* executor_if_any() const noexcept {
    return from_handle([](auto&, auto, auto& executor) { return executor.get(); });
  }

  template <class Handler, class... Arguments>
  void operator()(Handler&& handler, Arguments&&... arguments) const {
    using handler_type = std::decay_t<Handler>;
    if constexpr (only_asks<handler_type>) {
      if constexpr (!may_be_told<handler_type>) return;
      tried_ = true;
      if constexpr (keeps) {
        if (!kept_) kept_.emplace(handle());
      }
    }
    from_handle([&](auto& state, std::uint64_t owner, auto& executor) {
      if constexpr (only_asks<handler_type>) {
        Start::try_now(state.get(),
                       telling(std::forward<Handler>(handler), Start::name, state.get()),
                       std::forward<Arguments>(arguments)...);
      } else {
        with_some_executor(executor, [&](const auto& ex) {
          Start::template begin<handler_type>(handler_type(std::forward<Handler>(handler)), ex,
                                              state, origin{owner, tried_},
                                              std::forward<Arguments>(arguments)...);
        });
      }
    });
  }

 private:
  static constexpr bool keeps = std::is_pointer_v<Holder> && calls_back_when_tried;

  struct nothing_kept {};

  template <class Function>
  decltype(auto) from_handle(Function&& f) const {
    if constexpr (keeps)
      if (kept_) return f(kept_->state, kept_->owner, kept_->executor);
    return f(channel_access::state(handle()), channel_access::owner(handle()),
             channel_access::executor(handle()));
  }

  const Handle& handle() const noexcept {
    if constexpr (std::is_pointer_v<Holder>)
      return *holder_;
    else
      return holder_;
  }

  Holder holder_;
  // An initiation is called as a constant by some adapters. It is used by one coroutine only.
  mutable bool tried_ = false;
  mutable std::conditional_t<keeps, std::optional<kept_handle<Handle>>, nothing_kept> kept_;
};

/// The initiation that suits a token. `Count` says what it keeps if the token stores it.
template <class Token, class Start, class Count, class Handle>
auto initiate_from(Handle&& handle) {
  using handle_type = std::decay_t<Handle>;
  if constexpr (!borrows_handle<std::decay_t<Token>>::value) {
    auto* state = channel_access::state(handle).get();
    return channel_initiation<Start, std::remove_pointer_t<decltype(state)>, Count,
                              typename handle_type::executor_type>(
        state, channel_access::owner(handle), channel_access::executor(handle));
  } else if constexpr (std::is_lvalue_reference_v<Handle>) {
    return handle_initiation<Start, handle_type, const handle_type*>(std::addressof(handle));
  } else {
    return handle_initiation<Start, handle_type, handle_type>(std::move(handle));
  }
}

}  // namespace sluice::detail

#endif  // SLUICE_DETAIL_INITIATION_HPP
