package dev.mlxnative;

/** When a pool clears the memory that it leases. */
public enum Zeroing {
    /**
     * New memory is zero; reused memory has the contents that its last lease left, or is zero if the system has taken
     * them: see {@link PoolLimits#setPurgeableAfter}.
     */
    FRESH,

    /**
     * All of a lease's {@link MlxBuffer#capacity()} is zero at its start, so no lease sees the bytes of another. Each
     * reuse costs a pass over the memory.
     */
    ALWAYS,

    /** The contents at the start of a lease are undefined. */
    NEVER
}
