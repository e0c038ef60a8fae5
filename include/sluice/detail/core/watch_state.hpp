// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_CORE_WATCH_STATE_HPP
#define SLUICE_DETAIL_CORE_WATCH_STATE_HPP

// The typed half of a watch: the latest value, which is never changed, only replaced by another
// one. So it can be given out without being copied, and holding it delays nobody.
//
// Values are made, changed, tested and destroyed outside the lock. Under it only a shared_ptr is
// copied or exchanged, whose last reference is never given up there.

#include <sluice/detail/core/spare_block.hpp>
#include <sluice/detail/core/watch_core.hpp>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>

namespace sluice::detail::core {

/// A value, and what is known of it.
template <class T>
struct watch_snapshot {
  std::shared_ptr<const T> value;
  std::uint64_t version = 0;
  bool last = false;  // nothing will follow it
};

template <class T, class Threading>
class watch_state final : public watch_core<Threading> {
  using base = watch_core<Threading>;

 public:
  using typename base::cursor_type;
  using typename base::section;
  using typename base::waiter_type;
  using snapshot = watch_snapshot<T>;

  /// Counts one sender and one reference.
  template <class... Arguments>
  explicit watch_state(std::in_place_t, Arguments&&... arguments)
      : value_(make(std::forward<Arguments>(arguments)...)) {}

  /// Makes a value that can be published, in recycled memory.
  template <class... Arguments>
  std::shared_ptr<T> make(Arguments&&... arguments) {
    return std::allocate_shared<T>(spare_block_allocator<T>(*memory_),
                                   std::forward<Arguments>(arguments)...);
  }

  snapshot look_at_value() noexcept {
    section s(*this);
    return take_snapshot();
  }

  /// The latest value for one receiver. `update`: it counts as seen.
  std::shared_ptr<const T> borrow(cursor_type& cursor, bool update) noexcept {
    section s(*this);
    cursor.observed = base::version_;
    if (update) cursor.seen = base::version_;
    return value_;
  }

  /// Exchanges the value, unless it is closed.
  outcome publish(std::shared_ptr<const T>& next) noexcept {
    section s(*this);
    if (base::closed_) return outcome::closed;
    value_.swap(next);
    base::after_publishing(s.wakes);
    return outcome::success;
  }

  /// The same, only if the value is still that of `version`; else `none`.
  outcome publish_after(std::uint64_t version, std::shared_ptr<const T>& next) noexcept {
    section s(*this);
    if (base::closed_) return outcome::closed;
    if (base::version_ != version) return outcome::none;
    value_.swap(next);
    base::after_publishing(s.wakes);
    return outcome::success;
  }

  void remove_sender() noexcept {
    std::shared_ptr<const T> unwanted;
    section s(*this);
    if (--base::sender_count_ != 0) return;
    base::after_senders_left(s.wakes);
    if (base::is_abandoned()) unwanted.swap(value_);
  }

  void remove_receiver() noexcept {
    std::shared_ptr<const T> unwanted;
    section s(*this);
    if (--base::receiver_count_ != 0) return;
    base::after_receivers_left(s.wakes);
    if (base::is_abandoned()) unwanted.swap(value_);
  }

  // For predicates, which run between these ------------------------------------------------------

  /// What a woken waiter has to test. Without a value in `seen` it is the answer: its end, or, if
  /// there is nothing that it has not tested, as for finish_changed().
  outcome look_at_value(waiter_type& w, snapshot& seen, bool& linked, unsigned& phase) noexcept {
    // What was held before must not be given up under the lock.
    const snapshot before = std::exchange(seen, snapshot());
    section s(*this);
    if (w.current != stage::woken) return base::end(w, w.fate, linked);
    if (w.tested == base::version_ && !base::closed_) return base::look_again(w, phase);
    seen = take_snapshot();
    return outcome::none;
  }

  /// Its predicate holds. `none` if its receiver has observed a later value meanwhile.
  outcome accept(waiter_type& w, const snapshot& seen, bool& linked) noexcept {
    section s(*this);
    if (w.current != stage::woken) return base::end(w, w.fate, linked);
    if (!observe(*w.cursor, seen)) return outcome::none;
    return base::end(w, outcome::success, linked);
  }

  /// The same for one that is not a waiter.
  outcome accept(cursor_type& cursor, const snapshot& seen) noexcept {
    section s(*this);
    if (base::receiver_count_ == 0) return outcome::aborted;
    return observe(cursor, seen) ? outcome::success : outcome::none;
  }

  /// Its predicate does not hold. As for finish_changed().
  outcome refuse(waiter_type& w, const snapshot& seen, bool& linked, unsigned& phase) noexcept {
    section s(*this);
    if (w.current != stage::woken) return base::end(w, w.fate, linked);
    if (seen.last) return base::end(w, outcome::closed, linked);
    w.tested = seen.version;
    return base::look_again(w, phase);
  }

 private:
  /// Ends the share of this state in the memory for values.
  struct releaser {
    void operator()(spare_block* memory) const noexcept { memory->release(); }
  };

  snapshot take_snapshot() const noexcept { return {value_, base::version_, base::closed_}; }

  bool observe(cursor_type& cursor, const snapshot& seen) noexcept {
    if (cursor.observed > seen.version) return false;
    cursor.observed = seen.version;
    cursor.seen = std::max<std::uint64_t>(cursor.seen, seen.version);
    return true;
  }

  const std::unique_ptr<spare_block, releaser> memory_{new spare_block};
  std::shared_ptr<const T> value_;
};

}  // namespace sluice::detail::core

#endif  // SLUICE_DETAIL_CORE_WATCH_STATE_HPP
