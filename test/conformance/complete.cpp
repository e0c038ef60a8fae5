// SPDX-License-Identifier: BSL-1.0
// requires: c++20
#define BOOST_TEST_MODULE conformance_complete
#undef CONFORMANCE_BY_HALVES

// The table of asynchronous functions is complete: what the public headers declare is in it, each
// overload with an entry of its own, and nothing else is. Some are only there in C++20.

#include "conformance/functions.hpp"
#include "support/unit_test.hpp"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

namespace {

/// How many declarations, or entries, there are of type::function.
using counts = std::map<std::string, int>;

/// Splits a header into names and punctuators. Comments, literals and directives are left out.
std::vector<std::string> tokens_of(const std::string& text) {
  std::vector<std::string> tokens;
  auto is_word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; };
  auto find = [&](const char* what, std::size_t from) {
    std::size_t found = text.find(what, from);
    return found == std::string::npos ? text.size() : found;
  };
  for (std::size_t i = 0; i < text.size();) {
    if (text.compare(i, 2, "//") == 0 || text[i] == '#') {
      i = find("\n", i);
    } else if (text.compare(i, 2, "/*") == 0) {
      i = find("*/", i) + 2;
    } else if (text[i] == '"' || (text[i] == '\'' && !(i > 0 && is_word(text[i - 1])))) {
      const char quote = text[i++];
      while (i < text.size() && text[i] != quote) i += text[i] == '\\' ? 2 : 1;
      ++i;
    } else if (is_word(text[i])) {
      std::size_t begin = i;
      while (i < text.size() && is_word(text[i])) ++i;
      tokens.push_back(text.substr(begin, i - begin));
    } else if (text.compare(i, 2, "::") == 0) {
      tokens.emplace_back("::");
      i += 2;
    } else {
      if (!std::isspace(static_cast<unsigned char>(text[i]))) tokens.push_back({text[i]});
      ++i;
    }
  }
  return tokens;
}

/// Whether the parameters that begin at a token are those of a function for temporary handles only.
bool is_for_temporaries(const std::vector<std::string>& tokens, std::size_t i) {
  std::size_t depth = 0;
  for (; i < tokens.size(); ++i) {
    if (tokens[i] == "(") ++depth;
    if (tokens[i] == ")" && --depth == 0) break;
  }
  return i + 2 < tokens.size() && tokens[i + 1] == "&" && tokens[i + 2] == "&";
}

/// The functions with an async_ name that a header declares, with the class that they are members
/// of.
/**
 * The form of a function for temporary handles needs no entry beside that of the other form. A name
 * before a parenthesis is a declaration if it stands immediately in a class or a namespace;
 * everywhere else it is a call.
 */
counts declared_in(const std::string& text) {
  const std::string block = "{";
  const std::string name_space = "namespace";
  const std::vector<std::string> tokens = tokens_of(text);
  std::vector<std::string> scopes{name_space};  // a class by its name
  std::string opens = block;                    // what the next brace opens
  counts found;
  counts for_temporaries;
  for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
    const std::string& token = tokens[i];
    const std::string& next = tokens[i + 1];
    if (token == "{") {
      scopes.push_back(opens);
      opens = block;
    } else if (token == "}") {
      if (scopes.size() > 1) scopes.pop_back();
    } else if (token == ";") {
      opens = block;
    } else if (token == "namespace") {
      opens = name_space;
    } else if ((token == "class" || token == "struct") && (i == 0 || tokens[i - 1] != "enum")) {
      // Among template parameters a name is followed by something else.
      const std::string after = i + 2 < tokens.size() ? tokens[i + 2] : "";
      if (after == "{" || after == ":" || after == "final" || after == "<") opens = next;
    } else if (token.compare(0, 6, "async_") == 0 && next == "(" && scopes.back() != block &&
               (i == 0 || tokens[i - 1] != "operator")) {
      counts& form = is_for_temporaries(tokens, i + 1) ? for_temporaries : found;
      ++form[scopes.back() + "::" + token];
    }
  }
  for (const auto& [name, count] : for_temporaries) {
    int& others = found[name];
    others = std::max(others, count);
  }
  return found;
}

