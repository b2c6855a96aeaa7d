package dev.mlxnative.bench.replay;

import java.lang.foreign.MemorySegment;
import java.util.Map;
import java.util.TreeMap;

/** The addresses of the live buffers of a pass. No two of them share a byte. */
final class LiveRanges {

    /** The end of each range by its start. */
    private final TreeMap<Long, Long> ends = new TreeMap<>();

    /**
     * Adds the range of a buffer.
     *
     * @return whether it shares no byte with a live one; else it is not added
     */
    boolean add(MemorySegment contents) {
        long start = contents.address();
        long end = start + contents.byteSize();
        Map.Entry<Long, Long> before = ends.lowerEntry(end);
        if (before != null && before.getValue() > start) {
            return false;
        }
        ends.put(start, end);
        return true;
    }

    void remove(MemorySegment contents) {
        ends.remove(contents.address(), contents.address() + contents.byteSize());
    }
}
