// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_SUPPORT_SEED_HPP
#define SLUICE_TEST_SUPPORT_SEED_HPP

// Randomised tests are different each time, and print how to repeat them.

#include <boost/test/framework.hpp>
#include <boost/test/tree/test_unit.hpp>

#include <cstdlib>
#include <iostream>
#include <random>

namespace support {

/// A source of random numbers. SLUICE_TEST_SEED in the environment repeats a run.
class random_source {
 public:
  random_source() : random_source(choose_seed()) {}
  explicit random_source(unsigned seed) : engine_(seed) {}

  /// A number from 0 to `bound - 1`.
  unsigned below(unsigned bound) {
    return std::uniform_int_distribution<unsigned>(0, bound - 1)(engine_);
  }

  bool coin() { return below(2) == 1; }

  /// Another source, for another thread. It, too, depends on the seed alone.
  random_source fork() { return random_source(static_cast<unsigned>(engine_())); }

  std::mt19937& engine() noexcept { return engine_; }

 private:
  static unsigned choose_seed() {
    const char* given = std::getenv("SLUICE_TEST_SEED");
    unsigned seed =
        given ? static_cast<unsigned>(std::strtoul(given, nullptr, 10)) : std::random_device()();
    std::cout << boost::unit_test::framework::current_test_case().p_name
              << ": SLUICE_TEST_SEED=" << seed << std::endl;
    return seed;
  }

  std::mt19937 engine_;
};

}  // namespace support

#endif  // SLUICE_TEST_SUPPORT_SEED_HPP
