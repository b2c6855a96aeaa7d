package dev.mlxnative.internal.pool;

/** Why native memory is freed. */
enum TrimCause {
    REQUESTED("trim or clear"),
    LIMIT("a limit"),
    REPLACED("replaced by a larger native buffer"),
    IDLE("idle"),
    REFUSED("the device refused memory"),
    CLOSED("the pool was closed"),
    /** The memory was not cached, so that no event reports it. */
    DISCARDED("it was not cached");

    private final String description;

    TrimCause(String description) {
        this.description = description;
    }

    String description() {
        return description;
    }
}
