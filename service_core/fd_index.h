// Which slot of the socket table an fd number stands for.
#ifndef SOCKHOST_SERVICE_CORE_FD_INDEX_H_
#define SOCKHOST_SERVICE_CORE_FD_INDEX_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace sockhost {

// Entries by fd number, 0 at first; an array that never moves, in chunks.
//
// Thread rule: one thread at a time makes room and sets; any thread may read meanwhile, and
// sees what was done before the entry was set.
class FdIndex {
 public:
  // The highest number that there can be room for. The kernel hands out the lowest that is
  // free, and 1048576 of them at most unless fs.nr_open was raised.
  static constexpr int kHighest = 4 * 1024 * 1024 - 1;

  FdIndex() = default;
  ~FdIndex() {
    for (const std::atomic<Chunk*>& chunk : chunks_) delete chunk.load(std::memory_order_relaxed);
  }
  FdIndex(const FdIndex&) = delete;
  FdIndex& operator=(const FdIndex&) = delete;

  uint32_t Get(int fd) const {
    if (fd < 0 || fd > kHighest) return 0;
    const Chunk* chunk = chunks_[ChunkOf(fd)].load(std::memory_order_acquire);
    return chunk ? (*chunk)[PlaceOf(fd)].load(std::memory_order_acquire) : 0;
  }

  // False if `fd` is too high. Throws std::bad_alloc.
  bool MakeRoom(int fd) {
    if (fd < 0 || fd > kHighest) return false;
    std::atomic<Chunk*>& chunk = chunks_[ChunkOf(fd)];
    if (!chunk.load(std::memory_order_relaxed)) chunk.store(new Chunk{}, std::memory_order_release);
    return true;
  }

  // Where room was made.
  void Set(int fd, uint32_t entry) {
    Chunk* chunk = chunks_[ChunkOf(fd)].load(std::memory_order_relaxed);
    (*chunk)[PlaceOf(fd)].store(entry, std::memory_order_release);
  }

 private:
  static constexpr size_t kChunk = 1024;
  static constexpr size_t kChunks = (kHighest + 1) / kChunk;
  using Chunk = std::array<std::atomic<uint32_t>, kChunk>;

  static size_t ChunkOf(int fd) { return static_cast<size_t>(fd) / kChunk; }
  static size_t PlaceOf(int fd) { return static_cast<size_t>(fd) % kChunk; }

  std::array<std::atomic<Chunk*>, kChunks> chunks_{};
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVICE_CORE_FD_INDEX_H_
