package dev.mlxnative.internal.pool;

import dev.mlxnative.BufferAllocationException;
import dev.mlxnative.internal.device.Backing;
import dev.mlxnative.internal.device.BufferObject;
import dev.mlxnative.internal.device.DeviceMemory;
import dev.mlxnative.internal.device.DeviceMemoryList;
import dev.mlxnative.internal.device.DeviceTraits;
import dev.mlxnative.internal.device.MemorySource;
import dev.mlxnative.internal.device.NativeDevice;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.function.Consumer;

/**
 * A memory source without native memory: it gives out ranges of addresses, which must not be touched. It refuses what
 * exceeds its capacity, and can delay freeing, as a native call does that uses the memory. Thread-safe, except for the
 * settings.
 */
final class FakeMemorySource implements MemorySource {
    static final long PAGE = 16_384;
    static final long MAX_BUFFER_LENGTH = 1L << 34;
    static final long RECOMMENDED_BYTES = 1L << 36;

    /** Memory that was allocated and not yet freed, in the order of allocation. */
    private final Set<DeviceMemory> live = new LinkedHashSet<>();

    private final List<String> steps = new ArrayList<>();

    /** Bytes that can be live; more are refused. */
    volatile long capacity = Long.MAX_VALUE;

    volatile long recommendedBytes = RECOMMENDED_BYTES;

    volatile boolean open = true;

    /** While this is set, memory stays live until {@link #finishFreeing}. */
    volatile boolean delaysFreeing;

    /** Whether memory can be read and written, for pools that fill it. */
    volatile boolean isTouchable;

    /** Whether writing to memory fails. */
    volatile boolean isReadOnly;

    /** Whether idle memory may be offered to the system. */
    volatile boolean mayOffer = true;

    /** Whether the system takes the contents that are offered to it. */
    volatile boolean takesOffered;

    /** Runs before each offer that the system accepts, and before each memory is taken back. */
    volatile Runnable duringChange = () -> {};

    /** Runs in each call of {@link #allocate}, before the device serves or refuses it. */
    volatile Runnable duringAllocation = () -> {};

    /** Runs before each memory is taken from the list of those to free. */
    volatile Runnable duringFreeing = () -> {};

    private final List<Runnable> delayed = new ArrayList<>();
    private long nextAddress = 1L << 40;
    private int labelsRemoved;

    /**
     * The steps since the last call of this: {@code "allocate 256"}, {@code "refuse 256"}, {@code "free 256"},
     * {@code "offer 256"}, {@code "take back 256"}.
     */
    synchronized List<String> takeSteps() {
        List<String> taken = List.copyOf(steps);
        steps.clear();
        return taken;
    }

    /** How many labels were removed from memory. */
    synchronized int labelsRemoved() {
        return labelsRemoved;
    }

    @Override
    public DeviceTraits traits() {
        return DeviceTraits.ofMetal(PAGE, MAX_BUFFER_LENGTH);
    }

    @Override
    public boolean isOf(NativeDevice device) {
        return false;
    }

    @Override
    public long recommendedBytes() {
        return recommendedBytes;
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
        duringAllocation.run();
        return serve(bytes);
    }

    private synchronized DeviceMemory serve(long bytes) {
        if (bytes > capacity - allocatedBytes()) {
            steps.add("refuse " + bytes);
            throw new BufferAllocationException("the fake device has no memory left", bytes);
        }
        steps.add("allocate " + bytes);
        DeviceMemory memory = new DeviceMemory(Arena.global(), access(segment(bytes)), new NoBacking(bytes));
        live.add(memory);
        return memory;
    }

    private MemorySegment access(MemorySegment segment) {
        return isReadOnly ? segment.asReadOnly() : segment;
    }

    private MemorySegment segment(long bytes) {
        if (isTouchable) {
            return Arena.ofAuto().allocate(bytes, PAGE);
        }
        MemorySegment segment = MemorySegment.ofAddress(nextAddress).reinterpret(bytes);
        nextAddress += (bytes + PAGE - 1) / PAGE * PAGE + PAGE;
        return segment;
    }

    @Override
    public void free(DeviceMemoryList memories, Consumer<DeviceMemory> freed) {
        while (!memories.isEmpty()) {
            duringFreeing.run();
            DeviceMemory memory = Objects.requireNonNull(memories.poll());
            if (delaysFreeing) {
                delay(() -> free(memory, freed));
            } else {
                free(memory, freed);
            }
        }
    }

    private synchronized void delay(Runnable freeing) {
        delayed.add(freeing);
    }

    private void free(DeviceMemory memory, Consumer<DeviceMemory> freed) {
        synchronized (this) {
            if (!live.remove(memory)) {
                throw new AssertionError(
                        "memory of " + memory.capacity() + " bytes is freed twice, or is not this device's");
            }
            steps.add("free " + memory.capacity());
        }
        freed.accept(memory);
    }

    /** Frees all memory whose freeing was delayed. */
    void finishFreeing() {
        List<Runnable> due;
        synchronized (this) {
            due = List.copyOf(delayed);
            delayed.clear();
        }
        due.forEach(Runnable::run);
    }

    @Override
    public synchronized long allocatedBytes() {
        return live.stream().mapToLong(DeviceMemory::capacity).sum();
    }

    private synchronized void countRemovedLabel() {
        labelsRemoved++;
    }

    @Override
    public boolean mayOffer() {
        return mayOffer;
    }

    private boolean setVolatile(long bytes, boolean isVolatile) {
        duringChange.run();
        synchronized (this) {
            steps.add((isVolatile ? "offer " : "take back ") + bytes);
        }
        return !isVolatile && takesOffered;
    }

    /** No buffer objects: there is no native memory. */
    private final class NoBacking implements Backing {
        private final long bytes;

        NoBacking(long bytes) {
            this.bytes = bytes;
        }

        @Override
        public BufferObject covering(long offset, long length) {
            throw new AssertionError("fake memory has no buffer objects");
        }

        @Override
        public boolean isCopy() {
            return false;
        }

        @Override
        public void removeLabel() {
            countRemovedLabel();
        }

        @Override
        public boolean setVolatile(boolean isVolatile) {
            return FakeMemorySource.this.setVolatile(bytes, isVolatile);
        }

        @Override
        public void release() {
            throw new AssertionError("fake memory is freed by its source");
        }
    }
}
