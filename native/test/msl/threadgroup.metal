// Threadgroup memory, barriers and atomics.

kernel void barriers_70_threads(device Record *out [[buffer(0)]], device const float *in [[buffer(1)]],
                                uint thread_index [[thread_index_in_threadgroup]]) {
    Records records(out, thread_index);
    threadgroup int shared[70];
    threadgroup float3 vector;
    threadgroup bfloat rounded[2];
    int sum = 0;
    for (int i = 0; i < 5; i++) {
        shared[thread_index] = thread_index * 10 + i;
        if (thread_index == 3) {
            vector = float3(i, 2, 3);
            rounded[i % 2] = i;
        }
        threadgroup_barrier(mem_flags::mem_threadgroup | mem_flags::mem_device);
        sum += shared[(thread_index + 33) % 70];
        SAME(vector, float3(i, 2, 3));
        SAME(rounded[i % 2], i);
        threadgroup_barrier(mem_flags::mem_threadgroup);
    }
    SAME(sum, int((thread_index + 33) % 70) * 50 + 10);

    simdgroup_barrier(mem_flags::mem_none);
    threadgroup_barrier(mem_flags::mem_none, memory_order_relaxed);
    atomic_thread_fence(mem_flags::mem_device, memory_order_seq_cst, thread_scope_device);

    if (thread_index >= 50) {
        return;
    }
    shared[thread_index] = 7;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    SAME(shared[49 - thread_index], 7);
}

kernel void integers_70_threads(device Record *out [[buffer(0)]], device const float *in [[buffer(1)]],
                                uint thread_index [[thread_index_in_threadgroup]]) {
    Records records(out, thread_index);
    threadgroup atomic_int counters[8];
    threadgroup atomic_uint turns;
    threadgroup atomic_bool flag;
    if (thread_index < 8) {
        atomic_store_explicit(&counters[thread_index], thread_index == 5 ? -1 : 0, memory_order_relaxed);
    }
    if (thread_index == 0) {
        atomic_store_explicit(&turns, 0u, memory_order_relaxed);
        atomic_store_explicit(&flag, false, memory_order_relaxed);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    int own = thread_index;
    int before = atomic_fetch_add_explicit(&counters[0], 1, memory_order_relaxed);
    TRUE(before >= 0 && before < 70);
    atomic_fetch_sub_explicit(&counters[1], own, memory_order_relaxed);
    atomic_fetch_min_explicit(&counters[2], 5 - own, memory_order_relaxed);
    atomic_fetch_max_explicit(&counters[3], own * 2, memory_order_relaxed);
    atomic_fetch_or_explicit(&counters[4], 1 << own % 31, memory_order_relaxed);
    atomic_fetch_and_explicit(&counters[5], ~(1 << own % 5), memory_order_relaxed);
    atomic_fetch_xor_explicit(&counters[6], own, memory_order_relaxed);
    uint turn = atomic_load_explicit(&turns, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&turns, &turn, turn + 3, memory_order_relaxed,
                                                  memory_order_relaxed)) {
    }
    atomic_store_explicit(&flag, true, memory_order_relaxed);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    SAME(atomic_load_explicit(&counters[0], memory_order_relaxed), 70);
    SAME(atomic_load_explicit(&counters[1], memory_order_relaxed), -69 * 35);
    SAME(atomic_load_explicit(&counters[2], memory_order_relaxed), -64);
    SAME(atomic_load_explicit(&counters[3], memory_order_relaxed), 138);
    SAME(atomic_load_explicit(&counters[4], memory_order_relaxed), 0x7fffffff);
    SAME(atomic_load_explicit(&counters[5], memory_order_relaxed), ~31);
    SAME(atomic_load_explicit(&counters[6], memory_order_relaxed), 64 ^ 65 ^ 66 ^ 67 ^ 68 ^ 69);
    SAME(atomic_load_explicit(&turns, memory_order_relaxed), 210);
    SAME(atomic_load_explicit(&flag, memory_order_relaxed), true);
}

kernel void exchanges(device Record *out [[buffer(0)]], device const float *in [[buffer(1)]]) {
    Records records(out, 0);
    threadgroup atomic_float number;
    threadgroup atomic_ulong wide;
    threadgroup atomic<uint> value;
    atomic_store_explicit(&number, in[2], memory_order_relaxed);
    SAME(atomic_fetch_add_explicit(&number, 0.5f, memory_order_relaxed), 2);
    SAME(atomic_exchange_explicit(&number, 9, memory_order_relaxed), 2.5f);
    SAME(atomic_load_explicit(&number, memory_order_relaxed), 9);
    atomic_store_explicit(&wide, 1ul << 40, memory_order_relaxed);
    atomic_max_explicit(&wide, ulong(in[1]) << 41, memory_order_relaxed);
    SAME(atomic_load_explicit(&wide, memory_order_relaxed), 1ul << 41);
    atomic_min_explicit(&wide, ulong(in[1]) << 39, memory_order_relaxed);
    SAME(atomic_load_explicit(&wide, memory_order_relaxed), 1ul << 39);
    atomic_store_explicit(&value, 5, memory_order_relaxed);
    uint expected = uint(in[4]);
    SAME(atomic_compare_exchange_weak_explicit(&value, &expected, 6, memory_order_relaxed, memory_order_relaxed),
         false);
    SAME(expected, 5);
    SAME(atomic_compare_exchange_weak_explicit(&value, &expected, 6, memory_order_relaxed, memory_order_relaxed),
         true);
    SAME(atomic_load_explicit(&value, memory_order_relaxed), 6);
}
