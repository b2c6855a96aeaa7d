package dev.mlxnative.internal.pool;

import dev.mlxnative.internal.device.DeviceMemory;
import java.util.ArrayList;
import java.util.List;

/**
 * Removes native buffers from the free space, in the order in which that evicts them, and counts them as being freed.
 * Not thread-safe; the pool's lock guards it.
 */
final class Eviction {
    private final FreeSpace free;
    private final MemoryBudget budget;
    private final PoolCounters counters;

    Eviction(FreeSpace free, MemoryBudget budget, PoolCounters counters) {
        this.free = free;
        this.budget = budget;
        this.counters = counters;
    }

    /** Evicts what the limits do not allow; everything if {@code all} is true. */
    List<DeviceMemory> evictSurplus(boolean all) {
        if (free.evictableCount() == 0 || !isSurplus(all)) {
            return List.of();
        }
        List<DeviceMemory> evicted = new ArrayList<>();
        while (free.evictableCount() > 0 && isSurplus(all)) {
            evictInto(evicted);
        }
        return evicted;
    }

    private boolean isSurplus(boolean all) {
        return all || free.bytes() > budget.limits().cacheLimit() || budget.isExceeded() || free.hasDrained();
    }

    /** Evicts until a new buffer fits once all that is being freed is freed. */
    List<DeviceMemory> evictUntilFits(long capacity) {
        List<DeviceMemory> evicted = new ArrayList<>();
        while (free.evictableCount() > 0 && !budget.fitsWithout(0, 0, capacity)) {
            evictInto(evicted);
        }
        return evicted;
    }

    /** Evicts until at most this many bytes are free. */
    List<DeviceMemory> evictDownTo(long maxFreeBytes) {
        List<DeviceMemory> evicted = new ArrayList<>();
        while (free.evictableCount() > 0 && free.bytes() > maxFreeBytes) {
            evictInto(evicted);
        }
        return evicted;
    }

    /** Evicts what has been free since this count of {@link FreeSpace#frees}, or longer. */
    List<DeviceMemory> evictUnusedSince(long frees) {
        List<DeviceMemory> evicted = new ArrayList<>();
        while (free.evictableCount() > 0 && free.evictableSince() <= frees) {
            evictInto(evicted);
        }
        return evicted;
    }

    /** Evicts the buffers that must be freed before a new one for the request is allocated. */
    List<DeviceMemory> evictObstacles(SizeRounding rounding, long byteLength) {
        List<DeviceMemory> evicted = free.removeObstacles(rounding, byteLength);
        for (DeviceMemory memory : evicted) {
            count(memory);
        }
        return evicted;
    }

    private void evictInto(List<DeviceMemory> evicted) {
        DeviceMemory memory = free.evict();
        if (memory == null) {
            throw new AssertionError("the free space counts " + free.evictableCount() + " buffers and evicts none");
        }
        count(memory);
        evicted.add(memory);
    }

    private void count(DeviceMemory memory) {
        budget.freeing(memory.capacity());
        counters.trimmed(memory.capacity());
    }
}
