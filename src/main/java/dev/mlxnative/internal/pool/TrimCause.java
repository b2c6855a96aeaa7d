package dev.mlxnative.internal.pool;

/** Why cached memory is freed. */
enum TrimCause {
    REQUESTED("trim or clear"),
    LIMIT("a limit"),
    REPLACED("replaced by a larger native buffer"),
    IDLE("idle"),
    REFUSED("the device refused memory"),
    CLOSED("the pool was closed");

    private final String description;

    TrimCause(String description) {
        this.description = description;
    }

    String description() {
        return description;
    }
}
