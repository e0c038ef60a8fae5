// SPDX-License-Identifier: BSL-1.0

#include "word_report.hpp"

#include <algorithm>
#include <unordered_map>

namespace job_server {
namespace {

// The letters of ASCII only, whatever the locale says.
constexpr char lower_letter(char c) {
  if (c >= 'A' && c <= 'Z') return static_cast<char>(c - 'A' + 'a');
  return c >= 'a' && c <= 'z' ? c : '\0';
}

bool ranks_before(const counted_word& a, const counted_word& b) {
  return a.count != b.count ? a.count > b.count : a.word < b.word;
}

}  // namespace

word_report count_words(std::string_view text) {
  if (text.find('\0') != text.npos) throw not_a_text();
  word_report report;
  std::unordered_map<std::string, std::size_t> counts;
  std::string word;
  const auto end_of_word = [&] {
    if (word.empty()) return;
    ++report.words;
    ++counts[word];
    word.clear();
  };
  for (const char c : text) {
    if (const char letter = lower_letter(c))
      word.push_back(letter);
    else
      end_of_word();
  }
  end_of_word();

  report.distinct_words = counts.size();
  auto& ranking = report.most_frequent;
  ranking.reserve(counts.size());
  for (const auto& [counted, count] : counts) ranking.push_back({counted, count});
  const auto kept = std::min<std::size_t>(10, ranking.size());
  const auto cut = ranking.begin() + static_cast<std::ptrdiff_t>(kept);
  std::partial_sort(ranking.begin(), cut, ranking.end(), ranks_before);
  ranking.erase(cut, ranking.end());
  ranking.shrink_to_fit();
  return report;
}

std::string to_json(const word_report& report) {
  // A word consists of letters, so nothing in here can need escaping.
  std::string json;
  json += "{\"words\":" + std::to_string(report.words);
  json += ",\"distinct_words\":" + std::to_string(report.distinct_words);
  json += ",\"most_frequent\":[";
  const char* separator = "";
  for (const auto& entry : report.most_frequent) {
    json += separator;
    json += "{\"word\":\"" + entry.word;
    json += "\",\"count\":" + std::to_string(entry.count) + "}";
    separator = ",";
  }
  json += "]}\n";
  return json;
}

}  // namespace job_server
