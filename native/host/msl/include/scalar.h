// Scalar types of the Metal Shading Language, which are at global scope there as here.
#pragma once

#define MSL_INLINE inline __attribute__((always_inline))
#define MSL_CONVERGENT __attribute__((convergent))

typedef unsigned char uchar;
typedef unsigned short ushort;
typedef unsigned int uint;
typedef unsigned long ulong;
typedef signed char int8_t;
typedef unsigned char uint8_t;
typedef short int16_t;
typedef unsigned short uint16_t;
typedef int int32_t;
typedef unsigned int uint32_t;
typedef long int64_t;
typedef unsigned long uint64_t;
typedef unsigned long size_t;
typedef long ptrdiff_t;
typedef long intptr_t;
typedef unsigned long uintptr_t;
typedef decltype(nullptr) nullptr_t;
typedef _Float16 half;

static_assert(sizeof(long) == 8 && sizeof(void *) == 8, "MSL's long and pointers have 64 bits");
static_assert(char(-1) < 0, "MSL's char is signed: compile with -fsigned-char");
