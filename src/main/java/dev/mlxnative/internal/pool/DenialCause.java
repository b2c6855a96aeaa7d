package dev.mlxnative.internal.pool;

/** What denied memory to a request, with advice for the user. */
enum DenialCause {
    MEMORY_LIMIT("the memory limit", "Release buffers earlier, or raise memoryLimit"),
    BUFFER_LIMIT("the limit on the number of buffers", "Release buffers earlier, or raise bufferLimit"),
    DEVICE(
            "the device",
            "Release buffers earlier, or make room on the device; a lower memoryLimit keeps a pool from asking for more"
                    + " than the device has");

    private final String reason;
    private final String advice;

    DenialCause(String reason, String advice) {
        this.reason = reason;
        this.advice = advice;
    }

    String reason() {
        return reason;
    }

    String advice() {
        return advice;
    }
}
