// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_SELECT_TIME_HPP
#define SLUICE_DETAIL_SELECT_TIME_HPP

// Times as cases of a select: what after() and at() describe, and what waits for it.

#include <sluice/detail/block_cache.hpp>
#include <sluice/detail/core/deadline.hpp>
#include <sluice/detail/core/state.hpp>
#include <sluice/detail/select_entry.hpp>
#include <sluice/error.hpp>

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/wait_traits.hpp>

#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace sluice::detail {

/// A time, at which the case happens: that long after the beginning of the wait, or that one.
template <class Clock, bool IsRelative>
class time_case {
  using duration = typename Clock::duration;
  using time_point = typename Clock::time_point;

 public:
  using clock_type = Clock;
  using result_type = std::tuple<error_code>;
  using value_type = std::monostate;
  static constexpr bool can_be_tried = false;

  explicit time_case(std::conditional_t<IsRelative, duration, time_point> when) noexcept
      : when_(when) {}

  bool is_possible() const noexcept { return true; }

  /// When it happens if the wait begins now. What no clock can tell is never.
  time_point expiry() const {
    if constexpr (IsRelative)
      return core::later(Clock::now(), when_);
    else
      return when_;
  }

  /// Whether the wait need not begin.
  bool is_over() const {
    if constexpr (IsRelative)
      return when_ <= duration::zero();
    else
      return when_ <= Clock::now();
  }

 private:
  std::conditional_t<IsRelative, duration, time_point> when_;
};

/// A time. The timer lives in the context of the select's I/O executor, which may go before the
/// select does, or just now, and no timer may be touched by another thread then. So the timer
/// belongs to its own handler, and elsewhere than in that context it is only begun, at first, and
/// what cancels it is posted.
template <class Threading, class Case, class Executor>
class time_entry : public select_entry<Threading> {
  using base = select_entry<Threading>;
  using clock = typename Case::clock_type;
  using timer = boost::asio::basic_waitable_timer<clock, boost::asio::wait_traits<clock>, Executor>;

 public:
  using result_type = std::tuple<error_code>;

  static constexpr bool is_time = true;

  template <class Environment>
  time_entry(const Environment& env, const Case& c)
      : base(env.select), expiry_(c.expiry()), is_over_(c.is_over()) {
    if (!is_over_ && expiry_ != clock::time_point::max()) executor_.emplace(env.io_executor);
  }

  void start() {
    if (begun_) return;
    if (is_over_) {
      base::due_ = begun_ = true;
      return;
    }
    begun_ = true;
    if (expiry_ == clock::time_point::max()) return;
    auto own = std::allocate_shared<timer>(recycling_allocator<timer>(), *executor_, expiry_);
    timer_ = own;
    timer& waited = *own;
    waited.async_wait([this, kept = kept_select::share(base::select_),
                       own = std::move(own)](const error_code& ec) {
      if (!ec) base::select_->raise(base::mark_);
    });
    executor_.reset();
  }

  /// For a select that completes elsewhere, and so cannot start() it later.
  void start_early() {
    if (!is_over_) start();
  }

  bool poll(result_type&) noexcept {
    begun_ = base::due_ = false;
    executor_.reset();
    timer_.reset();
    return true;
  }

  /// The handler that is still to come has no effect. `is_home`: the timer may be touched.
  void withdraw(bool is_home) noexcept {
    begun_ = base::due_ = false;
    executor_.reset();
    if (timer_.expired()) return;
    if (is_home) {
      if (const auto own = timer_.lock()) own->cancel();
    } else {
      base::select_->use_home([this] {
        auto own = timer_.lock();
        if (own != nullptr) cancel_at_home(std::move(own));
      });
    }
    timer_.reset();
  }

 private:
  using kept_select = core::state_ref<typename base::select_type>;

  static void cancel_at_home(std::shared_ptr<timer>&& own) noexcept {
    try {
      const Executor ex = own->get_executor();
      boost::asio::post(ex, [own = std::move(own)] { own->cancel(); });
    } catch (...) {
      // It goes on for nothing.
    }
  }

  std::optional<Executor> executor_;  // until the timer has it
  typename clock::time_point expiry_;
  bool is_over_;
  bool begun_ = false;
  std::weak_ptr<timer> timer_;
};

}  // namespace sluice::detail

#endif  // SLUICE_DETAIL_SELECT_TIME_HPP
