// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE value_destructors

// Values whose destructors call back, at each place where the library destroys one: they use every
// function there is, close, or let all handles go (K6). And what else of the user's is destroyed
// with an operation: functions, predicates, allocators. (Handlers are in
// conformance/destructors.cpp, and more about channels in channel_destructors.cpp.)

#include "conformance/handles.hpp"
#include "support/broadcasts.hpp"
#include "support/probe.hpp"
#include "support/unit_test.hpp"

#include <sluice/broadcast.hpp>
#include <sluice/channel.hpp>
#include <sluice/oneshot.hpp>
#include <sluice/watch.hpp>

#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <new>
#include <stdexcept>
#include <tuple>
#include <utility>
#include <vector>

using namespace support;

namespace {

/// What a destructor does.
enum class deed { use, close, let_go };

/// Does something to two ends, but not while it does it.
template <class Ends>
class last_deed {
 public:
  last_deed(Ends& ends, deed what) noexcept : ends_(&ends), what_(what) {}

  void operator()() {
    ++calls_;
    if (busy_) return;
    busy_ = true;
    if (what_ == deed::use) ends_->use();
    if (what_ == deed::close) ends_->close();
    if (what_ == deed::let_go) {
      ends_->tx = {};
      ends_->rx = {};
    }
    busy_ = false;
  }

  int calls() const noexcept { return calls_; }

 private:
  Ends* ends_;
  deed what_;
  bool busy_ = false;
  int calls_ = 0;
};

/// Where things happen.
template <class Ends>
struct stage {
  explicit stage(deed what) : ends(context, received), does(ends, what) {
    office.at_destruction = [this] { does(); };
  }
  stage(const stage&) = delete;
  stage& operator=(const stage&) = delete;

  ~stage() {
    office.at_destruction = nullptr;
    ends.tx = {};
    ends.rx = {};
    run_ready(context);
  }

  letter value(int id = 1) { return letter(id, office); }

  letter::office office;
  asio::io_context context;
  std::vector<letter> received;
  Ends ends;
  last_deed<Ends> does;
};

/// Plays a scene once for each deed. Something is destroyed in it, and nothing is left in the end.
template <class Ends, class Scene>
void play(Scene scene) {
  for (const deed what : {deed::use, deed::close, deed::let_go}) {
    stage<Ends> on(what);
    scene(on);
    BOOST_TEST(on.does.calls() > 0);
    on.office.at_destruction = nullptr;
    on.ends.tx = {};
    on.ends.rx = {};
    run_ready(on.context);
    on.received.clear();
    BOOST_TEST(on.office.alive == 0);
  }
}

// The ends of each primitive ----------------------------------------------------------------------

template <std::size_t Capacity>
struct channel_ends {
  channel_ends(asio::io_context& context, std::vector<letter>& out) : received(out) {
    std::tie(tx, rx) = sluice::make_channel<letter>(context, Capacity);
  }

  void use() {
    if (tx) {
      error_code ec;
      static_cast<void>(tx.try_send(letter(90)));
      static_cast<void>(tx.force_send(letter(91), ec));
      static_cast<void>(tx.try_reserve(ec));
      tx.async_send(letter(92), asio::detached);
      tx.async_reserve(asio::detached);
      tx.async_wait_closed(asio::detached);
      tx.cancel();
    }
    if (rx) {
      static_cast<void>(rx.try_receive());
      rx.async_receive(asio::detached);
      rx.async_receive_some(received, 4, asio::detached);
      rx.cancel();
    }
    static_cast<void>(tx.size() + rx.size());
  }
  void close() { tx ? tx.close() : rx.close(); }

  std::vector<letter>& received;
  sluice::sender<letter> tx;
  sluice::receiver<letter> rx;
};

struct oneshot_ends {
  oneshot_ends(asio::io_context& context, std::vector<letter>&) {
    std::tie(tx, rx) = sluice::make_oneshot<letter>(context);
  }

