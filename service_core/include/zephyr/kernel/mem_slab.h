/*
 * Memory slabs: pools of blocks of one size. Included by zephyr/kernel.h.
 *
 * Source: Zephyr API documentation, "Memory Slabs".
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef ZEPHYR_KERNEL_MEM_SLAB_H_
#define ZEPHYR_KERNEL_MEM_SLAB_H_

#include <zephyr/kernel/wait_queue.h>
#include <zephyr/sys_clock.h>

#ifdef __cplusplus
extern "C" {
#endif

struct k_mem_slab {
  struct sockhost_wait_queue wait_q;
  char *buffer;
  size_t block_size;
  uint32_t num_blocks;
  uint32_t num_used;
  /* Blocks from here on were never used; used and freed ones are in free_list. */
  uint32_t num_fresh;
  void *free_list;
};

/* Blocks are rounded up to hold a pointer. */
#define SOCKHOST_SLAB_BLOCK(size) ROUND_UP(size, sizeof(void *))
#define SOCKHOST_MEM_SLAB_DEFINE(scope, name, size, count, align)  \
  static char __aligned(MAX((align), sizeof(void *)))              \
      sockhost_slab_##name[SOCKHOST_SLAB_BLOCK(size) * (count)];   \
  scope struct k_mem_slab name = {SOCKHOST_WAIT_QUEUE_INITIALIZER, \
                                  sockhost_slab_##name,            \
                                  SOCKHOST_SLAB_BLOCK(size),       \
                                  (count),                         \
                                  0,                               \
                                  0,                               \
                                  NULL}

#define K_MEM_SLAB_DEFINE(name, size, count, align) \
  SOCKHOST_MEM_SLAB_DEFINE(, name, size, count, align)
#define K_MEM_SLAB_DEFINE_STATIC(name, size, count, align) \
  SOCKHOST_MEM_SLAB_DEFINE(static, name, size, count, align)

/* `block_size` is a multiple of the size of a pointer, and `buffer` aligned to it.
 * 0; -EINVAL. */
int k_mem_slab_init(struct k_mem_slab *slab, void *buffer, size_t block_size, uint32_t num_blocks);

/* 0; -ENOMEM: all are used, and no waiting was asked for; -EAGAIN: timed out. On
 * error *memory is NULL. */
int k_mem_slab_alloc(struct k_mem_slab *slab, void **memory, k_timeout_t timeout);
void k_mem_slab_free(struct k_mem_slab *slab, void *memory);

uint32_t k_mem_slab_num_used_get(struct k_mem_slab *slab);
uint32_t k_mem_slab_num_free_get(struct k_mem_slab *slab);

#ifdef __cplusplus
}
#endif

#endif /* ZEPHYR_KERNEL_MEM_SLAB_H_ */
