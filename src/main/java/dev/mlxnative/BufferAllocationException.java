package dev.mlxnative;

import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A buffer could not be allocated: the device has no memory left, or a limit of the pool allows no more. The failed
 * request changed nothing. The message of a pool contains the figures that decided, and names the setting to change.
 */
public final class BufferAllocationException extends MlxException {
    private static final long serialVersionUID = 1L;

    private final long requestedBytes;
    private final transient @Nullable PoolStats poolStats;

    /** A refusal by the device. */
    public BufferAllocationException(String message, long requestedBytes) {
        super(message);
        this.requestedBytes = requestedBytes;
        this.poolStats = null;
    }

    /** A refusal by a pool, whose figures were {@code poolStats} at that moment. */
    public BufferAllocationException(String message, long requestedBytes, PoolStats poolStats) {
        super(message);
        this.requestedBytes = requestedBytes;
        this.poolStats = poolStats;
    }

    /** The bytes that the caller requested. */
    public long requestedBytes() {
        return requestedBytes;
    }

    /** The figures of the pool right after the failure; empty if the device refused directly. Not serialized. */
    public Optional<PoolStats> poolStats() {
        return Optional.ofNullable(poolStats);
    }
}
