// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_SOURCE_HPP
#define SLUICE_DETAIL_SOURCE_HPP

// Where the executor of a new handle comes from: a context that has one, or an executor.

#include <boost/asio/execution_context.hpp>

#include <type_traits>

namespace sluice::detail {

template <class ExecutionContext>
using enable_for_context =
    std::enable_if_t<std::is_convertible_v<ExecutionContext&, boost::asio::execution_context&>>;

template <class Executor, class Source>
using enable_for_executor =
    std::enable_if_t<!std::is_convertible_v<Source&, boost::asio::execution_context&> &&
                     std::is_constructible_v<Executor, const Source&>>;

}  // namespace sluice::detail

#endif  // SLUICE_DETAIL_SOURCE_HPP
