package dev.mlxnative.bench.replay;

import java.io.IOException;
import java.nio.file.Path;

/** Reports a malformed trace file. The message is {@code file:line: reason}, as in the output of a compiler. */
final class MalformedTraceException extends IOException {

    private static final long serialVersionUID = 1L;

    private final String file;
    private final long line;
    private final String reason;

    /** @param line the line of the (unpacked) file, from 1 */
    MalformedTraceException(Path file, long line, String reason) {
        super(file + ":" + line + ": " + reason);
        this.file = file.toString();
        this.line = line;
        this.reason = reason;
    }

    String file() {
        return file;
    }

    long line() {
        return line;
    }

    String reason() {
        return reason;
    }
}
