// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE select_mixture

// Several selects and plain operations on the same channels, in random order on one thread, beside
// a plain model: of each select exactly one case happens, each value comes out in its order, once,
// nobody waits for what is there, and nothing stays behind.

#include "support/probe.hpp"
#include "support/seed.hpp"

#include <sluice/channel.hpp>
#include <sluice/select.hpp>

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/test/unit_test.hpp>

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

using namespace support;
using sluice::biased_select;
using sluice::npos;
using sluice::on;
using sluice::on_receive;
using sluice::on_reserve;
using sluice::on_send;
using sluice::select;

namespace {

using sender = sluice::sender<int>;
using receiver = sluice::receiver<int>;
using permit = sluice::permit<int>;

/// A channel, and what has to be in it.
struct channel {
  sender tx;
  receiver rx;
  std::size_t number;
  std::size_t capacity;
  std::deque<int> inside;
  std::deque<int> pending;  // of plain sends, in the order in which they were begun
  std::vector<permit> permits;
  bool closed = false;
};

enum class kind { receives, sends, reserves, other };

struct wanted {
  kind what;
  std::size_t where = 0;
  int id = 0;
};

struct op {
  std::vector<wanted> cases;
  bool plain = false;
  bool done = false;
  bool cancelled = false;
  bool obeys = true;  // the operation of others ends when it is told to
  bool told = false;  // a handle that it was begun through was cancelled
  std::function<void(error_code)> foreign;
  int foreign_running = 0;
  asio::cancellation_signal signal;
};

class game {
  using op_ptr = std::shared_ptr<op>;

 public:
  explicit game(random_source& r) : random_(r) {
    for (std::size_t capacity : {0u, 0u, 1u, 3u}) {
      auto ends = sluice::make_channel<int>(context_, capacity);
      channels_.push_back(
          {std::move(ends.first), std::move(ends.second), channels_.size(), capacity, {}, {}, {}});
    }
  }

  void play(int steps) {
    for (int i = 0; i != steps; ++i) {
      step();
      if (random_.below(4) == 0) context_.poll_one();
      if (random_.below(10) == 0) settle();
    }
    settle();
    end();
  }

 private:
  void step() {
    channel& a = any();
    channel& b = any();
    channel& c = any();
    const int v = next_id_++;
    const int w = next_id_++;
    switch (random_.below(18)) {
      case 0:
      case 1:
        return wait(select(on_receive(a.rx), on_receive(b.rx)), {receives(a), receives(b)});
      case 2:
      case 3:
        return wait(select(on_send(a.tx, v), on_receive(b.rx)), {sends(a, v), receives(b)});
      case 4:
        return wait(select(on_send(a.tx, v), on_receive(a.rx)), {sends(a, v), receives(a)});
      case 5:
        return wait(select(on_send(a.tx, v), on_send(b.tx, w), on_receive(c.rx)),
                    {sends(a, v), sends(b, w), receives(c)});
      case 6:
        return wait(biased_select(on_receive(a.rx), on_reserve(b.tx), on_send(c.tx, v)),
                    {receives(a), {kind::reserves, b.number, v}, sends(c, v)});
      case 7:
        return wait_with_foreign(a, b, v);
      case 8: {
        auto both = select(on_send(a.tx, v), on_receive(b.rx));
        error_code ec;
        auto happened = both.try_now(ec);
        if (happened) end_case(happened->index() == 0 ? sends(a, v) : receives(b), ec, *happened);
        return;
      }
      case 9:
        return begin_receive_of(a);
      case 10:
        // Where there is a buffer it would have to be known who is admitted when.
        if (a.capacity == 0) begin_send_of(a, v);
        return;
      case 11:
      case 12:
        if (!a.tx.try_send(int(v))) a.inside.push_back(v);
        return;
      case 13:
        if (auto received = a.rx.try_receive()) take(a, *received);
        return;
      case 14:
      case 15:
        if (!ops_.empty()) cancel(*ops_[random_.below(static_cast<unsigned>(ops_.size()))]);
        return;
      case 16:
        return use_permit(a);
      default:
        if (random_.below(20) == 0) cancel_all_of(a);
        if (random_.below(60) == 0) close(a);
        if (random_.below(3) == 0) end_foreign();
    }
  }

  channel& any() { return channels_[random_.below(static_cast<unsigned>(channels_.size()))]; }
  wanted receives(const channel& c) const { return {kind::receives, c.number, 0}; }
  wanted sends(const channel& c, int id) const { return {kind::sends, c.number, id}; }

  op_ptr new_op(std::vector<wanted> cases) {
    auto o = std::make_shared<op>();
    o->cases = std::move(cases);
    ops_.push_back(o);
    return o;
  }

  template <class Handler>
  static auto watched(op& o, Handler&& handler) {
    return asio::bind_cancellation_slot(o.signal.slot(), std::forward<Handler>(handler));
  }

  template <class Select>
  void wait(Select&& s, std::vector<wanted> cases) {
    wait(new_op(std::move(cases)), std::forward<Select>(s));
  }

