// In place of libFuzzer, where the compiler has none: feeds a fuzz target with the seeds of the
// folder that is named, and with every beginning of each. A target that has fallen behind the code
// that it tests, or a seed that breaks a promise, is found without fuzzing.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
// Not every target has it.
extern "C" __attribute__((weak)) int LLVMFuzzerInitialize(int* argc, char*** argv);

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
    return 2;
  }
  if (LLVMFuzzerInitialize) LLVMFuzzerInitialize(&argc, &argv);
  int seeds = 0;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1])) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string seed{std::istreambuf_iterator<char>(file), {}};
    if (!file) {
      std::fprintf(stderr, "cannot read %s\n", entry.path().c_str());
      return 1;
    }
    for (size_t size = 0; size <= seed.size(); ++size) {
      // A copy of just that size: a sanitizer sees what is read behind it.
      const std::string beginning = seed.substr(0, size);
      LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(beginning.data()), size);
    }
    ++seeds;
  }
  std::printf("%d seeds\n", seeds);
  return seeds > 0 ? 0 : 1;
}
