// SPDX-License-Identifier: BSL-1.0
//
// Measures how cost grows: rounds over all curves, in each of which every peer has its turn at each
// point, in random order.

#include "frame/machine.hpp"
#include "frame/options.hpp"
#include "growth/growth.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

namespace bench {
namespace {

constexpr const char* usage_text =
    "Usage: bench_growth [CURVE...] [--rounds N] [--milliseconds M] [--csv FILE]\n"
    "       bench_growth --list\n"
    "\n"
    "  CURVE           G1 for example; all of them by default\n"
    "  --rounds        how often each peer has its turn at each point (5)\n"
    "  --milliseconds  how long one turn takes, at least about (20)\n"
    "  --csv           where to write every single result\n"
    "  --list          names the curves: name, axis, unit and title\n";

struct turn {
  const line* who;
  std::size_t point;
  std::uint64_t count = 1;
  std::vector<double> nanoseconds{};
};

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// Finds out how much makes a turn of the length that is wanted.
void calibrate(turn& t, double wanted_nanoseconds) {
  for (std::uint64_t count = 1'024;; count *= 4) {
    const auto [done, taken] = t.who->run(t.point, count);
    if (taken.wall.count() < wanted_nanoseconds / 8) continue;
    t.count = std::max<std::uint64_t>(
        1, static_cast<std::uint64_t>(static_cast<double>(done) * wanted_nanoseconds /
                                      taken.wall.count()));
    return;
  }
}

void print(const curve& c, const std::vector<turn>& turns) {
  std::vector<std::string> peers;
  for (const turn& t : turns)
    if (t.who->along == &c && std::find(peers.begin(), peers.end(), t.who->peer) == peers.end())
      peers.push_back(t.who->peer);
  std::printf("\n%s  %s: ns per %s\n  %12s", c.name, c.title, c.unit, c.axis);
  for (const std::string& peer : peers) std::printf(" %12s", peer.c_str());
  std::printf("\n");
  for (const std::size_t point : c.points) {
    std::printf("  %12zu", point);
    for (const std::string& peer : peers)
      for (const turn& t : turns)
        if (t.who->along == &c && t.who->peer == peer && t.point == point)
          std::printf(" %12.1f", median(t.nanoseconds));
    std::printf("\n");
  }
}

void measure(const std::vector<const curve*>& chosen, int rounds, double wanted_nanoseconds,
             const std::string& csv) {
  std::FILE* file = csv.empty() ? nullptr : std::fopen(csv.c_str(), "w");
  if (!csv.empty() && file == nullptr) fail("cannot write " + csv);
  if (file != nullptr) std::fputs("curve,peer,point,ns,round\n", file);

  std::vector<turn> turns;
  for (const curve* c : chosen)
    for (const line& l : lines())
      if (l.along == c)
        for (const std::size_t point : c->points) turns.push_back({&l, point});
  std::fputs("finding out how much makes a turn\n", stderr);
  for (turn& t : turns) calibrate(t, wanted_nanoseconds);

  const stopwatch watch;
  std::mt19937 random(std::random_device{}());
  std::vector<turn*> order;
  for (turn& t : turns) order.push_back(&t);
  for (int round = 1; round <= rounds; ++round) {
    std::fprintf(stderr, "[%.0f s] round %d of %d\n", watch.elapsed().wall.count() / 1e9, round,
                 rounds);
    std::shuffle(order.begin(), order.end(), random);
    for (turn* t : order) {
      t->who->run(t->point, t->count / 8 + 1);
      const auto [done, taken] = t->who->run(t->point, t->count);
      t->nanoseconds.push_back(taken.wall.count() / static_cast<double>(done));
      if (file != nullptr)
        std::fprintf(file, "%s,%s,%zu,%.3f,%d\n", t->who->along->name, t->who->peer.c_str(),
                     t->point, t->nanoseconds.back(), round);
    }
  }
  if (file != nullptr) std::fclose(file);
  std::printf("The median of %d rounds.\n", rounds);
  for (const curve* c : chosen) print(*c, turns);
}

std::vector<const curve*> choose_curves(const std::vector<std::string>& names) {
  std::vector<const curve*> chosen;
  for (const curve* c : all_curves)
    if (names.empty() || std::find(names.begin(), names.end(), c->name) != names.end())
      chosen.push_back(c);
  for (const std::string& name : names)
    if (std::none_of(chosen.begin(), chosen.end(), [&](const curve* c) { return name == c->name; }))
      fail("there is no curve " + name + "; --list names them");
  return chosen;
}

int main(options given) {
  if (given.flag("--help")) {
    std::fputs(usage_text, stdout);
    return 0;
  }
  if (given.flag("--list")) {
    for (const curve* c : all_curves)
      std::printf("%s\t%s\t%s\t%s\n", c->name, c->axis, c->unit, c->title);
    return 0;
  }
  const int rounds = std::atoi(given.value("--rounds", "5").c_str());
  const double milliseconds = std::strtod(given.value("--milliseconds", "20").c_str(), nullptr);
  const std::string csv = given.value("--csv", "");
  if (rounds < 1 || !(milliseconds > 0)) fail("a measurement takes rounds and time");
  const idle_thread second;
  const raised_priority raised;
  measure(choose_curves(given.rest()), rounds, milliseconds * 1e6, csv);
  return 0;
}

}  // namespace
}  // namespace bench

int main(int count, char** arguments) {
  return bench::main(bench::options(count, arguments));
}
