// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_SELECT_FOREIGN_HPP
#define SLUICE_DETAIL_SELECT_FOREIGN_HPP

// Operations that are not ours as cases of a select: what on() describes, and what runs it.

#include <sluice/detail/core/state.hpp>
#include <sluice/detail/select_entry.hpp>
#include <sluice/error.hpp>

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/error.hpp>

#include <optional>
#include <tuple>
#include <utility>
#include <variant>

namespace sluice::detail {

/// An operation that is not one of ours. It may have to be begun again, so each time a copy is.
template <class Operation>
class operation_case {
 public:
  using result_type = std::tuple<error_code>;
  using value_type = std::monostate;
  static constexpr bool can_be_tried = false;

  explicit operation_case(Operation op) : operation_(std::move(op)) {}

  bool is_possible() const noexcept { return true; }

  template <class Handler>
  void begin(Handler&& handler) const {
    Operation copy(operation_);
    std::move(copy)(std::forward<Handler>(handler));
  }

 private:
  Operation operation_;
};

/// Completes an operation that is not ours, on the executor of the select's handler.
template <class Entry, class Executor>
class foreign_handler {
 public:
  using executor_type = Executor;
  using cancellation_slot_type = boost::asio::cancellation_slot;

  foreign_handler(Entry& entry, const Executor& ex) noexcept
      : kept_(Entry::kept_select::share(entry.select())), entry_(&entry), executor_(ex) {}
  foreign_handler(foreign_handler&& other) noexcept
      : kept_(std::move(other.kept_)),
        entry_(std::exchange(other.entry_, nullptr)),
        executor_(other.executor_) {}
  foreign_handler& operator=(foreign_handler&&) = delete;

  ~foreign_handler() {
    if (entry_ != nullptr) entry_->lose();
  }

  executor_type get_executor() const noexcept { return executor_; }
  cancellation_slot_type get_cancellation_slot() const noexcept { return entry_->slot(); }

  void operator()(error_code ec) { std::exchange(entry_, nullptr)->end(ec); }

 private:
  typename Entry::kept_select kept_;
  Entry* entry_;
  Executor executor_;
};

/// An operation that is not ours. It is begun last, and it has to end before the select can.
template <class Threading, class Case, class Executor>
class foreign_entry : public select_entry<Threading> {
  using base = select_entry<Threading>;

 public:
  using result_type = std::tuple<error_code>;
  using kept_select = core::state_ref<typename base::select_type>;
  static constexpr bool is_foreign = true;

  template <class Environment>
  foreign_entry(const Environment& env, const Case& c)
      : base(env.select), case_(c), executor_(env.own_executor) {}

  void start() {
    if (begun_ || lost_) return;
    foreign_handler<foreign_entry, Executor> handler(*this, *executor_);
    begun_ = running_ = true;
    cancelled_ = ended_ = false;
    case_->begin(std::move(handler));
  }

  void collect() noexcept {
    if (!this->mark_.lower()) return;
    begun_ = running_;
    // Cancelled by the select, it has not happened. By somebody else, it has.
    base::due_ = ended_ && !(cancelled_ && error_ == boost::asio::error::operation_aborted);
  }

  /// Cancels it; true if it is still running.
  bool stop() {
    if (!begun_) return false;
    if (!std::exchange(cancelled_, true)) signal_.emit(boost::asio::cancellation_type::terminal);
    return true;
  }

  bool poll(result_type& result) noexcept {
    base::due_ = false;
    std::get<0>(result) = error_;
    return true;
  }

  /// It has ended, or goes on without the select, which may be kept by others for a while. What the
  /// operation holds on to goes now.
  void withdraw(bool) noexcept {
    base::due_ = false;
    case_.reset();
    executor_.reset();
  }

  // For its handler, on any thread.

  auto* select() const noexcept { return base::select_; }
  auto slot() noexcept { return signal_.slot(); }

  void end(const error_code& ec) noexcept {
    base::select_->raise(base::mark_, [&] {
      running_ = false;
      ended_ = true;
      error_ = ec;
    });
  }

  /// The handler was destroyed without having been called, so there is nowhere to begin again.
  void lose() noexcept {
    base::select_->raise(base::mark_, [&] {
      running_ = false;
      lost_ = true;
    });
  }

 private:
  std::optional<Case> case_;
  std::optional<Executor> executor_;
  boost::asio::cancellation_signal signal_;
  bool begun_ = false;      // as far as the select knows
  bool cancelled_ = false;  // by the select
  bool running_ = false;    // these are protected by the lock of the select
  bool ended_ = false;
  bool lost_ = false;
  error_code error_;
};

}  // namespace sluice::detail

#endif  // SLUICE_DETAIL_SELECT_FOREIGN_HPP
