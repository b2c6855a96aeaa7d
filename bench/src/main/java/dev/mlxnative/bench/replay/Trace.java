package dev.mlxnative.bench.replay;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The allocations and frees of a program, in their order.
 *
 * <p>Two arrays of primitives hold the events. The reader has already replaced each recorded pointer by a small slot
 * number. A timed pass therefore measures the allocator, and no hash map or garbage collection.
 *
 * <p>After a free the slot is used again. The number of slots is the maximum number of buffers that are live at once.
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
    private final long durationMicros;
    private final Gaps gaps;
    private final List<String> remarks;

    private Trace(Builder builder) {
        name = builder.name;
        slots = Arrays.copyOf(builder.slots, builder.events);
        sizes = Arrays.copyOf(builder.sizes, builder.events);
        requests = builder.requests;
        failures = builder.failures;
        peakLiveCount = builder.slotCount;
        finalLiveCount = builder.slotCount - builder.emptyCount;
        peakLiveBytes = builder.peakLiveBytes;
        durationMicros = builder.clock.micros();
        gaps = builder.gaps;
        remarks = List.copyOf(builder.remarks);
    }

    static Builder builder(String name) {
        return new Builder(name);
    }

    String name() {
        return name;
    }

    /** The number of allocations and frees. */
    public int events() {
        return slots.length;
    }

    public boolean isAllocation(int event) {
        return slots[event] >= 0;
    }

    /** The slot of the buffer that the event allocates or frees: at least 0 and less than {@link #peakLiveCount()}. */
    public int slot(int event) {
        int slot = slots[event];
        return slot >= 0 ? slot : ~slot;
    }

    /** The bytes that an allocation asks for; 0 for a free. */
    public long size(int event) {
        return sizes[event];
    }

    /** The number of allocations. */
    public int requests() {
        return requests;
    }

    /** The number of allocations that failed when the trace was recorded. A replay skips them. */
    int failures() {
        return failures;
    }

    /** The maximum of the bytes that are live at once. Every allocator needs at least as much memory. */
    public long peakLiveBytes() {
        return peakLiveBytes;
    }

    /** The time from the first event to the last when the trace was recorded; 0 if the trace has no times. */
    long durationMicros() {
        return durationMicros;
    }

    public int peakLiveCount() {
        return peakLiveCount;
    }

    /** The number of buffers that the trace never frees. */
    int finalLiveCount() {
        return finalLiveCount;
    }

    /** What the file lacks. */
    Gaps gaps() {
        return gaps;
    }

    /** Sentences for the user about what the trace leaves out of its file. */
    List<String> remarks() {
        return remarks;
    }

    @Override
    public String toString() {
        return "Trace[%s, %d requests, peak %d bytes in %d buffers, %d never freed, %d failed]"
                .formatted(name, requests, peakLiveBytes, peakLiveCount, finalLiveCount, failures);
    }

    /** Builds a trace event by event, and assigns the slots. */
    static final class Builder {

        private final String name;
        private final List<String> remarks = new ArrayList<>();
        private final TraceClock clock = new TraceClock();
        private Gaps gaps = Gaps.NONE;
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
         * @return the slot, by which the caller frees the allocation
         * @throws ArithmeticException if the number of live bytes then exceeds a {@code long}
         */
        int allocate(long size) {
            liveBytes = Math.addExact(liveBytes, size);
            peakLiveBytes = Math.max(peakLiveBytes, liveBytes);
            int slot = emptyCount > 0 ? emptySlots[--emptyCount] : slotCount++;
            add(slot, size);
            requests++;
            return slot;
        }

        /** Adds the free of the allocation of {@code size} bytes in {@code slot}. */
        void free(int slot, long size) {
            liveBytes -= size;
            if (emptyCount == emptySlots.length) {
                emptySlots = Arrays.copyOf(emptySlots, 2 * emptyCount);
            }
            emptySlots[emptyCount++] = slot;
            add(~slot, 0);
        }

        /** The clock of the recorded program. */
        TraceClock clock() {
            return clock;
        }

        void allocateFailure() {
            failures++;
        }

        void remark(String sentence) {
            remarks.add(sentence);
        }

        /** Sets what the file lacks, and remarks on it. */
        void gaps(Gaps found) {
            gaps = found;
            if (!found.equals(Gaps.NONE)) {
                remark(found.sentence());
            }
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
