package dev.mlxnative.internal.pool;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.mlxnative.internal.background.DaemonTimer;
import dev.mlxnative.internal.background.Log;
import dev.mlxnative.internal.device.DeviceMemory;

/**
 * Sweeps a pool from time to time, on the {@link DaemonTimer}: reaps fences, and frees memory that lay idle, or offers
 * its contents to the system.
 *
 * <p>The timer keeps the pool reachable while a sweep is scheduled, so that a pool that is dropped loses its free
 * memory. A closed pool without parked memory has no sweep.
 */
final class IdleTrimmer {
    private final String pool;
    private final MaintenanceTransactions maintenance;
    private final FenceReaper reaper;
    private final Reclaimer reclaimer;
    private final DaemonTimer.Task task;

    /** The ticket of the sweep that the timer runs next, or has run last. */
    @GuardedBy("this")
    private long ticket = SweepPlan.NONE;

    @GuardedBy("this")
    private long delayNanos;

    IdleTrimmer(
            String pool,
            MaintenanceTransactions maintenance,
            FenceReaper reaper,
            Reclaimer reclaimer,
            DaemonTimer timer) {
        this.pool = pool;
        this.maintenance = maintenance;
        this.reaper = reaper;
        this.reclaimer = reclaimer;
        task = timer.task(this::run);
    }

    /**
     * Runs a sweep after its delay, unless a later one is planned; it plans the next one. If no thread can be started
     * for it, the state plans another one as soon as memory becomes free.
     */
    void schedule(long sweepTicket, long sweepDelayNanos) {
        boolean scheduled = false;
        try {
            scheduled = scheduleLatest(sweepTicket, sweepDelayNanos);
        } finally {
            if (!scheduled) {
                maintenance.sweepNotScheduled(sweepTicket);
            }
            cancelIfVoid();
        }
    }

    private synchronized boolean scheduleLatest(long sweepTicket, long sweepDelayNanos) {
        if (ticket > sweepTicket) {
            return true;
        }
        ticket = sweepTicket;
        delayNanos = sweepDelayNanos;
        return task.schedule(sweepDelayNanos);
    }

    /** Cancels the sweep that is scheduled unless the state still plans it. */
    synchronized void cancelIfVoid() {
        if (maintenance.plannedSweep() != ticket) {
            task.cancel();
        }
    }

    private void run() {
        try {
            reapAndSweep();
        } catch (Throwable e) {
            repeat();
            Log.warn("a sweep of pool " + pool + " failed; the next one follows", e);
        }
    }

    private void reapAndSweep() {
        try {
            reaper.reap();
        } finally {
            DeviceMemory offered = maintenance.sweep(ticket());
            reclaimer.run();
            DeviceMemory.acceptOffers(offered);
        }
    }

    private synchronized long ticket() {
        return ticket;
    }

    /**
     * Schedules the sweep that is planned after one that failed: an idle pool has no other occasion to free its memory.
     * Allocates nothing, because the heap may have no room.
     */
    private synchronized void repeat() {
        long planned = maintenance.plannedSweep();
        if (planned != SweepPlan.NONE) {
            ticket = planned;
            task.schedule(delayNanos);
        }
    }
}
