// <metal_array>, and what a braced list needs.
#pragma once

#include "geometric.h"

namespace std {

// Made by the compiler, which sets the members by their order.
template <typename T>
class initializer_list {
public:
    constexpr initializer_list() = default;
    constexpr size_t size() const { return count; }
    constexpr const T *begin() const { return first; }
    constexpr const T *end() const { return first + count; }

private:
    const T *first = nullptr;
    size_t count = 0;
};

} // namespace std

namespace metal {

using std::initializer_list;

template <typename T, size_t N>
struct array {
    using value_type = T;

    T elements[N];

    constexpr T &operator[](size_t i) { return elements[i]; }
    constexpr const T &operator[](size_t i) const { return elements[i]; }
    constexpr T &front() { return elements[0]; }
    constexpr const T &front() const { return elements[0]; }
    constexpr T &back() { return elements[N - 1]; }
    constexpr const T &back() const { return elements[N - 1]; }
    constexpr T *data() { return elements; }
    constexpr const T *data() const { return elements; }
    constexpr T *begin() { return elements; }
    constexpr const T *begin() const { return elements; }
    constexpr T *end() { return elements + N; }
    constexpr const T *end() const { return elements + N; }
    constexpr bool empty() const { return N == 0; }
    constexpr size_t size() const { return N; }
    constexpr size_t max_size() const { return N; }
    constexpr void fill(const T &value) {
        for (size_t i = 0; i < N; i++) {
            elements[i] = value;
        }
    }
};

} // namespace metal
