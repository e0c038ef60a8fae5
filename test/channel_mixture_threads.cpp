// SPDX-License-Identifier: BSL-1.0
#if !defined(BOOST_TEST_MODULE)
#define BOOST_TEST_MODULE channel_mixture_threads
#endif

// Everything a channel can do, in random order, on several threads: sends of one value and of
// several, permits, receives, batches and loops that stop, throw or are cancelled, contexts that go
// while something waits in one of them or in two. Each value comes to one end, every operation to
// its end, and one consumer sees the values of one producer in their order. A channel that is
// measured, in measured_mixture_threads.cpp, also counts what this program counts.

#include "support/crew.hpp"
#include "support/flavours.hpp"
#include "support/seed.hpp"
#include "support/unit_test.hpp"

#include <sluice/channel.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
// Asio counts the copies of a type-erased executor with a fence, which ThreadSanitizer does not
// know.
extern "C" const char* __tsan_default_suppressions() {
  return "race:boost::asio::execution::detail::shared_target_executor";
}
#endif
#endif

using namespace support;
namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr int threads = 3;
constexpr int most_values = 700;  // per thread

/// What became of each value, and what has gone wrong.
class book {
 public:
  enum end : unsigned char { received = 1, displaced = 2, destroyed = 4, returned = 8 };

  struct entry {
    std::atomic<unsigned char> ends{0};
    std::atomic<bool> accepted{false};
    std::atomic<bool> failed{false};
    bool ordered = false;  // written before it is sent
  };

  void write(int id, end e) {
    if (at(id).ends.fetch_or(e) != 0) complain("a value came to two ends");
  }
  entry& at(int id) { return entries_[static_cast<std::size_t>(id)]; }

  void complain(const char* what) {
    const char* none = nullptr;
    first_.compare_exchange_strong(none, what);
  }
  void expect(bool holds, const char* what) {
    if (!holds) complain(what);
  }
  const char* complaint() const { return first_.load(); }

  std::atomic<bool> receivers_gone{false};
  std::atomic<bool> closing{false};  // somebody has closed, or is about to

 private:
  std::vector<entry> entries_ = std::vector<entry>(std::size_t{threads + 1} * most_values);
  std::atomic<const char*> first_{nullptr};
};

class letter {
 public:
  letter(int id, book& b) noexcept : id_(id), book_(&b) {}
  letter(letter&& other) noexcept : id_(std::exchange(other.id_, -1)), book_(other.book_) {}
  letter& operator=(letter&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(book_, other.book_);
    return *this;
  }
  ~letter() {
    if (id_ != -1) book_->write(id_, book::destroyed);
  }

  int id() const noexcept { return id_; }
  int take(book::end e) {
    const int id = std::exchange(id_, -1);
    if (id == -1)
      book_->complain("nothing was received");
    else
      book_->write(id, e);
    return id;
  }

 private:
  int id_;
  book* book_;
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

enum class kind { send, reserve, wait_closed, receive, some, moody, loop };

#if defined(MIXTURE_IS_MEASURED)
using threading = sluice::measured<>;
#else
using threading = sluice::multi_threaded;
#endif
using sender = sluice::sender<letter, asio::any_io_executor, threading>;
using receiver = sluice::receiver<letter, asio::any_io_executor, threading>;
using weak_sender = sluice::weak_sender<letter, asio::any_io_executor, threading>;
using permit = sluice::permit<letter, threading>;

class actor;

struct operation {
  explicit operation(random_source& r) : moody_out(moody_allocator<letter>(r)) {}