  void use() {
    static_cast<void>(tx.send(letter(90)));
    static_cast<void>(tx.is_closed());
    static_cast<void>(rx.try_receive());
    if (tx) tx.async_wait_closed(asio::detached);
    if (rx) rx.async_receive(asio::detached);
    tx.cancel();
    rx.cancel();
  }
  void close() { rx.close(); }

  sluice::oneshot_sender<letter> tx;
  sluice::oneshot_receiver<letter> rx;
};

struct lagging_ends {
  lagging_ends(asio::io_context& context, std::vector<letter>&)
      : tx(context, 2), rx(tx.subscribe()) {}

  void use() {
    tx.send(letter(90));
    auto subscriber = tx.subscribe();
    tx.send(letter(91));
    static_cast<void>(subscriber.try_receive());
    static_cast<void>(rx.try_receive());
    if (rx) rx.async_receive(asio::detached);
    if (tx) tx.async_wait_closed(asio::detached);
    tx.cancel();
    rx.cancel();
  }
  void close() { tx.close(); }

  sluice::broadcast_sender<letter> tx;
  sluice::broadcast_receiver<letter> rx;
};

struct lossless_ends {
  lossless_ends(asio::io_context& context, std::vector<letter>&)
      : tx(context, 2), rx(tx.subscribe()) {}

  void use() {
    static_cast<void>(tx.try_send(letter(90)));
    auto subscriber = tx.subscribe();
    if (tx) tx.async_send(letter(91), asio::detached);
    static_cast<void>(subscriber.try_receive());
    static_cast<void>(rx.try_receive());
    if (rx) rx.async_receive(asio::detached);
    tx.cancel();
    rx.cancel();
  }
  void close() { tx.close(); }

  sluice::lossless_broadcast_sender<letter> tx;
  sluice::broadcast_receiver<letter> rx;
};

struct watch_ends {
  watch_ends(asio::io_context& context, std::vector<letter>&)
      : tx(context, letter(0)), rx(tx.subscribe()) {}

  void use() {
    tx.send(letter(90));
    tx.send_modify([](letter& value) { value = letter(91); });
    static_cast<void>(tx.borrow());
    if (rx) static_cast<void>(rx.borrow_and_update());
    auto watcher = tx.subscribe();
    if (rx) rx.async_changed(asio::detached);
    if (rx) rx.async_wait_for([](const letter& value) { return value.id() == 1; }, asio::detached);
    tx.cancel();
    rx.cancel();
  }
  void close() { tx.close(); }

  sluice::watch_sender<letter> tx;
  sluice::watch_receiver<letter> rx;
};

}  // namespace

// Channels ----------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(K6_values_of_a_channel_may_call_back_where_they_are_received) {
  play<channel_ends<3>>([](auto& on) {
    for (int i = 0; i != 3; ++i) static_cast<void>(on.ends.tx.try_send(on.value(i)));
    on.ends.rx.async_receive(asio::detached);
    run_ready(on.context);
    static_cast<void>(on.ends.rx.try_receive());
    static_cast<void>(on.ends.rx.try_receive());
  });
  // In a batch: of those that it has in hand, too, if the last receiver goes meanwhile.
  play<channel_ends<3>>([](auto& on) {
    for (int i = 0; i != 3; ++i) static_cast<void>(on.ends.tx.try_send(on.value(i)));
    on.ends.rx.async_for_each([](letter) {}, asio::detached);
    run_ready(on.context);
  });
  play<channel_ends<3>>([](auto& on) {
    for (int i = 0; i != 3; ++i) static_cast<void>(on.ends.tx.try_send(on.value(i)));
    std::vector<letter> out;
    on.ends.rx.async_receive_some(out, 3, asio::detached);
    run_ready(on.context);
    out.clear();
    on.ends.rx = {};
  });
}

