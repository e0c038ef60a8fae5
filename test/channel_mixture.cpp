// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE channel_mixture

// Everything a channel can do, in random order, on one thread: whatever becomes of it, each value
// comes to one end, in its order, every operation to its end, and nobody waits for what is there.
//
// Handlers, functions of loops and destructors of both do such things too, in the middle of others.
// In a second run memory fails at some points of what is called.

#include "support/flavours.hpp"
#include "support/heap.hpp"
#include "support/seed.hpp"
#include "support/unit_test.hpp"

#include <sluice/channel.hpp>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace support;
namespace asio = boost::asio;
using boost::system::error_code;

namespace {

/// What became of each value.
struct fate {
  bool ordered = false;   // sent by a send that stands in line
  bool failed = false;    // its send said so
  bool accepted = false;  // its send said so
  bool received = false;
  bool displaced = false;
  bool destroyed = false;  // by somebody who still had it
};

struct wrong : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class letter {
 public:
  letter(int id, std::vector<fate>& fates) noexcept : id_(id), fates_(&fates) {}
  letter(letter&& other) noexcept : id_(std::exchange(other.id_, -1)), fates_(other.fates_) {}
  letter& operator=(letter&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(fates_, other.fates_);
    return *this;
  }
  ~letter() {
    if (id_ != -1) (*fates_)[static_cast<std::size_t>(id_)].destroyed = true;
  }
  int id() const noexcept { return id_; }
  int take() noexcept { return std::exchange(id_, -1); }

 private:
  int id_;
  std::vector<fate>* fates_;
};

/// An allocator that fails once in a while.
template <class T>
struct moody_allocator {
  using value_type = T;
  explicit moody_allocator(random_source& r) noexcept : random(&r) {}
  template <class U>
  moody_allocator(const moody_allocator<U>& other) noexcept : random(other.random) {}
  T* allocate(std::size_t count) {
    if (random->below(8) == 0) throw std::bad_alloc();
    return std::allocator<T>().allocate(count);
  }
  void deallocate(T* memory, std::size_t count) { std::allocator<T>().deallocate(memory, count); }
  template <class U, class... Arguments>
  void construct(U* place, Arguments&&... arguments) {
    if (random->below(4) == 0) throw std::bad_alloc();
    ::new (static_cast<void*>(place)) U(std::forward<Arguments>(arguments)...);
  }
  friend bool operator==(const moody_allocator& a, const moody_allocator& b) {
    return a.random == b.random;
  }
  friend bool operator!=(const moody_allocator& a, const moody_allocator& b) { return !(a == b); }
  random_source* random;
};

enum class kind {
  send,
  send_ref,
  send_all,
  send_all_ref,
  reserve,
  wait_closed,
  receive,
  some,
  some_moody,
  loop
};

struct op {
  kind what;
  int number;
  int owner;  // number of the handle
  int place;  // 0: lives in A; 1: io in A, handler in B; 2: in a strand of B
  asio::cancellation_signal signal;
  bool called = false;
  bool gone = false;  // handler destroyed
  bool cancelled = false;
  bool must_not_take = false;
  bool thrown = false;
  bool begun = false;
  bool stopped = false;  // by its function
  std::vector<int> ids;
  std::vector<letter> kept;  // borrowed values
  std::vector<letter> out;
  std::vector<letter, moody_allocator<letter>> moody_out;
  std::size_t places = 0;
  explicit op(random_source& r) : moody_out(moody_allocator<letter>(r)) {}
  bool open() const { return !called && !gone && !thrown; }
};

template <class Threading>
class world {
  using executor = asio::any_io_executor;
  using sender = sluice::sender<letter, executor, Threading>;
  using receiver = sluice::receiver<letter, executor, Threading>;
  using permit = sluice::permit<letter, Threading>;
  using op_ptr = std::shared_ptr<op>;

  struct tx_handle {
    int number;
    sender tx;
  };
  struct rx_handle {
    int number;
    receiver rx;
  };

