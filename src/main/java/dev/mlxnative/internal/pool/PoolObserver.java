package dev.mlxnative.internal.pool;

import dev.mlxnative.internal.device.DeviceMemoryList;
import dev.mlxnative.internal.observe.AllocationLog;
import dev.mlxnative.internal.observe.JfrEvents;
import org.jspecify.annotations.Nullable;

/** Reports what happens in a pool to Flight Recorder and to the allocation log. Called without the pool's lock. */
final class PoolObserver {
    private final String pool;
    private final @Nullable AllocationLog log;

    /** @throws java.io.UncheckedIOException if the file of the allocation log cannot be created */
    PoolObserver(PoolConfig config) {
        JfrEvents.initialize();
        pool = config.name();
        log = config.allocationLog() == null ? null : new AllocationLog(config.allocationLog());
    }

    /** A lease has begun in its shard and is not issued yet. */
    void leased(Block block, boolean hit) {
        if (log != null) {
            log.allocated(block.address(), block.requestedBytes);
        }
        JfrEvents.leased(pool, block.requestedBytes, block.capacity(), hit);
    }

    /** Whether a log records every lease. Flight Recorder may do so besides. */
    boolean isLogging() {
        return log != null;
    }

    /** A lease has ended, and its block is not free yet. */
    void released(Block block, boolean parked) {
        if (log != null) {
            log.freed(block.address(), block.requestedBytes);
        }
        if (parked) {
            JfrEvents.parked(pool, block.requestedBytes, block.capacity());
        } else {
            JfrEvents.released(pool, block.requestedBytes, block.capacity());
        }
    }

    /** Leases were ended because nothing could end them any more; their blocks are a chain. */
    void leaked(@Nullable Block first) {
        int count = 0;
        long requestedBytes = 0;
        for (Block block = first; block != null; block = block.next) {
            count++;
            requestedBytes += block.requestedBytes;
            if (log != null) {
                log.freed(block.address(), block.requestedBytes);
            }
        }
        JfrEvents.leaked(pool, count, requestedBytes);
    }

    /** Begins the event of a native allocation; the caller commits it. */
    JfrEvents.NativeAllocated nativeAllocation() {
        return new JfrEvents.NativeAllocated(pool);
    }

    /** Native buffers are about to be freed that were free memory of the pool. */
    void trimmed(TrimCause cause, DeviceMemoryList memories) {
        JfrEvents.trimmed(pool, cause.description(), memories.count(), memories.bytes());
    }

    /** The system had taken the contents of a native buffer that is reused. */
    void purged(long bytes) {
        JfrEvents.purged(pool, bytes);
    }

    /** A request was denied. */
    void denied(long requestedBytes, DenialCause cause, AllocationTransactions.Denial denial) {
        if (log != null) {
            log.failed(requestedBytes);
        }
        JfrEvents.failed(
                pool,
                requestedBytes,
                cause.reason(),
                denial.stats(),
                denial.limits().memoryLimit());
    }

    /** The pool is closed: completes the allocation log. */
    void close() {
        if (log != null) {
            log.close();
        }
    }
}
