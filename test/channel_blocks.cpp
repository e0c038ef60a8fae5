// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE channel_blocks

// The buffer is a chain of blocks. Here channels hold as many values as fill some of them, one less
// and one more: in order (D2), and destroyed with the last receiver (C3).

#include <sluice/channel.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/test/unit_test.hpp>

#include <cstddef>
#include <cstring>
#include <set>
#include <tuple>

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

/// A value of a certain size that knows its number, as far as it fits in, and is counted.
template <std::size_t Size>
class sized {
 public:
  explicit sized(unsigned number) noexcept {
    ++alive;
    std::memcpy(bytes_, &number, used);
  }
  sized(sized&& other) noexcept {
    ++alive;
    std::memcpy(bytes_, other.bytes_, used);
  }
  sized& operator=(sized&&) = delete;
  ~sized() { --alive; }

  bool is(unsigned number) const noexcept { return std::memcmp(bytes_, &number, used) == 0; }

  static inline int alive = 0;

 private:
  static constexpr std::size_t used = Size < sizeof(unsigned) ? Size : sizeof(unsigned);

  unsigned char bytes_[Size];
};

using sizes = std::tuple<sized<1>, sized<3>, sized<4>, sized<24>, sized<64>, sized<600>>;

/// The numbers of values at which blocks of 2, 4, 8..., or chains of them, are full, one less and
/// one more.
std::set<unsigned> boundaries(std::size_t size) {
  // A thousand of the large ones fill as many blocks as eight thousand of the small ones.
  const unsigned most = size < 64 ? 9000 : 1100;
  std::set<unsigned> result;
  for (unsigned n = 0; n != 70; ++n) result.insert(n);
  for (unsigned power = 64; power <= most; power *= 2) {
    for (unsigned base : {0u, 2u, 32u, 128u}) {
      for (unsigned n : {power - base - 1, power - base, power - base + 1})
        if (n <= most) result.insert(n);
    }
  }
  return result;
}

template <class T, class Sender>
void send_numbers(Sender& tx, unsigned first, unsigned last) {
  unsigned rejected = 0;
  for (unsigned n = first; n != last; ++n) rejected += tx.try_send(T(n)) ? 1 : 0;
  BOOST_TEST_REQUIRE(rejected == 0u);
}

template <class Receiver>
void receive_numbers(Receiver& rx, unsigned first, unsigned last) {
  unsigned wrong = 0;
  for (unsigned n = first; n != last; ++n) {
    auto received = rx.try_receive();
    wrong += received && received->is(n) ? 0 : 1;
  }
  BOOST_TEST_REQUIRE(wrong == 0u);
}

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(D2_order_holds_at_every_block_boundary, Value, sizes) {
  asio::io_context context;
  for (unsigned count : boundaries(sizeof(Value))) {
    auto [tx, rx] = sluice::make_unbounded_channel<Value>(context);
    send_numbers<Value>(tx, 0, count);
    receive_numbers(rx, 0, count);
    BOOST_TEST(rx.empty());
    // Once more, with the blocks that are left from the first time.
    send_numbers<Value>(tx, 0, count);
    receive_numbers(rx, 0, count / 2);
    send_numbers<Value>(tx, count, count + count / 2);
    receive_numbers(rx, count / 2, count + count / 2);
    BOOST_TEST(rx.empty());
    BOOST_TEST(Value::alive == 0);
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(D2_order_holds_when_a_full_buffer_wraps_around, Value, sizes) {
  asio::io_context context;
  for (unsigned count : boundaries(sizeof(Value))) {
    if (count == 0 || count > 300) continue;
    auto [tx, rx] = sluice::make_channel<Value>(context, count);
    send_numbers<Value>(tx, 0, count);
    BOOST_TEST(tx.full());
    for (unsigned n = 0; n != 2 * count; ++n) {
      receive_numbers(rx, n, n + 1);
      send_numbers<Value>(tx, n + count, n + count + 1);
    }
    error_code ec;
    unsigned wrong = 0;
    for (unsigned n = 2 * count; n != 4 * count; ++n) {
      auto displaced = tx.force_send(Value(n + count), ec);
      wrong += displaced && displaced->is(n) ? 0 : 1;
    }
    BOOST_TEST(wrong == 0u);
    BOOST_TEST(tx.size() == count);
    receive_numbers(rx, 4 * count, 5 * count);
  }
  BOOST_TEST(Value::alive == 0);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(C3_every_value_is_destroyed_wherever_in_a_block_it_is, Value, sizes) {
  asio::io_context context;
  for (unsigned count : boundaries(sizeof(Value))) {
    for (unsigned received : {0u, 1u, count / 2, count - 1, count}) {
      if (received > count) continue;
      auto [tx, rx] = sluice::make_unbounded_channel<Value>(context);
      send_numbers<Value>(tx, 0, count);
      receive_numbers(rx, 0, received);
      BOOST_TEST_REQUIRE(Value::alive == static_cast<int>(count - received));
      rx = {};
      BOOST_TEST_REQUIRE(Value::alive == 0);
    }
  }
}
