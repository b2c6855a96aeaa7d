package dev.mlxnative.internal.pool;

import dev.mlxnative.internal.device.DeviceMemory;
import dev.mlxnative.internal.device.DeviceMemoryList;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * What transactions have left to be done, as a value.
 *
 * @param freeing native buffers to be freed, by cause; without the causes that have none
 * @param sweepDelayNanos 0 if no sweep is to be scheduled
 */
record Leftover(
        Map<TrimCause, List<DeviceMemory>> freeing, long sweepTicket, long sweepDelayNanos, boolean watchesFences) {
    static final Leftover NOTHING = new Leftover(Map.of(), SweepPlan.NONE, 0, false);

    /** Native buffers to be freed, and nothing else. */
    static Leftover of(TrimCause cause, DeviceMemory... memories) {
        return new Leftover(Map.of(cause, List.of(memories)), SweepPlan.NONE, 0, false);
    }

    /** Empties a backlog. */
    static Leftover takenFrom(Backlog backlog) {
        Map<TrimCause, List<DeviceMemory>> freeing = new EnumMap<>(TrimCause.class);
        for (TrimCause cause : TrimCause.values()) {
            List<DeviceMemory> memories = memories(backlog.freeing(cause));
            if (!memories.isEmpty()) {
                freeing.put(cause, memories);
            }
        }
        boolean hasSweep = backlog.hasSweep();
        var leftover = new Leftover(
                freeing, backlog.sweepTicket(), hasSweep ? backlog.sweepDelayNanos() : 0, backlog.hasUnwatchedFences());
        backlog.sweepScheduled();
        backlog.fencesWatched();
        return leftover;
    }

    private static List<DeviceMemory> memories(DeviceMemoryList list) {
        List<DeviceMemory> memories = new ArrayList<>();
        for (DeviceMemory memory = list.poll(); memory != null; memory = list.poll()) {
            memories.add(memory);
        }
        return memories;
    }

    boolean hasSweep() {
        return sweepTicket != SweepPlan.NONE;
    }

    /** Native buffers to be freed for all causes. */
    List<DeviceMemory> memories() {
        return freeing.values().stream().flatMap(List::stream).toList();
    }

    /** The native buffers as the source of memory takes them. */
    DeviceMemoryList list() {
        var list = new DeviceMemoryList();
        memories().forEach(list::add);
        return list;
    }
}
