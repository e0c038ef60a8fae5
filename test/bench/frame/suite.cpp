// SPDX-License-Identifier: BSL-1.0
#include "frame/suite.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string_view>
#include <utility>

namespace bench {

namespace {

// A function's variable, because source files register themselves in an order that nobody knows.
std::vector<entry>& entries() {
  static std::vector<entry> all;
  return all;
}

/// W2 comes before W11, W1 before W1c, and a name without a number after all others.
std::pair<int, std::string_view> number_and_name(std::string_view name) {
  const std::size_t digits = name.find_first_of("0123456789");
  const bool numbered = digits != name.npos;
  return {numbered ? std::atoi(name.data() + digits) : std::numeric_limits<int>::max(), name};
}

}  // namespace

const std::vector<entry>& suite() {
  return entries();
}

bool add_contender(const workload& what, std::string peer, program run) {
  std::vector<entry>& all = entries();
  const auto place = std::lower_bound(
      all.begin(), all.end(), number_and_name(what.name),
      [](const entry& e, const auto& key) { return number_and_name(e.what.name) < key; });
  const bool known = place != all.end() && place->what.name == std::string_view(what.name);
  entry& mine = known ? *place : *all.insert(place, entry{what, {}});
  mine.contenders.push_back({std::move(peer), std::move(run)});
  return true;
}

void check_sum(std::uint64_t messages, message sum) {
  const message expected = messages * (messages - 1) / 2;
  if (sum == expected) return;
  std::fprintf(stderr, "Messages were lost or invented: their sum is %llu and should be %llu\n",
               static_cast<unsigned long long>(sum), static_cast<unsigned long long>(expected));
  std::abort();
}

}  // namespace bench