 public:
  ~world() {
    depth_ = 99;
    b_going_ = true;
  }
  world(std::size_t capacity, bool memory_runs_out, random_source& r)
      : capacity_(capacity), memory_runs_out_(memory_runs_out), random_(r) {
    fates_.reserve(100000);
    b_ = std::make_unique<asio::io_context>();
    touch(*b_);
    touch(a_);
    auto [tx, rx] =
        sluice::make_channel<letter, executor, Threading>(executor(a_.get_executor()), capacity);
    txs_.push_back({next_handle_++, std::move(tx)});
    rxs_.push_back({next_handle_++, std::move(rx)});
    watcher_ = sluice::weak_sender<letter, executor, Threading>(txs_[0].tx);
  }

  void run(int steps) {
    for (int i = 0; i != steps && !stopped_; ++i) {
      step();
      if (random_.below(12) == 0) settle();
    }
    settle();
    finish();
  }

  std::string trace;

 private:
  /// While something of the library is called there may come a point at which memory runs out.
  class calling {
   public:
    explicit calling(world& w) : world_(w), outer_(w.call_), saved_(heap::countdown) {
      may_fail_ = w.memory_runs_out_ && !w.stopped_ && w.random_.below(3) == 0;
      heap::countdown = may_fail_ ? static_cast<long>(w.random_.below(5)) : -1;
      w.call_ = this;
    }
    calling(const calling&) = delete;
    calling& operator=(const calling&) = delete;
    ~calling() {
      if (has_failed()) world_.has_failed_ = true;
      heap::countdown = saved_;
      world_.call_ = outer_;
    }

    bool may_fail() const { return may_fail_; }
    bool has_failed() const { return may_fail_ && heap::countdown < 0; }

   private:
    world& world_;
    calling* const outer_;
    const long saved_;
    bool may_fail_;
  };

  /// What the test does from inside needs memory.
  class not_calling {
   public:
    not_calling() { heap::countdown = -1; }
    not_calling(const not_calling&) = delete;
    not_calling& operator=(const not_calling&) = delete;
    ~not_calling() { heap::countdown = saved_; }

   private:
    const long saved_ = heap::countdown;
  };

  /// Whether the lack of memory may be an excuse.
  bool excused() const { return has_failed_ || (call_ != nullptr && call_->may_fail()); }

  void note(const std::string& s) {
    trace += s;
    trace += ' ';
  }
  void expect(bool holds, const char* what) {
    if (!holds) throw wrong(what);
  }

  // Handlers --------------------------------------------------------------------------------------
  class base_handler {
   public:
    using cancellation_slot_type = asio::cancellation_slot;
    base_handler(world& w, op_ptr o) : w_(&w), op_(std::move(o)) {}
    base_handler(base_handler&& other) noexcept = default;
    base_handler& operator=(base_handler&&) = delete;
    ~base_handler() {
      if (!op_) return;
      op_->gone = true;
      if (!op_->called) w_->dropped(*op_);
    }
    cancellation_slot_type get_cancellation_slot() const noexcept { return op_->signal.slot(); }

    void operator()(error_code ec) {
      not_calling own;
      auto o = take();
      w_->completed(*o, ec);
      w_->inside();
    }
    void operator()(error_code ec, std::size_t n) {
      not_calling own;
      auto o = take();
      w_->completed_many(*o, ec, n);
      w_->inside();
    }
    void operator()(error_code ec, permit p) {
      not_calling own;
      auto o = take();
      w_->completed_reserve(*o, ec, std::move(p));
      w_->inside();
    }
    void operator()(error_code ec, std::optional<letter> v) {
      not_calling own;
      auto o = take();
      w_->completed_receive(*o, ec, std::move(v));
      w_->inside();
    }

   private:
    op_ptr take() {
      auto o = std::move(op_);
      if (o->called) throw wrong("called twice");
      o->called = true;
      return o;
    }
    world* w_;
    op_ptr op_;
  };

  // Things done from inside something else.
  void inside() {
    if (depth_ >= 3 || random_.below(3) != 0) return;
    ++depth_;
    try {
      action();
    } catch (const wrong& e) {
      if (!failure_) failure_ = e.what();
    }
    --depth_;
  }

  void dropped(op& o) {
    const bool failing = call_ != nullptr && call_->has_failed();
    not_calling own;
    note("d" + std::to_string(o.number));
    if (o.what == kind::loop && o.thrown) return;
    if (failing) return;
    if (o.place == 0 && !failure_)
      failure_ = "dropped though its context lives";
    else if (!b_going_ && !failure_)
      failure_ = "dropped though no context goes";
    inside();
  }

