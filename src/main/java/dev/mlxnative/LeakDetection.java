package dev.mlxnative;

/**
 * How many of a pool's leases are watched for being dropped: their buffer became unreachable, and never ended its
 * lease.
 *
 * <p>The pool ends a watched lease when the garbage collector has found it dropped, and logs a warning with the stack
 * trace of its allocation. The memory is not reused, because GPU work that uses it may still wait; Metal keeps a native
 * buffer alive for that work. So the native buffer is freed or, if other leases share it in a {@link Sizing#COMPACT}
 * pool, the lease's own range is quarantined until they have ended. The warning says which.
 *
 * <p>A pool that has been {@linkplain MlxBufferPool#reset() reset} leaves dropped leases to its next reset, because
 * such a program ends leases that way. {@link MlxBufferPool#close} reports those that no reset has ended. A scope is
 * watched as a whole: its segments and buffers keep it. In a checked pool, where these have lifetimes of their own,
 * keep the scope itself reachable.
 */
public enum LeakDetection {
    /** No lease is watched. A dropped lease keeps its memory until {@link MlxBufferPool#reset}. */
    OFF,
    /** One lease in 509 on average, and one scope in 509: enough to find a leak that repeats. */
    SAMPLED,
    /** Every lease and every scope is watched, at microseconds and about a kilobyte of heap for each. */
    FULL
}
