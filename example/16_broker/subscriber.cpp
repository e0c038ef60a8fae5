// SPDX-License-Identifier: BSL-1.0
//
// Two coroutines, each with a connection of its own: one asks for messages, which may keep its
// connection busy until there is one, the other one acknowledges.

#include "subscriber.hpp"

#include "redis_server.hpp"

#include <sluice/select.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>

#include <chrono>
#include <cstddef>
#include <iostream>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace broker {
namespace {

using std::chrono::steady_clock;

// One entry of the stream. Without fields it has been deleted, and is only still pending.
struct entry {
  std::string number;
  std::string id;
  std::string body;
  bool is_deleted = false;
};

std::vector<entry> read_entries(const redisReply& list) {
  std::vector<entry> entries;
  for (const auto* each : elements_of(list, 0)) {
    if (each->type == REDIS_REPLY_NIL) continue;
    const auto parts = elements_of(*each, 2);
    entry next;
    next.number = text_of(*parts[0]);
    next.is_deleted = parts[1]->type == REDIS_REPLY_NIL;
    if (!next.is_deleted) {
      const auto fields = elements_of(*parts[1], 0);
      for (std::size_t at = 0; at + 1 < fields.size(); at += 2) {
        if (text_of(*fields[at]) == "id") next.id = text_of(*fields[at + 1]);
        if (text_of(*fields[at]) == "body") next.body = text_of(*fields[at + 1]);
      }
    }
    entries.push_back(std::move(next));
  }
  return entries;
}

class subscription {
 public:
  subscription(sluice::sender<delivery> deliveries, sluice::sender<receipt> receipts,
               const subscriber_settings& how, stop_receiver stop)
      : how_(how),
        deliveries_(std::move(deliveries)),
        receipts_(std::move(receipts)),
        stop_(std::move(stop)),
        server_(how.server, how.name) {}

  asio::awaitable<void> deliver_all();
  asio::awaitable<void> acknowledge_all(sluice::receiver<receipt> receipts);

 private:
  [[nodiscard]] bool is_wanted() const { return !stop_.is_closed() && !deliveries_.is_closed(); }
  asio::awaitable<bool> pause(milliseconds duration);
  asio::awaitable<replies> ask(const request& question, milliseconds longer);
  asio::awaitable<std::vector<entry>> ask_for(std::string_view after);
  asio::awaitable<std::vector<entry>> claim_abandoned();
  asio::awaitable<void> deliver(entry next);

