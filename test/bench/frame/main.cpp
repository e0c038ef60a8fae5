// SPDX-License-Identifier: BSL-1.0
//
// Measures time: rounds over all workloads, in each of which every peer has its turn.

#include "frame/machine.hpp"
#include "frame/options.hpp"
#include "frame/suite.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <random>
#include <string>
#include <vector>

namespace bench {
namespace {

constexpr const char* usage_text =
    "Usage: bench [ROW...] [--rounds N] [--milliseconds M] [--csv FILE]\n"
    "       bench --list\n"
    "       bench --once ROW PEER MESSAGES\n"
    "\n"
    "  ROW             a workload, W1 for example; all of them by default\n"
    "  --rounds        how often each peer has its turn (11)\n"
    "  --milliseconds  how long one turn takes, about (100)\n"
    "  --csv           where to write every single result\n"
    "  --list          names the workloads and who takes part in them\n"
    "  --once          one run without warming up: something to hand to a profiler\n";

struct series {
  const workload* what;
  const contender* who;
  std::uint64_t messages = granularity;
  std::vector<double> nanoseconds{};  // per message, one for each round
  std::vector<double> cores{};        // how many were busy on average
};

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

std::uint64_t whole(double messages) {
  return std::max<std::uint64_t>(1, static_cast<std::uint64_t>(messages) / granularity) *
         granularity;
}

/// Finds out how many messages make a turn of the length that is wanted.
void calibrate(series& s, double wanted_nanoseconds) {
  for (std::uint64_t messages = whole(4096);; messages *= 4) {
    const double taken = s.who->run(messages).wall.count();
    if (taken < wanted_nanoseconds / 8) continue;
    s.messages = whole(static_cast<double>(messages) * wanted_nanoseconds / taken);
    return;
  }
}

double cores_of(const timing& taken) {
  return taken.processor.count() / taken.wall.count();
}

void take_turn(series& s) {
  // Whoever had the last turn has left the caches and the branch predictors to himself.
  s.who->run(whole(static_cast<double>(s.messages) / 10));
  timing taken = s.who->run(s.messages);
  // A single thread that does not wait has lost its core to something else if it was not busy all
  // the time. Such a turn is taken again, but not for ever: then the machine is too busy for
  // figures.
  for (int again = 2; again != 0 && s.what->threads == 1 && cores_of(taken) < 0.95; --again)
    taken = s.who->run(s.messages);
  s.nanoseconds.push_back(taken.wall.count() / static_cast<double>(s.messages));
  s.cores.push_back(cores_of(taken));
}

class csv_file {
 public:
  explicit csv_file(const std::string& path) {
    if (path.empty()) return;
    file_ = std::fopen(path.c_str(), "w");
    if (file_ == nullptr) fail("cannot write " + path);
    std::fputs("workload,peer,ns_per_message,round\n", file_);
  }
  csv_file(const csv_file&) = delete;
  csv_file& operator=(const csv_file&) = delete;

  ~csv_file() {
    if (file_ != nullptr) std::fclose(file_);
  }

  void add(const series& s, int round) {
    if (file_ == nullptr) return;
    std::fprintf(file_, "%s,%s,%.3f,%d\n", s.what->name, s.who->peer.c_str(), s.nanoseconds.back(),
                 round);
    std::fflush(file_);
  }

