package dev.mlxnative.bench.replay;

import java.lang.foreign.MemorySegment;

/**
 * Where a replay gets its buffers from, and all that it knows of them.
 *
 * @param <B> a buffer on lease
 */
interface Allocator<B> {

    /** Leases a buffer of exactly {@code bytes} bytes. */
    B allocate(long bytes);

    /** Ends the lease. */
    void release(B buffer);

    /** The bytes of a buffer on lease. */
    MemorySegment contents(B buffer);
}
