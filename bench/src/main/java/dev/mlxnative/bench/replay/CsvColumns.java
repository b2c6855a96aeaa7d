package dev.mlxnative.bench.replay;

import de.siegmar.fastcsv.reader.CsvRecord;
import java.nio.charset.Charset;
import java.util.List;
import java.util.Objects;
import java.util.regex.Pattern;

/**
 * The columns of a CSV trace, which the header names, and the values that they may have.
 *
 * <p>These are the columns of RMM's log files. Those of version 0.15 and later are valid. The versions of RMM write
 * different values:
 *
 * <ul>
 *   <li>Time is {@code 12:34:56:123456} in early versions and {@code 12:34:56.123456} in later ones. Other recorders
 *       write a number of microseconds.
 *   <li>Stream is decimal in early versions and hexadecimal in later ones, with or without {@code 0x}.
 *   <li>The null pointer is {@code 0}, {@code 0x0} or {@code (nil)}. The rows {@code allocate failure} have it. So do
 *       the rows of a buffer of 0 bytes, for which RMM allocates no memory.
 * </ul>
 *
 * <p>Every other value is refused, also in columns that a replay does not use. A file with an error is incomplete or is
 * not the output of a recorder, so figures from it would mean nothing.
 */
final class CsvColumns {

    private static final List<String> NAMES = List.of("Thread", "Time", "Action", "Pointer", "Size", "Stream");

    private static final Pattern DECIMAL = Pattern.compile("\\d+");
    private static final Pattern SIGNED_DECIMAL = Pattern.compile("-?\\d+");
    private static final Pattern NUMBER = Pattern.compile("\\d+(\\.\\d+)?([eE][+-]?\\d+)?");
    private static final Pattern TIME_OF_DAY = Pattern.compile("(\\d{1,2}):(\\d{2}):(\\d{2})(?:[:.](\\d{1,9}))?");
    private static final Pattern HEXADECIMAL = Pattern.compile("(?:0[xX])?(\\p{XDigit}{1,16})");
    private static final String NIL = "(nil)";
    private static final long NULL = 0;

    private static final String BYTE_ORDER_MARK = "\uFEFF";

    private final List<String> header;
    private final Charset charset;
    private final int thread;
    private final int time;
    private final int action;
    private final int pointer;
    private final int size;
    private final int stream;

    private CsvColumns(List<String> header, Charset charset) {
        this.header = header;
        this.charset = charset;
        thread = header.indexOf("Thread");
        time = header.indexOf("Time");
        action = header.indexOf("Action");
        pointer = header.indexOf("Pointer");
        size = header.indexOf("Size");
        stream = header.indexOf("Stream");
    }

    /**
     * Finds each column in the header, which may have other columns too.
     *
     * @param charset the encoding of the file, for messages
     */
    static CsvColumns of(CsvRecord header, Charset charset) throws BadRecordException {
        List<String> names = header.getFields();
        requireText(names, charset);
        for (String separator : List.of(";", "\t")) {
            if (names.size() == 1 && List.of(names.getFirst().split(separator)).containsAll(NAMES)) {
                throw new BadRecordException(
                        "the columns are separated by '%s': replace each by a comma".formatted(separator));
            }
        }
        for (String column : NAMES) {
            int first = names.indexOf(column);
            if (first < 0) {
                throw new BadRecordException(
                        "no column %s in the header: %s".formatted(column, String.join(",", names)));
            }
            if (first != names.lastIndexOf(column)) {
                throw new BadRecordException("column %s twice in the header".formatted(column));
            }
        }
        return new CsvColumns(names, charset);
    }

    /** Whether the row is the header once more. */
    boolean isHeader(CsvRecord row) {
        return row.getFieldCount() == header.size()
                && endsWithHeader(row)
                && row.getField(0).replace(BYTE_ORDER_MARK, "").equals(header.getFirst());
    }

