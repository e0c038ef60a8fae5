// SPDX-License-Identifier: BSL-1.0
#include "frame/suite.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <utility>

namespace bench {

namespace {

// A function's variable, because source files register themselves in an order that nobody knows.
std::vector<entry>& entries() {
  static std::vector<entry> all;
  return all;
}

/// W2 comes before W11, and W1 before W1c.
std::pair<int, std::string_view> number_and_letters(std::string_view name) {
  constexpr std::string_view digits = "0123456789";
  const std::size_t begin = std::min(name.find_first_of(digits), name.size());
  const std::size_t end = std::min(name.find_first_not_of(digits, begin), name.size());
  return {std::atoi(name.data() + begin), name.substr(end)};
}

}  // namespace

const std::vector<entry>& suite() {
  return entries();
}

bool add_contender(const workload& what, std::string peer, program run) {
  std::vector<entry>& all = entries();
  const auto place = std::lower_bound(
      all.begin(), all.end(), number_and_letters(what.name),
      [](const entry& e, const auto& key) { return number_and_letters(e.what.name) < key; });
  const bool known = place != all.end() && std::string_view(place->what.name) == what.name;
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
