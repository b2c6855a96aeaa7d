package dev.mlxnative.internal.pool;

import dev.mlxnative.BufferAllocationException;
import dev.mlxnative.internal.device.Backing;
import dev.mlxnative.internal.device.BufferObject;
import dev.mlxnative.internal.device.DeviceMemory;
import dev.mlxnative.internal.device.DeviceTraits;
import dev.mlxnative.internal.device.MemorySource;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;

/**
 * A memory source without native memory: it gives out ranges of addresses, which must not be touched. It refuses what
 * exceeds its capacity, and can delay freeing, as a native call does that uses the memory. Confined to one thread.
 */
final class FakeMemorySource implements MemorySource {
    static final long PAGE = 16_384;
    static final long MAX_BUFFER_LENGTH = 1L << 34;

    /** Memory that was allocated and not yet freed, in the order of allocation. */
    final Set<DeviceMemory> live = new LinkedHashSet<>();

    /** The steps so far: {@code "allocate 256"}, {@code "refuse 256"}, {@code "free 256"}. */
    final List<String> steps = new ArrayList<>();

    /** Bytes that can be live; more are refused. */
    long capacity = Long.MAX_VALUE;

    boolean open = true;

    /** While this is set, memory stays live until {@link #finishFreeing}. */
    boolean delaysFreeing;

    private final List<Runnable> delayed = new ArrayList<>();
    private long nextAddress = 1L << 40;

    @Override
    public DeviceTraits traits() {
        return DeviceTraits.ofMetal(PAGE, MAX_BUFFER_LENGTH);
    }

    @Override
    public long recommendedBytes() {
        return 1L << 36;
    }

    @Override
    public void requireOpen() {
        if (!open) {
            throw new IllegalStateException("the device is closed");
        }
    }

    @Override
    public DeviceMemory allocate(long bytes) {
        requireOpen();
        if (bytes > capacity - allocatedBytes()) {
            steps.add("refuse " + bytes);
            throw new BufferAllocationException("the fake device has no memory left", bytes);
        }
        steps.add("allocate " + bytes);
        MemorySegment segment = MemorySegment.ofAddress(nextAddress).reinterpret(bytes);
        nextAddress += (bytes + PAGE - 1) / PAGE * PAGE + PAGE;
        DeviceMemory memory = new DeviceMemory(Arena.global(), segment, new NoBacking());
        live.add(memory);
        return memory;
    }

    @Override
    public void free(List<DeviceMemory> memories, Consumer<DeviceMemory> freed) {
        for (DeviceMemory memory : memories) {
            if (delaysFreeing) {
                delayed.add(() -> free(memory, freed));
            } else {
                free(memory, freed);
            }
        }
    }

    private void free(DeviceMemory memory, Consumer<DeviceMemory> freed) {
        if (!live.remove(memory)) {
            throw new AssertionError(
                    "memory of " + memory.capacity() + " bytes is freed twice, or is not this device's");
        }
        steps.add("free " + memory.capacity());
        freed.accept(memory);
    }

    /** Frees all memory whose freeing was delayed. */
    void finishFreeing() {
        List<Runnable> due = List.copyOf(delayed);
        delayed.clear();
        due.forEach(Runnable::run);
    }

    @Override
    public long allocatedBytes() {
        return live.stream().mapToLong(DeviceMemory::capacity).sum();
    }

    /** No buffer objects: there is no native memory. */
    private static final class NoBacking implements Backing {
        @Override
        public BufferObject covering(long offset, long length) {
            throw new AssertionError("fake memory has no buffer objects");
        }

        @Override
        public boolean isCopy() {
            return false;
        }

        @Override
        public void removeLabel() {}

        @Override
        public void release() {
            throw new AssertionError("fake memory is freed by its source");
        }
    }
}