  void completed(op& o, error_code ec) {
    note("c" + std::to_string(o.number) + (ec ? "!" : ""));
    switch (o.what) {
      case kind::send:
      case kind::send_ref:
        sent(o, ec, ec ? 0 : 1);
        break;
      case kind::wait_closed:
        if (!ec)
          expect(closed(), "closers hear of what has not happened");
        else
          expect(ec == asio::error::operation_aborted && (o.cancelled || senders_gone_),
                 "closer aborted");
        break;
      case kind::loop:
        received_end(o, ec, true);
        break;
      default:
        expect(false, "kind");
    }
  }
  void completed_many(op& o, error_code ec, std::size_t n) {
    note("m" + std::to_string(o.number) + ":" + std::to_string(n) + (ec ? "!" : ""));
    if (o.what == kind::send_all || o.what == kind::send_all_ref) return sent(o, ec, n);
    if (o.what == kind::some) {
      expect(o.out.size() == n, "count");
      for (letter& l : o.out) took(o, l);
    } else {
      expect(o.moody_out.size() == n, "count");
      for (letter& l : o.moody_out) took(o, l);
    }
    expect(n == 0 || !ec, "values and an error");
    if (n == 0) received_end(o, ec, false);
  }
  void completed_receive(op& o, error_code ec, std::optional<letter> v) {
    note("r" + std::to_string(o.number) + ":" + (v ? std::to_string(v->id()) : ec ? "!" : "end"));
    if (v) {
      expect(!ec, "value and error");
      took(o, *v);
    } else
      received_end(o, ec, false);
  }
  void completed_reserve(op& o, error_code ec, permit p) {
    note("p" + std::to_string(o.number) + (ec ? "!" : ""));
    if (!ec) {
      expect(p.size() == o.places, "places");
      permits_.push_back(std::move(p));
    } else {
      expect(p.size() == 0, "permit with error");
      if (ec == asio::error::operation_aborted)
        expect(o.cancelled || senders_gone_, "reserve aborted");
      else if (ec == sluice::error::closed)
        expect(closed(), "reserve closed");
      else if (ec == asio::error::operation_not_supported)
        expect(capacity_ == 0, "unsupported");
      else
        expect(ec == asio::error::invalid_argument && o.places > capacity_, "reserve error");
    }
  }

  void sent(op& o, error_code ec, std::size_t accepted) {
    expect(accepted <= o.ids.size(), "too many");
    if (!ec)
      expect(accepted == o.ids.size(), "success is all");
    else {
      if (ec == asio::error::operation_aborted)
        expect(o.cancelled, "send aborted");
      else {
        expect(ec == sluice::error::closed || (excused() && ec == asio::error::no_memory),
               "send error");
        expect(closed() || excused(), "send closed");
      }
      expect(accepted < o.ids.size(), "error but all accepted");
    }
    for (std::size_t i = 0; i != o.ids.size(); ++i) {
      fate& f = fates_[static_cast<std::size_t>(o.ids[i])];
      (i < accepted ? f.accepted : f.failed) = true;
      if (i >= accepted) {
        expect(!f.received && !f.displaced, "received though not sent");
        if (!o.kept.empty()) {
          expect(o.kept[i].id() == o.ids[i], "a value that was not sent was touched");
        } else
          expect(f.destroyed, "an owned value goes with its send");
      } else if (!o.kept.empty())
        expect(o.kept[i].id() == -1, "accepted and still there");
    }
    o.kept.clear();
  }

