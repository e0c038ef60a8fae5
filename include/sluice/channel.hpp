// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_CHANNEL_HPP
#define SLUICE_CHANNEL_HPP

#include <sluice/detail/source.hpp>
#include <sluice/error.hpp>
#include <sluice/measured.hpp>
#include <sluice/receiver.hpp>
#include <sluice/sender.hpp>
#include <sluice/threading.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <cstddef>
#include <utility>

namespace sluice {

namespace detail {

template <class T, class Executor, class Threading>
std::pair<sender<T, Executor, Threading>, receiver<T, Executor, Threading>> open_channel(
    const Executor& ex, std::size_t capacity) {
  using state_type = core::channel_state<T, Threading>;
  // A new state counts one sender and one receiver.
  return channel_access::make_pair<sender<T, Executor, Threading>,
                                   receiver<T, Executor, Threading>>(
      core::state_ref<state_type>(new state_type(capacity)), ex);
}

}  // namespace detail

/// Makes a channel that holds up to `capacity` values; with 0 each send meets a receive.
/**
 * @param source The executor on which completions run by default, or a context that has one.
 * @returns The sending and the receiving end, a `std::pair`.
 * Throws `std::bad_alloc`. Memory for values is taken as they come.
 *
 * The ends have the type-erased `any_io_executor`, as Asio's own I/O objects do; name another one,
 * and the threading policy, as template arguments:
 * `make_channel<int, io_context::executor_type>(...)`.
 *
 * @code
 * auto [tx, rx] = sluice::make_channel<std::string>(context, 64);
 * @endcode
 */
template <class T, class Executor = boost::asio::any_io_executor, class Threading = multi_threaded,
          class Source, class = detail::enable_for_executor<Executor, Source>>
[[nodiscard]] std::pair<sender<T, Executor, Threading>, receiver<T, Executor, Threading>>
make_channel(const Source& source, std::size_t capacity) {
  return detail::open_channel<T, Executor, Threading>(Executor(source), capacity);
}

template <class T, class Executor = boost::asio::any_io_executor, class Threading = multi_threaded,
          class ExecutionContext, class = detail::enable_for_context<ExecutionContext>>
[[nodiscard]] std::pair<sender<T, Executor, Threading>, receiver<T, Executor, Threading>>
make_channel(ExecutionContext& context, std::size_t capacity) {
  return detail::open_channel<T, Executor, Threading>(Executor(context.get_executor()), capacity);
}

/// Makes a channel that is never full. Its memory follows what it holds; keep an eye on size().
template <class T, class Executor = boost::asio::any_io_executor, class Threading = multi_threaded,
          class Source, class = detail::enable_for_executor<Executor, Source>>
[[nodiscard]] std::pair<sender<T, Executor, Threading>, receiver<T, Executor, Threading>>
make_unbounded_channel(const Source& source) {
  return make_channel<T, Executor, Threading>(source,
                                              detail::core::channel_state<T, Threading>::unlimited);
}

template <class T, class Executor = boost::asio::any_io_executor, class Threading = multi_threaded,
          class ExecutionContext, class = detail::enable_for_context<ExecutionContext>>
[[nodiscard]] std::pair<sender<T, Executor, Threading>, receiver<T, Executor, Threading>>
make_unbounded_channel(ExecutionContext& context) {
  return make_channel<T, Executor, Threading>(context,
                                              detail::core::channel_state<T, Threading>::unlimited);
}

}  // namespace sluice

#endif  // SLUICE_CHANNEL_HPP
