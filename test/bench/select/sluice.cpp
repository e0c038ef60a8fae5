// SPDX-License-Identifier: BSL-1.0
//
// sluice       a named select of named receivers, which is waited on again and again; any_io_executor,
//              no token named
// sluice-anew  the same, with a select that is made for each message
// sluice-range select_receive over the receivers, named

#include "frame/machine.hpp"
#include "frame/run_context.hpp"
#include "select/select.hpp"
#include "thread/thread.hpp"

#include <sluice.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include <cstddef>
#include <utility>
#include <variant>
#include <vector>

namespace bench {
namespace {

namespace asio = boost::asio;
using sluice::on_receive;
using receivers = std::vector<sluice::receiver<message>>;
using senders = std::vector<sluice::sender<message>>;

enum class form { named, anew, range };

/// Makes a select of the first receivers, as many as there are indices.
template <std::size_t... I>
auto select_first(receivers& rx, std::index_sequence<I...>) {
  return sluice::select(on_receive(rx[I])...);
}

template <std::size_t Count>
auto select_first(receivers& rx) {
  return select_first(rx, std::make_index_sequence<Count>());
}

template <class Variant>
message value_in(const Variant& given) {
  return std::visit([](const auto& value) { return value ? *value : 0; }, given);
}

template <form Form, std::size_t Count>
asio::awaitable<void> take(receivers rx, message count, message& sum) {
  if constexpr (Form == form::range) {
    auto s = sluice::select_receive(rx);
    for (; count != 0; --count) {
      auto [which, value] = co_await s.async_wait();
      sum += *value;
    }
  } else if constexpr (Form == form::named) {
    auto s = select_first<Count>(rx);
    for (; count != 0; --count) {
      auto [which, value] = co_await s.async_wait();
      sum += value_in(value);
    }
  } else {
    for (; count != 0; --count) {
      auto s = select_first<Count>(rx);
      auto [which, value] = co_await s.async_wait();
      sum += value_in(value);
    }
  }
}

asio::awaitable<void> send(sluice::sender<message> tx, message first, message step, message end) {
  for (message value = first; value < end; value += step) co_await tx.async_send(value);
}

template <form Form, std::size_t Count>
timing run_threads(asio::io_context&, senders tx, receivers rx, message messages) {
  return run_sides(
      messages,
      [&] {
        std::vector<sluice::sync_sender<message>> sending(tx.begin(), tx.end());
        for (message value = 0; value != messages; ++value)
          sending[static_cast<std::size_t>(value) % Count].send(value);
      },
      [&] {
        message sum = 0;
        if constexpr (Form == form::range) {
          auto s = sluice::select_receive(rx);
          for (message left = messages; left != 0; --left)
            sum += *std::get<1>(s.async_wait(sluice::sync_wait));
        } else {
          auto s = select_first<Count>(rx);
          for (message left = messages; left != 0; --left)
            sum += value_in(std::get<1>(s.async_wait(sluice::sync_wait)));
        }
        return sum;
      });
}

// The senders stay until the end: a channel that is closed is always ready.
template <form Form, std::size_t Count>
timing run(const choice& c, message messages) {
  asio::io_context context(1);
  senders tx;
  receivers rx;
  for (std::size_t i = 0; i != Count; ++i) {
    auto ends = sluice::make_channel<message>(context, c.capacity);
    tx.push_back(std::move(ends.first));
    rx.push_back(std::move(ends.second));
  }
  if (c.blocking) return run_threads<Form, Count>(context, std::move(tx), std::move(rx), messages);
  message sum = 0;
  asio::co_spawn(context, take<Form, Count>(std::move(rx), messages, sum), asio::detached);
  for (std::size_t i = 0; i != Count; ++i)
    asio::co_spawn(context, send(tx[i], i, Count, messages), asio::detached);
  const timing result = run_context(context, 1);
  check_sum(messages, sum);
  return result;
}

template <form Form>
timing run_some(const choice& c, message messages) {
  return c.channels == 2 ? run<Form, 2>(c, messages) : run<Form, 8>(c, messages);
}

const bool added[] = {
    add_choices(
        "sluice", [](const choice&) { return true; }, run_some<form::named>),
    add_choices(
        "sluice-anew", [](const choice& c) { return !c.blocking; }, run_some<form::anew>),
    add_choices(
        "sluice-range", [](const choice&) { return true; }, run_some<form::range>),
};

}  // namespace
}  // namespace bench
