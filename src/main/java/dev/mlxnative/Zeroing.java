package dev.mlxnative;

/** When a pool clears the memory it hands out. */
public enum Zeroing {
    /** Memory that comes from the device is zero; memory that is reused holds what its last lease left in it. */
    FRESH,

    /**
     * Every lease starts with zeroes in all of its {@link MlxBuffer#capacity()}, so no lease sees another's bytes.
     * Costs a pass over that memory with each reuse.
     */
    ALWAYS,

    /** The pool promises nothing about contents. */
    NEVER
}