  template <class Select>
  void wait(const op_ptr& o, Select&& s) {
    std::forward<Select>(s).async_wait(
        watched(*o, [this, o](error_code ec, std::size_t which, auto value) {
          complete(*o);
          BOOST_TEST_REQUIRE(o->foreign_running == 0);
          if (which == npos) {
            BOOST_TEST_REQUIRE(o->cancelled);
            BOOST_TEST_REQUIRE(ec == asio::error::operation_aborted);
            return;
          }
          BOOST_TEST_REQUIRE(which == value.index());
          if (ec == asio::error::operation_aborted) {
            BOOST_TEST_REQUIRE((o->told || o->cases.at(which).what == kind::other));
            return;
          }
          end_case(o->cases.at(which), ec, value);
        }));
  }

  void wait_with_foreign(channel& a, channel& b, int v) {
    auto o = new_op({sends(a, v), {kind::other}, receives(b)});
    // It ends by itself, or when it is told to, at once or never before it ends by itself.
    o->obeys = random_.below(4) != 0;
    auto foreign = asio::async_initiate<const asio::deferred_t&, void(error_code)>(
        [o](auto handler) {
          ++o->foreign_running;
          auto slot = asio::get_associated_cancellation_slot(handler);
          auto shared = std::make_shared<decltype(handler)>(std::move(handler));
          o->foreign = [shared, raw = o.get()](error_code ec) {
            --raw->foreign_running;
            std::move (*shared)(ec);
          };
          if (o->obeys)
            slot.assign([raw = o.get()](asio::cancellation_type) {
              if (auto f = std::exchange(raw->foreign, nullptr)) f(asio::error::operation_aborted);
            });
        },
        asio::deferred);
    wait(o, select(on_send(a.tx, v), on(foreign), on_receive(b.rx)));
  }

  void end_foreign() {
    for (const auto& each : std::vector<op_ptr>(ops_))
      if (auto f = std::exchange(each->foreign, nullptr)) f(error_code());
  }

  void begin_receive_of(channel& c) {
    auto o = new_op({receives(c)});
    o->plain = true;
    c.rx.async_receive(watched(*o, [this, o](error_code ec, std::optional<int> received) {
      complete(*o);
      if (ec == asio::error::operation_aborted)
        BOOST_TEST_REQUIRE((o->cancelled || o->told));
      else
        end_case(o->cases[0], ec, received);
    }));
  }

  void begin_send_of(channel& c, int v) {
    auto o = new_op({sends(c, v)});
    o->plain = true;
    if (!c.closed) c.pending.push_back(v);
    c.tx.async_send(v, watched(*o, [this, o, &c, v](error_code ec) {
                      complete(*o);
                      // Who received it has found it in the line.
                      if (!ec) BOOST_TEST_REQUIRE(!remove(c.pending, v));
                      if (ec == asio::error::operation_aborted)
                        BOOST_TEST_REQUIRE((o->cancelled || o->told));
                      if (ec == sluice::error::closed) BOOST_TEST_REQUIRE(c.closed);
                    }));
  }

  static bool remove(std::deque<int>& from, int id) {
    for (auto i = from.begin(); i != from.end(); ++i) {
      if (*i != id) continue;
      from.erase(i);
      return true;
    }
    return false;
  }

  void complete(op& o) {
    BOOST_TEST_REQUIRE(!o.done);
    o.done = true;
    for (auto i = ops_.begin(); i != ops_.end(); ++i) {
      if (i->get() != &o) continue;
      ops_.erase(i);
      return;
    }
  }

  template <class... Values>
  void end_case(const wanted& happened, error_code ec, std::variant<Values...>& value) {
    std::visit([&](auto& each) { this->end_case(happened, ec, each); }, value);
  }

  void end_case(const wanted& happened, error_code ec, std::optional<int>& received) {
    channel& c = channels_[happened.where];
    BOOST_TEST_REQUIRE(!ec);
    if (received) return take(c, *received);
    BOOST_TEST_REQUIRE(c.closed);
    BOOST_TEST_REQUIRE(c.inside.empty());
    BOOST_TEST_REQUIRE(c.permits.empty());
  }

  void end_case(const wanted& happened, error_code ec, std::monostate) {
    if (happened.what == kind::other) return;
    channel& c = channels_[happened.where];
    if (!ec) return c.inside.push_back(happened.id);
    BOOST_TEST_REQUIRE(ec == sluice::error::closed);
    BOOST_TEST_REQUIRE(c.closed);
  }

  void end_case(const wanted& happened, error_code ec, permit& place) {
    channel& c = channels_[happened.where];
    if (!ec) {
      c.permits.push_back(std::move(place));
    } else if (c.capacity == 0) {
      BOOST_TEST_REQUIRE(ec == asio::error::operation_not_supported);
    } else {
      BOOST_TEST_REQUIRE(ec == sluice::error::closed);
      BOOST_TEST_REQUIRE(c.closed);
    }
  }

