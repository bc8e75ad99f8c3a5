/*
 * Number of the binary interface between modules and the host: what all public C
 * headers declare. It is part of the names of the functions through which a module
 * makes itself known, so that the dynamic linker refuses a module that was built for
 * another interface before any code of it runs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SOCKHOST_ABI_H_
#define SOCKHOST_ABI_H_

#define SOCKHOST_ABI 1

/* sockhost_abi_1_name */
#define SOCKHOST_ABI_NAME(name) SOCKHOST_ABI_NAME_EXPANDED_(SOCKHOST_ABI, name)
#define SOCKHOST_ABI_NAME_EXPANDED_(abi, name) SOCKHOST_ABI_NAME_PASTED_(abi, name)
#define SOCKHOST_ABI_NAME_PASTED_(abi, name) sockhost_abi_##abi##_##name

#endif /* SOCKHOST_ABI_H_ */
