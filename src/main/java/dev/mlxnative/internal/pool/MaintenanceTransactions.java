package dev.mlxnative.internal.pool;

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

    /** Frees memory that has been unused since the sweep with this ticket was planned, and plans the next one. */
    void sweep(long ticket) {
        state.lock.lock();
        try {
            if (!state.sweeps.isDue(ticket)) {
                return;
            }
            state.caches.flush();
            state.publishPressure();
            state.eviction.evictUnusedSince(state.sweeps.freesWhenPlanned());
            state.sweeps.cancel();
            state.planSweep();
            if (!state.sweeps.isPlanned()) {
                // The shards may have cached blocks since the flush: stop them, and sweep what they had.
                state.caches.stop();
                state.publishPressure();
                state.planSweep();
            }
            state.publishBacklog();
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