  kind what{};
  asio::cancellation_signal signal;
  bool is_own = true;   // its handler runs on the thread that has begun it
  bool mortal = false;  // it lives in a context that goes
  std::atomic<bool> over{false};
  std::atomic<bool> cancelled{false};  // maybe
  bool must_not_take = false;
  bool thrown = false;
  std::vector<int> ids;
  std::vector<letter> kept;
  std::vector<letter> out;
  std::vector<letter, moody_allocator<letter>> moody_out;
  std::size_t places = 0;
};

using operation_ptr = std::shared_ptr<operation>;

/// Contexts that go in the middle of a round, at any moment.
struct mortal_contexts {
  std::unique_ptr<asio::io_context> contexts[2] = {std::make_unique<asio::io_context>(),
                                                   std::make_unique<asio::io_context>()};
};

class actor {
 public:
  actor(int number, book& b, sender tx, receiver rx, random_source random, bool consumes)
      : book_(b),
        tx_(std::move(tx)),
        rx_(std::move(rx)),
        random_(std::move(random)),
        next_(number * most_values),
        end_(next_ + most_values),
        consumes_(consumes) {
    last_.fill(-1);
  }

  asio::io_context context;

  void set(sender tx, receiver rx) {
    tx_ = std::move(tx);
    rx_ = std::move(rx);
  }
  void close() { tx_.close(); }

  void act(int steps, std::unique_ptr<asio::io_context>* dying, asio::io_context* other) {
    other_ = other;
    const int when = static_cast<int>(random_.below(static_cast<unsigned>(steps)));
    for (int i = 0; i != steps; ++i) {
      if (dying != nullptr && i == when) dying->reset();
      if (random_.below(3) == 0)
        poll();
      else
        step();
    }
    own_.reset();
  }

  void poll() {
    context.restart();
    guarded([&] { context.poll(); });
    if (own_ && random_.coin()) {
      own_->restart();
      guarded([&] { own_->poll(); });
    }
  }

  /// Sends nothing any more, and receives what is there, or leaves.
  void finish(bool leave) {
    finishing_ = true;
    permits_.clear();
    tx_ = sender();
    if (leave || !consumes_)
      rx_ = receiver();
    else {
      auto o = begin_operation(kind::loop);
      rx_.async_for_each(
          [this, o](letter l) {
            took(*o, l);
            return true;
          },
          handler(*this, o));
    }
  }

  void run() {
    context.restart();
    while (!guarded([&] { context.run(); })) context.restart();
    permits_.clear();
  }

  void check() {
    for (auto& o : operations_) book_.expect(o->over, "an operation has not come to its end");
    operations_.clear();
    rx_ = receiver();
  }

  // For those that live in mortal contexts.
  void begin_mortal(asio::io_context& io, asio::io_context& own) {
    const auto ex = own.get_executor();
    for (int i = 0; i != 4; ++i) {
      auto o = begin_operation(kind::receive);
      o->mortal = true;
      o->is_own = false;
      if (consumes_)
        rx_.with_executor(io.get_executor())
            .async_receive(asio::bind_executor(ex, handler(*this, o)));
      else
        o->over = true;
      auto w = begin_operation(kind::wait_closed);
      w->mortal = true;
      w->is_own = false;
      tx_.with_executor(io.get_executor())
          .async_wait_closed(asio::bind_executor(asio::make_strand(own), handler(*this, w)));
    }
  }

 private:
  class handler {
   public:
    using cancellation_slot_type = asio::cancellation_slot;
    handler(actor& a, operation_ptr o) : actor_(&a), operation_(std::move(o)) {}
    handler(handler&&) noexcept = default;
    handler& operator=(handler&&) = delete;
    ~handler() {
      if (operation_) actor_->dropped(*operation_);
    }
    cancellation_slot_type get_cancellation_slot() const noexcept {
      return operation_->is_own ? operation_->signal.slot() : asio::cancellation_slot();
    }
    void operator()(error_code ec) {
      auto o = std::move(operation_);
      actor_->completed(*o, ec);
      o->over = true;
    }
    void operator()(error_code ec, std::size_t n) {
      auto o = std::move(operation_);
      actor_->completed(*o, ec, n);
      o->over = true;
    }
    void operator()(error_code ec, permit p) {
      auto o = std::move(operation_);
      actor_->completed(*o, ec, std::move(p));
      o->over = true;
    }
    void operator()(error_code ec, std::optional<letter> l) {
      auto o = std::move(operation_);
      actor_->completed(*o, ec, std::move(l));
      o->over = true;
    }

   private:
    actor* actor_;
    operation_ptr operation_;
  };

