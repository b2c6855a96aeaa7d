package dev.mlxnative.bench.soak;

import dev.mlxnative.BufferAllocationException;
import java.util.concurrent.atomic.AtomicLong;

/**
 * What one thread did to a pool. Everything but {@link #publishedOperations} is for that thread, and for others once it
 * has ended.
 */
final class Tally {

    long begun;
    long ended;
    long overlaps;
    long fenced;
    long scopes;
    long resets;
    long refusedByMemoryLimit;
    long refusedByBufferLimit;
    long refusedByDevice;

    private final AtomicLong published = new AtomicLong();

    void refused(BufferAllocationException refusal) {
        if (refusal.getCause() != null) { // what the device said to the pool
            refusedByDevice++;
        } else if (String.valueOf(refusal.getMessage()).contains("limit on the number of buffers")) {
            refusedByBufferLimit++;
        } else {
            refusedByMemoryLimit++;
        }
    }

    long refused() {
        return refusedByMemoryLimit + refusedByBufferLimit + refusedByDevice;
    }

    /** A cache line that others read is too dear to be written with each operation. */
    void publish() {
        published.setOpaque(begun + ended);
    }

    long publishedOperations() {
        return published.getOpaque();
    }

    static Tally sum(Iterable<Tally> tallies) {
        var sum = new Tally();
        for (Tally tally : tallies) {
            sum.begun += tally.begun;
            sum.ended += tally.ended;
            sum.overlaps += tally.overlaps;
            sum.fenced += tally.fenced;
            sum.scopes += tally.scopes;
            sum.resets += tally.resets;
            sum.refusedByMemoryLimit += tally.refusedByMemoryLimit;
            sum.refusedByBufferLimit += tally.refusedByBufferLimit;
            sum.refusedByDevice += tally.refusedByDevice;
        }
        return sum;
    }
}
