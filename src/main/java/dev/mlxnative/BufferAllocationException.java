package dev.mlxnative;

import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * There is no memory for a buffer: the device has none left, or a pool's limit allows no more. Nothing was allocated. A
 * pool's message has all the figures that decide, and names the setting to change.
 */
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
    BufferAllocationException(String message, long requestedBytes, PoolStats poolStats, @Nullable Throwable cause) {
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
