package dev.mlxnative.bench.replay;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * One run through a trace or a window of it, event by event in the order of the file.
 *
 * <p>It runs in one thread, even if several threads recorded the trace. Two runs are therefore comparable. At the start
 * it allocates the buffers that are live before the window, and at the end it releases the buffers that the window does
 * not free. It times neither.
 *
 * <p>The timed run and the checked run have separate loops. The loop of the timed run thereby sees only the two
 * allocators that it compares: the JIT compiler inlines two implementations of an interface, and not three.
 *
 * @param <B> the type of the allocator's buffers
 */
final class Pass<B> {

    private final Trace trace;
    private final Window window;
    private final Allocator<B> allocator;
    private final @Nullable B[] live;

    Pass(Trace trace, Allocator<B> allocator) {
        this(Window.whole(trace), allocator);
    }

    @SuppressWarnings("unchecked") // the array never leaves this class
    Pass(Window window, Allocator<B> allocator) {
        this.trace = window.trace();
        this.window = window;
        this.allocator = allocator;
        this.live = (B[]) new Object[trace.peakLiveCount()];
    }

    /** Allocates and frees without access to the contents, and returns the nanoseconds that it took. */
    long time() {
        for (int slot = 0; slot < live.length; slot++) {
            if (window.liveBefore()[slot] > 0) {
                live[slot] = allocator.allocate(window.liveBefore()[slot]);
            }
        }
        long start = System.nanoTime();
        for (int event = window.from(); event < window.to(); event++) {
            int slot = trace.slot(event);
            if (trace.isAllocation(event)) {
                live[slot] = allocator.allocate(trace.size(event));
            } else {
                allocator.release(remove(slot));
            }
        }
        long nanos = System.nanoTime() - start;
        for (int slot = 0; slot < live.length; slot++) {
            if (live[slot] != null) {
                allocator.release(remove(slot));
            }
        }
        return nanos;
    }

    /**
     * Stamps every byte of every buffer, checks every byte before the release, and returns the number of altered
     * buffers.
     *
     * <p>An altered buffer shared bytes with another live lease.
     *
     * @param requestDone runs after every allocation in the window
     */
    long countOverlaps(Runnable requestDone) {
        var stamps = new Stamp[live.length];
        long leases = 0;
        long overlaps = 0;
        for (int slot = 0; slot < live.length; slot++) {
            if (window.liveBefore()[slot] > 0) {
                stamps[slot] = Stamp.ofLease(++leases);
                allocateAndStamp(slot, window.liveBefore()[slot], stamps[slot]);
            }
        }
        for (int event = window.from(); event < window.to(); event++) {
            int slot = trace.slot(event);
            if (trace.isAllocation(event)) {
                stamps[slot] = Stamp.ofLease(++leases);
                allocateAndStamp(slot, trace.size(event), stamps[slot]);
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

    private void allocateAndStamp(int slot, long size, Stamp stamp) {
        B buffer = allocator.allocate(size);
        live[slot] = buffer;
        stamp.write(contents(buffer, size));
    }

    private int releaseAndCheck(int slot, Stamp stamp) {
        B buffer = remove(slot);
        boolean intact = stamp.isIntact(allocator.contents(buffer));
        allocator.release(buffer);
        return intact ? 0 : 1;
    }

    /** Returns the contents, and requires the requested length: the check covers all requested bytes and no others. */
    private MemorySegment contents(B buffer, long size) {
        MemorySegment contents = allocator.contents(buffer);
        if (contents.byteSize() != size) {
            throw new IllegalStateException(
                    "a request of %d bytes got a segment of %d".formatted(size, contents.byteSize()));
        }
        return contents;
    }

    private B remove(int slot) {
        B buffer = live[slot];
        if (buffer == null) {
            throw new AssertionError("the trace frees slot %d, which is empty".formatted(slot));
        }
        live[slot] = null;
        return buffer;
    }
}