  /// A value was received: it has to be the next one.
  void take(channel& c, int id) {
    auto& line = c.inside.empty() ? c.pending : c.inside;
    BOOST_TEST_REQUIRE(!line.empty());
    BOOST_TEST_REQUIRE(line.front() == id);
    line.pop_front();
  }

  void cancel(op& o) {
    o.cancelled = true;
    leave_line(o);
    const asio::cancellation_type types[] = {asio::cancellation_type::terminal,
                                             asio::cancellation_type::partial,
                                             asio::cancellation_type::total};
    o.signal.emit(types[random_.below(3)]);
  }

  void cancel_all_of(channel& c) {
    const bool of_sender = random_.coin();
    for (const auto& each : ops_)
      for (const wanted& w : each->cases)
        if (w.what != kind::other && w.where == c.number && (w.what == kind::receives) != of_sender)
          tell(*each);
    if (of_sender)
      c.tx.cancel();
    else
      c.rx.cancel();
  }

  void tell(op& o) {
    o.told = true;
    leave_line(o);
  }

  void leave_line(const op& o) {
    for (const wanted& w : o.cases)
      if (o.plain && w.what == kind::sends) remove(channels_[w.where].pending, w.id);
  }

  void close(channel& c) {
    c.closed = true;
    c.pending.clear();
    if (random_.coin())
      c.tx.close();
    else
      c.rx.close();
  }

  void use_permit(channel& c) {
    if (c.permits.empty()) return;
    permit last = std::move(c.permits.back());
    c.permits.pop_back();
    if (random_.coin()) return;
    const int id = next_id_++;
    BOOST_TEST_REQUIRE(!last.send(int(id)));
    c.inside.push_back(id);
  }

  /// Lets everything happen that can. Then nobody waits for what is there.
  void settle() {
    run_ready(context_);
    for (const auto& each : ops_) {
      if (!each->obeys && each->foreign_running != 0) continue;
      for (const wanted& w : each->cases) BOOST_TEST_REQUIRE(!can_happen(*each, w));
    }
    for (const channel& c : channels_) BOOST_TEST_REQUIRE(c.rx.size() == c.inside.size());
  }

  /// Whether a case has something to wait for no longer. What others hold on to who wait for an
  /// operation of others to end may be promised to them.
  bool can_happen(const op& of, const wanted& w) const {
    if (w.what == kind::other) return false;
    const channel& c = channels_[w.where];
    if (c.closed)
      return w.what != kind::receives ||
             (c.inside.empty() && c.permits.empty() && !somebody_holds());
    if (somebody_holds()) return false;
    if (w.what == kind::receives) return !c.inside.empty() || has_sender(of, w.where);
    if (c.capacity == 0)
      return w.what == kind::reserves || (!of.plain && has_receiver(of, w.where));
    return c.inside.size() + c.permits.size() < c.capacity;
  }

  bool somebody_holds() const {
    for (const auto& each : ops_)
      if (!each->obeys && each->foreign_running != 0) return true;
    return false;
  }

  bool has_receiver(const op& other_than, std::size_t where) const {
    if (!channels_[where].pending.empty()) return false;
    for (const auto& each : ops_)
      for (const wanted& w : each->cases)
        if (each.get() != &other_than && w.what == kind::receives && w.where == where) return true;
    return false;
  }

  bool has_sender(const op& other_than, std::size_t where) const {
    if (channels_[where].capacity != 0) return false;
    for (const auto& each : ops_)
      for (const wanted& w : each->cases)
        if (each.get() != &other_than && w.what == kind::sends && w.where == where) return true;
    return false;
  }

  /// When all is cancelled nothing is left but what the model has.
  void end() {
    for (const auto& each : std::vector<op_ptr>(ops_)) cancel(*each);
    run_ready(context_);
    end_foreign();
    run_ready(context_);
    BOOST_TEST_REQUIRE(ops_.empty());
    for (channel& c : channels_) {
      c.permits.clear();
      BOOST_TEST_REQUIRE(c.pending.empty());
      BOOST_TEST(c.tx.sender_count() == 1u);
      BOOST_TEST(c.tx.receiver_count() == 1u);
      BOOST_TEST(c.rx.size() == c.inside.size());
      if (!c.closed) fill(c);
      while (auto left = c.rx.try_receive()) take(c, *left);
      BOOST_TEST(c.inside.empty());
    }
    BOOST_TEST(context_.poll() == 0u);
  }

  /// Each place is free, and nobody lends one.
  void fill(channel& c) {
    while (!c.tx.try_send(int(next_id_))) c.inside.push_back(next_id_++);
    BOOST_TEST(c.inside.size() >= c.capacity);
    if (c.capacity != 0) BOOST_TEST(c.inside.size() == c.capacity);
  }

  asio::io_context context_;
  std::deque<channel> channels_;
  std::vector<op_ptr> ops_;
  random_source& random_;
  int next_id_ = 0;
};

}  // namespace

BOOST_AUTO_TEST_CASE(S1_selects_and_plain_operations_agree_with_a_model) {
  random_source random;
  for (int i = 0; i != 150; ++i) game(random).play(300);
}
