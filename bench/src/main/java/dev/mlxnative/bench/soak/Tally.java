package dev.mlxnative.bench.soak;

import dev.mlxnative.BufferAllocationException;
import java.util.concurrent.atomic.AtomicLong;

/**
 * The counts of one thread's operations on a pool.
 *
 * <p>Only that thread uses them while it runs. Other threads may read {@link #publishedOperations} at any time, and the
 * rest after the thread has ended.
 */
final class Tally {

    long begun;
    long ended;
    long overlaps;
    long fenced;
    long inFlightReleases;
    long scratchLeases;
    long scopes;
    long resets;
    long refusedByMemoryLimit;
    long refusedByBufferLimit;
    long refusedByDevice;
    /** The errors of the VM that the thread met. Each failed at most one request. */
    long stackOverflows;

    long heapErrors;

    private final AtomicLong published = new AtomicLong();

    void refused(BufferAllocationException exception) {
        if (exception.getCause() != null) { // the exception of the device
            refusedByDevice++;
        } else if (String.valueOf(exception.getMessage()).contains("limit on the number of buffers")) {
            refusedByBufferLimit++;
        } else {
            refusedByMemoryLimit++;
        }
    }

    long refused() {
        return refusedByMemoryLimit + refusedByBufferLimit + refusedByDevice;
    }

    long vmErrors() {
        return stackOverflows + heapErrors;
    }

    /** Publishes the number of operations. A write after each operation would contend for the readers' cache line. */
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
            sum.inFlightReleases += tally.inFlightReleases;
            sum.scratchLeases += tally.scratchLeases;
            sum.scopes += tally.scopes;
            sum.resets += tally.resets;
            sum.refusedByMemoryLimit += tally.refusedByMemoryLimit;
            sum.refusedByBufferLimit += tally.refusedByBufferLimit;
            sum.refusedByDevice += tally.refusedByDevice;
            sum.stackOverflows += tally.stackOverflows;
            sum.heapErrors += tally.heapErrors;
        }
        return sum;
    }
}
