package dev.mlxnative.bench.replay;

import de.siegmar.fastcsv.reader.CsvParseException;
import de.siegmar.fastcsv.reader.CsvReader;
import de.siegmar.fastcsv.reader.CsvRecord;
import de.siegmar.fastcsv.reader.FieldMismatchStrategy;
import java.io.BufferedInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.zip.GZIPInputStream;
import java.util.zip.ZipException;

/**
 * Reads a trace from a CSV file with the columns {@code Thread,Time,Action,Pointer,Size,Stream}, gzip or plain.
 *
 * <p>These are the columns of RMM's log files. The reader accepts those of version 0.15 and later. The versions of RMM
 * write different values:
 *
 * <ul>
 *   <li>Time is {@code 12:34:56:123456} in early versions and {@code 12:34:56.123456} in later ones. Other recorders
 *       write a number.
 *   <li>Stream is decimal in early versions and hexadecimal in later ones, with or without {@code 0x}.
 *   <li>The null pointer is {@code 0}, {@code 0x0} or {@code (nil)}. The rows {@code allocate failure} have it. So do
 *       the rows of a buffer of 0 bytes, for which RMM allocates no memory.
 * </ul>
 *
 * <p>The reader rejects every other deviation, also in columns that a replay does not use. A file with an error is
 * incomplete or is not the output of a recorder, so figures from it would mean nothing.
 */
public final class TraceReader {

    private static final List<String> COLUMNS = List.of("Thread", "Time", "Action", "Pointer", "Size", "Stream");

    private static final Pattern DECIMAL = Pattern.compile("\\d+");
    private static final Pattern SIGNED_DECIMAL = Pattern.compile("-?\\d+");
    private static final Pattern TIME =
            Pattern.compile("\\d{1,2}:\\d{2}:\\d{2}([:.]\\d{1,9})?|\\d+(\\.\\d+)?([eE][+-]?\\d+)?");
    private static final Pattern HEXADECIMAL = Pattern.compile("(?:0[xX])?(\\p{XDigit}{1,16})");
    private static final String NIL = "(nil)";
    private static final long NULL = 0;

    /** The character that the decoder puts in the place of bytes that are not UTF-8. */
    private static final char REPLACEMENT = '\uFFFD';

    private final Path file;
    private final Trace.Builder trace;
    private final Map<Long, Allocation> live = new HashMap<>();
    private long line = 1;

    private TraceReader(Path file) {
        this.file = file;
        this.trace = Trace.builder(String.valueOf(file.getFileName()));
    }

    /**
     * Reads the whole of {@code file}.
     *
     * @throws MalformedTraceException if a line of the file is malformed
     * @throws IOException if the file cannot be read
     */
    public static Trace read(Path file) throws IOException {
        return new TraceReader(file).read();
    }

    private Trace read() throws IOException {
        try (var bytes = new BufferedInputStream(Files.newInputStream(file));
                var lines = new LineCountingInputStream(unzip(bytes))) {
            readRows(lines);
        }
        return trace.build();
    }

    /** Unpacks gzip. It tests the first two bytes and not the name, because the name of a rotated log is arbitrary. */
    private InputStream unzip(BufferedInputStream bytes) throws IOException {
        bytes.mark(2);
        boolean gzip = bytes.read() == 0x1f && bytes.read() == 0x8b;
        bytes.reset();
        if (!gzip) {
            return bytes;
        }
        try {
            return new GZIPInputStream(bytes);
        } catch (EOFException | ZipException e) {
            throw damagedGzip(1, e);
        }
    }

    private void readRows(LineCountingInputStream lines) throws IOException {
        try (var records = CsvReader.builder()
                .skipEmptyLines(false)
                .allowUnclosedQuote(false)
                .extraFieldStrategy(FieldMismatchStrategy.IGNORE)
                .missingFieldStrategy(FieldMismatchStrategy.IGNORE)
                .ofCsvRecord(new InputStreamReader(lines, StandardCharsets.UTF_8))) {
            var rows = records.iterator();
            if (!rows.hasNext()) {
                throw malformed("no header: the file is empty");
            }
            Columns columns = readHeader(rows.next());
            line++;
            while (rows.hasNext()) {
                CsvRecord row = rows.next();
                line = row.getStartingLineNumber();
                readRow(row, columns);
                line++;
            }
        } catch (CsvParseException e) {
            throw malformed(String.valueOf(e.getMessage()));
        } catch (UncheckedIOException e) {
            if (e.getCause() instanceof EOFException || e.getCause() instanceof ZipException) {
                throw damagedGzip(lines.line(), e.getCause());
            }
            throw e.getCause();
        }
    }

    private Columns readHeader(CsvRecord header) throws MalformedTraceException {
        requireUtf8(header);
        List<String> names = header.getFields();
        for (String column : COLUMNS) {
            int first = names.indexOf(column);
            if (first < 0) {
                throw malformed("no column %s in the header: %s".formatted(column, String.join(",", names)));
            }
            if (first != names.lastIndexOf(column)) {
                throw malformed("column %s twice in the header".formatted(column));
            }
        }
        return Columns.of(names);
    }

