// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_SELECT_INITIATION_HPP
#define SLUICE_DETAIL_SELECT_INITIATION_HPP

// How a wait for a select begins, for any token. The select is an argument of the initiation, so
// that it can be moved along, or borrowed.

#include <sluice/detail/executor_holder.hpp>
#include <sluice/detail/handler_request.hpp>
#include <sluice/detail/initiation.hpp>
#include <sluice/detail/operation.hpp>
#include <sluice/detail/select_order.hpp>
#include <sluice/detail/select_step.hpp>
#include <sluice/detail/select_try.hpp>
#include <sluice/detail/tracking.hpp>

#include <boost/asio/associated_executor.hpp>

#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

namespace sluice::detail {

/// Instead of the handler's executor, if nothing has need of it.
struct no_executor {};

/// Begins the wait.
template <class Holder, class Executor>
class select_initiation {
 public:
  using executor_type = Executor;
  using threading_type = typename Holder::threading_type;
  using sluice_initiation = select_initiation;
  static constexpr std::size_t argument_count = 1;
  static constexpr bool takes_effect_at_start = false;
  static constexpr bool may_spawn = false;
  static constexpr bool calls_back_when_tried = false;

  explicit select_initiation(const executor_holder<Executor>& ex) : executor_(ex) {}

  executor_type get_executor() const noexcept { return *executor_.get(); }
  const executor_type* executor_if_any() const noexcept { return executor_.get(); }

  template <class Handler, class Select>
  void operator()(Handler&& handler, Select&& select) const {
    using handler_type = std::decay_t<Handler>;
    if constexpr (only_asks<handler_type>) {
      if constexpr (!may_be_told<handler_type>) return;
      using set = typename Holder::set_type;
      tried_ = true;
      if (is_turn_of_foreign()) return;
      typename set::result_type result;
      if (try_cases<set>(select.cases(), result)) {
        auto&& told = telling(std::forward<Handler>(handler), "async_wait", std::addressof(select));
        std::apply([&](auto&... values) { std::move(told)(std::move(values)...); }, result);
      }
    } else {
      with_some_executor(executor_, [&](const auto& ex) {
        begin(handler_type(std::forward<Handler>(handler)), ex,
              Holder(std::forward<Select>(select)));
      });
    }
  }

 private:
  /// Operations of others are begun last, so they would never hear of anything if there is always
  /// something ready. Once in a while they are begun first.
  bool is_turn_of_foreign() const noexcept {
    if constexpr (Holder::has_foreign) foreign_first_ = number_below(64) == 0;
    return foreign_first_;
  }

  template <class Handler, class IoExecutor>
  void begin(Handler&& handler, const IoExecutor& ex, Holder&& holder) const {
    if (!tried_) static_cast<void>(is_turn_of_foreign());
    if constexpr (Holder::has_foreign) {
      const auto own = boost::asio::get_associated_executor(handler, ex);
      begin(std::move(handler), ex, std::move(holder), own);
    } else {
      begin(std::move(handler), ex, std::move(holder), no_executor());
    }
  }

  template <class Handler, class IoExecutor, class OwnExecutor>
  void begin(Handler&& handler, const IoExecutor& ex, Holder&& holder,
             const OwnExecutor& own) const {
    operation<select_step<Holder, IoExecutor, OwnExecutor>, Handler, IoExecutor>::begin(
        std::move(handler), ex, std::move(holder), origin{0, tried_}, ex, own, foreign_first_);
  }

  executor_holder<Executor> executor_;
  // An initiation is called as a constant by some adapters. It is used by one coroutine only.
  mutable bool tried_ = false;
  mutable bool foreign_first_ = false;
};

}  // namespace sluice::detail

#endif  // SLUICE_DETAIL_SELECT_INITIATION_HPP
