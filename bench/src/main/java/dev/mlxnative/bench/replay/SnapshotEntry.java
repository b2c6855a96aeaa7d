package dev.mlxnative.bench.replay;

import java.util.Map;

/**
 * An entry of {@code device_traces} in a memory snapshot of PyTorch: an action of its allocator.
 *
 * @param address the address of the memory; 0 for an action that has none
 * @param size the bytes that the program requested, the same for an allocation and its free
 * @param micros the time in microseconds, which early versions of PyTorch do not record; then not a number
 */
record SnapshotEntry(Action action, long address, long size, double micros) {

    enum Action {
        ALLOC,
        FREE_REQUESTED,
        FREE_COMPLETED,
        OOM,
        /** An action that is no request of the program. */
        OTHER
    }

    /** Reads an entry, which may have any other fields. */
    static SnapshotEntry of(Map<?, ?> fields) throws BadRecordException {
        if (!(fields.get("action") instanceof String name)) {
            throw new BadRecordException("no action");
        }
        Action action = switch (name) {
            case "alloc" -> Action.ALLOC;
            case "free_requested" -> Action.FREE_REQUESTED;
            case "free_completed" -> Action.FREE_COMPLETED;
            case "oom" -> Action.OOM;
            case "segment_alloc", "segment_free", "segment_map", "segment_unmap", "snapshot", "annotate" ->
                Action.OTHER;
            default -> throw new BadRecordException("unknown action: " + name);
        };
        double micros = fields.get("time_us") instanceof Number time ? time.doubleValue() : Double.NaN;
        return switch (action) {
            case ALLOC, FREE_REQUESTED, FREE_COMPLETED ->
                new SnapshotEntry(action, number(fields, "addr"), number(fields, "size"), micros);
            case OOM, OTHER -> new SnapshotEntry(action, 0, 0, micros);
        };
    }

    private static long number(Map<?, ?> fields, String name) throws BadRecordException {
        Object value = fields.get(name);
        if (value instanceof Integer || value instanceof Long) {
            return ((Number) value).longValue();
        }
        String kind = value == null ? "missing" : value instanceof Number ? value.toString() : "not a number";
        throw new BadRecordException("bad number in field %s: %s".formatted(name, kind));
    }
}