  void dropped(operation& o) {
    book_.expect(o.thrown || o.mortal, "an operation was dropped");
    o.over = true;
  }

  void completed(operation& o, error_code ec) {
    if (o.what == kind::send) return sent(o, ec, ec ? 0 : 1);
    if (o.what == kind::loop) return ended(o, ec);
    if (!ec)
      book_.expect(book_.closing || book_.receivers_gone, "not closed");
    else
      book_.expect(ec == asio::error::operation_aborted, "wait_closed");
  }
  void completed(operation& o, error_code ec, std::size_t n) {
    if (o.what == kind::send) return sent(o, ec, n);
    if (o.what == kind::some) {
      for (letter& l : o.out) took(o, l);
      book_.expect(n == o.out.size(), "n");
    } else {
      for (letter& l : o.moody_out) took(o, l);
      book_.expect(n == o.moody_out.size(), "n");
    }
    if (n == 0)
      ended(o, ec);
    else
      book_.expect(!ec, "values with an error");
  }
  void completed(operation& o, error_code ec, std::optional<letter> l) {
    if (l)
      took(o, *l);
    else
      ended(o, ec);
  }
  void completed(operation& o, error_code ec, permit p) {
    book_.expect(p.size() == (ec ? 0 : o.places), "places");
    // On another thread it goes at once.
    if (o.is_own && !finishing_ && random_.coin()) permits_.push_back(std::move(p));
  }

  void sent(operation& o, error_code ec, std::size_t accepted) {
    book_.expect((accepted == o.ids.size()) == !ec, "accepted");
    if (ec == asio::error::operation_aborted)
      book_.expect(o.cancelled, "not cancelled");
    else if (ec)
      book_.expect(ec == sluice::error::closed && (book_.closing || book_.receivers_gone),
                   "send failed");
    for (std::size_t i = 0; i != o.ids.size(); ++i) {
      auto& entry = book_.at(o.ids[i]);
      if (i < accepted) {
        entry.accepted = true;
        if (!o.kept.empty()) book_.expect(o.kept[i].id() == -1, "not moved from");
      } else {
        entry.failed = true;
        if (!o.kept.empty()) {
          book_.expect(o.kept[i].id() == o.ids[i], "moved from though not accepted");
          o.kept[i].take(book::returned);
        } else
          book_.expect(entry.ends == book::destroyed, "not destroyed");
      }
    }
  }

  void took(operation& o, letter& l) {
    book_.expect(!o.must_not_take, "a cancelled receive took a value");
    took_value(l, o.is_own);
  }
  void took_value(letter& l, bool is_own) {
    const int id = l.take(book::received);
    if (id < 0) return;
    if (book_.at(id).ordered && is_alone && is_own) {
      int& last = last_[static_cast<std::size_t>(id / most_values)];
      book_.expect(id > last, "out of order");
      last = id;
    }
  }
  void ended(operation& o, error_code ec) {
    if (!ec) return;
    if (ec == asio::error::operation_aborted)
      book_.expect(o.cancelled || book_.receivers_gone, "receive aborted");
    else
      book_.expect(ec == asio::error::no_memory && o.what == kind::moody, "receive failed");
  }

  template <class F>
  bool guarded(F f) {
    try {
      f();
      return true;
    } catch (const std::logic_error&) {
      return false;
    }
  }

  operation_ptr begin_operation(kind k) {
    auto o = std::make_shared<operation>(random_);
    o->what = k;
    operations_.push_back(o);
    return o;
  }

