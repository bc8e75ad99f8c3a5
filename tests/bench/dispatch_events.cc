// dispatch_events: serves events with a handler that does nothing and prints how
// many there were; bench.py runs it under callgrind, which counts instructions
// from the first to the last handler call of each batch.
#include <cstdio>

#include "tests/bench/ready_batch.h"

int main() {
  constexpr int kBatches = 100;
  constexpr size_t kSockets = 200;
  sockhost::ReadyBatch batch(kSockets);
  for (int i = 0; i < kBatches; ++i) batch.Serve();
  std::printf("%zu\n", kBatches * (kSockets - 1));
  return 0;
}
