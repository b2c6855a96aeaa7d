// metal::precise and metal::fast, which are the same here: the functions are as precise as metal::precise asks for.
#pragma once

#include "logging.h"

namespace metal {

#define MSL_FUNCTIONS(M)                                                                                             \
    M(abs) M(acos) M(acosh) M(asin) M(asinh) M(atan) M(atan2) M(atanh) M(ceil) M(clamp) M(copysign) M(cos) M(cosh)   \
    M(cospi) M(distance) M(distance_squared) M(divide) M(dot) M(exp) M(exp10) M(exp2) M(fabs) M(faceforward) M(fdim) \
    M(floor) M(fma) M(fmax) M(fmax3) M(fmedian3) M(fmin) M(fmin3) M(fmod) M(fract) M(frexp) M(ilogb) M(ldexp)        \
    M(length) M(length_squared) M(log) M(log10) M(log2) M(logb) M(max) M(max3) M(median3) M(min) M(min3) M(mix)      \
    M(modf) M(nextafter) M(normalize) M(pow) M(powr) M(reflect) M(refract) M(remainder) M(rint) M(round) M(rsqrt)    \
    M(saturate) M(sign) M(sin) M(sincos) M(sinh) M(sinpi) M(smoothstep) M(sqrt) M(step) M(tan) M(tanh) M(tanpi)      \
    M(trunc) M(isnan) M(isinf) M(isfinite) M(isnormal) M(isordered) M(isunordered) M(signbit) M(cross)
#define MSL_USE(NAME) using metal::NAME;

namespace precise {
MSL_FUNCTIONS(MSL_USE)
} // namespace precise
namespace fast {
MSL_FUNCTIONS(MSL_USE)
} // namespace fast

#undef MSL_FUNCTIONS
#undef MSL_USE

} // namespace metal
