// SPDX-License-Identifier: BSL-1.0
//
// Coroutines with stacks, for which C++17 is enough: asio::spawn, and its yield_context as token.
//
//   spawn
//
// What it teaches:
//   - A yield_context is a token like any other. The function that is called with it looks as if
//     it blocked, and returns what has been received; an error is thrown.
//   - With yield[ec] an error is a value: that a channel is closed is no reason to throw.
//   - Either end may go first. Here the consumer has had enough, and with the last receiver the
//     channel closes: the send that waits ends with `closed`.
//   - They may wait in functions that they call, however deep. Each of them has a stack of its own,
//     for which Asio needs the library Boost.Context.
//
// Prints:
//     enough: the first 45 numbers are 1035
//     the producer stops

#include <sluice/channel.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/spawn.hpp>

#include <exception>
#include <iostream>
#include <utility>

namespace asio = boost::asio;

namespace {

/// 1, 2, 3 and so on, as long as somebody wants them.
void produce(sluice::sender<int> numbers, asio::yield_context yield) {
  for (int number = 1;; ++number) {
    sluice::error_code closed;
    numbers.async_send(number, yield[closed]);
    if (closed) {
      std::cout << "the producer stops\n";
      return;
    }
  }
}

void consume(sluice::receiver<int> numbers, asio::yield_context yield) {
  int count = 0;
  int sum = 0;
  while (auto number = numbers.async_receive(yield)) {
    ++count;
    sum += *number;
    if (sum > 1000) break;
  }
  std::cout << "enough: the first " << count << " numbers are " << sum << '\n';
}  // the only receiver goes

void rethrow(std::exception_ptr problem) {
  if (problem) std::rethrow_exception(problem);
}

}  // namespace

int main() {
  asio::io_context context;
  auto [tx, rx] = sluice::make_channel<int>(context, 8);
  asio::spawn(
      context,
      [numbers = std::move(tx)](asio::yield_context yield) mutable {
        produce(std::move(numbers), yield);
      },
      rethrow);
  asio::spawn(
      context,
      [numbers = std::move(rx)](asio::yield_context yield) mutable {
        consume(std::move(numbers), yield);
      },
      rethrow);
  context.run();
}
