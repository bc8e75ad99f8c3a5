/*
 * irq_lock() and irq_unlock(): see zephyr/spinlock.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef ZEPHYR_IRQ_H_
#define ZEPHYR_IRQ_H_

#include <zephyr/spinlock.h>

#endif /* ZEPHYR_IRQ_H_ */
