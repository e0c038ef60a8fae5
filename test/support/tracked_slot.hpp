// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_SUPPORT_TRACKED_SLOT_HPP
#define SLUICE_TEST_SUPPORT_TRACKED_SLOT_HPP

// A cancellation slot of one's own: it offers what Asio's requirements for slots list and no more,
// and keeps a log of it.

#include <boost/asio/cancellation_signal.hpp>

#include <utility>

namespace support {

namespace asio = boost::asio;

struct slot_log {
  int emplaced = 0;  // handlers that were put in
  int cleared = 0;   // times that the slot was asked to forget its handler
  int alive = 0;     // handlers that exist now
};

class tracked_slot {
  template <class Handler>
  struct counted {
    template <class... Arguments>
    explicit counted(slot_log& l, Arguments&&... arguments)
        : log(&l), handler(std::forward<Arguments>(arguments)...) {
      ++log->alive;
    }
    counted(const counted&) = delete;
    counted& operator=(const counted&) = delete;
    ~counted() { --log->alive; }

    void operator()(asio::cancellation_type_t type) { handler(type); }

    slot_log* log;
    Handler handler;
  };

 public:
  tracked_slot(asio::cancellation_slot slot, slot_log& log) noexcept : slot_(slot), log_(&log) {}

  template <class Handler, class... Arguments>
  Handler& emplace(Arguments&&... arguments) {
    ++log_->emplaced;
    return slot_.template emplace<counted<Handler>>(*log_, std::forward<Arguments>(arguments)...)
        .handler;
  }

  void clear() {
    ++log_->cleared;
    slot_.clear();
  }

  bool is_connected() const noexcept { return slot_.is_connected(); }
  bool has_handler() const noexcept { return slot_.has_handler(); }

  friend bool operator==(const tracked_slot& a, const tracked_slot& b) noexcept {
    return a.slot_ == b.slot_;
  }
  friend bool operator!=(const tracked_slot& a, const tracked_slot& b) noexcept {
    return a.slot_ != b.slot_;
  }

 private:
  asio::cancellation_slot slot_;
  slot_log* log_;
};

}  // namespace support

#endif  // SLUICE_TEST_SUPPORT_TRACKED_SLOT_HPP
