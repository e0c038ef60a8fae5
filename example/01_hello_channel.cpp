// SPDX-License-Identifier: BSL-1.0
//
// Two coroutines, and a channel between them.
//
//   hello_channel
//
// What it teaches:
//   - A channel is made as two handles. Each goes to who needs it, and nobody else keeps it.
//   - The channel closes when its last sender goes. Nobody has to close it.
//   - A receive gives an optional. It is empty when the channel is closed and everything in it has
//     been received, so the loop ends by itself.
//   - An exception in a coroutine arrives somewhere: here it leaves through context.run().
//
// Prints:
//     hello
//     from
//     one coroutine
//     to another
//     the end

#include <sluice/channel.hpp>
#include <sluice/use_awaitable.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <exception>
#include <iostream>
#include <string>
#include <utility>

namespace asio = boost::asio;

namespace {

asio::awaitable<void> greet(sluice::sender<std::string> words) {
  for (std::string word : {"hello", "from", "one coroutine", "to another"})
    co_await words.async_send(std::move(word));  // would wait if the channel were full
}  // the only sender goes, and so the channel closes

asio::awaitable<void> listen(sluice::receiver<std::string> words) {
  while (auto word = co_await words.async_receive()) std::cout << *word << '\n';
  std::cout << "the end\n";
}

/// Called at the end of a coroutine. With asio::detached in its place an exception would be lost.
void rethrow(std::exception_ptr problem) {
  if (problem) std::rethrow_exception(problem);
}

}  // namespace

int main() {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<std::string>(context, 8);  // holds up to eight words
  asio::co_spawn(context, greet(std::move(tx)), rethrow);
  asio::co_spawn(context, listen(std::move(rx)), rethrow);
  context.run();  // until both have ended
}
