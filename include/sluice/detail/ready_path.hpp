// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_READY_PATH_HPP
#define SLUICE_DETAIL_READY_PATH_HPP

// The ready path: an operation that can complete at once does so without becoming an operation.
//
// A handler that carries `ready_path_type` asks an initiation of ours to try, and nothing more: if
// the operation is ready the handler is called from within the initiation, else it is not called
// and nothing has happened. The request is an associator, which Asio's adapters (as_tuple,
// redirect_error) forward from the handler that they wrap.
//
// Only a token that has suspended nothing may ask, because its handler runs before the initiating
// function returns.

#include <boost/asio/associator.hpp>

#include <type_traits>

namespace sluice::detail {

// Unlike std::void_t, this keeps Clang from taking two partial specialisations for one.
template <class>
struct exists {
  using type = void;
};

struct no_ready_path {};
struct ready_path {};

template <class T, class Default = no_ready_path>
struct associated_ready_path;

template <class T, class Default, class = void>
struct associated_ready_path_impl {
  using type = Default;
  static type get(const T&) noexcept { return {}; }
  static type get(const T&, const Default& fallback) noexcept { return fallback; }
};

template <class T, class Default>
struct associated_ready_path_impl<T, Default, typename exists<typename T::ready_path_type>::type> {
  using type = ready_path;
  static type get(const T&) noexcept { return {}; }
  static type get(const T&, const Default&) noexcept { return {}; }
};

template <class T, class Default>
struct associated_ready_path_impl<T, Default,
                                  typename exists<typename boost::asio::associator<
                                      associated_ready_path, T, Default>::type>::type>
    : boost::asio::associator<associated_ready_path, T, Default> {};

template <class T, class Default>
struct associated_ready_path : associated_ready_path_impl<T, Default> {};

/// Whether a handler, adapted or not, only asks if the operation is ready.
template <class Handler>
inline constexpr bool asks_for_ready_path =
    std::is_same_v<typename associated_ready_path<Handler>::type, ready_path>;

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

#endif  // SLUICE_DETAIL_READY_PATH_HPP
