package dev.mlxnative.internal.pool;

import dev.mlxnative.internal.device.DeviceMemory;
import dev.mlxnative.internal.device.DeviceMemoryList;
import java.util.EnumMap;
import java.util.Map;
import java.util.Objects;

/**
 * What transactions of the {@link PoolState} leave to be done after the unlock: native buffers to free, a sweep to
 * schedule, fences to watch. It stays here until the {@link Reclaimer} has done it, so that an error on the way loses
 * nothing. Adding to it allocates nothing. Not thread-safe; the pool's lock guards that of the state.
 */
final class Backlog {
    private static final TrimCause[] CAUSES = TrimCause.values();

    /** Native buffers to be freed, by cause; the budget counts them as being freed. */
    private final Map<TrimCause, DeviceMemoryList> freeing = new EnumMap<>(TrimCause.class);

    private long sweepTicket = SweepPlan.NONE;
    private long sweepDelayNanos;
    private boolean fencesUnwatched;
    private boolean empty = true;

    Backlog() {
        for (TrimCause cause : CAUSES) {
            freeing.put(cause, new DeviceMemoryList());
        }
    }

    /** Adds a native buffer that is to be freed. */
    void free(DeviceMemory memory, TrimCause cause) {
        freeing(cause).add(memory);
        empty = false;
    }

    /** Native buffers to be freed for a cause. The thread that frees one takes it from the list. */
    DeviceMemoryList freeing(TrimCause cause) {
        return Objects.requireNonNull(freeing.get(cause));
    }

    /** An event has reported what is freed for a cause: if that has to be repeated, no other event does. */
    void reported(TrimCause cause) {
        freeing(TrimCause.UNREPORTED).addAll(freeing(cause));
    }

    /** Adds a sweep that was planned; it replaces an earlier one, which is void. */
    void schedule(long ticket, long delayNanos) {
        sweepTicket = ticket;
        sweepDelayNanos = delayNanos;
        empty = false;
    }

    boolean hasSweep() {
        return sweepTicket != SweepPlan.NONE;
    }

    long sweepTicket() {
        return sweepTicket;
    }

    long sweepDelayNanos() {
        return sweepDelayNanos;
    }

    /** The sweep is scheduled. */
    void sweepScheduled() {
        sweepTicket = SweepPlan.NONE;
    }

    /** Adds that threads must wait for the fences of parked memory. */
    void watchFences() {
        fencesUnwatched = true;
        empty = false;
    }

    boolean hasUnwatchedFences() {
        return fencesUnwatched;
    }

    /** Threads wait for the fences. */
    void fencesWatched() {
        fencesUnwatched = false;
    }

    /** Whether nothing was added since the backlog was made or moved; what was done since counts too. */
    boolean isEmpty() {
        return empty;
    }

    /** Moves everything to another backlog. */
    void moveTo(Backlog other) {
        other.empty &= empty;
        empty = true;
        for (TrimCause cause : CAUSES) {
            other.freeing(cause).addAll(freeing(cause));
        }
        if (sweepTicket > other.sweepTicket) {
            other.sweepTicket = sweepTicket;
            other.sweepDelayNanos = sweepDelayNanos;
        }
        sweepTicket = SweepPlan.NONE;
        other.fencesUnwatched |= fencesUnwatched;
        fencesUnwatched = false;
    }
}
