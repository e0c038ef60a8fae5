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
// no_work: the handler's executor has work as long as the handler exists, so the operation need not
// count as work there.
//
// The request is an associator, which Asio's adapters (as_tuple, redirect_error) forward from the
// handler that they wrap.

#include <boost/asio/associator.hpp>

#include <type_traits>

namespace sluice::detail {

// Unlike std::void_t, this keeps Clang from taking two partial specialisations for one.
template <class>
struct exists {
  using type = void;
};

struct no_request {};
struct ready_path {};
struct no_work {};

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

template <class Initiation, class = void>
struct is_our_initiation : std::false_type {};

template <class Initiation>
struct is_our_initiation<Initiation, std::void_t<typename Initiation::sluice_initiation>>
    : std::true_type {};

/// Finds the initiation of ours in what adapters have wrapped around it; void if there is none.
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

}  // namespace sluice::detail

#endif  // SLUICE_DETAIL_HANDLER_REQUEST_HPP
