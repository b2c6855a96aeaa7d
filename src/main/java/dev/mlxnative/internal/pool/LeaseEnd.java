package dev.mlxnative.internal.pool;

/** The result of ending a lease in its shard. */
enum LeaseEnd {
    /** The lease had ended before. */
    ENDED_BEFORE,
    /** The lease has ended, and the shard caches the block. */
    CACHED,
    /** The lease has ended, and the caller must retire the block, which counts as active until then. */
    RETIRING
}