BOOST_AUTO_TEST_CASE(K6_values_of_a_channel_may_call_back_where_they_are_not_received) {
  // With the last receiver, those in the buffer and those of pending sends.
  play<channel_ends<2>>([](auto& on) {
    for (int i = 0; i != 4; ++i) on.ends.tx.async_send(on.value(i), asio::detached);
    on.ends.rx = {};
    run_ready(on.context);
  });
  // When sends are cancelled.
  play<channel_ends<0>>([](auto& on) {
    for (int i = 0; i != 3; ++i) on.ends.tx.async_send(on.value(i), asio::detached);
    std::vector<letter> values;
    values.push_back(on.value(3));
    values.push_back(on.value(4));
    on.ends.tx.async_send_all(std::move(values), asio::detached);
    on.ends.tx.cancel();
    run_ready(on.context);
  });
  // When it is closed.
  play<channel_ends<0>>([](auto& on) {
    for (int i = 0; i != 3; ++i) on.ends.tx.async_send(on.value(i), asio::detached);
    on.ends.tx.close();
    run_ready(on.context);
    // On an empty handle it would complete on a thread of the system's.
    if (on.ends.tx) on.ends.tx.async_send(on.value(3), asio::detached);
    run_ready(on.context);
  });
  // When their context goes.
  play<channel_ends<0>>([](auto& on) {
    auto doomed = std::make_unique<asio::io_context>();
    auto tx = on.ends.tx.with_executor(doomed->get_executor());
    for (int i = 0; i != 3; ++i) tx.async_send(on.value(i), asio::detached);
    tx = {};
    doomed.reset();
  });
  // When another one takes their place.
  play<channel_ends<1>>([](auto& on) {
    static_cast<void>(on.ends.tx.try_send(on.value()));
    error_code ec;
    on.ends.tx.force_send(letter(2), ec).reset();
  });
}

// Oneshots ----------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(K6_the_value_of_a_oneshot_may_call_back) {
  play<oneshot_ends>([](auto& on) {
    BOOST_TEST(!on.ends.tx.send(on.value()));
    on.ends.rx = {};
  });
  play<oneshot_ends>([](auto& on) {
    on.ends.rx.async_receive(asio::detached);
    BOOST_TEST(!on.ends.tx.send(on.value()));
    run_ready(on.context);
  });
  play<oneshot_ends>([](auto& on) {
    BOOST_TEST(!on.ends.tx.send(on.value()));
    static_cast<void>(on.ends.rx.try_receive());
  });
  // The receive that was promised it goes with its context, and then the receiver.
  play<oneshot_ends>([](auto& on) {
    auto doomed = std::make_unique<asio::io_context>();
    auto rx = std::move(on.ends.rx).with_executor(doomed->get_executor());
    rx.async_receive(asio::detached);
    BOOST_TEST(!on.ends.tx.send(on.value()));
    doomed.reset();
    rx = {};
  });
}

// Broadcasts --------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(K6_messages_of_a_broadcast_may_call_back) {
  // Overtaken ones.
  play<lagging_ends>([](auto& on) {
    for (int i = 0; i != 6; ++i) on.ends.tx.send(on.value(i));
  });
  // With the only subscriber that has not read them.
  play<lagging_ends>([](auto& on) {
    for (int i = 0; i != 2; ++i) on.ends.tx.send(on.value(i));
    on.ends.rx = {};
  });
  // Those that nobody is to see.
  play<lagging_ends>([](auto& on) {
    on.ends.rx = {};
    on.ends.tx.send(on.value());
  });
  // Received ones: a copy, and then the message itself.
  play<lagging_ends>([](auto& on) {
    auto other = on.ends.tx.subscribe();
    for (int i = 0; i != 2; ++i) on.ends.tx.send(on.value(i));
    on.ends.rx.async_receive(asio::detached);
    other.async_receive(asio::detached);
    run_ready(on.context);
    static_cast<void>(on.ends.rx.try_receive());
    static_cast<void>(other.try_receive());
  });
  // One that is overtaken while it is copied.
  play<lagging_ends>([](auto& on) {
    auto other = on.ends.tx.subscribe();
    for (int i = 0; i != 2; ++i) on.ends.tx.send(on.value(i));
    on.office.at_copy = [&on] {
      on.office.at_copy = nullptr;
      for (int i = 2; i != 5; ++i) on.ends.tx.send(on.value(i));
      throw std::runtime_error("a copy that fails");
    };
    static_cast<void>(other.try_receive());
    on.office.at_copy = nullptr;
  });
}

