package dev.mlxnative.bench.replay;

import de.siegmar.fastcsv.reader.CsvParseException;
import de.siegmar.fastcsv.reader.CsvReader;
import de.siegmar.fastcsv.reader.CsvRecord;
import de.siegmar.fastcsv.reader.FieldMismatchStrategy;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.Iterator;
import org.jspecify.annotations.Nullable;

/** Reads the rows of a CSV trace, and finds the places where one log ends or another begins. */
final class CsvTrace {

    private final Path file;
    private final TraceBytes bytes;
    private final TraceText text;
    private final GapPolicy gaps;
    private final Trace.Builder trace;
    private final PointerTable pointers;

    /** The line of the record that is read, for messages. */
    private long line = 1;

    private CsvTrace(Path file, TraceBytes bytes, TraceText text, ReadOptions options) {
        this.file = file;
        this.bytes = bytes;
        this.text = text;
        gaps = new GapPolicy(options.partial());
        trace = Trace.builder(String.valueOf(file.getFileName()));
        pointers = new PointerTable(trace, gaps, "line");
    }

    /** @param bytes the bytes behind {@code text} */
    static Trace read(Path file, TraceBytes bytes, TraceText text, ReadOptions options) throws IOException {
        return new CsvTrace(file, bytes, text, options).read();
    }

    private Trace read() throws IOException {
        try (var records = CsvReader.builder()
                .skipEmptyLines(false)
                .allowUnclosedQuote(false)
                .extraFieldStrategy(FieldMismatchStrategy.IGNORE)
                .missingFieldStrategy(FieldMismatchStrategy.IGNORE)
                .ofCsvRecord(text)) {
            readRows(records.iterator());
            trace.gaps(gaps.gaps());
            return trace.build();
        } catch (BadRecordException e) {
            throw new MalformedTraceException(file, line, e.reason());
        } catch (CsvParseException e) {
            String damage = bytes.damage();
            throw damage == null
                    ? new MalformedTraceException(file, line, String.valueOf(e.getMessage()))
                    : new MalformedTraceException(file, text.line(), damage);
        } catch (UncheckedIOException e) {
            throw e.getCause();
        }
    }

    private void readRows(Iterator<CsvRecord> rows) throws BadRecordException {
        CsvColumns columns = readHeader(rows);
        line++;
        String tornRow = null;
        while (rows.hasNext()) {
            CsvRecord row = rows.next();
            line = row.getStartingLineNumber();
            if (!isBlank(row)) {
                tornRow = readRow(row, columns, rows);
            }
            line++;
        }
        readEnd(tornRow);
    }

    private CsvColumns readHeader(Iterator<CsvRecord> rows) throws BadRecordException {
        try {
            if (!rows.hasNext()) {
                throw new BadRecordException("no header: the file is empty");
            }
            return CsvColumns.of(rows.next(), text.charset());
        } catch (BadRecordException e) {
            String damage = bytes.damage();
            throw damage == null ? e : new BadRecordException(damage);
        }
    }

    /**
     * Reads a row of an event, or the header of a further log.
     *
     * @param rows the rows that follow
     * @return null, or what is wrong with the row if it is the last one and has no end of line
     */
    private @Nullable String readRow(CsvRecord row, CsvColumns columns, Iterator<CsvRecord> rows)
            throws BadRecordException {
        CsvColumns.Event event;
        try {
            event = columns.read(row);
        } catch (BadRecordException e) {
            if (columns.endsWithHeader(row)) {
                readFurtherHeader(row, columns);
                return null;
            }
            if (isUnfinished(rows)) {
                return e.reason();
            }
            throw e;
        }
        trace.clock().at(event.micros());
        event.apply(pointers, line);
        return null;
    }

    private void readFurtherHeader(CsvRecord row, CsvColumns columns) throws BadRecordException {
        gaps.appendedLog();
        if (!columns.isHeader(row)) {
            gaps.tornEnd("a line breaks off before the second header");
        }
        pointers.endProcess();
    }

    /** Whether the last row has been read and has no end of line. */
    private boolean isUnfinished(Iterator<CsvRecord> rows) {
        try {
            return !rows.hasNext() && !text.isAtStartOfLine();
        } catch (CsvParseException e) {
            return false; // another row follows, which is malformed too
        }
    }

    private void readEnd(@Nullable String tornRow) throws BadRecordException {
        String damage = bytes.damage();
        if (damage == null && tornRow == null) {
            return;
        }
        line = text.line();
        if (damage != null && !bytes.isTruncated()) {
            throw new BadRecordException(damage);
        }
        gaps.tornEnd(damage != null ? damage : "the last line breaks off: " + tornRow);
    }

    private static boolean isBlank(CsvRecord row) {
        return row.getFieldCount() == 1 && row.getField(0).isEmpty();
    }
}
