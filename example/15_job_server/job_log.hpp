// SPDX-License-Identifier: BSL-1.0
//
// What has happened to jobs: counted, and told to everybody who listens, as it happens.
//
// - The events are one Sluice broadcast. Telling never waits, however many clients listen and
//   however slow they are; a client that cannot keep up loses events, and hears how many.
// - An event is made into text once. The clients share it, instead of having a copy each.
// - Every event carries all the figures, so that whoever has missed some knows where things stand
//   as soon as the next one comes.
// - What there is to know of the queue is measured by the queue itself, and only asked for here.
// - The log knows its broadcast weakly. Those who keep it open are the workers: when the last of
//   them has left its loop there is nothing to tell any more, and every stream of events ends.
//   Nobody has to find out when that is.

#ifndef JOB_SERVER_JOB_LOG_HPP
#define JOB_SERVER_JOB_LOG_HPP

#include <sluice/broadcast.hpp>
#include <sluice/measured.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace job_server {

// The text of one server-sent event.
using event = std::shared_ptr<const std::string>;
using event_sender = sluice::broadcast_sender<event>;
using event_receiver = sluice::broadcast_receiver<event>;

struct queue_figures {
  std::size_t depth = 0;        // jobs waiting now
  std::size_t capacity = 0;     // jobs that can wait
  std::size_t most = 0;         // jobs that have waited at the same time, at most
  std::size_t running = 0;      // jobs being worked on now
  std::size_t idle = 0;         // workers that wait for a job
  std::size_t listeners = 0;    // clients that are told of events
  std::uint64_t accepted = 0;   // jobs taken into the queue since the start
  std::uint64_t received = 0;   // jobs that a worker has taken out of it
  std::uint64_t rejected = 0;   // jobs refused since the start
  std::uint64_t done = 0;       // accepted jobs that came to a result
  std::uint64_t failed = 0;     // accepted jobs that threw
  std::uint64_t abandoned = 0;  // accepted jobs whose client hung up before that
  // How long the received jobs were in the queue, in microseconds.
  std::uint64_t mean_wait = 0;
  std::uint64_t longest_wait = 0;
};

std::string to_json(const queue_figures& figures);

class job_log {
 public:
  job_log(const event_sender& events, std::size_t capacity);

  // Whom to ask for what the queue has measured, before anything else happens. The queue neither
  // waits then nor calls anybody.
  void ask_queue(std::function<sluice::channel_metrics()> metrics) {
    metrics_ = std::move(metrics);
  }

  // Begins the story of a job: calls try_send(number), and says what it returned.
  template <class TrySend>
  sluice::error_code submit(TrySend try_send) {
    // A worker that is quicker than this function waits here before it says `started`: so the
    // events of a job come in their order. try_send neither waits nor calls anybody.
    const std::scoped_lock lock(mutex_);
    const auto number = ++last_number_;
    const sluice::error_code refused = try_send(number);
    if (refused)
      rejected(number);
    else
      accepted(number);
    return refused;
  }

  // `worker` says who works on it.
  void started(std::uint64_t number, std::string_view worker);

  enum class ending { done, failed, abandoned };
  void ended(std::uint64_t number, ending how);

  void stopping();

  queue_figures figures() const;

  // All events from now on, and what there is to know before them.
  struct subscription {
    event greeting;
    event_receiver events;
  };
  subscription subscribe() const;

 private:
  void accepted(std::uint64_t number);
  void rejected(std::uint64_t number);
  void tell(std::string_view name, std::string data) const;
  queue_figures figures_now() const;

  const sluice::weak_broadcast_sender<event> events_;
  const std::size_t capacity_;
  std::function<sluice::channel_metrics()> metrics_;
  // Protects what follows, and keeps the order of the events that of the counts.
  mutable std::mutex mutex_;
  std::uint64_t last_number_ = 0;
  std::uint64_t rejected_ = 0;
  std::uint64_t done_ = 0;
  std::uint64_t failed_ = 0;
  std::uint64_t abandoned_ = 0;
};

}  // namespace job_server

#endif