  void took(op& o, letter& l) {
    expect(!o.must_not_take, "a cancelled receive took a value");
    took_value(l);
  }
  void took_value(letter& l) {
    int id = l.take();
    expect(id >= 0, "nothing in it");
    fate& f = fates_[static_cast<std::size_t>(id)];
    expect(!f.received && !f.displaced && !f.failed && !f.destroyed, "twice");
    expect(!ended_, "a value after the end");
    f.received = true;
    if (f.ordered) {
      expect(id > last_, "order");
      last_ = id;
    }
  }
  void received_end(op& o, error_code ec, bool is_loop) {
    if (!ec) {
      if (is_loop && o.stopped) return;  // stopped by its function
      expect(closed(), "end of an open channel");
      ended_ = true;
      expect(!is_permitted(), "end with permits");
    } else if (ec == asio::error::operation_aborted) {
      expect(o.cancelled || receivers_gone_, "receive aborted");
    } else
      expect(ec == asio::error::no_memory &&
                 (o.what == kind::some_moody || (o.what == kind::some && excused())),
             "receive error");
  }

  bool closed() {
    if (!closed_ && !rxs_.empty() && rxs_[0].rx.is_closed()) closed_ = true;
    if (!closed_ && !txs_.empty() && txs_[0].tx.is_closed()) closed_ = true;
    if (rxs_.empty()) closed_ = true;
    return closed_;
  }
  bool is_permitted() const {
    for (auto& p : permits_)
      if (p.size()) return true;
    return false;
  }

  // Steps -----------------------------------------------------------------------------------------
  void step() {
    if (random_.below(3) == 0)
      poll_one();
    else
      action();
    check();
  }
  void check() {
    if (failure_) throw wrong(*failure_);
  }

  bool poll_one() {
    bool first = random_.coin();
    for (int i = 0; i != 2; ++i) {
      asio::io_context& c = (i == 0) == first ? a_ : *b_;
      c.restart();
      try {
        calling now(*this);
        if (c.poll_one()) return true;
      } catch (const std::logic_error&) {
        return true;
      } catch (const std::bad_alloc&) {
        return true;
      }
    }
    return false;
  }

  int new_id(bool ordered) {
    fates_.emplace_back();
    fates_.back().ordered = ordered;
    return static_cast<int>(fates_.size()) - 1;
  }

  op_ptr new_op(kind k, int owner) {
    auto o = std::make_shared<op>(random_);
    o->what = k;
    o->number = static_cast<int>(ops_.size());
    o->owner = owner;
    o->place = b_going_ ? 0 : static_cast<int>(random_.below(3));
    ops_.push_back(o);
    return o;
  }

  template <class Handle, class Begin>
  void begin(op& o, Handle& handle, op_ptr p, Begin b) {
    try {
      const executor in_strand = o.place == 2 ? strand_b() : executor();
      calling now(*this);
      base_handler h(*this, p);
      if (o.place == 0)
        b(handle, std::move(h));
      else if (o.place == 1)
        b(handle, asio::bind_executor(b_->get_executor(), std::move(h)));
      else
        b(handle, asio::bind_executor(in_strand, std::move(h)));
    } catch (const std::bad_alloc&) {
      expect(p->gone && !p->called, "thrown, and not destroyed");
    }
  }
  /// Makes the services of a context, which Asio cannot do when memory runs out.
  static void touch(asio::io_context& c) {
    auto [t, r] = sluice::make_channel<int>(c, 1);
    r.async_receive([](error_code, std::optional<int>) {});
    r.cancel();
    c.restart();
    c.poll();
  }
  executor strand_b() { return asio::make_strand(b_->get_executor()); }

  sender* a_sender(int& number) {
    if (txs_.empty()) return nullptr;
    auto& h = txs_[random_.below(static_cast<unsigned>(txs_.size()))];
    number = h.number;
    return &h.tx;
  }
  receiver* a_receiver(int& number) {
    if (rxs_.empty()) return nullptr;
    auto& h = rxs_[random_.below(static_cast<unsigned>(rxs_.size()))];
    number = h.number;
    return &h.rx;
  }

