package dev.mlxnative.bench.replay;

import java.util.HashMap;
import java.util.Map;

/** The live allocations of a log by their pointers. Translates events with pointers to events of a trace. */
final class PointerTable {

    private final Trace.Builder trace;
    private final GapPolicy gaps;
    private final String unit;
    private final Map<Long, Allocation> live = new HashMap<>();

    /** @param unit what positions number in the messages: lines, or entries */
    PointerTable(Trace.Builder trace, GapPolicy gaps, String unit) {
        this.trace = trace;
        this.gaps = gaps;
        this.unit = unit;
    }

    /** @param position where the file has the allocation, for later messages */
    void allocate(long pointer, long size, long position) throws BadRecordException {
        requirePositive(size);
        Allocation previous = live.get(pointer);
        if (previous != null) {
            gaps.missingFree(
                    "allocate of %s, which is live since %s %d".formatted(hex(pointer), unit, previous.position()));
            trace.free(previous.slot(), previous.size());
        }
        try {
            live.put(pointer, new Allocation(trace.allocate(size), size, position));
        } catch (ArithmeticException e) {
            throw new BadRecordException("more bytes live than fit a 64-bit number");
        }
    }

    void free(long pointer, long size) throws BadRecordException {
        requirePositive(size);
        Allocation allocation = live.remove(pointer);
        if (allocation == null) {
            gaps.unknownFree("free of %s, which is not live".formatted(hex(pointer)));
            return;
        }
        if (allocation.size() != size) {
            throw new BadRecordException("free of %s with size %d, but %s %d allocates %d"
                    .formatted(hex(pointer), size, unit, allocation.position(), allocation.size()));
        }
        trace.free(allocation.slot(), size);
    }

    void allocateFailure() {
        trace.allocateFailure();
    }

    /** Frees all memory: the process has ended. */
    void endProcess() {
        for (Allocation allocation : live.values()) {
            trace.free(allocation.slot(), allocation.size());
        }
        live.clear();
        trace.clock().startAgain();
    }

    private static void requirePositive(long size) throws BadRecordException {
        if (size <= 0) {
            throw new BadRecordException(size == 0 ? "size 0" : "negative size: " + size);
        }
    }

    private static String hex(long pointer) {
        return "0x" + Long.toHexString(pointer);
    }

    private record Allocation(int slot, long size, long position) {}
}
