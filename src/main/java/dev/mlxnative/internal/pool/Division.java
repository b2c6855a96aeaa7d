package dev.mlxnative.internal.pool;

/** A native buffer of a pool, divided into blocks: a {@link Chunk} or a {@link Slab}. */
interface Division {
    /** The capacity of a block that is leased with this many bytes. */
    long capacityFor(long byteLength);
}
