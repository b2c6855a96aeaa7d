package dev.mlxnative.internal.pool;

/**
 * The sweep of a pool that is planned next. It comes as soon as one of two countdowns is over: to the moment when idle
 * memory is freed, or to the one when it is offered to the system. Not thread-safe; the pool's lock guards it.
 */
final class SweepPlan {
    /** The ticket of no sweep. */
    static final long NONE = 0;

    /** A time that passes while sweeps are planned. */
    static final class Countdown {
        private boolean isRunning;
        private long nanosLeft;
        private long freesAtStart;

        private void startUnlessRunning(long frees, long nanos) {
            if (!isRunning && nanos > 0) {
                isRunning = true;
                nanosLeft = nanos;
                freesAtStart = frees;
            }
        }

        private long delayNanos() {
            return isRunning ? nanosLeft : Long.MAX_VALUE;
        }

        /** Stops the countdown if its time has passed; returns whether it has. */
        boolean stopIfOver() {
            boolean isOver = isRunning && nanosLeft <= 0;
            if (isOver) {
                isRunning = false;
            }
            return isOver;
        }

        /** The count of {@link FreeSpace#frees} when the countdown was started last. */
        long freesAtStart() {
            return freesAtStart;
        }
    }

    /** Until memory is freed that has been unused since the start. */
    final Countdown toTrim = new Countdown();

    /** Until memory is offered to the system that has been unused since the start. */
    final Countdown toOffer = new Countdown();

    private long ticket = NONE;
    private long ticketsIssued;
    private long delayNanos;

    boolean isPlanned() {
        return ticket != NONE;
    }

    /**
     * Plans a sweep and returns its ticket, which makes that of an earlier plan void.
     *
     * @param frees the count of {@link FreeSpace#frees}
     * @param trimNanos the time of {@link #toTrim} if it has to be started; 0 for never
     * @param offerNanos the time of {@link #toOffer} if it has to be started; 0 for never
     */
    long plan(long frees, long trimNanos, long offerNanos) {
        toTrim.startUnlessRunning(frees, trimNanos);
        toOffer.startUnlessRunning(frees, offerNanos);
        delayNanos = Math.min(toTrim.delayNanos(), toOffer.delayNanos());
        ticket = ++ticketsIssued;
        return ticket;
    }

    /** The ticket of the planned sweep, or {@link #NONE}. */
    long ticket() {
        return ticket;
    }

    /** The time until the planned sweep. */
    long delayNanos() {
        return delayNanos;
    }

    /** Whether a ticket is that of the planned sweep. */
    boolean isDue(long sweepTicket) {
        return sweepTicket == ticket;
    }

    /** The planned sweep runs: its delay has passed. */
    void begin() {
        ticket = NONE;
        toTrim.nanosLeft -= delayNanos;
        toOffer.nanosLeft -= delayNanos;
    }

    /** Makes the planned sweep void, and stops the countdowns. */
    void cancel() {
        ticket = NONE;
        toTrim.isRunning = false;
        toOffer.isRunning = false;
    }
}