BOOST_AUTO_TEST_CASE(K6_messages_of_a_lossless_broadcast_may_call_back) {
  // When sends are cancelled.
  play<lossless_ends>([](auto& on) {
    for (int i = 0; i != 4; ++i) on.ends.tx.async_send(on.value(i), asio::detached);
    on.ends.tx.cancel();
    run_ready(on.context);
  });
  // When the last subscriber goes: those in it, and those that then are sent to nobody.
  play<lossless_ends>([](auto& on) {
    for (int i = 0; i != 4; ++i) on.ends.tx.async_send(on.value(i), asio::detached);
    on.ends.rx = {};
    run_ready(on.context);
  });
  // When it is closed.
  play<lossless_ends>([](auto& on) {
    for (int i = 0; i != 4; ++i) on.ends.tx.async_send(on.value(i), asio::detached);
    on.ends.tx.close();
    run_ready(on.context);
  });
  // When their context goes.
  play<lossless_ends>([](auto& on) {
    auto doomed = std::make_unique<asio::io_context>();
    auto tx = on.ends.tx.with_executor(doomed->get_executor());
    for (int i = 0; i != 4; ++i) tx.async_send(on.value(i), asio::detached);
    tx = {};
    doomed.reset();
  });
  // When they are received.
  play<lossless_ends>([](auto& on) {
    for (int i = 0; i != 4; ++i) on.ends.tx.async_send(on.value(i), asio::detached);
    for (int i = 0; i != 4; ++i) static_cast<void>(on.ends.rx.try_receive());
    run_ready(on.context);
  });
}

// Watches -----------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(K6_values_of_a_watch_may_call_back) {
  // Replaced ones.
  play<watch_ends>([](auto& on) {
    for (int i = 0; i != 3; ++i) on.ends.tx.send(on.value(i));
  });
  play<watch_ends>([](auto& on) {
    on.ends.tx.send(on.value());
    static_cast<void>(on.ends.tx.send_replace(letter(2)));
  });
  play<watch_ends>([](auto& on) {
    on.ends.tx.send(on.value());
    on.ends.tx.send_modify([](letter& value) { value = letter(3); });
  });
  // The copy that a modifier does not want, and the one that it throws away.
  play<watch_ends>([](auto& on) {
    on.ends.tx.send(on.value());
    static_cast<void>(on.ends.tx.send_if_modified([](letter&) { return false; }));
    BOOST_CHECK_NO_THROW(on.ends.tx.send(letter(1)));
  });
  play<watch_ends>([](auto& on) {
    on.ends.tx.send(on.value());
    const auto failing = [](letter&) { throw std::runtime_error("a modifier that fails"); };
    BOOST_CHECK_THROW(on.ends.tx.send_modify(failing), std::runtime_error);
  });
  // One that comes too late.
  play<watch_ends>([](auto& on) {
    on.ends.tx.close();
    on.ends.tx.send(on.value());
  });
  // The last one, with the last handle, or with who holds it.
  play<watch_ends>([](auto& on) {
    on.ends.tx.send(on.value());
    on.ends.tx = {};
    on.ends.rx = {};
  });
  play<watch_ends>([](auto& on) {
    on.ends.tx.send(on.value());
    auto held = on.ends.rx.borrow();
    on.ends.tx.send(letter(2));
    held.reset();
  });
  // One that a predicate has looked at, and that was replaced meanwhile.
  play<watch_ends>([](auto& on) {
    on.ends.tx.send(on.value());
    on.ends.rx.async_wait_for(
        [&on](const letter& value) {
          if (value.id() == 1) on.ends.tx.send(letter(2));
          return value.id() == 2;
        },
        asio::detached);
    run_ready(on.context);
    on.ends.tx.send(letter(3));
    run_ready(on.context);
  });
}

