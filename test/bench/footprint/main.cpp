// SPDX-License-Identifier: BSL-1.0
//
// Measures memory: what each workload asks of the heap for a message, and what stays there.

#include "footprint/footprint.hpp"
#include "frame/machine.hpp"
#include "frame/options.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

namespace bench {

// A function's variable, because source files register themselves in an order that nobody knows.
std::vector<footprint_entry>& footprints() {
  static std::vector<footprint_entry> all;
  return all;
}

namespace {

/// How often the heap is called in a run. A first run has filled what is filled once for a process.
double calls(const contender& who, std::uint64_t messages) {
  const heap_use before = heap_now();
  who.run(messages);
  return static_cast<double>(heap_now().calls - before.calls);
}

/// The steady state is the difference between a long run and a short one.
double calls_per_message(const contender& who) {
  constexpr std::uint64_t few = 256 * granularity;
  constexpr std::uint64_t many = 10 * few;
  calls(who, few);
  return (calls(who, many) - calls(who, few)) / static_cast<double>(many - few);
}

class csv_file {
 public:
  explicit csv_file(const std::string& path) {
    if (path.empty()) return;
    file_ = std::fopen(path.c_str(), "w");
    if (file_ == nullptr) fail("cannot write " + path);
    std::fputs("what,peer,value,unit\n", file_);
  }
  csv_file(const csv_file&) = delete;
  csv_file& operator=(const csv_file&) = delete;

  ~csv_file() {
    if (file_ != nullptr) std::fclose(file_);
  }

  void add(const std::string& what, const std::string& peer, double value, const char* unit) {
    if (file_ != nullptr)
      std::fprintf(file_, "\"%s\",%s,%.4f,%s\n", what.c_str(), peer.c_str(), value, unit);
  }

 private:
  std::FILE* file_ = nullptr;
};

void measure_calls(const std::vector<const entry*>& chosen, csv_file& file) {
  std::printf("Calls of the heap per message, in the steady state\n\n");
  for (const entry* e : chosen) {
    for (const contender& who : e->contenders) {
      std::fprintf(stderr, "allocations: %s %s\n", e->what.name, who.peer.c_str());
      const double number = calls_per_message(who);
      std::printf("  %-4s  %-12s %8.3f\n", e->what.name, who.peer.c_str(), number);
      file.add(e->what.name, who.peer, number, "calls per message");
    }
  }
}

void measure_bytes(csv_file& file) {
  std::printf("\nBytes on the heap for one of each, and of the objects in the user's hands\n\n");
  auto& all = footprints();
  std::sort(all.begin(), all.end(), [](const footprint_entry& a, const footprint_entry& b) {
    return std::pair(a.what, a.peer) < std::pair(b.what, b.peer);
  });
  for (const footprint_entry& e : all) {
    const footprint bytes = e.measure();
    std::printf("  %-38s %-8s %8.1f %6zu\n", e.what.c_str(), e.peer.c_str(), bytes.heap,
                bytes.objects);
    file.add(e.what, e.peer, bytes.heap, "bytes on the heap");
    file.add(e.what, e.peer, static_cast<double>(bytes.objects), "bytes of objects");
  }
}

int main(options given) {
  const std::string csv = given.value("--csv", "");
  const std::vector<const entry*> chosen = choose(given.rest());
  const idle_thread second;
  csv_file file(csv);
  measure_calls(chosen, file);
  measure_bytes(file);
  return 0;
}

}  // namespace
}  // namespace bench

int main(int count, char** arguments) {
  return bench::main(bench::options(count, arguments));
}