  // Where its handler runs: here, in a strand, in a context of our own that goes, or in the next
  // one's.
  template <class Handle, class Begin>
  void begin(Handle& handle, const operation_ptr& o, Begin b, bool anywhere = true) {
    if (!own_) own_.emplace();
    Handle h = handle;
    const unsigned where = random_.below(anywhere ? 6 : 3);
    const bool through_copy = random_.below(3) == 0;
    switch (where) {
      case 0:
      case 1:
        return b(handle, handler(*this, o));
      case 2:
        return b(handle, asio::bind_executor(asio::make_strand(context), handler(*this, o)));
      case 3:
        o->mortal = true;
        {
          auto e = handle.with_executor(asio::any_io_executor(own_->get_executor()));
          return b(through_copy ? e : handle,
                   asio::bind_executor(own_->get_executor(), handler(*this, o)));
        }
      case 4:
        o->mortal = true;
        {
          auto e = handle.with_executor(asio::any_io_executor(own_->get_executor()));
          return b(e, asio::bind_executor(context.get_executor(), handler(*this, o)));
        }
      default: {
        if (other_ == nullptr) return b(handle, handler(*this, o));
        o->is_own = false;
        return b(handle, asio::bind_executor(other_->get_executor(), handler(*this, o)));
      }
    }
  }

  letter next(bool ordered) {
    book_.at(next_).ordered = ordered;
    return letter(next_++, book_);
  }

  void step() {
    switch (random_.below(24)) {
      case 0:
      case 1:
        if (next_ != end_) {
          letter l = next(true);
          const int id = l.id();
          if (tx_.try_send(std::move(l)))
            refused(l);
          else
            accepted(id);
        }
        break;
      case 2:
      case 3:
      case 4:
        if (next_ != end_) {
          auto o = begin_operation(kind::send);
          letter l = next(true);
          o->ids.push_back(l.id());
          if (random_.coin()) {
            o->kept.push_back(std::move(l));
            begin(
                tx_, o,
                [&](auto& tx, auto h) { tx.async_send(std::ref(o->kept[0]), std::move(h)); },
                false);
          } else
            begin(tx_, o, [&](auto& tx, auto h) { tx.async_send(std::move(l), std::move(h)); });
        }
        break;
      case 5:
      case 6:
        if (end_ - next_ > 6) {
          auto o = begin_operation(kind::send);
          std::vector<letter> values;
          for (unsigned i = random_.below(6); i != 0; --i) {
            values.push_back(next(true));
            o->ids.push_back(values.back().id());
          }
          if (values.empty()) {
            o->over = true;
            break;
          }
          if (random_.coin()) {
            o->kept = std::move(values);
            begin(
                tx_, o,
                [&](auto& tx, auto h) { tx.async_send_all(std::ref(o->kept), std::move(h)); },
                false);
          } else
            begin(tx_, o,
                  [&](auto& tx, auto h) { tx.async_send_all(std::move(values), std::move(h)); });
        }
        break;
      case 7:
        if (next_ != end_) {
          letter l = next(false);
          const int id = l.id();
          error_code ec;
          auto out = tx_.force_send(std::move(l), ec);
          if (out) out->take(book::displaced);
          if (ec)
            refused(l);
          else
            accepted(id);
        }
        break;
      case 8: {
        error_code ec;
        if (auto p = tx_.try_reserve_many(1 + random_.below(2), ec))
          permits_.push_back(std::move(*p));
      } break;
      case 9:
      case 10: {
        auto o = begin_operation(kind::reserve);
        o->places = 1 + random_.below(2);
        if (tx_.capacity() < o->places) {
          o->over = true;
          break;
        }
        begin(tx_, o, [&](auto& tx, auto h) { tx.async_reserve_many(o->places, std::move(h)); });
        break;
      }
      case 11:
      case 12:
      case 13:
        if (!permits_.empty()) {
          permit p = std::move(permits_.back());
          permits_.pop_back();
          if (random_.coin() || next_ == end_) break;
          letter l = next(false);
          const int id = l.id();
          if (p.send(std::move(l)))
            refused(l);
          else
            accepted(id);
          if (p) permits_.push_back(std::move(p));
        }
        break;
      case 14:
      case 15:
      case 16:
      case 17:
      case 18:
        if (consumes_) receive();
        break;
      case 19:
      case 20:
        emit();
        break;
      case 21:
        if (random_.below(4) == 0) {
          for (auto& o : operations_)
            if (!o->over) o->cancelled = true;
          if (random_.coin())
            tx_.cancel();
          else
            rx_.cancel();
        }
        break;
      case 22:
        if (random_.coin()) {
          if (!finishing_) {
            sender t = tx_;
            tx_ = std::move(t);
          }
        } else {
          receiver r = rx_;
          rx_ = std::move(r);
        }
        break;
      case 23:
        if (random_.below(2) == 0) {
          own_.reset();
        } else {
          static_cast<void>(rx_.size() + tx_.full());
        }
        break;
    }
  }
  void accepted(int id) { book_.at(id).accepted = true; }
  void refused(letter& l) {
    book_.at(l.id()).failed = true;
    l.take(book::returned);
  }

