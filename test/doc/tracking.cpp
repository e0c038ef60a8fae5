// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE doc_tracking
#define BOOST_ASIO_ENABLE_HANDLER_TRACKING

#include "support/trace.hpp"

#include <sluice/channel.hpp>

#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/test/unit_test.hpp>

#include <cstddef>
#include <map>
#include <optional>
#include <regex>
#include <string>

namespace asio = boost::asio;

namespace {

// tag::program[]
void receive_twice(asio::io_context& context) {
  auto [tx, rx] = sluice::make_channel<int>(context, 1);
  rx.async_receive([&from = rx](sluice::error_code, std::optional<int>) {
    from.async_receive([](sluice::error_code, std::optional<int>) {});
  });
  tx.async_send(1, [](sluice::error_code) {});
  context.run_one();
  tx.close(asio::error::eof);
  context.run();
}
// end::program[]

// What is between the tags is what the program writes, but for times and addresses.
constexpr const char* shown = R"(
// tag::trace[]
@asio|1796073516.051653|0*1|sluice@0x5556882869a0.async_receive
@asio|1796073516.051723|0*2|sluice@0x5556882869a0.async_send
@asio|1796073516.051733|0*3|io_context@0x7fffe9e75210.execute
@asio|1796073516.051737|0*4|io_context@0x7fffe9e75210.execute
@asio|1796073516.051740|>3|
@asio|1796073516.051747|>1|ec=system:0
@asio|1796073516.051751|1*5|sluice@0x5556882869a0.async_receive
@asio|1796073516.051753|<1|
@asio|1796073516.051755|<3|
@asio|1796073516.051758|0*6|io_context@0x7fffe9e75210.execute
@asio|1796073516.051761|>4|
@asio|1796073516.051763|>2|ec=system:0
@asio|1796073516.051764|<2|
@asio|1796073516.051766|<4|
@asio|1796073516.051767|>6|
@asio|1796073516.051770|>5|ec=asio.misc:2
@asio|1796073516.051771|<5|
@asio|1796073516.051773|<6|
// end::trace[]
)";

/// A trace in which each time is 0, and each address is the number of those before it.
std::string comparable(const std::string& text) {
  static const std::regex tag(R"(// (tag|end)::[a-z]+\[\]\n)");
  static const std::regex time(R"(@asio\|\d+\.\d+\|)");
  static const std::regex address("0x[0-9a-f]+");
  const std::string timeless =
      std::regex_replace(std::regex_replace(text, tag, ""), time, "@asio|0|");
  std::map<std::string, std::size_t> numbers;
  std::string result;
  std::sregex_iterator found(timeless.begin(), timeless.end(), address);
  std::string rest = timeless;
  for (; found != std::sregex_iterator(); ++found) {
    const std::size_t number = numbers.emplace(found->str(), numbers.size()).first->second;
    result += found->prefix().str() + std::to_string(number);
    rest = found->suffix().str();
  }
  return result + rest;
}

BOOST_AUTO_TEST_CASE(the_program_writes_what_is_shown) {
  const std::string text = support::written_by([] {
    asio::io_context context;
    receive_twice(context);
  });
  BOOST_TEST_CONTEXT(text) {
    BOOST_TEST("\n" + comparable(text) == comparable(shown));
  }
}

}  // namespace
