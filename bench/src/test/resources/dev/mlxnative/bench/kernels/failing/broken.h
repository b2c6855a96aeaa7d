template <typename T>
kernel void broken(device T* x [[buffer(0)]], uint i [[thread_position_in_grid]]) {
    x[i] = T::missing(i);
}
