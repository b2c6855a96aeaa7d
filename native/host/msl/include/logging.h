// <metal_logging>: messages are accepted and dropped.
#pragma once

#include "simdgroup_matrix.h"

namespace metal {

enum os_log_type { os_log_type_default, os_log_type_debug, os_log_type_info, os_log_type_error, os_log_type_fault };

struct os_log {
    constexpr os_log() = default;
    constexpr os_log(const char *, const char *) {}

    template <typename... Arguments>
    constexpr void log(const char *, Arguments...) const {}
    template <typename... Arguments>
    constexpr void log_debug(const char *, Arguments...) const {}
    template <typename... Arguments>
    constexpr void log_info(const char *, Arguments...) const {}
    template <typename... Arguments>
    constexpr void log_error(const char *, Arguments...) const {}
    template <typename... Arguments>
    constexpr void log_fault(const char *, Arguments...) const {}
    template <typename... Arguments>
    constexpr void log_with_type(os_log_type, const char *, Arguments...) const {}
};

inline constexpr os_log os_log_default;

} // namespace metal
