package dev.mlxnative.internal.pool;

/** Why native memory is freed. */
enum TrimCause {
    REQUESTED("trim or clear"),
    LIMIT("a limit"),
    REPLACED("replaced by another native buffer"),
    IDLE("idle"),
    REFUSED("the device refused memory"),
    CLOSED("the pool was closed"),
    /** No event reports it: the memory was not cached, or one has reported it. */
    UNREPORTED("");

    private final String description;

    TrimCause(String description) {
        this.description = description;
    }

    String description() {
        return description;
    }

    /** Whether an event reports the memory before it is freed. */
    boolean isReported() {
        return this != UNREPORTED;
    }
}
