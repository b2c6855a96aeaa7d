package dev.mlxnative.bench.replay;

import java.lang.foreign.MemorySegment;
import java.util.stream.Stream;
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

    /** The bytes at each end of a large buffer that have a stamp. The bytes of a trace's buffers are many gigabytes. */
    private static final long STAMPED_END_BYTES = 1 << 14;

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
     * Returns the number of buffers that shared bytes with another live one.
     *
     * <p>The addresses of live buffers must be disjoint. Besides, each buffer gets a stamp, which must be intact before
     * the release: on every byte of a small buffer, and on both ends of a large one.
     *
     * @param requestDone runs after every allocation in the window
     */
    long countOverlaps(Runnable requestDone) {
        var check = new OverlapCheck();
        for (int slot = 0; slot < live.length; slot++) {
            if (window.liveBefore()[slot] > 0) {
                check.allocate(slot, window.liveBefore()[slot]);
            }
        }
        for (int event = window.from(); event < window.to(); event++) {
            int slot = trace.slot(event);
            if (trace.isAllocation(event)) {
                check.allocate(slot, trace.size(event));
                requestDone.run();
            } else {
                check.release(slot);
            }
        }
        for (int slot = 0; slot < live.length; slot++) {
            if (live[slot] != null) {
                check.release(slot);
            }
        }
        return check.overlaps();
    }

    private B remove(int slot) {
        B buffer = live[slot];
        if (buffer == null) {
            throw new AssertionError("the trace frees slot %d, which is empty".formatted(slot));
        }
        live[slot] = null;
        return buffer;
    }

    /** Checks the buffers of one run. */
    private final class OverlapCheck {

        private final LiveRanges ranges = new LiveRanges();
        private final Stamp[] stamps = new Stamp[live.length];
        private long leases;
        private long sharedRanges;
        private long alteredStamps;

        void allocate(int slot, long size) {
            B buffer = allocator.allocate(size);
            live[slot] = buffer;
            stamps[slot] = Stamp.ofLease(++leases);
            MemorySegment contents = contents(buffer, size);
            if (!ranges.add(contents)) {
                sharedRanges++;
            }
            parts(contents).forEach(stamps[slot]::write);
        }

        void release(int slot) {
            B buffer = remove(slot);
            MemorySegment contents = allocator.contents(buffer);
            ranges.remove(contents);
            if (!parts(contents).allMatch(stamps[slot]::isIntact)) {
                alteredStamps++;
            }
            allocator.release(buffer);
        }

        /** The parts of a buffer that have a stamp. */
        private Stream<MemorySegment> parts(MemorySegment contents) {
            long size = contents.byteSize();
            return size <= 2 * STAMPED_END_BYTES
                    ? Stream.of(contents)
                    : Stream.of(contents.asSlice(0, STAMPED_END_BYTES), contents.asSlice(size - STAMPED_END_BYTES));
        }

        /**
         * Returns the contents, and requires the requested length: the check covers all requested bytes and no others.
         */
        private MemorySegment contents(B buffer, long size) {
            MemorySegment contents = allocator.contents(buffer);
            if (contents.byteSize() != size) {
                throw new IllegalStateException(
                        "a request of %d bytes got a segment of %d".formatted(size, contents.byteSize()));
            }
            return contents;
        }

        /** Both checks find the same overlaps, but those in the middle of large buffers. */
        long overlaps() {
            return Math.max(sharedRanges, alteredStamps);
        }
    }
}