// What else is destroyed with an operation --------------------------------------------------------

namespace {

/// Says when it is destroyed, unless it was moved from.
class farewell {
 public:
  explicit farewell(std::function<void()>& say) noexcept : say_(&say) {}
  farewell(const farewell& other) noexcept = default;
  farewell(farewell&& other) noexcept : say_(std::exchange(other.say_, nullptr)) {}
  farewell& operator=(const farewell&) = delete;

  ~farewell() {
    if (say_ != nullptr) (*say_)();
  }

 private:
  std::function<void()>* say_;
};

/// An allocator that is asked, copied and destroyed wherever the library likes.
template <class T>
struct farewell_allocator {
  using value_type = T;

  explicit farewell_allocator(const farewell& f) noexcept : last(f) {}
  template <class U>
  farewell_allocator(const farewell_allocator<U>& other) noexcept : last(other.last) {}

  T* allocate(std::size_t count) { return std::allocator<T>().allocate(count); }
  void deallocate(T* memory, std::size_t count) { std::allocator<T>().deallocate(memory, count); }

  template <class U>
  friend bool operator==(const farewell_allocator&, const farewell_allocator<U>&) noexcept {
    return true;
  }
  template <class U>
  friend bool operator!=(const farewell_allocator&, const farewell_allocator<U>&) noexcept {
    return false;
  }

  farewell last;
};

struct allocating_handler {
  using allocator_type = farewell_allocator<int>;
  allocator_type get_allocator() const noexcept { return allocator_type(last); }
  template <class... Results>
  void operator()(error_code, Results&&...) {}

  farewell last;
};

/// Plays a scene with each deed and each way an operation ends; `begin(on, say)` begins it.
template <class Ends, class Begin>
void end_in_each_way(Begin begin) {
  for (const deed what : {deed::use, deed::close, deed::let_go}) {
    for (int way = 0; way != 4; ++way) {
      auto doomed = std::make_unique<asio::io_context>();
      stage<Ends> on(what);
      std::function<void()> say = [&on] { on.does(); };
      on.ends.rx = conformance::with_executor(on.ends.rx, doomed->get_executor());
      begin(on, say);
      run_ready(*doomed);
      if (way == 0) on.ends.tx.close();
      if (way == 1) on.ends.rx.cancel();
      if (way == 2) on.ends.rx = {};
      if (way != 3) run_ready(*doomed);
      on.ends.rx = {};
      doomed.reset();
      run_ready(on.context);
      BOOST_TEST(on.does.calls() > 0);
    }
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(K6_the_function_of_a_loop_may_call_back_when_it_is_destroyed) {
  end_in_each_way<channel_ends<3>>([](auto& on, auto& say) {
    static_cast<void>(on.ends.tx.try_send(letter(1)));
    on.ends.rx.async_for_each([last = farewell(say)](letter) {}, asio::detached);
  });
}

BOOST_AUTO_TEST_CASE(K6_a_predicate_may_call_back_when_it_is_destroyed) {
  end_in_each_way<watch_ends>([](auto& on, auto& say) {
    on.ends.rx.async_wait_for([last = farewell(say)](const letter&) { return false; },
                              asio::detached);
  });
}

BOOST_AUTO_TEST_CASE(K6_an_allocator_may_call_back_when_it_is_destroyed) {
  const auto receive = [](auto& on, auto& say) {
    on.ends.rx.async_receive(allocating_handler{farewell(say)});
  };
  end_in_each_way<channel_ends<3>>(receive);
  end_in_each_way<lagging_ends>(receive);
  end_in_each_way<watch_ends>(
      [](auto& on, auto& say) { on.ends.rx.async_changed(allocating_handler{farewell(say)}); });
}
