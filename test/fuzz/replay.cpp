// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE replay

// What the fuzzers have found worth keeping, and a number of random inputs, played once more. An
// input that fails is played a second time, and each step of it printed.
//
// SLUICE_TEST_SEED gives other random inputs. The fuzzers themselves are built by the preset "fuzz".

#include "fuzz/players.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

using input = std::vector<std::uint8_t>;

constexpr int random_inputs = 3000;
constexpr unsigned longest = 500;

bool agrees(const fuzz::named_player& player, const input& in, const std::string& name) {
  try {
    return player.run(in.data(), in.size()) == 0;
  } catch (const fuzz::disagreement& first) {
    BOOST_ERROR(player.name << ", " << name << ": " << first.what());
    fuzz::tells = true;
    try {
      player.run(in.data(), in.size());
    } catch (const fuzz::disagreement&) {
    }
    fuzz::tells = false;
    return false;
  }
}

input read(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  BOOST_TEST_REQUIRE(static_cast<bool>(in), "cannot read " << file);
  return input(std::istreambuf_iterator<char>(in), {});
}

std::vector<fs::path> files_of(const char* name) {
  const fs::path folder = fs::path(__FILE__).parent_path() / "corpus" / name;
  BOOST_TEST_REQUIRE(fs::is_directory(folder), "there is no folder " << folder);
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

BOOST_AUTO_TEST_CASE(what_was_kept_agrees_with_the_reference) {
  for (const fuzz::named_player& player : fuzz::players) {
    const std::vector<fs::path> files = files_of(player.name);
    BOOST_TEST(!files.empty());
    for (const fs::path& file : files)
      BOOST_TEST(agrees(player, read(file), file.filename().string()));
    BOOST_TEST_MESSAGE(player.name << ": " << files.size() << " inputs");
  }
}

BOOST_AUTO_TEST_CASE(random_inputs_agree_with_the_reference) {
  const char* given = std::getenv("SLUICE_TEST_SEED");
  const unsigned seed = given ? static_cast<unsigned>(std::strtoul(given, nullptr, 10)) : 1;
  std::mt19937 random(seed);
  for (int i = 0; i != random_inputs; ++i) {
    input in(random() % longest);
    for (std::uint8_t& byte : in) byte = static_cast<std::uint8_t>(random() % 256);
    for (const fuzz::named_player& player : fuzz::players)
      BOOST_TEST(agrees(player, in, "random input " + std::to_string(i)));
  }
}

// That the empty input, and one of a single step, are no special case.
BOOST_AUTO_TEST_CASE(the_shortest_inputs_agree_with_the_reference) {
  for (const fuzz::named_player& player : fuzz::players) {
    BOOST_TEST(agrees(player, {}, "nothing"));
    for (unsigned i = 0; i != 256; ++i)
      BOOST_TEST(agrees(player,
                        {static_cast<std::uint8_t>(i / 64), static_cast<std::uint8_t>(i), 7, 7, 7},
                        "a step of " + std::to_string(i)));
  }
}
