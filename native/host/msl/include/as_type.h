// as_type<To>(value): the bits of a value as another type of the same size.
#pragma once

#include "vector_operators.h"

namespace metal {

template <typename To, typename From>
MSL_INLINE constexpr To as_type(const From &from) {
    static_assert(sizeof(To) == sizeof(From), "as_type needs types of the same size");
    return __builtin_bit_cast(To, from);
}

} // namespace metal

using metal::as_type;