  subscriber_settings how_;
  sluice::sender<delivery> deliveries_;
  sluice::sender<receipt> receipts_;
  stop_receiver stop_;
  redis_server server_;
  // What has been delivered, and what of it has been acknowledged since the server was last asked
  // for messages: it may be in the answer all the same, and is not delivered again.
  std::set<std::string> in_hand_;
  std::set<std::string> acknowledged_;
  // Where to go on looking for what others have abandoned, and when to begin anew.
  std::string claimed_ = "0-0";
  steady_clock::time_point next_claim_;
};

// tag::deliver_all[]
asio::awaitable<void> subscription::deliver_all() {
  request group;
  group.add({"XGROUP", "CREATE", how_.stream, how_.group, "0", "MKSTREAM"});
  server_.greet_with(std::move(group));  // it is refused if the group is there already
  server_.pause_with([this](milliseconds duration) { return pause(duration); });

  const std::string_view beginning = "0-0";
  const std::string_view whatever_is_new = ">";
  std::string after(beginning);
  std::size_t connection = 0;
  while (is_wanted()) {
    if (connection != server_.connections()) {
      // What was on its way has got lost with the connection. The server knows what it was.
      connection = server_.connections();
      after = beginning;
    }
    for (auto& each : co_await claim_abandoned()) co_await deliver(std::move(each));
    auto entries = co_await ask_for(after);
    if (after != whatever_is_new) after = entries.empty() ? whatever_is_new : entries.back().number;
    for (auto& each : entries) co_await deliver(std::move(each));
  }
  deliveries_ = {};
  receipts_ = {};
}
// end::deliver_all[]

// The server is waited for as long as somebody wants what it has.
// tag::pause[]
asio::awaitable<bool> subscription::pause(milliseconds duration) {
  const auto [ec, which, result] =
      co_await sluice::select(sluice::on_receive(stop_), sluice::on_closed(deliveries_),
                              sluice::after(duration))
          .async_wait(asio::as_tuple(sluice::use_awaitable));
  co_return which == 2;
}
// end::pause[]

asio::awaitable<replies> subscription::ask(const request& question, milliseconds longer) {
  acknowledged_.clear();  // the server has forgotten it before it hears the question
  return server_.ask(question, longer);
}

asio::awaitable<std::vector<entry>> subscription::ask_for(std::string_view after) {
  const auto count = std::to_string(how_.batch);
  const auto patience = std::to_string(how_.wait_for_message.count());
  request next;
  next.add({"XREADGROUP", "GROUP", how_.group, how_.name, "COUNT", count, "BLOCK", patience,
            "STREAMS", how_.stream, after});
  const auto answers = co_await ask(next, how_.wait_for_message);
  if (answers.empty() || answers[0]->type == REDIS_REPLY_NIL) co_return std::vector<entry>();
  const auto streams = elements_of(*answers[0], 1);
  co_return read_entries(*elements_of(*streams[0], 2)[1]);
}

// What nobody has acknowledged for too long is taken over, once in half of that time.
asio::awaitable<std::vector<entry>> subscription::claim_abandoned() {
  if (steady_clock::now() < next_claim_) co_return std::vector<entry>();
  const auto age = std::to_string(how_.claim_after.count());
  const auto count = std::to_string(how_.batch);
  request claim;
  claim.add({"XAUTOCLAIM", how_.stream, how_.group, how_.name, age, claimed_, "COUNT", count});
  const auto answers = co_await ask(claim, milliseconds(0));
  if (answers.empty()) co_return std::vector<entry>();
  const auto parts = elements_of(*answers[0], 2);
  claimed_ = text_of(*parts[0]);
  if (claimed_ == "0-0") next_claim_ = steady_clock::now() + how_.claim_after / 2;
  co_return read_entries(*parts[1]);
}

// tag::deliver[]
asio::awaitable<void> subscription::deliver(entry next) {
  if (in_hand_.contains(next.number) || acknowledged_.contains(next.number)) co_return;
  // Waits while too many are without an acknowledgement.
  auto place = co_await receipts_.async_reserve();
  in_hand_.insert(next.number);
  if (next.is_deleted) {
    static_cast<void>(place.send(receipt{std::move(next.number), true}));
    co_return;
  }
  delivery fresh(std::move(next.id), std::move(next.body), std::move(next.number),
                 std::move(place));
  // Waits while the channel is full. If nobody receives any more, the delivery goes without an
  // acknowledgement.
  error_code ec;
  co_await deliveries_.async_send(std::move(fresh),
                                  asio::redirect_error(sluice::use_awaitable, ec));
}
// end::deliver[]

// tag::acknowledge_all[]
asio::awaitable<void> subscription::acknowledge_all(sluice::receiver<receipt> receipts) {
  redis_server server(how_.server, how_.name + " (acknowledging)");
  std::vector<receipt> batch;
  while (co_await receipts.async_receive_some(batch, how_.batch) > 0) {
    std::vector<std::string_view> acknowledge{"XACK", how_.stream, how_.group};
    std::vector<std::string_view> remove{"XDEL", how_.stream};
    for (const auto& each : batch) {
      if (!each.is_dealt_with) continue;
      acknowledge.push_back(each.entry);
      remove.push_back(each.entry);
    }
    if (remove.size() > 2) {
      request both;  // or none of them
      both.add({"MULTI"});
      both.add(acknowledge);
      both.add(remove);
      both.add({"EXEC"});
      co_await server.ask(both);
    }
    for (auto& each : batch) {
      in_hand_.erase(each.entry);
      if (each.is_dealt_with) acknowledged_.insert(std::move(each.entry));
    }
    batch.clear();
  }
}
// end::acknowledge_all[]

}  // namespace

// tag::subscribe[]
asio::awaitable<void> subscribe(sluice::sender<delivery> deliveries, subscriber_settings how,
                                stop_receiver stop) {
  using namespace asio::experimental::awaitable_operators;
  auto [receipts, receipts_end] =
      sluice::make_channel<receipt>(co_await asio::this_coro::executor, how.unacknowledged);
  subscription here(std::move(deliveries), std::move(receipts), how, std::move(stop));
  co_await (here.deliver_all() && here.acknowledge_all(std::move(receipts_end)));
}
// end::subscribe[]

}  // namespace broker
