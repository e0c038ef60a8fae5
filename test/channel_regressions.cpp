// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE channel_regressions

// What went wrong once, and how it is told: one test each.

#include "support/flavours.hpp"
#include "support/message.hpp"
#include "support/permits.hpp"
#include "support/probe.hpp"
#include "support/unit_test.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>

#include <atomic>
#include <cstddef>
#include <functional>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

using namespace support;
namespace asio = boost::asio;
using boost::system::error_code;

namespace {

/// An allocator with which a vector can grow, but not be appended to, as long as it says so.
template <class T>
struct unwilling_allocator {
  using value_type = T;

  explicit unwilling_allocator(const bool& refuses) noexcept : refuses_(&refuses) {}
  template <class U>
  unwilling_allocator(const unwilling_allocator<U>& other) noexcept : refuses_(other.refuses_) {}

  T* allocate(std::size_t count) { return std::allocator<T>().allocate(count); }
  void deallocate(T* memory, std::size_t count) { std::allocator<T>().deallocate(memory, count); }

  template <class U, class... Arguments>
  void construct(U* place, Arguments&&... arguments) {
    if (*refuses_) throw std::bad_alloc();
    ::new (static_cast<void*>(place)) U(std::forward<Arguments>(arguments)...);
  }

  friend bool operator==(const unwilling_allocator& a, const unwilling_allocator& b) noexcept {
    return a.refuses_ == b.refuses_;
  }
  friend bool operator!=(const unwilling_allocator& a, const unwilling_allocator& b) noexcept {
    return !(a == b);
  }

  const bool* refuses_;
};

using unwilling_vector = std::vector<message, unwilling_allocator<message>>;

}  // namespace

// The last pending send closed the channel when a batch took its value, and others were told of the
// end; only then was the value counted as one that may come back. It came back.
FLAVOUR_TEST_CASE(C4_nobody_hears_of_the_end_while_a_value_may_come_back, rendezvous_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  const bool refuses = true;
  unwilling_vector out{unwilling_allocator<message>(refuses)};
  error_code failure;
  rx.async_receive_some(out, 10, [&](error_code ec, std::size_t) { failure = ec; });
  auto other = begin_receive(rx);
  auto sent = begin_send(tx, 1);
  tx = {};
  run_ready(context);
  BOOST_TEST(failure == asio::error::no_memory);
  BOOST_TEST(word_of(sent) == "sent");
  BOOST_TEST(word_of(other) == "1");
}

// Values and permits were added up to see whether there is a place, and the sum was too large to be
// counted: a channel all of whose places were reserved had room.
FLAVOUR_TEST_CASE(P1_all_places_of_an_unbounded_channel_may_be_reserved,
                  (flavour_list<sluice::multi_threaded, sluice::single_threaded>{
                      1, {support::unbounded}})) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  auto reserved = reserve_now(tx, std::numeric_limits<std::size_t>::max());
  auto sent = begin_send(tx, 1);
  const bool refuses = true;
  unwilling_vector out{unwilling_allocator<message>(refuses)};
  error_code ec;
  // What comes back from a batch has no place.
  BOOST_TEST(rx.try_receive_some(out, 10, ec) == 0u);
  run_ready(context);
  BOOST_TEST(sent.succeeded());
  BOOST_TEST(rx.size() == 1u);
  BOOST_TEST(tx.full());
  BOOST_TEST(tx.try_send(message(2)) == sluice::error::full);
  tx = {};
  BOOST_TEST(drain(rx) == "1");
  BOOST_TEST((take(rx).error == sluice::error::empty));
  reserved = {};
  BOOST_TEST((take(rx).error == sluice::error::closed));
}

namespace {

/// A handler that does something when it is destroyed, called or not.
class last_words {
 public:
  explicit last_words(std::function<void()> f) : f_(std::move(f)) {}
  last_words(last_words&& other) noexcept : f_(std::exchange(other.f_, nullptr)) {}
  last_words& operator=(last_words&&) = delete;
  ~last_words() {
    if (f_) f_();
  }

  void operator()(error_code, std::optional<message>) {}

 private:
  std::function<void()> f_;
};

}  // namespace

// A receive that lives in two contexts was taken away by the first that went, to be dropped in its
// turn. The second one, on another thread, found nothing that waited for it, and was gone before.
BOOST_AUTO_TEST_CASE(K5_of_two_contexts_that_go_at_once_neither_goes_before_what_lives_in_both) {
  auto first = std::make_unique<asio::io_context>();
  auto second = std::make_unique<asio::io_context>();
  bool second_is_gone = false;
  bool dropped = false;
  bool in_time = false;
  auto [tx, rx] = sluice::make_channel<message>(first->get_executor(), 1);
  // Destroyed by the first context, while the other receive waits for its turn.
  rx.async_receive(last_words([&] {
    std::thread other([&] {
      second.reset();
      second_is_gone = true;
    });
    other.join();
  }));
  rx.async_receive(asio::bind_executor(second->get_executor(), last_words([&] {
                                         dropped = true;
                                         in_time = !second_is_gone;
                                       })));
  first.reset();
  BOOST_TEST(second_is_gone);
  BOOST_TEST(dropped);
  BOOST_TEST(in_time);
}

