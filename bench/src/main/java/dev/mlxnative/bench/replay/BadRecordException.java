package dev.mlxnative.bench.replay;

/** Reports a record of a trace file that is malformed or contradicts an earlier one. The reader adds its place. */
final class BadRecordException extends Exception {

    private static final long serialVersionUID = 1L;

    private final String reason;

    BadRecordException(String reason) {
        super(reason);
        this.reason = reason;
    }

    String reason() {
        return reason;
    }
}
