// SPDX-License-Identifier: BSL-1.0
//
// What travels. In front of the broker it is a message; behind it, a delivery: the message, and a
// way to say that it has been dealt with.

#ifndef BROKER_MESSAGE_HPP
#define BROKER_MESSAGE_HPP

#include <sluice/oneshot.hpp>
#include <sluice/permit.hpp>

#include <string>
#include <utility>
#include <variant>

namespace broker {

struct message {
  // Whose it is for ever: no other message has it. By it a consumer knows one that comes twice.
  std::string id;
  std::string body;
  // Is told when the message is in the broker's hands; goes without a word if it never gets there.
  // An empty one is for those who do not want to know.
  sluice::oneshot_sender<std::monostate> stored;
};

// What has become of a delivery. `entry` is the number that the server has given to the message.
struct receipt {
  std::string entry;
  bool is_dealt_with;
};

class delivery {
 public:
  // `place` is one in the channel of the receipts.
  delivery(std::string id, std::string body, std::string entry, sluice::permit<receipt> place)
      : id_(std::move(id)),
        body_(std::move(body)),
        entry_(std::move(entry)),
        place_(std::move(place)) {}
  delivery(delivery&&) noexcept = default;
  delivery& operator=(delivery&&) = delete;
  // A delivery that goes without an acknowledgement comes again, here or elsewhere.
  ~delivery() { settle(false); }

  [[nodiscard]] const std::string& id() const noexcept { return id_; }
  [[nodiscard]] const std::string& body() const noexcept { return body_; }

  // The message has been dealt with, and need not come again. Never waits; from any thread.
  void acknowledge() { settle(true); }

 private:
  // tag::settle[]
  void settle(bool is_dealt_with) noexcept {
    // The place has been reserved, so there is nothing to wait for. It can be used once. It is
    // refused only if the subscriber has gone, and then the message comes again in any case.
    if (place_) static_cast<void>(place_.send(receipt{std::move(entry_), is_dealt_with}));
  }
  // end::settle[]

  std::string id_;
  std::string body_;
  std::string entry_;
  sluice::permit<receipt> place_;
};

}  // namespace broker

#endif
