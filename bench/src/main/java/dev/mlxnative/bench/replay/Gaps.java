package dev.mlxnative.bench.replay;

import java.util.ArrayList;

/**
 * What a log lacks of the life of its process. The components are fields of the JSON.
 *
 * @param unknownFrees the frees of memory that the log does not allocate; the replay skips them
 * @param missingFrees the allocations whose pointer the log allocates again without a free; the replay frees them there
 * @param tornEnds the logs that break off in a line or in gzip data; the replay skips the incomplete line
 * @param appendedLogs the logs after the first in one file; the replay frees all memory of one before the next
 */
record Gaps(long unknownFrees, long missingFrees, long tornEnds, long appendedLogs) {

    static final Gaps NONE = new Gaps(0, 0, 0, 0);

    /** Describes the gaps and how the replay fills them, in one sentence. */
    String sentence() {
        var parts = new ArrayList<String>();
        add(parts, unknownFrees, "skipped %s of memory that the log does not allocate", "free");
        add(parts, missingFrees, "added %s that the log lacks", "free");
        add(parts, tornEnds, "skipped %s of a log", "torn end");
        add(parts, appendedLogs, "replayed %s after the first", "appended log");
        return "partial log: " + String.join(", ", parts);
    }

    private static void add(ArrayList<String> parts, long count, String format, String noun) {
        if (count > 0) {
            parts.add(format.formatted("%,d %s%s".formatted(count, noun, count == 1 ? "" : "s")));
        }
    }
}