    private void readRow(CsvRecord row, Columns columns) throws MalformedTraceException {
        if (isBlank(row)) {
            return;
        }
        requireUtf8(row);
        if (row.getFieldCount() != columns.count()) {
            throw malformed("%d fields, but the header has %d".formatted(row.getFieldCount(), columns.count()));
        }
        require(DECIMAL, "Thread", row.getField(columns.thread()));
        require(TIME, "Time", row.getField(columns.time()));
        String action = row.getField(columns.action());
        long pointer = address("Pointer", row.getField(columns.pointer()));
        String size = row.getField(columns.size());
        address("Stream", row.getField(columns.stream()));
        switch (action) {
            case "allocate" -> allocate(pointer, size(size));
            case "free" -> free(pointer, size(size));
            case "allocate failure" -> {
                require(DECIMAL, "Size", size); // any number of digits: a failed request may exceed 64 bits
                trace.allocateFailure();
            }
            default -> throw malformed("unknown action: " + action);
        }
    }

    private void allocate(long pointer, long size) throws MalformedTraceException {
        if (pointer == NULL && size == 0) {
            return;
        }
        if (pointer == NULL) {
            throw malformed("allocate of %d bytes at the null pointer".formatted(size));
        }
        requirePositive(size);
        Allocation previous = live.get(pointer);
        if (previous != null) {
            throw malformed("allocate of %s, which is live since line %d".formatted(hex(pointer), previous.line()));
        }
        try {
            live.put(pointer, new Allocation(trace.allocate(size), size, line));
        } catch (ArithmeticException e) {
            throw malformed("more bytes live than fit a 64-bit number");
        }
    }

    private void free(long pointer, long size) throws MalformedTraceException {
        if (pointer == NULL) {
            return;
        }
        requirePositive(size);
        Allocation allocation = live.remove(pointer);
        if (allocation == null) {
            throw malformed("free of %s, which is not live".formatted(hex(pointer)));
        }
        if (allocation.size() != size) {
            throw malformed("free of %s with size %d, but line %d allocates %d"
                    .formatted(hex(pointer), size, allocation.line(), allocation.size()));
        }
        trace.free(allocation.slot(), size);
    }

    private void require(Pattern pattern, String column, String value) throws MalformedTraceException {
        if (!pattern.matcher(value).matches()) {
            throw badNumber(column, value);
        }
    }

    private long address(String column, String value) throws MalformedTraceException {
        if (value.equals(NIL)) {
            return NULL;
        }
        var matcher = HEXADECIMAL.matcher(value);
        if (!matcher.matches()) {
            throw badNumber(column, value);
        }
        return Long.parseUnsignedLong(matcher.group(1), 16);
    }

    private long size(String value) throws MalformedTraceException {
        require(SIGNED_DECIMAL, "Size", value);
        if (value.startsWith("-")) {
            throw malformed("negative size: " + value);
        }
        try {
            return Long.parseLong(value);
        } catch (NumberFormatException e) {
            throw malformed("size beyond 64 bits: " + value);
        }
    }

    private void requirePositive(long size) throws MalformedTraceException {
        if (size == 0) {
            throw malformed("size 0");
        }
    }

    private void requireUtf8(CsvRecord row) throws MalformedTraceException {
        for (String field : row.getFields()) {
            if (field.indexOf(REPLACEMENT) >= 0) {
                throw malformed("not UTF-8");
            }
        }
    }

    private static boolean isBlank(CsvRecord row) {
        return row.getFieldCount() == 1 && row.getField(0).isEmpty();
    }

    private static String hex(long pointer) {
        return "0x" + Long.toHexString(pointer);
    }

    private MalformedTraceException badNumber(String column, String value) {
        return malformed("bad number in column %s: %s".formatted(column, value));
    }

    private MalformedTraceException damagedGzip(long brokenLine, Throwable cause) {
        String reason = cause instanceof EOFException ? "truncated gzip" : "corrupt gzip: " + cause.getMessage();
        return new MalformedTraceException(file, brokenLine, reason);
    }

    private MalformedTraceException malformed(String reason) {
        return new MalformedTraceException(file, line, reason);
    }

    private record Allocation(int slot, long size, long line) {}

    /** The index of each column in the header, which may have other columns too. */
    private record Columns(int count, int thread, int time, int action, int pointer, int size, int stream) {

        static Columns of(List<String> names) {
            return new Columns(
                    names.size(),
                    names.indexOf("Thread"),
                    names.indexOf("Time"),
                    names.indexOf("Action"),
                    names.indexOf("Pointer"),
                    names.indexOf("Size"),
                    names.indexOf("Stream"));
        }
    }
}
