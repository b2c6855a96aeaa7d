package dev.mlxnative.internal.pool;

import org.jspecify.annotations.Nullable;

/** The idle sweep of a pool that is planned next. Not thread-safe; the pool's lock guards it. */
final class SweepPlan {
    private static final long NONE = 0;

    private long ticket = NONE;
    private long ticketsIssued;
    private long freesWhenPlanned;

    boolean isPlanned() {
        return ticket != NONE;
    }

    /**
     * Plans a sweep; null if {@code delayNanos} is 0, which means never.
     *
     * @param frees the count of {@link FreeSpace#frees}: the sweep frees what has been unused since
     */
    Deferred.@Nullable Sweep plan(long delayNanos, long frees) {
        if (delayNanos == 0) {
            return null;
        }
        ticket = ++ticketsIssued;
        freesWhenPlanned = frees;
        return new Deferred.Sweep(ticket, delayNanos);
    }

    /** Whether a ticket is that of the planned sweep. */
    boolean isDue(long sweepTicket) {
        return sweepTicket == ticket;
    }

    /** The count of frees when the sweep was planned. */
    long freesWhenPlanned() {
        return freesWhenPlanned;
    }

    /** Makes the planned sweep void. */
    void cancel() {
        ticket = NONE;
    }
}