// As above, at any moments.
BOOST_AUTO_TEST_CASE(K5_contexts_may_go_at_once) {
  constexpr int rounds = 200;
  constexpr int each = 20;
  int dropped = 0;
  std::atomic<int> too_late{0};
  for (int round = 0; round != rounds; ++round) {
    auto first = std::make_unique<asio::io_context>();
    auto second = std::make_unique<asio::io_context>();
    std::atomic<bool> first_is_gone{false};
    std::atomic<bool> second_is_gone{false};
    std::atomic<int> dropped_now{0};
    auto [tx, rx] = sluice::make_channel<message>(first->get_executor(), 1);
    for (int i = 0; i != each; ++i)
      rx.async_receive(asio::bind_executor(second->get_executor(), last_words([&] {
                                             ++dropped_now;
                                             if (first_is_gone || second_is_gone) ++too_late;
                                           })));
    std::thread other([&] {
      second.reset();
      second_is_gone = true;
    });
    first.reset();
    first_is_gone = true;
    other.join();
    dropped += dropped_now;
  }
  BOOST_TEST(dropped == rounds * each);
  BOOST_TEST(too_late == 0);
}

namespace {

/// A value whose address cannot be taken by `&`.
class shy {
 public:
  explicit shy(int number) noexcept : number_(number) {}
  void operator&() const = delete;
  int number() const noexcept { return number_; }

 private:
  int number_;
};

}  // namespace

// A coroutine whose send was tried first took the address of the value by `&`.
FLAVOUR_TEST_CASE(K6_the_address_of_a_value_is_not_asked_of_it, buffered_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.template open<shy>(context);
  int sum = 0;
  rx.async_receive([&](error_code, std::optional<shy> value) { sum += value->number(); });
  tx.async_send(shy(1), asio::detached);
  run_ready(context);
#if defined(BOOST_ASIO_HAS_CO_AWAIT)
  asio::co_spawn(
      context,
      [own_tx = tx]() mutable -> asio::awaitable<void> {
        co_await own_tx.async_send(shy(2), sluice::use_awaitable);
      },
      asio::detached);
  rx.async_for_each([&](shy value) { sum += value.number(); }, asio::detached);
#else
  BOOST_TEST(!tx.try_send(shy(2)));
  rx.async_receive([&](error_code, std::optional<shy> value) { sum += value->number(); });
#endif
  run_ready(context);
  std::vector<shy> more{shy(4), shy(8)};
  tx.async_send_all(std::move(more), asio::detached);
  std::vector<shy> out;
  rx.async_receive_some(out, 10, asio::detached);
  tx = {};
  rx.async_receive_some(out, 10, asio::detached);
  run_ready(context);
  for (const shy& value : out) sum += value.number();
  BOOST_TEST(sum == 15);
}

// A loop that had taken its share looked again when its context was made known, and took what had
// been promised to somebody else.
FLAVOUR_TEST_CASE(D5_a_loop_that_begins_to_wait_leaves_what_others_were_promised,
                  buffered_flavours) {
  if (flavour.capacity < 2) return;
  asio::io_context context;
  asio::io_context other_context;
  auto [tx, rx] = flavour.open(context);
  auto first = begin_receive(rx);
  BOOST_TEST(!tx.try_send(message(1)));
  BOOST_TEST(!tx.try_send(message(2)));
  std::vector<int> ids;
  rx.with_executor(asio::any_io_executor(other_context.get_executor()))
      .async_for_each([&](message m) { ids.push_back(m.id()); }, asio::detached);
  run_ready(other_context);
  BOOST_TEST(ids == std::vector<int>{1}, boost::test_tools::per_element());
  run_ready(context);
  BOOST_TEST(first.id() == 2);
}

// A loop that had had a message went to the end of the line each time it was woken for nothing.
FLAVOUR_TEST_CASE(D5_a_loop_that_finds_nothing_waits_on_at_its_place, rendezvous_flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  std::vector<int> ids;
  rx.async_for_each([&](message m) { ids.push_back(m.id()); }, asio::detached);
  auto sent = begin_send(tx, 1);
  run_ready(context);
  auto later = begin_receive(rx);
  begin_send(tx, 2).cancel();
  run_ready(context);
  sent = begin_send(tx, 3);
  run_ready(context);
  BOOST_TEST(ids == (std::vector<int>{1, 3}), boost::test_tools::per_element());
  BOOST_TEST(!later.done());
}

// A reason was kept as a value and a category, which do not make up one of the standard library's.
FLAVOUR_TEST_CASE(C2_the_reason_may_be_one_of_the_standard_library, flavours) {
  asio::io_context context;
  auto [tx, rx] = flavour.open(context);
  const std::error_code reason = std::make_error_code(std::errc::timed_out);
  tx.close(reason);
  auto received = begin_receive(rx);
  run_ready(context);
  error_code ec;
  BOOST_TEST(!rx.try_receive(ec));
  for (const error_code& seen : {ec, received.error()}) {
    BOOST_TEST(seen == error_code(reason));
    BOOST_TEST(static_cast<std::error_code>(seen) == reason);
    BOOST_TEST(seen.message() == reason.message());
  }
}