  void receive() {
    switch (random_.below(6)) {
      case 0:
        if (auto l = rx_.try_receive()) took_value(*l, true);
        break;
      case 1:
      case 2: {
        auto o = begin_operation(kind::receive);
        begin(rx_, o, [&](auto& rx, auto h) { rx.async_receive(std::move(h)); }, !is_alone);
        break;
      }
      case 3: {
        auto o = begin_operation(kind::some);
        begin(
            rx_, o,
            [&](auto& rx, auto h) {
              rx.async_receive_some(o->out, 1 + random_.below(4), std::move(h));
            },
            false);
        break;
      }
      case 4: {
        auto o = begin_operation(kind::moody);
        begin(
            rx_, o,
            [&](auto& rx, auto h) {
              rx.async_receive_some(o->moody_out, 1 + random_.below(4), std::move(h));
            },
            false);
        break;
      }
      default: {
        auto o = begin_operation(kind::loop);
        begin(
            rx_, o,
            [&](auto& rx, auto h) {
              rx.async_for_each(
                  [this, o](letter l) {
                    took(*o, l);
                    switch (random_.below(10)) {
                      case 0:
                        return false;
                      case 1:
                        o->thrown = true;
                        throw std::logic_error("stop");
                      case 2:
                        emit();
                        return true;
                      case 3:
                        if (next_ != end_) {
                          letter n = next(true);
                          const int id = n.id();
                          if (tx_.try_send(std::move(n)))
                            refused(n);
                          else
                            accepted(id);
                        }
                        return true;
                      default:
                        return true;
                    }
                  },
                  std::move(h));
            },
            false);
      }
    }
  }

  void emit() {
    if (operations_.empty() || finishing_) return;
    auto o = operations_[operations_.size() - 1 -
                         random_.below(
                             static_cast<unsigned>(std::min<std::size_t>(operations_.size(), 12)))];
    if (o->over || !o->is_own) return;
    o->cancelled = true;
    if (o->what == kind::receive || o->what == kind::some || o->what == kind::moody ||
        o->what == kind::loop)
      o->must_not_take = true;
    o->signal.emit(random_.coin() ? asio::cancellation_type::terminal
                                  : asio::cancellation_type::partial);
  }

  book& book_;
  sender tx_;
  receiver rx_;
  random_source random_;
  int next_;
  const int end_;
  const bool consumes_;
  asio::io_context* other_ = nullptr;
  std::optional<asio::io_context> own_;
  std::vector<operation_ptr> operations_;
  std::vector<permit> permits_;
  std::array<int, threads> last_;
  bool finishing_ = false;

 public:
  bool is_alone = false;
};

#if defined(MIXTURE_IS_MEASURED)

/// Looks at a channel while it is used: what was counted once is not taken back.
void watch(const weak_sender& channel, const std::atomic<int>& acting, book& b) {
  sluice::channel_metrics before;
  while (acting != 0) {
    const sluice::channel_metrics now = channel.metrics();
    b.expect(now.accepted == now.received + now.displaced + now.destroyed + now.buffered, "sum");
    b.expect(now.accepted >= before.accepted, "fewer were accepted");
    b.expect(now.received >= before.received, "fewer were received");
    b.expect(now.displaced >= before.displaced, "fewer were displaced");
    b.expect(now.most_buffered >= before.most_buffered, "most_buffered");
    b.expect(now.buffered <= now.most_buffered, "buffered");
    before = now;
    std::this_thread::yield();
  }
}

/// All that was sent has come to its end.
void compare(const sluice::channel_metrics& counted, book& b, int ids) {
  sluice::channel_metrics m;
  std::uint64_t maybe_destroyed = 0;
  for (int id = 0; id != ids; ++id) {
    const auto& entry = b.at(id);
    if (entry.ends == book::received) ++m.received;
    if (entry.ends == book::displaced) ++m.displaced;
    if (entry.ends != book::destroyed || entry.failed) continue;
    // Of a send that was dropped with its context nobody has heard what it came to.
    ++(entry.accepted ? m.destroyed : maybe_destroyed);
  }
  BOOST_TEST(counted.received == m.received);
  BOOST_TEST(counted.displaced == m.displaced);
  BOOST_TEST(counted.destroyed >= m.destroyed);
  BOOST_TEST(counted.destroyed <= m.destroyed + maybe_destroyed);
  BOOST_TEST(counted.buffered == 0u);
  BOOST_TEST(counted.accepted == counted.received + counted.displaced + counted.destroyed);
  std::uint64_t timed = 0;
  for (const std::uint64_t count : counted.times.counts) timed += count;
  BOOST_TEST(timed == m.received);
}

#endif

}  // namespace

