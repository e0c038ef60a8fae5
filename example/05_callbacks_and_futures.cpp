// SPDX-License-Identifier: BSL-1.0
//
// A channel without coroutines, in C++17: completion handlers at its ends, and a future.
//
//   callbacks_and_futures
//
// What it teaches:
//   - The last argument of an asynchronous function is any completion token: here a lambda, and
//     asio::use_future.
//   - Who sends by callbacks begins the next send when the last one has been accepted, and so is
//     held back by a full channel just as a coroutine is.
//   - What waits for its own operations keeps itself alive by what its handlers hold. When it
//     begins nothing more it goes, and its end of the channel with it.
//   - To do the same with each message takes one operation, async_for_each.
//   - Who waits for a future runs nothing meanwhile. Others have to: here the thread of a pool.
//
// Prints:
//     100 numbers sent
//     sum: 5050

#include <sluice/channel.hpp>
#include <sluice/oneshot.hpp>

#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>

#include <cstdlib>
#include <future>
#include <iostream>
#include <memory>
#include <optional>
#include <utility>

namespace asio = boost::asio;

namespace {

/// Sends 1, 2, 3 and so on, one after the other.
class counter : public std::enable_shared_from_this<counter> {
 public:
  counter(sluice::sender<int> numbers, int last) : numbers_(std::move(numbers)), last_(last) {}

  void send_next() {
    numbers_.async_send(next_, [self = shared_from_this()](sluice::error_code ec) {
      if (ec) return;  // closed: nobody wants any more
      if (self->next_++ != self->last_)
        self->send_next();
      else
        std::cout << self->last_ << " numbers sent\n";
    });
  }

 private:
  sluice::sender<int> numbers_;
  int last_;
  int next_ = 1;
};

/// Adds up what comes, and answers when nothing more will come.
void add_up(sluice::receiver<int> numbers, sluice::oneshot_sender<int> answer) {
  auto sum = std::make_shared<int>(0);
  auto add = [sum](int number) { *sum += number; };
  // Without the receiver that it holds nobody would receive any more. If it does not answer, the
  // slot for the answer goes with it, and who waits there is told.
  auto finish = [sum, numbers, answer = std::move(answer)](sluice::error_code ec) mutable {
    if (!ec) static_cast<void>(answer.send(std::move(*sum)));
  };
  numbers.async_for_each(std::move(add), std::move(finish));
}

}  // namespace

int main() {
  asio::thread_pool pool(1);
  auto [tx, rx] = sluice::make_channel<int>(pool, 8);
  auto [answer, question] = sluice::make_oneshot<int>(pool);

  std::make_shared<counter>(std::move(tx), 100)->send_next();
  add_up(std::move(rx), std::move(answer));
  std::future<std::optional<int>> sum = question.async_receive(asio::use_future);
  const std::optional<int> result = sum.get();  // throws if the operation has failed
  pool.join();
  if (!result) return EXIT_FAILURE;  // nobody has answered
  std::cout << "sum: " << *result << '\n';
}
