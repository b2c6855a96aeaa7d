package dev.mlxnative.internal.device;

import org.jspecify.annotations.Nullable;

/**
 * A queue of memories that are linked through themselves: adding one allocates nothing, so it cannot fail. A memory is
 * in at most one such list. Not thread-safe.
 */
public final class DeviceMemoryList {
    private @Nullable DeviceMemory first;
    private @Nullable DeviceMemory last;
    private int count;
    private long bytes;

    /** A list of one memory. */
    public static DeviceMemoryList of(DeviceMemory memory) {
        DeviceMemoryList list = new DeviceMemoryList();
        list.add(memory);
        return list;
    }

    /** Appends a memory that is in no list. */
    public void add(DeviceMemory memory) {
        if (last == null) {
            first = memory;
        } else {
            last.next = memory;
        }
        last = memory;
        count++;
        bytes += memory.capacity();
    }

    /** Moves all memories of another list to the end of this one. */
    public void addAll(DeviceMemoryList other) {
        for (DeviceMemory memory = other.poll(); memory != null; memory = other.poll()) {
            add(memory);
        }
    }

    /** Removes the first memory and returns it; null if there is none. */
    public @Nullable DeviceMemory poll() {
        DeviceMemory memory = first;
        if (memory != null) {
            first = memory.next;
            memory.next = null;
            if (first == null) {
                last = null;
            }
            count--;
            bytes -= memory.capacity();
        }
        return memory;
    }

    /** The first memory, from which {@link DeviceMemory#next} leads to the others; null if there is none. */
    @Nullable
    public DeviceMemory first() {
        return first;
    }

    /** Whether a memory is in the list. */
    public boolean contains(DeviceMemory wanted) {
        DeviceMemory memory = first;
        while (memory != null && memory != wanted) {
            memory = memory.next;
        }
        return memory != null;
    }

    /** Whether the list has no memory. */
    public boolean isEmpty() {
        return first == null;
    }

    /** Memories of the list. */
    public int count() {
        return count;
    }

    /** Bytes of the memories. */
    public long bytes() {
        return bytes;
    }
}