  void action() {
    int n = 0;
    switch (random_.below(30)) {
      case 0:
      case 1:
        if (auto* tx = a_sender(n)) {
          letter l(new_id(true), fates_);
          int id = l.id();
          note("try" + std::to_string(id));
          error_code ec;
          {
            calling now(*this);
            ec = tx->try_send(std::move(l));
          }
          fate& f = fates_[static_cast<std::size_t>(id)];
          if (!ec)
            f.accepted = true;
          else {
            expect(l.id() == id, "touched");
            l.take();
            f.failed = true;
            expect((excused() && ec == asio::error::no_memory) || ec == sluice::error::full ||
                       (closed() && ec == sluice::error::closed),
                   "try_send");
          }
        }
        break;
      case 2:
      case 3:
      case 4:
      case 5:
        if (auto* tx = a_sender(n)) {
          bool ref = random_.coin();
          auto o = new_op(ref ? kind::send_ref : kind::send, n);
          int id = new_id(true);
          o->ids.push_back(id);
          note("S" + std::to_string(o->number) + "=" + std::to_string(id));
          if (ref) {
            o->kept.emplace_back(id, fates_);
            begin(*o, *tx, o,
                  [&](auto& t, auto h) { t.async_send(std::ref(o->kept[0]), std::move(h)); });
          } else
            begin(*o, *tx, o,
                  [&](auto& t, auto h) { t.async_send(letter(id, fates_), std::move(h)); });
        }
        break;
      case 6:
      case 7:
        if (auto* tx = a_sender(n)) {
          bool ref = random_.coin();
          auto o = new_op(ref ? kind::send_all_ref : kind::send_all, n);
          std::vector<letter> values;
          for (unsigned i = random_.below(6); i != 0; --i) {
            o->ids.push_back(new_id(true));
            values.emplace_back(o->ids.back(), fates_);
          }
          note("SA" + std::to_string(o->number) + "x" + std::to_string(values.size()));
          if (ref) {
            o->kept = std::move(values);
            begin(*o, *tx, o,
                  [&](auto& t, auto h) { t.async_send_all(std::ref(o->kept), std::move(h)); });
          } else
            begin(*o, *tx, o,
                  [&](auto& t, auto h) { t.async_send_all(std::move(values), std::move(h)); });
        }
        break;
      case 8:
        if (auto* tx = a_sender(n)) {
          letter l(new_id(false), fates_);
          int id = l.id();
          note("F" + std::to_string(id));
          error_code ec;
          std::optional<letter> out;
          {
            calling now(*this);
            auto x = tx->force_send(std::move(l), ec);
            if (x) out.emplace(std::move(*x));
          }
          fate& f = fates_[static_cast<std::size_t>(id)];
          if (out) {
            fate& d = fates_[static_cast<std::size_t>(out->take())];
            expect(!d.received && !d.displaced && !d.failed, "displaced");
            d.displaced = true;
          }
          if (!ec)
            f.accepted = true;
          else {
            expect(l.id() == id, "touched");
            l.take();
            f.failed = true;
            expect((excused() && ec == asio::error::no_memory) || ec == sluice::error::full ||
                       (closed() && ec == sluice::error::closed),
                   "force_send");
          }
        }
        break;
      case 9:
        if (auto* tx = a_sender(n)) {
          error_code ec;
          auto p = tx->try_reserve_many(1 + random_.below(3), ec);
          note("TR");
          if (p) permits_.push_back(std::move(*p));
        }
        break;
      case 10:
      case 11:
        if (auto* tx = a_sender(n)) {
          auto o = new_op(kind::reserve, n);
          o->places = 1 + random_.below(3);
          note("R" + std::to_string(o->number) + "x" + std::to_string(o->places));
          begin(*o, *tx, o,
                [&](auto& t, auto h) { t.async_reserve_many(o->places, std::move(h)); });
        }
        break;
      case 12:
      case 13:
        if (!permits_.empty()) {
          auto i = random_.below(static_cast<unsigned>(permits_.size()));
          permit p = std::move(permits_[i]);
          permits_.erase(permits_.begin() + i);
          if (random_.below(3) == 0) {
            note("PD");
            break;
          }
          letter l(new_id(false), fates_);
          int id = l.id();
          note("PS" + std::to_string(id));
          error_code ec;
          {
            calling now(*this);
            ec = p.send(std::move(l));
          }
          fate& f = fates_[static_cast<std::size_t>(id)];
          if (!ec)
            f.accepted = true;
          else {
            expect(l.id() == id, "touched");
            l.take();
            f.failed = true;
            expect((excused() && ec == asio::error::no_memory) ||
                       (receivers_gone_ && ec == sluice::error::closed),
                   "permit send");
          }
          if (p.size()) permits_.push_back(std::move(p));
        }
        break;
      case 14:
      case 15:
        if (in_function_ == 0)
          if (auto* rx = a_receiver(n)) {
            error_code ec;
            auto v = rx->try_receive(ec);
            note(std::string("T") + (v ? std::to_string(v->id()) : ""));
            if (v)
              took_value(*v);
            else if (ec == sluice::error::closed) {
              expect(closed(), "try closed");
              ended_ = true;
            } else
              expect(ec == sluice::error::empty, "try_receive");
          }
        break;
      case 16:
      case 17:
      case 18:
        if (auto* rx = a_receiver(n)) {
          auto o = new_op(kind::receive, n);
          note("V" + std::to_string(o->number));
          begin(*o, *rx, o, [&](auto& r, auto h) { r.async_receive(std::move(h)); });
        }
        break;
      case 19:
      case 20:
        if (auto* rx = a_receiver(n)) {
          bool moody = random_.coin();
          auto o = new_op(moody ? kind::some_moody : kind::some, n);
          note((moody ? "VM" : "VS") + std::to_string(o->number));
          std::size_t most = 1 + random_.below(4);
          if (moody)
            begin(*o, *rx, o,
                  [&](auto& r, auto h) { r.async_receive_some(o->moody_out, most, std::move(h)); });
          else
            begin(*o, *rx, o,
                  [&](auto& r, auto h) { r.async_receive_some(o->out, most, std::move(h)); });
        }
        break;
      case 21:
      case 22:
        if (auto* rx = a_receiver(n)) {
          auto o = new_op(kind::loop, n);
          note("L" + std::to_string(o->number));
          begin(*o, *rx, o, [&](auto& r, auto h) {
            r.async_for_each([this, o](letter l) { return in_loop(*o, std::move(l)); },
                             std::move(h));
          });
        }
        break;
      case 23:
        if (auto* tx = a_sender(n)) {
          auto o = new_op(kind::wait_closed, n);
          note("W" + std::to_string(o->number));
          begin(*o, *tx, o, [&](auto& t, auto h) { t.async_wait_closed(std::move(h)); });
        }
        break;
      case 24:
      case 25:
      case 26:
        emit();
        break;
      case 27:
        if (random_.below(3) == 0)
          cancel_handle();
        else if (random_.below(20) == 0) {
          note("X");
          closed_ = true;
          if (!txs_.empty() && random_.coin()) {
            calling now(*this);
            txs_[0].tx.close();
          } else if (!rxs_.empty()) {
            calling now(*this);
            rxs_[0].rx.close();
          } else if (!txs_.empty()) {
            calling now(*this);
            txs_[0].tx.close();
          }
        }
        break;
      case 28:
        handles();
        break;
      default:
        if (depth_ == 0 && random_.below(4) == 0) renew_b();
    }
  }

