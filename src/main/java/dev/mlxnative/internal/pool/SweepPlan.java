package dev.mlxnative.internal.pool;

/** The idle sweep of a pool that is planned next. Not thread-safe; the pool's lock guards it. */
final class SweepPlan {
    /** The ticket of no sweep. */
    static final long NONE = 0;

    private long ticket = NONE;
    private long ticketsIssued;
    private long freesWhenPlanned;

    boolean isPlanned() {
        return ticket != NONE;
    }

    /**
     * Plans a sweep and returns its ticket, which makes that of an earlier plan void.
     *
     * @param frees the count of {@link FreeSpace#frees}: the sweep frees what has been unused since
     */
    long plan(long frees) {
        ticket = ++ticketsIssued;
        freesWhenPlanned = frees;
        return ticket;
    }

    /** The ticket of the planned sweep, or {@link #NONE}. */
    long ticket() {
        return ticket;
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
