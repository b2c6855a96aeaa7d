package dev.mlxnative.internal.pool;

import dev.mlxnative.internal.device.DeviceMemory;
import dev.mlxnative.internal.device.MemorySource;
import org.jspecify.annotations.Nullable;

/** Does what transactions leave to be done: frees native buffers, and starts the maintenance they call for. */
final class Reclaimer {
    /** Maintenance in the background, which ends up here again. */
    interface Maintenance {
        /** Runs a sweep after its delay. */
        void schedule(Deferred.Sweep sweep);

        /** Has threads wait for the fences of parked memory. */
        void watchFences();
    }

    private final MemorySource source;
    private final PoolState state;
    private final PoolObserver observer;
    private final Maintenance maintenance;

    Reclaimer(MemorySource source, PoolState state, PoolObserver observer, Maintenance maintenance) {
        this.source = source;
        this.state = state;
        this.observer = observer;
        this.maintenance = maintenance;
    }

    /** Does what a transaction has left. The caller holds no lock of the pool. */
    void carryOut(Deferred deferred) {
        Deferred.@Nullable Sweep sweep = deferred.sweep();
        if (sweep != null) {
            maintenance.schedule(sweep);
        }
        if (!deferred.freeing().isEmpty()) {
            free(deferred);
        }
        if (deferred.watchFences()) {
            maintenance.watchFences();
        }
    }

    private void free(Deferred deferred) {
        TrimCause cause = deferred.cause();
        if (cause != null) {
            observer.trimmed(cause, deferred.freeing());
        }
        source.free(deferred.freeing(), this::freed);
    }

    private void freed(DeviceMemory memory) {
        state.freed(memory.capacity());
    }

    /** Frees free memory until at most this many bytes are left; returns the bytes that were freed. */
    long trim(long maxFreeBytes, TrimCause cause) {
        Deferred deferred = state.trim(maxFreeBytes, cause);
        carryOut(deferred);
        return deferred.freeingBytes();
    }
}