  bool in_loop(op& o, letter l) {
    not_calling own;
    note("f" + std::to_string(o.number) + ":" + std::to_string(l.id()));
    if (o.must_not_take && !failure_) failure_ = "a cancelled loop went on";
    o.begun = true;
    try {
      took_value(l);
    } catch (const wrong& e) {
      if (!failure_) failure_ = e.what();
    }
    ++in_function_;
    inside();
    --in_function_;
    switch (random_.below(12)) {
      case 0:
        o.stopped = true;
        return false;
      case 1:
        o.thrown = true;
        throw std::logic_error("thrown");
      default:
        return true;
    }
  }

  void emit() {
    std::vector<op_ptr> open;
    for (auto& o : ops_)
      if (o->open()) open.push_back(o);
    if (open.empty()) return;
    auto o = open[random_.below(static_cast<unsigned>(open.size()))];
    auto types = {asio::cancellation_type::terminal, asio::cancellation_type::partial,
                  asio::cancellation_type::total};
    auto type = *(types.begin() + random_.below(3));
    note("E" + std::to_string(o->number));
    bool total = type == asio::cancellation_type::total;
    bool effective = !(total && ((o->what == kind::loop && o->begun)));
    if (effective) o->cancelled = true;
    if (effective && (o->what == kind::receive || o->what == kind::loop || o->what == kind::some ||
                      o->what == kind::some_moody))
      o->must_not_take = true;
    {
      calling now(*this);
      o->signal.emit(type);
    }
  }
  void cancel_handle() {
    int n = 0;
    bool s = random_.coin();
    if (s) {
      auto* t = a_sender(n);
      if (!t) return;
      mark(n);
      note("CT");
      {
        calling now(*this);
        t->cancel();
      }
    } else {
      auto* r = a_receiver(n);
      if (!r) return;
      mark(n);
      note("CR");
      {
        calling now(*this);
        r->cancel();
      }
    }
  }
  void mark(int owner) {
    for (auto& o : ops_)
      if (o->open() && o->owner == owner) {
        o->cancelled = true;
        if (o->what == kind::receive || o->what == kind::loop || o->what == kind::some ||
            o->what == kind::some_moody)
          o->must_not_take = true;
      }
  }
  void handles() {
    switch (random_.below(5)) {
      case 0:
        if (!txs_.empty() && txs_.size() < 4) {
          auto c = txs_[0].tx;
          txs_.push_back({next_handle_++, std::move(c)});
          note("+t");
        }
        break;
      case 1:
        if (!rxs_.empty() && rxs_.size() < 4) {
          auto c = rxs_[0].rx;
          rxs_.push_back({next_handle_++, std::move(c)});
          note("+r");
        }
        break;
      case 2:
        if (txs_.size() > 1 || (!txs_.empty() && random_.below(10) == 0)) drop_sender();
        break;
      case 3:
        if (rxs_.size() > 1 || (!rxs_.empty() && random_.below(20) == 0)) drop_receiver();
        break;
      case 4:
        if (txs_.empty()) {
          auto t = watcher_.lock();
          note(t ? "lock" : "nolock");
          if (t) {
            expect(!closed(), "locked");
            txs_.push_back({next_handle_++, std::move(t)});
          }
        }
        break;
    }
  }
  void drop_sender() {
    auto i = random_.below(static_cast<unsigned>(txs_.size()));
    sender t = std::move(txs_[i].tx);
    txs_.erase(txs_.begin() + i);
    note("-t");
    if (txs_.empty()) {
      senders_gone_ = true;
    }
    {
      calling now(*this);
      t = sender();
    }
  }
  void drop_receiver() {
    auto i = random_.below(static_cast<unsigned>(rxs_.size()));
    receiver r = std::move(rxs_[i].rx);
    rxs_.erase(rxs_.begin() + i);
    note("-r");
    if (rxs_.empty()) {
      receivers_gone_ = true;
      closed_ = true;
    }
    {
      calling now(*this);
      r = receiver();
    }
  }
  void renew_b() {
    note("B");
    b_going_ = true;
    {
      calling now(*this);
      b_.reset();
    }
    b_ = std::make_unique<asio::io_context>();
    touch(*b_);
    b_going_ = false;
  }

