// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_CONFORMANCE_HANDLES_HPP
#define SLUICE_TEST_CONFORMANCE_HANDLES_HPP

// Not every handle can do everything: some can be copied and others cannot, some count what others
// do not have. What a test asks of a handle it asks here, and where there is no answer it goes
// without.

#include <cstddef>
#include <optional>
#include <type_traits>
#include <utility>

namespace conformance {

template <class Handle>
inline constexpr bool can_be_copied = std::is_copy_constructible_v<std::decay_t<Handle>>;

/// Calls `f(handle)` and returns what it says, or `otherwise` if the handle has no such function.
template <class Handle, class Function, class Otherwise>
auto ask(Handle& handle, [[maybe_unused]] Function f, [[maybe_unused]] Otherwise otherwise) {
  if constexpr (std::is_invocable_v<Function, Handle&>)
    return f(handle);
  else
    return otherwise;
}

// The function objects must be such that their being callable can be asked.
#define ASK(handle, call, otherwise) \
  conformance::ask(handle, [](auto& h) -> decltype(h.call) { return h.call; }, otherwise)

template <class Handle>
std::size_t senders_of(const Handle& handle) {
  return ASK(handle, sender_count(), std::size_t(0));
}

template <class Handle>
std::size_t receivers_of(const Handle& handle) {
  return ASK(handle, receiver_count(), std::size_t(0));
}

template <class Handle>
std::size_t size_of(const Handle& handle) {
  return ASK(handle, size(), std::size_t(0));
}

/// Whether what the handle belongs to is closed, as far as it can tell.
template <class Handle>
bool is_closed(const Handle& handle, bool otherwise) {
  return ASK(handle, is_closed(), otherwise);
}

/// Takes the lock without changing anything.
template <class Handle>
void touch(const Handle& handle) {
  static_cast<void>(size_of(handle));
  static_cast<void>(is_closed(handle, false));
}

template <class Handle, class = void>
struct can_close : std::false_type {};
template <class Handle>
struct can_close<Handle, std::void_t<decltype(std::declval<Handle&>().close())>> : std::true_type {
};

/// Closes by the handle of an end, or from the other side.
template <class End>
void close(End& end) {
  if constexpr (can_close<decltype(end.handle)>::value)
    end.handle.close();
  else
    end.other.close();
}

/// A handle with another executor. One that cannot be copied becomes it.
template <class Handle, class Executor>
auto with_executor(Handle& handle, const Executor& ex) {
  if constexpr (can_be_copied<Handle>)
    return handle.with_executor(ex);
  else
    return std::move(handle).with_executor(ex);
}

template <class End, class = void>
struct can_be_left : std::false_type {};
template <class End>
struct can_be_left<End, std::void_t<decltype(std::declval<End&>().is_left())>> : std::true_type {};

template <class End, class = void>
struct stays_open : std::false_type {};
template <class End>
struct stays_open<End, std::void_t<decltype(End::stays_open)>> : std::true_type {};

template <class End, class = void>
struct looks_first : std::false_type {};
template <class End>
struct looks_first<End, std::void_t<decltype(End::looks_first)>> : std::true_type {};

/// Lets an operation wait that has to run once before it knows whether it does.
template <class End, class Context>
void let_wait(const End&, [[maybe_unused]] Context& context) {
  if constexpr (looks_first<End>::value) {
    context.poll();
    context.restart();
  }
}

/// Uses handles like this one while they come and go.
template <class Handle>
void come_and_go(const Handle& handle) {
  if constexpr (can_be_copied<Handle>) {
    auto copy = handle;
    copy.cancel();
  }
}

}  // namespace conformance

#endif  // SLUICE_TEST_CONFORMANCE_HANDLES_HPP
