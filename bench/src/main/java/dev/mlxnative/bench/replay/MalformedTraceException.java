package dev.mlxnative.bench.replay;

import java.io.IOException;
import java.nio.file.Path;
import java.util.regex.Pattern;

/** Reports a malformed trace file. The message is {@code file:place: reason}, as in the output of a compiler. */
final class MalformedTraceException extends IOException {

    private static final long serialVersionUID = 1L;

    private static final Pattern CONTROL = Pattern.compile("\\p{Cntrl}");
    private static final int MAX_LENGTH = 300;

    private final String file;
    private final String place;
    private final String reason;

    /** @param line the line of the (unpacked) file, from 1 */
    MalformedTraceException(Path file, long line, String reason) {
        this(file, Long.toString(line), reason);
    }

    /**
     * @param place the line, or the path of an element in a file that has no lines
     * @param reason a sentence that may quote the file; the message shows control characters by their numbers
     */
    MalformedTraceException(Path file, String place, String reason) {
        super(file + ":" + place + ": " + printable(reason));
        this.file = file.toString();
        this.place = place;
        this.reason = printable(reason);
    }

    private static String printable(String reason) {
        String start = reason.length() <= MAX_LENGTH ? reason : reason.substring(0, MAX_LENGTH) + "...";
        return CONTROL.matcher(start)
                .replaceAll(match -> "\\\\u%04x".formatted((int) match.group().charAt(0)));
    }

    String file() {
        return file;
    }

    String place() {
        return place;
    }

    String reason() {
        return reason;
    }
}
