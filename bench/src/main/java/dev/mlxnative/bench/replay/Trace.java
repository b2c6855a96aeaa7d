package dev.mlxnative.bench.replay;

import java.util.Arrays;

/**
 * What a program allocated and freed, in the order in which it did.
 *
 * <p>The events lie in two arrays of primitives, and the recorded pointers are already resolved to small slot numbers,
 * so that a timed pass measures the allocator and neither a hash map nor the garbage collector. A slot is taken again
 * once its buffer is freed; there are therefore as many slots as buffers were ever live at once.
 */
public final class Trace {

    private final String name;

    /** The slot that an allocation fills, or the complement of the slot that a free empties. */
    private final int[] slots;

    /** The bytes that an allocation asks for; 0 for a free. */
    private final long[] sizes;

    private final int requests;
    private final int failures;
    private final int peakLiveCount;
    private final int finalLiveCount;
    private final long peakLiveBytes;

    private Trace(Builder builder) {
        name = builder.name;
        slots = Arrays.copyOf(builder.slots, builder.events);
        sizes = Arrays.copyOf(builder.sizes, builder.events);
        requests = builder.requests;
        failures = builder.failures;
        peakLiveCount = builder.slotCount;
        finalLiveCount = builder.slotCount - builder.emptyCount;
        peakLiveBytes = builder.peakLiveBytes;
    }

    static Builder builder(String name) {
        return new Builder(name);
    }

    String name() {
        return name;
    }

    /** How many allocations and frees there are to replay. */
    public int events() {
        return slots.length;
    }

    public boolean isAllocation(int event) {
        return slots[event] >= 0;
    }

    /** The slot of the buffer that the event creates or ends, below {@link #peakLiveCount()}. */
    public int slot(int event) {
        int slot = slots[event];
        return slot >= 0 ? slot : ~slot;
    }

    /** The bytes that an allocation asks for; 0 for a free. */
    public long size(int event) {
        return sizes[event];
    }

    /** How many allocations there are to replay. */
    public int requests() {
        return requests;
    }

    /** How many allocations failed when the trace was recorded. They got no buffer, so there is nothing to replay. */
    int failures() {
        return failures;
    }

    /** The most bytes that were live at once: what no allocator can do with less than. */
    public long peakLiveBytes() {
        return peakLiveBytes;
    }

    public int peakLiveCount() {
        return peakLiveCount;
    }

    /** How many buffers the trace never frees. */
    int finalLiveCount() {
        return finalLiveCount;
    }

    @Override
    public String toString() {
        return "Trace[%s, %d requests, peak %d bytes in %d buffers, %d never freed, %d failed]"
                .formatted(name, requests, peakLiveBytes, peakLiveCount, finalLiveCount, failures);
    }

    /** Collects a trace event by event, and hands out the slots. */
    static final class Builder {

        private final String name;
        private int[] slots = new int[1024];
        private long[] sizes = new long[1024];
        private int[] emptySlots = new int[64];
        private int events;
        private int emptyCount;
        private int slotCount;
        private int requests;
        private int failures;
        private long liveBytes;
        private long peakLiveBytes;

        private Builder(String name) {
            this.name = name;
        }

        /**
         * Adds an allocation.
         *
         * @return the slot to free it by
         * @throws ArithmeticException if more bytes are then live than a {@code long} can count
         */
        int allocate(long size) {
            liveBytes = Math.addExact(liveBytes, size);
            peakLiveBytes = Math.max(peakLiveBytes, liveBytes);
            int slot = emptyCount > 0 ? emptySlots[--emptyCount] : slotCount++;
            add(slot, size);
            requests++;
            return slot;
        }

        /** Adds the free of an allocation of {@code size} bytes that is live in {@code slot}. */
        void free(int slot, long size) {
            liveBytes -= size;
            if (emptyCount == emptySlots.length) {
                emptySlots = Arrays.copyOf(emptySlots, 2 * emptyCount);
            }
            emptySlots[emptyCount++] = slot;
            add(~slot, 0);
        }

        void allocateFailure() {
            failures++;
        }

        Trace build() {
            return new Trace(this);
        }

        private void add(int slot, long size) {
            if (events == slots.length) {
                slots = Arrays.copyOf(slots, 2 * events);
                sizes = Arrays.copyOf(sizes, 2 * events);
            }
            slots[events] = slot;
            sizes[events++] = size;
        }
    }
}
