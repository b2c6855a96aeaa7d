package dev.mlxnative.internal.pool;

import dev.mlxnative.internal.device.DeviceMemory;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a transaction of the {@link PoolState} leaves to be done after the unlock, by the {@link Reclaimer}.
 *
 * @param freeing native buffers to be freed; the budget counts them as being freed
 * @param cause why they are freed; null if they were never cached, so that no event reports them
 * @param sweep the idle sweep to schedule; null for none
 * @param watchFences whether threads must wait for the fences of parked memory
 */
record Deferred(
        List<DeviceMemory> freeing,
        @Nullable TrimCause cause,
        @Nullable Sweep sweep,
        boolean watchFences) {
    /** Nothing to do. */
    static final Deferred NOTHING = new Deferred(List.of(), null, null, false);

    /**
     * An idle sweep that the state has planned.
     *
     * @param ticket identifies the sweep: a later plan makes an earlier one void
     */
    record Sweep(long ticket, long delayNanos) {}

    /** Native buffers to be freed, and perhaps a sweep; shares one value if there is neither. */
    static Deferred of(List<DeviceMemory> freeing, TrimCause cause, @Nullable Sweep sweep) {
        return freeing.isEmpty() && sweep == null ? NOTHING : new Deferred(freeing, cause, sweep, false);
    }

    /** Bytes of the native buffers to be freed. */
    long freeingBytes() {
        long bytes = 0;
        for (DeviceMemory memory : freeing) {
            bytes += memory.capacity();
        }
        return bytes;
    }
}
