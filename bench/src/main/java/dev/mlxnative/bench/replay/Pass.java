package dev.mlxnative.bench.replay;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * One run through a trace, event by event in the order of the file and in one thread, whatever threads recorded it:
 * that is what makes two runs comparable. What the trace leaves live is released at the end, and not timed.
 *
 * <p>The two kinds of run have a loop each, so that the timed one never sees any other allocators than the two that it
 * compares: the JIT compiler inlines two implementations of an interface, and not three.
 *
 * @param <B> the allocator's buffers
 */
final class Pass<B> {

    private final Trace trace;
    private final Allocator<B> allocator;
    private final @Nullable B[] live;

    @SuppressWarnings("unchecked") // the array never leaves this class
    Pass(Trace trace, Allocator<B> allocator) {
        this.trace = trace;
        this.allocator = allocator;
        this.live = (B[]) new Object[trace.peakLiveCount()];
    }

    /** Allocates and frees without touching any contents, and returns the nanoseconds that it took. */
    long time() {
        long start = System.nanoTime();
        for (int event = 0; event < trace.events(); event++) {
            int slot = trace.slot(event);
            if (trace.isAllocation(event)) {
                live[slot] = allocator.allocate(trace.size(event));
            } else {
                allocator.release(take(slot));
            }
        }
        long nanos = System.nanoTime() - start;
        for (int slot = 0; slot < live.length; slot++) {
            if (live[slot] != null) {
                allocator.release(take(slot));
            }
        }
        return nanos;
    }

    /**
     * Stamps every buffer from end to end, looks at the whole of it again before its release, and returns how many were
     * not as they were left: each of those shared bytes with another live lease.
     *
     * @param requestDone is run after every allocation
     */
    long countOverlaps(Runnable requestDone) {
        var stamps = new Stamp[live.length];
        long leases = 0;
        long overlaps = 0;
        for (int event = 0; event < trace.events(); event++) {
            int slot = trace.slot(event);
            if (trace.isAllocation(event)) {
                B buffer = allocator.allocate(trace.size(event));
                live[slot] = buffer;
                stamps[slot] = Stamp.ofLease(++leases);
                stamps[slot].write(contents(buffer, trace.size(event)));
                requestDone.run();
            } else {
                overlaps += releaseAndCheck(slot, stamps[slot]);
            }
        }
        for (int slot = 0; slot < live.length; slot++) {
            if (live[slot] != null) {
                overlaps += releaseAndCheck(slot, stamps[slot]);
            }
        }
        return overlaps;
    }

    private int releaseAndCheck(int slot, Stamp stamp) {
        B buffer = take(slot);
        boolean intact = stamp.isIntact(allocator.contents(buffer));
        allocator.release(buffer);
        return intact ? 0 : 1;
    }

    /** A segment of another length would leave bytes unchecked, or check bytes that nobody asked for. */
    private MemorySegment contents(B buffer, long size) {
        MemorySegment contents = allocator.contents(buffer);
        if (contents.byteSize() != size) {
            throw new IllegalStateException(
                    "a request of %d bytes got a segment of %d".formatted(size, contents.byteSize()));
        }
        return contents;
    }

    private B take(int slot) {
        B buffer = live[slot];
        if (buffer == null) {
            throw new AssertionError("the trace frees slot %d, which is empty".formatted(slot));
        }
        live[slot] = null;
        return buffer;
    }
}
