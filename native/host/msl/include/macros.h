// What the preprocessor defines for kernels: the compiler's own macros, and those of the standard library's headers.
// This file has macros alone: it is preprocessed before a kernel's source, with which the library itself is not.
#pragma once

#define __METAL__ 1
#ifndef __METAL_VERSION__
#define __METAL_VERSION__ 310
#endif
#define __METAL_MACOS__ 1
#define __HAVE_BFLOAT__ 1
#define __HAVE_SIMDGROUP_REDUCTION__ 1
#define __HAVE_SIMDGROUP_MATRIX__ 1
#ifndef __METAL_FAST_MATH__
#define __METAL_FAST_MATH__ 1
#endif
#define __METAL_MAYBE_FAST_MATH__ __METAL_FAST_MATH__
#define __METAL_PRECISE_MATH__ 0

#define METAL_FUNC inline __attribute__((__always_inline__))
#define METAL_INTERNAL inline
#define METAL_ASM(NAME)
#define assert(CONDITION) ((void)0)

// <metal_limits>, and the limits of integers.
#define CHAR_BIT 8
#define SCHAR_MAX 127
#define SCHAR_MIN (-128)
#define UCHAR_MAX 255
#define CHAR_MAX SCHAR_MAX
#define CHAR_MIN SCHAR_MIN
#define SHRT_MAX 32767
#define SHRT_MIN (-32768)
#define USHRT_MAX 65535
#define INT_MAX 2147483647
#define INT_MIN (-INT_MAX - 1)
#define UINT_MAX 4294967295u
#define LONG_MAX 9223372036854775807l
#define LONG_MIN (-LONG_MAX - 1l)
#define ULONG_MAX 18446744073709551615ul
#define INT8_MAX SCHAR_MAX
#define INT8_MIN SCHAR_MIN
#define UINT8_MAX UCHAR_MAX
#define INT16_MAX SHRT_MAX
#define INT16_MIN SHRT_MIN
#define UINT16_MAX USHRT_MAX
#define INT32_MAX INT_MAX
#define INT32_MIN INT_MIN
#define UINT32_MAX UINT_MAX
#define INT64_MAX LONG_MAX
#define INT64_MIN LONG_MIN
#define UINT64_MAX ULONG_MAX

// <metal_math>. The numbers of half and bfloat are made from float.
#define INFINITY (__builtin_inff())
#define NAN (__builtin_nanf(""))
#define HUGE_VALF INFINITY
#define HUGE_VALH (half(INFINITY))
#define MAXFLOAT 0x1.fffffep127f
#define MAXHALF (half(0x1.ffcp15f))
#define FP_ILOGB0 (-INT_MAX - 1)
#define FP_ILOGBNAN INT_MAX

#define FLT_DIG 6
#define FLT_MANT_DIG 24
#define FLT_RADIX 2
#define FLT_MAX_10_EXP 38
#define FLT_MIN_10_EXP (-37)
#define FLT_MAX_EXP 128
#define FLT_MIN_EXP (-125)
#define FLT_MAX 0x1.fffffep127f
#define FLT_MIN 0x1p-126f
#define FLT_EPSILON 0x1p-23f

#define HALF_DIG 3
#define HALF_MANT_DIG 11
#define HALF_RADIX 2
#define HALF_MAX_10_EXP 4
#define HALF_MIN_10_EXP (-4)
#define HALF_MAX_EXP 16
#define HALF_MIN_EXP (-13)
#define HALF_MAX (half(0x1.ffcp15f))
#define HALF_MIN (half(0x1p-14f))
#define HALF_EPSILON (half(0x1p-10f))

#define BFLT_DIG 2
#define BFLT_MANT_DIG 8
#define BFLT_RADIX 2
#define BFLT_MAX (bfloat(0x1.fep127f))
#define BFLT_MIN (bfloat(0x1p-126f))
#define BFLT_EPSILON (bfloat(0x1p-7f))

#define M_E_F 2.71828182845904523536f
#define M_LOG2E_F 1.44269504088896340736f
#define M_LOG10E_F 0.43429448190325182765f
#define M_LN2_F 0.69314718055994530942f
#define M_LN10_F 2.30258509299404568402f
#define M_PI_F 3.14159265358979323846f
#define M_PI_2_F 1.57079632679489661923f
#define M_PI_4_F 0.78539816339744830962f
#define M_1_PI_F 0.31830988618379067154f
#define M_2_PI_F 0.63661977236758134308f
#define M_2_SQRTPI_F 1.12837916709551257390f
#define M_SQRT2_F 1.41421356237309504880f
#define M_SQRT1_2_F 0.70710678118654752440f
#define M_E_H (half(2.71828182845904523536f))
#define M_LOG2E_H (half(1.44269504088896340736f))
#define M_LOG10E_H (half(0.43429448190325182765f))
#define M_LN2_H (half(0.69314718055994530942f))
#define M_LN10_H (half(2.30258509299404568402f))
#define M_PI_H (half(3.14159265358979323846f))
#define M_PI_2_H (half(1.57079632679489661923f))
#define M_PI_4_H (half(0.78539816339744830962f))
#define M_1_PI_H (half(0.31830988618379067154f))
#define M_2_PI_H (half(0.63661977236758134308f))
#define M_2_SQRTPI_H (half(1.12837916709551257390f))
#define M_SQRT2_H (half(1.41421356237309504880f))
#define M_SQRT1_2_H (half(0.70710678118654752440f))
