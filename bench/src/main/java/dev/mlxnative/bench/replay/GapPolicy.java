package dev.mlxnative.bench.replay;

/** Decides about gaps of a log: refuses them, or counts them if the user allows partial logs. */
final class GapPolicy {

    static final String OPTION = "--partial";

    private final boolean partial;
    private long unknownFrees;
    private long missingFrees;
    private long tornEnds;
    private long appendedLogs;

    GapPolicy(boolean partial) {
        this.partial = partial;
    }

    /** The log frees memory that it does not allocate. */
    void unknownFree(String reason) throws BadRecordException {
        requirePartial(reason, "skips it");
        unknownFrees++;
    }

    /** The log allocates memory again without a free. */
    void missingFree(String reason) throws BadRecordException {
        requirePartial(reason, "frees it first");
        missingFrees++;
    }

    /** The log breaks off. */
    void tornEnd(String reason) throws BadRecordException {
        requirePartial(reason, "replays what is before it");
        tornEnds++;
    }

    /** Another log begins in the same file. */
    void appendedLog() throws BadRecordException {
        requirePartial("a second header, so logs were appended to each other", "replays one after the other");
        appendedLogs++;
    }

    private void requirePartial(String reason, String remedy) throws BadRecordException {
        if (!partial) {
            throw new BadRecordException(reason + " (" + OPTION + " " + remedy + ")");
        }
    }

    Gaps gaps() {
        return new Gaps(unknownFrees, missingFrees, tornEnds, appendedLogs);
    }
}
