package dev.mlxnative.internal.pool;

import dev.mlxnative.internal.device.DeviceMemory;
import org.jspecify.annotations.Nullable;

/** The transactions of maintenance on the {@link PoolState}: its backlog, sweeps, and trimming. Thread-safe. */
final class MaintenanceTransactions {
    private final PoolState state;

    MaintenanceTransactions(PoolState state) {
        this.state = state;
    }

    /** Whether there may be a backlog. Takes no lock. */
    boolean hasBacklog() {
        return state.hasBacklog();
    }

    /** Moves the backlog to the caller, who carries it out. */
    void takeBacklog(Backlog taken) {
        state.lock.lock();
        try {
            state.backlog.moveTo(taken);
            state.publishBacklog();
        } finally {
            state.lock.unlock();
        }
    }

    /** Takes back what the caller could not carry out. */
    void returnBacklog(Backlog taken) {
        state.lock.lock();
        try {
            taken.moveTo(state.backlog);
            state.publishBacklog();
        } finally {
            state.lock.unlock();
        }
    }

    /** The ticket of the planned sweep, or {@link SweepPlan#NONE}. */
    long plannedSweep() {
        state.lock.lock();
        try {
            return state.sweeps.ticket();
        } finally {
            state.lock.unlock();
        }
    }

    /** The sweep with this ticket will not run: the next release plans another one. */
    void sweepNotScheduled(long ticket) {
        state.lock.lock();
        try {
            if (state.sweeps.isDue(ticket)) {
                state.sweeps.cancel();
                // No sweep would find what the shards cache.
                state.caches.stop();
                state.publishPressure();
            }
        } finally {
            state.lock.unlock();
        }
    }

    /**
     * Frees and offers memory that has been unused for long enough when the sweep with this ticket comes, and plans the
     * next sweep. Returns the first memory of a chain of offers, which the caller has the system accept; null if there
     * are none.
     */
    @Nullable
    DeviceMemory sweep(long ticket) {
        state.lock.lock();
        try {
            if (!state.sweeps.isDue(ticket)) {
                return null;
            }
            state.caches.flush();
            state.publishPressure();
            state.sweeps.begin();
            if (state.sweeps.toTrim.stopIfOver()) {
                state.eviction.evictUnusedSince(state.sweeps.toTrim.freesAtStart());
            }
            DeviceMemory offered = null;
            if (state.sweeps.toOffer.stopIfOver()) {
                offered = state.free.offerUnusedSince(state.sweeps.toOffer.freesAtStart());
            }
            state.planSweep();
            if (!state.sweeps.isPlanned()) {
                // The shards may have cached blocks since the flush: stop them, and sweep what they had.
                state.sweeps.cancel();
                state.caches.stop();
                state.publishPressure();
                state.planSweep();
            }
            state.publishBacklog();
            return offered;
        } finally {
            state.lock.unlock();
        }
    }

    /** Frees memory until at most this many bytes are free; returns the bytes that it frees. */
    long trim(long maxFreeBytes, TrimCause cause) {
        state.lock.lock();
        try {
            state.caches.flush();
            state.publishPressure();
            long bytes = state.eviction.evictDownTo(maxFreeBytes, cause);
            state.publishBacklog();
            return bytes;
        } finally {
            state.lock.unlock();
        }
    }

    /** A native buffer has been freed. */
    void freed(long capacity) {
        state.lock.lock();
        try {
            state.budget.freed(capacity);
            state.lock.signalChange();
        } finally {
            state.lock.unlock();
        }
    }
}
