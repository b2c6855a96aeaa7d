// Matrices that the lanes of a simdgroup hold together.

float element(int row, int column) {
    return float((row * 5 + column * 3) % 11) - 4;
}

kernel void products_32_threads(device Record *out [[buffer(0)]], device const float *in [[buffer(1)]],
                                uint thread_index [[thread_index_in_threadgroup]]) {
    Records records(out, thread_index);
    threadgroup float from[16 * 20];
    threadgroup float to[8 * 8];
    for (uint i = thread_index; i < 16 * 20; i += 32) {
        from[i] = element(i / 20, i % 20);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);

    simdgroup_float8x8 a, b, transposed, c, d;
    simdgroup_load(a, from, 20);
    simdgroup_load(b, from, 20, ulong2(3, 5));
    simdgroup_load(transposed, from, 20, ulong2(0, 0), true);
    c = make_filled_simdgroup_matrix<float, 8, 8>(2.0f);
    simdgroup_multiply_accumulate(d, a, b, c);
    simdgroup_store(d, to, 8);
    uint row = thread_index / 4, column = thread_index % 4 * 2;
    for (uint k = 0; k < 2; k++) {
        float wanted = 2;
        for (int i = 0; i < 8; i++) {
            wanted += element(row, i) * element(i + 5, column + k + 3);
        }
        SAME(to[row * 8 + column + k], wanted);
    }

    simdgroup_multiply(d, transposed, b);
    simdgroup_store(d, to, 8, ulong2(0, 0), true);
    for (uint k = 0; k < 2; k++) {
        float wanted = 0;
        for (int i = 0; i < 8; i++) {
            wanted += element(i, row) * element(i + 5, column + k + 3);
        }
        SAME(to[(column + k) * 8 + row], wanted);
    }

    simdgroup_float8x8 identity(1);
    simdgroup_store(identity * a, to);
    SAME(to[row * 8 + column], element(row, column));
    SAME(to[row * 8 + column + 1], element(row, column + 1));
}

kernel void elements_32_threads(device Record *out [[buffer(0)]], device const float *in [[buffer(1)]],
                                uint lane [[thread_index_in_simdgroup]]) {
    Records records(out, lane);
    threadgroup half memory[64];
    memory[lane] = lane;
    memory[lane + 32] = lane + 32;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    simdgroup_half8x8 a;
    simdgroup_load(a, memory, 8);

    // The place at which MLX's kernels expect a lane's elements.
    uint quad = lane / 4;
    uint row = (quad & 4) + lane / 2 % 4, column = (quad & 2) * 2 + lane % 2 * 2;
    SAME(a.thread_elements()[0], row * 8 + column);
    SAME(a.thread_elements()[1], row * 8 + column + 1);

    a.thread_elements() *= half(2);
    simdgroup_half8x8 product;
    simdgroup_multiply(product, a, simdgroup_half8x8(half(1)));
    SAME(product.thread_elements()[1], 2 * (row * 8 + column + 1));

    simdgroup_bfloat8x8 ones(bfloat(1));
    simdgroup_float8x8 mixed;
    simdgroup_multiply_accumulate(mixed, a, ones, make_filled_simdgroup_matrix<float, 8>(0.5f));
    SAME(mixed.thread_elements()[0], 2 * (row * 8 + column) + 0.5f);
}
