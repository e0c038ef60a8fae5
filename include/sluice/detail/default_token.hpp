// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_DEFAULT_TOKEN_HPP
#define SLUICE_DETAIL_DEFAULT_TOKEN_HPP

// The completion token of an operation that is given none: the one that the executor type carries
// (`Token::as_default_on`), else the coroutine's, where there are coroutines, else a deferred one.

#include <boost/asio/async_result.hpp>
#include <boost/asio/detail/config.hpp>
#if defined(BOOST_ASIO_HAS_CO_AWAIT)
#include <boost/asio/any_io_executor.hpp>
#else
#include <boost/asio/deferred.hpp>
#endif

#include <type_traits>

#if defined(BOOST_ASIO_HAS_CO_AWAIT)
namespace sluice {
template <class Executor>
struct use_awaitable_t;
}
#endif

namespace sluice::detail {

#if defined(BOOST_ASIO_HAS_CO_AWAIT)
using usual_token = use_awaitable_t<boost::asio::any_io_executor>;
#else
using usual_token = boost::asio::deferred_t;
#endif

template <class Executor, class = void>
struct default_token {
  using type = usual_token;
};

template <class Executor>
struct default_token<Executor, std::void_t<typename Executor::default_completion_token_type>> {
  using type = typename Executor::default_completion_token_type;
};

template <class Executor>
using default_token_t = typename default_token<Executor>::type;

/// Whether a token begins its operation while the handle is sure to live, so that the operation
/// need not hold on to the channel before.
/**
 * Coroutines borrow the handle until they are awaited, as with Asio's own I/O objects. Adapters
 * around the token are templates with the token as their first argument.
 */
template <class Token>
struct borrows_handle : std::false_type {};

#if defined(BOOST_ASIO_HAS_CO_AWAIT)
template <class Executor>
struct borrows_handle<use_awaitable_t<Executor>> : std::true_type {};
#endif

template <template <class...> class Adapter, class Token, class... Rest>
struct borrows_handle<Adapter<Token, Rest...>> : borrows_handle<Token> {};

}  // namespace sluice::detail

#endif  // SLUICE_DETAIL_DEFAULT_TOKEN_HPP
