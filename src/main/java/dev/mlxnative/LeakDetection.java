package dev.mlxnative;

/**
 * How many of a pool's leases are watched for being dropped: unreachable for the program, and never ended.
 *
 * <p>A watched lease that is dropped is ended when the garbage collector finds it. A warning with the stack trace of
 * its allocation goes to the log, and its memory back to the device: not to the free lists, since GPU work that was
 * encoded with it may still be waiting, and keeps the memory alive as long as nobody reuses it.
 *
 * <p>A pool that has been {@linkplain MlxBufferPool#reset() reset} leaves its dropped leases to the next reset, because
 * there that is how they are meant to end: {@link MlxBufferPool#close} reports those that no reset has ended. Leases of
 * a scope are the scope's: it is watched as a whole, by the segments and buffers that it has handed out. In a checked
 * pool, where those have lifetimes of their own, keep the scope itself.
 */
public enum LeakDetection {
    /** None is watched. A dropped lease keeps its memory until {@link MlxBufferPool#reset}. */
    OFF,
    /** One lease in 509 on average, and one scope in 509: a leak that happens again and again is found. */
    SAMPLED,
    /** Every lease and every scope. Costs microseconds and about a kilobyte of heap for each. */
    FULL
}