  // Nothing runs any more: nobody waits for what is there.
  void settle() {
    while (poll_one()) check();
    check();
    note("|\n");
    int receives = 0, sends = 0, reserves = 0, closers = 0;
    std::size_t first_wants = 1;
    bool first_seen = false;
    for (auto& o : ops_) {
      if (!o->open()) continue;
      switch (o->what) {
        case kind::send:
        case kind::send_ref:
        case kind::send_all:
        case kind::send_all_ref:
          expect(!o->cancelled || (o->what != kind::send && o->what != kind::send_ref),
                 "a cancelled send waits");
          ++sends;
          if (!first_seen) {
            first_seen = true;
            first_wants = 1;
          }
          break;
        case kind::reserve:
          expect(!o->cancelled, "a cancelled reservation waits");
          ++reserves;
          if (!first_seen) {
            first_seen = true;
            first_wants = o->places;
          }
          break;
        case kind::wait_closed:
          expect(!o->cancelled, "a cancelled closer waits");
          ++closers;
          break;
        default:
          expect(!o->cancelled, "a cancelled receive waits");
          ++receives;
      }
    }
    std::size_t held = 0;
    for (auto& p : permits_) held += p.size();
    if (txs_.empty()) expect(reserves + closers == 0, "left though the last sender is gone");
    if (rxs_.empty())
      expect(receives + sends + reserves + closers == 0, "left though the last receiver is gone");
    std::size_t size = 0;
    bool is_closed = closed_;
    if (!rxs_.empty()) {
      auto& rx = rxs_[0].rx;
      size = rx.size();
      is_closed = rx.is_closed();
      expect(rx.sender_count() == txs_.size(), "senders");
      expect(rx.receiver_count() == rxs_.size(), "receivers");
      expect(is_closed == (closed_ || (txs_.empty() && sends == 0)), "closed");
      if (is_closed) closed_ = true;
      if (receives) expect(size == 0 && sends == 0, "waits for what is there");
      if (is_closed && held == 0 && size == 0) expect(receives == 0, "waits after the end");
      if (is_closed) expect(sends + reserves + closers == 0, "waits though closed");
      if (sends + reserves && capacity_ != 0) {
        expect(has_failed_ || size + held + first_wants > capacity_,
               "waits for a place that is there");
      }
      expect(reserves == 0 || capacity_ != 0, "reserves");
      if (!is_closed) {
        bool full = capacity_ == 0 ? (receives == 0 || sends != 0)
                                   : (sends + reserves != 0 || size + held >= capacity_);
        expect(has_failed_ || rx.full() == full, "full");
      }
    }
  }

