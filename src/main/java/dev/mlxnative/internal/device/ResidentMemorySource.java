package dev.mlxnative.internal.device;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/** A memory source that keeps all of its memory in a residency set, from allocation until it is freed. */
public final class ResidentMemorySource implements MemorySource {
    private final MemorySource source;
    private final ResidencySet set;

    @SuppressWarnings({"unused", "UnusedVariable"}) // the set is closed when its owner is garbage
    private final Object owner;

    /**
     * A source with the memory of another.
     *
     * @param set used as long as it is open; memory is allocated without it afterwards
     * @param owner the owner of the set, which this source keeps reachable
     */
    public ResidentMemorySource(MemorySource source, ResidencySet set, Object owner) {
        this.source = source;
        this.set = set;
        this.owner = owner;
    }

    @Override
    public DeviceTraits traits() {
        return source.traits();
    }

    @Override
    public boolean isOf(NativeDevice device) {
        return source.isOf(device);
    }

    /** No: the memory is to stay resident. */
    @Override
    public boolean mayOffer() {
        return false;
    }

    @Override
    public long recommendedBytes() {
        return source.recommendedBytes();
    }

    @Override
    public void requireOpen() {
        source.requireOpen();
    }

    @Override
    public DeviceMemory allocate(long capacity) {
        DeviceMemoryList refused = new DeviceMemoryList();
        Consumer<DeviceMemory> nothing = freed -> {};
        DeviceMemory memory = source.allocate(capacity);
        boolean added = false;
        try {
            set.addUnlessClosed(memory.wholeBufferObject());
            added = true;
            return memory;
        } finally {
            if (!added) {
                refused.add(memory);
                source.free(refused, nothing);
            }
        }
    }

    @Override
    public void free(DeviceMemoryList memories, Consumer<DeviceMemory> freed) {
        try {
            set.removeAll(wholeBufferObjects(memories));
        } finally {
            source.free(memories, freed);
        }
    }

    private static List<BufferObject> wholeBufferObjects(DeviceMemoryList memories) {
        List<BufferObject> objects = new ArrayList<>(memories.count());
        for (DeviceMemory memory = memories.first(); memory != null; memory = memory.next) {
            objects.add(memory.wholeBufferObject());
        }
        return objects;
    }

    @Override
    public long allocatedBytes() {
        return source.allocatedBytes();
    }
}
