/*
 * The configuration values (CONFIG_*) that applications built on socket services
 * read. Zephyr generates this file from Kconfig; here every value is a default
 * that the application may replace:
 *   - with -DCONFIG_NAME=value on the command line, or
 *   - with -DSOCKHOST_APP_CONFIG='"my_config.h"', a header of #define lines.
 * As in Zephyr, a disabled bool is left undefined, never 0.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef ZEPHYR_AUTOCONF_H_
#define ZEPHYR_AUTOCONF_H_

#ifdef SOCKHOST_APP_CONFIG
#include SOCKHOST_APP_CONFIG
#endif

/* ---- What this host provides ---------------------------------------------- */

#ifndef CONFIG_SOCKHOST
#define CONFIG_SOCKHOST 1
#endif
#ifndef CONFIG_64BIT
#if defined(__LP64__)
#define CONFIG_64BIT 1
#endif
#endif
#ifndef CONFIG_MULTITHREADING
#define CONFIG_MULTITHREADING 1
#endif
#ifndef CONFIG_POSIX_API
#define CONFIG_POSIX_API 1
#endif
#ifndef CONFIG_EVENTFD
#define CONFIG_EVENTFD 1
#endif
#ifndef CONFIG_ZVFS_EVENTFD
#define CONFIG_ZVFS_EVENTFD 1
#endif
#ifndef CONFIG_EVENTS
#define CONFIG_EVENTS 1
#endif
#ifndef CONFIG_NETWORKING
#define CONFIG_NETWORKING 1
#endif
#ifndef CONFIG_NET_IPV4
#define CONFIG_NET_IPV4 1
#endif
#ifndef CONFIG_NET_IPV6
#define CONFIG_NET_IPV6 1
#endif
#ifndef CONFIG_NET_IPV4_MAPPING_TO_IPV6
#define CONFIG_NET_IPV4_MAPPING_TO_IPV6 1
#endif
#ifndef CONFIG_NET_TCP
#define CONFIG_NET_TCP 1
#endif
#ifndef CONFIG_NET_UDP
#define CONFIG_NET_UDP 1
#endif
#ifndef CONFIG_NET_SOCKETS
#define CONFIG_NET_SOCKETS 1
#endif
#ifndef CONFIG_NET_SOCKETS_POSIX_NAMES
#define CONFIG_NET_SOCKETS_POSIX_NAMES 1
#endif
#ifndef CONFIG_NET_SOCKETS_SERVICE
#define CONFIG_NET_SOCKETS_SERVICE 1
#endif

/* ---- Limits ----------------------------------------------------------------
 * sockhost itself has no such small limits. These are sizes of the application's
 * own arrays (#define MAX_CLIENTS (CONFIG_ZVFS_POLL_MAX - 3) and the like). */

#ifndef CONFIG_ZVFS_OPEN_MAX
#define CONFIG_ZVFS_OPEN_MAX 1024
#endif
#ifndef CONFIG_ZVFS_POLL_MAX
#define CONFIG_ZVFS_POLL_MAX 64
#endif
#ifndef CONFIG_POSIX_MAX_FDS
#define CONFIG_POSIX_MAX_FDS CONFIG_ZVFS_OPEN_MAX
#endif
#ifndef CONFIG_NET_SOCKETS_POLL_MAX
#define CONFIG_NET_SOCKETS_POLL_MAX CONFIG_ZVFS_POLL_MAX
#endif
#ifndef CONFIG_NET_MAX_CONTEXTS
#define CONFIG_NET_MAX_CONTEXTS CONFIG_ZVFS_OPEN_MAX
#endif
#ifndef CONFIG_NET_MAX_CONN
#define CONFIG_NET_MAX_CONN CONFIG_ZVFS_OPEN_MAX
#endif

/* ---- Logging: 0 off, 1 error, 2 warning, 3 info, 4 debug ------------------- */

#ifndef CONFIG_LOG
#define CONFIG_LOG 1
#endif
#ifndef CONFIG_LOG_DEFAULT_LEVEL
#define CONFIG_LOG_DEFAULT_LEVEL 3
#endif
#ifndef CONFIG_LOG_MAX_LEVEL
#define CONFIG_LOG_MAX_LEVEL 4
#endif
#ifndef CONFIG_NET_LOG
#define CONFIG_NET_LOG 1
#endif
#ifndef CONFIG_NET_SOCKETS_LOG_LEVEL
#define CONFIG_NET_SOCKETS_LOG_LEVEL CONFIG_LOG_DEFAULT_LEVEL
#endif
#ifndef CONFIG_PRINTK
#define CONFIG_PRINTK 1
#endif

/* ---- Kernel ---------------------------------------------------------------- */

/* One tick is one microsecond. Not for the application to change: the library
 * is built with it. */
#define CONFIG_SYS_CLOCK_TICKS_PER_SEC 1000000

#ifndef CONFIG_KERNEL_INIT_PRIORITY_DEFAULT
#define CONFIG_KERNEL_INIT_PRIORITY_DEFAULT 40
#endif
#ifndef CONFIG_KERNEL_INIT_PRIORITY_DEVICE
#define CONFIG_KERNEL_INIT_PRIORITY_DEVICE 50
#endif
#ifndef CONFIG_APPLICATION_INIT_PRIORITY
#define CONFIG_APPLICATION_INIT_PRIORITY 90
#endif
#ifndef CONFIG_NET_SOCKETS_SERVICE_INIT_PRIO
#define CONFIG_NET_SOCKETS_SERVICE_INIT_PRIO 91
#endif
#ifndef CONFIG_NUM_COOP_PRIORITIES
#define CONFIG_NUM_COOP_PRIORITIES 16
#endif
#ifndef CONFIG_NUM_PREEMPT_PRIORITIES
#define CONFIG_NUM_PREEMPT_PRIORITIES 15
#endif
#ifndef CONFIG_MAIN_STACK_SIZE
#define CONFIG_MAIN_STACK_SIZE 2048
#endif
#ifndef CONFIG_SYSTEM_WORKQUEUE_STACK_SIZE
#define CONFIG_SYSTEM_WORKQUEUE_STACK_SIZE 2048
#endif
#ifndef CONFIG_SYSTEM_WORKQUEUE_PRIORITY
#define CONFIG_SYSTEM_WORKQUEUE_PRIORITY (-1)
#endif

#endif /* ZEPHYR_AUTOCONF_H_ */
