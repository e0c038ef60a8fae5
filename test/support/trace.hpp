// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_TEST_SUPPORT_TRACE_HPP
#define SLUICE_TEST_SUPPORT_TRACE_HPP

// What Asio's handler tracking has written, read in the way of its script handlerviz.pl: which
// handlers there were, which function each was for, and what became of it. The program has to be
// compiled with BOOST_ASIO_ENABLE_HANDLER_TRACKING.
//
// Tracking writes to the standard error stream, which is caught in a file meanwhile.

#include <boost/test/test_tools.hpp>

#include <unistd.h>
#include <cstdio>
#include <map>
#include <memory>
#include <regex>
#include <string>
#include <utility>
#include <vector>

namespace support {

/// What is written to the standard error stream while `f` runs.
template <class F>
std::string written_by(F f) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::tmpfile(), &std::fclose);
  BOOST_TEST_REQUIRE((file != nullptr));
  std::fflush(stderr);
  const int before = dup(STDERR_FILENO);
  dup2(fileno(file.get()), STDERR_FILENO);
  f();
  std::fflush(stderr);
  dup2(before, STDERR_FILENO);
  close(before);

  std::string text;
  std::fseek(file.get(), 0, SEEK_SET);
  for (int c; (c = std::fgetc(file.get())) != EOF;) text += static_cast<char>(c);
  return text;
}

class trace {
 public:
  /// A handler, by the story that is told of it: "created begun ended".
  struct handler {
    std::string function;
    std::string object;
    std::string story;
  };

  explicit trace(const std::string& text) : text_(text) {
    std::size_t begin = 0;
    for (std::size_t end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1)
      read(text.substr(begin, end - begin));
    if (begin != text.size()) complain("the last line has no end");
  }

  /// All that was traced while `f` runs.
  template <class F>
  static trace of(F f) {
    return trace(written_by(std::move(f)));
  }

  const std::string& text() const noexcept { return text_; }

  /// What is wrong with it; empty if nothing.
  const std::string& complaint() const noexcept { return complaint_; }

  /// The handlers of operations of this library that have this function.
  std::vector<handler> of_function(const std::string& name) const {
    std::vector<handler> found;
    for (const auto& [number, h] : handlers_)
      if (h.object == "sluice" && h.function == name) found.push_back(h);
    return found;
  }

  /// How often an operation of this library was performed at once.
  std::size_t performed(const std::string& name) const {
    std::size_t count = 0;
    for (const auto& [object, function] : performed_)
      if (object == "sluice" && function == name) ++count;
    return count;
  }

  /// How many handlers of this library there were.
  std::size_t handlers() const {
    std::size_t count = 0;
    for (const auto& [number, h] : handlers_)
      if (h.object == "sluice") ++count;
    return count;
  }

 private:
  void complain(const std::string& what) {
    if (complaint_.empty()) complaint_ = what;
  }

  void read(const std::string& line) {
    static const std::regex form(R"(@asio\|\d+\.\d{6}\|([^|]*)\|(.*))");
    static const std::regex number(R"(\d+)");
    static const std::regex created(R"((\d+)\*(\d+))");
    static const std::regex located(R"((\d+)\^(\d+))");
    static const std::regex happened(R"(([><!~.])(\d+))");
    static const std::regex object(R"(([^@.]+)@(?:0x[0-9a-f]+|\(nil\))\.([^.]+))");
    static const std::regex result(R"(|ec=[a-z._]+:-?\d+(,.*)?)");

    std::smatch parts;
    if (!std::regex_match(line, parts, form)) return complain("no line of a trace: " + line);
    const std::string action = parts[1];
    const std::string description = parts[2];
    std::smatch named;
    const bool is_named = std::regex_match(description, named, object);
    if (std::regex_match(action, parts, created)) {
      if (!is_named) return complain("not named: " + line);
      if (!handlers_.emplace(parts[2], handler{named[2], named[1], "created"}).second)
        complain("created twice: " + line);
    } else if (std::regex_match(action, parts, happened)) {
      if (parts[1] == ">" && !std::regex_match(description, result)) complain("result: " + line);
      happen(parts[2], parts[1], line);
    } else if (std::regex_match(action, number)) {
      if (!is_named) return complain("not named: " + line);
      performed_.emplace_back(named[1], named[2]);
    } else if (!std::regex_match(action, located)) {
      complain("unknown: " + line);
    }
  }

  void happen(const std::string& number, const std::string& what, const std::string& line) {
    const auto found = handlers_.find(number);
    if (found == handlers_.end()) return complain("never created: " + line);
    std::string& story = found->second.story;
    const bool is_running = story == "created begun";
    if (what == ">" && story == "created")
      story += " begun";
    else if (what == "<" && is_running)
      story += " ended";
    else if (what == "!" && is_running)
      story += " thrown";
    else if (what == "~" && story == "created")
      story += " destroyed";
    else if (what != ".")
      complain(story + ", and then: " + line);
  }

  std::string text_;
  std::string complaint_;
  std::map<std::string, handler> handlers_;
  std::vector<std::pair<std::string, std::string>> performed_;
};

}  // namespace support

#endif  // SLUICE_TEST_SUPPORT_TRACE_HPP
