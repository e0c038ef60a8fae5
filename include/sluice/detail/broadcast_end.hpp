// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_BROADCAST_END_HPP
#define SLUICE_DETAIL_BROADCAST_END_HPP

// What the handles of a broadcast have in common. Those of the sending end share the state itself;
// the one of a subscriber shares its subscription, through which it reaches the state.

#include <sluice/detail/core/broadcast_state.hpp>
#include <sluice/detail/handle.hpp>
#include <sluice/detail/message_type.hpp>

#include <cstdint>
#include <type_traits>
#include <utility>

namespace sluice::detail {

/// What a broadcast asks of its messages.
template <class T>
struct requires_broadcast_type : requires_message_type<T> {
  static_assert(
      std::is_copy_constructible_v<T>,
      "sluice: a broadcast gives each subscriber a copy of each message: make the message "
      "type copyable, or send a std::shared_ptr<const T> to it");
};

/// A subscription has one handle, and ends with it.
struct subscriber_role {
  template <class Subscription>
  static void remove(Subscription& s) noexcept {
    s.end();
  }
};

/// The handle of a new subscription.
template <class Receiver, class State>
Receiver subscribe_to(const core::state_ref<State>& state,
                      const typename Receiver::executor_type& ex) {
  using subscription =
      core::subscription<typename Receiver::value_type, typename Receiver::threading_type>;
  return channel_access::make<Receiver>(core::state_ref<subscription>(new subscription(state)),
                                        std::uint64_t(0), ex);
}

template <class T, class Threading>
const core::broadcast_state<T, Threading>* broadcast_of(
    const core::broadcast_state<T, Threading>* state) noexcept {
  return state;
}

template <class T, class Threading>
const core::broadcast_state<T, Threading>* broadcast_of(
    const core::subscription<T, Threading>* sub) noexcept {
  return sub != nullptr ? sub->state().get() : nullptr;
}

template <class Handle1, class Handle2>
bool is_same_broadcast(const Handle1& a, const Handle2& b) noexcept {
  const auto* state = broadcast_of(channel_access::state(a).get());
  return state != nullptr && state == broadcast_of(channel_access::state(b).get());
}

}  // namespace sluice::detail

#endif  // SLUICE_DETAIL_BROADCAST_END_HPP