 private:
  std::FILE* file_ = nullptr;
};

void print(const workload& what, std::vector<const series*> contenders) {
  std::sort(contenders.begin(), contenders.end(), [](const series* a, const series* b) {
    return median(a->nanoseconds) < median(b->nanoseconds);
  });
  double asio = 0;
  for (const series* s : contenders)
    if (s->who->peer == "asio") asio = median(s->nanoseconds);

  std::printf("\n%s  %s\n", what.name, what.title);
  for (const series* s : contenders) {
    const auto [least, most] = std::minmax_element(s->nanoseconds.begin(), s->nanoseconds.end());
    const double middle = median(s->nanoseconds);
    std::printf("  %-4s  %-12s %8.1f %8.1f %8.1f", what.name, s->who->peer.c_str(), middle, *least,
                *most);
    if (asio != 0)
      std::printf(" %8.3f", middle / asio);
    else
      std::printf(" %8s", "");
    if (s->who->peer.rfind("sluice", 0) == 0)
      std::printf(" %8g", what.target);
    else
      std::printf(" %8s", "");
    std::printf(" %7.2f\n", median(s->cores));
  }
}

void measure(const std::vector<const entry*>& chosen, int rounds, double wanted_nanoseconds,
             const std::string& csv) {
  csv_file file(csv);
  std::vector<std::vector<series>> all;
  const stopwatch watch;
  std::fputs("finding out how many messages make a turn\n", stderr);
  for (const entry* e : chosen) {
    auto& contenders = all.emplace_back();
    for (const contender& who : e->contenders)
      calibrate(contenders.emplace_back(series{&e->what, &who}), wanted_nanoseconds);
  }

  std::mt19937 random(std::random_device{}());
  for (int round = 1; round <= rounds; ++round) {
    for (auto& contenders : all) {
      std::fprintf(stderr, "[%.0f s] round %d of %d: %s\n", watch.elapsed().wall.count() / 1e9,
                   round, rounds, contenders.front().what->name);
      std::vector<series*> turns;
      for (series& s : contenders) turns.push_back(&s);
      std::shuffle(turns.begin(), turns.end(), random);
      for (series* s : turns) {
        take_turn(*s);
        file.add(*s, round);
      }
    }
  }

  std::printf(
      "Nanoseconds per message: the median of %d rounds, the least and the most. Then the ratio "
      "to\n"
      "asio, the ratio that is aimed at, and how many cores were busy.\n\n"
      "  %-4s  %-12s %8s %8s %8s %8s %8s %7s\n",
      rounds, "", "peer", "median", "min", "max", "ratio", "target", "cores");
  for (const auto& contenders : all) {
    std::vector<const series*> rows;
    for (const series& s : contenders) rows.push_back(&s);
    print(*contenders.front().what, rows);
  }
}

void list() {
  for (const entry& e : suite()) {
    std::printf("%-4s  %s\n     ", e.what.name, e.what.title);
    for (const contender& who : e.contenders) std::printf(" %s", who.peer.c_str());
    std::printf("\n");
  }
}

void run_once(const std::string& row, const std::string& peer, const std::string& messages) {
  const entry& e = *choose({row}).front();
  for (const contender& who : e.contenders) {
    if (who.peer != peer) continue;
    const std::uint64_t number = whole(std::strtod(messages.c_str(), nullptr));
    const timing taken = who.run(number);
    std::printf("%s %s %.2f ns per message\n", e.what.name, peer.c_str(),
                taken.wall.count() / static_cast<double>(number));
    return;
  }
  fail(peer + " does not take part in " + row);
}

int main(options given) {
  if (given.flag("--help")) {
    std::fputs(usage_text, stdout);
    return 0;
  }
  if (given.flag("--list")) {
    list();
    return 0;
  }
  const bool once = given.flag("--once");
  const int rounds = std::atoi(given.value("--rounds", "11").c_str());
  const double milliseconds = std::strtod(given.value("--milliseconds", "100").c_str(), nullptr);
  const std::string csv = given.value("--csv", "");
  const std::vector<std::string> rows = given.rest();
  if (rounds < 1 || !(milliseconds > 0)) fail("a measurement takes rounds and time");

#if !defined(__OPTIMIZE__)
  std::fputs("This was compiled without optimisation: what it measures means nothing.\n", stderr);
#endif
  const idle_thread second;
  if (once) {
    if (rows.size() != 3) fail("--once wants a row, a peer and a number of messages");
    run_once(rows[0], rows[1], rows[2]);
  } else {
    const raised_priority raised;
    measure(choose(rows), rounds, milliseconds * 1e6, csv);
  }
  return 0;
}

}  // namespace
}  // namespace bench

int main(int count, char** arguments) {
  return bench::main(bench::options(count, arguments));
}
