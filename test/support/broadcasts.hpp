// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_SUPPORT_BROADCASTS_HPP
#define SLUICE_TEST_SUPPORT_BROADCASTS_HPP

// What FLAVOUR_TEST_CASE takes for a broadcast, what tests send through one, and what they ask.

#include "support/flavours.hpp"
#include "support/probe.hpp"

#include <sluice/broadcast.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace support {

/// Capacities around which rings and blocks go wrong.
inline constexpr channel_kind holds_one{"holds_one", 1};
inline constexpr channel_kind holds_two{"holds_two", 2};
inline constexpr channel_kind holds_three{"holds_three", 3};
inline constexpr channel_kind holds_31{"holds_31", 31};
inline constexpr channel_kind holds_32{"holds_32", 32};
inline constexpr channel_kind holds_33{"holds_33", 33};

inline constexpr any_threading broadcasts{3, {holds_one, holds_two, holds_three}};
inline constexpr any_threading larger_broadcasts{3, {holds_31, holds_32, holds_33}};
inline constexpr any_threading one_broadcast{1, {holds_three}};

/// A message that can be copied, and watches what becomes of it. It has no default constructor.
class letter {
 public:
  /// Counts letters, and is called when one of them is copied or destroyed.
  struct office {
    std::atomic<int> alive{0};
    std::atomic<int> copies{0};
    std::function<void()> at_copy{};
    std::function<void()> at_destruction{};
  };

  explicit letter(int id) noexcept : id_(id) {}
  letter(int id, office& counted_by) noexcept : id_(id), office_(&counted_by) { ++office_->alive; }

  letter(const letter& other) : id_(other.id_), office_(other.office_) {
    if (office_ == nullptr) return;
    ++office_->copies;
    // A copy, since what is called may give the office something else to call.
    if (const auto call = office_->at_copy) call();
    ++office_->alive;
  }
  letter(letter&& other) noexcept
      : id_(std::exchange(other.id_, message::none)),
        office_(std::exchange(other.office_, nullptr)) {}

  letter& operator=(letter other) noexcept {
    std::swap(id_, other.id_);
    std::swap(office_, other.office_);
    return *this;
  }

  ~letter() {
    if (office_ == nullptr) return;
    --office_->alive;
    if (const auto call = office_->at_destruction) call();
  }

  int id() const noexcept { return id_; }

 private:
  int id_;
  office* office_ = nullptr;
};

template <class T = letter, class Executor = boost::asio::any_io_executor, class Flavour,
          class Source>
auto open_broadcast(Flavour flavour, Source&& source) {
  return sluice::broadcast_sender<T, Executor, typename Flavour::threading>(source,
                                                                            flavour.capacity);
}

template <class T = letter, class Executor = boost::asio::any_io_executor, class Flavour,
          class Source>
auto open_lossless_broadcast(Flavour flavour, Source&& source) {
  return sluice::lossless_broadcast_sender<T, Executor, typename Flavour::threading>(
      source, flavour.capacity);
}

/// Sends messages with consecutive ids.
template <class Sender>
void send_some(Sender& tx, int first, int count) {
  for (int i = 0; i != count; ++i) tx.send(letter(first + i));
}

/// What one receive without waiting said, in a word: an id, or what else there was.
template <class Receiver>
std::string next_of(Receiver& rx) {
  error_code ec;
  auto received = rx.try_receive(ec);
  if (received) return std::to_string(received->id());
  if (ec == sluice::error::lagged) return "lagged(" + std::to_string(rx.missed()) + ")";
  if (ec == sluice::error::empty) return "empty";
  if (ec == sluice::error::closed) return "closed";
  if (ec == sluice::error::copy_failed) return "copy_failed";
  return ec.message();
}

/// Everything that can be received now, and what comes after it.
template <class Receiver>
std::string all_of(Receiver& rx) {
  std::string words;
  for (;;) {
    const std::string word = next_of(rx);
    words += (words.empty() ? "" : " ") + word;
    if (word == "empty" || word == "closed") return words;
  }
}

/// What became of a receive, in a word.
inline std::string word_of(const receive_probe<letter>& received) {
  if (!received.done()) return received.dropped() ? "dropped" : "waits";
  if (received.error() == sluice::error::lagged) return "lagged";
  if (received.error()) return word_of(received.error());
  return received.ended() ? "end" : std::to_string(received.id());
}

/// The ids from `first` on, as all_of() writes them.
inline std::string ids(int first, int count) {
  std::string words;
  for (int i = 0; i != count; ++i) words += std::to_string(first + i) + " ";
  return words;
}

}  // namespace support

#endif  // SLUICE_TEST_SUPPORT_BROADCASTS_HPP