FLAVOUR_TEST_CASE(D1_D2_D6_whatever_happens_on_several_threads, threaded_flavours) {
  random_source random;
  for (int round = 0; round != 60; ++round) {
    book b;
    const bool alone = random.below(3) == 0;
    const bool leaves = random.below(4) == 0;
    const bool closes = random.below(4) == 0;
    const int steps = 20 + static_cast<int>(random.below(100));
    std::optional<mortal_contexts> mortals(std::in_place);
    auto [tx, rx] = sluice::make_channel<letter, asio::any_io_executor, threading>(
        asio::system_executor(), flavour.capacity);
    std::vector<std::unique_ptr<actor>> actors;
    for (int i = 0; i != threads; ++i) {
      auto a = std::make_unique<actor>(i, b, sender(), receiver(), random.fork(), !alone || i == 0);
      a->set(tx.with_executor(asio::any_io_executor(a->context.get_executor())),
             rx.with_executor(asio::any_io_executor(a->context.get_executor())));
      a->is_alone = alone;
      actors.push_back(std::move(a));
    }
    actors[2]->begin_mortal(*mortals->contexts[0], *mortals->contexts[1]);
    [[maybe_unused]] const weak_sender known(tx);
    tx = {};
    rx = {};
    std::atomic<int> acting{threads};
    crew c;
#if defined(MIXTURE_IS_MEASURED)
    c.add([&] { watch(known, acting, b); });
#endif
    for (int i = 0; i != threads; ++i) {
      c.add([&, i] {
        actor& a = *actors[static_cast<std::size_t>(i)];
        a.act(steps, i < 2 ? &mortals->contexts[i] : nullptr,
              alone ? nullptr : &actors[static_cast<std::size_t>((i + 1) % threads)]->context);
        if (closes && i == 0) {
          b.closing = true;
          a.close();
        }
        if (leaves) b.receivers_gone = true;
        // From now on nobody begins what runs in another one's context.
        --acting;
        while (acting != 0) {
          a.poll();
          std::this_thread::yield();
        }
        b.closing = true;
        a.finish(leaves);
        a.run();
      });
    }
    c.run();
    // What was left for the others.
    for (auto& a : actors) a->run();
    for (auto& a : actors) a->check();
    actors.clear();
    mortals.reset();
#if defined(MIXTURE_IS_MEASURED)
    compare(known.metrics(), b, threads * most_values);
#endif
    for (int id = 0; id != threads * most_values; ++id) {
      auto& entry = b.at(id);
      const bool had_end = entry.ends != 0;
      if (entry.accepted || entry.failed) b.expect(had_end, "a value is lost");
      if (entry.accepted && !leaves)
        b.expect(entry.ends == book::received || entry.ends == book::displaced,
                 "an accepted value was not received");
      if (entry.failed)
        b.expect(entry.ends == book::returned || entry.ends == book::destroyed,
                 "a value was not sent, and received");
    }
    if (b.complaint() != nullptr) {
      BOOST_ERROR(b.complaint() << " in round " << round);
      return;
    }
  }
}