counts declared_in_public_headers() {
  namespace fs = std::filesystem;
  const fs::path include = fs::path(__FILE__).parent_path() / ".." / ".." / "include" / "sluice";
  counts found;
  for (const fs::directory_entry& entry : fs::directory_iterator(include)) {
    if (entry.path().extension() != ".hpp") continue;
    std::ifstream file(entry.path());
    BOOST_TEST_REQUIRE(file.good());
    const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    for (const auto& [name, count] : declared_in(text)) found[name] += count;
  }
  return found;
}

counts entries() {
  counts found;
  conformance::for_each_function(
      [&](const auto& f) { ++found[std::string(f.type) + "::" + f.name]; });
  return found;
}

/// What is declared and has too few entries, or has entries and is not declared.
std::vector<std::string> differences(const counts& declared, const counts& tabled) {
  std::vector<std::string> names;
  for (const auto& [name, count] : declared) {
    auto entry = tabled.find(name);
    if (entry == tabled.end() || entry->second < count) names.push_back("too few: " + name);
  }
  for (const auto& entry : tabled)
    if (declared.count(entry.first) == 0) names.push_back("unknown: " + entry.first);
  return names;
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_declared_function_has_its_entries) {
  const counts declared = declared_in_public_headers();
  BOOST_TEST(!declared.empty());
  for (const std::string& difference : differences(declared, entries()))
    BOOST_ERROR(difference + " (see test/conformance/functions.hpp)");
}

// The search itself, on a text with what it must find and what it must pass over.
BOOST_AUTO_TEST_CASE(the_search_finds_declarations_and_nothing_else) {
  const counts found = declared_in(R"header(
#define MACRO auto async_in_a_directive(int);
// auto async_in_a_comment(int);
/// co_await tx.async_in_an_example(1);
/* auto async_in_another(
   int); */
namespace library {
enum class kind : char { one = '{' };
namespace detail {
template <class Role, class T>
class base;
}
template <class T, template <class> class U, class = std::enable_if_t<true>>
class pipe : public detail::base<T, U<T>> {
 public:
  struct nested {
    int x;
    void operator()() { other.async_called(1'000); }
  };
  template <class Token>
  [[nodiscard]] auto async_read(Token&& token) {
    const char* text = "auto async_in_a_literal(int) {";
    if (text) {
      auto made_by = async_called(token);
    }
    pointer->async_called(text);
    boost::asio::async_called<Token>(token);
    boost::asio::async_called(token);
    return async_called(token);
  }
  operator async_type() const;
  auto async_write(int value) &;
  auto async_write(int value) && { return async_called(std::move(*this)); }
  auto async_write(
      std::reference_wrapper<T> value);
};
struct door final {
  std::vector<int>& async_open(int how);
  auto async_leave(int when = std::min(1, 2)) &&;
};
template <class T>
auto async_alone(pipe<T>& p) { return p.async_called(); }
}
)header");
  const counts expected{{"pipe::async_read", 1},
                        {"pipe::async_write", 2},
                        {"door::async_open", 1},
                        {"door::async_leave", 1},
                        {"namespace::async_alone", 1}};
  BOOST_TEST((found == expected));
}

BOOST_AUTO_TEST_CASE(a_missing_a_short_and_an_unknown_entry_are_noticed) {
  const counts declared{{"a::async_x", 1}, {"a::async_y", 2}, {"a::async_z", 1}};
  const counts tabled{{"a::async_y", 1}, {"a::async_z", 2}, {"b::async_x", 1}};
  const std::vector<std::string> expected{"too few: a::async_x", "too few: a::async_y",
                                          "unknown: b::async_x"};
  BOOST_TEST(differences(declared, tabled) == expected, boost::test_tools::per_element());
}
