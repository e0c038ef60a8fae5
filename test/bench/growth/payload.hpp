// SPDX-License-Identifier: BSL-1.0
#ifndef BENCH_GROWTH_PAYLOAD_HPP
#define BENCH_GROWTH_PAYLOAD_HPP

// Messages of several sizes. Each carries a number, so that it can be seen whether all arrive.

#include "frame/suite.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace bench {

template <std::size_t Bytes>
struct bytes {
  std::uint64_t number;
  std::array<unsigned char, Bytes - 8> rest;
};

template <class T>
struct payload;

template <>
struct payload<message> {
  static message make(std::uint64_t number, std::size_t) { return number; }
  static std::uint64_t number(message m) { return m; }
};

template <std::size_t Bytes>
struct payload<bytes<Bytes>> {
  static bytes<Bytes> make(std::uint64_t number, std::size_t) { return {number, {}}; }
  static std::uint64_t number(const bytes<Bytes>& m) { return m.number; }
};

/// Long ones are allocated by the producer, and freed by the consumer.
template <>
struct payload<std::string> {
  static std::string make(std::uint64_t number, std::size_t size) {
    std::string text(size, 'x');
    for (std::size_t i = 0; i != 8; ++i) text[i] = static_cast<char>(number >> (8 * i) & 0xff);
    return text;
  }
  static std::uint64_t number(const std::string& text) {
    std::uint64_t number = 0;
    for (std::size_t i = 0; i != 8; ++i)
      number |= std::uint64_t{static_cast<unsigned char>(text[i])} << (8 * i);
    return number;
  }
};

template <class T>
struct type_of {
  using type = T;
};

/// Calls `f` with the type of a message of so many bytes.
template <class Function>
auto with_bytes(std::size_t size, Function f) {
  switch (size) {
    case 8:
      return f(type_of<message>());
    case 32:
      return f(type_of<bytes<32>>());
    case 128:
      return f(type_of<bytes<128>>());
    case 512:
      return f(type_of<bytes<512>>());
    case 1'024:
      return f(type_of<bytes<1'024>>());
    default:
      return f(type_of<bytes<4'096>>());
  }
}

/// What a consumer has received, on a cache line of its own.
struct alignas(64) spaced {
  std::uint64_t sum = 0;
};

/// Ends the process if messages were lost or invented. Each producer has sent 0, 1, ...
inline void check_spaced(std::uint64_t messages, std::size_t producers,
                         const std::vector<spaced>& sums) {
  const std::uint64_t share = messages / producers;
  std::uint64_t sum = 0;
  for (const spaced& each : sums) sum += each.sum;
  if (sum == share * (share - 1) / 2 * producers) return;
  std::fputs("Messages were lost or invented\n", stderr);
  std::abort();
}

}  // namespace bench

#endif  // BENCH_GROWTH_PAYLOAD_HPP
