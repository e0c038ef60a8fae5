// SPDX-License-Identifier: BSL-1.0
//
// A pipeline over a file: one stage reads, one transforms, one writes, all at the same time.
//
//   pipeline INPUT OUTPUT     writes INPUT in hexadecimal digits, 4096 bytes to a line
//
// What it teaches:
//   - A channel between two stages. While one block is written the next is transformed and the one
//     after that is read. Eight blocks may lie between two stages, however large the file is.
//   - The end travels downstream by itself: a stage that has ended lets go of its sender.
//   - So does a failure upstream: if the disk is full, the writer lets go of its receiver, the
//     sends of the stage before it fail with `closed`, and it ends, and so on up to the reader.
//   - A reader that fails looks, to the others, like the end of the file. That all of it is there
//     is known when every stage has ended well, and only then the output gets its name.

#include <sluice/channel.hpp>
#include <sluice/use_awaitable.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>

#include <cstddef>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

namespace asio = boost::asio;
namespace fs = std::filesystem;

namespace {

constexpr std::size_t block_size = 4096;
constexpr std::size_t blocks_between = 8;
constexpr auto as_result = asio::as_tuple(sluice::use_awaitable);

// Reading and writing files blocks, and may: each stage has a thread of the pool to itself.

asio::awaitable<void> read_blocks(fs::path from, sluice::sender<std::string> blocks) {
  std::ifstream file(from, std::ios::binary);
  if (!file) throw std::runtime_error("cannot open " + from.string());
  while (!file.eof()) {
    std::string block(block_size, '\0');
    file.read(block.data(), static_cast<std::streamsize>(block_size));
    if (file.bad()) throw std::runtime_error("cannot read " + from.string());
    block.resize(static_cast<std::size_t>(file.gcount()));
    if (block.empty()) break;
    auto [closed] = co_await blocks.async_send(std::move(block), as_result);
    if (closed) break;  // the next stage has failed, and will say why
  }
}

asio::awaitable<void> transform(sluice::receiver<std::string> blocks,
                                sluice::sender<std::string> lines) {
  while (auto block = co_await blocks.async_receive()) {
    std::string line;
    line.reserve(2 * block->size() + 1);
    for (const char character : *block) {
      const auto byte = static_cast<unsigned char>(character);
      line += "0123456789abcdef"[byte >> 4];
      line += "0123456789abcdef"[byte & 15];
    }
    line += '\n';
    auto [closed] = co_await lines.async_send(std::move(line), as_result);
    if (closed) break;
  }
}

asio::awaitable<void> write_lines(sluice::receiver<std::string> lines, fs::path to) {
  std::ofstream file(to, std::ios::binary);
  while (auto line = co_await lines.async_receive()) {
    if (!file.write(line->data(), static_cast<std::streamsize>(line->size()))) break;
  }
  file.close();
  if (!file) throw std::runtime_error("cannot write " + to.string());
}

void convert(const fs::path& from, const fs::path& to) {
  asio::thread_pool pool(3);
  const fs::path unfinished = to.string() + ".unfinished";
  auto [blocks, blocks_read] = sluice::make_channel<std::string>(pool, blocks_between);
  auto [lines, lines_made] = sluice::make_channel<std::string>(pool, blocks_between);
  auto reader = asio::co_spawn(pool, read_blocks(from, std::move(blocks)), asio::use_future);
  auto middle =
      asio::co_spawn(pool, transform(std::move(blocks_read), std::move(lines)), asio::use_future);
  auto writer =
      asio::co_spawn(pool, write_lines(std::move(lines_made), unfinished), asio::use_future);
  pool.join();  // until all three have ended, well or not
  try {
    reader.get();
    middle.get();
    writer.get();
    fs::rename(unfinished, to);
  } catch (...) {
    std::error_code ignored;
    fs::remove(unfinished, ignored);
    throw;
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: pipeline INPUT OUTPUT\n";
    return EXIT_FAILURE;
  }
  try {
    convert(argv[1], argv[2]);
    return EXIT_SUCCESS;
  } catch (const std::exception& problem) {
    std::cerr << "pipeline: " << problem.what() << '\n';
    return EXIT_FAILURE;
  }
}
