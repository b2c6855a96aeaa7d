package dev.mlxnative.bench.replay;

import java.lang.foreign.MemorySegment;

/**
 * The source of a replay's buffers.
 *
 * @param <B> the type of a leased buffer
 */
interface Allocator<B> {

    /** Leases a buffer of exactly {@code bytes} bytes. */
    B allocate(long bytes);

    /** Ends the lease. */
    void release(B buffer);

    /** The bytes of a leased buffer. */
    MemorySegment contents(B buffer);
}