    /** Whether the row is the header once more, perhaps after an incomplete row that has no end of line. */
    boolean endsWithHeader(CsvRecord row) {
        int start = row.getFieldCount() - header.size();
        return start >= 0
                && row.getField(start).endsWith(header.getFirst())
                && row.getFields().subList(start + 1, row.getFieldCount()).equals(header.subList(1, header.size()));
    }

    /** Reads a row that is not blank. */
    Event read(CsvRecord row) throws BadRecordException {
        requireText(row.getFields(), charset);
        if (row.getFieldCount() != header.size()) {
            throw new BadRecordException(
                    "%d fields, but the header has %d".formatted(row.getFieldCount(), header.size()));
        }
        require(DECIMAL, "Thread", row.getField(thread));
        double micros = micros(row.getField(time));
        long address = address("Pointer", row.getField(pointer));
        String bytes = row.getField(size);
        address("Stream", row.getField(stream));
        return switch (row.getField(action)) {
            case "allocate" -> new Event(Action.ALLOCATE, address, size(bytes), micros);
            case "free" -> new Event(Action.FREE, address, size(bytes), micros);
            case "allocate failure" -> {
                require(DECIMAL, "Size", bytes); // any number of digits: a failed request may exceed 64 bits
                yield new Event(Action.FAILURE, address, 0, micros);
            }
            default -> throw new BadRecordException("unknown action: " + row.getField(action));
        };
    }

    enum Action {
        ALLOCATE,
        FREE,
        FAILURE
    }

    /** A well-formed row. */
    record Event(Action action, long pointer, long size, double micros) {

        void apply(PointerTable pointers, long line) throws BadRecordException {
            switch (action) {
                case ALLOCATE -> {
                    if (pointer != NULL) {
                        pointers.allocate(pointer, size, line);
                    } else if (size != 0) {
                        throw new BadRecordException("allocate of %d bytes at the null pointer".formatted(size));
                    }
                }
                case FREE -> {
                    if (pointer != NULL) {
                        pointers.free(pointer, size);
                    }
                }
                case FAILURE -> pointers.allocateFailure();
            }
        }
    }

    private static void require(Pattern pattern, String column, String value) throws BadRecordException {
        if (!pattern.matcher(value).matches()) {
            throw badNumber(column, value);
        }
    }

    /** The microseconds of a number, or of a time of day since midnight. */
    private static double micros(String value) throws BadRecordException {
        var timeOfDay = TIME_OF_DAY.matcher(value);
        if (!timeOfDay.matches()) {
            require(NUMBER, "Time", value);
            return Double.parseDouble(value);
        }
        double minutes = 60 * Double.parseDouble(timeOfDay.group(1)) + Double.parseDouble(timeOfDay.group(2));
        double seconds = 60 * minutes + Double.parseDouble(timeOfDay.group(3));
        return 1e6 * (seconds + Double.parseDouble("0." + Objects.requireNonNullElse(timeOfDay.group(4), "0")));
    }

    private static long address(String column, String value) throws BadRecordException {
        if (value.equals(NIL)) {
            return NULL;
        }
        var matcher = HEXADECIMAL.matcher(value);
        if (!matcher.matches()) {
            throw badNumber(column, value);
        }
        return Long.parseUnsignedLong(matcher.group(1), 16);
    }

    private static long size(String value) throws BadRecordException {
        require(SIGNED_DECIMAL, "Size", value);
        if (value.startsWith("-")) {
            throw new BadRecordException("negative size: " + value);
        }
        try {
            return Long.parseLong(value);
        } catch (NumberFormatException e) {
            throw new BadRecordException("size beyond 64 bits: " + value);
        }
    }

    private static void requireText(List<String> fields, Charset charset) throws BadRecordException {
        for (String field : fields) {
            if (field.indexOf(TraceText.REPLACEMENT) >= 0) {
                throw new BadRecordException("not " + charset.name());
            }
            if (field.indexOf('\0') >= 0) {
                throw new BadRecordException("NUL characters");
            }
        }
    }

    private static BadRecordException badNumber(String column, String value) {
        return new BadRecordException("bad number in column %s: %s".formatted(column, value));
    }
}
