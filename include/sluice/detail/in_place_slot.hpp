// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_IN_PLACE_SLOT_HPP
#define SLUICE_DETAIL_IN_PLACE_SLOT_HPP

// A cancellation signal that keeps its handler in itself, so that a deadline allocates nothing.
// Only a handler that is too large goes to the heap.
//
// Unlike Asio's own it is synchronised: a handler that is bound to another executor completes
// there, and takes its cancellation handler away, while the thread whose deadline passes may be
// emitting. An executor that runs inline completes inside emit(), on the same thread; hence a
// recursive mutex. It protects all fields.

#include <boost/asio/cancellation_type.hpp>

#include <cstddef>
#include <mutex>
#include <new>
#include <type_traits>
#include <utility>

namespace sluice::detail {

namespace asio = boost::asio;

class in_place_signal {
 public:
  in_place_signal() = default;
  in_place_signal(const in_place_signal&) = delete;
  in_place_signal& operator=(const in_place_signal&) = delete;
  ~in_place_signal() { clear(); }

  void emit(asio::cancellation_type_t type) {
    const guard lock(mutex_);
    if (handler_ != nullptr) call_(handler_, type);
  }

  template <class Handler, class... Arguments>
  Handler& emplace(Arguments&&... arguments) {
    const guard lock(mutex_);
    clear();
    constexpr bool fits =
        sizeof(Handler) <= sizeof(buffer_) && alignof(Handler) <= alignof(std::max_align_t);
    Handler* handler;
    if constexpr (fits)
      handler = ::new (static_cast<void*>(buffer_)) Handler(std::forward<Arguments>(arguments)...);
    else
      handler = new Handler(std::forward<Arguments>(arguments)...);
    handler_ = handler;
    call_ = [](void* h, asio::cancellation_type_t type) { (*static_cast<Handler*>(h))(type); };
    destroy_ = [](void* h) noexcept {
      if constexpr (fits)
        static_cast<Handler*>(h)->~Handler();
      else
        delete static_cast<Handler*>(h);
    };
    return *handler;
  }

  void clear() noexcept {
    const guard lock(mutex_);
    if (void* handler = std::exchange(handler_, nullptr)) destroy_(handler);
  }

  bool has_handler() const noexcept {
    const guard lock(mutex_);
    return handler_ != nullptr;
  }

 private:
  using guard = std::lock_guard<std::recursive_mutex>;

  mutable std::recursive_mutex mutex_;
  alignas(std::max_align_t) unsigned char buffer_[128];
  void* handler_ = nullptr;
  void (*call_)(void*, asio::cancellation_type_t) = nullptr;
  void (*destroy_)(void*) noexcept = nullptr;
};

/// The slot of such a signal; it meets Asio's requirements for cancellation slots.
class in_place_slot {
 public:
  constexpr in_place_slot() noexcept = default;
  constexpr explicit in_place_slot(in_place_signal& signal) noexcept : signal_(&signal) {}

  template <class Handler, class... Arguments>
  Handler& emplace(Arguments&&... arguments) {
    return signal_->emplace<Handler>(std::forward<Arguments>(arguments)...);
  }

  template <class Handler>
  std::decay_t<Handler>& assign(Handler&& handler) {
    return emplace<std::decay_t<Handler>>(std::forward<Handler>(handler));
  }

  void clear() noexcept {
    if (signal_ != nullptr) signal_->clear();
  }

  constexpr bool is_connected() const noexcept { return signal_ != nullptr; }
  bool has_handler() const noexcept { return signal_ != nullptr && signal_->has_handler(); }

  friend constexpr bool operator==(in_place_slot a, in_place_slot b) noexcept {
    return a.signal_ == b.signal_;
  }
  friend constexpr bool operator!=(in_place_slot a, in_place_slot b) noexcept { return !(a == b); }

 private:
  in_place_signal* signal_ = nullptr;
};

}  // namespace sluice::detail

#endif  // SLUICE_DETAIL_IN_PLACE_SLOT_HPP
