// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE conformance_handler_tracking
#define BOOST_ASIO_ENABLE_HANDLER_TRACKING

// Asio's handler tracking shows each asynchronous function by its name when its operation is begun,
// and when its handler is called. It writes to the standard error stream, which is therefore caught
// in a file here.

#include "conformance/functions.hpp"
#include "support/recorder.hpp"
#include "support/unit_test.hpp"

#include <boost/asio/io_context.hpp>

#include <unistd.h>
#include <cstdio>
#include <memory>
#include <regex>
#include <string>

using namespace conformance;
using namespace support;

using io_executor = asio::io_context::executor_type;

namespace {

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

/// The number that tracking has given to the operation of a function; empty if there is none.
std::string number_of(const std::string& text, const std::string& name) {
  std::smatch found;
  // A permit for several places is no other operation.
  const std::string many = "_many";
  const bool has_many = name.size() > many.size() && name.rfind(many) == name.size() - many.size();
  const std::string tracked = has_many ? name.substr(0, name.size() - many.size()) : name;
  const std::regex creation(R"(@asio\|[0-9.]+\|[0-9]+\*([0-9]+)\|sluice@\S+\.)" + tracked + "\n");
  return std::regex_search(text, found, creation) ? found[1].str() : "";
}

}  // namespace

FOR_EACH_FUNCTION(a_handler_that_is_called_is_tracked) {
  recorder seen;
  const std::string text = written_by([&] {
    asio::io_context context;
    typename Function::template end<io_executor, sluice::multi_threaded> end(context.get_executor(),
                                                                             way);
    function.call(end, seen.get_handler());
    end.steer(way);
    context.run();
  });
  BOOST_TEST(seen.done());
  const std::string number = number_of(text, function.name);
  BOOST_TEST_CONTEXT(text) {
    BOOST_TEST_REQUIRE(!number.empty());
    BOOST_TEST((text.find("|>" + number + "|") != std::string::npos));
    BOOST_TEST((text.find("|<" + number + "|") != std::string::npos));
  }
}