  void finish() {
    stopped_ = true;
    depth_ = 99;
    note("FIN");
    permits_.clear();
    int guard = 0;
    if (!rxs_.empty()) {
      while (!txs_.empty()) {
        txs_.pop_back();
      }
      senders_gone_ = true;
      for (;;) {
        do permits_.clear();
        while (poll_one());
        check();
        error_code ec;
        auto v = rxs_[0].rx.try_receive(ec);
        if (v) {
          took_value(*v);
          continue;
        }
        expect(++guard < 1000, "never ends");
        if (ec == sluice::error::closed) break;
        expect(ec == sluice::error::empty, "at the end");
      }
      while (poll_one()) check();
    } else {
      txs_.clear();
      while (poll_one()) check();
    }
    check();
    closed_ = true;
    bool had = receivers_gone_;
    rxs_.clear();
    for (auto& o : ops_) expect(!o->open(), "never completed");
    watcher_ = {};
    ops_.clear();
    for (std::size_t i = 0; i != fates_.size(); ++i) {
      fate& f = fates_[i];
      if (f.accepted && !had) expect(f.received || f.displaced, "accepted and lost");
      if (f.failed) expect(!f.received && !f.displaced, "failed and received");
      expect(int(f.received) + int(f.displaced) + int(f.failed) + int(f.destroyed) >= 1, "leaked");
    }
  }

  std::optional<std::string> failure_;
  const std::size_t capacity_;
  const bool memory_runs_out_;
  random_source& random_;
  std::vector<fate> fates_;
  asio::io_context a_;
  std::unique_ptr<asio::io_context> b_;
  std::vector<op_ptr> ops_;
  std::vector<permit> permits_;
  std::vector<tx_handle> txs_;
  std::vector<rx_handle> rxs_;
  sluice::weak_sender<letter, executor, Threading> watcher_;
  calling* call_ = nullptr;
  bool has_failed_ = false;
  int next_handle_ = 0;
  int depth_ = 0;
  int in_function_ = 0;
  int last_ = -1;
  bool closed_ = false, ended_ = false, senders_gone_ = false, receivers_gone_ = false,
       b_going_ = false, stopped_ = false;
};

template <class Flavour>
void play(Flavour flavour, bool memory_runs_out) {
  random_source random;
  for (int round = 0; round != 100; ++round) {
    random_source own = random.fork();
    const int steps = 20 + static_cast<int>(own.below(200));
    world<typename Flavour::threading> w(flavour.capacity, memory_runs_out, own);
    try {
      w.run(steps);
    } catch (const wrong& e) {
      BOOST_ERROR(e.what() << ", after this:\n" << w.trace);
      return;
    }
  }
}

}  // namespace

FLAVOUR_TEST_CASE(whatever_happens_each_value_comes_to_one_end, flavours) {
  play(flavour, false);
}

FLAVOUR_TEST_CASE(so_it_does_when_memory_runs_out_once_in_a_while, flavours) {
  play(flavour, true);
}
