package dev.mlxnative.internal.pool;

import dev.mlxnative.internal.background.DaemonTimer;
import dev.mlxnative.internal.device.DeviceMemory;
import dev.mlxnative.internal.device.MemorySource;
import java.util.concurrent.TimeUnit;

/** Does what transactions leave to be done: frees native buffers, and starts the maintenance they call for. */
final class Reclaimer {
    private static final TrimCause[] CAUSES = TrimCause.values();

    /** When what failed is tried again. */
    private static final long RETRY_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

    /** Maintenance in the background, which ends up here again. */
    interface Maintenance {
        /** Runs the sweep with this ticket after a delay. */
        void schedule(long ticket, long delayNanos);

        /** Has threads wait for the fences of parked memory. */
        void watchFences();
    }

    private final MemorySource source;
    private final MaintenanceTransactions transactions;
    private final PoolObserver observer;
    private final Maintenance maintenance;
    private final DaemonTimer.Task retry;

    Reclaimer(
            MemorySource source,
            MaintenanceTransactions transactions,
            PoolObserver observer,
            Maintenance maintenance,
            DaemonTimer timer) {
        this.source = source;
        this.transactions = transactions;
        this.observer = observer;
        this.maintenance = maintenance;
        retry = timer.task(this::run);
    }

    /**
     * Does what transactions have left, those of other threads included. What this fails to do is tried again later.
     * The caller holds no lock of the pool.
     */
    void run() {
        if (!transactions.hasBacklog()) {
            return;
        }
        boolean done = false;
        try {
            takeAndCarryOut();
            done = true;
        } finally {
            if (!done) {
                retry.schedule(RETRY_NANOS);
            }
        }
    }

    private void takeAndCarryOut() {
        Backlog taken = new Backlog();
        boolean done = false;
        transactions.takeBacklog(taken);
        try {
            carryOut(taken);
            done = true;
        } finally {
            if (!done) {
                transactions.returnBacklog(taken);
            }
        }
    }

    private void carryOut(Backlog taken) {
        for (TrimCause cause : CAUSES) {
            if (cause.isReported() && !taken.freeing(cause).isEmpty()) {
                observer.trimmed(cause, taken.freeing(cause));
                taken.reported(cause);
            }
        }
        if (!taken.freeing(TrimCause.UNREPORTED).isEmpty()) {
            source.free(taken.freeing(TrimCause.UNREPORTED), this::freed);
        }
        if (taken.hasSweep()) {
            maintenance.schedule(taken.sweepTicket(), taken.sweepDelayNanos());
            taken.sweepScheduled();
        }
        if (taken.hasUnwatchedFences()) {
            maintenance.watchFences();
            taken.fencesWatched();
        }
    }

    private void freed(DeviceMemory memory) {
        transactions.freed(memory.capacity());
    }

    /** Frees free memory until at most this many bytes are left; returns the bytes that were freed. */
    long trim(long maxFreeBytes, TrimCause cause) {
        long bytes = transactions.trim(maxFreeBytes, cause);
        run();
        return bytes;
    }
}
