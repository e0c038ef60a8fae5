// SPDX-License-Identifier: BSL-1.0

#include "job_log.hpp"

#include <chrono>
#include <utility>

namespace job_server {
namespace {

// The members of a JSON object, without its braces. Names and texts are ours: nothing needs
// escaping.
std::string members_of(const queue_figures& figures) {
  std::string json;
  json += "\"depth\":" + std::to_string(figures.depth);
  json += ",\"capacity\":" + std::to_string(figures.capacity);
  json += ",\"most\":" + std::to_string(figures.most);
  json += ",\"running\":" + std::to_string(figures.running);
  json += ",\"idle\":" + std::to_string(figures.idle);
  json += ",\"listeners\":" + std::to_string(figures.listeners);
  json += ",\"accepted\":" + std::to_string(figures.accepted);
  json += ",\"received\":" + std::to_string(figures.received);
  json += ",\"rejected\":" + std::to_string(figures.rejected);
  json += ",\"done\":" + std::to_string(figures.done);
  json += ",\"failed\":" + std::to_string(figures.failed);
  json += ",\"abandoned\":" + std::to_string(figures.abandoned);
  json += ",\"mean_wait\":" + std::to_string(figures.mean_wait);
  json += ",\"longest_wait\":" + std::to_string(figures.longest_wait);
  return json;
}

std::string job_member(std::uint64_t number) {
  return "\"job\":" + std::to_string(number) + ",";
}

event make_event(std::string_view name, std::string_view data) {
  std::string text = "event: ";
  text.append(name).append("\ndata: {").append(data).append("}\n\n");
  return std::make_shared<const std::string>(std::move(text));
}

}  // namespace

std::string to_json(const queue_figures& figures) {
  return "{" + members_of(figures) + "}\n";
}

job_log::job_log(const event_sender& events, std::size_t capacity)
    : events_(events), capacity_(capacity) {}

void job_log::accepted(std::uint64_t number) {
  tell("accepted", job_member(number));
}

void job_log::rejected(std::uint64_t number) {
  ++rejected_;
  tell("rejected", job_member(number));
}

void job_log::started(std::uint64_t number, std::string_view worker) {
  const std::scoped_lock lock(mutex_);
  tell("started", job_member(number) + "\"worker\":\"" + std::string(worker) + "\",");
}

void job_log::ended(std::uint64_t number, ending how) {
  const std::scoped_lock lock(mutex_);
  switch (how) {
    case ending::done:
      ++done_;
      return tell("done", job_member(number));
    case ending::failed:
      ++failed_;
      return tell("failed", job_member(number));
    case ending::abandoned:
      ++abandoned_;
      return tell("abandoned", job_member(number));
  }
}

void job_log::stopping() {
  const std::scoped_lock lock(mutex_);
  tell("stopping", {});
}

queue_figures job_log::figures() const {
  const std::scoped_lock lock(mutex_);
  return figures_now();
}

job_log::subscription job_log::subscribe() const {
  const std::scoped_lock lock(mutex_);
  // If the broadcast is closed this is an empty handle, whose stream is at its end.
  auto events = events_.lock().subscribe();
  return {make_event("hello", members_of(figures_now())), std::move(events)};
}

void job_log::tell(std::string_view name, std::string data) const {
  auto events = events_.lock();
  if (events.receiver_count() > 0) events.send(make_event(name, data + members_of(figures_now())));
}

// tag::figures[]
queue_figures job_log::figures_now() const {
  using microseconds = std::chrono::duration<double, std::micro>;
  const auto queue = metrics_();
  queue_figures result;
  result.depth = queue.buffered;
  result.capacity = capacity_;
  result.most = queue.most_buffered;
  result.running = static_cast<std::size_t>(queue.received - done_ - failed_ - abandoned_);
  result.idle = queue.waiting_receives;
  result.listeners = events_.lock().receiver_count();
  result.accepted = queue.accepted;
  result.received = queue.received;
  result.rejected = rejected_;
  result.done = done_;
  result.failed = failed_;
  result.abandoned = abandoned_;
  if (queue.received != 0) {
    const microseconds mean = queue.times.total / queue.received;
    result.mean_wait = static_cast<std::uint64_t>(mean.count());
  }
  result.longest_wait = static_cast<std::uint64_t>(microseconds(queue.times.longest).count());
  return result;
}
// end::figures[]

}  // namespace job_server
