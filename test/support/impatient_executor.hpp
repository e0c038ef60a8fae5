// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_SUPPORT_IMPATIENT_EXECUTOR_HPP
#define SLUICE_TEST_SUPPORT_IMPATIENT_EXECUTOR_HPP

// An executor that executes so often, and then refuses once: execute() throws.

#include "support/user_executors.hpp"

#include <boost/asio/execution.hpp>
#include <boost/asio/execution_context.hpp>

#include <exception>
#include <type_traits>
#include <utility>

namespace support {

struct refusal : std::exception {
  const char* what() const noexcept override { return "refused"; }
};

/// How many more times an executor executes, before it refuses once. Negative: it never does.
struct patience {
  int left = -1;
  bool refused = false;

  void use() {
    if (left < 0 || left-- != 0) return;
    refused = true;
    throw refusal();
  }
};

/// Refuses once. `Posts`: it can be asked not to block, as that inside any_io_executor has to.
template <bool Posts>
struct impatient_executor {
  task_context* context;
  patience* mine;

  template <class F>
  void execute(F&& f) const {
    mine->use();
    context->queue.push(std::decay_t<F>(std::forward<F>(f)));
  }

  asio::execution_context& query(asio::execution::context_t) const noexcept { return *context; }

  template <bool P = Posts, class = std::enable_if_t<P>>
  static constexpr asio::execution::blocking_t query(asio::execution::blocking_t) noexcept {
    return asio::execution::blocking.never;
  }

  template <bool P = Posts, class = std::enable_if_t<P>>
  impatient_executor require(asio::execution::blocking_t::never_t) const noexcept {
    return *this;
  }

  friend bool operator==(impatient_executor a, impatient_executor b) noexcept {
    return a.context == b.context && a.mine == b.mine;
  }
  friend bool operator!=(impatient_executor a, impatient_executor b) noexcept { return !(a == b); }
};

}  // namespace support

#endif  // SLUICE_TEST_SUPPORT_IMPATIENT_EXECUTOR_HPP
