package dev.mlxnative;

/** Why free memory goes back to the device. */
enum TrimCause {
    REQUESTED("trim or clear"),
    LIMIT("a limit"),
    REPLACED("in the way of a larger native buffer"),
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
