#include <zephyr/kernel.h>

#include <cerrno>

#include "kernel/wait.h"

using sockhost::kernel::Guard;
using sockhost::kernel::IsNoWait;
using sockhost::kernel::Wait;
using sockhost::kernel::Wake;

namespace {

// A free block begins with the address of the next one.
void*& NextOf(void* block) { return *static_cast<void**>(block); }

// A block that was freed, else one that was never used; NULL if there is none.
void* TakeBlock(k_mem_slab& slab) {
  void* block = slab.free_list;
  if (block) {
    slab.free_list = NextOf(block);
  } else if (slab.num_fresh < slab.num_blocks) {
    block = slab.buffer + slab.num_fresh++ * slab.block_size;
  }
  return block;
}

}  // namespace

extern "C" {

int k_mem_slab_init(struct k_mem_slab* slab, void* buffer, size_t block_size, uint32_t num_blocks) {
  if (block_size == 0 || block_size % sizeof(void*) != 0 || !IS_ALIGNED(buffer, sizeof(void*))) {
    return -EINVAL;
  }
  *slab = {SOCKHOST_WAIT_QUEUE_INITIALIZER,
           static_cast<char*>(buffer),
           block_size,
           num_blocks,
           0,
           0,
           nullptr};
  return 0;
}

int k_mem_slab_alloc(struct k_mem_slab* slab, void** memory, k_timeout_t timeout) {
  Guard guard(slab->wait_q);
  *memory = TakeBlock(*slab);
  if (*memory) {
    ++slab->num_used;
    return 0;
  }
  if (IsNoWait(timeout)) return -ENOMEM;
  sockhost_waiter waiter;
  const int result = Wait(guard, slab->wait_q, waiter, timeout);
  *memory = waiter.item;
  return result;
}

void k_mem_slab_free(struct k_mem_slab* slab, void* memory) {
  Guard guard(slab->wait_q);
  if (sockhost_waiter* const waiter = slab->wait_q.first) {
    waiter->item = memory;
    Wake(slab->wait_q, *waiter, 0);
    return;
  }
  NextOf(memory) = slab->free_list;
  slab->free_list = memory;
  --slab->num_used;
}

uint32_t k_mem_slab_num_used_get(struct k_mem_slab* slab) {
  Guard guard(slab->wait_q);
  return slab->num_used;
}

uint32_t k_mem_slab_num_free_get(struct k_mem_slab* slab) {
  Guard guard(slab->wait_q);
  return slab->num_blocks - slab->num_used;
}

}  // extern "C"
