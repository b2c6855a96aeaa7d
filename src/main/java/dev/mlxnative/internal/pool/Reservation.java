package dev.mlxnative.internal.pool;

/** The answer of the budget to a request for new native memory. */
sealed interface Reservation {
    /** No particular capacity. */
    long ANY = 0;

    /** The memory may be allocated: its capacity is counted until it is cancelled or freed. */
    record Granted(long capacity) implements Reservation {}

    /**
     * The memory may be allocated once the {@link Backlog} is done; the request then asks again, for {@code capacity}
     * bytes or, if that is {@link #ANY}, for what is best then.
     */
    record EvictFirst(long capacity) implements Reservation {}

    /** The memory may not be allocated. */
    record Denied(DenialCause cause, long capacity) implements Reservation {}
}
