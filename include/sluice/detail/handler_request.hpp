// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_HANDLER_REQUEST_HPP
#define SLUICE_DETAIL_HANDLER_REQUEST_HPP

// What handlers of ours ask of operations of ours, as the associated request.
//
// ready_path: an initiation is to try, and nothing more. If the operation is ready the handler is
// called from within the initiation, without becoming an operation; else it is not called and
// nothing has happened. Only a token that has suspended nothing may ask, because its handler runs
// before the initiating function returns.
//
// ready_path_in_place: the same, unless an adapter has bound the handler to an executor, to which
// whoever has suspended nothing does not get.
//
// The request is an associator, which Asio's adapters (as_tuple, redirect_error) forward from the
// handler that they wrap.

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/associator.hpp>
#include <boost/asio/execution/executor.hpp>

#include <cstddef>
#include <type_traits>

namespace sluice::detail {

// Unlike std::void_t, this keeps Clang from taking two partial specialisations for one.
template <class>
struct exists {
  using type = void;
};

struct no_request {};
struct ready_path {};
struct ready_path_in_place {};

template <class T, class Default = no_request>
struct associated_request;

template <class T, class Default, class = void>
struct associated_request_impl {
  using type = Default;
  static type get(const T&) noexcept { return {}; }
  static type get(const T&, const Default& fallback) noexcept { return fallback; }
};

template <class T, class Default>
struct associated_request_impl<T, Default, typename exists<typename T::request_type>::type> {
  using type = typename T::request_type;
  static type get(const T&) noexcept { return {}; }
  static type get(const T&, const Default&) noexcept { return {}; }
};

template <class T, class Default>
struct associated_request_impl<
    T, Default,
    typename exists<typename boost::asio::associator<associated_request, T, Default>::type>::type>
    : boost::asio::associator<associated_request, T, Default> {};

template <class T, class Default>
struct associated_request : associated_request_impl<T, Default> {};

/// Whether a handler, adapted or not, makes this request.
template <class Handler, class Request>
inline constexpr bool requests =
    std::is_same_v<typename associated_request<Handler>::type, Request>;

/// Whether a handler asks if its operation is ready, and nothing more.
template <class Handler>
inline constexpr bool only_asks =
    requests<Handler, ready_path> || requests<Handler, ready_path_in_place>;

/// In the place of the executor of a handler that has none.
struct no_executor_of_its_own {};

/// Whether such a handler is to be told.
template <class Handler>
inline constexpr bool may_be_told =
    requests<Handler, ready_path> ||
    std::is_same_v<boost::asio::associated_executor_t<Handler, no_executor_of_its_own>,
                   no_executor_of_its_own>;

/// Whether the executor of a handler has work as long as the handler exists, so that an operation
/// need not count as work there. Adapters do not pass it on: they may have changed the executor.
template <class Handler>
inline constexpr bool counts_as_work = false;

template <class Initiation, class = void>
struct is_our_initiation : std::false_type {};

// What is derived from one of ours may do more than to begin it.
template <class Initiation>
struct is_our_initiation<Initiation, std::void_t<typename Initiation::sluice_initiation>>
    : std::is_same<Initiation, typename Initiation::sluice_initiation> {};

/// Finds the initiation of ours in what adapters have wrapped around it; void if there is none.
/**
 * Adapters that only pass on, to be recognised by that they are templates of nothing else. One that
 * also begins something, a timer for example, cannot be asked.
 */
template <class Initiation, bool = is_our_initiation<Initiation>::value>
struct inner_initiation {
  using type = void;
};

template <class Initiation>
struct inner_initiation<Initiation, true> {
  using type = typename Initiation::sluice_initiation;
};

template <template <class> class Wrapper, class Initiation>
struct inner_initiation<Wrapper<Initiation>, false> : inner_initiation<Initiation> {};

/// Whether an argument is the same after it has been passed on. Asio's adapters take executors as
/// constants.
template <class Argument>
inline constexpr bool stays_as_it_is =
    std::is_lvalue_reference_v<Argument> || std::is_trivially_copyable_v<std::decay_t<Argument>> ||
    boost::asio::execution::is_executor<std::decay_t<Argument>>::value;

/// Whether an initiation can be asked, with these arguments, if its operation is ready. Those of
/// the operation are only used if it is; those that adapters add in front would be lost.
template <class Ours, class... Arguments>
constexpr bool can_be_asked() {
  if constexpr (std::is_void_v<Ours> || sizeof...(Arguments) == 0) {
    return !std::is_void_v<Ours>;
  } else {
    constexpr bool stays[] = {stays_as_it_is<Arguments>...};
    for (std::size_t i = 0; i + Ours::argument_count < sizeof...(Arguments); ++i)
      if (!stays[i]) return false;
    return sizeof...(Arguments) >= Ours::argument_count;
  }
}

}  // namespace sluice::detail

#endif  // SLUICE_DETAIL_HANDLER_REQUEST_HPP
