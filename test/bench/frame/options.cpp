// SPDX-License-Identifier: BSL-1.0
#include "frame/options.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace bench {

void fail(const std::string& why) {
  std::fprintf(stderr, "bench: %s\n", why.c_str());
  std::exit(2);
}

bool options::flag(const std::string& name) {
  const auto found = std::find(words_.begin(), words_.end(), name);
  if (found == words_.end()) return false;
  words_.erase(found);
  return true;
}

std::string options::value(const std::string& name, const std::string& otherwise) {
  const auto found = std::find(words_.begin(), words_.end(), name);
  if (found == words_.end()) return otherwise;
  if (found + 1 == words_.end()) fail(name + " wants a value");
  std::string result = found[1];
  words_.erase(found, found + 2);
  return result;
}

std::vector<std::string> options::rest() const {
  for (const std::string& word : words_)
    if (word.rfind("--", 0) == 0) fail("there is no option " + word);
  return words_;
}

std::vector<const entry*> choose(const std::vector<std::string>& names) {
  std::vector<const entry*> chosen;
  for (const entry& e : suite()) {
    if (names.empty() || std::find(names.begin(), names.end(), e.what.name) != names.end())
      chosen.push_back(&e);
  }
  for (const std::string& name : names) {
    const auto known = [&name](const entry& e) { return e.what.name == name; };
    if (std::none_of(suite().begin(), suite().end(), known))
      fail("there is no workload " + name + "; --list names them");
  }
  return chosen;
}

}  // namespace bench
