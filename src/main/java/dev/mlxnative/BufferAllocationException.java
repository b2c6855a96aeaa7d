package dev.mlxnative;

import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** The device has no memory left for a buffer. Nothing was allocated. */
public final class BufferAllocationException extends MlxException {
    private static final long serialVersionUID = 1L;

    private final long requestedBytes;
    private final transient @Nullable PoolStats poolStats;

    /** A refusal by the device itself. */
    BufferAllocationException(String message, long requestedBytes) {
        super(message);
        this.requestedBytes = requestedBytes;
        this.poolStats = null;
    }

    /** A refusal to a pool, which had {@code poolStats} at that moment. */
    BufferAllocationException(String message, long requestedBytes, PoolStats poolStats, Throwable cause) {
        super(message, cause);
        this.requestedBytes = requestedBytes;
        this.poolStats = poolStats;
    }

    /** The bytes that the caller asked for. */
    public long requestedBytes() {
        return requestedBytes;
    }

    /** The pool's figures right after the failure; empty where no pool was asked. Not serialized. */
    public Optional<PoolStats> poolStats() {
        return Optional.ofNullable(poolStats);
    }
}
