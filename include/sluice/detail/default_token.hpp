// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_DEFAULT_TOKEN_HPP
#define SLUICE_DETAIL_DEFAULT_TOKEN_HPP

// The completion token of an operation that is given none: the one that the executor type carries
// (`Token::as_default_on`), else the coroutine's, where there are coroutines, else a deferred one.

#include <boost/asio/async_result.hpp>
#include <boost/asio/detail/config.hpp>
#if defined(BOOST_ASIO_HAS_CO_AWAIT)
#include <boost/asio/use_awaitable.hpp>
#else
#include <boost/asio/deferred.hpp>
#endif

#include <type_traits>

namespace sluice::detail {

#if defined(BOOST_ASIO_HAS_CO_AWAIT)
using usual_token = boost::asio::use_awaitable_t<>;
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

}  // namespace sluice::detail

#endif  // SLUICE_DETAIL_DEFAULT_TOKEN_HPP
